/* bench_limit.c: the limit that shares are of: how fast oneDNN's products in the model's own shapes
 * are, and how results are printed against it. */
#include "app/bench.h"
#include "app/json.h"

#include "base/clock.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>

enum { HEAD = 4 }; /* of the matrices */

azr_status azr_bench__measure_limit(const azr_model_shape *s, azr_dtype dtype, int repeats,
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
    limit->kv_dtype = before.kv_dtype;
    double seconds = 0, work = 0;
    for (int i = 0; i < BENCH_MATRICES; i++) {
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

void azr_bench__print_limit(const bench_limit *limit, bool json)
{
    double per_token = 2e-9 * (limit->layer_parameters + limit->head_parameters);
    if (json) {
        json_t *object =
            json_pack("{s:s, s:s, s:i, s:s, s:f, s:f}", "bench", "limit", "cpu",
                      azr_kernels_level(), "threads", azr_kernels_threads(), "dtype", limit->dtype,
                      "gflops", limit->gflops, "tokens_per_second", limit->gflops / per_token);
        for (int i = 0; i < BENCH_MATRICES; i++)
            json_object_set_new(object, limit->matrices[i].name,
                                json_real(limit->matrices[i].gflops));
        azr_json_line(object);
        return;
    }
    printf("matrix products: %s on %s, %d threads, best of several\n", limit->dtype,
           azr_kernels_level(), azr_kernels_threads());
    for (int i = 0; i < BENCH_MATRICES; i++) {
        const bench_matrix *m = &limit->matrices[i];
        printf("  %-8s %4lld rows x %6lld x %6lld  %7.1f GFLOP/s\n", m->name, (long long)m->n_rows,
               (long long)m->n_in, (long long)m->n_out, m->gflops);
    }
    printf("limit      %.1f GFLOP/s; %.3f GFLOP a token: %.1f tokens/s forward, %.1f in training\n",
           limit->gflops, per_token, limit->gflops / per_token, limit->gflops / per_token / 3);
}

static void print_json(const bench_limit *limit, const bench_result *r, double share)
{
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:s}", "bench", r->name,
                  "cpu", azr_kernels_level(), "threads", azr_kernels_threads(), "dtype",
                  limit->dtype, "kv_dtype", limit->kv_dtype, "tokens", r->n_tokens, "seconds",
                  r->seconds, "tokens_per_second", r->n_tokens / r->seconds, "gflops",
                  r->work / r->seconds, "share", share, "lm_head", r->counted);
    json_t *parts = json_object();
    for (int i = 0; i < BENCH_PARTS && r->parts[i].name != NULL; i++)
        json_object_set_new(parts, r->parts[i].name, json_real(r->parts[i].seconds));
    if (json_object_size(parts) > 0)
        json_object_set(object, "parts", parts);
    json_decref(parts);
    azr_json_line(object);
}

void azr_bench__print_result(const bench_limit *limit, const bench_result *r, bool json)
{
    double share = r->work / r->seconds / limit->gflops;
    if (json) {
        print_json(limit, r, share);
        return;
    }
    printf("%-10s %.1f tokens/s: %.0f tokens in %.2f s, %.1f GFLOP/s, %.1f %% of the limit "
           "(LM head: %s)\n",
           r->name, r->n_tokens / r->seconds, r->n_tokens, r->seconds, r->work / r->seconds,
           100 * share, r->counted);
    for (int i = 0; i < BENCH_PARTS && r->parts[i].name != NULL; i++)
        printf("%s%s %.2f s", i == 0 ? "             " : ", ", r->parts[i].name,
               r->parts[i].seconds);
    if (r->parts[0].name != NULL)
        printf("\n");
}

void azr_bench__fill_tokens(int64_t n, int64_t n_vocab, uint32_t stream, int32_t *tokens)
{
    azr_rng_key key = {1, AZR_RNG_TEST, 0, stream};
    for (int64_t i = 0; i < n; i++)
        tokens[i] = (int32_t)azr_rng_below(&key, (uint32_t)i, (uint64_t)n_vocab);
}

azr_status azr_bench__go_on(azr_error *error)
{
    return azr_stop_requested() ? azr_error_set(error, AZR_ERROR_INTERRUPTED, "interrupted")
                                : AZR_OK;
}
