/* test_batch.c: what a model refuses at run time (batches, cache, draws), that refusing changes
 * nothing, and that the memory plan is what gets allocated. */
#include "../support/models.h"

#include "base/check.h"
#include "base/memory.h"
#include "kernels/cpu.h"
#include "model/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const int32_t some[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void assert_score(azr_model *model, const azr_segment *segments, size_t n_segments,
                         azr_target target, float temperature, azr_status expected)
{
    float logprob;
    azr_error error = {0};
    azr_batch batch = {segments, n_segments, &target, 1, temperature};
    assert_int_equal(azr_model_score(model, &batch, &logprob, NULL, &error), expected);
    assert_true(expected == AZR_OK || error.text[0] != '\0');
}

static void test_batches(void **state)
{
    (void)state;
    azr_model *model = test_model(AZR_FAMILY_QWEN2, AZR_DTYPE_F32, 1);
    int32_t n_max = (int32_t)azr_model_get_shape(model)->max_seq_len;
    int32_t *long_text = test_tokens(n_max + 1, 151, 2);
    const int32_t foreign[] = {1, 151}, negative[] = {1, -1};
    const azr_segment good[] = {{-1, 4, some}, {0, 0, NULL}, {1, 3, some}};
    const azr_segment later[] = {{-1, 4, some}, {1, 3, some}};
    const azr_segment alien = {-1, 2, foreign}, below = {-1, 2, negative};
    const azr_segment full[] = {{-1, n_max, long_text}, {0, 1, some}};
    assert_score(model, good, 3, (azr_target){2, 0}, 1, AZR_OK);
    assert_score(model, good, 3, (azr_target){0, 3}, 1, AZR_OK);
    assert_score(model, good, 3, (azr_target){0, 0}, 1, AZR_ERROR_INPUT);
    assert_score(model, good, 3, (azr_target){0, 4}, 1, AZR_ERROR_INPUT);
    assert_score(model, good, 3, (azr_target){1, 0}, 1, AZR_ERROR_INPUT);
    assert_score(model, good, 3, (azr_target){3, 0}, 1, AZR_ERROR_INPUT);
    assert_score(model, good, 3, (azr_target){-1, 1}, 1, AZR_ERROR_INPUT);
    assert_score(model, good, 3, (azr_target){2, 0}, 0, AZR_ERROR_INPUT);
    assert_score(model, good, 3, (azr_target){2, 0}, NAN, AZR_ERROR_INPUT);
    assert_score(model, later, 2, (azr_target){1, 0}, 1, AZR_ERROR_INPUT);
    assert_score(model, &alien, 1, (azr_target){0, 1}, 1, AZR_ERROR_INPUT);
    assert_score(model, &below, 1, (azr_target){0, 1}, 1, AZR_ERROR_INPUT);
    assert_score(model, full, 1, (azr_target){0, 1}, 1, AZR_OK);
    assert_score(model, full, 2, (azr_target){0, 1}, 1, AZR_ERROR_LIMIT);
    azr_free(long_text);
    azr_model_destroy(model);
}

/* A weight that is not a number shows in the log-probability, and is an error there. */
static void test_nan(void **state)
{
    (void)state;
    azr_model *model = test_model(AZR_FAMILY_LLAMA, AZR_DTYPE_F32, 1);
    azr_segment segment = {-1, 5, some};
    azr_model_weights(model)[azr_model_n_weights(model) / 3] = NAN;
    azr_model_refresh(model);
    assert_score(model, &segment, 1, (azr_target){0, 4}, 1, AZR_ERROR_NUMERIC);
    azr_model_destroy(model);
}

static azr_status extend(azr_kv *kv, int32_t segment, int32_t n, const int32_t *tokens,
                         float *states)
{
    azr_error error;
    azr_extension e = {segment, n, tokens};
    return azr_kv_extend(kv, &e, 1, states, &error);
}

static void test_cache(void **state)
{
    (void)state;
    azr_model *model = test_model(AZR_FAMILY_QWEN3, AZR_DTYPE_F32, 1);
    float first[2 * 48], states[2 * 48];
    azr_error error;
    azr_kv *kv;
    const int32_t foreign[] = {151};
    assert_int_equal(azr_kv_create(model, 0, &kv, &error), AZR_ERROR_LIMIT);
    assert_null(kv);
    assert_ok(azr_kv_create(model, 40, &kv, &error), &error); /* 3 pages */
    int32_t root = azr_kv_add(kv, -1);
    assert_int_equal(azr_kv_free_pages(kv), 3);
    assert_int_equal(azr_kv_pages_for(kv, root, 17), 2);
    assert_int_equal(extend(kv, root, 12, some, first), AZR_OK);
    assert_int_equal(azr_kv_free_pages(kv), 2);
    assert_int_equal(azr_kv_pages_for(kv, root, 4), 0);
    int32_t a = azr_kv_add(kv, root), b = azr_kv_add(kv, root);

    /* Refused, with nothing changed: */
    assert_int_equal(extend(kv, root, 1, some, states), AZR_ERROR_INPUT);
    assert_int_equal(extend(kv, a, 0, some, states), AZR_ERROR_INPUT);
    assert_int_equal(extend(kv, a, 1, foreign, states), AZR_ERROR_INPUT);
    azr_extension twice[] = {{a, 1, some}, {a, 1, some}};
    assert_int_equal(azr_kv_extend(kv, twice, 2, states, &error), AZR_ERROR_INPUT);
    int32_t many[33] = {0};
    azr_extension much[] = {{a, 12, some}, {b, 17, many}};
    assert_int_equal(azr_kv_extend(kv, much, 2, states, &error), AZR_ERROR_LIMIT);
    assert_int_equal(extend(kv, a, 33, many, states), AZR_ERROR_LIMIT);
    assert_int_equal(azr_kv_free_pages(kv), 2);
    assert_int_equal(azr_kv_length(kv, a), 12);

    azr_extension both[] = {{b, 2, some}, {a, 12, some}};
    assert_int_equal(azr_kv_extend(kv, both, 2, states, &error), AZR_OK);
    assert_int_equal(azr_kv_length(kv, a), 24);
    assert_int_equal(azr_kv_length(kv, b), 14);
    assert_int_equal(azr_kv_free_pages(kv), 0);
    /* The root outlives its holder, and goes with the last child; its place serves anew. */
    azr_kv_release(kv, root);
    azr_kv_release(kv, a);
    assert_int_equal(azr_kv_free_pages(kv), 1);
    azr_kv_release(kv, b);
    assert_int_equal(azr_kv_free_pages(kv), 3);
    root = azr_kv_add(kv, -1);
    assert_int_equal(extend(kv, root, 12, some, states), AZR_OK);
    assert_memory_equal(first, states, 48 * sizeof(float));
    azr_kv_destroy(kv);

    /* Longer than the model's sequences. */
    int32_t *tokens = test_tokens(2049, 151, 3);
    assert_ok(azr_kv_create(model, 4096, &kv, &error), &error);
    root = azr_kv_add(kv, -1);
    assert_int_equal(extend(kv, root, 2049, tokens, states), AZR_ERROR_LIMIT);
    assert_int_equal(extend(kv, root, 2048, tokens, states), AZR_OK);
    assert_int_equal(extend(kv, root, 1, tokens, states), AZR_ERROR_LIMIT);
    assert_int_equal(azr_kv_length(kv, root), 2048);
    azr_kv_destroy(kv);
    azr_free(tokens);
    azr_model_destroy(model);
}

/* Reads `some` in a new cache, for which nothing it finds in the pool may matter. */
static void assert_reads(azr_model *model, int64_t n_tokens, const float *expected, azr_kv **out_kv)
{
    float states[48];
    azr_error error;
    assert_ok(azr_kv_create(model, n_tokens, out_kv, &error), &error);
    assert_int_equal(extend(*out_kv, azr_kv_add(*out_kv, -1), 12, some, states), AZR_OK);
    assert_memory_equal(states, expected, sizeof states);
}

static void test_pool(void **state)
{
    (void)state;
    azr_model *model = test_model(AZR_FAMILY_QWEN3, AZR_DTYPE_F32, 1);
    const azr_model_shape *shape = azr_model_get_shape(model);
    size_t n_bytes = azr_model__kv_bytes(shape, AZR_KV_F32, 64);
    float first[48];
    azr_error error;
    azr_kv *kv, *second;
    assert_ok(azr_kv_create(model, 64, &kv, &error), &error);
    assert_int_equal(extend(kv, azr_kv_add(kv, -1), 12, some, first), AZR_OK);
    azr_kv_destroy(kv);
    assert_int_equal(model->spare_bytes, n_bytes);
    memset(model->spare_pool, 0xFF, n_bytes); /* numbers that are none */

    assert_reads(model, 16, first, &kv); /* takes it */
    assert_null(model->spare_pool);
    assert_reads(model, 32, first, &second); /* has none to take */
    azr_kv_destroy(kv);
    azr_kv_destroy(second);
    assert_int_equal(model->spare_bytes, n_bytes); /* of two the larger is kept */

    assert_reads(model, 128, first, &kv); /* for which it is too small */
    azr_kv_destroy(kv);
    assert_int_equal(model->spare_bytes, 2 * n_bytes);
    azr_model_destroy(model);
}

static void test_draws(void **state)
{
    (void)state;
    azr_model *model = test_model(AZR_FAMILY_LLAMA, AZR_DTYPE_F32, 1);
    const azr_draw wrong[] = {{-1, 1, 0, 0.5}, {NAN, 1, 0, 0.5}, {1, 0, 0, 0.5},  {1, 1.5F, 0, 0.5},
                              {1, 1, -1, 0.5}, {1, 1, 0, 1},     {1, 1, 0, -0.1}, {1, 1, 0, NAN}};
    float states[48], logprob;
    int32_t token, target = 151;
    azr_error error;
    for (int i = 0; i < 48; i++)
        states[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < AZR_COUNT(wrong); i++)
        assert_int_equal(
            azr_model_draw(model, states, 1, &wrong[i], &token, &logprob, NULL, &error),
            AZR_ERROR_INPUT);
    assert_int_equal(azr_model_logprobs(model, states, 1, 1, &target, &logprob, NULL, &error),
                     AZR_ERROR_INPUT);
    target = 3;
    assert_int_equal(azr_model_logprobs(model, states, 1, -1, &target, &logprob, NULL, &error),
                     AZR_ERROR_INPUT);
    /* Temperature 0 takes the likeliest; its log-probability is that of temperature 1. */
    const azr_draw greedy = {0, 1, 0, 0.9};
    float logits[151], again, entropy;
    assert_ok(azr_model_logits(model, states, logits, &error), &error);
    assert_ok(azr_model_draw(model, states, 1, &greedy, &token, &logprob, &entropy, &error),
              &error);
    for (int i = 0; i < 151; i++)
        assert_true(logits[i] <= logits[token]);
    assert_ok(azr_model_logprobs(model, states, 1, 1, &token, &again, NULL, &error), &error);
    assert_true(logprob == again && entropy > 0);
    azr_model_destroy(model);
}

/* --- the plan
 * --------------------------------------------------------------------------------------- */

static void assert_near(size_t planned, size_t real)
{
    if (fabs((double)planned - (double)real) > 0.05 * (double)real)
        fail_msg("%zu bytes planned, %zu in use", planned, real);
}

/* Trains on n_tokens, prefills and decodes 64 streams, and counts what was allocated. */
static void check_plan(azr_family family)
{
    enum { N_TOKENS = 1000, N_STREAMS = 64 };
    azr_model *model = test_model(family, AZR_DTYPE_F32, 2);
    const azr_model_shape *shape = azr_model_get_shape(model);
    azr_model_memory plan =
        azr_model_plan(shape, AZR_DTYPE_F32, AZR_KV_F32, 2000, N_STREAMS, N_TOKENS, false);
    int32_t *tokens = test_tokens(N_TOKENS, shape->n_vocab, 2);
    float logprob, dlogprob = 1, *states = azr_alloc(N_STREAMS * 48, sizeof *states);
    azr_segment segment = {-1, N_TOKENS, tokens};
    azr_target target = {0, 20};
    azr_batch batch = {&segment, 1, &target, 1, 1};
    azr_extension extensions[N_STREAMS];
    azr_error error;
    azr_kv *kv;
    assert_int_equal(plan.weights, (size_t)azr_model_n_weights(model) * sizeof(float));
    assert_int_equal(plan.gradients, plan.weights);
    assert_ok(azr_model_enable_training(model, &error), &error);
    const azr_scores scores = {.logprobs = &logprob, .dlogprobs = &dlogprob};
    assert_ok(azr_model_learn(model, &batch, &scores, NULL, &error), &error);
    assert_near(plan.activations,
                (model->kept.n_floats + model->gradient_space.n_floats) * sizeof(float));
    assert_ok(azr_kv_create(model, 2000, &kv, &error), &error);
    for (int i = 0; i < N_STREAMS; i++)
        extensions[i] = (azr_extension){azr_kv_add(kv, -1), 12, tokens};
    assert_ok(azr_kv_extend(kv, extensions, N_STREAMS, states, &error), &error);
    assert_near(plan.activations + plan.scratch, azr_model__space_bytes(model));
    assert_true(azr_kernels__linear_scratch() <= plan.scratch + plan.products);
    assert_int_equal(plan.kv, (size_t)(2000 * 3 * 2 * 2 * 16) * sizeof(float));
    azr_kv_destroy(kv);
    azr_free(states);
    azr_free(tokens);
    azr_model_destroy(model);
}

static void test_plan(void **state)
{
    (void)state;
    for (int family = AZR_FAMILY_LLAMA; family <= AZR_FAMILY_QWEN3; family++)
        check_plan((azr_family)family);
    azr_model_shape shape = test_shape(AZR_FAMILY_LLAMA);
    if (azr_kernels_have_bf16()) {
        size_t f32 = azr_model_plan(&shape, AZR_DTYPE_F32, AZR_KV_F32, 1, 1, 1, false).compute;
        assert_true(azr_model_plan(&shape, AZR_DTYPE_BF16, AZR_KV_F32, 1, 1, 1, false).compute >
                    f32);
    }
}

/* What a pass allocates before it begins may fail at any point; the next call works. (What kernels
 * allocate may not.) */
static void test_without_memory(void **state)
{
    (void)state;
    azr_segment segment = {-1, 12, some};
    azr_target target = {0, 11};
    azr_batch batch = {&segment, 1, &target, 1, 1};
    float logprob, dlogprob = 1;
    const azr_scores scores = {.logprobs = &logprob, .dlogprobs = &dlogprob};
    azr_error error;
    /* Lengths, activations, gradients, logits, five arrays of rows, two of rope. */
    for (size_t n = 1; n <= 11; n++) {
        azr_model *model = test_model(AZR_FAMILY_QWEN2, AZR_DTYPE_F32, 1);
        assert_ok(azr_model_enable_training(model, &error), &error);
        azr_memory_fail_at(n);
        azr_status status = azr_model_learn(model, &batch, &scores, NULL, &error);
        azr_memory_fail_at(0);
        assert_int_equal(status, AZR_ERROR_MEMORY);
        assert_ok(azr_model_learn(model, &batch, &scores, NULL, &error), &error);
        azr_model_destroy(model);
    }
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
        cmocka_unit_test(test_batches),        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_cache),          cmocka_unit_test(test_pool),
        cmocka_unit_test(test_draws),          cmocka_unit_test(test_plan),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
