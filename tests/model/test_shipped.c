/* test_shipped.c: the shipped models against transformers in f32 on the same expanded weights
 * (fixtures/make_shipped.py): log-probabilities of texts, greedy tokens after them. Skipped where a
 * model was not fetched. */
#include "../support/models.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_GREEDY = 64 };

/* One text of the fixture. */
typedef struct text {
    int32_t n_tokens, n_greedy;
    const int32_t *tokens, *greedy;
    const float *logprobs, *margins;
} text;

/* Takes the next n 4-byte values. */
static const void *take(const char **at, size_t n)
{
    const char *begin = *at;
    *at += 4 * n;
    return begin;
}

static text read_text(const char **at)
{
    text t;
    t.n_tokens = *(const int32_t *)take(at, 1);
    t.n_greedy = *(const int32_t *)take(at, 1);
    assert_true(t.n_tokens > 1 && t.n_greedy <= MAX_GREEDY);
    t.tokens = take(at, (size_t)t.n_tokens);
    t.logprobs = take(at, (size_t)t.n_tokens - 1);
    t.greedy = take(at, (size_t)t.n_greedy);
    t.margins = take(at, (size_t)t.n_greedy);
    return t;
}

static double check_logprobs(azr_model *model, const text *t)
{
    size_t n = (size_t)t->n_tokens - 1;
    azr_target *targets = azr_alloc(n, sizeof *targets);
    float *logprobs = azr_alloc(n, sizeof *logprobs);
    azr_segment segment = {-1, t->n_tokens, t->tokens};
    azr_batch batch = {&segment, 1, targets, n, 1};
    azr_error error;
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        targets[i] = (azr_target){0, (int32_t)i + 1};
    assert_ok(azr_model_score(model, &batch, logprobs, NULL, &error), &error);
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)logprobs[i] - (double)t->logprobs[i]));
    azr_free(targets);
    azr_free(logprobs);
    return worst;
}

/* Greedy streams of all texts at once, until they part where the two best tokens are all but equal.
 */
static void check_greedy(azr_model *model, const text *texts, int n_texts)
{
    azr_extension *extensions = azr_alloc((size_t)n_texts, sizeof *extensions);
    azr_draw *draws = azr_alloc((size_t)n_texts, sizeof *draws);
    int32_t *tokens = azr_alloc((size_t)n_texts, sizeof *tokens);
    float *logprobs = azr_alloc((size_t)n_texts, sizeof *logprobs);
    float *states =
        azr_alloc((size_t)n_texts * (size_t)azr_model_get_shape(model)->d_model, sizeof *states);
    bool *parted = azr_alloc((size_t)n_texts, sizeof *parted);
    azr_error error;
    azr_kv *kv;
    int64_t n_tokens = 0;
    for (int i = 0; i < n_texts; i++)
        n_tokens += texts[i].n_tokens + MAX_GREEDY + 2 * AZR_KV_PAGE;
    assert_ok(azr_kv_create(model, n_tokens, &kv, &error), &error);
    for (int i = 0; i < n_texts; i++) {
        extensions[i] = (azr_extension){azr_kv_add(kv, -1), texts[i].n_tokens, texts[i].tokens};
        draws[i] = (azr_draw){0, 1, 0, 0};
    }
    for (int step = 0; step < texts[0].n_greedy; step++) {
        assert_ok(azr_kv_extend(kv, extensions, (size_t)n_texts, states, &error), &error);
        assert_ok(
            azr_model_draw(model, states, (size_t)n_texts, draws, tokens, logprobs, NULL, &error),
            &error);
        for (int i = 0; i < n_texts; i++) {
            bool same = tokens[i] == texts[i].greedy[step];
            if (!parted[i] && !same && texts[i].margins[step] >= 1e-4F)
                fail_msg("text %d, token %d: %d, transformers says %d with a margin of %g", i, step,
                         tokens[i], texts[i].greedy[step], (double)texts[i].margins[step]);
            parted[i] = parted[i] || !same;
            extensions[i].n_tokens = 1;
            extensions[i].tokens = &tokens[i];
        }
    }
    azr_kv_destroy(kv);
    azr_free(parted);
    azr_free(states);
    azr_free(logprobs);
    azr_free(tokens);
    azr_free(draws);
    azr_free(extensions);
}

static void check_model(const char *name)
{
    char path[256], *bytes;
    size_t size;
    azr_error error;
    azr_model *model;
    const char *folder = test_shipped_model(name);
    if (folder == NULL)
        skip();
    snprintf(path, sizeof path, "tests/model/fixtures/shipped-%s.bin", name);
    assert_ok(azr_file_read(path, 1 << 20, &bytes, &size, &error), &error);
    assert_memory_equal(bytes, "AZRREF01", 8);
    const char *at = bytes + 8;
    int n_texts = *(const int32_t *)take(&at, 1);
    assert_true(n_texts >= 20);
    text *texts = azr_alloc((size_t)n_texts, sizeof *texts);
    assert_ok(azr_model_open(folder, AZR_DTYPE_F32, &model, &error), &error);
    double worst = 0;
    for (int i = 0; i < n_texts; i++) {
        texts[i] = read_text(&at);
        double difference = check_logprobs(model, &texts[i]);
        if (!(difference <= 2e-4))
            fail_msg("text %d: a log-probability is off by %g", i, difference);
        worst = fmax(worst, difference);
    }
    assert_int_equal(at - bytes, size);
    print_message("%s: the largest difference of a log-probability is %.3g\n", name, worst);
    check_greedy(model, texts, n_texts);
    azr_model_destroy(model);
    azr_free(texts);
    azr_free(bytes);
}

static void test_smollm2(void **state)
{
    (void)state;
    check_model("smollm2-135m");
}

static void test_qwen(void **state)
{
    (void)state;
    check_model("qwen2.5-coder-0.5b");
}

static int start(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    return azr_kernels_init(NULL) == AZR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_smollm2), cmocka_unit_test(test_qwen)};
    return cmocka_run_group_tests(tests, start, NULL);
}
