/* cmd_bench.c: azr bench: how fast the engine is, and how far from what matrix products allow.
 *
 * The limit is measured in the same process, before and after the work (the better counts):
 * oneDNN's products in the model's own shapes with 1024 rows (256 for the LM head), each weighed by
 * its share of a token's work. Work is counted as 2 FLOPs for each matrix parameter touched:
 * attention, norms and the optimizer count as nothing, so a share of 100 % means that nothing but
 * matrix products took time. */
#include "app/engine.h"
#include "app/json.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_options {
    azr_settings settings;
    int64_t n_streams, n_prompt, n_new, n_sequences, n_tokens, n_repeats;
    bool json;
} bench_options;

/* --- the limit -------------------------------------------------------------------------------- */

/* One kind of matrix of the model, y = x Wᵀ with W [n_out, n_in]. */
typedef struct bench_matrix {
    const char *name;
    int64_t n_out, n_in, n_layers, n_rows; /* n_rows: of the measured product */
    double gflops;
} bench_matrix;

enum { N_MATRICES = 5, HEAD = 4 };

typedef struct bench_limit {
    bench_matrix matrices[N_MATRICES];
    const char *dtype;
    double layer_parameters, head_parameters; /* touched by a token */
    double gflops;                            /* of a token's products, LM head included */
} bench_limit;

/* Keeps the better figures when measured again. */
static azr_status measure_limit(const azr_model_shape *s, azr_dtype dtype, int repeats,
                                bench_limit *limit, azr_error *error)
{
    int64_t d_q = s->n_heads * s->d_head, d_kv = s->n_kv_heads * s->d_head;
    bench_limit before = *limit;
    *limit = (bench_limit){
        .matrices = {{"qkv", d_q + 2 * d_kv, s->d_model, s->n_layers, 1024, 0},
                     {"out", s->d_model, d_q, s->n_layers, 1024, 0},
                     {"gate_up", 2 * s->d_ff, s->d_model, s->n_layers, 1024, 0},
                     {"down", s->d_model, s->d_ff, s->n_layers, 1024, 0},
                     {"lm_head", s->n_vocab, s->d_model, 1, 256, 0}},
    };
    azr_status status = azr_dtype_resolve(dtype, &dtype, error);
    if (status != AZR_OK)
        return status;
    limit->dtype = dtype == AZR_DTYPE_BF16 ? "bf16" : "f32";
    double seconds = 0, work = 0;
    for (int i = 0; i < N_MATRICES; i++) {
        bench_matrix *m = &limit->matrices[i];
        m->gflops = azr_linear_gflops(m->n_rows, m->n_out, m->n_in, dtype, repeats);
        if (m->gflops <= 0)
            return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to measure %s", m->name);
        m->gflops = fmax(m->gflops, before.matrices[i].gflops);
        double n = (double)m->n_out * (double)m->n_in * (double)m->n_layers;
        *(i == HEAD ? &limit->head_parameters : &limit->layer_parameters) += n;
        work += 2e-9 * n;
        seconds += 2e-9 * n / m->gflops;
    }
    limit->gflops = work / seconds;
    return AZR_OK;
}

static void print_limit(const bench_limit *limit, bool json)
{
    double per_token = 2e-9 * (limit->layer_parameters + limit->head_parameters);
    if (json) {
        json_t *object =
            json_pack("{s:s, s:s, s:i, s:s, s:f, s:f}", "bench", "limit", "cpu",
                      azr_kernels_level(), "threads", azr_kernels_threads(), "dtype", limit->dtype,
                      "gflops", limit->gflops, "tokens_per_second", limit->gflops / per_token);
        for (int i = 0; i < N_MATRICES; i++)
            json_object_set_new(object, limit->matrices[i].name,
                                json_real(limit->matrices[i].gflops));
        azr_json_line(object);
        return;
    }
    printf("matrix products: %s on %s, %d threads, best of several\n", limit->dtype,
           azr_kernels_level(), azr_kernels_threads());
    for (int i = 0; i < N_MATRICES; i++) {
        const bench_matrix *m = &limit->matrices[i];
        printf("  %-8s %4lld rows x %6lld x %6lld  %7.1f GFLOP/s\n", m->name, (long long)m->n_rows,
               (long long)m->n_in, (long long)m->n_out, m->gflops);
    }
    printf("limit      %.1f GFLOP/s; %.3f GFLOP a token: %.1f tokens/s forward, %.1f in training\n",
           limit->gflops, per_token, limit->gflops / per_token, limit->gflops / per_token / 3);
}

/* What was done, and how long it took. */
typedef struct bench_result {
    const char *name;
    double n_tokens, work, seconds; /* work: GFLOP of matrix products in all */
    const char *counted;            /* what of the LM head is in it */
} bench_result;

typedef struct bench_results {
    bench_result results[2];
    size_t n;
} bench_results;

static void print_speed(const bench_limit *limit, const bench_result *result, bool json)
{
    const char *name = result->name, *counted = result->counted;
    double n_tokens = result->n_tokens, work = result->work, seconds = result->seconds;
    double share = work / seconds / limit->gflops;
    if (json)
        azr_json_line(json_pack("{s:s, s:s, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:s}", "bench", name,
                                "cpu", azr_kernels_level(), "threads", azr_kernels_threads(),
                                "dtype", limit->dtype, "tokens", n_tokens, "seconds", seconds,
                                "tokens_per_second", n_tokens / seconds, "gflops", work / seconds,
                                "share", share, "lm_head", counted));
    else
        printf("%-10s %.1f tokens/s: %.0f tokens in %.2f s, %.1f GFLOP/s, %.1f %% of the limit "
               "(LM head: %s)\n",
               name, n_tokens / seconds, n_tokens, seconds, work / seconds, 100 * share, counted);
}

/* --- decode ----------------------------------------------------------------------------------- */

/* Everything that generation needs, for n streams. */
typedef struct bench_streams {
    azr_kv *kv;
    azr_extension *extensions;
    azr_draw *draws;
    int32_t *prompts, *tokens;
    float *states, *logprobs;
} bench_streams;

static void fill_tokens(int64_t n, int64_t n_vocab, int32_t *tokens)
{
    azr_rng_key key = {1, AZR_RNG_TEST, 0, 0};
    for (int64_t i = 0; i < n; i++)
        tokens[i] = (int32_t)azr_rng_below(&key, (uint32_t)i, (uint64_t)n_vocab);
}

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
    fill_tokens(o->n_streams * o->n_prompt, shape->n_vocab, s->prompts);
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

static azr_status bench_decode(const bench_options *o, azr_model *model, const bench_limit *limit,
                               bench_results *out, azr_error *error)
{
    bench_streams s;
    size_t n = (size_t)o->n_streams;
    azr_status status = streams_create(o, model, &s, error);
    double begin = azr_clock_seconds();
    if (status == AZR_OK)
        status = azr_kv_extend(s.kv, s.extensions, n, s.states, error);
    double filled = azr_clock_seconds();
    for (int64_t i = 0; status == AZR_OK && i < o->n_new; i++)
        status = azr_stop_requested() ? azr_error_set(error, AZR_ERROR_INTERRUPTED, "interrupted")
                                      : decode_step(model, &s, n, error);
    double end = azr_clock_seconds();
    streams_destroy(&s);
    if (status != AZR_OK)
        return status;
    double prompts = (double)(o->n_streams * o->n_prompt), new = (double)(o->n_streams * o->n_new);
    double all = limit->layer_parameters + limit->head_parameters;
    out->results[out->n++] =
        (bench_result){"prefill", prompts, 2e-9 * limit->layer_parameters * prompts, filled - begin,
                       "none, prompts are only read"};
    out->results[out->n++] =
        (bench_result){"decode", new, 2e-9 * all *new, end - filled, "every token"};
    return AZR_OK;
}

/* --- training --------------------------------------------------------------------------------- */

/* Sequences without shared beginnings; every token but the first of each is a target. */
typedef struct bench_batch {
    azr_batch batch;
    azr_segment *segments;
    azr_target *targets;
    int32_t *tokens;
    float *logprobs, *dlogprobs, *moments; /* moments: m, then v */
} bench_batch;

static azr_status batch_create(const bench_options *o, const azr_model *model, bench_batch *b,
                               azr_error *error)
{
    size_t n = (size_t)o->n_sequences, length = (size_t)o->n_tokens;
    size_t n_targets = n * (length - 1);
    *b = (bench_batch){
        .segments = azr_try_alloc(n, sizeof *b->segments),
        .targets = azr_try_alloc(n_targets, sizeof *b->targets),
        .tokens = azr_try_alloc(n * length, sizeof *b->tokens),
        .logprobs = azr_try_alloc(n_targets, sizeof *b->logprobs),
        .dlogprobs = azr_try_alloc(n_targets, sizeof *b->dlogprobs),
        .moments =
            azr_try_alloc_aligned((size_t)azr_model_n_weights(model) * 2, sizeof *b->moments),
    };
    if (b->segments == NULL || b->targets == NULL || b->tokens == NULL || b->logprobs == NULL ||
        b->dlogprobs == NULL || b->moments == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the optimizer's moments");
    fill_tokens(o->n_sequences * o->n_tokens, azr_model_get_shape(model)->n_vocab, b->tokens);
    for (size_t i = 0; i < n; i++)
        b->segments[i] = (azr_segment){-1, (int32_t)length, b->tokens + i * length};
    for (size_t i = 0; i < n_targets; i++) {
        b->targets[i] = (azr_target){(int32_t)(i / (length - 1)), (int32_t)(i % (length - 1)) + 1};
        b->dlogprobs[i] = -1.0F / (float)n_targets;
    }
    b->batch = (azr_batch){b->segments, n, b->targets, n_targets, 1};
    return AZR_OK;
}

static void batch_destroy(bench_batch *b)
{
    azr_free(b->segments);
    azr_free(b->targets);
    azr_free(b->tokens);
    azr_free(b->logprobs);
    azr_free(b->dlogprobs);
    azr_free(b->moments);
}

/* Seconds of the parts of one step. */
typedef struct bench_times {
    double forward, backward, optimizer;
} bench_times;

static azr_status train_step(azr_model *model, bench_batch *b, int64_t opt_step, bench_times *times,
                             azr_error *error)
{
    int64_t n = azr_model_n_weights(model);
    float *gradients = azr_model_gradients(model);
    double t0 = azr_clock_seconds();
    azr_status status = azr_model_forward(model, &b->batch, b->logprobs, NULL, error);
    double t1 = azr_clock_seconds();
    if (status == AZR_OK)
        status = azr_model_backward(model, &b->batch, b->dlogprobs, NULL, error);
    double t2 = azr_clock_seconds();
    if (status != AZR_OK)
        return status;
    double norm2 = azr_sum_squares(n, gradients);
    float scale = norm2 > 1 ? 1 / (float)norm2 : 1; /* the cost of clipping, not its effect */
    azr_adamw adamw = {1e-7, 0.9, 0.99, 1e-8, 0.01, opt_step};
    azr_adamw_update(&adamw, n, scale, azr_model_weights(model), gradients, b->moments,
                     b->moments + n);
    azr_model_refresh(model);
    *times = (bench_times){t1 - t0, t2 - t1, azr_clock_seconds() - t2};
    return AZR_OK;
}

static azr_status bench_train(const bench_options *o, azr_model *model, const bench_limit *limit,
                              bench_results *out, azr_error *error)
{
    bench_batch b = {0};
    bench_times best = {0};
    double best_seconds = 0;
    azr_status status = azr_model_enable_training(model, error);
    if (status == AZR_OK)
        status = batch_create(o, model, &b, error);
    /* The first step makes what later ones find made, and does not count. */
    for (int64_t i = 0; status == AZR_OK && i <= o->n_repeats; i++) {
        bench_times times = {0};
        status = azr_stop_requested() ? azr_error_set(error, AZR_ERROR_INTERRUPTED, "interrupted")
                                      : train_step(model, &b, i + 1, &times, error);
        double seconds = times.forward + times.backward + times.optimizer;
        if (status == AZR_OK && i > 0 && (i == 1 || seconds < best_seconds)) {
            best = times;
            best_seconds = seconds;
        }
    }
    if (status == AZR_OK) {
        double n = (double)(o->n_sequences * o->n_tokens), n_targets = (double)b.batch.n_targets;
        double work = 6e-9 * (limit->layer_parameters * n + limit->head_parameters * n_targets);
        out->results[out->n++] = (bench_result){"train", n, work, best_seconds,
                                                "every token but the first of each sequence"};
        if (!o->json)
            printf("one step   forward %.2f s, backward %.2f s, optimizer and packing %.2f s; best "
                   "of %lld steps\n",
                   best.forward, best.backward, best.optimizer, (long long)o->n_repeats);
    }
    batch_destroy(&b);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static azr_status check_lengths(const bench_options *o, const azr_model_shape *shape,
                                azr_error *error)
{
    int64_t longest = o->n_prompt + o->n_new > o->n_tokens ? o->n_prompt + o->n_new : o->n_tokens;
    if (longest > shape->max_seq_len)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "sequences of %lld tokens, the model reads at most %lld",
                             (long long)longest, (long long)shape->max_seq_len);
    return AZR_OK;
}

static azr_status run_bench(const bench_options *o, const char *what, azr_error *error)
{
    const azr_config *config = &o->settings.config;
    azr_model_shape shape;
    azr_model *model = NULL;
    bench_limit limit = {0};
    bench_results results = {.n = 0};
    int n_tries = (int)o->n_repeats + 2;
    azr_status status = azr_engine_start(config, error);
    if (status == AZR_OK)
        status = azr_model_read_shape(config->model, &shape, error);
    if (status == AZR_OK)
        status = check_lengths(o, &shape, error);
    if (status == AZR_OK)
        status =
            measure_limit(&shape, (azr_dtype)config->dtype, (int)o->n_repeats + 2, &limit, error);
    if (status != AZR_OK)
        return status;
    if (strcmp(what, "limit") == 0) {
        print_limit(&limit, o->json);
        return AZR_OK;
    }
    status = azr_model_open(config->model, (azr_dtype)config->dtype, &model, error);
    if (status == AZR_OK)
        status = strcmp(what, "decode") == 0 ? bench_decode(o, model, &limit, &results, error)
                                             : bench_train(o, model, &limit, &results, error);
    azr_model_destroy(model);
    if (status == AZR_OK)
        status = measure_limit(&shape, (azr_dtype)config->dtype, n_tries, &limit, error);
    if (status != AZR_OK)
        return status;
    print_limit(&limit, o->json);
    for (size_t i = 0; i < results.n; i++)
        print_speed(&limit, &results.results[i], o->json);
    return status;
}

static azr_status check_operand(size_t n, const char *what, azr_error *error)
{
    if (n == 1 &&
        (strcmp(what, "limit") == 0 || strcmp(what, "decode") == 0 || strcmp(what, "train") == 0))
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "azr bench needs one of: limit, decode, train (got '%.64s')",
                         n == 0 ? "" : what);
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    bench_options o = {.n_streams = 64,
                       .n_prompt = 128,
                       .n_new = 32,
                       .n_sequences = 8,
                       .n_tokens = 256,
                       .n_repeats = 3};
    const char *what = NULL;
    size_t n_operands = 0;
    bool help = false;
    azr_settings_init(&o.settings);
    const azr_option rows[] = {
        AZR_SETTINGS_ROWS(o.settings),
        {.name = "streams",
         .type = AZR_OPTION_INTEGER,
         .value = &o.n_streams,
         .argument = "N",
         .help = "decode: answers that grow together",
         .min = 1,
         .max = 4096},
        {.name = "prompt",
         .type = AZR_OPTION_INTEGER,
         .value = &o.n_prompt,
         .argument = "TOKENS",
         .help = "decode: length of each prompt",
         .min = 1,
         .max = 1e6},
        {.name = "new",
         .type = AZR_OPTION_INTEGER,
         .value = &o.n_new,
         .argument = "TOKENS",
         .help = "decode: tokens drawn for each stream",
         .min = 1,
         .max = 1e6},
        {.name = "sequences",
         .type = AZR_OPTION_INTEGER,
         .value = &o.n_sequences,
         .argument = "N",
         .help = "train: sequences of a batch",
         .min = 1,
         .max = 4096},
        {.name = "tokens",
         .type = AZR_OPTION_INTEGER,
         .value = &o.n_tokens,
         .argument = "TOKENS",
         .help = "train: length of each sequence",
         .min = 2,
         .max = 1e6},
        {.name = "repeats",
         .type = AZR_OPTION_INTEGER,
         .value = &o.n_repeats,
         .argument = "N",
         .help = "train: steps after the first, the best counts; two more for each product",
         .min = 1,
         .max = 1000},
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &o.json,
         .help = "one JSON object a line"},
    };
    azr_usage usage = {
        .synopsis = "azr bench limit|decode|train -m MODEL [--json]",
        .about = "limit: how fast the matrix products of the model's shapes are. decode: prefill\n"
                 "and generation of many streams at once. train: forward, backward and AdamW.\n"
                 "Shares are of the limit, measured in the same process; work is counted as 2\n"
                 "FLOPs (training: 6) for each matrix parameter that a token touches.\n",
        .options = rows,
        .n_options = sizeof rows / sizeof rows[0],
        .operands = &what,
        .max_operands = 1,
        .n_operands = &n_operands,
    };
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help)
        status = check_operand(n_operands, what, error);
    if (status == AZR_OK && !help)
        status = azr_settings_apply(&o.settings, error);
    if (status == AZR_OK && !help)
        status = run_bench(&o, what, error);
    azr_settings_deinit(&o.settings);
    return status;
}

const azr_command azr_cmd_bench = {
    "bench", "speed of matrix products, generation and training, against the limit", run};
