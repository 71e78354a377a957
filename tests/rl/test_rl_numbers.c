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

/* Successes of 8 against the proposer's reward: the reference implementation's table. */
static void test_proposer_reward(void **state)
{
    (void)state;
    static const double table[][2] = {{1, 0.875}, {2, 0.75}, {4, 0.5}, {7, 0.125}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_near(azr_reward_proposer(true, table[i][0] / 8.0, -0.5), table[i][1], 0.0);
    assert_near(azr_reward_proposer(true, 0.0, -0.5), -0.5, 0.0);
    assert_near(azr_reward_proposer(true, 1.0, -0.5), -0.5, 0.0);
    assert_near(azr_reward_proposer(true, 0.0, 0.0), 0.0, 0.0);
    assert_near(azr_reward_proposer(true, 1.0, 0.0), 0.0, 0.0);
    assert_near(azr_reward_proposer(false, 0.5, 0.0), -1.0, 0.0);
}

static void test_solver_reward(void **state)
{
    (void)state;
    assert_near(azr_reward_solver(AZR_VERDICT_CORRECT), 1.0, 0.0);
    assert_near(azr_reward_solver(AZR_VERDICT_WRONG), -0.5, 0.0);
    assert_near(azr_reward_solver(AZR_VERDICT_NO_ANSWER), -1.0, 0.0);
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

static double loss_of(const azr_policy_loss *loss, size_t n, const float *logprobs,
                      const float *old_logprobs, const float *entropies, const float *advantages)
{
    float dlogprobs[8], dentropies[8];
    azr_policy_stats stats = {0};
    azr_policy_loss_backward(loss, n, logprobs, old_logprobs, entropies, advantages, dlogprobs,
                             dentropies, &stats);
    return stats.loss;
}

/* The derivative against central differences, with ratios inside and outside the clip range on both
 * sides and advantages of both signs. */
static void test_policy_loss_gradient(void **state)
{
    (void)state;
    enum { N = 6 };
    const azr_policy_loss loss = {
        .clip_low = 0.2, .clip_high = 0.2, .entropy_coef = 0.01, .n_tokens = 10.0};
    float logprobs[N] = {-1.0F, -2.0F, -0.5F, -1.5F, -3.0F, -0.25F};
    const float old_logprobs[N] = {-1.0F, -2.5F, -1.0F, -1.0F, -2.5F, -0.3125F};
    float entropies[N] = {1.0F, 2.0F, 0.5F, 0.25F, 3.0F, 0.125F};
    const float advantages[N] = {1.0F, 2.0F, -1.0F, 0.5F, -2.0F, -1.5F};
    float dlogprobs[N], dentropies[N];
    azr_policy_stats stats = {0};
    azr_policy_loss_backward(&loss, N, logprobs, old_logprobs, entropies, advantages, dlogprobs,
                             dentropies, &stats);
    assert_true(dlogprobs[1] == 0.0F); /* ratio 1.65 with a positive advantage is clipped */
    assert_true(dlogprobs[4] == 0.0F); /* ratio 0.61 with a negative one too */
    assert_true(dlogprobs[2] != 0.0F); /* the pessimistic side is never clipped */
    assert_near(stats.ratio_clipped, 0.2, 1e-9);
    assert_near(stats.mismatch, 0.5, 1e-6);
    for (size_t i = 0; i < N; i++) {
        const float h = 0x1p-8F;
        float logprob = logprobs[i], entropy = entropies[i];
        logprobs[i] = logprob + h;
        double up = loss_of(&loss, N, logprobs, old_logprobs, entropies, advantages);
        logprobs[i] = logprob - h;
        double down = loss_of(&loss, N, logprobs, old_logprobs, entropies, advantages);
        logprobs[i] = logprob;
        assert_near((double)dlogprobs[i], (up - down) / (2.0 * (double)h), 1e-5);
        entropies[i] = entropy + h;
        up = loss_of(&loss, N, logprobs, old_logprobs, entropies, advantages);
        entropies[i] = entropy - h;
        down = loss_of(&loss, N, logprobs, old_logprobs, entropies, advantages);
        entropies[i] = entropy;
        assert_near((double)dentropies[i], (up - down) / (2.0 * (double)h), 1e-9);
    }
}

static void test_policy_loss_keeps_nan(void **state)
{
    (void)state;
    const azr_policy_loss loss = {.clip_low = 0.2, .clip_high = 0.2, .n_tokens = 1.0};
    const float logprob = NAN, old_logprob = -1.0F, entropy = 1.0F, advantage = 1.0F;
    float dlogprob, dentropy;
    azr_policy_stats stats = {0};
    azr_policy_loss_backward(&loss, 1, &logprob, &old_logprob, &entropy, &advantage, &dlogprob,
                             &dentropy, &stats);
    assert_true(isnan(stats.mismatch));
    assert_true(isnan(stats.loss));
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
        cmocka_unit_test(test_whiten_by_token),       cmocka_unit_test(test_whiten_by_sequence),
        cmocka_unit_test(test_whiten_without_signal), cmocka_unit_test(test_policy_loss_gradient),
        cmocka_unit_test(test_policy_loss_keeps_nan), cmocka_unit_test(test_forest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
