/* test_sharing.c: training on a forest is training on its sequences one by one: the same bits of
 * log-probability, and gradients that differ by the rounding of their sums alone. */
#include "../support/models.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 2, ANSWERS = 8, GIVEN = 70, NEW = 9, LENGTH = GIVEN + NEW };
enum { SEQUENCES = PROMPTS * ANSWERS, TARGETS = SEQUENCES * NEW };

/* Answers to prompts that have their first 20 tokens in common. */
static int32_t *make_tokens(int64_t n_vocab)
{
    int32_t *tokens = test_tokens((int64_t)SEQUENCES * LENGTH, n_vocab, 5);
    for (int i = 1; i < SEQUENCES; i++) {
        int n = i % ANSWERS == 0 ? 20 : GIVEN;
        memcpy(tokens + (ptrdiff_t)i * LENGTH, tokens + (ptrdiff_t)(i - 1) * LENGTH,
               (size_t)n * sizeof *tokens);
    }
    return tokens;
}

static void learn(azr_model *model, const azr_batch *batch, float *dlogprobs, float *dentropies,
                  float *logprobs, float *entropies)
{
    azr_error error = {0};
    const azr_scores scores = {logprobs, entropies, dlogprobs, dentropies};
    assert_ok(azr_model_learn(model, batch, &scores, NULL, &error), &error);
}

/* In passes of n_together sequences without parents. */
static void learn_alone(azr_model *model, const int32_t *tokens, int n_together, float *dlogprobs,
                        float *dentropies, float *logprobs, float *entropies)
{
    azr_segment segments[SEQUENCES];
    azr_target targets[TARGETS];
    for (int first = 0; first < SEQUENCES; first += n_together) {
        for (int i = 0; i < n_together; i++) {
            segments[i] = (azr_segment){-1, LENGTH, tokens + (ptrdiff_t)(first + i) * LENGTH};
            for (int t = 0; t < NEW; t++)
                targets[i * NEW + t] = (azr_target){i, GIVEN + t};
        }
        azr_batch batch = {segments, (size_t)n_together, targets, (size_t)(n_together * NEW), 0.9F};
        int at = first * NEW;
        learn(model, &batch, dlogprobs + at, dentropies + at, logprobs + at, entropies + at);
    }
}

/* One pass: the common root, prompts below it, answers below those. */
static void learn_forest(azr_model *model, const int32_t *tokens, float *dlogprobs,
                         float *dentropies, float *logprobs, float *entropies)
{
    azr_segment segments[1 + PROMPTS + SEQUENCES] = {{-1, 20, tokens}};
    azr_target targets[TARGETS];
    for (int p = 0; p < PROMPTS; p++) {
        int32_t at = 1 + p * (1 + ANSWERS);
        segments[at] = (azr_segment){0, GIVEN - 20, tokens + (ptrdiff_t)p * ANSWERS * LENGTH + 20};
        for (int a = 0; a < ANSWERS; a++) {
            int i = p * ANSWERS + a;
            segments[at + 1 + a] = (azr_segment){at, NEW, tokens + (ptrdiff_t)i * LENGTH + GIVEN};
            for (int t = 0; t < NEW; t++)
                targets[i * NEW + t] = (azr_target){at + 1 + a, t};
        }
    }
    azr_batch batch = {segments, 1 + PROMPTS + SEQUENCES, targets, TARGETS, 0.9F};
    learn(model, &batch, dlogprobs, dentropies, logprobs, entropies);
}

/* bound: of the relative error of each tensor's gradient. With bf16, gradients that the answers
 * send into their prompt are rounded as a sum here and one by one there. */
static void check_family(azr_family family, azr_dtype dtype, double bound)
{
    azr_model *model = test_model(family, dtype, 11);
    azr_error error = {0};
    assert_ok(azr_model_enable_training(model, &error), &error);
    size_t n = (size_t)azr_model_n_weights(model);
    float *gradients = azr_model_gradients(model), *expected = azr_alloc(n, sizeof *expected);
    int32_t *tokens = make_tokens(azr_model_get_shape(model)->n_vocab);
    float dlogprobs[TARGETS], dentropies[TARGETS];
    float logprobs[3][TARGETS], entropies[3][TARGETS];
    for (int i = 0; i < TARGETS; i++) {
        dlogprobs[i] = (float)(i * 37 % 19 - 9) / 8;
        dentropies[i] = (float)(i * 11 % 7 - 3) / 16;
    }
    learn_alone(model, tokens, 1, dlogprobs, dentropies, logprobs[0], entropies[0]);
    memcpy(expected, gradients, n * sizeof *expected);
    for (int forest = 0; forest < 2; forest++) {
        memset(gradients, 0, n * sizeof *gradients);
        if (forest)
            learn_forest(model, tokens, dlogprobs, dentropies, logprobs[1], entropies[1]);
        else
            learn_alone(model, tokens, SEQUENCES / 2, dlogprobs, dentropies, logprobs[1],
                        entropies[1]);
        assert_memory_equal(logprobs[0], logprobs[1], sizeof logprobs[0]);
        assert_memory_equal(entropies[0], entropies[1], sizeof entropies[0]);
        for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
            const azr_parameter *p = azr_model_parameter(model, i);
            double distance =
                test_relative_error(p->n_elements, gradients + p->offset, expected + p->offset);
            if (!(distance <= bound))
                fail_msg("%s, forest %d: gradient of %s is off by %g, bound %g",
                         azr_family_name(family), forest, p->name, distance, bound);
        }
    }
    azr_free(tokens);
    azr_free(expected);
    azr_model_destroy(model);
}

static void test_sharing_f32(void **state)
{
    (void)state;
    for (int family = AZR_FAMILY_LLAMA; family <= AZR_FAMILY_QWEN3; family++)
        check_family((azr_family)family, AZR_DTYPE_F32, 2e-5);
}

static void test_sharing_bf16(void **state)
{
    (void)state;
    if (!azr_kernels_have_bf16())
        skip();
    for (int family = AZR_FAMILY_LLAMA; family <= AZR_FAMILY_QWEN3; family++)
        check_family((azr_family)family, AZR_DTYPE_BF16, 1e-2);
}

int main(void)
{
    azr_error error;
    if (azr_kernels_init(&error) != AZR_OK)
        return 1;
    azr_kernels_set_threads(2);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sharing_f32),
                                       cmocka_unit_test(test_sharing_bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
