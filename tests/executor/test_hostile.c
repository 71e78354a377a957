/* test_hostile.c: programs that try to get out, to stay, to hold up, to forge. Each has the
 * statuses it may end with; after each an innocent program runs as if nothing had been. */
#include "sandbox.h"

#include "../support/hostile.h"
#include "../support/process.h"
#include "base/check.h"

#include <dirent.h>
#include <time.h>
#include <unistd.h>

/* --- what is left -------------------------------------------------------------------------------
 */

/* Processes of the sandbox, their descriptors and timers, and descriptors of our own. */
typedef struct left {
    size_t n_processes, n_fds, n_timers;
} left;

static size_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;
    while (folder != NULL && readdir(folder) != NULL)
        n++;
    if (folder != NULL)
        closedir(folder);
    return n;
}

static size_t count_timers(pid_t pid)
{
    char path[64], line[256];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/timers", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        n += strncmp(line, "ID:", 3) == 0;
    if (file != NULL)
        fclose(file);
    return n;
}

static left look(void)
{
    pid_t pids[512];
    left found = {.n_processes = azr_test_descendants(getpid(), pids, AZR_COUNT(pids)),
                  .n_fds = count_entries("/proc/self/fd")};
    for (size_t i = 0; i < found.n_processes; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd", (int)pids[i]);
        found.n_fds += count_entries(path);
        found.n_timers += count_timers(pids[i]);
    }
    return found;
}

static bool is_same(left a, left b)
{
    return a.n_processes == b.n_processes && a.n_fds == b.n_fds && a.n_timers == b.n_timers;
}

static const struct timespec moment = {.tv_nsec = 20000000};

/* When nothing changes any more: workers that are still starting are waited for. */
static left at_rest(void)
{
    enum { STILL = 50, MOST = 6000 };
    left now = look();
    for (int i = 0, n_still = 0; i < MOST && n_still < STILL; i++) {
        left before = now;
        nanosleep(&moment, NULL);
        now = look();
        n_still = is_same(now, before) ? n_still + 1 : 0;
    }
    return now;
}

/* A worker that was lost is replaced: that may take a moment. */
static bool nothing_is_left(const left *before, const char *program)
{
    enum { MOST = 6000 };
    left now = look();
    for (int i = 0; i < MOST && !is_same(now, *before); i++) {
        nanosleep(&moment, NULL);
        now = look();
    }
    if (!is_same(now, *before))
        print_message(
            "--- left: %zu processes, %zu descriptors, %zu timers were %zu, %zu, %zu\n%s\n",
            now.n_processes, now.n_fds, now.n_timers, before->n_processes, before->n_fds,
            before->n_timers, program);
    return is_same(now, *before);
}

static bool check_one(azr_executor *executor, const azr_test_hostile *h, const left *before)
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
    return nothing_is_left(before, h->program) && ok;
}

static void check_group(azr_test_hostile_group group)
{
    const azr_test_hostiles *programs = &azr_test_hostile_groups[group];
    azr_executor *executor =
        open_engine_at(programs->by_fork_only ? "fork" : "auto", AZR_EXEC_LEVEL_SECCOMP);
    check_sentinel(executor);
    left before = at_rest();
    size_t n_bad = 0;
    for (size_t i = 0; i < programs->n; i++)
        n_bad += check_one(executor, &programs->programs[i], &before) ? 0 : 1;
    assert_int_not_equal(access("/tmp/azr-escape", F_OK), 0);
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
