/* test_learn.c: the schedule, the steered entropy bonus, and whitening of episodes, against worked
 * values; and that learning stops at a log-probability that is not the rollout's. */
#include "../support/models.h"
#include "train/trainer.h"

#include "base/check.h"
#include "base/memory.h"

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

static void test_learning_rate(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    config.learning_rate = 8.0;
    assert_near(azr_train__learning_rate(&config, 1), 8.0, 0.0);
    assert_near(azr_train__learning_rate(&config, 1000), 8.0, 0.0);
    config.warmup_steps = 4;
    assert_near(azr_train__learning_rate(&config, 1), 2.0, 0.0);
    assert_near(azr_train__learning_rate(&config, 4), 8.0, 0.0);
    assert_near(azr_train__learning_rate(&config, 5), 8.0, 0.0);
    config.learning_rate_schedule = AZR_SCHEDULE_LINEAR;
    config.decay_steps = 12;
    assert_near(azr_train__learning_rate(&config, 4), 8.0, 0.0);
    assert_near(azr_train__learning_rate(&config, 6), 6.0, 1e-12);
    assert_near(azr_train__learning_rate(&config, 12), 0.0, 1e-12);
    assert_near(azr_train__learning_rate(&config, 20), 0.0, 1e-12);
    config.learning_rate_min = 0.25;
    assert_near(azr_train__learning_rate(&config, 8), 5.0, 1e-12);
    assert_near(azr_train__learning_rate(&config, 20), 2.0, 1e-12);
    config.learning_rate_schedule = AZR_SCHEDULE_COSINE;
    assert_near(azr_train__learning_rate(&config, 6), 2.0 + 6.0 * 0.5 * (1.0 + sqrt(0.5)), 1e-12);
    assert_near(azr_train__learning_rate(&config, 20), 2.0, 1e-12);
    azr_config_deinit(&config);
}

static void test_entropy_is_steered(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    assert_near(azr_train__steer_entropy(&config, 0.01, 5.0), 0.01, 0.0);
    config.entropy_target = 1.5;
    config.entropy_rate = 0.01;
    assert_near(azr_train__steer_entropy(&config, 0.01, 1.0), 0.015, 1e-15);
    assert_near(azr_train__steer_entropy(&config, 0.01, 2.0), 0.005, 1e-15);
    assert_near(azr_train__steer_entropy(&config, 0.01, 5.0), 0.0, 0.0);
    assert_near(azr_train__steer_entropy(&config, 0.099, 0.0), 0.1, 0.0);
    azr_config_deinit(&config);
}

enum { N = 4, N_TOKENS = 5 };

/* Two groups of two: proposer of deduction with rewards 1 and -0.5, lengths 1 and 3; solver of
 * abduction with rewards 1 and -1, lengths 2 and 5. */
typedef struct batch {
    azr_sample samples[N];
    azr_episode episodes[N];
    float advantages[N][N_TOKENS];
    double returns[N][N_TOKENS];
    azr_config config;
    azr_learn_state learn;
} batch;

static void batch_init(batch *b)
{
    static const size_t lengths[N] = {1, 2, 3, 5};
    static const double rewards[N] = {1.0, 1.0, -0.5, -1.0};
    *b = (batch){0};
    azr_config_init(&b->config);
    for (size_t i = 0; i < N; i++) {
        b->samples[i].n_tokens = lengths[i];
        b->episodes[i] = (azr_episode){.role = i % 2 == 0 ? AZR_ROLE_PROPOSER : AZR_ROLE_SOLVER,
                                       .kind = i % 2 == 0 ? AZR_KIND_DEDUCTION : AZR_KIND_ABDUCTION,
                                       .sample = &b->samples[i],
                                       .reward = rewards[i],
                                       .advantages = b->advantages[i]};
    }
}

static void test_groups_are_whitened_apart(void **state)
{
    (void)state;
    batch b;
    batch_init(&b);
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    /* Proposer: mean -0.125, squares (1.265625 + 3 x 0.140625) / 3. Solver: mean -3/7. */
    double proposer = sqrt((1.265625 + 3.0 * 0.140625) / 3.0);
    double mean = -3.0 / 7.0,
           solver =
               sqrt((2.0 * (1.0 - mean) * (1.0 - mean) + 5.0 * (1.0 + mean) * (1.0 + mean)) / 6.0);
    assert_near((double)b.advantages[0][0], 1.125 / proposer, 1e-6);
    for (size_t t = 0; t < 3; t++)
        assert_near((double)b.advantages[2][t], -0.375 / proposer, 1e-6);
    for (size_t t = 0; t < 5; t++)
        assert_near((double)b.advantages[3][t], (-1.0 - mean) / solver, 1e-6);
    b.config.advantage = AZR_ADVANTAGE_SEQUENCE;
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    assert_near((double)b.advantages[0][0], sqrt(0.5), 1e-6);
    assert_near((double)b.advantages[3][4], -sqrt(0.5), 1e-6);
    azr_config_deinit(&b.config);
}

static void test_roles_are_weighted(void **state)
{
    (void)state;
    batch plain, weighted;
    batch_init(&plain);
    batch_init(&weighted);
    weighted.config.proposer_weight = 0.5;
    weighted.config.solver_weight = 3.0;
    azr_train__whiten(&plain.config, &plain.learn, plain.episodes, N);
    azr_train__whiten(&weighted.config, &weighted.learn, weighted.episodes, N);
    assert_near((double)weighted.advantages[0][0], 0.5 * (double)plain.advantages[0][0], 1e-6);
    assert_near((double)weighted.advantages[3][2], 3.0 * (double)plain.advantages[3][2], 1e-6);
    azr_config_deinit(&plain.config);
    azr_config_deinit(&weighted.config);
}

/* With returns of tokens, each token is an item of its group. */
static void test_returns_of_tokens(void **state)
{
    (void)state;
    batch b;
    batch_init(&b);
    double values[4] = {1.0, -0.75, -0.5, -0.25}, squares = 0.0;
    for (size_t i = 0; i < N; i++)
        b.episodes[i].returns = b.returns[i];
    b.returns[0][0] = values[0];
    for (size_t t = 0; t < 3; t++)
        b.returns[2][t] = values[1 + t];
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    for (size_t i = 0; i < 4; i++)
        squares += (values[i] + 0.125) * (values[i] + 0.125);
    assert_near((double)b.advantages[0][0], 1.125 / sqrt(squares / 3.0), 1e-6);
    assert_near((double)b.advantages[2][0], -0.625 / sqrt(squares / 3.0), 1e-6);
    assert_near((double)b.advantages[2][2], -0.125 / sqrt(squares / 3.0), 1e-6);
    /* The sequence form takes the first one: all that the sequence brings. */
    b.config.advantage = AZR_ADVANTAGE_SEQUENCE;
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    assert_near((double)b.advantages[2][2], -sqrt(0.5), 1e-6);
    azr_config_deinit(&b.config);
}

/* Small groups stand on past steps too, large ones on their own. */
static void test_running_groups(void **state)
{
    (void)state;
    batch b;
    batch_init(&b);
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    assert_near(b.learn.running[0].weight, 0.0, 0.0); /* off: nothing is remembered */
    b.config.running_decay = 0.5;
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    b.episodes[0].reward = b.episodes[2].reward = 1.0;
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    assert_true(b.advantages[0][0] > 0.1F);
    b.config.running_below = 2;
    azr_train__whiten(&b.config, &b.learn, b.episodes, N);
    assert_true(b.advantages[0][0] == 0.0F);
    azr_config_deinit(&b.config);
}

/* Two answers to one prompt, as a rollout would give them. */
enum { PROMPT = 12, ANSWER = 5 };
typedef struct answers {
    int32_t *tokens;
    float logprobs[2][ANSWER], entropies[2][ANSWER];
    azr_sample samples[2];
    azr_episode episodes[2];
} answers;

static void answers_init(azr_model *model, float temperature, answers *a)
{
    azr_segment segments[3] = {{-1, PROMPT, NULL}};
    azr_target targets[2 * ANSWER];
    azr_error error;
    a->tokens = test_tokens(PROMPT + 2 * ANSWER, azr_model_get_shape(model)->n_vocab, 4);
    segments[0].tokens = a->tokens;
    for (int i = 0; i < 2; i++) {
        int32_t *answer = a->tokens + PROMPT + (ptrdiff_t)i * ANSWER;
        segments[1 + i] = (azr_segment){0, ANSWER, answer};
        for (int t = 0; t < ANSWER; t++)
            targets[i * ANSWER + t] = (azr_target){1 + i, t};
        a->samples[i] = (azr_sample){.index = (size_t)i,
                                     .tokens = answer,
                                     .logprobs = a->logprobs[i],
                                     .entropies = a->entropies[i],
                                     .n_tokens = ANSWER};
        a->episodes[i] = (azr_episode){.role = AZR_ROLE_SOLVER,
                                       .kind = AZR_KIND_ABDUCTION,
                                       .prompt = a->tokens,
                                       .n_prompt = PROMPT,
                                       .sample = &a->samples[i],
                                       .reward = i};
    }
    azr_batch both = {segments, 3, targets, 2 * ANSWER, temperature};
    assert_ok(azr_model_score(model, &both, a->logprobs[0], a->entropies[0], &error), &error);
}

static void test_mismatch_stops(void **state)
{
    (void)state;
    azr_error error = {0};
    azr_trainer trainer = {.model = test_model(AZR_FAMILY_LLAMA, AZR_DTYPE_F32, 3)};
    answers a = {0};
    azr_config_init(&trainer.config);
    trainer.config.learning_rate = 1e-3;
    assert_ok(azr_model_enable_training(trainer.model, &error), &error);
    assert_ok(azr_optimizer_init(&trainer.optimizer, trainer.model, &error), &error);
    answers_init(trainer.model, (float)trainer.config.temperature, &a);
    /* One bit of one token. */
    float whole = a.logprobs[1][2];
    a.logprobs[1][2] = nextafterf(whole, 0);
    assert_int_equal(azr_train__learn(&trainer, 7, a.episodes, 2, &error), AZR_ERROR_NUMERIC);
    assert_non_null(strstr(error.text, "step 7: token 2 of a solver's abduction sample has"));
    a.logprobs[1][2] = whole;
    size_t n = (size_t)azr_model_n_weights(trainer.model);
    memset(azr_model_gradients(trainer.model), 0, n * sizeof(float));
    assert_ok(azr_train__learn(&trainer, 7, a.episodes, 2, &error), &error);
    assert_true(azr_metrics_get(&trainer.metrics, "actor/mismatch") == 0);
    assert_true(azr_metrics_get(&trainer.metrics, "actor/response_tokens") == 2 * ANSWER);
    /* The model has moved on: what it said before is another model's. */
    assert_int_equal(azr_train__learn(&trainer, 8, a.episodes, 2, &error), AZR_ERROR_NUMERIC);
    azr_free(a.tokens);
    azr_metrics_deinit(&trainer.metrics);
    azr_optimizer_deinit(&trainer.optimizer);
    azr_model_destroy(trainer.model);
    azr_config_deinit(&trainer.config);
}

static int start(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    return azr_kernels_init(NULL) == AZR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learning_rate),
        cmocka_unit_test(test_entropy_is_steered),
        cmocka_unit_test(test_groups_are_whitened_apart),
        cmocka_unit_test(test_roles_are_weighted),
        cmocka_unit_test(test_returns_of_tokens),
        cmocka_unit_test(test_running_groups),
        cmocka_unit_test(test_mismatch_stops),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
