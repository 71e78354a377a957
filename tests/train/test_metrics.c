/* test_metrics.c: the numbers of a step are there under their names, and are what the rows of
 * run.db say. */
#include "../support/tiny_run.h"

#include <string.h>

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static tiny_run tiny;

enum { STEP = 2 };

static int set_up(void **state)
{
    (void)state;
    const char *const plain[] = {"total_steps=2", "batch_size=8", NULL};
    const char *const all[] = {"total_steps=2", "batch_size=8", "intrinsic_metrics=true", NULL};
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "plain", false, plain);
    tiny_run_train(&tiny, "all", false, all);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_run_remove(&tiny);
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
                                        "actor/entropy",
                                        "actor/pg_loss",
                                        "actor/pg_clipfrac",
                                        "actor/ppo_kl",
                                        "actor/grad_norm",
                                        "actor/lr",
                                        "actor/mismatch",
                                        "training/rollout_probs_diff_max",
                                        "global_seqlen/mean",
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
        cmocka_unit_test(test_groups),    cmocka_unit_test(test_advantages),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_sums),
        cmocka_unit_test(test_intrinsic),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
