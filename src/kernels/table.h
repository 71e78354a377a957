/* table.h: the table of row kernels behind azr/kernels.h; private to kernels/.
 *
 * A kernel works on a range of rows (or columns, or chunks) with one thread. kernels.c cuts the
 * work into ranges in a way that no sum depends on the number of threads, and calls the kernels of
 * the chosen level. The functions named *_ref (kernels/ref) are the obvious loops and judge the
 * others in the tests; simd/ holds the vector versions. Arguments are as in azr/kernels.h. */
#ifndef AZR_KERNELS_TABLE_H
#define AZR_KERNELS_TABLE_H

#include "azr/kernels.h"

/* Rows of one (query row, head of the group) pair list that attention works on at a time. */
enum { AZR_ATTENTION_PAIRS = 64 };
/* At most this many kv heads go through the keys together. */
enum { AZR_ATTENTION_KV_HEADS = 8 };
/* Keys are taken in blocks of this many absolute positions. */
enum { AZR_ATTENTION_KEYS = 64 };

typedef void azr_rmsnorm_forward_kernel(int64_t n_rows, int64_t d, float eps, const float *x,
                                        int64_t x_stride, const float *w, float *y,
                                        int64_t y_stride);
typedef void azr_rmsnorm_backward_kernel(int64_t n_rows, int64_t d, float eps, const float *x,
                                         int64_t x_stride, const float *w, const float *dy,
                                         int64_t dy_stride, float *dx, int64_t dx_stride,
                                         bool accumulate_dx, float *dw);
/* sin_sign: 1 for forward, -1 for the inverse rotation. */
typedef void azr_rope_kernel(int64_t n_rows, int64_t n_heads, int64_t d_head, float *x,
                             int64_t stride, const float *cos, const float *sin,
                             const int32_t *positions, float sin_sign);
typedef void azr_swiglu_forward_kernel(int64_t n_rows, int64_t d, const float *gate_up, float *y);
typedef void azr_swiglu_backward_kernel(int64_t n_rows, int64_t d, const float *gate_up,
                                        const float *dy, float *dgate_up);
typedef void azr_bias_forward_kernel(int64_t n_rows, int64_t d, const float *bias, float *y);
/* Columns [0, n_columns) of rows `stride` floats apart, all rows in order. */
typedef void azr_bias_backward_kernel(int64_t n_rows, int64_t n_columns, const float *dy,
                                      int64_t stride, float *dbias);
typedef void azr_add_kernel(int64_t n, const float *x, float *y);
/* Columns [0, n_columns) of dout and dtable, both `d` floats a row. */
typedef void azr_embedding_backward_kernel(int64_t n_rows, int64_t d, int64_t n_columns,
                                           const float *dout, const int32_t *tokens, float *dtable);
/* What one call of the forward kernel does: rows [i_begin, i_end) of each of n_queries queries, for
 * all heads that share one of the kv heads [kv_begin, kv_end). More than one query: all of them
 * have one row, and shared[i] is how many first positions query i has in the same memory as query
 * i - 1. next: a job that the same thread does after this one and whose first keys this one shall
 * fetch, or NULL. */
typedef struct azr_attention_job {
    const azr_attention_query *queries;
    const int64_t *shared;
    int64_t n_queries;
    int64_t i_begin, i_end, kv_begin, kv_end;
    const struct azr_attention_job *next;
} azr_attention_job;

/* scratch: azr_kernels__attention_scratch floats, 64-byte aligned. */
typedef void azr_attention_forward_kernel(const azr_attention_shape *shape,
                                          const azr_attention_job *job, const float *q,
                                          int64_t q_stride, float *out, float *scratch);

/* The arrays of azr_attention_backward. */
typedef struct azr_attention_gradients {
    const float *q, *out, *dout;
    float *dq;
    int64_t q_stride, dq_stride;
} azr_attention_gradients;

/* All rows of one query, for all heads that share kv head i_kv. */
typedef void azr_attention_backward_kernel(const azr_attention_shape *shape,
                                           const azr_attention_query *query, int64_t i_kv,
                                           const azr_attention_gradients *arrays, float *scratch);
typedef void azr_logprob_forward_kernel(int64_t n_rows, int64_t n_vocab, float temperature,
                                        const float *logits, const int32_t *targets,
                                        float *logprobs, float *entropies);
typedef void azr_logprob_backward_kernel(int64_t n_rows, int64_t n_vocab, float temperature,
                                         float *logits, const int32_t *targets,
                                         const float *dlogprobs, const float *dentropies);
typedef int32_t azr_draw_kernel(int64_t n_vocab, const float *logits, float temperature,
                                int32_t top_k, float top_p, double u, float *scratch,
                                float *logprob, float *entropy);
typedef void azr_adamw_kernel(const azr_adamw *adamw, int64_t n, float grad_scale, float *w,
                              float *grad, float *m, float *v);
typedef double azr_sum_squares_kernel(int64_t n, const float *x);
/* y = e^x; here so that the tests can hold the vector version to its bound. */
typedef void azr_exp_kernel(int64_t n, const float *x, float *y);
/* Rounds to nearest even; a NaN stays a NaN. */
typedef void azr_to_bf16_kernel(int64_t n, const float *x, uint16_t *y);
/* The same; what is beyond the largest number of f16, 65504, becomes that. */
typedef void azr_to_f16_kernel(int64_t n, const float *x, uint16_t *y);
typedef void azr_round_to_f16_kernel(int64_t n, float *x);

typedef struct azr_kernel_table {
    azr_rmsnorm_forward_kernel *rmsnorm_forward;
    azr_rmsnorm_backward_kernel *rmsnorm_backward;
    azr_rope_kernel *rope;
    azr_swiglu_forward_kernel *swiglu_forward;
    azr_swiglu_backward_kernel *swiglu_backward;
    azr_bias_forward_kernel *bias_forward;
    azr_bias_backward_kernel *bias_backward;
    azr_add_kernel *add;
    azr_embedding_backward_kernel *embedding_backward;
    azr_attention_forward_kernel *attention_forward;
    azr_attention_backward_kernel *attention_backward;
    azr_logprob_forward_kernel *logprob_forward;
    azr_logprob_backward_kernel *logprob_backward;
    azr_draw_kernel *draw_token;
    azr_adamw_kernel *adamw;
    azr_sum_squares_kernel *sum_squares;
    azr_to_bf16_kernel *to_bf16;
    azr_to_f16_kernel *to_f16;
    azr_round_to_f16_kernel *round_to_f16;
    azr_exp_kernel *exp;
} azr_kernel_table;

extern const azr_kernel_table azr_kernels__ref;
extern const azr_kernel_table azr_kernels__avx2;
extern const azr_kernel_table azr_kernels__avx512;

/* The chosen table. Valid after azr_kernels_init. */
const azr_kernel_table *azr_kernels__table(void);
/* Floats of scratch that the attention kernels need when keys reach to position n_keys - 1. */
int64_t azr_kernels__attention_scratch(const azr_attention_shape *shape, int64_t n_keys,
                                       bool backward);
/* Kernels of the reference level, one file each. */
azr_rmsnorm_forward_kernel azr_kernels__rmsnorm_forward_ref;
azr_rmsnorm_backward_kernel azr_kernels__rmsnorm_backward_ref;
azr_rope_kernel azr_kernels__rope_ref;
azr_swiglu_forward_kernel azr_kernels__swiglu_forward_ref;
azr_swiglu_backward_kernel azr_kernels__swiglu_backward_ref;
azr_bias_forward_kernel azr_kernels__bias_forward_ref;
azr_bias_backward_kernel azr_kernels__bias_backward_ref;
azr_add_kernel azr_kernels__add_ref;
azr_embedding_backward_kernel azr_kernels__embedding_backward_ref;
azr_attention_forward_kernel azr_kernels__attention_forward_ref;
azr_attention_backward_kernel azr_kernels__attention_backward_ref;
azr_logprob_forward_kernel azr_kernels__logprob_forward_ref;
azr_logprob_backward_kernel azr_kernels__logprob_backward_ref;
azr_draw_kernel azr_kernels__draw_token_ref;
azr_adamw_kernel azr_kernels__adamw_ref;
azr_sum_squares_kernel azr_kernels__sum_squares_ref;
azr_to_bf16_kernel azr_kernels__to_bf16_ref;
azr_to_f16_kernel azr_kernels__to_f16_ref;
azr_round_to_f16_kernel azr_kernels__round_to_f16_ref;
azr_exp_kernel azr_kernels__exp_ref;

#endif
