/* test_exactness.c: the contract of exactness. The same tokens scored in one piece, cut into random
 * segments, among other batches, kept for training, prefilled and decoded one by one, with 1 and 2
 * threads: the same bits. On tiny models of each family, and on the shipped ones where they are. */
#include "../support/models.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A sequence and what scoring it in one piece gives. */
typedef struct sequence {
    azr_model *model;
    const int32_t *tokens;
    int32_t n;
    float temperature;
    float *logprobs, *entropies; /* [n], from index 1 on */
} sequence;

enum { MAX_SEGMENTS = 64 };

static uint64_t draw(uint32_t *position, uint64_t seed, uint64_t below)
{
    azr_rng_key key = {seed, AZR_RNG_TEST, 1, 0};
    return azr_rng_below(&key, (*position)++, below);
}

static void assert_same(const sequence *s, const char *what, int64_t i, float logprob,
                        float entropy)
{
    if (memcmp(&logprob, &s->logprobs[i], sizeof logprob) != 0)
        fail_msg("%s: log-probability of token %lld is %.9g, in one piece %.9g", what, (long long)i,
                 (double)logprob, (double)s->logprobs[i]);
    if (memcmp(&entropy, &s->entropies[i], sizeof entropy) != 0)
        fail_msg("%s: entropy at token %lld is %.9g, in one piece %.9g", what, (long long)i,
                 (double)entropy, (double)s->entropies[i]);
}

/* Scores the sequence as a chain of segments that begin at cuts (cuts[0] is 0), after `n_others`
 * other sequences and each segment followed by a sibling with other tokens. */
static void score_cut(const sequence *s, const int32_t *cuts, int n_cuts, int n_others, bool learns,
                      const char *what)
{
    azr_segment *segments = azr_alloc((size_t)(n_others + 2 * n_cuts), sizeof *segments);
    azr_target *targets = azr_alloc((size_t)(s->n + n_others), sizeof *targets);
    float *logprobs = azr_alloc((size_t)(s->n + n_others), sizeof *logprobs);
    float *entropies = azr_alloc((size_t)(s->n + n_others), sizeof *entropies);
    int32_t *others = test_tokens(40, azr_model_get_shape(s->model)->n_vocab, 99);
    azr_error error;
    size_t n_targets = 0, n_own = 0;
    int32_t n = 0, parent = -1;
    for (int i = 0; i < n_others; i++) {
        segments[n] = (azr_segment){-1, 5 + i % 35, others};
        targets[n_targets++] = (azr_target){n++, 1 + i % 4};
    }
    size_t first_own = n_targets;
    for (int i = 0; i < n_cuts; i++) {
        int32_t end = i + 1 < n_cuts ? cuts[i + 1] : s->n;
        segments[n] = (azr_segment){parent, end - cuts[i], s->tokens + cuts[i]};
        for (int32_t j = cuts[i] > 0 ? 0 : 1; j < end - cuts[i]; j++, n_own++)
            targets[n_targets++] = (azr_target){n, j};
        if (n_others > 0)
            segments[n + 1] = (azr_segment){parent, 1 + i % 20, others + 7};
        parent = n;
        n += n_others > 0 ? 2 : 1;
    }
    azr_batch batch = {segments, (size_t)n, targets, n_targets, s->temperature};
    float *zeros = azr_alloc(n_targets, sizeof *zeros);
    const azr_scores scores = {logprobs, entropies, zeros, NULL};
    assert_ok(learns ? azr_model_learn(s->model, &batch, &scores, NULL, &error)
                     : azr_model_score(s->model, &batch, logprobs, entropies, &error),
              &error);
    assert_int_equal(n_own, s->n - 1);
    for (size_t i = 0; i < n_own; i++)
        assert_same(s, what, (int64_t)i + 1, logprobs[first_own + i], entropies[first_own + i]);
    azr_free(zeros);
    azr_free(others);
    azr_free(entropies);
    azr_free(logprobs);
    azr_free(targets);
    azr_free(segments);
}

/* Begins of random segments, at least one token each. */
static int random_cuts(const sequence *s, uint64_t seed, int32_t *cuts)
{
    uint32_t position = 0;
    int n = 1;
    cuts[0] = 0;
    while (n < MAX_SEGMENTS) {
        int32_t next = cuts[n - 1] + 1 + (int32_t)draw(&position, seed, 1 + (uint64_t)s->n * 2 / 7);
        if (next >= s->n)
            break;
        cuts[n++] = next;
    }
    return n;
}

/* Prefills the first n_prefill tokens, decodes the rest in pieces of at most max_piece, in a cache
 * where another stream grows at the same time. New segments begin at random. */
static void decode(const sequence *s, int32_t n_prefill, int32_t max_piece, uint64_t seed,
                   const char *what)
{
    const azr_model_shape *shape = azr_model_get_shape(s->model);
    int32_t *others = test_tokens(s->n, shape->n_vocab, 5);
    float *states = azr_alloc((size_t)(2 * shape->d_model), sizeof *states);
    azr_error error;
    azr_kv *kv;
    uint32_t position = 0;
    assert_ok(azr_kv_create(s->model, 4 * s->n + 16 * MAX_SEGMENTS, &kv, &error), &error);
    int64_t n_pages = azr_kv_free_pages(kv);
    int32_t other = azr_kv_add(kv, -1), own = azr_kv_add(kv, -1), n_segments = 1, n_done = 0;
    for (int32_t n = n_prefill; n_done < s->n;
         n = 1 + (int32_t)draw(&position, seed, (uint64_t)max_piece)) {
        n = n < s->n - n_done ? n : s->n - n_done;
        azr_extension extensions[] = {{other, n, others + n_done}, {own, n, s->tokens + n_done}};
        assert_ok(azr_kv_extend(kv, extensions, 2, states, &error), &error);
        n_done += n;
        assert_int_equal(azr_kv_length(kv, own), n_done);
        if (n_done < s->n) {
            float logprob, entropy;
            assert_ok(azr_model_logprobs(s->model, states + shape->d_model, 1, s->temperature,
                                         &s->tokens[n_done], &logprob, &entropy, &error),
                      &error);
            assert_same(s, what, n_done, logprob, entropy);
        }
        if (n_segments < MAX_SEGMENTS && draw(&position, seed, 4) == 0) {
            int32_t child = azr_kv_add(kv, own);
            azr_kv_release(kv, own); /* the child keeps it */
            own = child;
            n_segments++;
        }
    }
    azr_kv_release(kv, own);
    azr_kv_release(kv, other);
    assert_int_equal(azr_kv_free_pages(kv), n_pages);
    azr_kv_destroy(kv);
    azr_free(states);
    azr_free(others);
}

/* Drawing at every position gives tokens with the log-probabilities that scoring gives them. */
static void draw_and_score(const sequence *s)
{
    enum { N = 8 };
    const azr_model_shape *shape = azr_model_get_shape(s->model);
    float *state = azr_alloc((size_t)shape->d_model, sizeof *state);
    int32_t tokens[N];
    float logprobs[N], entropies[N], again[N], entropies_again[N];
    azr_error error;
    azr_kv *kv;
    assert_ok(azr_kv_create(s->model, s->n + 2 * N, &kv, &error), &error);
    int32_t prompt = azr_kv_add(kv, -1), answer;
    azr_extension extension = {prompt, s->n, s->tokens};
    assert_ok(azr_kv_extend(kv, &extension, 1, state, &error), &error);
    answer = azr_kv_add(kv, prompt);
    for (int i = 0; i < N; i++) {
        azr_rng_key key = {3, AZR_RNG_SAMPLE, 1, 7};
        azr_draw how = {s->temperature, 1, 0, azr_rng_uniform(&key, (uint32_t)i)};
        assert_ok(azr_model_draw(s->model, state, 1, &how, &tokens[i], &logprobs[i], &entropies[i],
                                 &error),
                  &error);
        extension = (azr_extension){answer, 1, &tokens[i]};
        assert_ok(azr_kv_extend(kv, &extension, 1, state, &error), &error);
    }
    azr_segment segments[] = {{-1, s->n, s->tokens}, {0, N, tokens}};
    azr_target targets[N];
    for (int i = 0; i < N; i++)
        targets[i] = (azr_target){1, i};
    azr_batch batch = {segments, 2, targets, N, s->temperature};
    assert_ok(azr_model_score(s->model, &batch, again, entropies_again, &error), &error);
    assert_memory_equal(logprobs, again, sizeof logprobs);
    assert_memory_equal(entropies, entropies_again, sizeof entropies);
    azr_kv_destroy(kv);
    azr_free(state);
}

static void check_sequence(azr_model *model, const int32_t *tokens, int32_t n, int n_rounds)
{
    sequence s = {model,
                  tokens,
                  n,
                  0.9F,
                  azr_alloc((size_t)n, sizeof(float)),
                  azr_alloc((size_t)n, sizeof(float))};
    azr_target *targets = azr_alloc((size_t)n, sizeof *targets);
    azr_segment whole = {-1, n, tokens};
    azr_batch batch = {&whole, 1, targets, (size_t)n - 1, s.temperature};
    azr_error error;
    int32_t cuts[MAX_SEGMENTS];
    for (int32_t i = 1; i < n; i++)
        targets[i - 1] = (azr_target){0, i};
    azr_kernels_set_threads(2);
    assert_ok(azr_model_enable_training(model, &error), &error);
    assert_ok(azr_model_score(model, &batch, s.logprobs + 1, s.entropies + 1, &error), &error);
    for (int round = 0; round < n_rounds; round++) {
        azr_kernels_set_threads(round % 2 == 0 ? 1 : 2);
        int n_cuts = random_cuts(&s, (uint64_t)round, cuts);
        score_cut(&s, cuts, 1, 0, false, "one piece again");
        score_cut(&s, cuts, n_cuts, 0, false, "cut");
        score_cut(&s, cuts, n_cuts, 3 + 11 * round, false, "cut among others");
        score_cut(&s, cuts, n_cuts, round, true, "learnt");
        decode(&s, 1 + n * round / 3, 1, (uint64_t)round, "decoded one by one");
        decode(&s, 3, n / 3 + 1, (uint64_t)round, "decoded in pieces");
    }
    draw_and_score(&s);
    azr_kernels_set_threads(2);
    azr_free(targets);
    azr_free(s.logprobs);
    azr_free(s.entropies);
}

static void check_tiny(azr_dtype dtype, azr_kv_dtype kv_dtype)
{
    for (int family = AZR_FAMILY_LLAMA; family <= AZR_FAMILY_QWEN3; family++) {
        azr_model *model = test_model((azr_family)family, dtype, 3);
        azr_model_set_kv_dtype(model, kv_dtype);
        int32_t lengths[] = {37, 150, 700};
        for (int i = 0; i < 3; i++) {
            int32_t *tokens =
                test_tokens(lengths[i], azr_model_get_shape(model)->n_vocab, (uint64_t)i);
            check_sequence(model, tokens, lengths[i], i < 2 ? 3 : 1);
            azr_free(tokens);
        }
        azr_model_destroy(model);
    }
}

static void test_tiny_f32(void **state)
{
    (void)state;
    check_tiny(AZR_DTYPE_F32, AZR_KV_F32);
}

static void test_tiny_f32_kv_f16(void **state)
{
    (void)state;
    check_tiny(AZR_DTYPE_F32, AZR_KV_F16);
}

static void test_tiny_bf16(void **state)
{
    (void)state;
    if (!azr_kernels_have_bf16())
        skip();
    check_tiny(AZR_DTYPE_BF16, AZR_KV_F16);
}

/* Gradients do not depend on the number of threads, nor on what was computed before. */
static void check_gradients(azr_family family, azr_dtype dtype, azr_kv_dtype kv_dtype)
{
    azr_model *model = test_model(family, dtype, 4);
    azr_model_set_kv_dtype(model, kv_dtype);
    size_t n = (size_t)azr_model_n_weights(model);
    float *first = azr_alloc(n, sizeof *first), logprobs[300], entropies[300];
    int32_t *tokens = test_tokens(200, azr_model_get_shape(model)->n_vocab, 8);
    azr_segment segments[] = {{-1, 90, tokens},
                              {0, 40, tokens + 90},
                              {0, 30, tokens + 130},
                              {-1, 25, tokens + 160},
                              {3, 15, tokens + 185}};
    azr_target targets[300];
    float dlogprobs[300], dentropies[300];
    size_t n_targets = 0;
    for (int32_t i = 0; i < 5; i++)
        for (int32_t j = segments[i].parent < 0; j < segments[i].n_tokens; j++, n_targets++) {
            targets[n_targets] = (azr_target){i, j};
            dlogprobs[n_targets] = (float)((int)(n_targets * 37 % 19) - 9) / 8;
            dentropies[n_targets] = (float)((int)(n_targets * 11 % 7) - 3) / 16;
        }
    azr_batch batch = {segments, 5, targets, n_targets, 1.1F};
    const azr_scores scores = {logprobs, entropies, dlogprobs, dentropies};
    azr_error error;
    assert_ok(azr_model_enable_training(model, &error), &error);
    for (int round = 0; round < 3; round++) {
        azr_kernels_set_threads(1 + round % 2);
        memset(azr_model_gradients(model), 0, n * sizeof *first);
        assert_ok(azr_model_learn(model, &batch, &scores, NULL, &error), &error);
        if (round == 0)
            memcpy(first, azr_model_gradients(model), n * sizeof *first);
        assert_memory_equal(first, azr_model_gradients(model), n * sizeof *first);
    }
    azr_kernels_set_threads(2);
    azr_free(tokens);
    azr_free(first);
    azr_model_destroy(model);
}

static void test_gradients_repeat(void **state)
{
    (void)state;
    for (int family = AZR_FAMILY_LLAMA; family <= AZR_FAMILY_QWEN3; family++) {
        check_gradients((azr_family)family, AZR_DTYPE_F32, AZR_KV_F32);
        check_gradients((azr_family)family, AZR_DTYPE_F32, AZR_KV_F16);
        if (azr_kernels_have_bf16())
            check_gradients((azr_family)family, AZR_DTYPE_BF16, AZR_KV_F16);
    }
}

static void check_shipped(const char *name)
{
    enum { N = 30 };
    const char *path = test_shipped_model(name);
    if (path == NULL)
        skip();
    for (int i = 0; i < (azr_kernels_have_bf16() ? 2 : 1); i++) {
        azr_model *model;
        azr_error error;
        assert_ok(azr_model_open(path, i == 0 ? AZR_DTYPE_F32 : AZR_DTYPE_BF16, &model, &error),
                  &error);
        azr_model_set_kv_dtype(model, AZR_KV_F16);
        int32_t *tokens = test_tokens(N, azr_model_get_shape(model)->n_vocab, 12);
        check_sequence(model, tokens, N, 1);
        assert_ok(azr_model_check(model, &error), &error);
        azr_free(tokens);
        azr_model_destroy(model);
    }
}

static void test_smollm2(void **state)
{
    (void)state;
    check_shipped("smollm2-135m");
}

static void test_qwen(void **state)
{
    (void)state;
    check_shipped("qwen2.5-coder-0.5b");
}

static int start(void **state)
{
    (void)state;
    return azr_kernels_init(NULL) == AZR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny_f32),  cmocka_unit_test(test_tiny_f32_kv_f16),
        cmocka_unit_test(test_tiny_bf16), cmocka_unit_test(test_gradients_repeat),
        cmocka_unit_test(test_smollm2),   cmocka_unit_test(test_qwen),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
