/* bench_train.c: forward, backward and AdamW: of packed sequences, or of prompts with several
 * answers each, with and without sharing the prompt. */
#include "app/bench.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Sequences with random tokens: n_prompts prompts of n_given tokens with n_answers answers each;
 * without prompts, the first token is given and all others are answers. */
typedef struct bench_texts {
    int32_t *tokens;
    bench_sequence *sequences;
    size_t n;
} bench_texts;

static azr_status texts_create(const bench_options *o, const azr_model *model, bench_texts *texts,
                               azr_error *error)
{
    bool forest = o->n_prompts > 0;
    size_t n_answers = forest ? (size_t)o->n_answers : 1;
    size_t n = forest ? (size_t)o->n_prompts * n_answers : (size_t)o->n_sequences;
    size_t n_given = forest ? (size_t)o->n_prompt : 1;
    size_t length = forest ? (size_t)(o->n_prompt + o->n_new) : (size_t)o->n_tokens;
    *texts = (bench_texts){azr_try_alloc(n * length, sizeof *texts->tokens),
                           azr_try_alloc(n, sizeof *texts->sequences), n};
    if (texts->tokens == NULL || texts->sequences == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu sequences", n);
    azr_bench__fill_tokens((int64_t)(n * length), azr_model_get_shape(model)->n_vocab, 0,
                           texts->tokens);
    for (size_t i = 0; i < n; i++) {
        int32_t *tokens = texts->tokens + i * length;
        if (i % n_answers > 0)
            memcpy(tokens, tokens - length, n_given * sizeof *tokens);
        texts->sequences[i] = (bench_sequence){tokens, length, n_given};
    }
    return AZR_OK;
}

/* Seconds of the parts of one step. */
typedef struct bench_times {
    double passes, optimizer;
} bench_times;

static double sum_times(const bench_times *times)
{
    return times->passes + times->optimizer;
}

void azr_bench__update(azr_model *model, float *moments, int64_t opt_step)
{
    int64_t n = azr_model_n_weights(model);
    float *gradients = azr_model_gradients(model);
    double norm = sqrt(azr_sum_squares(n, gradients));
    azr_adamw adamw = {1e-7, 0.9, 0.99, 1e-8, 0.01, opt_step};
    azr_adamw_update(&adamw, n, norm > 1 ? 1 / (float)norm : 1, azr_model_weights(model), gradients,
                     moments, moments + n);
    azr_model_refresh(model);
}

static azr_status train_step(azr_model *model, bench_passes *passes, float *moments,
                             int64_t opt_step, bench_times *times, azr_error *error)
{
    azr_status status = AZR_OK;
    *times = (bench_times){0};
    for (size_t i = 0; status == AZR_OK && i < passes->n; i++) {
        bench_pass *pass = &passes->passes[i];
        const azr_scores scores = {.logprobs = pass->logprobs, .dlogprobs = pass->dlogprobs};
        double begin = azr_clock_seconds();
        status = azr_model_learn(model, &pass->batch, &scores, NULL, error);
        times->passes += azr_clock_seconds() - begin;
        if (status == AZR_OK)
            status = azr_bench__go_on(error);
    }
    if (status != AZR_OK)
        return status;
    double begin = azr_clock_seconds();
    azr_bench__update(model, moments, opt_step);
    times->optimizer = azr_clock_seconds() - begin;
    return AZR_OK;
}

/* What a step will take, and whether it recomputes: as the config says, and for auto where it would
 * not fit otherwise. */
static void plan_memory(const bench_options *o, azr_model *model, int64_t n_tokens,
                        bench_results *out)
{
    azr_recompute wish = o->settings.config.recompute;
    size_t limit = o->settings.config.memory_limit_mb > 0
                       ? (size_t)o->settings.config.memory_limit_mb << 20
                       : azr_memory_available();
    for (int recompute = wish == AZR_RECOMPUTE_TRUE; recompute < 2; recompute++) {
        azr_model_memory m = azr_model_plan(azr_model_get_shape(model), azr_model_dtype(model),
                                            azr_model_kv_dtype(model), 0, 0, n_tokens, recompute);
        out->recompute = recompute;
        out->planned_bytes = AZR_MEMORY_PROGRAM + 3 * m.weights + m.compute + m.gradients +
                             m.activations + m.scratch + m.products;
        if (wish == AZR_RECOMPUTE_FALSE || out->planned_bytes <= limit)
            break;
    }
    azr_model_set_recompute(model, out->recompute);
}

/* Gradients and moments, once it is clear what of the model gives way to them. */
static azr_status open_training(azr_model *model, float **moments, azr_error *error)
{
    azr_status status = azr_model_enable_training(model, error);
    if (status != AZR_OK)
        return status;
    *moments = azr_try_alloc_aligned((size_t)azr_model_n_weights(model) * 2, sizeof **moments);
    return *moments != NULL
               ? AZR_OK
               : azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the optimizer's moments");
}

/* The best of n_repeats steps. One more comes before them: it makes what later ones find made. */
static azr_status measure(const bench_options *o, azr_model *model, const bench_texts *texts,
                          bool share, const bench_limit *limit, float **moments, bench_results *out,
                          azr_error *error)
{
    bench_passes passes = {0};
    bench_times best = {0}, times;
    size_t max_tokens = (size_t)o->settings.config.micro_batch_tokens;
    azr_status status =
        azr_bench__passes_create(texts->sequences, texts->n, share, 1, max_tokens, &passes, error);
    if (status == AZR_OK && share)
        plan_memory(o, model, azr_bench__passes_room(&passes), out);
    if (status == AZR_OK && *moments == NULL)
        status = open_training(model, moments, error);
    for (int64_t i = 0; status == AZR_OK && i <= o->n_repeats; i++) {
        status = train_step(model, &passes, *moments, i + 1, &times, error);
        if (status == AZR_OK && i > 0 && (i == 1 || sum_times(&times) < sum_times(&best)))
            best = times;
    }
    if (status == AZR_OK)
        out->results[out->n++] = (bench_result){
            .name = share ? "train" : "unshared",
            .n_tokens = passes.n_tokens,
            .work = azr_bench__passes_work(&passes, limit),
            .seconds = sum_times(&best),
            .counted = "rows that predict an answer's token",
            .parts = {{"forward and backward", best.passes},
                      {"optimizer and packing", best.optimizer}},
        };
    azr_bench__passes_destroy(&passes);
    return status;
}

azr_status azr_bench__train(const bench_options *o, azr_model *model, const bench_limit *limit,
                            bench_results *out, azr_error *error)
{
    bench_texts texts = {0};
    float *moments = NULL;
    azr_status status = texts_create(o, model, &texts, error);
    if (status == AZR_OK)
        status = measure(o, model, &texts, true, limit, &moments, out, error);
    if (status == AZR_OK)
        out->peak_bytes = azr_memory_peak();
    if (status == AZR_OK && o->unshared)
        status = measure(o, model, &texts, false, limit, &moments, out, error);
    if (status == AZR_OK && o->unshared) {
        out->sharing = out->results[out->n - 1].seconds / out->results[out->n - 2].seconds;
    }
    azr_free(texts.tokens);
    azr_free(texts.sequences);
    azr_free(moments);
    return status;
}
