/* test_replies.c: what the templates azr and chat ask, and what they read out of replies. */
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const azr_template *find(const char *name)
{
    const azr_template *template = NULL;
    azr_error error;
    assert_int_equal(azr_template_find(name, &template, &error), AZR_OK);
    return template;
}

static azr_task task_of(azr_kind kind)
{
    static const char *const tasks[AZR_N_KINDS] = {
        [AZR_KIND_DEDUCTION] =
            "{\"kind\": \"deduction\", \"program\": \"def f(a, b):\\n    return a "
            "+ b\", \"input\": \"1, 2\", \"output\": \"3\"}",
        [AZR_KIND_ABDUCTION] =
            "{\"kind\": \"abduction\", \"program\": \"def f(a, b):\\n    return a "
            "+ b\", \"input\": \"1, 2\", \"output\": \"3\"}",
        [AZR_KIND_INDUCTION] =
            "{\"kind\": \"induction\", \"program\": \"def f(a):\\n    return a * 2\", "
            "\"inputs\": [\"1\", \"'x'\", \"[4]\", \"5\"], \"outputs\": [\"2\", \"'xx'\", \"[4, "
            "4]\", \"10\"], \"message\": \"twice\"}",
        [AZR_KIND_ERROR] = "{\"kind\": \"error\", \"program\": \"def f(a):\\n    return a[0]\", "
                           "\"input\": \"[]\", \"output\": \"IndexError\"}",
    };
    azr_task task;
    azr_error error = {0};
    if (azr_task_from_json(tasks[kind], strlen(tasks[kind]), &task, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return task;
}

static azr_proposal_request request_of(const azr_task *task, const azr_task *const *references)
{
    return (azr_proposal_request){
        .kind = task->kind,
        .references = references,
        .n_references = 1,
        .program = task->kind == AZR_KIND_INDUCTION ? task->program : NULL,
        .n_inputs = task->kind == AZR_KIND_INDUCTION ? 2 : 0,
    };
}

/* --- prompts ---------------------------------------------------------------------------------- */

static void assert_holds(azr_strbuf *text, const char *part)
{
    if (strstr(azr_strbuf_text(text), part) == NULL)
        fail_msg("'%s' is not in: %s", part, azr_strbuf_text(text));
}

static void assert_lacks(azr_strbuf *text, const char *part)
{
    if (strstr(azr_strbuf_text(text), part) != NULL)
        fail_msg("'%s' is in: %s", part, azr_strbuf_text(text));
}

static void test_prompts(void **state)
{
    (void)state;
    static const char *const names[] = {"azr", "chat"};
    static const char *const asked[AZR_N_KINDS] = {"block labelled output", "block labelled input",
                                                   "block labelled python",
                                                   "block labelled output"};
    for (size_t i = 0; i < AZR_COUNT(names); i++) {
        const azr_template *template = find(names[i]);
        assert_int_equal(azr_template_is_chat(template), i == 1);
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            azr_task task = task_of((azr_kind)kind);
            const azr_task *reference = &task;
            azr_proposal_request request = request_of(&task, &reference);
            azr_program_rules rules = {.banned = "random,time"};
            azr_strbuf solve = {0}, propose = {0};
            request.rules = &rules;
            azr_template_solve(template, &task, 2500, &solve);
            azr_template_propose(template, &request, &propose);
            assert_holds(&solve, asked[kind]);
            assert_holds(&propose, "<snippet_0>\n```python\ndef f(a");
            assert_holds(&propose,
                         kind == AZR_KIND_ERROR ? "```error\nIndexError\n```" : "```output\n");
            if (kind == AZR_KIND_INDUCTION) {
                assert_holds(&propose, "2 different inputs");
                assert_holds(&solve, "```message\ntwice\n```");
                assert_holds(&solve, "```output\n'xx'\n```"); /* given */
                assert_lacks(&solve, "[4]");                  /* hidden */
                assert_lacks(&solve, "return a * 2");
            } else {
                assert_holds(&propose, "random,time");
                assert_holds(&solve, "def f(a");
            }
            if (kind == AZR_KIND_DEDUCTION)
                assert_lacks(&solve, "```output\n3\n");
            if (kind == AZR_KIND_ABDUCTION)
                assert_lacks(&solve, "1, 2");
            const char *end = "\nAssistant: <think>";
            if (i == 0)
                assert_string_equal(azr_strbuf_text(&solve) + solve.size - strlen(end), end);
            azr_strbuf_deinit(&solve);
            azr_strbuf_deinit(&propose);
            azr_task_deinit(&task);
        }
    }
}

/* The paper's prompts have these the wrong way round. */
static void test_difficulty(void **state)
{
    (void)state;
    azr_strbuf text[2] = {{0}, {0}};
    for (int kind = 0; kind < 2; kind++) {
        azr_task task = task_of((azr_kind)kind);
        const azr_task *reference = &task;
        const azr_proposal_request request = request_of(&task, &reference);
        azr_template_propose(find("azr"), &request, &text[kind]);
        azr_task_deinit(&task);
    }
    assert_holds(&text[AZR_KIND_DEDUCTION], "how hard the output is to predict");
    assert_lacks(&text[AZR_KIND_DEDUCTION], "how hard an input is to find");
    assert_holds(&text[AZR_KIND_ABDUCTION], "how hard an input is to find");
    assert_lacks(&text[AZR_KIND_ABDUCTION], "how hard the output is to predict");
    azr_strbuf_deinit(&text[0]);
    azr_strbuf_deinit(&text[1]);
}

static void test_parts(void **state)
{
    (void)state;
    azr_task task = task_of(AZR_KIND_DEDUCTION);
    const azr_task *reference = &task;
    azr_proposal_request request = request_of(&task, &reference);
    static char first[] = "def g_0(a):\n    return a\n", second[] = "def g_1(a):\n    return a\n";
    const azr_part parts[] = {{.program = first}, {.program = second}};
    azr_strbuf text = {0};
    request.parts = parts;
    request.n_parts = 2;
    azr_template_propose(find("azr"), &request, &text);
    assert_holds(&text, "must call `g_0`, `g_1`.");
    assert_holds(&text, "def g_1(a):");
    azr_strbuf_deinit(&text);
    azr_task_deinit(&task);
}

/* What a program may take is what the sandbox gives it: a new task a quarter of it. */
static void test_time(void **state)
{
    (void)state;
    azr_task task = task_of(AZR_KIND_DEDUCTION), induction = task_of(AZR_KIND_INDUCTION);
    const azr_task *reference = &task;
    azr_proposal_request request = request_of(&task, &reference);
    static const struct {
        int64_t cpu_ms;
        const char *propose, *solve;
    } cases[] = {{1000, "no more than 0.25 s of", "no more than 1 s of"},
                 {40000, "no more than 10 s of", "no more than 40 s of"},
                 {0, NULL, NULL}};
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_strbuf propose = {0}, solve = {0};
        request.cpu_ms = cases[i].cpu_ms;
        azr_template_propose(find("azr"), &request, &propose);
        azr_template_solve(find("azr"), &induction, cases[i].cpu_ms, &solve);
        if (cases[i].cpu_ms > 0) {
            assert_holds(&propose, cases[i].propose);
            assert_holds(&solve, cases[i].solve);
        } else {
            assert_lacks(&propose, " s of");
            assert_lacks(&solve, " s of");
        }
        azr_strbuf_deinit(&propose);
        azr_strbuf_deinit(&solve);
    }
    azr_task_deinit(&task);
    azr_task_deinit(&induction);
}

static void test_rules(void **state)
{
    (void)state;
    azr_task task = task_of(AZR_KIND_DEDUCTION);
    const azr_task *reference = &task;
    azr_proposal_request request = request_of(&task, &reference);
    static const char *const lines[] = {"neither the input nor a test", "others are removed",
                                        "no other `def`", "random"};
    const azr_program_rules none = {0}, all = {.no_tests = true,
                                               .drop_globals = true,
                                               .one_function = true,
                                               .banned = "random"};
    for (int on = 0; on < 2; on++) {
        azr_strbuf text = {0};
        request.rules = on ? &all : &none;
        azr_template_propose(find("azr"), &request, &text);
        for (size_t i = 0; i < AZR_COUNT(lines); i++)
            if (on)
                assert_holds(&text, lines[i]);
            else if (i < 3)
                assert_lacks(&text, lines[i]);
        static const char several[] = "Other functions may stand inside it.";
        if (on)
            assert_lacks(&text, several);
        else
            assert_holds(&text, several);
        azr_strbuf_deinit(&text);
    }
    /* Which of several programs. */
    static const char reply[] =
        "</think><answer>```python\ndef f(a):\n    return 1\n```\n"
        "```python\ndef f(b):\n    return 2\n```\n```input\n3\n```</answer>";
    const azr_program_rules last = {.last_block = true};
    for (int on = 0; on < 2; on++) {
        azr_proposal proposal;
        request.rules = on ? &last : &none;
        azr_template_parse_proposal(find("azr"), &request, reply, strlen(reply), "", &proposal);
        assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
        assert_string_equal(proposal.program,
                            on ? "def f(b):\n    return 2\n" : "def f(a):\n    return 1\n");
        azr_proposal_deinit(&proposal);
    }
    azr_task_deinit(&task);
}

/* --- proposals -------------------------------------------------------------------------------- */

#define P "```python\ndef f(a):\n    return a\n```\n"
#define I "```input\n1\n```\n"
#define C "```python\ndef f(a):\n    # Input: 7\n    return a\n```\n"

static void test_proposals(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *program, *input;
        azr_verdict verdict;
    } cases[] = {
        {P I, "def f(a):\n    return a\n", "1", AZR_VERDICT_VALID},
        {I P, "def f(a):\n    return a\n", "1", AZR_VERDICT_VALID}, /* in either order */
        {"```\ndef f(a):\n    return a\n```" I, "def f(a):\n    return a\n", "1",
         AZR_VERDICT_VALID},
        {"```Python3\ndef f(a):\n    return a\n```\n```INPUT\n'x', 2\n```", NULL, "'x', 2",
         AZR_VERDICT_VALID},
        {"```python def f(a): return a```\n```input 7 ```", "def f(a): return a\n", "7",
         AZR_VERDICT_VALID},
        {P "```python\ndef f(b):\n    return b\n```\n" I "```input\n2\n```",
         "def f(a):\n    return a\n", "1", AZR_VERDICT_VALID}, /* the first of each */
        {P "# Input:\n[1,2]\n", NULL, "[1, 2]", AZR_VERDICT_VALID},
        {P "# Input: 5\n" I, NULL, "1", AZR_VERDICT_VALID}, /* a block goes before a heading */
        {"# Input: 5\n" P, NULL, "5", AZR_VERDICT_VALID},
        {C "# input: 8", NULL, "8", AZR_VERDICT_VALID}, /* not what the program says of itself */
        {C C "# Input: 8", NULL, "8", AZR_VERDICT_VALID},
        {C, NULL, NULL, AZR_VERDICT_NO_CALL},
        {P, NULL, NULL, AZR_VERDICT_NO_CALL},
        {I, NULL, NULL, AZR_VERDICT_NO_PROGRAM},
        {"def f(a):\n    return a\n" I, NULL, NULL, AZR_VERDICT_NO_PROGRAM},
        {"```python\ndef g(a):\n    return a\n```\n" I, NULL, NULL, AZR_VERDICT_NO_PROGRAM},
        {"```python\ndef f(a):\n    return a\n", NULL, NULL, AZR_VERDICT_NO_PROGRAM}, /* open */
        {"", NULL, NULL, AZR_VERDICT_NO_PROGRAM},
        {"``````", NULL, NULL, AZR_VERDICT_NO_PROGRAM},
        {P "```input\ng(1)\n```", NULL, NULL, AZR_VERDICT_BAD_LITERAL},
        {P "```input\nf(1)\n```", NULL, NULL, AZR_VERDICT_BAD_LITERAL},
    };
    azr_task task = task_of(AZR_KIND_DEDUCTION);
    const azr_task *reference = &task;
    const azr_proposal_request request = request_of(&task, &reference);
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        for (int chat = 0; chat < 2; chat++) {
            azr_strbuf text = {0};
            azr_proposal proposal;
            azr_strbuf_printf(&text, chat ? "%s" : " hm </think>\n<answer>%s</answer>",
                              cases[i].reply);
            azr_template_parse_proposal(find(chat ? "chat" : "azr"), &request,
                                        azr_strbuf_text(&text), text.size, "", &proposal);
            if (proposal.verdict != cases[i].verdict)
                fail_msg("case %zu: %s", i, azr_verdict_name(proposal.verdict));
            if (cases[i].program != NULL)
                assert_string_equal(proposal.program, cases[i].program);
            if (cases[i].input != NULL)
                assert_string_equal(proposal.inputs[0], cases[i].input);
            azr_proposal_deinit(&proposal);
            azr_strbuf_deinit(&text);
        }
    }
    azr_task_deinit(&task);
}

static void test_induction_proposals(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *message, *last;
        azr_verdict verdict;
    } cases[] = {
        {I "```input\n2\n```\n```message\ntwo\nlines\n```", "two lines", "2", AZR_VERDICT_VALID},
        {"```message\nm\n```" I I "```input\n2\n```\n```input\n3\n```", "m", "3",
         AZR_VERDICT_VALID}, /* the last two, each once */
        {I "```input\n2\n```<message>m</message>", "m", "2", AZR_VERDICT_VALID},
        {I "```input\n2\n```\n# Message: m", "m", "2", AZR_VERDICT_VALID},
        {"# Message: h\n" I "```input\n2\n```<message>t</message>```message\nb\n```", "b", "2",
         AZR_VERDICT_VALID}, /* the block, then the tags, then the heading */
        {"# Message: h\n" I "```input\n2\n```<message>t</message>", "t", "2", AZR_VERDICT_VALID},
        {"```python\n# Message: p\ndef f(a):\n    return a\n```\n# Message: h\n" I
         "```input\n2\n```",
         "h", "2", AZR_VERDICT_VALID},
        {"```python\n# Message: p\ndef f(a):\n    return a\n```\n" I "```input\n2\n```", NULL, NULL,
         AZR_VERDICT_NO_MESSAGE},
        {I "```input\n2\n```", NULL, NULL, AZR_VERDICT_NO_MESSAGE},
        {I I "```message\nm\n```", NULL, NULL, AZR_VERDICT_FEW_INPUTS},
        {"```message\nm\n```", NULL, NULL, AZR_VERDICT_NO_CALL},
    };
    azr_task task = task_of(AZR_KIND_INDUCTION);
    const azr_task *reference = &task;
    const azr_proposal_request request = request_of(&task, &reference);
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_proposal proposal;
        azr_template_parse_proposal(find("chat"), &request, cases[i].reply, strlen(cases[i].reply),
                                    "", &proposal);
        if (proposal.verdict != cases[i].verdict)
            fail_msg("case %zu: %s", i, azr_verdict_name(proposal.verdict));
        if (cases[i].message != NULL)
            assert_string_equal(proposal.message, cases[i].message);
        if (cases[i].last != NULL)
            assert_string_equal(proposal.inputs[1], cases[i].last);
        azr_proposal_deinit(&proposal);
    }
    azr_task_deinit(&task);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        azr_kind kind;
        const char *reply, *text;
        azr_verdict verdict;
    } cases[] = {
        {AZR_KIND_DEDUCTION, "```output\n3\n```", "3", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, "```output\n1\n```\nno:\n```output\n3\n```", "3", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, "so\n# Output: 3", "3", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, "output(3)", "3", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, "<output>3</output>", "3", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, "I think the output is 3.", "3", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, "The output is: 'a.b'", "'a.b'", AZR_VERDICT_CORRECT},
        {AZR_KIND_DEDUCTION, " 3 ", "3", AZR_VERDICT_CORRECT}, /* the whole answer */
        {AZR_KIND_DEDUCTION, "```output\nthree\n```", "three", AZR_VERDICT_WRONG},
        {AZR_KIND_DEDUCTION, "```input\n3\n```", NULL, AZR_VERDICT_WRONG},
        {AZR_KIND_DEDUCTION, "", NULL, AZR_VERDICT_NO_ANSWER},
        {AZR_KIND_ABDUCTION, "```input\n2,1\n```", "2, 1", AZR_VERDICT_CORRECT},
        {AZR_KIND_ABDUCTION, "```input\n[x]\n```", NULL, AZR_VERDICT_WRONG},
        {AZR_KIND_ABDUCTION, "input(2, 1)", "2, 1", AZR_VERDICT_CORRECT},
        {AZR_KIND_ERROR, "```output\nIndexError: x\n```", "IndexError", AZR_VERDICT_CORRECT},
        {AZR_KIND_INDUCTION, "```python\ndef f(a):\n    return 1\n```\nbetter:\n" P,
         "def f(a):\n    return a\n", AZR_VERDICT_CORRECT},
        {AZR_KIND_INDUCTION, "def f(a):\n    return a\n", NULL, AZR_VERDICT_NO_PROGRAM},
        {AZR_KIND_INDUCTION, "```python\nf = 1\n```", NULL, AZR_VERDICT_NO_PROGRAM},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_task task = task_of(cases[i].kind);
        azr_answer answer;
        azr_template_parse_answer(find("chat"), &task, cases[i].reply, strlen(cases[i].reply), "",
                                  &answer);
        if (answer.verdict != cases[i].verdict)
            fail_msg("case %zu: %s", i, azr_verdict_name(answer.verdict));
        if (cases[i].text != NULL)
            assert_string_equal(answer.text, cases[i].text);
        azr_answer_deinit(&answer);
        azr_task_deinit(&task);
    }
}

/* The dialogue's form: thinking ends, the answer follows at once, and is closed. */
static void test_form(void **state)
{
    (void)state;
    static const struct {
        const char *completion;
        bool formed;
    } cases[] = {
        {"hm </think> <answer>```output\n3\n```</answer>", true},
        {"</think><answer>```output\n3\n```", false},
        {"</think><answer>```output\n3\n```</answer", false},
        {"</answer></think><answer>```output\n3\n```</answer>", false}, /* sampling stops there */
        {"a </think> b </think>\n\n<answer> ```output\n3\n``` </answer> more", true},
        {"<answer>x</answer>", false},
        {"hm </think> <answer>1</answer><answer>```output\n3\n```</answer>", true},
        {"hm </THINK>\n<Answer>```output\n3\n```</answer>", true},
        {"hm <answer>```output\n3\n```</answer>", false},
        {"hm </think> so: <answer>```output\n3\n```</answer>", false},
        {"hm </think>", false},
        {"<answer>```output\n3\n```</answer></think>", false},
        {"</think><answer", false},
        {"", false},
        {"```output\n3\n```", false},
    };
    azr_task task = task_of(AZR_KIND_DEDUCTION);
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_answer answer;
        azr_template_parse_answer(find("azr"), &task, cases[i].completion,
                                  strlen(cases[i].completion), "", &answer);
        if ((answer.verdict != AZR_VERDICT_NO_REPLY) != cases[i].formed)
            fail_msg("case %zu: %s", i, azr_verdict_name(answer.verdict));
        assert_int_equal(azr_verdict_well_formed(answer.verdict), cases[i].formed);
        azr_answer_deinit(&answer);
    }
    azr_task_deinit(&task);
}

/* Closed tags are the dialogue's form, whatever stands between them: nothing is wrong (-0.5), not
 * badly formed (-1). A message of the chat that is empty has no form, nor has a missing program. */
static void test_empty_answers(void **state)
{
    (void)state;
    static const struct {
        azr_kind kind;
        const char *completion;
        azr_verdict azr, chat;
    } cases[] = {
        {AZR_KIND_DEDUCTION, "", AZR_VERDICT_WRONG, AZR_VERDICT_NO_ANSWER},
        {AZR_KIND_ABDUCTION, " \n", AZR_VERDICT_WRONG, AZR_VERDICT_NO_ANSWER},
        {AZR_KIND_ERROR, "404", AZR_VERDICT_WRONG, AZR_VERDICT_NO_ANSWER},
        {AZR_KIND_INDUCTION, "", AZR_VERDICT_NO_PROGRAM, AZR_VERDICT_NO_PROGRAM},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_task task = task_of(cases[i].kind);
        for (int chat = 0; chat < 2; chat++) {
            azr_strbuf text = {0};
            azr_strbuf_printf(&text, chat ? "%s" : "hm </think><answer>%s</answer>",
                              cases[i].completion);
            azr_answer answer;
            azr_template_parse_answer(find(chat ? "chat" : "azr"), &task, azr_strbuf_text(&text),
                                      text.size, "", &answer);
            assert_int_equal(answer.verdict, chat ? cases[i].chat : cases[i].azr);
            assert_true(answer.verdict != AZR_VERDICT_WRONG || answer.text != NULL);
            azr_answer_deinit(&answer);
            azr_strbuf_deinit(&text);
        }
        azr_task_deinit(&task);
    }
}

/* How sampling ended decides what is a reply: in the dialogue it must have closed its answer, and a
 * message must have been ended by its author. Another turn is not read, right as it may be. */
static void test_ends(void **state)
{
    (void)state;
    static const char turn[] = "</think><answer>```output\n3\n```\nUser: no\nAssistant: <think>"
                               "</think><answer>```output\n3\n```";
    static const char open[] = " </think><answer>\n```output\n3\n```\n";
    static const char closed[] = "</think><answer>```output\n3\n```</answer> so it is";
    static const char *const ends[] = {NULL, "", "\nUser:", "Assistant:", "</answer>"};
    static const struct {
        const char *template, *completion;
        bool formed[AZR_COUNT(ends)];
    } cases[] = {
        {"azr", open, {false, false, false, false, true}},
        {"azr", turn, {false, false, false, false, false}},
        {"azr", closed, {true, true, true, true, true}},
        {"chat", "```output\n3\n```", {false, true, true, true, true}},
        {"chat", "3", {false, true, true, true, true}},
    };
    azr_task task = task_of(AZR_KIND_DEDUCTION);
    const azr_task *reference = &task;
    const azr_proposal_request request = request_of(&task, &reference);
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        for (size_t j = 0; j < AZR_COUNT(ends); j++) {
            const char *text = cases[i].completion;
            azr_answer answer;
            azr_proposal proposal;
            azr_template_parse_answer(find(cases[i].template), &task, text, strlen(text), ends[j],
                                      &answer);
            if ((answer.verdict == AZR_VERDICT_CORRECT) != cases[i].formed[j] ||
                azr_verdict_well_formed(answer.verdict) != cases[i].formed[j])
                fail_msg("case %zu, end %zu: %s", i, j, azr_verdict_name(answer.verdict));
            azr_template_parse_proposal(find(cases[i].template), &request, text, strlen(text),
                                        ends[j], &proposal);
            assert_int_equal(proposal.verdict,
                             cases[i].formed[j] ? AZR_VERDICT_NO_PROGRAM : AZR_VERDICT_NO_REPLY);
            azr_answer_deinit(&answer);
            azr_proposal_deinit(&proposal);
        }
    }
    azr_task_deinit(&task);
}

/* Whatever a model writes: an end, no crash, texts within their limits. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "```",           "\n",    "python",       "input", "output", "</think>", "<answer>",
        "def f(",        "a):\n", "    return a", "(",     ")",      "# Input:", "message",
        "the output is", "\xc3",  "<message>",    "1",     " ",      "</answer>"};
    azr_rng_key key = {.seed = 5};
    for (uint32_t i = 0; i < 4000; i++) {
        azr_strbuf text = {0};
        key.sequence = i;
        for (uint32_t j = 0; j < 40; j++)
            azr_strbuf_puts(&text, pieces[azr_rng_below(&key, j, AZR_COUNT(pieces))]);
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            azr_task task = task_of((azr_kind)kind);
            const azr_task *reference = &task;
            const azr_proposal_request request = request_of(&task, &reference);
            const azr_template *template = find(i % 2 ? "azr" : "chat");
            azr_answer answer;
            azr_proposal proposal;
            azr_template_parse_answer(template, &task, azr_strbuf_text(&text), text.size, "",
                                      &answer);
            azr_template_parse_proposal(template, &request, azr_strbuf_text(&text), text.size, "",
                                        &proposal);
            assert_true(answer.verdict < AZR_N_VERDICTS && proposal.verdict < AZR_N_VERDICTS);
            if (answer.verdict == AZR_VERDICT_CORRECT)
                assert_non_null(answer.text);
            if (proposal.verdict == AZR_VERDICT_VALID)
                assert_true(proposal.n_inputs >= 1);
            azr_answer_deinit(&answer);
            azr_proposal_deinit(&proposal);
            azr_task_deinit(&task);
        }
        azr_strbuf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_difficulty),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_proposals),
        cmocka_unit_test(test_induction_proposals),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_empty_answers),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
