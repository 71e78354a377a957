/* test_constructors.c: arguments that are calls of constructors, where they are allowed: judged by
 * the sandbox, and nothing else than values for all that. */
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

/* The verdict on a proposal; *out_task is filled when it is VALID. */
static azr_verdict propose(azr_proposal_request request, bool allowed, const char *text,
                           azr_task *out_task)
{
    const azr_program_rules rules = {.constructors = allowed};
    azr_proposal proposal;
    azr_exec_reply reply = {0};
    request.rules = &rules;
    azr_template_parse_proposal(transcript, &request, text, strlen(text), "", &proposal);
    if (proposal.verdict == AZR_VERDICT_VALID) {
        azr_exec_job job = azr_proposal_job(&proposal, azr_exec_default_limits());
        if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
            fail_msg("%s", error.text);
    }
    azr_verdict verdict =
        azr_proposal_judge(&proposal, &reply, azr_exec_default_limits(), out_task, NULL);
    azr_exec_reply_deinit(&reply);
    azr_proposal_deinit(&proposal);
    return verdict;
}

static void test_proposals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        azr_verdict verdict; /* where they are allowed */
    } cases[] = {
        {"a):\n    return sorted(a)\n>>> f(set('ba'))\n", AZR_VERDICT_VALID},
        {"a):\n    return a['x']\n>>> f(dict(x=1))\n", AZR_VERDICT_VALID},
        {"a):\n    return a.most_common(1)\n>>> f(Counter('aab'))\n", AZR_VERDICT_VALID},
        {"a):\n    return len(a)\n>>> f(list(range(5)))\n", AZR_VERDICT_VALID},
        {"a):\n    return list(a)\n>>> f({'x', 'y', 'z', 'w'})\n", AZR_VERDICT_NONDETERMINISTIC},
        {"a):\n    return a\n>>> f(open('x'))\n", AZR_VERDICT_BAD_LITERAL},
        {"a):\n    return a\n>>> f(f(1))\n", AZR_VERDICT_BAD_LITERAL},
        {"a):\n    return a\n>>> f(x)\n", AZR_VERDICT_BAD_LITERAL},
        {"a):\n    return a\n>>> f(__import__('os'))\n", AZR_VERDICT_BAD_LITERAL},
        {"a):\n    return a\n>>> f([x for x in 'ab'])\n", AZR_VERDICT_BAD_LITERAL},
        {"a):\n    return a\n>>> f(set())\n", AZR_VERDICT_VALID},
        {"a):\n    return a\n>>> f(1 if set() else 2)\n", AZR_VERDICT_BAD_LITERAL},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_task task = {0};
        const azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION};
        azr_verdict verdict = propose(request, true, cases[i].text, &task);
        if (verdict != cases[i].verdict)
            fail_msg("%s: %s", azr_verdict_name(verdict), cases[i].text);
        azr_task_deinit(&task);
    }
    static const char text[] = "a):\n    return a['x']\n>>> f(dict(x=1))\n";
    azr_task task = {0};
    const azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION};
    assert_int_equal(propose(request, false, text, &task), AZR_VERDICT_BAD_LITERAL);
    assert_int_equal(propose(request, true, text, &task), AZR_VERDICT_VALID);
    assert_string_equal(task.inputs[0], "dict(x=1)");
    assert_string_equal(task.outputs[0], "1");
    azr_task_deinit(&task);
    /* Too long for an argument, whatever it says. */
    azr_strbuf long_text = {0};
    azr_strbuf_puts(&long_text, "a):\n    return a\n>>> f(set([1");
    while (long_text.size < AZR_TASK_MAX_ARGUMENT_BYTES + 40)
        azr_strbuf_puts(&long_text, ", 1");
    azr_strbuf_puts(&long_text, "]))\n");
    assert_int_equal(propose(request, true, long_text.data, &task), AZR_VERDICT_TOO_LONG);
    azr_strbuf_deinit(&long_text);
}

static azr_verdict answer_by(const azr_template *template, const azr_task *task, bool allowed,
                             const char *text)
{
    azr_answer answer;
    const char *inputs[8];
    azr_exec_job job;
    azr_exec_reply reply = {0};
    azr_template_parse_answer(template, task, text, strlen(text), "", &answer);
    answer.constructors = allowed;
    bool run = azr_answer_job(task, &answer, azr_exec_default_limits(), inputs, &job);
    if (run && azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_verdict verdict = azr_answer_judge(task, &answer, run ? &reply : NULL, NULL, NULL);
    azr_exec_reply_deinit(&reply);
    azr_answer_deinit(&answer);
    return verdict;
}

static azr_verdict answer(const azr_task *task, bool allowed, const char *text)
{
    return answer_by(transcript, task, allowed, text);
}

static void test_answers(void **state)
{
    (void)state;
    static const char json[] = "{\"kind\": \"abduction\", \"program\": \"def f(a):\\n    return "
                               "sorted(a)\", \"input\": \"[2, 1]\", \"output\": \"[1, 2]\"}";
    static const struct {
        const char *text;
        azr_verdict verdict;
    } cases[] = {
        {"set([2, 1]))", AZR_VERDICT_CORRECT}, {"range(1, 3))", AZR_VERDICT_CORRECT},
        {"[1, 2])", AZR_VERDICT_CORRECT},      {"set([3]))", AZR_VERDICT_WRONG},
        {"x)", AZR_VERDICT_BAD_LITERAL},       {"set(", AZR_VERDICT_BAD_LITERAL},
        {"1)(2)", AZR_VERDICT_BAD_LITERAL},    {"", AZR_VERDICT_NO_ANSWER},
    };
    azr_task task;
    assert_int_equal(azr_task_from_json(json, strlen(json), &task, &error), AZR_OK);
    for (size_t i = 0; i < AZR_COUNT(cases); i++)
        if (answer(&task, true, cases[i].text) != cases[i].verdict)
            fail_msg("%s", cases[i].text);
    assert_int_equal(answer(&task, false, cases[0].text), AZR_VERDICT_BAD_LITERAL);
    assert_int_equal(answer(&task, false, cases[2].text), AZR_VERDICT_CORRECT);
    /* Who keeps the form is wrong with something else, not ill-formed. */
    const azr_template *azr;
    assert_int_equal(azr_template_find("azr", &azr, &error), AZR_OK);
    static const char called[] = "</think><answer>```input\nset([2, 1])\n```</answer>";
    static const char open[] = "</think><answer>```input\nopen('x')\n```</answer>";
    assert_int_equal(answer_by(azr, &task, true, called), AZR_VERDICT_CORRECT);
    assert_int_equal(answer_by(azr, &task, false, called), AZR_VERDICT_WRONG);
    assert_int_equal(answer_by(azr, &task, true, open), AZR_VERDICT_WRONG);
    /* A literal is one however it is asked for; an answer of deduction never is a call. */
    task.kind = AZR_KIND_DEDUCTION;
    assert_int_equal(answer(&task, true, "sorted([1, 2])"), AZR_VERDICT_BAD_LITERAL);
    azr_task_deinit(&task);
}

/* Inputs that were stored as calls are evaluated for the solver's program too. */
static void test_induction(void **state)
{
    (void)state;
    azr_task task = {0};
    const azr_proposal_request request = {
        .kind = AZR_KIND_INDUCTION, .program = "def f(a):\n    return len(a)\n", .n_inputs = 4};
    static const char calls[] = " how many?\n>>> f(set())\n>>> f([1])\n>>> f(Counter('ab'))\n"
                                ">>> f(dict(x=1, y=2, z=3))\n";
    assert_int_equal(propose(request, true, calls, &task), AZR_VERDICT_VALID);
    assert_int_equal(task.n_pairs, 4);
    assert_string_equal(task.inputs[2], "Counter('ab')");
    assert_string_equal(task.outputs[3], "3");
    assert_int_equal(answer(&task, false, "a):\n    return sum(1 for _ in a)\n"),
                     AZR_VERDICT_CORRECT);
    assert_int_equal(answer(&task, false, "a):\n    return 2\n"), AZR_VERDICT_WRONG);
    azr_task_deinit(&task);
    static const char bad[] = " how many?\n>>> f(set())\n>>> f([1])\n>>> f(x)\n>>> f([2])\n";
    assert_int_equal(propose(request, true, bad, &task), AZR_VERDICT_BAD_LITERAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposals),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_induction),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
