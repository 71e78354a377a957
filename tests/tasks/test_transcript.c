/* test_transcript.c: what the transcript template asks, and what it reads out of completions. */
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const azr_template *transcript(void)
{
    const azr_template *template = NULL;
    azr_error error;
    assert_int_equal(azr_template_find("transcript", &template, &error), AZR_OK);
    return template;
}

/* A task from JSON, which the test knows to be good. */
static azr_task task_of(const char *json)
{
    azr_task task;
    azr_error error = {0};
    if (azr_task_from_json(json, strlen(json), &task, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return task;
}

static void test_find(void **state)
{
    (void)state;
    const azr_template *template;
    azr_error error;
    assert_int_equal(azr_template_find("transcipt", &template, &error), AZR_ERROR_INPUT);
    assert_string_equal(error.text, "unknown template 'transcipt': there is transcript, azr, chat");
}

static void test_names(void **state)
{
    (void)state;
    azr_kind kind;
    assert_true(azr_kind_parse("abduction", &kind));
    assert_int_equal(kind, AZR_KIND_ABDUCTION);
    assert_false(azr_kind_parse("Abduction", &kind));
    assert_false(azr_kind_parse("", &kind));
    assert_string_equal(azr_role_name(AZR_ROLE_SOLVER), "solver");
    for (int a = 0; a < AZR_N_VERDICTS; a++) {
        assert_true(strlen(azr_verdict_sentence((azr_verdict)a)) > 0);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(azr_verdict_name((azr_verdict)a),
                                    azr_verdict_name((azr_verdict)b));
    }
    static const azr_verdict badly_formed[] = {
        AZR_VERDICT_NO_REPLY,    AZR_VERDICT_NO_CALL,    AZR_VERDICT_NO_PROGRAM,
        AZR_VERDICT_NO_MESSAGE,  AZR_VERDICT_FEW_INPUTS, AZR_VERDICT_NO_ANSWER,
        AZR_VERDICT_BAD_LITERAL, AZR_VERDICT_BAD_TEXT,   AZR_VERDICT_INTERNAL};
    for (int verdict = 0; verdict < AZR_N_VERDICTS; verdict++) {
        bool bad = false;
        for (size_t i = 0; i < AZR_COUNT(badly_formed); i++)
            bad |= badly_formed[i] == (azr_verdict)verdict;
        assert_int_equal(azr_verdict_well_formed((azr_verdict)verdict), !bad);
    }
}

static void test_identity(void **state)
{
    (void)state;
    azr_task task, copy;
    azr_task_identity(AZR_KIND_INDUCTION, &task);
    assert_int_equal(task.n_pairs, 6);
    assert_int_equal(azr_task_given_pairs(&task), 3);
    azr_task_copy(&copy, &task);
    azr_task_deinit(&task);
    /* The texts are canonical already: reading them back changes nothing. */
    char *json = azr_task_to_json(&copy);
    azr_task back = task_of(json);
    char *again = azr_task_to_json(&back);
    assert_string_equal(json, again);
    azr_free(json);
    azr_free(again);
    azr_task_deinit(&back);
    azr_task_deinit(&copy);
    azr_task_identity(AZR_KIND_DEDUCTION, &task);
    assert_string_equal(task.inputs[0], "'Hello world'");
    assert_null(task.message);
    azr_task_deinit(&task);
}

/* --- prompts ---------------------------------------------------------------------------------- */

static const char square_json[] = "{\"program\": \"import math\\ndef f(x):\\n    return x * x\","
                                  " \"input\": \"-4\", \"output\": \"16\"}";

static void assert_proposal_prompt(const azr_proposal_request *request, const char *expected)
{
    azr_strbuf prompt = {0};
    azr_template_propose(transcript(), request, &prompt);
    assert_string_equal(azr_strbuf_text(&prompt), expected);
    azr_strbuf_deinit(&prompt);
}

static void assert_solver_prompt(const azr_task *task, const char *expected)
{
    azr_strbuf prompt = {0};
    azr_template_solve(transcript(), task, 0, &prompt);
    assert_string_equal(azr_strbuf_text(&prompt), expected);
    azr_strbuf_deinit(&prompt);
}

static void test_triplet_prompts(void **state)
{
    (void)state;
    azr_task identity, square = task_of(square_json);
    azr_task_identity(AZR_KIND_DEDUCTION, &identity);
    const azr_task *references[] = {&identity, &square};
    azr_proposal_request request = {.references = references, .n_references = 2};
    assert_proposal_prompt(
        &request, "# Small Python functions, each with one call and its result. No two are alike.\n"
                  "\n"
                  ">>> def f(a):\n"
                  "...     return a\n"
                  ">>> f('Hello world')\n"
                  "'Hello world'\n"
                  "\n"
                  ">>> import math\n"
                  ">>> def f(x):\n"
                  "...     return x * x\n"
                  ">>> f(-4)\n"
                  "16\n"
                  "\n"
                  ">>> def f(");
    request.kind = AZR_KIND_ABDUCTION;
    request.n_references = 0;
    assert_proposal_prompt(&request,
                           "# Small Python functions, each with one call that is hard to find from "
                           "its result. No two are alike.\n\n>>> def f(");
    assert_solver_prompt(&square, "import math\ndef f(x):\n    return x * x\n\n>>> f(-4)\n");
    square.kind = AZR_KIND_ABDUCTION;
    assert_solver_prompt(&square, "import math\ndef f(x):\n    return x * x\n\n"
                                  "# f(...) == 16 for these arguments:\n>>> f(");
    azr_task_deinit(&identity);
    azr_task_deinit(&square);
}

static void test_induction_prompts(void **state)
{
    (void)state;
    azr_task identity;
    azr_task_identity(AZR_KIND_INDUCTION, &identity);
    const azr_task *references[] = {&identity};
    azr_proposal_request request = {.kind = AZR_KIND_INDUCTION,
                                    .references = references,
                                    .n_references = 1,
                                    .program = "def f(words):\n    return len(words)",
                                    .n_inputs = 6};
    assert_proposal_prompt(&request,
                           "# Functions, each with a one-line hint and 6 different calls.\n"
                           "\n"
                           "def f(a):\n"
                           "    return a\n"
                           "\n"
                           "# hint: the function returns its argument\n"
                           ">>> f('Hello world')\n"
                           "'Hello world'\n"
                           ">>> f(1)\n"
                           "1\n"
                           ">>> f({'a': 1, 'b': 2})\n"
                           "{'a': 1, 'b': 2}\n"
                           ">>> f((1.1, 1.2, 1.3))\n"
                           "(1.1, 1.2, 1.3)\n"
                           ">>> f('[[1, 0, 0], [0, 0, 0], [0, 0, 0]]')\n"
                           "'[[1, 0, 0], [0, 0, 0], [0, 0, 0]]'\n"
                           ">>> f(1001101100010001)\n"
                           "1001101100010001\n"
                           "\n"
                           "def f(words):\n"
                           "    return len(words)\n"
                           "\n"
                           "# hint:");
    azr_task_deinit(&identity);
    azr_task task = task_of("{\"program\": \"def f(x):\\n    return x + 1\", \"message\": \"adds\","
                            " \"inputs\": [\"1\", \"2\", \"3\", \"4\", \"5\"],"
                            " \"outputs\": [\"2\", \"3\", \"4\", \"5\", \"6\"]}");
    assert_int_equal(azr_task_given_pairs(&task), 2);
    /* Nothing of the hidden calls, nothing of the program. */
    assert_solver_prompt(&task, "# hint: the function returns its argument\n"
                                ">>> f('Hello world')\n"
                                "'Hello world'\n"
                                ">>> f(1)\n"
                                "1\n"
                                ">>> f({'a': 1, 'b': 2})\n"
                                "{'a': 1, 'b': 2}\n"
                                "\n"
                                "def f(a):\n"
                                "    return a\n"
                                "\n"
                                "\n"
                                "# hint: adds\n"
                                ">>> f(1)\n"
                                "2\n"
                                ">>> f(2)\n"
                                "3\n"
                                "\n"
                                "def f(");
    azr_task_deinit(&task);
}

/* 10 inputs: 5 given, 5 hidden. */
static void test_split_is_even(void **state)
{
    (void)state;
    azr_task task = {.kind = AZR_KIND_INDUCTION, .n_pairs = 10};
    assert_int_equal(azr_task_given_pairs(&task), 5);
}

static void test_stops(void **state)
{
    (void)state;
    const char *const *stops =
        azr_template_stops(transcript(), AZR_ROLE_PROPOSER, AZR_KIND_ABDUCTION);
    assert_string_equal(stops[0], "\n\n");
    assert_null(stops[1]);
    stops = azr_template_stops(transcript(), AZR_ROLE_SOLVER, AZR_KIND_DEDUCTION);
    assert_string_equal(stops[0], "\n");
    stops = azr_template_stops(transcript(), AZR_ROLE_PROPOSER, AZR_KIND_INDUCTION);
    assert_string_equal(stops[0], "\n\n");
}

/* --- proposals -------------------------------------------------------------------------------- */

static azr_proposal parse_bytes(const azr_proposal_request *request, const char *text, size_t size)
{
    /* An exact copy on the heap: the sanitizer sees a read behind its end. */
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    azr_proposal proposal;
    azr_template_parse_proposal(transcript(), request, copy, size, "", &proposal);
    free(copy);
    return proposal;
}

static azr_proposal parse_triplet(const char *text)
{
    azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION};
    return parse_bytes(&request, text, strlen(text));
}

static void assert_triplet(const char *completion, const char *program, const char *input)
{
    azr_proposal proposal = parse_triplet(completion);
    if (proposal.verdict != AZR_VERDICT_VALID)
        fail_msg("%s: %s", azr_verdict_name(proposal.verdict), completion);
    assert_string_equal(proposal.program, program);
    assert_int_equal(proposal.n_inputs, 1);
    assert_string_equal(proposal.inputs[0], input);
    assert_null(proposal.message);
    azr_exec_job job = azr_proposal_job(&proposal, azr_exec_default_limits());
    assert_ptr_equal(job.program, proposal.program);
    assert_int_equal(job.n_inputs, 1);
    assert_true(job.check_determinism);
    azr_proposal_deinit(&proposal);
}

static void assert_triplet_refused(const char *completion, azr_verdict expected)
{
    azr_proposal proposal = parse_triplet(completion);
    if (proposal.verdict != expected)
        fail_msg("%s, not %s: %s", azr_verdict_name(proposal.verdict), azr_verdict_name(expected),
                 completion);
    azr_proposal_deinit(&proposal);
}

#define BODY "a):\n    return a\n\n"
#define PROGRAM "def f(a):\n    return a\n"

static void test_triplets(void **state)
{
    (void)state;
    assert_triplet(BODY ">>> f('x')\n'x'\n", PROGRAM, "'x'");
    assert_triplet("a):\n    return a\n>>> f('x')", PROGRAM, "'x'"); /* ended by the limit */
    assert_triplet(BODY ">>> f( [1,2] , b = {\"k\":(1,)} )   # three\n1", PROGRAM,
                   "[1, 2], b={'k': (1,)}");
    assert_triplet(BODY ">>> f()\n", PROGRAM, "");
    /* brackets, quotes, hashes inside strings; all kinds of strings */
    assert_triplet(BODY ">>> f(')', \"(#\", '\\')', '''a)b''')\n", PROGRAM,
                   "')', '(#', \"')\", 'a)b'");
    assert_triplet(BODY ">>> f((1), [(2)], {3: ')'})\n", PROGRAM, "1, [2], {3: ')'}");
    /* the first line with a call counts, wherever else calls stand */
    assert_triplet("a):\n    '''\n    >>> f(9)\n    '''\n    return a\n>>> f(1)\n1\n>>> f(2)\n",
                   "def f(a):\n    '''\n    >>> f(9)\n    '''\n    return a\n", "1");
    /* what stands behind the example's end is not read */
    assert_triplet(BODY ">>> f(1)\n1\n\n# Example 3\n\xff", PROGRAM, "1");
}

/* What the prompt shows: a session. Its program comes out as a listing, and goes in as a session.
 */
static void test_sessions(void **state)
{
    (void)state;
    static const char program[] = "def f(a):\n    if a:\n\n        return g(a)\n    return 0\n"
                                  "import math\ndef g(x):\n    return math.floor(\n"
                                  "x)\nif 1:\n    pass\nelse:\n    pass\n";
    static const char session[] = ">>> def f(a):\n...     if a:\n...\n...         return g(a)\n"
                                  "...     return 0\n>>> import math\n>>> def g(x):\n"
                                  "...     return math.floor(\n>>> x)\n>>> if 1:\n...     pass\n"
                                  "... else:\n...     pass\n>>> f(1.5)\n1\n\n";
    assert_triplet(session + strlen(">>> def f("), program, "1.5");
    azr_task task = {.program = azr_copy_text(program, strlen(program)), .n_pairs = 1};
    task.inputs = azr_alloc(1, sizeof(char *));
    task.outputs = azr_alloc(1, sizeof(char *));
    task.inputs[0] = azr_copy_text("1.5", 3);
    task.outputs[0] = azr_copy_text("1", 1);
    const azr_task *reference = &task;
    azr_proposal_request request = {.references = &reference, .n_references = 1};
    azr_strbuf prompt = {0};
    azr_template_propose(transcript(), &request, &prompt);
    assert_non_null(strstr(azr_strbuf_text(&prompt), session));
    azr_strbuf_deinit(&prompt);
    azr_task_deinit(&task);
    assert_triplet("a):\n...     return a\n... \n>>> f(1)\n1\n>>> f(2)", PROGRAM, "1");
    assert_triplet("a):\n...     return a\n>>> b = 2\n>>> f(1)", PROGRAM "b = 2\n", "1");
    assert_triplet_refused("a):\n...     return a\n>>> def f(b):\n...     return b\n>>> f(1)",
                           AZR_VERDICT_NO_CALL);
}

static void test_triplets_with_more_code(void **state)
{
    (void)state;
    assert_triplet("a,\n      b=(1, 2)) -> int:  \n    return g(a)\n\nimport math\n\n"
                   "def g(x):\n    return math.floor(x)\n\n>>> f(1.5)\n",
                   "def f(a,\n      b=(1, 2)) -> int:  \n    return g(a)\n\nimport math\n\n"
                   "def g(x):\n    return math.floor(x)\n",
                   "1.5");
    assert_triplet("s=\")\"): return s\n>>> f(\"\")\n", "def f(s=\")\"): return s\n", "''");
}

static void test_triplets_refused(void **state)
{
    (void)state;
    assert_triplet_refused("", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY, AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY "f(1)\n", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(">>> f(1)\n", AZR_VERDICT_NO_CALL); /* no line start: "def f(>>> f(1)" */
    assert_triplet_refused(BODY "\n\n>>> f(1)\n",
                           AZR_VERDICT_NO_CALL); /* behind three line feeds */
    assert_triplet_refused(BODY ">>> f(1", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY ">>> f([1,\n 2])\n", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY ">>> f('x)\n", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY ">>> f(1])\n", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY ">>> f(1)[0]\n", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY ">>> f(1) or (7)\n", AZR_VERDICT_NO_CALL);
    assert_triplet_refused(BODY ">>> f(1)\n>>> f(x)\n", AZR_VERDICT_VALID);
    assert_triplet_refused("\n>>> f(1)\n1", AZR_VERDICT_NO_PROGRAM);
    assert_triplet_refused("a)\n    return a\n>>> f(1)\n1", AZR_VERDICT_NO_PROGRAM);
    assert_triplet_refused("a:\n    return a\n>>> f(1)\n1", AZR_VERDICT_NO_PROGRAM);
    assert_triplet_refused(BODY ">>> f(x)\n", AZR_VERDICT_BAD_LITERAL);
    assert_triplet_refused(BODY ">>> f(1 + 1)\n", AZR_VERDICT_BAD_LITERAL);
    assert_triplet_refused(BODY ">>> f(print('1'))\n", AZR_VERDICT_BAD_LITERAL);
    assert_triplet_refused(BODY ">>> f(*[1])\n", AZR_VERDICT_BAD_LITERAL);
    assert_triplet_refused(BODY ">>> f([1 for _ in 'ab'])\n", AZR_VERDICT_BAD_LITERAL);
    assert_triplet_refused(BODY ">>> f(__import__('os'))\n", AZR_VERDICT_BAD_LITERAL);
}

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a):\r\n    return a\n>>> f(1)\n", "a):\n    return '\x01'\n>>> f(1)\n",
        BODY ">>> f('\x1b[2J')\n",         BODY ">>> f('\x7f')\n",
        BODY ">>> f('\xc2\x85')\n",        BODY ">>> f('\xff')\n",
        BODY ">>> f('\xc0\x80')\n",        BODY ">>> f('\xc1\xbf')\n",
        BODY ">>> f('\xe0\x9f\xbf')\n",    BODY ">>> f('\xf0\x8f\xbf\xbf')\n",
        BODY ">>> f('\xed\xa0\x80')\n",    BODY ">>> f('\xf4\x90\x80\x80')\n",
        BODY ">>> f(1)\n\xe2\x82",
    };
    for (size_t i = 0; i < AZR_COUNT(bad); i++)
        assert_triplet_refused(bad[i], AZR_VERDICT_BAD_TEXT);
    azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION};
    azr_proposal proposal =
        parse_bytes(&request, BODY ">>> f('\0')\n", sizeof BODY ">>> f('.')\n" - 1);
    assert_int_equal(proposal.verdict, AZR_VERDICT_BAD_TEXT);
    azr_proposal_deinit(&proposal);
    assert_triplet("a):\n\treturn a\n>>> f('\xc3\xa9\xf0\x9f\x98\x80')\n",
                   "def f(a):\n\treturn a\n", "'\xc3\xa9\xf0\x9f\x98\x80'");
}

/* A triplet whose program or argument has the given length. */
static azr_verdict verdict_of_sizes(size_t program_size, size_t argument_size)
{
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, "a):\n    return a  # ");
    size_t fixed = strlen("def f(") + text.size + 1;
    for (size_t i = fixed; i < program_size; i++)
        azr_strbuf_puts(&text, "x");
    azr_strbuf_puts(&text, "\n>>> f('");
    for (size_t i = 2; i < argument_size; i++)
        azr_strbuf_puts(&text, "y");
    azr_strbuf_puts(&text, "')\n");
    azr_proposal proposal = parse_triplet(azr_strbuf_text(&text));
    azr_verdict verdict = proposal.verdict;
    azr_proposal_deinit(&proposal);
    azr_strbuf_deinit(&text);
    return verdict;
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_sizes(AZR_TASK_MAX_PROGRAM_BYTES, 9), AZR_VERDICT_VALID);
    assert_int_equal(verdict_of_sizes(AZR_TASK_MAX_PROGRAM_BYTES + 1, 9), AZR_VERDICT_TOO_LONG);
    assert_int_equal(verdict_of_sizes(99, AZR_TASK_MAX_ARGUMENT_BYTES), AZR_VERDICT_VALID);
    assert_int_equal(verdict_of_sizes(99, AZR_TASK_MAX_ARGUMENT_BYTES + 1), AZR_VERDICT_TOO_LONG);
    /* Small as written, large as a canonical text: a list's ", " for ",". */
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, BODY ">>> f([1");
    for (size_t i = 0; i < AZR_TASK_MAX_ARGUMENT_BYTES / 2 - 8; i++)
        azr_strbuf_puts(&text, ",1");
    azr_strbuf_puts(&text, "])\n");
    assert_triplet_refused(azr_strbuf_text(&text), AZR_VERDICT_TOO_LONG);
    azr_strbuf_deinit(&text);
}

/* --- induction proposals ------------------------------------------------------------------------
 */

static azr_proposal parse_inputs(const char *text, size_t n_inputs)
{
    azr_proposal_request request = {
        .kind = AZR_KIND_INDUCTION, .program = PROGRAM, .n_inputs = n_inputs};
    return parse_bytes(&request, text, strlen(text));
}

static void assert_inputs_refused(const char *completion, size_t n_inputs, azr_verdict expected)
{
    azr_proposal proposal = parse_inputs(completion, n_inputs);
    if (proposal.verdict != expected)
        fail_msg("%s, not %s: %s", azr_verdict_name(proposal.verdict), azr_verdict_name(expected),
                 completion);
    azr_proposal_deinit(&proposal);
}

/* "hint" and calls f(first) .. f(last), each with a result. */
static azr_strbuf calls(int first, int last)
{
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, " hint\n");
    for (int i = first; i <= last; i++)
        azr_strbuf_printf(&text, ">>> f(%d)\n%d\n", i, i);
    return text;
}

static void test_inputs(void **state)
{
    (void)state;
    azr_proposal proposal = parse_inputs("  counts\tthe  words \n"
                                         ">>> f('a b')\n"
                                         "2\n"
                                         ">>> f('')  # none\n"
                                         "0\n"
                                         ">>> f(  'a b' )\n" /* repeated */
                                         "2\n"
                                         "some other line\n"
                                         ">>> f(\"c\")\n"
                                         "1\n"
                                         "\n"
                                         ">>> f('behind the empty line')\n",
                                         3);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    assert_string_equal(proposal.message, "counts the words");
    assert_string_equal(proposal.program, PROGRAM);
    assert_int_equal(proposal.n_inputs, 3);
    assert_string_equal(proposal.inputs[0], "'a b'");
    assert_string_equal(proposal.inputs[1], "''");
    assert_string_equal(proposal.inputs[2], "'c'");
    azr_proposal_deinit(&proposal);
}

/* azr-spec 10.4: 11 given, the last 10 count; 9 of 10 are too few. */
static void test_number_of_inputs(void **state)
{
    (void)state;
    azr_strbuf text = calls(1, 11);
    azr_proposal proposal = parse_inputs(azr_strbuf_text(&text), 10);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    assert_int_equal(proposal.n_inputs, 10);
    assert_string_equal(proposal.inputs[0], "2");
    assert_string_equal(proposal.inputs[9], "11");
    azr_proposal_deinit(&proposal);
    azr_strbuf_deinit(&text);
    text = calls(1, 9);
    assert_inputs_refused(azr_strbuf_text(&text), 10, AZR_VERDICT_FEW_INPUTS);
    azr_strbuf_puts(&text, ">>> f( 9 )\n9\n"); /* the same call once more */
    assert_inputs_refused(azr_strbuf_text(&text), 10, AZR_VERDICT_FEW_INPUTS);
    azr_strbuf_puts(&text, ">>> f(10\n"); /* cut by the token limit */
    assert_inputs_refused(azr_strbuf_text(&text), 10, AZR_VERDICT_FEW_INPUTS);
    azr_strbuf_puts(&text, ">>> f(x)\n");
    assert_inputs_refused(azr_strbuf_text(&text), 10, AZR_VERDICT_BAD_LITERAL);
    azr_strbuf_deinit(&text);
    text = calls(1, 5000); /* hostile: only so many are looked at */
    proposal = parse_inputs(azr_strbuf_text(&text), 6);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    assert_string_equal(proposal.inputs[5], "1024");
    azr_proposal_deinit(&proposal);
    azr_strbuf_deinit(&text);
}

static void test_inputs_refused(void **state)
{
    (void)state;
    assert_inputs_refused("", 2, AZR_VERDICT_NO_MESSAGE);
    assert_inputs_refused(" \n>>> f(1)\n1\n>>> f(2)\n2\n", 2, AZR_VERDICT_NO_MESSAGE);
    assert_inputs_refused("\n>>> f(1)\n1\n>>> f(2)\n2\n", 2, AZR_VERDICT_NO_MESSAGE);
    assert_inputs_refused(">>> f(1)\n1\n>>> f(2)\n2\n", 2, AZR_VERDICT_NO_MESSAGE);
    assert_inputs_refused(" hint", 2, AZR_VERDICT_NO_CALL);
    assert_inputs_refused(" hint\n\n>>> f(1)\n>>> f(2)\n", 2, AZR_VERDICT_NO_CALL);
    assert_inputs_refused(" hint\n>>> f(1)\n1", 2, AZR_VERDICT_FEW_INPUTS);
    assert_inputs_refused(" hint\n>>> f(1)\n1\n>>> f(int('1'))\n1", 2, AZR_VERDICT_BAD_LITERAL);
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, " ");
    for (int i = 0; i < AZR_TASK_MAX_MESSAGE_BYTES; i++)
        azr_strbuf_puts(&text, "h");
    azr_strbuf_puts(&text, "\n>>> f(1)\n>>> f(2)\n");
    assert_inputs_refused(azr_strbuf_text(&text), 2, AZR_VERDICT_VALID);
    text.data[0] = 'h';
    assert_inputs_refused(azr_strbuf_text(&text), 2, AZR_VERDICT_TOO_LONG);
    azr_strbuf_deinit(&text);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void assert_answer(const azr_task *task, const char *completion, azr_verdict verdict,
                          const char *text)
{
    size_t size = strlen(completion);
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, completion, size);
    azr_answer answer;
    azr_template_parse_answer(transcript(), task, copy, size, "", &answer);
    free(copy);
    if (answer.verdict != verdict)
        fail_msg("%s, not %s: %s", azr_verdict_name(answer.verdict), azr_verdict_name(verdict),
                 completion);
    if (text != NULL)
        assert_string_equal(answer.text, text);
    azr_answer_deinit(&answer);
}

static void test_deduction_answers(void **state)
{
    (void)state;
    azr_task task = task_of(square_json);
    assert_answer(&task, "16", AZR_VERDICT_CORRECT, "16");
    assert_answer(&task, " 16  \n>>> f(3)\n9", AZR_VERDICT_CORRECT, "16");
    assert_answer(&task, "17", AZR_VERDICT_CORRECT, "17"); /* not judged yet */
    assert_answer(&task, "", AZR_VERDICT_NO_ANSWER, NULL);
    assert_answer(&task, "  \n16", AZR_VERDICT_NO_ANSWER, NULL);
    assert_answer(&task, "sixteen", AZR_VERDICT_BAD_LITERAL, "sixteen");
    assert_answer(&task, "8 + 8", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "16 or 1", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "\xff", AZR_VERDICT_BAD_TEXT, NULL);
    azr_task_deinit(&task);
}

static void test_abduction_answers(void **state)
{
    (void)state;
    azr_task task = task_of(square_json);
    task.kind = AZR_KIND_ABDUCTION;
    assert_answer(&task, "4)", AZR_VERDICT_CORRECT, "4");
    assert_answer(&task, " x = 4.0 ) # four\n16\n", AZR_VERDICT_CORRECT, "x=4.0");
    assert_answer(&task, "')')", AZR_VERDICT_CORRECT, "')'");
    assert_answer(&task, ")", AZR_VERDICT_CORRECT, "");
    assert_answer(&task, "", AZR_VERDICT_NO_ANSWER, NULL);
    assert_answer(&task, "\n4)", AZR_VERDICT_NO_ANSWER, NULL);
    assert_answer(&task, "4", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "4))", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "4) or (16)", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "5) or (1", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "print(16) or 4)", AZR_VERDICT_BAD_LITERAL, NULL);
    assert_answer(&task, "x:=4)", AZR_VERDICT_BAD_LITERAL, NULL);
    azr_strbuf text = {0};
    for (int i = 0; i <= AZR_TASK_MAX_ARGUMENT_BYTES; i++)
        azr_strbuf_puts(&text, "1");
    azr_strbuf_puts(&text, ")");
    assert_answer(&task, azr_strbuf_text(&text), AZR_VERDICT_TOO_LONG, NULL);
    azr_strbuf_deinit(&text);
    azr_task_deinit(&task);
}

static void test_induction_answers(void **state)
{
    (void)state;
    azr_task task = task_of("{\"program\": \"import math\\nfrom re import sub\\ndef f(x):\\n"
                            "    import json\\n    return x\", \"message\": \"hint\","
                            " \"inputs\": [\"1\", \"2\"], \"outputs\": [\"1\", \"2\"]}");
    assert_answer(&task, "x):\n    return math.floor(x)", AZR_VERDICT_CORRECT,
                  "import math\nfrom re import sub\ndef f(x):\n    return math.floor(x)\n");
    assert_answer(&task, "x):\n    y = 1\n\n    return y\n\n\n# more", AZR_VERDICT_CORRECT,
                  "import math\nfrom re import sub\ndef f(x):\n    y = 1\n\n    return y\n");
    assert_answer(&task, "x):\n    return 1\n>>> f(1)\n2\n", AZR_VERDICT_CORRECT,
                  "import math\nfrom re import sub\ndef f(x):\n    return 1\n");
    assert_answer(&task, "", AZR_VERDICT_NO_PROGRAM, NULL);
    assert_answer(&task, "x)", AZR_VERDICT_NO_PROGRAM, NULL);
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, "x): return '");
    for (int i = 0; i <= AZR_TASK_MAX_PROGRAM_BYTES; i++)
        azr_strbuf_puts(&text, "1");
    azr_strbuf_puts(&text, "'");
    assert_answer(&task, azr_strbuf_text(&text), AZR_VERDICT_TOO_LONG, NULL);
    azr_strbuf_deinit(&text);
    azr_task_deinit(&task);
}

/* --- noise ------------------------------------------------------------------------------------ */

/* Completions with random bytes changed: whatever comes out, nothing breaks, and what is VALID
 * keeps the limits. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        BODY ">>> f(')', [1, {'a': (2,)}], k='''x''')  # c\n1\n\n# Example 3\n",
        " a hint\n>>> f(1)\n1\n>>> f('b')\n'b'\n>>> f([3])\n[3]\n\n",
        "x, y=(1, 2)):\n    return [x, y]\n\n\n# hint: z\n",
    };
    static const char noise[] = "()[]{}'\"\\#:\n >f,=*1e.-_xr\t\x80\xe2\xff";
    azr_rng_key key = {.seed = 1, .purpose = AZR_RNG_TEST};
    azr_task induction;
    azr_task_identity(AZR_KIND_INDUCTION, &induction);
    for (key.sequence = 0; key.sequence < 6000; key.sequence++) {
        const char *seed = seeds[key.sequence % AZR_COUNT(seeds)];
        char text[128];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        uint32_t n = 0;
        size_t n_changes = 1 + (size_t)azr_rng_below(&key, n++, 6);
        for (size_t i = 0; i < n_changes; i++) {
            size_t at = (size_t)azr_rng_below(&key, n++, size);
            text[at] = noise[azr_rng_below(&key, n++, sizeof noise)]; /* its NUL too */
        }
        if (azr_rng_below(&key, n++, 4) == 0)
            size = (size_t)azr_rng_below(&key, n++, size + 1);
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            azr_proposal_request request = {.kind = (azr_kind)kind, .n_inputs = 3};
            request.program = kind == AZR_KIND_INDUCTION ? PROGRAM : NULL;
            azr_proposal proposal = parse_bytes(&request, text, size);
            if (proposal.verdict == AZR_VERDICT_VALID) {
                assert_in_range(strlen(proposal.program), 1, AZR_TASK_MAX_PROGRAM_BYTES);
                for (size_t i = 0; i < proposal.n_inputs; i++)
                    assert_true(strlen(proposal.inputs[i]) <= AZR_TASK_MAX_ARGUMENT_BYTES);
            }
            azr_proposal_deinit(&proposal);
            azr_answer answer;
            induction.kind = (azr_kind)kind;
            azr_template_parse_answer(transcript(), &induction, text, size, "", &answer);
            azr_answer_deinit(&answer);
        }
        induction.kind = AZR_KIND_INDUCTION;
    }
    azr_task_deinit(&induction);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_triplet_prompts),
        cmocka_unit_test(test_induction_prompts),
        cmocka_unit_test(test_split_is_even),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_triplets),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_triplets_with_more_code),
        cmocka_unit_test(test_triplets_refused),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_number_of_inputs),
        cmocka_unit_test(test_inputs_refused),
        cmocka_unit_test(test_deduction_answers),
        cmocka_unit_test(test_abduction_answers),
        cmocka_unit_test(test_induction_answers),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
