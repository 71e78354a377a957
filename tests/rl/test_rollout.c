/* Rollouts of a tiny model: the same samples however they are scheduled, and the model's own
 * log-probabilities for them. */
#include "azr/rl.h"

#include "../support/models.h"
#include "../support/tiny_model.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_REQUESTS = 5, N_SAMPLES = 4, MAX_TOKENS = 24, N_SHARED = 50, N_OWN = 7 };

static azr_model *model;
static azr_tokenizer *tokenizer;
static int32_t prompts[N_REQUESTS][N_SHARED + N_OWN];

static int set_up(void **state)
{
    (void)state;
    azr_error error;
    assert_ok(azr_kernels_init(&error), &error);
    char *folder = tiny_folder();
    tiny_model_write(folder, 5);
    assert_ok(azr_model_open(folder, AZR_DTYPE_F32, &model, &error), &error);
    azr_model_set_kv_dtype(model, AZR_KV_F16);
    assert_ok(azr_tokenizer_open(folder, &tokenizer, &error), &error);
    azr_directory_remove(folder, NULL);
    azr_free(folder);
    for (size_t i = 0; i < N_REQUESTS; i++)
        for (size_t t = 0; t < N_SHARED + N_OWN; t++)
            prompts[i][t] = (int32_t)(t < N_SHARED ? 32 + t : 60 + 11 * i + t % 5);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    azr_tokenizer_destroy(tokenizer);
    azr_model_destroy(model);
    return 0;
}

static azr_rollout_request request_of(size_t i)
{
    return (azr_rollout_request){.tokens = prompts[i],
                                 .n_tokens = N_SHARED + N_OWN,
                                 .n_samples = N_SAMPLES,
                                 .max_tokens = MAX_TOKENS,
                                 .temperature = 1.0F,
                                 .top_p = 1.0F,
                                 .key = {7, 1, 3, (uint32_t)(i * N_SAMPLES)}};
}

static azr_rollout roll(const azr_rollout_request *requests, size_t n,
                        const azr_rollout_options *options)
{
    azr_rollout rollout;
    azr_error error;
    assert_ok(azr_rollout_run(model, tokenizer, requests, n, options, &rollout, &error), &error);
    return rollout;
}

static azr_rollout roll_all(int64_t streams, int64_t kv_tokens)
{
    azr_rollout_request requests[N_REQUESTS];
    for (size_t i = 0; i < N_REQUESTS; i++)
        requests[i] = request_of(i);
    azr_rollout_options options = {.streams = streams, .kv_tokens = kv_tokens};
    return roll(requests, N_REQUESTS, &options);
}

static void assert_same_sample(const azr_sample *a, const azr_sample *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens);
    assert_memory_equal(a->logprobs, b->logprobs, a->n_tokens * sizeof *a->logprobs);
    assert_memory_equal(a->entropies, b->entropies, a->n_tokens * sizeof *a->entropies);
    assert_int_equal(a->text_size, b->text_size);
    assert_memory_equal(a->text, b->text, a->text_size + 1);
    assert_int_equal(a->stop, b->stop);
}

/* The smallest cache holds one sample at a time; in the middle one, samples that have begun must
 * give their pages back and be computed again. */
static void test_scheduling_changes_nothing(void **state)
{
    (void)state;
    static const int64_t streams[] = {1, 3, 64}, kv_tokens[] = {0, 112, 160};
    azr_kernels_set_threads(1);
    azr_rollout want = roll_all(64, 0);
    assert_int_equal(want.n_samples, N_REQUESTS * N_SAMPLES);
    for (size_t n_threads = 1; n_threads <= 2; n_threads++)
        for (size_t i = 0; i < 3; i++)
            for (size_t j = n_threads - 1; j < 3; j++) {
                azr_kernels_set_threads((int)n_threads);
                azr_rollout got = roll_all(streams[i], kv_tokens[j]);
                assert_int_equal(got.n_samples, want.n_samples);
                assert_int_equal(got.n_response_tokens, want.n_response_tokens);
                bool is_tight = kv_tokens[j] == 160 && streams[i] > 1;
                assert_int_equal(got.n_recomputed_tokens > 0, is_tight);
                for (size_t s = 0; s < got.n_samples; s++) {
                    assert_int_equal(got.samples[s].request, s / N_SAMPLES);
                    assert_int_equal(got.samples[s].index, s % N_SAMPLES);
                    assert_same_sample(&got.samples[s], &want.samples[s]);
                }
                azr_rollout_deinit(&got);
            }
    azr_rollout_deinit(&want);
}

static void test_order_of_requests(void **state)
{
    (void)state;
    azr_rollout want = roll_all(64, 0);
    azr_rollout_request requests[N_REQUESTS];
    for (size_t i = 0; i < N_REQUESTS; i++)
        requests[i] = request_of(N_REQUESTS - 1 - i);
    azr_rollout_options options = {.streams = 3};
    azr_rollout got = roll(requests, N_REQUESTS, &options);
    for (size_t i = 0; i < N_REQUESTS; i++)
        for (size_t s = 0; s < N_SAMPLES; s++)
            assert_same_sample(&got.samples[i * N_SAMPLES + s],
                               &want.samples[(N_REQUESTS - 1 - i) * N_SAMPLES + s]);
    azr_rollout_deinit(&got);
    azr_rollout_deinit(&want);
}

static void test_shared_prompts(void **state)
{
    (void)state;
    azr_rollout rollout = roll_all(64, 0);
    assert_int_equal(rollout.n_prompt_tokens, N_REQUESTS * N_SAMPLES * (N_SHARED + N_OWN));
    assert_int_equal(rollout.n_computed_prompt_tokens, N_SHARED + N_REQUESTS * N_OWN);
    azr_rollout_deinit(&rollout);
}

/* Each sample of its own, without sharing: prompt and response as one root. */
static void test_logprobs_are_the_models(void **state)
{
    (void)state;
    azr_rollout rollout = roll_all(64, 0);
    for (size_t s = 0; s < rollout.n_samples; s++) {
        const azr_sample *sample = &rollout.samples[s];
        enum { N_PROMPT = N_SHARED + N_OWN };
        int32_t tokens[N_PROMPT + MAX_TOKENS];
        azr_target targets[MAX_TOKENS];
        float logprobs[MAX_TOKENS], entropies[MAX_TOKENS];
        memcpy(tokens, prompts[sample->request], N_PROMPT * sizeof *tokens);
        memcpy(tokens + N_PROMPT, sample->tokens, sample->n_tokens * sizeof *tokens);
        for (size_t t = 0; t < sample->n_tokens; t++)
            targets[t] = (azr_target){0, (int32_t)(N_PROMPT + t)};
        azr_segment segment = {-1, (int32_t)(N_PROMPT + sample->n_tokens), tokens};
        azr_batch batch = {&segment, 1, targets, sample->n_tokens, 1.0F};
        azr_error error;
        assert_ok(azr_model_score(model, &batch, logprobs, entropies, &error), &error);
        assert_memory_equal(logprobs, sample->logprobs, sample->n_tokens * sizeof *logprobs);
        assert_memory_equal(entropies, sample->entropies, sample->n_tokens * sizeof *entropies);
    }
    azr_rollout_deinit(&rollout);
}

/* Two bytes are two tokens here. The stop is taken from a free sample, so it must be met. */
static void test_stop_string_over_tokens(void **state)
{
    (void)state;
    azr_rollout rollout_free = roll_all(64, 0);
    const azr_sample *whole = &rollout_free.samples[0];
    size_t at = 0;
    for (at = 3; at + 2 < whole->text_size; at++)
        if (whole->text[at] != '\0' && whole->text[at + 1] != '\0')
            break;
    assert_true(at + 2 < whole->text_size);
    char stop[3] = {whole->text[at], whole->text[at + 1], '\0'};
    const char *const stops[] = {"no such thing", stop, NULL};
    azr_rollout_request request = request_of(0);
    request.stops = stops;
    azr_rollout_options options = {.streams = 64};
    azr_rollout rollout = roll(&request, 1, &options);
    const azr_sample *cut = &rollout.samples[0];
    const char *first = memmem(whole->text, whole->text_size, stop, 2);
    assert_int_equal(cut->stop, AZR_STOP_STRING);
    assert_ptr_equal(cut->end, stop);
    assert_int_equal(cut->text_size, first - whole->text);
    assert_memory_equal(cut->text, whole->text, cut->text_size);
    assert_true(cut->n_tokens < whole->n_tokens);
    assert_memory_equal(cut->tokens, whole->tokens, cut->n_tokens * sizeof *cut->tokens);
    azr_rollout_deinit(&rollout);
    azr_rollout_deinit(&rollout_free);
}

/* 32 x 200 draws of nearly even odds over 260 tokens: some end with the end token, some do not. */
static void test_end_token_and_limit(void **state)
{
    (void)state;
    azr_rollout_request request = request_of(0);
    request.n_samples = 32;
    request.max_tokens = 200;
    azr_rollout_options options = {.streams = 64};
    azr_rollout rollout = roll(&request, 1, &options);
    size_t n_eos = 0;
    for (size_t s = 0; s < rollout.n_samples; s++) {
        const azr_sample *sample = &rollout.samples[s];
        for (size_t t = 0; t + 1 < sample->n_tokens; t++)
            assert_int_not_equal(sample->tokens[t], TINY_MODEL_EOS);
        bool ended = sample->tokens[sample->n_tokens - 1] == TINY_MODEL_EOS;
        n_eos += ended;
        assert_int_equal(sample->stop, ended ? AZR_STOP_EOS : AZR_STOP_LIMIT);
        assert_true(ended ? sample->end != NULL && *sample->end == '\0' : sample->end == NULL);
        if (!ended)
            assert_int_equal(sample->n_tokens, 200);
        assert_null(memmem(sample->text, sample->text_size, "<eos>", 5));
    }
    assert_true(n_eos > 0 && n_eos < 32);
    azr_rollout_deinit(&rollout);
}

static void test_too_long_is_said(void **state)
{
    (void)state;
    azr_rollout_request request = request_of(0);
    azr_rollout_options options = {.streams = 2, .kv_tokens = 64};
    azr_rollout rollout;
    azr_error error;
    assert_int_equal(azr_rollout_run(model, tokenizer, &request, 1, &options, &rollout, &error),
                     AZR_ERROR_LIMIT);
    assert_non_null(strstr(error.text, "57"));
    assert_non_null(strstr(error.text, "64"));
    options.kv_tokens = 0;
    request.max_tokens = TINY_MODEL_POSITIONS;
    assert_int_equal(azr_rollout_run(model, tokenizer, &request, 1, &options, &rollout, &error),
                     AZR_ERROR_LIMIT);
    assert_non_null(strstr(error.text, "2048"));
    assert_int_equal(rollout.n_samples, 0);
}

typedef struct seen {
    int n_times[N_REQUESTS][N_SAMPLES];
    size_t n, longest_so_far;
    bool in_between; /* a shorter sample was told of before a longer one */
} seen;

static void see(void *context, const azr_sample *sample)
{
    seen *s = context;
    s->n_times[sample->request][sample->index]++;
    s->in_between |= s->n > 0 && sample->n_tokens > s->longest_so_far;
    if (sample->n_tokens > s->longest_so_far)
        s->longest_so_far = sample->n_tokens;
    s->n++;
    assert_non_null(sample->text);
}

static void test_on_finish(void **state)
{
    (void)state;
    azr_rollout_request requests[N_REQUESTS];
    seen s = {0};
    for (size_t i = 0; i < N_REQUESTS; i++) {
        requests[i] = request_of(i);
        requests[i].max_tokens = i == 0 ? MAX_TOKENS : 3;
    }
    azr_rollout_options options = {.streams = 64, .on_finish = see, .context = &s};
    azr_rollout rollout = roll(requests, N_REQUESTS, &options);
    assert_int_equal(s.n, rollout.n_samples);
    for (size_t i = 0; i < N_REQUESTS; i++)
        for (size_t j = 0; j < N_SAMPLES; j++)
            assert_int_equal(s.n_times[i][j], 1);
    assert_true(s.in_between);
    azr_rollout_deinit(&rollout);
}

int main(int argc, char **argv)
{
    (void)argc;
    /* Threads that spin for work this small wait for each other's time slices on a busy machine;
     * OpenMP reads how to wait before main. */
    if (getenv("OMP_WAIT_POLICY") == NULL && setenv("OMP_WAIT_POLICY", "passive", 1) == 0)
        execv("/proc/self/exe", argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheduling_changes_nothing),
        cmocka_unit_test(test_order_of_requests),
        cmocka_unit_test(test_shared_prompts),
        cmocka_unit_test(test_logprobs_are_the_models),
        cmocka_unit_test(test_stop_string_over_tokens),
        cmocka_unit_test(test_end_token_and_limit),
        cmocka_unit_test(test_too_long_is_said),
        cmocka_unit_test(test_on_finish),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
