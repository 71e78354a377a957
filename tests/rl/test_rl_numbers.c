/* Rewards, advantages, policy loss and the forest against worked values. */
#include "azr/rl.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%.9g is not %.9g", got, want);
}

static double propose(azr_learnability form, double zero_reward, bool valid, double rate)
{
    const azr_proposer_rules rules = {.learnability = form, .zero_reward = zero_reward};
    return azr_reward_proposer(&rules, valid, rate, NULL, 0);
}

/* Successes of 8 against the proposer's reward: the reference implementation's table, with what the
 * paper writes for tasks that nobody or everybody solves. */
static void test_proposer_reward(void **state)
{
    (void)state;
    static const struct {
        int n_correct;
        double one_minus, paper, inverse, variance;
    } rows[] = {
        {0, -0.5, 0.0, 1.0, -0.5},   {1, 0.875, 0.875, 0.875, 0.4375},
        {2, 0.75, 0.75, 0.75, 0.75}, {3, 0.625, 0.625, 0.625, 0.9375},
        {4, 0.5, 0.5, 0.5, 1.0},     {5, 0.375, 0.375, 0.375, 0.9375},
        {6, 0.25, 0.25, 0.25, 0.75}, {7, 0.125, 0.125, 0.125, 0.4375},
        {8, -0.5, 0.0, -0.5, -0.5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double rate = rows[i].n_correct / 8.0;
        assert_near(propose(AZR_LEARNABILITY_ONE_MINUS, -0.5, true, rate), rows[i].one_minus, 0.0);
        assert_near(propose(AZR_LEARNABILITY_ONE_MINUS, 0.0, true, rate), rows[i].paper, 0.0);
        assert_near(propose(AZR_LEARNABILITY_INVERSE, -0.5, true, rate), rows[i].inverse, 0.0);
        assert_near(propose(AZR_LEARNABILITY_VARIANCE, -0.5, true, rate), rows[i].variance, 0.0);
        assert_near(propose(AZR_LEARNABILITY_ONE_MINUS, 0.0, false, rate), -1.0, 0.0);
        assert_near(propose(AZR_LEARNABILITY_INVERSE, 0.0, false, rate), -1.0, 0.0);
    }
}

/* Learnability 0.75 with terms 0.5 and 0.2. */
static void test_combined_terms(void **state)
{
    (void)state;
    const double terms[] = {0.5, 0.2}, want[] = {1.45, 0.075, 0.85, 0.525};
    for (int combine = AZR_COMBINE_SUM; combine <= (int)AZR_COMBINE_MULTIPLY_SUM; combine++) {
        const azr_proposer_rules rules = {.zero_reward = -0.5, .combine = (azr_combine)combine};
        assert_near(azr_reward_proposer(&rules, true, 0.25, terms, 2), want[combine], 1e-12);
        assert_near(azr_reward_proposer(&rules, true, 0.25, NULL, 0), 0.75, 0.0);
        /* Terms add nothing to a task without learnability, nor to none. */
        assert_near(azr_reward_proposer(&rules, true, 1.0, terms, 2), -0.5, 0.0);
        assert_near(azr_reward_proposer(&rules, false, 0.25, terms, 2), -1.0, 0.0);
    }
    assert_near(azr_reward_term(0.5, 0.6, 0.5), 0.3, 1e-12);
    assert_near(azr_reward_term(2.0, 0.6, 0.5), 0.5, 0.0);
}

/* Every verdict that an answer can have. */
static void test_solver_reward(void **state)
{
    (void)state;
    static const struct {
        azr_verdict verdict;
        double reward;
    } rows[] = {
        {AZR_VERDICT_CORRECT, 1.0},      {AZR_VERDICT_WRONG, -0.5},
        {AZR_VERDICT_FAILED, -0.5},      {AZR_VERDICT_NOT_LITERAL, -0.5},
        {AZR_VERDICT_NO_ANSWER, -1.0},   {AZR_VERDICT_NO_PROGRAM, -1.0},
        {AZR_VERDICT_BAD_LITERAL, -1.0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            double success = azr_solver_success((azr_kind)kind, rows[i].verdict,
                                                rows[i].verdict == AZR_VERDICT_CORRECT,
                                                AZR_INDUCTION_REWARD_BINARY);
            assert_near(azr_reward_solver(rows[i].verdict, success), rows[i].reward, 0.0);
        }
}

/* Programs that are right on none, some and all of the pairs. */
static void test_induction_reward(void **state)
{
    (void)state;
    static const double want[3][3] = {{-0.5, -0.5, 1.0}, {-0.5, 0.4, 1.0}, {-0.5, 1.0, 1.0}};
    static const double accuracies[] = {0.0, 0.4, 1.0};
    for (int form = 0; form < 3; form++)
        for (int i = 0; i < 3; i++) {
            azr_verdict verdict = i == 2 ? AZR_VERDICT_CORRECT : AZR_VERDICT_WRONG;
            double success = azr_solver_success(AZR_KIND_INDUCTION, verdict, accuracies[i],
                                                (azr_induction_reward)form);
            assert_near(azr_reward_solver(verdict, success), want[form][i], 0.0);
        }
    /* Other kinds know no shares. */
    assert_near(azr_solver_success(AZR_KIND_DEDUCTION, AZR_VERDICT_WRONG, 0.4,
                                   AZR_INDUCTION_REWARD_ACCURACY),
                0.0, 0.0);
}

/* Rewards {1, -0.5} of lengths {10, 30}: mean -0.125, unbiased variance 0.421875 x 40/39. */
static void test_whiten_by_token(void **state)
{
    (void)state;
    const double rewards[] = {1.0, -0.5};
    const size_t lengths[] = {10, 30};
    double advantages[2];
    azr_advantage_whiten(true, 2, rewards, lengths, advantages);
    assert_near(advantages[0], 1.125 / sqrt(0.421875 * 40.0 / 39.0), 1e-7);
    assert_near(advantages[0], 1.7103, 5e-5);
    assert_near(advantages[1], -0.5701, 5e-5);
}

static void test_whiten_by_sequence(void **state)
{
    (void)state;
    const double rewards[] = {1.0, -0.5, -1.0, 1.0};
    const size_t lengths[] = {10, 30, 1, 7};
    double advantages[4], sum = 0.0, squares = 0.0;
    azr_advantage_whiten(false, 4, rewards, lengths, advantages);
    for (size_t i = 0; i < 4; i++) {
        sum += advantages[i];
        squares += advantages[i] * advantages[i];
    }
    assert_near(sum, 0.0, 1e-9);
    assert_near(squares / 3.0, 1.0, 1e-6);
    assert_near(advantages[0],
                0.875 / sqrt((0.875 * 0.875 * 2 + 0.625 * 0.625 + 1.125 * 1.125) / 3), 1e-6);
}

static void test_whiten_without_signal(void **state)
{
    (void)state;
    const double rewards[] = {-0.5, -0.5, -0.5};
    const size_t lengths[] = {3, 4, 5};
    double advantages[3] = {9, 9, 9};
    azr_advantage_whiten(true, 3, rewards, lengths, advantages);
    for (size_t i = 0; i < 3; i++)
        assert_true(advantages[i] == 0.0);
    advantages[0] = 9;
    azr_advantage_whiten(true, 1, rewards, lengths, advantages);
    assert_true(advantages[0] == 0.0);
    azr_advantage_whiten(true, 0, rewards, lengths, advantages);
}

enum { N_TOKENS = 8 };

/* Ratios inside and outside of the clip range on both sides, advantages of both signs, a ratio that
 * the dual clip ends, distances from the reference of both signs. */
typedef struct loss_case {
    float logprobs[N_TOKENS], old_logprobs[N_TOKENS], entropies[N_TOKENS], advantages[N_TOKENS],
        reference[N_TOKENS], weights[N_TOKENS];
    float dlogprobs[N_TOKENS], dentropies[N_TOKENS];
} loss_case;

static const loss_case worked = {
    .logprobs = {-1.0F, -2.0F, -0.5F, -1.5F, -3.0F, -0.25F, -0.5F, -2.0F},
    .old_logprobs = {-1.0F, -2.5F, -1.0F, -1.0F, -2.5F, -0.3125F, -2.0F, -2.0F},
    .entropies = {1.0F, 2.0F, 0.5F, 0.25F, 3.0F, 0.125F, 0.5F, 1.0F},
    .advantages = {1.0F, 2.0F, -1.0F, 0.5F, -2.0F, -1.5F, -1.0F, 0.25F},
    .reference = {-1.5F, -1.75F, -0.75F, -1.0F, -4.0F, -0.25F + 0x1p-4F, -2.5F, -1.0F},
    .weights = {0.125F, 0.125F, 0.25F, 0.125F, 0.0625F, 0.125F, 0.125F, 0.0625F},
};

static azr_policy_stats run_loss(const azr_policy_loss *loss, loss_case *c)
{
    azr_policy_stats stats = {0};
    const azr_policy_tokens tokens = {.n = N_TOKENS,
                                      .logprobs = c->logprobs,
                                      .old_logprobs = c->old_logprobs,
                                      .entropies = c->entropies,
                                      .advantages = c->advantages,
                                      .reference_logprobs = c->reference,
                                      .weights = c->weights};
    azr_policy_loss_backward(loss, &tokens, c->dlogprobs, c->dentropies, &stats);
    return stats;
}

/* The derivative against central differences. */
static void check_gradient(const azr_policy_loss *loss)
{
    loss_case c = worked, moved = worked;
    run_loss(loss, &c);
    for (size_t i = 0; i < N_TOKENS; i++) {
        const float h = 0x1p-8F;
        moved.logprobs[i] = c.logprobs[i] + h;
        double up = run_loss(loss, &moved).loss;
        moved.logprobs[i] = c.logprobs[i] - h;
        double down = run_loss(loss, &moved).loss;
        moved.logprobs[i] = c.logprobs[i];
        assert_near((double)c.dlogprobs[i], (up - down) / (2.0 * (double)h), 2e-5);
        moved.entropies[i] = c.entropies[i] + h;
        up = run_loss(loss, &moved).loss;
        moved.entropies[i] = c.entropies[i] - h;
        down = run_loss(loss, &moved).loss;
        moved.entropies[i] = c.entropies[i];
        assert_near((double)c.dentropies[i], (up - down) / (2.0 * (double)h), 1e-9);
    }
}

static void test_policy_loss_gradient(void **state)
{
    (void)state;
    const azr_policy_loss loss = {.clip_low = 0.2, .clip_high = 0.2, .entropy_coef = 0.01};
    loss_case c = worked;
    azr_policy_stats stats = run_loss(&loss, &c);
    assert_true(c.dlogprobs[1] == 0.0F); /* ratio 1.65 with a positive advantage is clipped */
    assert_true(c.dlogprobs[4] == 0.0F); /* ratio 0.61 with a negative one too */
    assert_true(c.dlogprobs[2] != 0.0F); /* the pessimistic side is never clipped */
    assert_near(stats.ratio_clipped, 0.125 + 0.0625, 1e-9);
    assert_near(stats.dual_clipped, 0.0, 0.0);
    assert_near(stats.kl, 0.0, 0.0);
    assert_near(stats.mismatch, 1.5, 1e-6);
    double old_kl = 0.0, pg = 0.0;
    for (size_t i = 0; i < N_TOKENS; i++) {
        double ratio = exp((double)c.logprobs[i] - (double)c.old_logprobs[i]);
        double a = (double)c.advantages[i], clipped = fmin(fmax(ratio, 0.8), 1.2);
        pg += (double)c.weights[i] * fmax(-a * ratio, -a * clipped);
        old_kl += (double)c.weights[i] * (double)(c.old_logprobs[i] - c.logprobs[i]);
    }
    assert_near(stats.pg_loss, pg, 1e-12);
    assert_near(stats.old_kl, old_kl, 1e-12);
    check_gradient(&loss);
}

/* The bounds below and above 1 are separate. */
static void test_clip_bounds(void **state)
{
    (void)state;
    const azr_policy_loss high = {.clip_low = 0.2, .clip_high = 0.7};
    const azr_policy_loss low = {.clip_low = 0.5, .clip_high = 0.2};
    loss_case c = worked;
    run_loss(&high, &c);
    assert_true(c.dlogprobs[1] != 0.0F && c.dlogprobs[4] == 0.0F);
    run_loss(&low, &c);
    assert_true(c.dlogprobs[1] == 0.0F && c.dlogprobs[4] != 0.0F);
    check_gradient(&high);
    check_gradient(&low);
}

/* Token 6: ratio e^1.5 = 4.48, advantage -1: the loss ends at 3. */
static void test_dual_clip(void **state)
{
    (void)state;
    const azr_policy_loss off = {.clip_low = 0.2, .clip_high = 0.2};
    const azr_policy_loss on = {.clip_low = 0.2, .clip_high = 0.2, .dual_clip = 3.0};
    loss_case c = worked;
    double without = run_loss(&off, &c).pg_loss;
    assert_true(c.dlogprobs[6] > 0.0F);
    azr_policy_stats stats = run_loss(&on, &c);
    assert_true(c.dlogprobs[6] == 0.0F);
    assert_near(stats.dual_clipped, 0.125, 0.0);
    assert_near(without - stats.pg_loss, 0.125 * (exp(1.5) - 3.0), 1e-9);
    check_gradient(&on);
}

static void test_kl_estimators(void **state)
{
    (void)state;
    double slope;
    assert_near(azr_kl_estimate(AZR_KL_K1, -1.0, -1.5, &slope), 0.5, 0.0);
    assert_near(slope, 1.0, 0.0);
    assert_near(azr_kl_estimate(AZR_KL_K1, -1.5, -1.0, NULL), -0.5, 0.0);
    assert_near(azr_kl_estimate(AZR_KL_ABS, -1.5, -1.0, &slope), 0.5, 0.0);
    assert_near(slope, -1.0, 0.0);
    assert_near(azr_kl_estimate(AZR_KL_K2, -1.5, -1.0, &slope), 0.125, 0.0);
    assert_near(slope, -0.5, 0.0);
    assert_near(azr_kl_estimate(AZR_KL_K3, -1.0, -1.5, &slope), exp(-0.5) - 1.0 + 0.5, 1e-12);
    assert_near(slope, 1.0 - exp(-0.5), 1e-12);
    assert_near(azr_kl_estimate(AZR_KL_K3, -1.0, -1.0, &slope), 0.0, 0.0);
    /* Nothing overflows. */
    assert_near(azr_kl_estimate(AZR_KL_K3, -2000.0, -1.0, &slope), exp(20.0) - 21.0, 1e-3);
    assert_near(slope, 0.0, 0.0);
    for (int estimator = AZR_KL_K1; estimator <= (int)AZR_KL_K3; estimator++) {
        const azr_policy_loss loss = {.clip_low = 0.2,
                                      .clip_high = 0.2,
                                      .kl_coef = 0.5,
                                      .kl_estimator = (azr_kl_estimator)estimator};
        loss_case c = worked;
        double sum = 0.0;
        azr_policy_stats stats = run_loss(&loss, &c);
        for (size_t i = 0; i < N_TOKENS; i++)
            sum += (double)c.weights[i] * azr_kl_estimate((azr_kl_estimator)estimator,
                                                          (double)c.logprobs[i],
                                                          (double)c.reference[i], NULL);
        assert_near(stats.kl, sum, 1e-12);
        assert_near(stats.loss, stats.pg_loss + 0.5 * sum, 1e-12);
        check_gradient(&loss);
    }
}

static void test_policy_loss_keeps_nan(void **state)
{
    (void)state;
    const azr_policy_loss loss = {.clip_low = 0.2, .clip_high = 0.2};
    loss_case c = worked;
    c.logprobs[3] = NAN;
    azr_policy_stats stats = run_loss(&loss, &c);
    assert_true(isnan(stats.mismatch));
    assert_true(isnan(stats.loss));
}

/* Two steps of one group: mean and variance are those of both, the older one weighing half. */
static void test_running_statistics(void **state)
{
    (void)state;
    const double first[] = {1.0, -0.5}, second[] = {-1.0, -1.0};
    const size_t lengths[] = {10, 30};
    double advantages[2];
    azr_running running = {0};
    azr_running_add(&running, true, 0.5, 2, first, lengths);
    azr_running_whiten(&running, 2, first, advantages);
    assert_near(advantages[0], 1.125 / sqrt(0.421875 * 40.0 / 39.0), 1e-7);
    azr_running_add(&running, true, 0.5, 2, second, lengths);
    /* Weights 5, 15, 40 at 1, -0.5, -1. */
    double mean = (5.0 - 7.5 - 40.0) / 60.0;
    double variance = (5.0 * (1.0 - mean) * (1.0 - mean) + 15.0 * (0.5 + mean) * (0.5 + mean) +
                       40.0 * (1.0 + mean) * (1.0 + mean)) /
                      59.0;
    azr_running_whiten(&running, 2, second, advantages);
    assert_near(advantages[0], (-1.0 - mean) / sqrt(variance), 1e-6);
    assert_true(advantages[0] < 0.0); /* equal rewards, and yet below what was usual */
    /* By sequences: 0.5, 0.5, 1, 1. */
    running = (azr_running){0};
    azr_running_add(&running, false, 0.5, 2, first, lengths);
    azr_running_add(&running, false, 0.5, 2, second, lengths);
    assert_near(running.weight, 3.0, 0.0);
    assert_near(running.sum, 0.25 - 2.0, 0.0);
    /* All rewards ever seen equal: no signal. */
    running = (azr_running){0};
    for (int i = 0; i < 50; i++)
        azr_running_add(&running, true, 0.9, 2, (const double[]){0.1, 0.1}, lengths);
    azr_running_whiten(&running, 2, (const double[]){0.1, 0.1}, advantages);
    assert_true(advantages[0] == 0.0 && advantages[1] == 0.0);
    running = (azr_running){0};
    azr_running_whiten(&running, 2, first, advantages);
    assert_true(advantages[0] == 0.0 && advantages[1] == 0.0);
}

/* Every token of every sequence is found again, equal beginnings are stored once, parents come
 * first. */
static void test_forest(void **state)
{
    (void)state;
    enum { N = 60, MAX = 12 };
    static int32_t tokens[N][MAX];
    azr_sequence sequences[N];
    const azr_rng_key key = {.seed = 5, .purpose = AZR_RNG_TEST};
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t t = 0; t < MAX; t++)
            tokens[i][t] = (int32_t)azr_rng_below(&key, i * MAX + t, 2);
        sequences[i] = (azr_sequence){tokens[i], 1 + azr_rng_below(&key, 100000 + i, MAX)};
    }
    azr_forest forest;
    azr_forest_build(sequences, N, &forest);
    int64_t n_tokens = 0, n_distinct = 0;
    for (size_t i = 0; i < forest.n_segments; i++) {
        assert_true(forest.segments[i].parent < (int32_t)i);
        assert_true(forest.segments[i].n_tokens > 0);
        n_tokens += forest.segments[i].n_tokens;
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t t = 0; t < sequences[i].n_tokens; t++) {
            azr_target target = azr_forest_find(&forest, i, t);
            assert_int_equal(forest.segments[target.segment].tokens[target.index], tokens[i][t]);
            /* A prefix is new when no earlier sequence has it. */
            size_t earlier = 0;
            while (earlier < i && (sequences[earlier].n_tokens <= t ||
                                   memcmp(tokens[earlier], tokens[i], (t + 1) * sizeof(int32_t))))
                earlier++;
            n_distinct += earlier == i;
        }
    }
    assert_int_equal(n_tokens, n_distinct);
    assert_int_equal(forest.n_tokens, n_distinct);
    azr_forest_deinit(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposer_reward),       cmocka_unit_test(test_solver_reward),
        cmocka_unit_test(test_combined_terms),        cmocka_unit_test(test_induction_reward),
        cmocka_unit_test(test_whiten_by_token),       cmocka_unit_test(test_whiten_by_sequence),
        cmocka_unit_test(test_whiten_without_signal), cmocka_unit_test(test_policy_loss_gradient),
        cmocka_unit_test(test_clip_bounds),           cmocka_unit_test(test_dual_clip),
        cmocka_unit_test(test_kl_estimators),         cmocka_unit_test(test_policy_loss_keeps_nan),
        cmocka_unit_test(test_running_statistics),    cmocka_unit_test(test_forest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
