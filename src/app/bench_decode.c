/* bench_decode.c: prefill and generation of many streams at once. */
#include "app/bench.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>

/* Everything that generation needs, for n streams. */
typedef struct bench_streams {
    azr_kv *kv;
    azr_extension *extensions;
    azr_draw *draws;
    int32_t *prompts, *tokens;
    float *states, *logprobs;
} bench_streams;

static azr_status streams_create(const bench_options *o, azr_model *model, bench_streams *s,
                                 azr_error *error)
{
    const azr_model_shape *shape = azr_model_get_shape(model);
    size_t n = (size_t)o->n_streams;
    int64_t pages = (o->n_prompt + o->n_new + AZR_KV_PAGE - 1) / AZR_KV_PAGE;
    *s = (bench_streams){
        .extensions = azr_try_alloc(n, sizeof *s->extensions),
        .draws = azr_try_alloc(n, sizeof *s->draws),
        .prompts = azr_try_alloc(n * (size_t)o->n_prompt, sizeof *s->prompts),
        .tokens = azr_try_alloc(n, sizeof *s->tokens),
        .states = azr_try_alloc(n * (size_t)shape->d_model, sizeof *s->states),
        .logprobs = azr_try_alloc(n, sizeof *s->logprobs),
    };
    if (s->extensions == NULL || s->draws == NULL || s->prompts == NULL || s->tokens == NULL ||
        s->states == NULL || s->logprobs == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %lld streams",
                             (long long)o->n_streams);
    azr_status status = azr_kv_create(model, o->n_streams * pages * AZR_KV_PAGE, &s->kv, error);
    if (status != AZR_OK)
        return status;
    azr_bench__fill_tokens(o->n_streams * o->n_prompt, shape->n_vocab, 0, s->prompts);
    azr_rng_key key = {2, AZR_RNG_TEST, 0, 0};
    for (size_t i = 0; i < n; i++) {
        s->extensions[i] = (azr_extension){.segment = azr_kv_add(s->kv, -1),
                                           .n_tokens = (int32_t)o->n_prompt,
                                           .tokens = s->prompts + i * (size_t)o->n_prompt};
        s->draws[i] =
            (azr_draw){.temperature = 1, .top_p = 1, .u = azr_rng_uniform(&key, (uint32_t)i)};
    }
    return AZR_OK;
}

static void streams_destroy(bench_streams *s)
{
    azr_kv_destroy(s->kv);
    azr_free(s->extensions);
    azr_free(s->draws);
    azr_free(s->prompts);
    azr_free(s->tokens);
    azr_free(s->states);
    azr_free(s->logprobs);
}

/* One token for each stream, drawn and read. */
static azr_status decode_step(azr_model *model, bench_streams *s, size_t n, azr_error *error)
{
    azr_status status =
        azr_model_draw(model, s->states, n, s->draws, s->tokens, s->logprobs, NULL, error);
    for (size_t i = 0; i < n; i++) {
        s->extensions[i].tokens = &s->tokens[i];
        s->extensions[i].n_tokens = 1;
    }
    return status == AZR_OK ? azr_kv_extend(s->kv, s->extensions, n, s->states, error) : status;
}

/* Seconds of reading all prompts, and of each of the n_new steps after it: the best so far. */
typedef struct decode_times {
    double prefill;
    double *steps;
} decode_times;

static azr_status run_pass(const bench_options *o, azr_model *model, decode_times *best,
                           azr_error *error)
{
    bench_streams s;
    size_t n = (size_t)o->n_streams;
    azr_status status = streams_create(o, model, &s, error);
    double begin = azr_clock_seconds();
    if (status == AZR_OK)
        status = azr_kv_extend(s.kv, s.extensions, n, s.states, error);
    best->prefill = fmin(best->prefill, azr_clock_seconds() - begin);
    for (int64_t i = 0; status == AZR_OK && i < o->n_new; i++) {
        status = azr_bench__go_on(error);
        begin = azr_clock_seconds();
        if (status == AZR_OK)
            status = decode_step(model, &s, n, error);
        best->steps[i] = fmin(best->steps[i], azr_clock_seconds() - begin);
    }
    streams_destroy(&s);
    return status;
}

/* No time is the best yet. */
static void forget(const bench_options *o, decode_times *times)
{
    times->prefill = INFINITY;
    for (int64_t i = 0; i < o->n_new; i++)
        times->steps[i] = INFINITY;
}

azr_status azr_bench__decode(const bench_options *o, azr_model *model, const bench_limit *limit,
                             bench_results *out, azr_error *error)
{
    decode_times best = {.steps = azr_try_alloc((size_t)o->n_new, sizeof(double))};
    double decode = 0;
    if (best.steps == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the times of %lld steps",
                             (long long)o->n_new);
    azr_status status = AZR_OK;
    for (int64_t i = 0; status == AZR_OK && i <= o->n_repeats; i++) {
        if (i <= 1) /* the first pass makes what later ones find made, and does not count */
            forget(o, &best);
        status = run_pass(o, model, &best, error);
    }
    for (int64_t i = 0; i < o->n_new; i++)
        decode += best.steps[i];
    azr_free(best.steps);
    if (status != AZR_OK)
        return status;
    double prompts = (double)(o->n_streams * o->n_prompt), new = (double)(o->n_streams * o->n_new);
    double all = limit->layer_parameters + limit->head_parameters;
    out->results[out->n++] = (bench_result){"prefill",
                                            prompts,
                                            2e-9 * limit->layer_parameters * prompts,
                                            best.prefill,
                                            "none, prompts are only read",
                                            {{NULL, 0}}};
    out->results[out->n++] =
        (bench_result){"decode", new, 2e-9 * all *new, decode, "every token", {{NULL, 0}}};
    return AZR_OK;
}
