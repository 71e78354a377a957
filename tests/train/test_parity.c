/* test_parity.c: with the reference implementation's settings a step samples, runs and learns from
 * as much as its tables say: per kind B proposals and B answers to stored tasks, which are learnt
 * from, and G answers to each new task, which are not; one update. AZR_PARITY_MODEL: a real model
 * to count with in place of the tiny one. */
#include "../support/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { B = 4, G = 8, N_KINDS = 3, N_STEPS = 2, N_PAIRS = 6, N_HIDDEN = N_PAIRS / 2 };

static tiny_run tiny;

static int set_up(void **state)
{
    (void)state;
    const char *model = getenv("AZR_PARITY_MODEL");
    char set[512];
    snprintf(set, sizeof set, model != NULL ? "model=%s" : "seed=%s", model != NULL ? model : "1");
    const char *const sets[] = {set,
                                "total_steps=2",
                                "batch_size=4",
                                "seed_tasks=16",
                                "references=6",
                                "estimate_samples=8",
                                "solver_samples=1",
                                "proposals_per_prompt=1",
                                "solver_mix=max_new",
                                "window=1",
                                "reuse_estimates=false",
                                "advantage=token",
                                "propose_zero_reward=-0.5",
                                "learning_rate=1e-6",
                                "weight_decay=0.01",
                                "entropy_coef=0.001",
                                "grad_clip=1",
                                "loss_mean=micro_batch",
                                "epochs=1",
                                "mini_batches=1",
                                model != NULL ? "max_response_tokens=128"
                                              : "max_response_tokens=12",
                                model != NULL ? "max_answer_tokens=64" : "max_answer_tokens=6",
                                model != NULL ? "dtype=auto" : "dtype=f32",
                                NULL};
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "run", false, sets);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_run_remove(&tiny);
    return 0;
}

/* Attempts of a step that fulfil a condition. */
static double attempts(int step, const char *condition)
{
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM attempts WHERE step = %d AND %s", step,
             condition);
    return tiny_run_query(&tiny, "run", sql);
}

static double metric(int step, const char *name)
{
    return tiny_run_metric(&tiny, "run", step, name);
}

static void test_samples(void **state)
{
    (void)state;
    static const char *const kinds[] = {"deduction", "abduction", "induction"};
    double n_all_valid = 0.0;
    for (int step = 1; step <= N_STEPS; step++) {
        for (int kind = 0; kind < N_KINDS; kind++) {
            char condition[160];
            snprintf(condition, sizeof condition, "purpose = 'propose' AND kind = '%s'",
                     kinds[kind]);
            assert_true(attempts(step, condition) == B);
            snprintf(condition, sizeof condition, "purpose = 'solve' AND kind = '%s'", kinds[kind]);
            assert_true(attempts(step, condition) == B);
        }
        double n_valid = attempts(step, "verdict = 'valid'");
        assert_true(attempts(step, "purpose = 'estimate'") == G * n_valid);
        n_all_valid += n_valid;
    }
    assert_true(n_all_valid > 0.0);
}

static void test_learning(void **state)
{
    (void)state;
    for (int step = 1; step <= N_STEPS; step++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT sum(n_tokens) FROM attempts WHERE step = %d AND purpose <> 'estimate'",
                 step);
        assert_true(metric(step, "actor/sequences") == 2 * N_KINDS * B);
        assert_true(metric(step, "actor/updates") == 1.0);
        assert_true(metric(step, "actor/mismatch") == 0.0);
        assert_true(metric(step, "actor/response_tokens") == tiny_run_query(&tiny, "run", sql));
        assert_float_equal(metric(step, "actor/lr"), 1e-6, 1e-12);
    }
}

/* The solver's tasks of step t are those that were stored before it, the newest first. */
static void test_tasks(void **state)
{
    (void)state;
    for (int step = 1; step <= N_STEPS; step++) {
        assert_true(attempts(step, "purpose = 'solve' AND task_id IN (SELECT id FROM tasks t WHERE "
                                   "t.step >= attempts.step)") == 0.0);
        char sql[400];
        snprintf(
            sql, sizeof sql,
            "SELECT count(*) FROM tasks t WHERE kind = 'deduction' AND step = %d AND id NOT IN "
            "(SELECT task_id FROM attempts WHERE step = %d AND purpose = 'solve')",
            step - 1, step);
        double left_out = tiny_run_query(&tiny, "run", sql);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM tasks WHERE kind = 'deduction' AND step = %d", step - 1);
        double n_new = tiny_run_query(&tiny, "run", sql);
        assert_true(left_out == (n_new > B ? n_new - B : 0.0));
    }
}

/* A proposal's program runs once for each of its inputs (and again where it must give the same), an
 * abduction's answer once, an induction's once for each hidden pair; deduction compares values. */
static void test_executions(void **state)
{
    (void)state;
    for (int step = 1; step <= N_STEPS; step++) {
        static const char proposed[] =
            "verdict IN ('valid', 'failed', 'nondeterministic', 'not_literal')";
        static const char answered[] = "verdict IN ('correct', 'wrong', 'failed', 'not_literal')";
        char condition[300], sql[200];
        snprintf(condition, sizeof condition, "role = 'proposer' AND kind <> 'induction' AND %s",
                 proposed);
        double want = attempts(step, condition);
        snprintf(condition, sizeof condition, "role = 'proposer' AND kind = 'induction' AND %s",
                 proposed);
        want += N_PAIRS * attempts(step, condition);
        snprintf(condition, sizeof condition, "role = 'solver' AND kind = 'abduction' AND %s",
                 answered);
        want += attempts(step, condition);
        snprintf(condition, sizeof condition, "role = 'solver' AND kind = 'induction' AND %s",
                 answered);
        want += N_HIDDEN * attempts(step, condition);
        snprintf(
            sql, sizeof sql,
            "SELECT sum(value) FROM metrics WHERE step = %d AND name LIKE 'executor/status/%%'",
            step);
        assert_true(want > 0.0);
        assert_true(tiny_run_query(&tiny, "run", sql) == want);
    }
}

/* As many seeds as four batches, or as the rounds gave; deduction and abduction start alike, and
 * nothing is learnt meanwhile. */
static void test_seeding(void **state)
{
    (void)state;
    assert_true(
        tiny_run_query(&tiny, "run",
                       "SELECT count(*) FROM tasks d WHERE step = 0 AND kind = 'deduction' "
                       "AND NOT EXISTS (SELECT 1 FROM tasks a WHERE a.step = 0 AND a.kind = "
                       "'abduction' AND a.program = d.program AND a.inputs = d.inputs)") == 0.0);
    double n_tries = tiny_run_query(&tiny, "run",
                                    "SELECT count(*) FROM attempts WHERE step = 0 AND kind <> "
                                    "'induction'");
    assert_true(n_tries > 0.0 && n_tries == 2.0 * B * (double)(int)(n_tries / (2.0 * B)));
    assert_true(attempts(0, "purpose <> 'seed'") == 0.0);
    assert_true(attempts(0, "kind = 'induction'") <= 16.0);
    assert_true(tiny_run_query(&tiny, "run", "SELECT count(*) FROM metrics WHERE step = 0") == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_learning),
        cmocka_unit_test(test_tasks),   cmocka_unit_test(test_executions),
        cmocka_unit_test(test_seeding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
