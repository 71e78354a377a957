/* test_gate_switches.c: what a run stores: each test fails when its option is ignored. The tiny
 * model has three programs to say, so that it repeats itself at once. */
#include "../support/tiny_fixture.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static double query(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

/* The sum over all steps; 0 when it was never said. */
static double metric(const char *run, const char *name)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT coalesce(sum(value), 0) FROM metrics WHERE name = '%s'",
             name);
    return query(run, sql);
}

static const char n_estimates[] = "SELECT count(*) FROM attempts WHERE purpose = 'estimate'";
static const char n_valid[] =
    "SELECT count(*) FROM attempts WHERE purpose = 'propose' AND verdict = 'valid'";

static void test_off(void **state)
{
    (void)state;
    tiny_run_train(&tiny, "off", false, NULL);
    assert_true(query("off", n_valid) > 0.0);
    assert_true(query("off", n_estimates) == 3.0 * query("off", n_valid));
    assert_true(query("off", "SELECT coalesce(sum(value), 0) FROM metrics WHERE name LIKE "
                             "'proposer/refused/%'") == 0.0);
    assert_true(metric("off", "novelty/repeated") > 0.0);
    assert_true(metric("off", "novelty/known") > 0.0);
}

static void test_refuse_repeated(void **state)
{
    (void)state;
    const char *const sets[] = {"refuse_repeated=true", "refused_reward=-0.75", NULL};
    tiny_run_train(&tiny, "repeated", false, sets);
    double n_refused = metric("repeated", "proposer/refused/repeated");
    assert_true(n_refused > 0.0);
    assert_true(n_refused == metric("repeated", "novelty/repeated"));
    assert_true(query("repeated", n_estimates) == 3.0 * (query("repeated", n_valid) - n_refused));
    assert_true(query("repeated", "SELECT count(*) FROM attempts WHERE purpose = 'propose' AND "
                                  "verdict = 'valid' AND reward = -0.75") == n_refused);
    assert_true(metric("repeated", "proposer/stored") == query("repeated", n_valid) - n_refused);
}

/* One of a shape and type, or of the same; and only as far back as is remembered. */
static void test_novelty(void **state)
{
    (void)state;
    static const char n_twice[] =
        "SELECT count(*) FROM (SELECT count(*) AS n FROM tasks GROUP BY kind, program, "
        "typeof(json_extract(outputs, '$[0]')), substr(outputs, 3, 1) GLOB '[0-9]' HAVING n > 1)";
    const char *const like[] = {"novelty=true", "novelty_same=0", "novelty_like=1", NULL};
    const char *const same[] = {"novelty=true", "novelty_same=1", "novelty_like=0", NULL};
    const char *const never[] = {"novelty=true", "novelty_same=0", "novelty_like=0", NULL};
    const char *const brief[] = {"novelty=true", "novelty_same=1", "novelty_like=0",
                                 "novelty_memory=1", NULL};
    tiny_run_train(&tiny, "like", false, like);
    assert_true(metric("like", "proposer/refused/common") > 0.0);
    assert_true(metric("like", "proposer/refused/known") == 0.0);
    assert_true(query("like", n_twice) == 0.0);
    tiny_run_train(&tiny, "same", false, same);
    double n_known = metric("same", "proposer/refused/known");
    assert_true(n_known > 0.0 && metric("same", "proposer/refused/common") == 0.0);
    tiny_run_train(&tiny, "never", false, never);
    assert_true(metric("never", "proposer/refused/known") == 0.0);
    assert_true(metric("never", "proposer/refused/common") == 0.0);
    tiny_run_train(&tiny, "brief", false, brief);
    assert_true(metric("brief", "proposer/refused/known") < n_known);
}

static void test_interest(void **state)
{
    (void)state;
    static const char n_identity[] =
        "SELECT count(*) FROM tasks WHERE id > 3 AND kind <> 'induction' AND program = "
        "'def f(a):' || char(10) || '    return a' || char(10)";
    static const char n_all_right[] =
        "SELECT count(*) FROM tasks WHERE step > 0 AND n_correct = n_attempts";
    const char *const off[] = {"estimate_samples=1", "seed_tasks=1", "batch_size=8", NULL};
    const char *const on[] = {"estimate_samples=1", "seed_tasks=1", "batch_size=8", "interest=true",
                              NULL};
    tiny_run_train(&tiny, "any", false, off);
    assert_true(query("any", n_identity) > 0.0);
    assert_true(query("any", n_all_right) > 0.0);
    tiny_run_train(&tiny, "interest", false, on);
    assert_true(query("interest", n_identity) == 0.0);
    assert_true(query("interest", n_all_right) == 0.0);
    assert_true(metric("interest", "proposer/refused/unchanged") > 0.0);
    assert_true(query("interest", "SELECT count(*) FROM tasks WHERE program LIKE '%* 2%'") > 0.0);
}

static void test_task_filter(void **state)
{
    (void)state;
    static const char n_one[] =
        "SELECT count(*) FROM tasks WHERE step > 0 AND n_correct = n_attempts";
    static const char n_zero[] = "SELECT count(*) FROM tasks WHERE step > 0 AND n_correct = 0";
    const char *const all[] = {"estimate_samples=1", "seed_tasks=1", "batch_size=8", NULL};
    const char *const non_one[] = {"estimate_samples=1", "seed_tasks=1", "batch_size=8",
                                   "task_filter=non_one", NULL};
    const char *const extremes[] = {"estimate_samples=1", "seed_tasks=1", "batch_size=8",
                                    "task_filter=non_extremes", NULL};
    tiny_run_train(&tiny, "all", false, all);
    tiny_run_train(&tiny, "non-one", false, non_one);
    tiny_run_train(&tiny, "extremes", false, extremes);
    assert_true(query("all", n_one) > 0.0 && query("all", n_zero) > 0.0);
    assert_true(query("non-one", n_one) == 0.0 && query("non-one", n_zero) > 0.0);
    assert_true(query("extremes", n_one) == 0.0 && query("extremes", n_zero) == 0.0);
    assert_true(metric("extremes", "proposer/refused/none_right") > 0.0);
}

/* Tasks and attempts go, and a run that was stopped goes on the same. */
static void test_rings(void **state)
{
    (void)state;
    static const char n_most[] =
        "SELECT max(n) FROM (SELECT count(*) AS n FROM tasks GROUP BY kind)";
    const char *const straight[] = {"buffer_cap=3",   "keep_attempts=1", "keep_checkpoints=1",
                                    "novelty=true",   "interest=true",   "refuse_repeated=true",
                                    "novelty_like=2", "total_steps=4",   NULL};
    const char *const half[] = {"buffer_cap=3",   "keep_attempts=1", "keep_checkpoints=1",
                                "novelty=true",   "interest=true",   "refuse_repeated=true",
                                "novelty_like=2", "total_steps=3",   NULL};
    const char *const rest[] = {"buffer_cap=3",   "keep_attempts=1", "keep_checkpoints=1",
                                "novelty=true",   "interest=true",   "refuse_repeated=true",
                                "novelty_like=2", "total_steps=4",   NULL};
    tiny_run_train(&tiny, "ring", false, straight);
    assert_true(query("ring", n_most) == 3.0);
    assert_true(query("ring", "SELECT min(step) FROM attempts") == 4.0);
    assert_true(query("off", n_most) > 3.0);
    assert_true(query("off", "SELECT min(step) FROM attempts") == 0.0);
    tiny_run_train(&tiny, "ring-halves", false, half);
    tiny_run_train(&tiny, "ring-halves", true, rest);
    tiny_run_equal(&tiny, "ring", "ring-halves", 4);
}

/* No step at all: tasks are made and stored, and a run can go on from there. */
static void test_seeds_only(void **state)
{
    (void)state;
    const char *const none[] = {"total_steps=0", NULL};
    const char *const two[] = {"total_steps=2", NULL};
    tiny_run_train(&tiny, "seeds", false, none);
    assert_true(query("seeds", "SELECT count(*) FROM tasks") > 3.0);
    assert_true(query("seeds", "SELECT max(step) FROM tasks") == 0.0);
    char *path = tiny_run_path(&tiny, "seeds/checkpoints/step-000000/DONE");
    assert_true(azr_file_exists(path));
    azr_free(path);
    tiny_run_train(&tiny, "seeds", true, two);
    tiny_run_train(&tiny, "both", false, two);
    tiny_run_equal(&tiny, "seeds", "both", 2);
}

/* What a validation cost is stored with the task. */
static void test_times(void **state)
{
    (void)state;
    assert_true(query("off", "SELECT count(*) FROM tasks WHERE step > 0 AND cpu_us <= 0") == 0.0);
    assert_true(query("off", "SELECT count(DISTINCT program_hash) FROM tasks") ==
                query("off", "SELECT count(DISTINCT program) FROM tasks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),         cmocka_unit_test(test_refuse_repeated),
        cmocka_unit_test(test_novelty),     cmocka_unit_test(test_interest),
        cmocka_unit_test(test_task_filter), cmocka_unit_test(test_rings),
        cmocka_unit_test(test_seeds_only),  cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, tiny_run_set_up, tiny_run_tear_down);
}
