/* kernels.h: operations on arrays of numbers, forward and backward. No allocation that outlives a
 * call (but for azr_linear), no I/O, no model words.
 *
 * Letters: R rows (tokens of all sequences of a batch, one after the other, never padded),
 * D width of a row, H heads, K key/value heads, E = d_head, V vocabulary.
 * All arrays are f32, row-major and dense unless a stride is named. No array needs alignment.
 *
 * EXACTNESS. Each output row of a forward function depends, to the last bit, only on its own input
 * row (and the weights): not on R, not on the other rows, not on the number of threads. Sums over
 * rows (gradients of weights) are taken in an order that depends on R and the shapes alone, never
 * on the number of threads.
 *
 * Gradient arguments are marked "+=" (accumulates) or "=" (overwrites). */
#ifndef AZR_KERNELS_H
#define AZR_KERNELS_H

#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What matrix products multiply in. Sums, weights and everything else are f32 in either case. */
typedef enum azr_dtype { AZR_DTYPE_AUTO, AZR_DTYPE_F32, AZR_DTYPE_BF16 } azr_dtype;

/* --- start-up --------------------------------------------------------------------------------- */

/* Looks at the CPU and fills the table of kernels; must be called once, before all else, and before
 * threads run. Environment AZR_CPU = ref | avx2 | avx512 | avx512_bf16 forces a level the CPU has
 * (ref: the plain C loops of kernels/ref with AVX2 matrix products); unless it is set, azr uses no
 * more than oneDNN, which DNNL_MAX_CPU_ISA limits. Errors: no AVX2, FMA and F16C; a level asked for
 * that the CPU lacks. */
azr_status azr_kernels_init(azr_error *error);
/* "ref", "avx2", "avx512" or "avx512_bf16". */
const char *azr_kernels_level(void);
/* bf16 matrix products run in hardware (AVX512-BF16 or AMX). */
bool azr_kernels_have_bf16(void);
/* AUTO becomes BF16 where the CPU has it, else F32; BF16 without hardware is AZR_ERROR_UNSUPPORTED.
 */
azr_status azr_dtype_resolve(azr_dtype wanted, azr_dtype *out_dtype, azr_error *error);
/* Threads that kernels use from now on (1 or more). */
void azr_kernels_set_threads(int n_threads);
int azr_kernels_threads(void);

/* --- linear layers: all matrix products but those of attention ------------------------------- */

/* y = x Wᵀ with W [n_out, n_in]. */
typedef struct azr_linear azr_linear;

/* w: [n_out, n_in], borrowed: must outlive the layer. Call azr_linear_refresh before the first use
 * and after every change of w (it makes the bf16 or packed copy; f32 may use w in place).
 * NULL with *error on lack of memory or when oneDNN refuses. */
azr_linear *azr_linear_create(int64_t n_out, int64_t n_in, azr_dtype dtype, const float *w,
                              azr_error *error);
void azr_linear_refresh(azr_linear *linear);
void azr_linear_destroy(azr_linear *linear);
/* Bytes of packed copies that a layer of this shape keeps besides w (for the memory plan): one for
 * forward, and where it trains one for backward_input; of f32 on AVX-512 none. */
size_t azr_linear_bytes(int64_t n_out, int64_t n_in, azr_dtype dtype, bool trains);

/* y [R, n_out] = x [R, n_in] Wᵀ. Obeys the row-block rule: see EXACTNESS. */
void azr_linear_forward(const azr_linear *linear, int64_t n_rows, const float *x, float *y);
/* dx [R, n_in] = dy [R, n_out] W. */
void azr_linear_backward_input(const azr_linear *linear, int64_t n_rows, const float *dy,
                               float *dx);
/* dw [n_out, n_in] += dyᵀ x. */
void azr_linear_backward_weight(const azr_linear *linear, int64_t n_rows, const float *x,
                                const float *dy, float *dw);
/* Both of them, the same bits, with dy rounded to bf16 once. dx must not overlap dy or x. */
void azr_linear_backward(const azr_linear *linear, int64_t n_rows, const float *x, const float *dy,
                         float *dx, float *dw);
/* Gives the packed copies of W back; what needs one next makes it again from W as it is then. */
void azr_linear_release(azr_linear *linear);
/* At most so much memory do products of n_rows rows take besides (shared by all layers). */
size_t azr_linear_scratch_bytes(int64_t n_rows, int64_t n_out, int64_t n_in, azr_dtype dtype);
/* Start-up self-check: one random row repeated to several row counts (1 to 1024) must give the same
 * bits in every row of forward; also with 1 and with the set number of threads. AZR_ERROR_NUMERIC
 * names shape and row count otherwise. */
azr_status azr_linear_check(int64_t n_out, int64_t n_in, azr_dtype dtype, azr_error *error);
/* GFLOP/s of the n_rows x n_in x n_out product as azr makes it, best of `repeats`: the limit
 * that benchmarks state their share of. */
double azr_linear_gflops(int64_t n_rows, int64_t n_out, int64_t n_in, azr_dtype dtype, int repeats);

/* --- row operations --------------------------------------------------------------------------- */

/* y = x / sqrt(mean(x²) + eps) * w, w [D]. Rows of x and y are x_stride and y_stride floats apart
 * (>= D), so that it serves heads inside a fused qkv row too; y may be x. (Zhang & Sennrich 2019)
 */
void azr_rmsnorm_forward(int64_t n_rows, int64_t d, float eps, const float *x, int64_t x_stride,
                         const float *w, float *y, int64_t y_stride);
/* Recomputes the row's scale from x. dx "+=" , dw [D] "+=". Strides as above, dx has x's stride,
 * dy has y's. dx must not overlap dy unless accumulate_dx is false ("="), in which case dx may be
 * dy with equal strides. */
void azr_rmsnorm_backward(int64_t n_rows, int64_t d, float eps, const float *x, int64_t x_stride,
                          const float *w, const float *dy, int64_t dy_stride, float *dx,
                          int64_t dx_stride, bool accumulate_dx, float *dw);

/* Rotary position embedding, half-split form (Su et al. 2021; "rotate_half" of transformers), in
 * place on n_heads heads of E floats at x + row * stride. cos, sin: [max_seq_len, E/2], row by
 * position; positions [R]. backward applies the inverse rotation to a gradient. */
void azr_rope_forward(int64_t n_rows, int64_t n_heads, int64_t d_head, float *x, int64_t stride,
                      const float *cos, const float *sin, const int32_t *positions);
void azr_rope_backward(int64_t n_rows, int64_t n_heads, int64_t d_head, float *dx, int64_t stride,
                       const float *cos, const float *sin, const int32_t *positions);

/* y [R, D] = silu(gate) * up, with gate_up [R, 2 D]: a row holds gate then up. (Shazeer 2020) */
void azr_swiglu_forward(int64_t n_rows, int64_t d, const float *gate_up, float *y);
/* dgate_up "="; may be gate_up itself. */
void azr_swiglu_backward(int64_t n_rows, int64_t d, const float *gate_up, const float *dy,
                         float *dgate_up);

/* y[r] += bias; dbias [D] += column sums of dy. */
void azr_bias_forward(int64_t n_rows, int64_t d, const float *bias, float *y);
void azr_bias_backward(int64_t n_rows, int64_t d, const float *dy, float *dbias);

/* Rounds rows in place to the nearest numbers of f16 (IEEE 754 binary16), halves to even; a NaN
 * stays one, what is beyond the largest of them, 65504, becomes that. */
void azr_round_to_f16(int64_t n_rows, int64_t d, float *x, int64_t stride);

/* y += x, n floats. */
void azr_add(int64_t n, const float *x, float *y);

/* out [R, D] = table[tokens[r]]; backward: dtable[tokens[r]] += dout[r], in the order of rows. */
void azr_embedding_forward(int64_t n_rows, int64_t d, const float *table, const int32_t *tokens,
                           float *out);
void azr_embedding_backward(int64_t n_rows, int64_t d, const float *dout, const int32_t *tokens,
                            float *dtable);

/* --- attention over a forest ------------------------------------------------------------------ */

/* Keys and values of `n` consecutive positions. k and v point at [n] rows of K heads x E floats,
 * `stride` floats apart. dk, dv: same layout, only for backward ("+="), NULL otherwise.
 * In place of k and v, and forward only: page or page_f16, a page of a cache (see azr_kv_write) of
 * which the first n positions count. Numbers in f16 give the bits that the same floats give. All
 * spans of a call are of one of the three kinds. */
typedef struct azr_kv_span {
    const float *k, *v;
    float *dk, *dv;
    int64_t stride;
    int64_t n;
    const float *page;
    const uint16_t *page_f16;
} azr_kv_span;

/* Positions of a page: one vector of the widest kind. */
enum { AZR_KV_PAGE = 16 };
/* Writes keys and values into pages, in the order in which attention reads them: a page holds for
 * each of the K heads [E][AZR_KV_PAGE] keys, a column for each position, and [AZR_KV_PAGE][E]
 * values; 2 K E AZR_KV_PAGE numbers, page after page. Row r of `rows` (K x E keys and then as many
 * values, `stride` floats apart) goes to position places[r] % AZR_KV_PAGE of page
 * places[r] / AZR_KV_PAGE. No two rows to one place. f16: rounded as azr_round_to_f16 does, half as
 * much to keep and to read. */
void azr_kv_write(int64_t n_rows, int64_t n_kv_heads, int64_t d_head, const float *rows,
                  int64_t stride, float *pages, const int64_t *places);
void azr_kv_write_f16(int64_t n_rows, int64_t n_kv_heads, int64_t d_head, const float *rows,
                      int64_t stride, uint16_t *pages, const int64_t *places);

/* n_rows consecutive query rows from first_row on, at positions first_position and up, all of one
 * token segment. Spans list the keys and values from position 0 on, ancestors first, and reach at
 * least to position first_position + n_rows - 1; row i sees positions 0 .. first_position + i. */
typedef struct azr_attention_query {
    int64_t first_row, n_rows, first_position;
    const azr_kv_span *spans;
    int64_t n_spans;
    int64_t tree; /* queries whose spans share memory have equal numbers (backward only) */
} azr_attention_query;

typedef struct azr_attention_shape {
    int64_t n_heads, n_kv_heads, d_head; /* n_heads is a multiple of n_kv_heads */
    float scale;                         /* of the dot products, 1 / sqrt(d_head) */
} azr_attention_shape;

/* out[row] = softmax(scale q Kᵀ) V per head. Queries of one row that follow each other and begin
 * with the same keys (equal addresses) read those once. q rows are q_stride floats apart, out rows
 * are dense [R, n_heads * E]. Every sum runs in an order fixed by absolute position, so how the
 * keys are cut into spans changes nothing. */
void azr_attention_forward(const azr_attention_shape *shape, const azr_attention_query *queries,
                           int64_t n_queries, const float *q, int64_t q_stride, float *out);
/* Recomputes the probabilities. dq "=" (rows dq_stride apart), dk and dv of the spans "+=". */
void azr_attention_backward(const azr_attention_shape *shape, const azr_attention_query *queries,
                            int64_t n_queries, const float *q, int64_t q_stride, const float *out,
                            const float *dout, float *dq, int64_t dq_stride);

/* --- from logits to tokens -------------------------------------------------------------------- */

/* For each row of logits [R, V] with p = softmax(logits / temperature):
 * logprobs[r] = log p[targets[r]] and entropies[r] = -sum p log p (nats). Either output may be
 * NULL; targets may be NULL when logprobs is. temperature > 0. */
void azr_logprob_forward(int64_t n_rows, int64_t n_vocab, float temperature, const float *logits,
                         const int32_t *targets, float *logprobs, float *entropies);
/* logits becomes its own gradient, "=":
 * ( dlogprobs[r] (onehot - p) - dentropies[r] p (log p + entropy) ) / temperature.
 * dentropies may be NULL. */
void azr_logprob_backward(int64_t n_rows, int64_t n_vocab, float temperature, float *logits,
                          const int32_t *targets, const float *dlogprobs, const float *dentropies);
/* Draws a token from softmax(logits / temperature) cut to the top_k likeliest (0: all) and then to
 * the smallest set of likeliest tokens with probability >= top_p (1: all), renormalised; u in [0,
 * 1) picks by inverse cumulative distribution in order of token ids. temperature 0: the likeliest,
 * lowest id on ties. scratch: V floats. *logprob (of the token) and *entropy: the bits that
 * azr_logprob_forward gives, of the distribution before it is cut (temperature 0: as for 1); either
 * may be NULL. */
int32_t azr_draw_token(int64_t n_vocab, const float *logits, float temperature, int32_t top_k,
                       float top_p, double u, float *scratch, float *logprob, float *entropy);

/* --- optimizer -------------------------------------------------------------------------------- */

typedef struct azr_adamw {
    double learning_rate, beta1, beta2, eps, weight_decay; /* double, as in torch: 1 - beta1 */
    int64_t opt_step;                                      /* 1 for the first update */
} azr_adamw;

/* AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW: g = grad * grad_scale;
 * w -= lr wd w; m, v moments; w -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps).
 * w, m, v [n] in place; grad is set to 0 on the way. */
void azr_adamw_update(const azr_adamw *adamw, int64_t n, float grad_scale, float *w, float *grad,
                      float *m, float *v);
/* Sum of squares in double, in an order independent of threads. NaN and infinity come through. */
double azr_sum_squares(int64_t n, const float *x);

#endif
