/* test_hostile.c: programs that try to get out, to stay, to hold up, to forge. Each has the
 * statuses it may end with; after each an innocent program runs as if nothing had been. */
#include "sandbox.h"

#include "../support/hostile.h"

static bool check_one(azr_executor *executor, const azr_test_hostile *h)
{
    azr_exec_reply reply = run_program(executor, h->program, h->input, false);
    const azr_exec_run *run = &reply.runs[0];
    const char *detail = run->value != NULL ? run->value : run->exception;
    bool ok = (h->expected >> run->status & 1) != 0 &&
              (h->detail == NULL || (detail != NULL && strcmp(detail, h->detail) == 0));
    if (!ok)
        print_message("--- got %s %s (%s)\n%s\n", azr_exec_status_name(run->status),
                      detail != NULL ? detail : "", run->message != NULL ? run->message : "",
                      h->program);
    azr_exec_reply_deinit(&reply);
    check_sentinel(executor);
    return ok;
}

static void check_group(azr_test_hostile_group group)
{
    const azr_test_hostiles *programs = &azr_test_hostile_groups[group];
    azr_executor *executor =
        open_engine_at(programs->by_fork_only ? "fork" : "auto", AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < programs->n; i++)
        n_bad += check_one(executor, &programs->programs[i]) ? 0 : 1;
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

#define CHECK(name, group)                \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        check_group(group);               \
    }

CHECK(endless, AZR_TEST_ENDLESS)
CHECK(hungry, AZR_TEST_HUNGRY)
CHECK(doors, AZR_TEST_DOORS)
CHECK(traces, AZR_TEST_TRACES)
CHECK(foreign, AZR_TEST_FOREIGN)
CHECK(forged, AZR_TEST_FORGED)

/* Texts that make the compiler itself work: too long for a table. */
static void test_deep_programs(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    static const char *const pieces[][3] = {
        {"def f(): return ", "(", "1"}, {"def f(): return ", "-", "1"},
        {"def f(): return ", "[", "1"}, {"def f(): return 1", "+1", "\n"},
        {"def f():\n", "  ", "pass"},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        enum { N = 200000 };
        size_t n = strlen(pieces[i][1]);
        char *program = malloc(64 + N * n + 8), *at = program;
        at += sprintf(at, "%s", pieces[i][0]);
        for (size_t k = 0; k < N; k++, at += n)
            memcpy(at, pieces[i][1], n);
        sprintf(at, "%s", pieces[i][2]);
        azr_exec_reply reply = run_program(executor, program, "", false);
        unsigned expected = AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(CRASH) |
                            AZR_TEST_BIT(TIMEOUT_CPU) | AZR_TEST_BIT(OK);
        assert_true((expected >> reply.runs[0].status & 1) != 0);
        azr_exec_reply_deinit(&reply);
        check_sentinel(executor);
        free(program);
    }
    azr_executor_destroy(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endless),       cmocka_unit_test(test_hungry),
        cmocka_unit_test(test_doors),         cmocka_unit_test(test_traces),
        cmocka_unit_test(test_foreign),       cmocka_unit_test(test_forged),
        cmocka_unit_test(test_deep_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
