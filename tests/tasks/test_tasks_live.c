/* test_tasks_live.c: proposals and answers through the real sandbox: verdicts on honest programs
 * and on forgeries that other verifiers fell for. AZR_SHARED names the folder of shared data sets.
 */
#include "azr/tasks.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Short, so that loops end soon. */
static azr_exec_limits limits(void)
{
    azr_exec_limits l = azr_exec_default_limits();
    l.cpu_ms = 400;
    return l;
}

typedef struct test_case {
    const char *completion;
    azr_verdict verdict;
} test_case;

/* One proposal or answer under way. */
typedef struct pending {
    azr_proposal proposal;
    azr_answer answer;
    bool submitted;
    uint64_t ticket;
} pending;

static void submit(pending *p, const azr_exec_job *job)
{
    assert_int_equal(azr_executor_submit(executor, job, &p->ticket, &error), AZR_OK);
    p->submitted = true;
}

static azr_exec_reply wait_for(const pending *p)
{
    azr_exec_reply reply = {0};
    if (p->submitted && azr_executor_wait(executor, p->ticket, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return reply;
}

static void assert_verdict(const test_case *c, azr_verdict verdict, const azr_strbuf *detail)
{
    if (verdict != c->verdict)
        fail_msg("%s (%s), not %s: %s", azr_verdict_name(verdict), azr_strbuf_text(detail),
                 azr_verdict_name(c->verdict), c->completion);
}

static void check_proposals(const azr_proposal_request *request, const test_case *cases, size_t n)
{
    pending *all = azr_alloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        const char *text = cases[i].completion;
        azr_template_parse_proposal(transcript, request, text, strlen(text), "", &all[i].proposal);
        if (all[i].proposal.verdict != AZR_VERDICT_VALID)
            continue;
        azr_exec_job job = azr_proposal_job(&all[i].proposal, limits());
        submit(&all[i], &job);
    }
    for (size_t i = 0; i < n; i++) {
        azr_exec_reply reply = wait_for(&all[i]);
        azr_task task = {0};
        azr_strbuf detail = {0};
        azr_verdict verdict =
            azr_proposal_judge(&all[i].proposal, &reply, limits(), &task, &detail);
        assert_verdict(&cases[i], verdict, &detail);
        azr_strbuf_deinit(&detail);
        azr_task_deinit(&task);
        azr_exec_reply_deinit(&reply);
        azr_proposal_deinit(&all[i].proposal);
    }
    azr_free(all);
}

static void check_answers(const azr_task *task, const test_case *cases, size_t n)
{
    pending *all = azr_alloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        const char *text = cases[i].completion, *inputs[16];
        azr_exec_job job;
        azr_template_parse_answer(transcript, task, text, strlen(text), "", &all[i].answer);
        if (azr_answer_job(task, &all[i].answer, limits(), inputs, &job))
            submit(&all[i], &job);
    }
    for (size_t i = 0; i < n; i++) {
        azr_exec_reply reply = wait_for(&all[i]);
        azr_strbuf detail = {0};
        double accuracy = -1;
        azr_verdict verdict = azr_answer_judge(
            task, &all[i].answer, all[i].submitted ? &reply : NULL, &accuracy, &detail);
        assert_verdict(&cases[i], verdict, &detail);
        assert_true(accuracy >= 0 && (verdict != AZR_VERDICT_CORRECT || accuracy == 1));
        azr_strbuf_deinit(&detail);
        azr_exec_reply_deinit(&reply);
        azr_answer_deinit(&all[i].answer);
    }
    azr_free(all);
}

static void test_proposals(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"a):\n    return a\n\n>>> f('x')\n", AZR_VERDICT_VALID},
        {"a, b=2):\n    import math\n    return math.gcd(a, b)\n>>> f(4, b=6)\n",
         AZR_VERDICT_VALID},
        {"):\n    return None\n>>> f()\n", AZR_VERDICT_VALID},
        {"a):\n    return collections.Counter(a)['l']\n\nimport collections\n>>> f('hello')\n",
         AZR_VERDICT_VALID},
        {"a):\n    return sorted({x for x in a})\n>>> f(['b', 'a'])\n", AZR_VERDICT_VALID},
        {"a):\n    return a[5]\n>>> f([1])\n", AZR_VERDICT_FAILED},
        {"a):\n    return next(iter(a))\n>>> f([])\n", AZR_VERDICT_FAILED}, /* StopIteration */
        {"a):\n    raise KeyboardInterrupt\n>>> f(1)\n", AZR_VERDICT_FAILED},
        {"a):\n    retrun a\n>>> f(1)\n", AZR_VERDICT_FAILED},
        {"a):\n    return a\n>>> f(1, 2)\n", AZR_VERDICT_FAILED},
        {"a):\n    while True: pass\n>>> f(1)\n", AZR_VERDICT_FAILED},
        {"a):\n    return 'x' * 20000\n>>> f(1)\n", AZR_VERDICT_TOO_LONG},
        {"a):\n    return object()\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL},
        {"a):\n    return f\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL},
        {"a):\n    return (x for x in a)\n>>> f([1])\n", AZR_VERDICT_NOT_LITERAL},
        {"a):\n    return float('nan')\n>>> f(1)\n", AZR_VERDICT_NOT_LITERAL},
        {"a):\n    class T(int):\n        __repr__ = lambda s: '42'\n    return T()\n>>> f(1)\n",
         AZR_VERDICT_NOT_LITERAL},
        {"a):\n    return list(set(a))\n>>> f(['alpha', 'beta', 'gamma'])\n",
         AZR_VERDICT_NONDETERMINISTIC},
        {"a):\n    return id(a)\n>>> f(['alpha'])\n", AZR_VERDICT_NONDETERMINISTIC},
        {"a):\n    import subprocess\n    return 1\n>>> f(1)\n", AZR_VERDICT_FORBIDDEN},
        {"a):\n    return socket.gethostname()\nimport socket\n>>> f(1)\n", AZR_VERDICT_FORBIDDEN},
        {"a):\n    return open('/etc/passwd').read()\n>>> f(1)\n", AZR_VERDICT_FAILED},
    };
    azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION};
    check_proposals(&request, cases, AZR_COUNT(cases));
}

static void test_induction_proposals(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {" twice\n>>> f(1)\n0\n>>> f('a')\n0\n>>> f([])\n0\n\n", AZR_VERDICT_VALID},
        {" twice\n>>> f(1)\n>>> f('a')\n>>> f(None)\n", AZR_VERDICT_FAILED},
        {" twice\n>>> f(1)\n>>> f('a')\n", AZR_VERDICT_FEW_INPUTS},
    };
    azr_proposal_request request = {
        .kind = AZR_KIND_INDUCTION, .program = "def f(x):\n    return x + x\n", .n_inputs = 3};
    check_proposals(&request, cases, AZR_COUNT(cases));
}

static azr_task task_of(azr_kind kind, const char *json)
{
    azr_task task;
    if (azr_task_from_json(json, strlen(json), &task, &error) != AZR_OK)
        fail_msg("%s", error.text);
    task.kind = kind;
    return task;
}

static void test_abduction(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"4)", AZR_VERDICT_CORRECT},
        {"-4)", AZR_VERDICT_CORRECT},
        {"x=4.0)", AZR_VERDICT_CORRECT},
        {"5)", AZR_VERDICT_WRONG},
        {"'4')", AZR_VERDICT_FAILED},
        {"4, 4)", AZR_VERDICT_FAILED},
        {"5) or (16)", AZR_VERDICT_BAD_LITERAL},
        {"print(16))", AZR_VERDICT_BAD_LITERAL},
    };
    azr_task task = task_of(AZR_KIND_ABDUCTION, "{\"program\": \"def f(x):\\n    return x * x\","
                                                " \"input\": \"-4\", \"output\": \"16\"}");
    check_answers(&task, cases, AZR_COUNT(cases));
    azr_task_deinit(&task);
}

/* The answer's program is hostile here; the hidden outputs are 9 and 16. */
static void test_induction(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"x):\n    return x * x", AZR_VERDICT_CORRECT},
        {"x):\n    return math.floor(x ** 2)", AZR_VERDICT_CORRECT}, /* the task's import */
        {"x):\n    print('anything')\n    return x * x", AZR_VERDICT_CORRECT},
        {"x):\n    return {1: 1, 2: 4}[x]", AZR_VERDICT_FAILED}, /* the given pairs by heart */
        {"x):\n    return 9", AZR_VERDICT_WRONG},
        {"x):\n    return x *", AZR_VERDICT_FAILED},
        {"x):\n    class A:\n        def __eq__(s, o): return True\n    return A()",
         AZR_VERDICT_NOT_LITERAL},
        {"x):\n    class A(int):\n        def __eq__(s, o): return True\n    return A()",
         AZR_VERDICT_NOT_LITERAL},
        {"x):\n    import builtins\n    return 0", AZR_VERDICT_FORBIDDEN},
        {"x):\n    b = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)\n"
         "    b['repr'] = lambda v: '9'\n    return 0",
         AZR_VERDICT_WRONG},
        {"x):\n    print(9)\n    return 0", AZR_VERDICT_WRONG},
        {"x):\n    while True: pass", AZR_VERDICT_FAILED},
    };
    azr_task task =
        task_of(AZR_KIND_INDUCTION, "{\"program\": \"import math\\ndef f(x):\\n    return x * x\","
                                    " \"message\": \"h\", \"inputs\": [\"1\", \"2\", \"3\", \"4\"],"
                                    " \"outputs\": [\"1\", \"4\", \"9\", \"16\"]}");
    check_answers(&task, cases, AZR_COUNT(cases));
    azr_task_deinit(&task);
}

/* Whatever a program tries, it is neither right nor the sandbox's failure. */
static void test_induction_forgeries(void **state)
{
    (void)state;
    static const char *const forgeries[] = {
        "x):\n    import inspect\n    return inspect.stack()[1].frame.f_locals['gold']",
        "x):\n    import sys\n    return sys._getframe(1).f_locals",
        "x):\n    import os\n    os._exit(0)",
        "x):\n    raise SystemExit(0)",
        "x):\n    return __import__('gc').get_objects()",
        "x):\n    return [o for o in __import__('gc').get_objects() if o == 16][0]",
        "x):\n    import ctypes\n    return ctypes.string_at(0)",
        "x):\n    f.__globals__['__name__'] = 'x'\n    return f.__code__.co_consts",
        "x):\n    return ().__class__.__base__.__subclasses__()",
    };
    azr_task task =
        task_of(AZR_KIND_INDUCTION, "{\"program\": \"def f(x):\\n    return [x, 'secret']\","
                                    " \"message\": \"h\", \"inputs\": [\"1\", \"2\"],"
                                    " \"outputs\": [\"[1, 'secret']\", \"[2, 'secret']\"]}");
    for (size_t i = 0; i < AZR_COUNT(forgeries); i++) {
        azr_answer answer;
        const char *inputs[2];
        azr_exec_job job;
        azr_exec_reply reply;
        azr_strbuf detail = {0};
        azr_template_parse_answer(transcript, &task, forgeries[i], strlen(forgeries[i]), "",
                                  &answer);
        assert_true(azr_answer_job(&task, &answer, limits(), inputs, &job));
        assert_int_equal(azr_executor_run(executor, &job, &reply, &error), AZR_OK);
        azr_verdict verdict = azr_answer_judge(&task, &answer, &reply, NULL, &detail);
        if (verdict == AZR_VERDICT_CORRECT || verdict == AZR_VERDICT_INTERNAL)
            fail_msg("%s: %s", azr_verdict_name(verdict), forgeries[i]);
        azr_strbuf_deinit(&detail);
        azr_exec_reply_deinit(&reply);
        azr_answer_deinit(&answer);
    }
    azr_task_deinit(&task);
}

/* A program that patches its interpreter leaves nothing behind for the next one. */
static void test_no_trace_is_left(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"a):\n    b = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)\n"
         "    b['repr'] = lambda v: 'FORGED'\n    b['len'] = lambda v: 99\n"
         "    return len(a)\n>>> f('x')\n",
         AZR_VERDICT_VALID},
        {"a):\n    return [len(a), repr(a)]\n>>> f('x')\n", AZR_VERDICT_VALID},
    };
    azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION};
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_proposal proposal;
        const char *text = cases[i].completion;
        azr_template_parse_proposal(transcript, &request, text, strlen(text), "", &proposal);
        azr_exec_job job = azr_proposal_job(&proposal, limits());
        azr_exec_reply reply;
        assert_int_equal(azr_executor_run(executor, &job, &reply, &error), AZR_OK);
        azr_task task = {0};
        assert_int_equal(azr_proposal_judge(&proposal, &reply, limits(), &task, NULL),
                         AZR_VERDICT_VALID);
        assert_string_equal(task.outputs[0], i == 0 ? "99" : "[1, \"'x'\"]");
        azr_task_deinit(&task);
        azr_exec_reply_deinit(&reply);
        azr_proposal_deinit(&proposal);
    }
}

/* --- data sets -------------------------------------------------------------------------------- */

typedef struct tally {
    size_t n_lines, n_read, n_valid, n_same; /* n_same: valid, and the stored outputs come out */
} tally;

/* Reads the tasks of a file, runs them as proposals are run, compares with the outputs they bring.
 */
static tally validate(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(azr_file_read(path, 64 << 20, &text, &size, &error), AZR_OK);
    tally t = {0};
    enum { MAX_TASKS = 512 };
    azr_task *tasks = azr_alloc(MAX_TASKS, sizeof *tasks);
    uint64_t *tickets = azr_alloc(MAX_TASKS, sizeof *tickets);
    azr_exec_limits l = azr_exec_default_limits();
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        t.n_lines++;
        assert_true(t.n_read < MAX_TASKS);
        azr_task *task = &tasks[t.n_read];
        if (azr_task_from_json(line, strlen(line), task, &error) != AZR_OK) {
            print_message("%s:%zu: %.200s\n", path, t.n_lines, error.text);
            continue;
        }
        azr_exec_job job = {.program = task->program,
                            .inputs = (const char *const *)task->inputs,
                            .n_inputs = task->n_pairs,
                            .check_determinism = true,
                            .limits = l};
        assert_int_equal(azr_executor_submit(executor, &job, &tickets[t.n_read++], &error), AZR_OK);
    }
    for (size_t i = 0; i < t.n_read; i++) {
        azr_task *task = &tasks[i], again = {0};
        azr_exec_reply reply;
        azr_strbuf detail = {0};
        assert_int_equal(azr_executor_wait(executor, tickets[i], &reply, &error), AZR_OK);
        azr_proposal proposal = {.kind = task->kind,
                                 .program = task->program,
                                 .n_inputs = task->n_pairs,
                                 .inputs = task->inputs,
                                 .message = task->message};
        azr_verdict verdict = azr_proposal_judge(&proposal, &reply, l, &again, &detail);
        bool same = verdict == AZR_VERDICT_VALID;
        t.n_valid += same;
        for (size_t j = 0; same && j < task->n_pairs; j++) {
            azr_answer answer = {.verdict = AZR_VERDICT_CORRECT, .text = again.outputs[j]};
            azr_task pair = {.n_pairs = 1, .outputs = &task->outputs[j]}; /* as a deduction */
            same = azr_answer_judge(&pair, &answer, NULL, NULL, &detail) == AZR_VERDICT_CORRECT;
        }
        t.n_same += same;
        if (!same)
            print_message("%s: task %zu: %s: %s\n%s", path, i + 1, azr_verdict_name(verdict),
                          azr_strbuf_text(&detail), task->program);
        azr_strbuf_deinit(&detail);
        azr_task_deinit(&again);
        azr_exec_reply_deinit(&reply);
        azr_task_deinit(task);
    }
    azr_free(tasks);
    azr_free(tickets);
    azr_free(text);
    print_message("%s: %zu lines, %zu read, %zu valid, %zu with the same outputs\n", path,
                  t.n_lines, t.n_read, t.n_valid, t.n_same);
    return t;
}

/* The path of a shared file, skipping the test when it is not there. azr_free. */
static char *shared(const char *name)
{
    const char *folder = getenv("AZR_SHARED");
    char *path = azr_path_join(folder != NULL ? folder : "../shared", name);
    if (!azr_file_exists(path)) {
        azr_free(path);
        skip();
    }
    return path;
}

static void test_proposed_tasks(void **state)
{
    (void)state;
    char *path = shared("peers/tasks.jsonl");
    tally t = validate(path);
    azr_free(path);
    assert_int_equal(t.n_lines, 90);
    assert_int_equal(t.n_same, 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposals),           cmocka_unit_test(test_induction_proposals),
        cmocka_unit_test(test_abduction),           cmocka_unit_test(test_induction),
        cmocka_unit_test(test_induction_forgeries), cmocka_unit_test(test_no_trace_is_left),
        cmocka_unit_test(test_proposed_tasks),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
