/* test_lanes.c: endless loops hold up nobody: what needs more than a slice of CPU time goes to the
 * slow lane, and comes out of it as if there were no lanes. */
#include "sandbox.h"

#include "base/check.h"
#include "executor/hub.h"

#include <unistd.h>

static const char loop[] = "def f(x):\n    while True:\n        x += 1\n";
static const char quick[] = "def f(x):\n    return [x] * 3\n";
/* More than a slice of any machine, far less than the limit. */
static const char steady[] = "def f(x):\n"
                             "    total = 0\n"
                             "    for i in range(x):\n"
                             "        total += i & 3\n"
                             "    return total\n";

static azr_executor *open_with(const char *engine, int n_workers)
{
    azr_executor_options options = azr_executor_default_options();
    options.engine = engine;
    options.n_workers = n_workers;
    azr_executor *executor = NULL;
    azr_error error = {0};
    azr_status status = azr_executor_create(&options, &executor, &error);
    if (status == AZR_ERROR_UNSUPPORTED)
        return NULL;
    if (status != AZR_OK)
        fail_msg("%s", error.text);
    return executor;
}

static uint64_t submit(azr_executor *executor, const char *program, const char *input, int cpu_ms)
{
    azr_exec_job job = {
        .program = program, .inputs = &input, .n_inputs = 1, .limits = small_limits()};
    uint64_t ticket = 0;
    azr_error error = {0};
    job.limits.cpu_ms = cpu_ms;
    if (azr_executor_submit(executor, &job, &ticket, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return ticket;
}

static void check_reply(azr_executor *executor, uint64_t ticket, azr_exec_status status,
                        const char *value)
{
    azr_exec_reply reply;
    azr_error error = {0};
    if (azr_executor_wait(executor, ticket, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_int_equal(reply.n_runs, 1);
    assert_int_equal(reply.runs[0].status, status);
    if (value != NULL)
        assert_string_equal(reply.runs[0].value, value);
    azr_exec_reply_deinit(&reply);
}

static bool is_done(azr_executor *executor, uint64_t ticket)
{
    pthread_mutex_lock(&executor->lock);
    bool done = executor->jobs[ticket - executor->first_ticket]->n_left == 0;
    pthread_mutex_unlock(&executor->lock);
    return done;
}

/* Loops first in the queue: those behind them are done long before they are. AZR_LOOPS: how many.
 */
static void check_loops(const char *engine, int n_workers)
{
    enum { LOOPS = 6, QUICK = 60, MAX_LOOPS = 10000 };
    static uint64_t loops[MAX_LOOPS];
    uint64_t others[QUICK];
    const char *wish = getenv("AZR_LOOPS");
    int n_loops = wish != NULL ? atoi(wish) : LOOPS, n_done = 0;
    assert_in_range(n_loops, LOOPS, MAX_LOOPS);
    azr_executor *executor = open_with(engine, n_workers);
    if (executor == NULL)
        return;
    for (int i = 0; i < n_loops; i++)
        loops[i] = submit(executor, loop, "1", 300);
    for (int i = 0; i < QUICK; i++) {
        char input[32];
        snprintf(input, sizeof input, "%d", i);
        others[i] = submit(executor, quick, input, 300);
    }
    for (int i = 0; i < QUICK; i++) {
        char value[64];
        snprintf(value, sizeof value, "[%d, %d, %d]", i, i, i);
        check_reply(executor, others[i], AZR_EXEC_OK, value);
    }
    for (int i = 0; i < n_loops; i++)
        n_done += is_done(executor, loops[i]);
    print_message("%s, %d workers: %d of %d loops were done before the others\n", engine, n_workers,
                  n_done, n_loops);
    assert_in_range(n_done, 0, n_loops / 2);
    for (int i = 0; i < n_loops; i++)
        check_reply(executor, loops[i], AZR_EXEC_TIMEOUT_CPU, NULL);
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

static void test_loops_hold_up_nobody(void **state)
{
    (void)state;
    check_loops("recycle", 1);
    check_loops("recycle", 2);
    check_loops("fork", 1);
    check_loops("fork", 2);
}

/* What is slow, but not too slow, has its value; determinism is checked as ever. */
static void check_slow(const char *engine)
{
    enum { CPU_MS = 5000, N = 6 };
    azr_executor *executor = open_with(engine, 2);
    if (executor == NULL)
        return;
    uint64_t tickets[N];
    for (int i = 0; i < N; i++)
        tickets[i] = submit(executor, steady, i % 2 == 0 ? "5000000" : "8", CPU_MS);
    int n_slow = 0, most = 0;
    while (!is_done(executor, tickets[0]) || !is_done(executor, tickets[N - 2])) {
        pthread_mutex_lock(&executor->lock);
        for (size_t i = 0; i < AZR_COUNT(executor->slow); i++)
            n_slow = executor->slow[i].n > n_slow ? executor->slow[i].n : n_slow;
        most = n_slow > most ? n_slow : most;
        pthread_mutex_unlock(&executor->lock);
        usleep(2000);
    }
    assert_int_equal(most, 1); /* half of the workers */
    for (int i = 0; i < N; i++)
        check_reply(executor, tickets[i], AZR_EXEC_OK, i % 2 == 0 ? "7500000" : "12");
    const char *inputs[] = {"3", "5000000", "x", "5"};
    azr_exec_job job = {.program = steady,
                        .inputs = inputs,
                        .n_inputs = AZR_COUNT(inputs),
                        .check_determinism = true,
                        .limits = small_limits()};
    job.limits.cpu_ms = CPU_MS;
    for (int shared = 0; shared < 2; shared++) {
        azr_exec_reply reply;
        azr_error error = {0};
        job.share_process = shared == 1;
        job.check_determinism = shared == 0;
        if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
            fail_msg("%s", error.text);
        assert_string_equal(reply.runs[0].value, "3");
        assert_string_equal(reply.runs[1].value, "7500000");
        assert_int_equal(reply.runs[2].status, AZR_EXEC_BAD_INPUT);
        assert_string_equal(reply.runs[3].value, "6");
        azr_exec_reply_deinit(&reply);
    }
    azr_executor_destroy(executor);
}

static void test_slow_programs_keep_their_values(void **state)
{
    (void)state;
    check_slow("recycle");
    check_slow("fork");
}

/* A script and a test that need more than a slice. */
static void test_evaluation_programs(void **state)
{
    (void)state;
    azr_executor *executor = open_with("auto", 2);
    assert_non_null(executor);
    const char *input = "5000000";
    azr_exec_job job = {.kind = AZR_EXEC_SCRIPT,
                        .program = "n = int(input())\nprint(sum(i & 3 for i in range(n)))\n",
                        .inputs = &input,
                        .n_inputs = 1,
                        .limits = azr_exec_evaluation_limits()};
    azr_exec_reply reply;
    azr_error error = {0};
    job.limits.cpu_ms = 5000;
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_string_equal(reply.runs[0].value, "'7500000\\n'");
    azr_exec_reply_deinit(&reply);
    input = "assert f(5000000) == 7500000\nassert f(8) == 12\n";
    job.kind = AZR_EXEC_TESTS;
    job.program = steady;
    job.function = "f";
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_OK);
    azr_exec_reply_deinit(&reply);
    job.program = loop;
    job.limits.cpu_ms = 300;
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_TIMEOUT_CPU);
    azr_exec_reply_deinit(&reply);
    azr_executor_destroy(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops_hold_up_nobody),
        cmocka_unit_test(test_slow_programs_keep_their_values),
        cmocka_unit_test(test_evaluation_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
