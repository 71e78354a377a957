/* test_train.c: a run is a function of its configuration: stopped and resumed, with other threads
 * and other scheduling, it ends with the same bytes; and what a run refuses. */
#include "../support/tiny_fixture.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "straight", false, NULL);
    return 0;
}

static int64_t query(const char *run, const char *sql)
{
    return (int64_t)tiny_run_query(&tiny, run, sql);
}

/* The other tests say little unless the tiny model proposes, solves, fails and learns. */
static void test_run_has_signal(void **state)
{
    (void)state;
    assert_true(query("straight", "SELECT count(*) FROM tasks WHERE step = 0") > 3);
    assert_true(query("straight", "SELECT count(*) FROM attempts WHERE verdict = 'valid'") > 0);
    assert_true(query("straight", "SELECT count(*) FROM attempts WHERE verdict = 'correct'") > 0);
    assert_true(query("straight", "SELECT count(DISTINCT reward) FROM attempts WHERE "
                                  "role = 'solver'") > 1);
    /* Answers name their task, which is this step's or a stored one (0: a duplicate's). */
    assert_true(query("straight",
                      "SELECT count(*) FROM attempts a JOIN tasks t ON t.id = a.task_id "
                      "WHERE a.purpose = 'solve' AND t.step = a.step") > 0);
    assert_int_equal(query("straight", "SELECT count(*) FROM metrics WHERE "
                                       "name = 'actor/mismatch' AND value = 0"),
                     4);
    assert_int_equal(query("straight", "SELECT count(*) FROM metrics WHERE "
                                       "name = 'actor/grad_norm' AND value > 0"),
                     4);
    assert_int_equal(query("straight", "SELECT count(*) - count(DISTINCT kind || program || inputs "
                                       "|| ifnull(message, '')) FROM tasks"),
                     0);
}

static void test_stop_and_resume(void **state)
{
    (void)state;
    const char *const two[] = {"total_steps=2", NULL};
    tiny_run_train(&tiny, "stopped", false, two);
    tiny_run_train(&tiny, "stopped", true, NULL);
    tiny_run_equal(&tiny, "straight", "stopped", 4);
}

static void test_threads_and_scheduling(void **state)
{
    (void)state;
    const char *const threads[] = {"threads=2", "exec_workers=2", NULL};
    const char *const narrow[] = {"streams=3", "kv_tokens=4096", "checkpoint_every=3", NULL};
    tiny_run_train(&tiny, "threads", false, threads);
    tiny_run_equal(&tiny, "straight", "threads", 4);
    tiny_run_train(&tiny, "narrow", false, narrow);
    tiny_run_equal(&tiny, "straight", "narrow", 4);
}

static void test_seed_matters(void **state)
{
    (void)state;
    const char *const other[] = {"seed=2", "total_steps=1", NULL};
    tiny_run_train(&tiny, "other", false, other);
    const char *const same[] = {"total_steps=1", NULL};
    tiny_run_train(&tiny, "same", false, same);
    assert_int_not_equal(query("other", "SELECT sum(n_tokens) FROM attempts"),
                         query("same", "SELECT sum(n_tokens) FROM attempts"));
}

/* Rows and lines of steps that no checkpoint knows are dropped. */
static void test_later_rows_are_dropped(void **state)
{
    (void)state;
    const char *const two[] = {"total_steps=2", NULL};
    tiny_run_train(&tiny, "later", false, two);
    query("later", "INSERT INTO metrics VALUES (3, 'x', 1.0) RETURNING step");
    tiny_run_train(&tiny, "later", true, NULL);
    assert_int_equal(query("later", "SELECT count(*) FROM metrics WHERE name = 'x'"), 0);
    tiny_run_equal(&tiny, "straight", "later", 4);
}

static void test_refusals(void **state)
{
    (void)state;
    const char *const rate[] = {"learning_rate=0.5", NULL};
    const char *const memory[] = {"memory_limit_mb=1", NULL};
    tiny_run_refused(&tiny, "straight", false, NULL, "exists already: go on with --resume");
    tiny_run_refused(&tiny, "straight", true, rate, "learning_rate");
    tiny_run_refused(&tiny, "nowhere", true, NULL, "nowhere");
    tiny_run_refused(&tiny, "small", false, memory, "memory_limit_mb");
    char *path = tiny_run_path(&tiny, "small");
    assert_false(azr_directory_exists(path));
    azr_free(path);
}

/* A run can start from tasks that somebody has: none is stored twice, none is made up. */
static void test_start_tasks(void **state)
{
    (void)state;
    static const char good[] =
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return a + 1\\n\",\"input\":\"1\","
        "\"output\":\"2\"}\n"
        "\n"
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return a + 1\\n\",\"input\":\"1\","
        "\"output\":\"2\"}\n"
        "{\"kind\":\"abduction\",\"program\":\"def f(a):\\n    return a + 1\\n\",\"input\":\"1\","
        "\"output\":\"2\"}\n";
    char *path = tiny_run_path(&tiny, "tasks.jsonl"), set[128];
    snprintf(set, sizeof set, "tasks=%s", path);
    const char *const sets[] = {set, "total_steps=1", NULL};
    assert_int_equal(azr_file_write(path, good, sizeof good - 1, NULL), AZR_OK);
    tiny_run_train(&tiny, "given", false, sets);
    assert_int_equal(query("given", "SELECT count(*) FROM tasks WHERE step = 0"), 3 + 2);
    assert_int_equal(query("given", "SELECT count(*) FROM attempts WHERE step = 0"), 0);
    assert_int_equal(azr_file_write(path, "\n{\"kind\": 1}\n", 14, NULL), AZR_OK);
    tiny_run_refused(&tiny, "bad-tasks", false, sets, "tasks.jsonl:2");
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_has_signal),
        cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_threads_and_scheduling),
        cmocka_unit_test(test_seed_matters),
        cmocka_unit_test(test_later_rows_are_dropped),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_start_tasks),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
