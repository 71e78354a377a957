/* test_recompute.c: keeping only each layer's input changes no bit of anything, needs less memory,
 * and can be switched at any time; scoring goes in blocks of rows without anybody noticing. */
#include "../support/models.h"

#include "base/memory.h"
#include "model/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Longer than one block of rows, and than one block of weight gradients. */
enum { GIVEN = 1100, NEW = 60, ANSWERS = 3, TARGETS = ANSWERS * NEW };

typedef struct forest {
    int32_t *tokens;
    azr_segment segments[1 + ANSWERS];
    azr_target targets[TARGETS];
    azr_batch batch;
    float dlogprobs[TARGETS], dentropies[TARGETS];
} forest;

static void forest_create(const azr_model *model, forest *f)
{
    f->tokens = test_tokens(GIVEN + TARGETS, azr_model_get_shape(model)->n_vocab, 17);
    f->segments[0] = (azr_segment){-1, GIVEN, f->tokens};
    for (int i = 0; i < ANSWERS; i++)
        f->segments[1 + i] = (azr_segment){0, NEW, f->tokens + GIVEN + (ptrdiff_t)i * NEW};
    for (int i = 0; i < TARGETS; i++) {
        f->targets[i] = (azr_target){1 + i / NEW, i % NEW};
        f->dlogprobs[i] = (float)(i * 37 % 19 - 9) / 8;
        f->dentropies[i] = (float)(i * 11 % 7 - 3) / 16;
    }
    f->batch = (azr_batch){f->segments, 1 + ANSWERS, f->targets, TARGETS, 0.8F};
}

/* What one round of learning gives, and the memory that the model then holds. */
typedef struct outcome {
    float logprobs[TARGETS], entropies[TARGETS];
    float *gradients;
    size_t bytes;
} outcome;

static void learn(azr_model *model, bool recompute, forest *f, outcome *out)
{
    azr_error error = {0};
    size_t n = (size_t)azr_model_n_weights(model);
    memset(azr_model_gradients(model), 0, n * sizeof(float));
    azr_model_set_recompute(model, recompute);
    const azr_scores scores = {out->logprobs, out->entropies, f->dlogprobs, f->dentropies};
    assert_ok(azr_model_learn(model, &f->batch, &scores, NULL, &error), &error);
    out->bytes = (model->kept.n_floats + model->gradient_space.n_floats) * sizeof(float);
    float logprobs[TARGETS], entropies[TARGETS];
    assert_ok(azr_model_score(model, &f->batch, logprobs, entropies, &error), &error);
    assert_memory_equal(logprobs, out->logprobs, sizeof logprobs);
    assert_memory_equal(entropies, out->entropies, sizeof entropies);
    out->gradients = azr_alloc(n, sizeof(float));
    memcpy(out->gradients, azr_model_gradients(model), n * sizeof(float));
}

/* All tokens but the last of the prompt, then the last: its log-probability by the cache. */
static float decode(azr_model *model, const forest *f)
{
    azr_error error = {0};
    azr_kv *kv;
    float logprob, *state = azr_alloc((size_t)azr_model_get_shape(model)->d_model, sizeof *state);
    assert_ok(azr_kv_create(model, GIVEN, &kv, &error), &error);
    azr_extension e = {azr_kv_add(kv, -1), GIVEN - 1, f->tokens};
    assert_ok(azr_kv_extend(kv, &e, 1, state, &error), &error);
    assert_ok(
        azr_model_logprobs(model, state, 1, 0.8F, f->tokens + GIVEN - 1, &logprob, NULL, &error),
        &error);
    azr_kv_destroy(kv);
    azr_free(state);
    return logprob;
}

static void check_family(azr_family family, azr_dtype dtype, azr_kv_dtype kv_dtype)
{
    azr_model *model = test_model(family, dtype, 6);
    azr_error error = {0};
    azr_model_set_kv_dtype(model, kv_dtype);
    assert_ok(azr_model_enable_training(model, &error), &error);
    size_t n = (size_t)azr_model_n_weights(model);
    forest f;
    outcome kept, again;
    forest_create(model, &f);
    float before = decode(model, &f);
    learn(model, false, &f, &kept);
    for (int round = 0; round < 2; round++) {
        learn(model, true, &f, &again);
        assert_memory_equal(kept.logprobs, again.logprobs, sizeof kept.logprobs);
        assert_memory_equal(kept.entropies, again.entropies, sizeof kept.entropies);
        assert_memory_equal(kept.gradients, again.gradients, n * sizeof(float));
        azr_model_memory all =
            azr_model_plan(&model->shape, dtype, kv_dtype, 1, 1, GIVEN + TARGETS, false);
        azr_model_memory few =
            azr_model_plan(&model->shape, dtype, kv_dtype, 1, 1, GIVEN + TARGETS, true);
        assert_int_equal(kept.bytes, all.activations);
        assert_int_equal(again.bytes, few.activations);
        assert_true(again.bytes < kept.bytes);
        assert_true(few.compute <= all.compute);
        azr_free(again.gradients);
        /* Packed weights were given back: what decodes next makes them again. */
        float after = decode(model, &f);
        assert_memory_equal(&before, &after, sizeof before);
    }
    azr_free(kept.gradients);
    learn(model, false, &f, &kept);
    assert_int_equal(kept.bytes > again.bytes, 1);
    azr_free(kept.gradients);
    azr_free(f.tokens);
    azr_model_destroy(model);
}

static void test_same_bits(void **state)
{
    (void)state;
    for (int family = AZR_FAMILY_LLAMA; family <= AZR_FAMILY_QWEN3; family++) {
        check_family((azr_family)family, AZR_DTYPE_F32, AZR_KV_F32);
        check_family((azr_family)family, AZR_DTYPE_F32, AZR_KV_F16);
        if (azr_kernels_have_bf16())
            check_family((azr_family)family, AZR_DTYPE_BF16, AZR_KV_F16);
    }
}

/* New weights reach the copies that are made later. */
static void test_new_weights(void **state)
{
    (void)state;
    azr_dtype dtype = azr_kernels_have_bf16() ? AZR_DTYPE_BF16 : AZR_DTYPE_F32;
    azr_model *models[2];
    azr_error error = {0};
    outcome outcomes[2];
    forest f;
    for (int i = 0; i < 2; i++) {
        models[i] = test_model(AZR_FAMILY_LLAMA, dtype, 6);
        assert_ok(azr_model_enable_training(models[i], &error), &error);
        size_t n = (size_t)azr_model_n_weights(models[i]);
        forest_create(models[i], &f);
        for (int step = 0; step < 2; step++) {
            learn(models[i], i == 1, &f, &outcomes[i]);
            float *w = azr_model_weights(models[i]);
            for (size_t j = 0; j < n; j++)
                w[j] -= 1e-3F * outcomes[i].gradients[j];
            azr_model_refresh(models[i]);
            azr_free(outcomes[i].gradients);
        }
        azr_free(f.tokens);
        azr_model_destroy(models[i]);
    }
    assert_memory_equal(outcomes[0].logprobs, outcomes[1].logprobs, sizeof outcomes[0].logprobs);
}

/* Scoring holds what the plan says, however long the batch is. */
static void test_score_memory(void **state)
{
    (void)state;
    azr_model *model = test_model(AZR_FAMILY_QWEN2, AZR_DTYPE_F32, 6);
    azr_error error = {0};
    forest f;
    float logprobs[TARGETS];
    forest_create(model, &f);
    assert_ok(azr_model_score(model, &f.batch, logprobs, NULL, &error), &error);
    azr_model_memory plan =
        azr_model_plan(&model->shape, AZR_DTYPE_F32, AZR_KV_F32, 0, 0, GIVEN + TARGETS, false);
    assert_int_equal(model->passing.n_floats * sizeof(float), plan.scoring);
    /* gate_up and gated are 3 d_ff wide: for one block of rows, not for all. */
    size_t wide = (size_t)(GIVEN + TARGETS - AZR_MODEL__PREFILL_ROWS) * 3 *
                  (size_t)model->shape.d_ff * sizeof(float);
    assert_true(plan.scoring + wide / 2 < plan.activations);
    azr_free(f.tokens);
    azr_model_destroy(model);
}

static int start(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    return azr_kernels_init(NULL) == AZR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_new_weights),
                                       cmocka_unit_test(test_score_memory)};
    return cmocka_run_group_tests(tests, start, NULL);
}
