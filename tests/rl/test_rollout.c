/* test_rollout.c: samples do not depend on how they are scheduled, and what a rollout refuses. */
#include "../support/models.h"
#include "../support/tiny_run.h"

#include "azr/rl.h"

#include "base/check.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tiny_run tiny;
static azr_model *model;
static azr_tokenizer *tokenizer;

static int set_up(void **state)
{
    (void)state;
    azr_error error;
    tiny_run_create(&tiny);
    char *path = tiny_run_path(&tiny, "model");
    assert_ok(azr_model_open(path, AZR_DTYPE_F32, &model, &error), &error);
    assert_ok(azr_tokenizer_open(path, &tokenizer, &error), &error);
    azr_free(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    azr_model_destroy(model);
    azr_tokenizer_destroy(tokenizer);
    tiny_run_remove(&tiny);
    return 0;
}

enum { N_REQUESTS = 6, N_SAMPLES = 4, MAX_TOKENS = 24 };

static const char *const texts[N_REQUESTS] = {
    "def f(a):\n    return a\n",
    "def f(a):\n    return a",
    "def f(words):\n    return 1\n",
    "# another beginning",
    "def f(",
    "# another beginning and more of it",
};
static int32_t prompts[N_REQUESTS][64];

static void make_requests(azr_rollout_request *requests, const char *const *stops)
{
    for (size_t i = 0; i < N_REQUESTS; i++) {
        size_t n = strlen(texts[i]);
        AZR_CHECK(n <= AZR_COUNT(prompts[i]));
        for (size_t j = 0; j < n; j++)
            prompts[i][j] = (int32_t)(unsigned char)texts[i][j];
        requests[i] = (azr_rollout_request){
            .tokens = prompts[i],
            .n_tokens = n,
            .stops = stops,
            .n_samples = N_SAMPLES,
            .max_tokens = MAX_TOKENS,
            .temperature = 1.0F,
            .top_p = 1.0F,
            .key = {.seed = 5, .purpose = AZR_RNG_TEST, .sequence = (uint32_t)(i * N_SAMPLES)}};
    }
}

static azr_status roll(int64_t streams, int64_t kv_tokens, const char *const *stops,
                       azr_rollout *out_rollout, azr_error *error)
{
    azr_rollout_request requests[N_REQUESTS];
    make_requests(requests, stops);
    const azr_rollout_options options = {.streams = streams, .kv_tokens = kv_tokens};
    return azr_rollout_run(model, tokenizer, requests, N_REQUESTS, &options, out_rollout, error);
}

static void test_scheduling_changes_nothing(void **state)
{
    (void)state;
    /* 512 tokens of cache: room for hardly more than one sequence. */
    static const int64_t ways[][2] = {{1, 0}, {3, 0}, {64, 512}, {2, 512}};
    azr_rollout wide, other;
    azr_error error;
    assert_ok(roll(64, 0, NULL, &wide, &error), &error);
    assert_true(wide.n_computed_prompt_tokens < wide.n_prompt_tokens / N_SAMPLES);
    for (size_t i = 0; i < AZR_COUNT(ways); i++) {
        assert_ok(roll(ways[i][0], ways[i][1], NULL, &other, &error), &error);
        assert_int_equal(other.n_samples, N_REQUESTS * N_SAMPLES);
        for (size_t j = 0; j < other.n_samples; j++) {
            const azr_sample *a = &wide.samples[j], *b = &other.samples[j];
            assert_int_equal(a->n_tokens, b->n_tokens);
            assert_int_equal(a->stop, b->stop);
            assert_memory_equal(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens);
            assert_memory_equal(a->logprobs, b->logprobs, a->n_tokens * sizeof *a->logprobs);
            assert_memory_equal(a->entropies, b->entropies, a->n_tokens * sizeof *a->entropies);
        }
        azr_rollout_deinit(&other);
    }
    azr_rollout_deinit(&wide);
}

/* Text ends before the stop string, which one token or several may complete. */
static void test_stops(void **state)
{
    (void)state;
    static const char *const stops[] = {"\n\n", ")\n", NULL};
    azr_rollout rollout;
    azr_error error;
    size_t n_stopped = 0;
    assert_ok(roll(8, 0, stops, &rollout, &error), &error);
    for (size_t i = 0; i < rollout.n_samples; i++) {
        const azr_sample *sample = &rollout.samples[i];
        assert_null(strstr(sample->text, stops[0]));
        assert_null(strstr(sample->text, stops[1]));
        n_stopped += sample->stop == AZR_STOP_STRING;
        assert_int_equal(sample->stop == AZR_STOP_EOS,
                         azr_tokenizer_is_eos(tokenizer, sample->tokens[sample->n_tokens - 1]));
        if (sample->stop == AZR_STOP_LIMIT)
            assert_int_equal(sample->n_tokens, MAX_TOKENS);
    }
    assert_true(n_stopped > 0);
    azr_rollout_deinit(&rollout);
}

static void test_refusals(void **state)
{
    (void)state;
    azr_rollout rollout;
    azr_error error;
    assert_int_equal(roll(8, 16, NULL, &rollout, &error), AZR_ERROR_LIMIT);
    assert_non_null(strstr(error.text, "kv_tokens"));
    azr_rollout_request request[N_REQUESTS];
    make_requests(request, NULL);
    request[0].max_tokens = 4000;
    const azr_rollout_options options = {.streams = 8};
    assert_int_equal(azr_rollout_run(model, tokenizer, request, 1, &options, &rollout, &error),
                     AZR_ERROR_LIMIT);
    assert_non_null(strstr(error.text, "2048 positions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheduling_changes_nothing),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
