/* test_headroom.c: a program that is near its limit of memory is told from one that is far from it:
 * its later runs could go either way, so it is no task. */
#include "sandbox.h"

#include "azr/tasks.h"
#include "base/check.h"

static azr_exec_reply run(azr_executor *executor, const char *program, const char *input,
                          bool check_headroom)
{
    azr_exec_job job = {.program = program,
                        .inputs = &input,
                        .n_inputs = 1,
                        .check_determinism = true,
                        .check_headroom = check_headroom,
                        .limits = small_limits()};
    job.limits.cpu_ms = 5000;
    job.limits.memory_mb = 80;
    azr_exec_reply reply;
    azr_error error = {0};
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s: %s", program, error.text);
    return reply;
}

static void check_program(azr_executor *executor, const char *program, const char *input,
                          bool check_headroom, azr_exec_status status)
{
    azr_exec_reply reply = run(executor, program, input, check_headroom);
    if (reply.runs[0].status != status)
        fail_msg("%s with %s: %s", program, input, azr_exec_status_name(reply.runs[0].status));
    if (status == AZR_EXEC_MEMORY && check_headroom)
        assert_string_equal(reply.runs[0].message, "near the limit of memory");
    if (status == AZR_EXEC_MEMORY)
        assert_null(reply.runs[0].value);
    azr_exec_reply_deinit(&reply);
}

static const char room[] = "def f(mb):\n    return len(bytes(mb << 20))\n";
/* Would hide it. */
static const char caught[] = "def f(mb):\n"
                             "    try:\n"
                             "        return len(bytes(mb << 20))\n"
                             "    except BaseException:\n"
                             "        return mb << 20\n";

static void test_memory(void **state)
{
    (void)state;
    static const char *const engines[] = {"recycle", "fork"};
    for (size_t i = 0; i < AZR_COUNT(engines); i++) {
        azr_executor_options options = azr_executor_default_options();
        azr_executor *executor = NULL;
        options.engine = engines[i];
        if (azr_executor_create(&options, &executor, NULL) != AZR_OK)
            continue;
        check_program(executor, room, "10", true, AZR_EXEC_OK);
        check_program(executor, room, "40", false, AZR_EXEC_OK);
        check_program(executor, room, "40", true, AZR_EXEC_MEMORY);
        check_program(executor, caught, "40", false, AZR_EXEC_OK);
        check_program(executor, caught, "40", true, AZR_EXEC_MEMORY);
        check_program(executor, "def f(x):\n    return id(f) + x\n", "1", true,
                      AZR_EXEC_NONDETERMINISTIC);
        azr_executor_destroy(executor);
    }
}

/* From the proposal to the verdict. */
static azr_verdict judge(azr_executor *executor, const char *program, const char *input,
                         azr_strbuf *detail)
{
    char *inputs[] = {(char *)(uintptr_t)input};
    azr_proposal proposal = {.kind = AZR_KIND_DEDUCTION,
                             .verdict = AZR_VERDICT_VALID,
                             .program = (char *)(uintptr_t)program,
                             .n_inputs = 1,
                             .inputs = inputs};
    azr_exec_limits limits = small_limits();
    limits.cpu_ms = 5000;
    limits.memory_mb = 80;
    limits.result_bytes = 1000;
    azr_exec_job job = azr_proposal_job(&proposal, limits);
    azr_exec_reply reply;
    azr_error error = {0};
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_task task = {0};
    azr_verdict verdict = azr_proposal_judge(&proposal, &reply, limits, &task, detail);
    azr_task_deinit(&task);
    azr_exec_reply_deinit(&reply);
    return verdict;
}

static void test_no_task_near_a_limit(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_LIMITS);
    azr_strbuf detail = {0};
    assert_int_equal(judge(executor, room, "10", NULL), AZR_VERDICT_VALID);
    assert_int_equal(judge(executor, room, "40", &detail), AZR_VERDICT_FAILED);
    assert_non_null(strstr(azr_strbuf_text(&detail), "near the limit of memory"));
    const char *list = "def f(n):\n    return [1] * n\n";
    assert_int_equal(judge(executor, list, "166", NULL), AZR_VERDICT_VALID); /* 498 bytes */
    assert_int_equal(judge(executor, list, "168", NULL), AZR_VERDICT_TOO_LONG);
    const char *steps = "def f(n):\n    for i in range(n): pass\n    return n\n";
    assert_int_equal(judge(executor, steps, "1000", NULL), AZR_VERDICT_VALID);
    azr_strbuf_deinit(&detail);
    azr_executor_destroy(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_task_near_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
