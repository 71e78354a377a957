/* test_metrics.c: the numbers of a step are there under their names, and are what the rows of
 * run.db say. */
#include "../support/tiny_fixture.h"

#include "base/files.h"
#include "base/memory.h"

#include <jansson.h>
#include <string.h>

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { STEP = 2 };

static int set_up(void **state)
{
    (void)state;
    const char *const plain[] = {"total_steps=2", "batch_size=8", NULL};
    const char *const all[] = {"total_steps=2", "batch_size=8", "intrinsic_metrics=true", NULL};
    /* A right and a wrong answer of an induction solver that look back on themselves. */
    static const char *const reflecting[] = {"a):\\n    return a # wait\\n\\n\\n",
                                             "a):\\n    return 1 # recheck\\n\\n\\n", NULL};
    tiny_run_create_with(&tiny, reflecting);
    tiny_run_train(&tiny, "plain", false, plain);
    tiny_run_train(&tiny, "all", false, all);
    return 0;
}

static double metric(const char *run, const char *name)
{
    return tiny_run_metric(&tiny, run, STEP, name);
}

static const struct {
    const char *group, *role, *kind, *purpose;
} groups[] = {
    {"gen_code_o", "proposer", "deduction", "propose"},
    {"gen_code_i", "proposer", "abduction", "propose"},
    {"gen_code_f", "proposer", "induction", "propose"},
    {"pred_code_o", "solver", "deduction", "solve"},
    {"pred_code_i", "solver", "abduction", "solve"},
    {"pred_code_f", "solver", "induction", "solve"},
};

static void assert_number(const char *group, const char *name, const char *sql)
{
    char metric_name[96], query[320];
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (group != NULL && strncmp(groups[i].group, group, strlen(group)) != 0)
            continue;
        snprintf(metric_name, sizeof metric_name, "%s/%s", groups[i].group, name);
        snprintf(query, sizeof query,
                 "SELECT %s FROM attempts WHERE step = %d AND role = '%s' AND kind = '%s' AND "
                 "purpose = '%s'",
                 sql, STEP, groups[i].role, groups[i].kind, groups[i].purpose);
        double got = metric("plain", metric_name), want = tiny_run_query(&tiny, "plain", query);
        if (!(fabs(got - want) <= 1e-12) && !(isnan(got) && isnan(want)))
            fail_msg("%s is %.12g, the rows say %.12g", metric_name, got, want);
    }
}

static void test_groups(void **state)
{
    (void)state;
    assert_number(NULL, "n", "count(*)");
    assert_number(NULL, "critic/score/mean", "avg(reward)");
    assert_number(NULL, "critic/score/max", "max(reward)");
    assert_number(NULL, "critic/score/min", "min(reward)");
    assert_number(NULL, "critic/rewards/mean", "avg(reward)");
    assert_number(NULL, "critic/rewards/max", "max(reward)");
    assert_number(NULL, "critic/returns/mean", "sum(reward * n_tokens) / sum(n_tokens)");
    assert_number(NULL, "critic/returns/min", "min(reward)");
    assert_number(NULL, "response_length/mean", "avg(n_tokens)");
    assert_number(NULL, "response_length/max", "max(n_tokens)");
    assert_number(NULL, "response_length/min", "min(n_tokens)");
    assert_number(NULL, "incorrect_response_length/mean",
                  "avg(CASE WHEN verdict <> 'correct' THEN n_tokens END)");
    assert_number(NULL, "correct_response_length/mean",
                  "avg(CASE WHEN verdict = 'correct' THEN n_tokens END)");
    assert_number("gen", "num_valid_programs", "sum(verdict = 'valid')");
    assert_number("gen", "valid_ratio", "avg(verdict = 'valid')");
    assert_number("gen", "accuracy", "sum(max(reward, 0.0)) / count(*)");
    assert_number("pred", "accuracy", "avg(verdict = 'correct')");
    assert_number("pred", "format_score", "avg(reward > -1.0)");
    assert_number("pred", "none_count", "sum(verdict IN ('failed', 'not_literal'))");
    assert_number("pred", "none_ratio", "avg(verdict IN ('failed', 'not_literal'))");
}

/* Whitened: the mean over tokens is 0. */
static void test_advantages(void **state)
{
    (void)state;
    double n_silent = 0.0;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s/critic/advantages/mean", groups[i].group);
        assert_float_equal(metric("plain", name), 0.0, 1e-6);
        snprintf(name, sizeof name, "%s/critic/advantages/max", groups[i].group);
        n_silent += metric("plain", name) == 0.0;
    }
    assert_float_equal(metric("plain", "groups_without_signal"), n_silent / 6.0, 1e-12);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"gen_code_o/format_score",
                                        "gen_code_i/avg_program_lines",
                                        "pred_code_f/avg_program_lines",
                                        "pred_code_o/response_length/clip_ratio",
                                        "gen_code_f/response_length/reflect_ratio",
                                        "gen_code_f/prompt_length/mean",
                                        "gen_code_f/prompt_length/max",
                                        "gen_code_f/prompt_length/min",
                                        "gen_code_f/prompt_length/clip_ratio",
                                        "gen_code_f/dropped_prompts",
                                        "pred_code_i/dropped_prompts",
                                        "actor/entropy",
                                        "actor/entropy_coef",
                                        "actor/pg_loss",
                                        "actor/pg_clipfrac",
                                        "actor/ppo_kl",
                                        "actor/grad_norm",
                                        "actor/lr",
                                        "actor/mismatch",
                                        "training/rollout_probs_diff_max",
                                        "training/rollout_probs_diff_mean",
                                        "training/rollout_probs_diff_std",
                                        "global_seqlen/mean",
                                        "global_seqlen/min",
                                        "global_seqlen/max",
                                        "types/input_types/distinct_types",
                                        "types/input_types/total_unique_values",
                                        "types/input_types/total_instances",
                                        "types/input_types/int/unique_count",
                                        "types/output_types/int/total_count",
                                        "tokens/propose",
                                        "tokens/solve",
                                        "tokens/update_actor",
                                        "learnability/solved_0_of_3",
                                        "learnability/solved_3_of_3",
                                        "executor/status/ok"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (isnan(metric("plain", names[i])))
            fail_msg("%s is not there", names[i]);
    assert_true(
        tiny_run_query(&tiny, "plain",
                       "SELECT count(*) FROM metrics WHERE name LIKE 'timing%' OR name LIKE "
                       "'%gen_code%gen_code%'") == 0.0);
}

static void test_sums(void **state)
{
    (void)state;
    double tried = tiny_run_query(&tiny, "plain",
                                  "SELECT sum(value) FROM metrics WHERE step = 2 AND name LIKE "
                                  "'learnability/%'");
    assert_true(tried == tiny_run_query(&tiny, "plain",
                                        "SELECT count(*) FROM attempts WHERE step = 2 AND "
                                        "verdict = 'valid'"));
    assert_true(metric("plain", "tokens") ==
                tiny_run_query(&tiny, "plain",
                               "SELECT sum(value) FROM metrics WHERE step = 2 AND name LIKE "
                               "'tokens/%'"));
    assert_true(metric("plain", "actor/sequences") == 48.0);
    assert_true(metric("plain", "types/output_types/total_instances") ==
                tiny_run_query(&tiny, "plain",
                               "SELECT sum(json_array_length(outputs)) FROM tasks WHERE step < 2"));
}

/* Words that look back: of the answers that have some, how many are right? */
static void test_reflection(void **state)
{
    (void)state;
    static const char looking[] = "SELECT avg(verdict = 'correct') FROM attempts WHERE step = 2 "
                                  "AND kind = 'induction' AND purpose = 'solve' AND "
                                  "(completion LIKE '%wait%' OR completion LIKE '%recheck%')";
    double want = tiny_run_query(&tiny, "plain", looking);
    double got = metric("plain", "pred_code_f/response_length/correct_reflect_ratio");
    assert_false(isnan(want));
    assert_float_equal(got, want, 1e-12);
    assert_true(metric("plain", "pred_code_f/response_length/reflect_ratio") > 0.0);
}

/* The mean over tokens, whatever mean the loss takes. */
static void test_entropy(void **state)
{
    (void)state;
    static const char *const means[] = {"loss_mean=sequence", "loss_mean=micro_batch"};
    double want = tiny_run_metric(&tiny, "plain", 1, "actor/entropy");
    assert_true(want > 0.0);
    for (size_t i = 0; i < 2; i++) {
        const char *const sets[] = {"total_steps=1", "batch_size=8", means[i], NULL};
        tiny_run_train(&tiny, means[i], false, sets);
        assert_true(tiny_run_metric(&tiny, means[i], 1, "actor/entropy") == want);
        assert_true(tiny_run_metric(&tiny, means[i], 1, "actor/loss") !=
                    tiny_run_metric(&tiny, "plain", 1, "actor/loss"));
    }
    assert_true(metric("plain", "training/rollout_probs_diff_mean") == 0.0);
    assert_true(metric("plain", "training/rollout_probs_diff_std") == 0.0);
    assert_true(metric("plain", "global_seqlen/min") == metric("plain", "global_seqlen/max"));
}

/* All numbers of a step that metrics.jsonl has, whichever line; json_decref. */
static json_t *step_of(const char *run, int step)
{
    char name[64], *text = NULL;
    size_t size = 0;
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    char *path = tiny_run_path(&tiny, name);
    assert_int_equal(azr_file_read(path, 1 << 20, &text, &size, NULL), AZR_OK);
    json_t *all = json_object();
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        if (json_integer_value(json_object_get(object, "step")) == step)
            json_object_update(all, object);
        json_decref(object);
    }
    azr_free(text);
    azr_free(path);
    return all;
}

static double number(const json_t *step, const char *prefix, const char *name)
{
    char key[96];
    snprintf(key, sizeof key, "%s/%s", prefix, name);
    const json_t *value = json_object_get(step, key);
    return json_is_real(value) ? json_real_value(value) : NAN;
}

/* Seconds stand in metrics.jsonl alone; the phases make up the step, which evaluations and
 * checkpoints come after. */
static void test_seconds(void **state)
{
    (void)state;
    static const char *const phases[] = {"propose", "solve", "reward_fn", "update_actor"};
    json_t *step = step_of("plain", STEP);
    double sum = 0.0;
    for (size_t i = 0; i < 4; i++) {
        /* Verdicts are waited for. */
        assert_true(number(step, "timing_s", phases[i]) > 0.0);
        sum += number(step, "timing_s", phases[i]);
        bool has_tokens = strcmp(phases[i], "reward_fn") != 0;
        assert_true(isnan(number(step, "timing_per_token_ms", phases[i])) == !has_tokens);
    }
    assert_true(sum <= number(step, "timing_s", "step") + 1e-6);
    assert_true(number(step, "tokens_per_s", "step") > 0.0);
    assert_true(number(step, "timing_s", "save_checkpoint") > 0.0);
    json_decref(step);
    step = step_of("plain", 1); /* checkpoints are of steps 0 and 2 */
    assert_true(number(step, "timing_s", "step") > 0.0);
    assert_true(isnan(number(step, "timing_s", "save_checkpoint")));
    json_decref(step);
}

/* Programs that interest tries on other inputs are runs too. A step of deduction runs the proposed
 * programs and nothing else. */
static void test_probes_are_counted(void **state)
{
    (void)state;
    static const char ran[] = "SELECT count(*) FROM attempts WHERE step = 1 AND role = 'proposer' "
                              "AND verdict IN ('valid', 'failed', 'nondeterministic', "
                              "'not_literal')";
    static const char runs[] = "SELECT sum(value) FROM metrics WHERE step = 1 AND name LIKE "
                               "'executor/status/%'";
    const char *const off[] = {"kinds=deduction", "total_steps=1", "batch_size=8", NULL};
    const char *const on[] = {"kinds=deduction", "total_steps=1", "batch_size=8", "interest=true",
                              NULL};
    tiny_run_train(&tiny, "no-probes", false, off);
    tiny_run_train(&tiny, "probes", false, on);
    assert_true(tiny_run_query(&tiny, "no-probes", runs) ==
                tiny_run_query(&tiny, "no-probes", ran));
    assert_true(tiny_run_query(&tiny, "probes", ran) > 0.0);
    assert_true(tiny_run_query(&tiny, "probes", runs) > tiny_run_query(&tiny, "probes", ran));
}

/* Intrinsic numbers cost time: only when asked for. They change nothing else. */
static void test_intrinsic(void **state)
{
    (void)state;
    static const char *const names[] = {"gen_code_o/complexity", "gen_code_o/mean_edit_distance",
                                        "gen_code_i/halstead", "gen_code_i/answer_diversity"};
    for (size_t i = 0; i < 4; i++) {
        char sql[160];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM metrics WHERE name = '%s'", names[i]);
        assert_true(tiny_run_query(&tiny, "plain", sql) == 0.0);
        assert_true(tiny_run_query(&tiny, "all", sql) > 0.0);
    }
    static const char f[] = "SELECT count(*) FROM metrics WHERE name IN "
                            "('gen_code_f/input_answer_diversity', "
                            "'gen_code_f/output_answer_diversity') AND value BETWEEN 0 AND 1";
    static const char n_valid[] =
        "SELECT 2 * count(*) FROM metrics WHERE name = 'gen_code_f/num_valid_programs' AND value > "
        "0";
    assert_true(tiny_run_query(&tiny, "all", n_valid) > 0.0);
    assert_true(tiny_run_query(&tiny, "all", f) == tiny_run_query(&tiny, "all", n_valid));
    assert_true(metric("plain", "actor/grad_norm") == metric("all", "actor/grad_norm"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_advantages),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_intrinsic),
        cmocka_unit_test(test_reflection),
        cmocka_unit_test(test_entropy),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_probes_are_counted),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
