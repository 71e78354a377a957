/* test_switches.c: options of the algorithm that a whole run has to obey: each test fails when its
 * option is ignored. */
#include "../support/tiny_fixture.h"

#include "base/files.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_train_propose(void **state)
{
    (void)state;
    const char *const sets[] = {"train_propose=false", "total_steps=1", NULL};
    tiny_run_train(&tiny, "solver-only", false, sets);
    assert_true(tiny_run_query(&tiny, "solver-only",
                               "SELECT count(*) FROM attempts WHERE purpose = 'propose'") == 12);
    assert_true(tiny_run_metric(&tiny, "solver-only", 1, "actor/response_tokens") ==
                tiny_run_query(&tiny, "solver-only",
                               "SELECT sum(n_tokens) FROM attempts WHERE purpose = 'solve'"));
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

/* With it, answers to this step's tasks are sampled once and count twice: as estimates of the task
 * and as answers to learn from. */
static void test_reuse_estimates(void **state)
{
    (void)state;
    const char *const off[] = {"total_steps=1", NULL};
    const char *const on[] = {"reuse_estimates=true", "total_steps=1", NULL};
    tiny_run_train(&tiny, "discarded", false, off);
    tiny_run_train(&tiny, "reused", false, on);
    static const char n_valid[] = "SELECT count(*) FROM attempts WHERE step = 1 AND purpose = "
                                  "'propose' AND verdict = 'valid'";
    static const char n_estimates[] = "SELECT count(*) FROM attempts WHERE purpose = 'estimate'";
    static const char n_solve[] = "SELECT count(*) FROM attempts WHERE purpose = 'solve'";
    double valid = count("reused", n_valid);
    assert_true(valid > 0.0);
    assert_true(count("discarded", n_valid) == valid);
    assert_true(count("reused", n_estimates) == 3.0 * valid);
    assert_true(count("discarded", n_estimates) == 3.0 * valid);
    assert_true(count("discarded", n_solve) == 12.0);
    assert_true(count("reused", n_solve) == 12.0 - valid);
    assert_true(tiny_run_metric(&tiny, "reused", 1, "actor/response_tokens") ==
                count("reused", "SELECT sum(n_tokens) FROM attempts WHERE step = 1"));
    assert_true(tiny_run_metric(&tiny, "discarded", 1, "actor/response_tokens") ==
                count("discarded", "SELECT sum(n_tokens) FROM attempts WHERE step = 1 AND "
                                   "purpose <> 'estimate'"));
}

static void test_solver_samples(void **state)
{
    (void)state;
    const char *const sets[] = {"solver_samples=3", "total_steps=1", NULL};
    tiny_run_train(&tiny, "samples", false, sets);
    assert_true(count("samples", "SELECT count(*) FROM attempts WHERE purpose = 'solve'") == 36.0);
}

/* A number that changes when other tasks are solved or other references shown. */
static double shown(const char *run, const char *role)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT sum(length(prompt) * (id %% 97 + 1)) FROM attempts WHERE step >= 1 AND role = "
             "'%s' AND purpose <> 'estimate'",
             role);
    return count(run, sql);
}

static void test_reference_sampling(void **state)
{
    (void)state;
    const char *const uniform[] = {"seed_tasks=20", NULL};
    const char *const step[] = {"seed_tasks=20", "reference_sampling=step", NULL};
    const char *const none[] = {"references=0", "total_steps=1", NULL};
    tiny_run_train(&tiny, "evenly", false, uniform);
    tiny_run_train(&tiny, "by-step", false, step);
    assert_true(shown("evenly", "proposer") != shown("by-step", "proposer"));
    tiny_run_train(&tiny, "none", false, none);
    assert_true(count("none",
                      "SELECT count(*) FROM attempts WHERE step = 1 AND purpose = "
                      "'propose' AND kind <> 'induction' AND prompt LIKE '%>>> f(%'") == 0.0);
    assert_true(count("evenly", "SELECT count(*) FROM attempts WHERE step = 1 AND purpose = "
                                "'propose' AND kind <> 'induction' AND prompt NOT LIKE "
                                "'%>>> f(%'") == 0.0);
}

/* Answers of step 2 to stored tasks of a step, distinct tasks counted once. */
static double solved_of(const char *run, int64_t step, const char *kind)
{
    char sql[320];
    snprintf(sql, sizeof sql,
             "SELECT count(DISTINCT t.id) FROM attempts a JOIN tasks t ON t.id = a.task_id WHERE "
             "a.step = 2 AND a.purpose = 'solve' AND t.step = %" PRId64 " AND t.kind = '%s'",
             step, kind);
    return count(run, sql);
}

static double stored_of(const char *run, int64_t step, const char *kind)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM tasks WHERE step = %" PRId64 " AND kind = '%s'",
             step, kind);
    return count(run, sql);
}

static void test_solver_mix(void **state)
{
    (void)state;
    static const char *const mixes[] = {"new", "max_new", "half_new", "uniform", "step"};
    for (size_t i = 0; i < 5; i++) {
        char set[64];
        snprintf(set, sizeof set, "solver_mix=%s", mixes[i]);
        const char *const sets[] = {"seed_tasks=1", "batch_size=12", "total_steps=2", set, NULL};
        tiny_run_train(&tiny, mixes[i], false, sets);
        assert_true(stored_of(mixes[i], 1, "deduction") >= 1.0);
        double same_step = solved_of(mixes[i], 2, "deduction") +
                           solved_of(mixes[i], 2, "abduction") +
                           solved_of(mixes[i], 2, "induction");
        assert_true(i == 0 ? same_step > 0.0 : same_step == 0.0);
    }
    /* All that is new, and at most half of the batch. */
    assert_true(solved_of("max_new", 1, "deduction") ==
                fmin(stored_of("max_new", 1, "deduction"), 12.0));
    assert_true(solved_of("step", 0, "deduction") == 0.0);
    assert_true(solved_of("step", 1, "deduction") > 0.0);
    assert_true(shown("half_new", "solver") != shown("uniform", "solver"));
    assert_true(shown("uniform", "solver") != shown("max_new", "solver"));
    /* Nothing is new to a window of none. */
    const char *const window[] = {"seed_tasks=1",       "batch_size=12", "total_steps=2",
                                  "solver_mix=max_new", "window=0",      NULL};
    tiny_run_train(&tiny, "window", false, window);
    assert_true(shown("window", "solver") == shown("uniform", "solver"));
    /* Of many new ones (seeds are, in the first step) half_new takes two for a batch of four. */
    const char *const half[] = {"solver_mix=half_new", "seed_tasks=20", "total_steps=1", NULL};
    const char *const all[] = {"solver_mix=max_new", "seed_tasks=20", "total_steps=1", NULL};
    tiny_run_train(&tiny, "half", false, half);
    tiny_run_train(&tiny, "all", false, all);
    assert_true(shown("half", "solver") != shown("all", "solver"));
}

static void test_curriculum(void **state)
{
    (void)state;
    const char *const off[] = {"solver_mix=uniform", NULL};
    const char *const on[] = {"solver_mix=uniform", "curriculum=true", NULL};
    tiny_run_train(&tiny, "alike", false, off);
    tiny_run_train(&tiny, "curriculum", false, on);
    assert_true(shown("alike", "solver") != shown("curriculum", "solver"));
}

static void test_pretrain_pred_steps(void **state)
{
    (void)state;
    const char *const sets[] = {"pretrain_pred_steps=1", "total_steps=2", NULL};
    tiny_run_train(&tiny, "pretrain", false, sets);
    static const char first[] =
        "SELECT count(*) FROM attempts WHERE step = 1 AND role = 'proposer'";
    static const char second[] =
        "SELECT count(*) FROM attempts WHERE step = 2 AND role = 'proposer'";
    assert_true(count("pretrain", first) == 0.0);
    assert_true(count("pretrain", second) == 12.0);
    assert_true(tiny_run_metric(&tiny, "pretrain", 1, "actor/grad_norm") > 0.0);
}

/* Two runs of one step from the same seed; the second one has one more assignment. The first one is
 * made again only when more is another one than the last time. */
static void train_pair(const char *set, const char *more)
{
    static const char *last = "";
    const char *const plain[] = {"total_steps=1", "estimate_samples=12", "batch_size=12", more,
                                 NULL};
    const char *const changed[] = {
        "total_steps=1", "estimate_samples=12", "batch_size=12", set, more, NULL};
    char *paths[2] = {tiny_run_path(&tiny, "plain"), tiny_run_path(&tiny, "changed")};
    bool again = last != more;
    for (size_t i = 0; i < 2; i++) {
        if (i > 0 || again)
            azr_directory_remove(paths[i], NULL);
        azr_free(paths[i]);
    }
    if (again)
        tiny_run_train(&tiny, "plain", false, plain);
    last = more;
    tiny_run_train(&tiny, "changed", false, changed);
}

static double metric(const char *run, const char *name)
{
    return tiny_run_metric(&tiny, run, 1, name);
}

/* Two steps of one seed differ in what the attempts were worth. */
static void assert_other_rewards(const char *set, const char *more, const char *role)
{
    train_pair(set, more);
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT sum(reward * (id %% 97 + 1)) FROM attempts WHERE step = 1 AND role = '%s'",
             role);
    if (count("plain", sql) == count("changed", sql))
        fail_msg("%s changes no reward", set);
}

static void test_rewards(void **state)
{
    (void)state;
    assert_other_rewards("propose_zero_reward=0", NULL, "proposer");
    assert_other_rewards("learnability=inverse", NULL, "proposer");
    assert_other_rewards("learnability=variance", NULL, "proposer");
    assert_other_rewards("length_cost=0.5", NULL, "proposer");
    assert_other_rewards("length_cost=0.5", NULL, "solver");
    /* In proportion to its length, of the longest of its kind. */
    static const char plain[] =
        "(SELECT n_tokens, round(reward + 0.5 * n_tokens / iif(kind = 'induction', 12, 6), 9) AS r "
        "FROM attempts WHERE step = 1 AND role = 'solver')";
    char sql[300];
    snprintf(sql, sizeof sql, "SELECT count(DISTINCT n_tokens) FROM %s", plain);
    assert_true(count("changed", sql) >= 3.0);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE r NOT IN (1, -0.5, -1)", plain);
    assert_true(count("changed", sql) == 0.0);
}

/* Multiplied, a term of 0 counts too: the tiny model's programs are not complex. */
static void test_intrinsic_rewards(void **state)
{
    (void)state;
    static const char *const sets[] = {"complexity_coef=1", "edit_distance_coef=1",
                                       "halstead_coef=1", "answer_diversity_coef=1"};
    for (size_t i = 0; i < 4; i++)
        assert_other_rewards(sets[i], "intrinsic_combine=multiply", "proposer");
    assert_other_rewards("answer_diversity_form=hierarchical", "answer_diversity_coef=0.5",
                         "proposer");
    assert_other_rewards("halstead_max=0.001", "halstead_coef=1", "proposer");
    assert_other_rewards("intrinsic_combine=multiply", "answer_diversity_coef=0.4", "proposer");
}

/* The identity, which the tiny model knows, is right on one of three hidden pairs and three of all
 * six. */
static void test_induction_rewards(void **state)
{
    (void)state;
    static const char task[] =
        "{\"kind\":\"induction\",\"program\":\"def f(a):\\n    return "
        "abs(a)\\n\",\"inputs\":[\"-1\","
        "\"2\",\"3\",\"4\",\"-5\",\"-6\"],\"outputs\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"],"
        "\"message\":\"it\"}\n"
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return a\\n\",\"input\":\"1\","
        "\"output\":\"1\"}\n";
    static const struct {
        const char *reward, *check;
        double partly; /* reward of such an answer */
    } rows[] = {
        {"induction_reward=binary", "induction_check=hidden", -0.5},
        {"induction_reward=accuracy", "induction_check=hidden", 1.0 / 3.0},
        {"induction_reward=accuracy", "induction_check=all", 0.5},
        {"induction_reward=if_one_correct", "induction_check=hidden", 1.0},
    };
    char *path = tiny_run_path(&tiny, "abs.jsonl"), set[128];
    assert_int_equal(azr_file_write(path, task, sizeof task - 1, NULL), AZR_OK);
    snprintf(set, sizeof set, "tasks=%s", path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[32];
        snprintf(name, sizeof name, "induction-%zu", i);
        const char *const sets[] = {set,
                                    rows[i].reward,
                                    rows[i].check,
                                    "solver_samples=40",
                                    "solver_mix=uniform",
                                    "total_steps=1",
                                    "kinds=induction",
                                    NULL};
        tiny_run_train(&tiny, name, false, sets);
        static const char part[] =
            "FROM attempts a JOIN tasks t ON t.id = a.task_id WHERE a.role = "
            "'solver' AND t.program LIKE '%abs%' AND a.verdict = 'wrong'";
        char sql[320];
        snprintf(sql, sizeof sql, "SELECT count(*) %s", part);
        assert_true(count(name, sql) > 0.0);
        snprintf(sql, sizeof sql, "SELECT max(abs(a.reward - %.17g)) %s", rows[i].partly, part);
        assert_true(count(name, sql) < 1e-12);
    }
    azr_free(path);
}

static void test_learning_rate(void **state)
{
    (void)state;
    train_pair("warmup_steps=4", NULL);
    assert_float_equal(metric("plain", "actor/lr"), 0.01, 1e-12);
    assert_float_equal(metric("changed", "actor/lr"), 0.0025, 1e-12);
    const char *const sets[] = {"learning_rate=0.02", "learning_rate_schedule=linear",
                                "decay_steps=2",      "learning_rate_min=0.5",
                                "total_steps=1",      NULL};
    tiny_run_train(&tiny, "linear", false, sets);
    assert_float_equal(metric("linear", "actor/lr"), 0.015, 1e-12);
}

static void test_updates(void **state)
{
    (void)state;
    train_pair("mini_batches=3", "epochs=2");
    assert_true(metric("plain", "actor/updates") == 2.0);
    assert_true(metric("changed", "actor/updates") == 6.0);
    assert_true(metric("plain", "actor/mismatch") == 0.0);
    assert_true(metric("changed", "actor/mismatch") == 0.0);
    assert_true(metric("changed", "actor/ppo_kl") != 0.0);
    train_pair("epochs=3", NULL);
    assert_true(metric("plain", "actor/updates") == 1.0);
    assert_true(metric("plain", "actor/ppo_kl") == 0.0);
    assert_true(metric("plain", "actor/pg_clipfrac") == 0.0);
    assert_true(metric("changed", "actor/updates") == 3.0);
}

/* Bounds at ratio 1 clip all tokens that moved the wrong way. */
static void test_clip(void **state)
{
    (void)state;
    train_pair("clip_low=0", "epochs=2");
    assert_true(metric("changed", "actor/pg_clipfrac") > metric("plain", "actor/pg_clipfrac"));
    train_pair("clip_high=0", "epochs=2");
    assert_true(metric("changed", "actor/pg_clipfrac") > metric("plain", "actor/pg_clipfrac"));
    train_pair("dual_clip=1.000001", "epochs=2");
    assert_true(metric("plain", "actor/pg_clipfrac_lower") == 0.0);
    assert_true(metric("changed", "actor/pg_clipfrac_lower") > 0.0);
}

static void assert_other_update(const char *set, const char *more)
{
    train_pair(set, more);
    if (metric("plain", "actor/grad_norm") == metric("changed", "actor/grad_norm"))
        fail_msg("%s changes nothing", set);
}

static void test_weights_of_the_loss(void **state)
{
    (void)state;
    assert_other_update("loss_mean=sequence", NULL);
    assert_other_update("loss_mean=micro_batch", NULL);
    assert_other_update("proposer_weight=0.5", NULL);
    assert_other_update("solver_weight=2", NULL);
    assert_other_update("advantage=sequence", NULL);
    assert_other_update("entropy_coef=0.02", NULL);
}

/* The coefficient of the first step is as given, that of the second one has moved; and a stopped
 * run goes on with it, with the sums of its groups, and with the same reference model. */
static void test_learning_state_is_kept(void **state)
{
    (void)state;
#define ALL_SWITCHES                                                                   \
    "entropy_target=1", "entropy_rate=0.01", "running_decay=0.8", "kl_coef=0.1",       \
        "kl_place=reward", "mini_batches=2", "warmup_steps=3", "reuse_estimates=true", \
        "curriculum=true", "solver_mix=half_new", "answer_diversity_coef=0.3",         \
        "halstead_coef=0.3", "learnability=variance", "length_cost=0.1", "buffer_cap=5"
    const char *const sets[] = {ALL_SWITCHES, NULL};
    const char *const two[] = {ALL_SWITCHES, "total_steps=2", NULL};
    tiny_run_train(&tiny, "steered", false, sets);
    assert_float_equal(tiny_run_metric(&tiny, "steered", 1, "actor/entropy_coef"), 0.01, 1e-12);
    for (int64_t step = 1; step < 4; step++) {
        double want = tiny_run_metric(&tiny, "steered", step, "actor/entropy_coef") +
                      0.01 * (1.0 - tiny_run_metric(&tiny, "steered", step, "actor/entropy"));
        want = want < 0.0 ? 0.0 : want > 0.1 ? 0.1 : want;
        assert_float_equal(tiny_run_metric(&tiny, "steered", step + 1, "actor/entropy_coef"), want,
                           2e-4);
    }
    tiny_run_train(&tiny, "steered-on", false, two);
    tiny_run_train(&tiny, "steered-on", true, sets);
    tiny_run_equal(&tiny, "steered", "steered-on", 4);
}

static void test_running_statistics(void **state)
{
    (void)state;
    const char *const on[] = {"running_decay=0.8", "total_steps=2", NULL};
    const char *const large[] = {"running_decay=0.8", "running_below=1", "total_steps=2", NULL};
    const char *const off[] = {"total_steps=2", NULL};
    tiny_run_train(&tiny, "running", false, on);
    tiny_run_train(&tiny, "large", false, large);
    tiny_run_train(&tiny, "own", false, off);
    assert_true(tiny_run_metric(&tiny, "running", 2, "actor/grad_norm") !=
                tiny_run_metric(&tiny, "own", 2, "actor/grad_norm"));
    assert_true(tiny_run_metric(&tiny, "large", 2, "actor/grad_norm") ==
                tiny_run_metric(&tiny, "own", 2, "actor/grad_norm"));
}

/* Against itself the distance is 0 at first; then it grows, and holds the weights back. */
static void test_reference_model(void **state)
{
    (void)state;
    const char *const loss[] = {"kl_coef=0.5", NULL};
    const char *const k2[] = {"kl_coef=0.5", "kl_estimator=k2", NULL};
    const char *const reward[] = {"kl_coef=0.5", "kl_place=reward", NULL};
    tiny_run_train(&tiny, "free", false, NULL);
    tiny_run_train(&tiny, "kl", false, loss);
    tiny_run_train(&tiny, "kl-k2", false, k2);
    tiny_run_train(&tiny, "kl-reward", false, reward);
    assert_true(isnan(tiny_run_metric(&tiny, "free", 1, "actor/reference_kl")));
    assert_true(tiny_run_metric(&tiny, "kl", 1, "actor/reference_kl") == 0.0);
    assert_true(tiny_run_metric(&tiny, "kl", 4, "actor/reference_kl") > 0.0);
    assert_true(tiny_run_metric(&tiny, "kl", 2, "actor/grad_norm") !=
                tiny_run_metric(&tiny, "free", 2, "actor/grad_norm"));
    assert_true(tiny_run_metric(&tiny, "kl-k2", 2, "actor/reference_kl") !=
                tiny_run_metric(&tiny, "kl", 2, "actor/reference_kl"));
    assert_true(tiny_run_metric(&tiny, "kl-reward", 2, "actor/grad_norm") !=
                tiny_run_metric(&tiny, "kl", 2, "actor/grad_norm"));
    /* Another model is another distance from the first step on. */
    char *path = tiny_run_path(&tiny, "free/checkpoints/step-000004"), set[160];
    snprintf(set, sizeof set, "reference_model=%s", path);
    const char *const other[] = {"kl_coef=0.5", "total_steps=1", set, NULL};
    tiny_run_train(&tiny, "kl-other", false, other);
    assert_true(metric("kl-other", "actor/reference_kl") > 0.0);
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_propose),
        cmocka_unit_test(test_reuse_estimates),
        cmocka_unit_test(test_solver_samples),
        cmocka_unit_test(test_reference_sampling),
        cmocka_unit_test(test_solver_mix),
        cmocka_unit_test(test_curriculum),
        cmocka_unit_test(test_pretrain_pred_steps),
        cmocka_unit_test(test_rewards),
        cmocka_unit_test(test_intrinsic_rewards),
        cmocka_unit_test(test_induction_rewards),
        cmocka_unit_test(test_learning_rate),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_weights_of_the_loss),
        cmocka_unit_test(test_learning_state_is_kept),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_reference_model),
    };
    return cmocka_run_group_tests(tests, tiny_run_set_up, tiny_run_tear_down);
}
