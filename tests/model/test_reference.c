/* test_reference.c: tiny models of each family against PyTorch (fixtures/make_tiny_models.py):
 * logits, log-probabilities, entropies, every gradient of a policy-gradient loss over a forest, and
 * weights after three AdamW steps. */
#include "../support/models.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What reference.safetensors holds, as azr takes it. */
typedef struct reference {
    azr_weights_file *file;
    azr_segment *segments;
    azr_target *targets;
    int32_t *tokens;
    azr_batch batch;
    float *c_logprob, *c_entropy, *logprobs, *entropies;
} reference;

static reference reference_open(const char *path)
{
    reference r = {0};
    azr_error error;
    int64_t n_segments, n_tokens, n_targets, n;
    assert_ok(azr_weights_open(path, &r.file, &error), &error);
    float *parents = test_tensor(r.file, "parents", &n_segments);
    float *counts = test_tensor(r.file, "counts", &n);
    float *tokens = test_tensor(r.file, "tokens", &n_tokens);
    float *targets = test_tensor(r.file, "targets", &n_targets);
    float *temperature = test_tensor(r.file, "temperature", &n);
    n_targets /= 2;
    r.segments = azr_alloc((size_t)n_segments, sizeof *r.segments);
    r.targets = azr_alloc((size_t)n_targets, sizeof *r.targets);
    r.tokens = azr_alloc((size_t)n_tokens, sizeof *r.tokens);
    for (int64_t i = 0; i < n_tokens; i++)
        r.tokens[i] = (int32_t)tokens[i];
    int64_t at = 0;
    for (int64_t i = 0; i < n_segments; i++) {
        r.segments[i] = (azr_segment){(int32_t)parents[i], (int32_t)counts[i], r.tokens + at};
        at += (int64_t)counts[i];
    }
    for (int64_t i = 0; i < n_targets; i++)
        r.targets[i] = (azr_target){(int32_t)targets[2 * i], (int32_t)targets[2 * i + 1]};
    r.batch =
        (azr_batch){r.segments, (size_t)n_segments, r.targets, (size_t)n_targets, temperature[0]};
    r.c_logprob = test_tensor(r.file, "c_logprob", &n);
    r.c_entropy = test_tensor(r.file, "c_entropy", &n);
    r.logprobs = test_tensor(r.file, "logprobs", &n);
    assert_int_equal(n, n_targets);
    r.entropies = test_tensor(r.file, "entropies", &n);
    azr_free(parents);
    azr_free(counts);
    azr_free(tokens);
    azr_free(targets);
    azr_free(temperature);
    return r;
}

static void reference_close(reference *r)
{
    azr_weights_close(r->file);
    azr_free(r->segments);
    azr_free(r->targets);
    azr_free(r->tokens);
    azr_free(r->c_logprob);
    azr_free(r->c_entropy);
    azr_free(r->logprobs);
    azr_free(r->entropies);
}

static azr_model *open_tiny(const char *family, azr_dtype dtype, reference *out_reference)
{
    char path[256];
    azr_error error;
    azr_model *model;
    snprintf(path, sizeof path, "tests/model/fixtures/tiny-%s/reference.safetensors", family);
    *out_reference = reference_open(path);
    snprintf(path, sizeof path, "tests/model/fixtures/tiny-%s", family);
    assert_ok(azr_model_open(path, dtype, &model, &error), &error);
    return model;
}

/* The logits after the end of segment 3, and all log-probabilities. */
static void check_forward(const char *family)
{
    reference r;
    azr_error error;
    azr_kv *kv;
    int64_t n_vocab;
    azr_model *model = open_tiny(family, AZR_DTYPE_F32, &r);
    size_t n = r.batch.n_targets;
    float *logprobs = azr_alloc(n, sizeof *logprobs), *entropies = azr_alloc(n, sizeof *entropies);
    assert_ok(azr_model_score(model, &r.batch, logprobs, entropies, &error), &error);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabsf(logprobs[i] - r.logprobs[i]) < 2e-5F);
        assert_true(fabsf(entropies[i] - r.entropies[i]) < 2e-5F);
    }
    float *expected = test_tensor(r.file, "logits", &n_vocab);
    float *state = azr_alloc((size_t)azr_model_get_shape(model)->d_model, sizeof *state);
    float *logits = azr_alloc((size_t)n_vocab, sizeof *logits);
    assert_int_equal(n_vocab, azr_model_get_shape(model)->n_vocab);
    assert_ok(azr_kv_create(model, 256, &kv, &error), &error);
    const int chain[] = {0, 1, 3};
    int32_t segment = azr_kv_add(kv, -1);
    for (int i = 0; i < 3; i++) {
        const azr_segment *s = &r.segments[chain[i]];
        azr_extension e = {segment, s->n_tokens, s->tokens};
        assert_ok(azr_kv_extend(kv, &e, 1, state, &error), &error);
    }
    assert_ok(azr_model_logits(model, state, logits, &error), &error);
    assert_true(test_relative_error(n_vocab, logits, expected) < 2e-6);
    azr_kv_destroy(kv);
    azr_free(expected);
    azr_free(state);
    azr_free(logits);
    azr_free(logprobs);
    azr_free(entropies);
    azr_model_destroy(model);
    reference_close(&r);
}

static void run_backward(azr_model *model, const reference *r)
{
    azr_error error;
    size_t n = r->batch.n_targets;
    float *logprobs = azr_alloc(n, sizeof *logprobs), *entropies = azr_alloc(n, sizeof *entropies);
    const azr_scores scores = {logprobs, entropies, r->c_logprob, r->c_entropy};
    assert_ok(azr_model_learn(model, &r->batch, &scores, NULL, &error), &error);
    azr_free(logprobs);
    azr_free(entropies);
}

/* Every parameter of the model in `ours` against the tensor <prefix><name>. before: subtracted from
 * both, NULL: nothing. */
static void compare_all(const azr_model *model, const reference *r, const char *prefix,
                        const float *ours, const float *before, double limit)
{
    for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
        const azr_parameter *p = azr_model_parameter(model, i);
        char name[256];
        int64_t n;
        snprintf(name, sizeof name, "%s%s", prefix, p->name);
        float *expected = test_tensor(r->file, name, &n);
        float *own = azr_alloc((size_t)n, sizeof *own);
        assert_int_equal(n, p->n_elements);
        for (int64_t j = 0; j < n; j++) {
            float base = before != NULL ? before[p->offset + j] : 0;
            own[j] = ours[p->offset + j] - base;
            expected[j] -= base;
        }
        /* The slow half of a key's bias moves all scores of a row nearly alike, so its gradient is
         * nearly nothing, and AdamW divides it by its own size: rounding grows a hundredfold. */
        bool delicate = before != NULL && strstr(name, "k_proj.bias") != NULL;
        double relative = test_relative_error(n, own, expected), most = delicate ? 0.01 : limit;
        if (!(relative <= most))
            fail_msg("%s: relative error %.3g, at most %.3g", name, relative, most);
        azr_free(expected);
        azr_free(own);
    }
}

static void check_training(const char *family)
{
    reference r;
    azr_error error;
    azr_model *model = open_tiny(family, AZR_DTYPE_F32, &r);
    size_t n = (size_t)azr_model_n_weights(model);
    float *m = azr_alloc(n, sizeof *m), *v = azr_alloc(n, sizeof *v);
    float *before = azr_alloc(n, sizeof *before);
    memcpy(before, azr_model_weights(model), n * sizeof *before);
    assert_null(azr_model_gradients(model));
    assert_ok(azr_model_enable_training(model, &error), &error);
    for (int step = 1; step <= 3; step++) {
        azr_adamw adamw = {1e-3F, 0.9F, 0.999F, 1e-8F, 0.1F, step};
        run_backward(model, &r);
        if (step == 1)
            compare_all(model, &r, "gradient.", azr_model_gradients(model), NULL, 1e-4);
        azr_adamw_update(&adamw, (int64_t)n, 1, azr_model_weights(model),
                         azr_model_gradients(model), m, v);
        azr_model_refresh(model);
    }
    compare_all(model, &r, "trained.", azr_model_weights(model), before, 1e-4);
    azr_free(m);
    azr_free(v);
    azr_free(before);
    azr_model_destroy(model);
    reference_close(&r);
}

static void test_forward(void **state)
{
    (void)state;
    check_forward("llama");
    check_forward("qwen2");
    check_forward("qwen3");
}

static void test_training(void **state)
{
    (void)state;
    check_training("llama");
    check_training("qwen2");
    check_training("qwen3");
}

/* Keys and values in f16 are rounded to 11 bits, and nothing else: near the reference, but not it.
 */
static void check_kv_f16(const char *family)
{
    reference r;
    azr_error error;
    azr_model *model = open_tiny(family, AZR_DTYPE_F32, &r);
    size_t n = r.batch.n_targets;
    float *logprobs = azr_alloc(n, sizeof *logprobs), largest = 0;
    azr_model_set_kv_dtype(model, AZR_KV_F16);
    assert_ok(azr_model_score(model, &r.batch, logprobs, NULL, &error), &error);
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(logprobs[i] - r.logprobs[i]));
    if (!(largest > 2e-5F && largest < 5e-3F))
        fail_msg("%s: log-probabilities differ by %.3g", family, (double)largest);
    assert_ok(azr_model_enable_training(model, &error), &error);
    run_backward(model, &r);
    compare_all(model, &r, "gradient.", azr_model_gradients(model), NULL, 5e-3);
    azr_free(logprobs);
    azr_model_destroy(model);
    reference_close(&r);
}

static void test_kv_f16(void **state)
{
    (void)state;
    check_kv_f16("llama");
    check_kv_f16("qwen2");
    check_kv_f16("qwen3");
}

/* bf16 products round the input of each to 8 bits: the direction of the gradient stays. */
static void test_training_bf16(void **state)
{
    (void)state;
    if (!azr_kernels_have_bf16())
        skip();
    const char *families[] = {"llama", "qwen2", "qwen3"};
    for (int i = 0; i < 3; i++) {
        reference r;
        azr_error error;
        azr_model *model = open_tiny(families[i], AZR_DTYPE_BF16, &r);
        assert_ok(azr_model_enable_training(model, &error), &error);
        run_backward(model, &r);
        compare_all(model, &r, "gradient.", azr_model_gradients(model), NULL, 0.1);
        azr_model_destroy(model);
        reference_close(&r);
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
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_kv_f16),
        cmocka_unit_test(test_training_bf16),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
