/* test_error_kind.c: the error kind: prompts, names of exceptions as answers, and what hostile
 * programs make of theirs, in the real sandbox. */
#include "azr/claim.h"
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static azr_executor *executor;
static const azr_template *transcript;
static azr_error error;

static int start(void **state)
{
    (void)state;
    azr_executor_options options = azr_executor_default_options();
    if (azr_template_find("transcript", &transcript, &error) != AZR_OK ||
        azr_executor_create(&options, &executor, &error) != AZR_OK) {
        print_error("%s\n", error.text);
        return -1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    azr_executor_destroy(executor);
    return 0;
}

static azr_exec_limits limits(void)
{
    azr_exec_limits l = azr_exec_default_limits();
    l.cpu_ms = 400;
    return l;
}

static azr_task task_of(const char *json)
{
    azr_task task;
    if (azr_task_from_json(json, strlen(json), &task, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return task;
}

static void test_prompts(void **state)
{
    (void)state;
    azr_task task;
    azr_task_identity(AZR_KIND_ERROR, &task);
    const azr_task *references[] = {&task};
    const azr_proposal_request request = {
        .kind = AZR_KIND_ERROR, .references = references, .n_references = 1};
    azr_strbuf text = {0};
    azr_template_propose(transcript, &request, &text);
    assert_string_equal(text.data, "# Small Python functions, each with one call and the error it "
                                   "ends with, or NoError. No two are alike.\n\n"
                                   ">>> def f(a):\n...     return a[-1]\n>>> f([])\nIndexError\n\n"
                                   ">>> def f(");
    azr_strbuf_reset(&text);
    azr_template_solve(transcript, &task, 0, &text);
    assert_string_equal(text.data,
                        "def f(a):\n    return a[-1]\n\n"
                        "# The error that this call ends with, or NoError:\n>>> f([])\n");
    azr_strbuf_deinit(&text);
    azr_task_deinit(&task);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *completion, *text;
        azr_verdict verdict;
    } cases[] = {
        {"ValueError\n", "ValueError", AZR_VERDICT_CORRECT},
        {"  valueerror", "valueerror", AZR_VERDICT_CORRECT},
        {"ValueError: invalid literal for int()", "ValueError", AZR_VERDICT_CORRECT},
        {"ValueError('x')", "ValueError", AZR_VERDICT_CORRECT},
        {"'ValueError'", "ValueError", AZR_VERDICT_CORRECT},
        {"`ValueError`", "ValueError", AZR_VERDICT_CORRECT},
        {"builtins.ValueError", "ValueError", AZR_VERDICT_CORRECT},
        {"ValueError KeyError", "ValueError", AZR_VERDICT_CORRECT},
        {"KeyError ValueError", "KeyError", AZR_VERDICT_WRONG},
        {"NoError", "NoError", AZR_VERDICT_WRONG},
        {"ValueErrors", "ValueErrors", AZR_VERDICT_WRONG},
        {"Error", "Error", AZR_VERDICT_WRONG},
        {"", "", AZR_VERDICT_NO_ANSWER},
        {" \nValueError", "", AZR_VERDICT_NO_ANSWER}, /* the answer is one line */
        {"''", "''", AZR_VERDICT_NO_ANSWER},
        {"(ValueError)", "(ValueError)", AZR_VERDICT_NO_ANSWER},
        {"ValueError, KeyError", "ValueError, KeyError", AZR_VERDICT_NO_ANSWER},
        {"ValueError/KeyError", "ValueError/KeyError", AZR_VERDICT_NO_ANSWER},
        {"Value-Error", "Value-Error", AZR_VERDICT_NO_ANSWER},
        {"a.", "a.", AZR_VERDICT_NO_ANSWER},
        {"...", "...", AZR_VERDICT_NO_ANSWER},
        {"404", "404", AZR_VERDICT_NO_ANSWER},
        {"Val\xc3\xbc"
         "eError",
         "Val\xc3\xbc"
         "eError",
         AZR_VERDICT_NO_ANSWER},
        {"V\x01", NULL, AZR_VERDICT_BAD_TEXT},
    };
    azr_task task = task_of("{\"kind\": \"error\", \"program\": \"def f(a):\\n    return int(a)\", "
                            "\"input\": \"'x'\", \"output\": \"ValueError\"}");
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_answer answer;
        const char *text = cases[i].completion, *inputs[1];
        azr_exec_job job;
        azr_template_parse_answer(transcript, &task, text, strlen(text), "", &answer);
        assert_false(azr_answer_job(&task, &answer, limits(), inputs, &job));
        double accuracy = -1;
        azr_verdict verdict = azr_answer_judge(&task, &answer, NULL, &accuracy, NULL);
        if (verdict != cases[i].verdict)
            fail_msg("'%s': %s, not %s", text, azr_verdict_name(verdict),
                     azr_verdict_name(cases[i].verdict));
        assert_true(accuracy == (verdict == AZR_VERDICT_CORRECT));
        if (cases[i].text == NULL)
            assert_null(answer.text);
        else
            assert_string_equal(answer.text, cases[i].text);
        azr_answer_deinit(&answer);
    }
    char longest[2 * AZR_TASK_MAX_EXCEPTION_BYTES];
    memset(longest, 'E', sizeof longest);
    for (size_t size = AZR_TASK_MAX_EXCEPTION_BYTES; size <= AZR_TASK_MAX_EXCEPTION_BYTES + 1;
         size++) {
        azr_answer answer;
        azr_template_parse_answer(transcript, &task, longest, size, "", &answer);
        assert_int_equal(answer.verdict, size == AZR_TASK_MAX_EXCEPTION_BYTES
                                             ? AZR_VERDICT_CORRECT
                                             : AZR_VERDICT_NO_ANSWER);
        azr_answer_deinit(&answer);
    }
    azr_task_deinit(&task);
}

/* Runs what a proposer wrote; *out_output is the task's output when it became one (azr_free). */
static azr_verdict propose(const char *completion, unsigned banned, char **out_output,
                           azr_strbuf *detail)
{
    const azr_proposal_request request = {.kind = AZR_KIND_ERROR, .banned = banned};
    azr_proposal proposal;
    azr_template_parse_proposal(transcript, &request, completion, strlen(completion), "",
                                &proposal);
    azr_exec_reply reply = {0};
    azr_task task = {0};
    *out_output = NULL;
    if (proposal.verdict == AZR_VERDICT_VALID) {
        azr_exec_job job = azr_proposal_job(&proposal, limits());
        if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
            fail_msg("%s", error.text);
    }
    azr_verdict verdict = azr_proposal_judge(&proposal, &reply, limits(), &task, detail);
    if (verdict == AZR_VERDICT_VALID) {
        assert_int_equal(task.kind, AZR_KIND_ERROR);
        *out_output = azr_copy_text(task.outputs[0], strlen(task.outputs[0]));
    }
    azr_task_deinit(&task);
    azr_exec_reply_deinit(&reply);
    azr_proposal_deinit(&proposal);
    return verdict;
}

typedef struct test_case {
    const char *completion;
    azr_verdict verdict;
    const char *output;
} test_case;

static void check(const test_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *output;
        azr_strbuf detail = {0};
        azr_verdict verdict = propose(cases[i].completion, 0, &output, &detail);
        if (verdict != cases[i].verdict)
            fail_msg("%s (%s), not %s: %s", azr_verdict_name(verdict), azr_strbuf_text(&detail),
                     azr_verdict_name(cases[i].verdict), cases[i].completion);
        if (output != NULL)
            assert_string_equal(output, cases[i].output);
        azr_strbuf_deinit(&detail);
        azr_free(output);
    }
}

static void test_programs(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"a):\n    return a\n>>> f('x')\n", AZR_VERDICT_VALID, "NoError"},
        {"a):\n    return a[5]\n>>> f([1])\n", AZR_VERDICT_VALID, "IndexError"},
        {"a):\n    return next(iter(a))\n>>> f([])\n", AZR_VERDICT_VALID, "StopIteration"},
        {"a):\n    return f(a)\n>>> f(1)\n", AZR_VERDICT_VALID, "RecursionError"},
        {"a):\n    return a\n>>> f(1, 2)\n", AZR_VERDICT_VALID, "TypeError"},
        {"a):\n    raise SystemExit(a)\n>>> f(0)\n", AZR_VERDICT_VALID, "SystemExit"},
        {"a):\n    raise KeyboardInterrupt\n>>> f(1)\n", AZR_VERDICT_VALID, "KeyboardInterrupt"},
        {"a):\n    class Own(Exception):\n        pass\n    raise Own(a)\n>>> f(1)\n",
         AZR_VERDICT_VALID, "Own"},
        /* What leaves f counts, whatever was raised before. */
        {"a):\n    try:\n        return a[5]\n    except IndexError:\n        return {}[a]\n>>> "
         "f('')\n",
         AZR_VERDICT_VALID, "KeyError"},
        {"a):\n    try:\n        return a[5]\n    finally:\n        return 1\n>>> f('')\n",
         AZR_VERDICT_VALID, "NoError"},
        {"a):\n    raise ExceptionGroup('x', [ValueError(a), TypeError()])\n>>> f(1)\n",
         AZR_VERDICT_VALID, "ExceptionGroup"},
        {"a):\n    retrun a\n>>> f(1)\n", AZR_VERDICT_FAILED, NULL},
        {"a):\n  return a\n return 1\n>>> f(1)\n", AZR_VERDICT_FAILED, NULL},
        {"a):\n    return eval('1 +')\n>>> f(1)\n", AZR_VERDICT_FAILED, NULL},
        {"a):\n    while True: pass\n>>> f(1)\n", AZR_VERDICT_FAILED, NULL},
        {"a):\n    return 'x' * 10 ** 11\n>>> f(1)\n", AZR_VERDICT_FAILED, NULL},
        {"a):\n    raise MemoryError\n>>> f(1)\n", AZR_VERDICT_FAILED, NULL},
        {"a):\n    import subprocess\n    return 1\n>>> f(1)\n", AZR_VERDICT_FORBIDDEN, NULL},
        {"a):\n    raise ImportError\n>>> f(1)\n", AZR_VERDICT_FORBIDDEN, NULL},
        {"a):\n    raise type(f'E{id(a)}', (Exception,), {})\n>>> f(['alpha'])\n",
         AZR_VERDICT_NONDETERMINISTIC, NULL},
        /* One run raises, another one returns: whichever of them comes first. */
        {"a):\n    if next(iter(set(a))) > 'm':\n        raise ValueError\n    return a\n"
         ">>> f(['a', 'z'])\n",
         AZR_VERDICT_NONDETERMINISTIC, NULL},
        {"a):\n    if next(iter(set(a))) < 'm':\n        raise ValueError\n    return a\n"
         ">>> f(['a', 'z'])\n",
         AZR_VERDICT_NONDETERMINISTIC, NULL},
        {"a):\n    return object()\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL, NULL},
    };
    check(cases, AZR_COUNT(cases));
}

/* Names that would be read as something else, or that nobody can answer. */
static void test_forged_names(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"a):\n    raise type('NoError', (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL,
         NULL},
        {"a):\n    raise type('noerror', (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL,
         NULL},
        {"a):\n    raise type('', (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL, NULL},
        {"a):\n    raise type('E\\n>>> f(1)', (Exception,), {})\n>>> f(1)\n",
         AZR_VERDICT_NOT_LITERAL, NULL},
        {"a):\n    raise type('E\\x1b[2J', (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL,
         NULL},
        {"a):\n    raise type('Fehl\\xe4', (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL,
         NULL},
        {"a):\n    raise type('E', (Exception,), {'__name__': 'X', '__qualname__': 'Y.Z'})\n"
         ">>> f(1)\n",
         AZR_VERDICT_VALID, "E"},
        {"a):\n    raise type('E' * 64, (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_VALID,
         "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"},
        {"a):\n    raise type('E' * 65, (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_TOO_LONG, NULL},
        {"a):\n    raise type('E' * 10 ** 7, (Exception,), {})\n>>> f(1)\n", AZR_VERDICT_TOO_LONG,
         NULL},
        {"a):\n    class M(type):\n        __name__ = property(lambda s: 1 / 0)\n"
         "    class E(Exception, metaclass=M):\n        pass\n    raise E\n>>> f(1)\n",
         AZR_VERDICT_VALID, "E"},
        /* Its message is made by code of its own. */
        {"a):\n    class E(Exception):\n        def __str__(self):\n            raise ValueError\n"
         "    raise E\n>>> f(1)\n",
         AZR_VERDICT_VALID, "E"},
        {"a):\n    class E(Exception):\n        def __str__(self):\n            while True: pass\n"
         "    raise E\n>>> f(1)\n",
         AZR_VERDICT_FAILED, NULL},
        {"a):\n    raise ValueError('x' * 10 ** 6)\n>>> f(1)\n", AZR_VERDICT_VALID, "ValueError"},
        {"a):\n    global ValueError\n    ValueError = KeyError\n    raise ValueError\n>>> f(1)\n",
         AZR_VERDICT_VALID, "KeyError"},
        {"a):\n    raise a\n>>> f(1)\n", AZR_VERDICT_VALID, "TypeError"},
    };
    check(cases, AZR_COUNT(cases));
}

static void test_banned(void **state)
{
    (void)state;
    static const struct {
        const char *list, *body;
        bool banned;
    } cases[] = {
        {"raise", "    raise ValueError\n", true},
        {"raise", "    assert a\n", false},
        {"assert", "    assert a\n", true},
        {"assert", "    raise ValueError\n", false},
        {"try", "    try:\n        pass\n    finally:\n        pass\n", true},
        {"except", "    try:\n        pass\n    except KeyError:\n        pass\n", true},
        {"except", "    try:\n        pass\n    finally:\n        pass\n", false},
        {"raise,assert", "    assert a\n", true},
        {"", "    raise ValueError\n", false},
        {"raise", "    return 'raise'\n", false},
        {"raise", "    # raise\n", false},
        {"raise", "    raised = a.raise_\n", false},
        {"raise", "    x = 1;raise ValueError\n", true},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        char text[200];
        azr_proposal proposal;
        snprintf(text, sizeof text, "a):\n%s    return a\n>>> f(1)\n", cases[i].body);
        azr_proposal_request request = {.kind = AZR_KIND_ERROR,
                                        .banned = azr_keywords_parse(cases[i].list)};
        azr_template_parse_proposal(transcript, &request, text, strlen(text), "", &proposal);
        if ((proposal.verdict == AZR_VERDICT_FORBIDDEN) != cases[i].banned)
            fail_msg("banned '%s': %s: %s", cases[i].list, azr_verdict_name(proposal.verdict),
                     text);
        azr_proposal_deinit(&proposal);
        request.kind = AZR_KIND_DEDUCTION; /* other kinds may use them */
        azr_template_parse_proposal(transcript, &request, text, strlen(text), "", &proposal);
        assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
        azr_proposal_deinit(&proposal);
    }
    assert_string_equal(azr_keyword_name(AZR_KEYWORD_EXCEPT), "except");
    assert_int_equal(azr_keywords_parse("try,raise"),
                     1U << AZR_KEYWORD_TRY | 1U << AZR_KEYWORD_RAISE);
}

static void test_json(void **state)
{
    (void)state;
    azr_task task = task_of("{\"snippet\": \"def f(a):\\n    return a[0]\", \"input\": \"[ ]\", "
                            "\"error\": \"IndexError\"}");
    assert_int_equal(task.kind, AZR_KIND_ERROR);
    assert_string_equal(task.inputs[0], "[]");
    char *text = azr_task_to_json(&task);
    assert_string_equal(text,
                        "{\"kind\": \"error\", \"program\": \"def f(a):\\n    return a[0]\\n\""
                        ", \"input\": \"[]\", \"output\": \"IndexError\"}");
    azr_task again = task_of(text);
    assert_string_equal(again.outputs[0], "IndexError");
    azr_task_deinit(&again);
    azr_free(text);
    azr_task_deinit(&task);
    static const char *const bad[] = {"1", "", "Index Error", "'IndexError'"};
    for (size_t i = 0; i < AZR_COUNT(bad); i++) {
        char line[200];
        snprintf(line, sizeof line,
                 "{\"kind\": \"error\", \"program\": \"def f(a):\\n    return a\", \"input\": "
                 "\"1\", \"output\": \"%s\"}",
                 bad[i]);
        assert_int_equal(azr_task_from_json(line, strlen(line), &task, &error), AZR_ERROR_INPUT);
        assert_non_null(strstr(error.text, "name of an exception"));
    }
}

/* A row of a file: its arguments are evaluated, its exception is compared with what happens. */
static void test_claims(void **state)
{
    (void)state;
    static const struct {
        const char *output;
        bool resolves, holds;
    } cases[] = {{"IndexError", true, true},
                 {"indexerror", true, true},
                 {"KeyError", true, false},
                 {"NoError", true, false},
                 {"IndexError()", false, false}};
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        char line[200];
        azr_task_claim claim;
        snprintf(line, sizeof line,
                 "{\"kind\": \"error\", \"program\": \"def f(a):\\n    return a[0]\", \"input\": "
                 "\"list()\", \"output\": \"%s\"}",
                 cases[i].output);
        assert_int_equal(azr_task_claim_read(line, strlen(line), &claim, &error), AZR_OK);
        assert_false(claim.any_triplet);
        azr_strbuf program = {0}, detail = {0};
        char **inputs;
        azr_exec_job job;
        azr_exec_reply reply = {0};
        size_t n = azr_task_claim_job(&claim, limits(), &program, &inputs, &job);
        assert_int_equal(n, 1); /* the name is not evaluated */
        assert_int_equal(azr_executor_run(executor, &job, &reply, &error), AZR_OK);
        assert_int_equal(azr_task_claim_resolve(&claim, &reply, &detail), cases[i].resolves);
        azr_exec_reply_deinit(&reply);
        if (cases[i].resolves) {
            assert_string_equal(claim.inputs[0], "[]");
            const azr_proposal proposal = azr_task_claim_proposal(&claim);
            azr_task task = {0};
            job = azr_proposal_job(&proposal, limits());
            assert_int_equal(azr_executor_run(executor, &job, &reply, &error), AZR_OK);
            assert_int_equal(azr_proposal_judge(&proposal, &reply, limits(), &task, &detail),
                             AZR_VERDICT_VALID);
            assert_int_equal(azr_task_claim_holds(&claim, &task, &detail), cases[i].holds);
            azr_task_deinit(&task);
            azr_exec_reply_deinit(&reply);
        }
        azr_free(inputs[0]);
        azr_free(inputs);
        azr_strbuf_deinit(&program);
        azr_strbuf_deinit(&detail);
        azr_task_claim_deinit(&claim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts),  cmocka_unit_test(test_answers),
        cmocka_unit_test(test_programs), cmocka_unit_test(test_forged_names),
        cmocka_unit_test(test_banned),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
