/* test_learn.c: the loss is asked for each target once, block by block, and its derivatives are
 * carried back as if they had been there before; rows without a gradient change nothing. */
#include "../support/models.h"

#include "base/memory.h"
#include "model/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* More than two blocks of the LM head; the first rows of the answers predict several targets. */
enum { GIVEN = 30, NEW = 250, ANSWERS = 4, TARGETS = ANSWERS * NEW };

typedef struct lesson {
    azr_model *model;
    int32_t *tokens;
    azr_segment segments[1 + ANSWERS];
    azr_target targets[TARGETS];
    azr_batch batch;
    float logprobs[TARGETS], entropies[TARGETS], dlogprobs[TARGETS], dentropies[TARGETS];
    azr_scores scores;
    int n_asked[TARGETS], n_calls, fails_at; /* the call that fails; 0: none */
} lesson;

static void lesson_begin(azr_dtype dtype, lesson *l)
{
    azr_error error;
    memset(l, 0, sizeof *l);
    l->model = test_model(AZR_FAMILY_QWEN2, dtype, 8);
    assert_ok(azr_model_enable_training(l->model, &error), &error);
    l->tokens = test_tokens(GIVEN + TARGETS, azr_model_get_shape(l->model)->n_vocab, 5);
    l->segments[0] = (azr_segment){-1, GIVEN, l->tokens};
    for (int i = 0; i < ANSWERS; i++)
        l->segments[1 + i] = (azr_segment){0, NEW, l->tokens + GIVEN + (ptrdiff_t)i * NEW};
    for (int i = 0; i < TARGETS; i++)
        l->targets[i] = (azr_target){1 + i / NEW, i % NEW};
    l->batch = (azr_batch){l->segments, 1 + ANSWERS, l->targets, TARGETS, 0.7F};
    l->scores = (azr_scores){l->logprobs, l->entropies, l->dlogprobs, l->dentropies};
}

static void lesson_end(lesson *l)
{
    azr_free(l->tokens);
    azr_model_destroy(l->model);
}

/* Of a third of the targets, and of all of the second answer, zero. */
static azr_status differentiate(void *context, const size_t *targets, size_t n, azr_error *error)
{
    lesson *l = context;
    if (++l->n_calls == l->fails_at)
        return azr_error_set(error, AZR_ERROR_LIMIT, "enough");
    for (size_t i = 0; i < n; i++) {
        size_t t = targets[i];
        bool counts = t % 3 != 1 && t / NEW != 1;
        assert_true(isfinite(l->logprobs[t]) && l->logprobs[t] < 0 && l->entropies[t] > 0);
        l->n_asked[t]++;
        l->dlogprobs[t] = counts ? l->logprobs[t] / 8 : 0;
        l->dentropies[t] = counts && t % 2 == 0 ? l->entropies[t] / 16 : 0;
    }
    return AZR_OK;
}

static float *learn(lesson *l, const azr_loss *loss)
{
    size_t n = (size_t)azr_model_n_weights(l->model);
    float *gradients = azr_alloc(n, sizeof *gradients);
    azr_error error;
    memset(azr_model_gradients(l->model), 0, n * sizeof *gradients);
    assert_ok(azr_model_learn(l->model, &l->batch, &l->scores, loss, &error), &error);
    memcpy(gradients, azr_model_gradients(l->model), n * sizeof *gradients);
    return gradients;
}

static double largest(const azr_model *model, const float *gradients)
{
    double max = 0;
    for (int64_t i = 0; i < azr_model_n_weights(model); i++)
        max = fmax(max, fabs((double)gradients[i]));
    return max;
}

static void check_loss(azr_dtype dtype)
{
    lesson l;
    float logprobs[TARGETS], entropies[TARGETS];
    azr_error error;
    lesson_begin(dtype, &l);
    size_t n = (size_t)azr_model_n_weights(l.model);
    float *asked = learn(&l, &(azr_loss){differentiate, &l});
    assert_true(l.n_calls > 2);
    for (int i = 0; i < TARGETS; i++)
        assert_int_equal(l.n_asked[i], 1);
    assert_ok(azr_model_score(l.model, &l.batch, logprobs, entropies, &error), &error);
    assert_memory_equal(logprobs, l.logprobs, sizeof logprobs);
    assert_memory_equal(entropies, l.entropies, sizeof entropies);
    assert_true(largest(l.model, asked) > 0);
    float *given = learn(&l, NULL);
    assert_memory_equal(asked, given, n * sizeof *asked);
    /* The same targets by themselves: other blocks, so other roundings. */
    size_t n_left = 0;
    for (int i = 0; i < TARGETS; i++) {
        if (l.dlogprobs[i] == 0 && l.dentropies[i] == 0)
            continue;
        l.targets[n_left] = l.targets[i];
        l.dlogprobs[n_left] = l.dlogprobs[i];
        l.dentropies[n_left++] = l.dentropies[i];
    }
    l.batch.n_targets = n_left;
    float *alone = learn(&l, NULL);
    assert_true(test_relative_error((int64_t)n, alone, asked) < 2e-6);
    azr_free(asked);
    azr_free(given);
    azr_free(alone);
    lesson_end(&l);
}

static void test_loss(void **state)
{
    (void)state;
    check_loss(AZR_DTYPE_F32);
    if (azr_kernels_have_bf16())
        check_loss(AZR_DTYPE_BF16);
}

/* No gradient anywhere: none is added. Then two that are no numbers, and a loss that refuses. */
static void test_ends(void **state)
{
    (void)state;
    lesson l;
    azr_error error;
    lesson_begin(AZR_DTYPE_F32, &l);
    float *gradients = learn(&l, NULL);
    assert_true(largest(l.model, gradients) == 0);
    azr_free(gradients);
    l.dlogprobs[TARGETS - 1] = NAN;
    assert_int_equal(azr_model_learn(l.model, &l.batch, &l.scores, NULL, &error),
                     AZR_ERROR_NUMERIC);
    assert_non_null(strstr(error.text, "the gradient of target 999 is nan"));
    l.dlogprobs[TARGETS - 1] = 0;
    l.dentropies[3] = -INFINITY;
    assert_int_equal(azr_model_learn(l.model, &l.batch, &l.scores, NULL, &error),
                     AZR_ERROR_NUMERIC);
    assert_non_null(strstr(error.text, "the gradient of the entropy of target 3 is -inf"));
    l.fails_at = 2;
    assert_int_equal(
        azr_model_learn(l.model, &l.batch, &l.scores, &(azr_loss){differentiate, &l}, &error),
        AZR_ERROR_LIMIT);
    assert_string_equal(error.text, "enough");
    assert_int_equal(l.n_calls, 2);
    /* Afterwards it learns as a model does to which nothing happened. */
    lesson fresh;
    lesson_begin(AZR_DTYPE_F32, &fresh);
    l.fails_at = 0;
    float *again = learn(&l, &(azr_loss){differentiate, &l});
    float *first = learn(&fresh, &(azr_loss){differentiate, &fresh});
    assert_memory_equal(again, first, (size_t)azr_model_n_weights(l.model) * sizeof *first);
    azr_free(again);
    azr_free(first);
    lesson_end(&fresh);
    lesson_end(&l);
}

static int start(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    return azr_kernels_init(NULL) == AZR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loss), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, start, NULL);
}
