#include "models.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

azr_model_shape test_shape(azr_family family)
{
    azr_model_shape shape = {.family = family,
                             .n_layers = 3,
                             .d_model = 48,
                             .d_ff = 80,
                             .n_heads = 6,
                             .n_kv_heads = 2,
                             .d_head = 16,
                             .n_vocab = 151,
                             .max_seq_len = 2048,
                             .rope_theta = 10000,
                             .norm_eps = 1e-5F,
                             .tied_embeddings = family != AZR_FAMILY_LLAMA,
                             .qkv_bias = family == AZR_FAMILY_QWEN2,
                             .qk_norm = family == AZR_FAMILY_QWEN3};
    if (family == AZR_FAMILY_LLAMA) {
        shape.rope_scaled = true;
        shape.rope_factor = 8;
        shape.rope_low_freq_factor = 1;
        shape.rope_high_freq_factor = 4;
        shape.rope_original_seq_len = 128;
    }
    return shape;
}

azr_model *test_model(azr_family family, azr_dtype dtype, uint64_t seed)
{
    azr_model_shape shape = test_shape(family);
    azr_model *model;
    azr_error error;
    assert_ok(azr_model_create(&shape, dtype, seed, &model, &error), &error);
    /* Larger weights than the usual 0.02: attention that chooses, logits that differ. */
    for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
        const azr_parameter *p = azr_model_parameter(model, i);
        for (int64_t j = 0; p->n_dims == 2 && j < p->n_elements; j++)
            azr_model_weights(model)[p->offset + j] *= 12;
    }
    azr_model_refresh(model);
    return model;
}

const char *test_shipped_model(const char *name)
{
    static char path[512];
    const char *models = getenv("AZR_MODELS");
    snprintf(path, sizeof path, "%s/%s", models != NULL ? models : "models", name);
    return azr_directory_exists(path) ? path : NULL;
}

int32_t *test_tokens(int64_t n, int64_t n_vocab, uint64_t seed)
{
    azr_rng_key key = {seed, AZR_RNG_TEST, 0, 0};
    int32_t *tokens = azr_alloc((size_t)n, sizeof *tokens);
    for (int64_t i = 0; i < n; i++)
        tokens[i] = (int32_t)azr_rng_below(&key, (uint32_t)i, (uint64_t)n_vocab);
    return tokens;
}

float *test_tensor(const azr_weights_file *file, const char *name, int64_t *out_n)
{
    const azr_tensor *tensor = azr_weights_find(file, name);
    if (tensor == NULL)
        fail_msg("%s: no tensor %s", azr_weights_path(file), name);
    float *x = azr_alloc((size_t)tensor->n_elements, sizeof *x);
    azr_tensor_read(tensor, 0, tensor->n_elements, x);
    *out_n = tensor->n_elements;
    return x;
}

void assert_ok(azr_status status, const azr_error *error)
{
    if (status != AZR_OK)
        fail_msg("status %d: %s", status, error->text);
}

double test_relative_error(int64_t n, const float *a, const float *b)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return difference == 0 ? 0 : sqrt(difference / size);
}
