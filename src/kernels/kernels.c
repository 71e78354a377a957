/* kernels.c: the front door of the row operations: cuts work into ranges for threads and calls the
 * kernels of the chosen level. Ranges are such that every sum has one order, whatever the threads.
 */
#include "azr/kernels.h"

#include "base/check.h"
#include "base/memory.h"
#include "kernels/table.h"

#include <string.h>

/* Below this many elements the start of a parallel region costs more than it saves. */
enum { AZR_PARALLEL_MIN = 1 << 14 };
/* Rows whose share of a weight gradient is summed before the shares are. */
enum { AZR_ROW_CHUNK = 32 };
/* Columns of a column-wise sum that one thread takes at a time. */
enum { AZR_COLUMN_CHUNK = 64 };
/* Elements of long arrays that are taken at a time; fixes the order of azr_sum_squares. */
enum { AZR_ARRAY_CHUNK = 1 << 14 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t chunks_of(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

/* Threads for a loop over n_parts parts of `work` elements in all. */
static int threads_for(int64_t n_parts, int64_t work)
{
    if (work < AZR_PARALLEL_MIN || n_parts < 2)
        return 1;
    return (int)min64(azr_kernels_threads(), n_parts);
}

/* Rows that one thread takes at a time when rows do not depend on each other. */
static int64_t rows_at_a_time(int64_t n_rows)
{
    int64_t n = chunks_of(n_rows, (int64_t)4 * azr_kernels_threads());
    return n < AZR_ROW_CHUNK ? n : AZR_ROW_CHUNK;
}

void azr_rmsnorm_forward(int64_t n_rows, int64_t d, float eps, const float *x, int64_t x_stride,
                         const float *w, float *y, int64_t y_stride)
{
    const azr_kernel_table *table = azr_kernels__table();
    if (n_rows <= 0)
        return;
    int64_t step = rows_at_a_time(n_rows), n_parts = chunks_of(n_rows, step);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t r = i * step;
        table->rmsnorm_forward(min64(step, n_rows - r), d, eps, x + r * x_stride, x_stride, w,
                               y + r * y_stride, y_stride);
    }
}

void azr_rmsnorm_backward(int64_t n_rows, int64_t d, float eps, const float *x, int64_t x_stride,
                          const float *w, const float *dy, int64_t dy_stride, float *dx,
                          int64_t dx_stride, bool accumulate_dx, float *dw)
{
    const azr_kernel_table *table = azr_kernels__table();
    if (n_rows <= 0)
        return;
    int64_t n_parts = chunks_of(n_rows, AZR_ROW_CHUNK);
    float *shares = azr_alloc((size_t)(n_parts * d), sizeof(float));
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t r = i * AZR_ROW_CHUNK;
        table->rmsnorm_backward(min64(AZR_ROW_CHUNK, n_rows - r), d, eps, x + r * x_stride,
                                x_stride, w, dy + r * dy_stride, dy_stride, dx + r * dx_stride,
                                dx_stride, accumulate_dx, shares + i * d);
    }
    for (int64_t i = 0; i < n_parts; i++)
        table->add(d, shares + i * d, dw);
    azr_free(shares);
}

static void rope(int64_t n_rows, int64_t n_heads, int64_t d_head, float *x, int64_t stride,
                 const float *cos, const float *sin, const int32_t *positions, float sin_sign)
{
    const azr_kernel_table *table = azr_kernels__table();
    if (n_rows <= 0)
        return;
    int64_t step = rows_at_a_time(n_rows), n_parts = chunks_of(n_rows, step);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *n_heads *d_head)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t r = i * step;
        table->rope(min64(step, n_rows - r), n_heads, d_head, x + r * stride, stride, cos, sin,
                    positions + r, sin_sign);
    }
}

void azr_rope_forward(int64_t n_rows, int64_t n_heads, int64_t d_head, float *x, int64_t stride,
                      const float *cos, const float *sin, const int32_t *positions)
{
    rope(n_rows, n_heads, d_head, x, stride, cos, sin, positions, 1);
}

void azr_rope_backward(int64_t n_rows, int64_t n_heads, int64_t d_head, float *dx, int64_t stride,
                       const float *cos, const float *sin, const int32_t *positions)
{
    rope(n_rows, n_heads, d_head, dx, stride, cos, sin, positions, -1);
}

void azr_swiglu_forward(int64_t n_rows, int64_t d, const float *gate_up, float *y)
{
    const azr_kernel_table *table = azr_kernels__table();
    if (n_rows <= 0)
        return;
    int64_t step = rows_at_a_time(n_rows), n_parts = chunks_of(n_rows, step);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t r = i * step;
        table->swiglu_forward(min64(step, n_rows - r), d, gate_up + r * 2 * d, y + r * d);
    }
}

void azr_swiglu_backward(int64_t n_rows, int64_t d, const float *gate_up, const float *dy,
                         float *dgate_up)
{
    const azr_kernel_table *table = azr_kernels__table();
    if (n_rows <= 0)
        return;
    int64_t step = rows_at_a_time(n_rows), n_parts = chunks_of(n_rows, step);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t r = i * step;
        table->swiglu_backward(min64(step, n_rows - r), d, gate_up + r * 2 * d, dy + r * d,
                               dgate_up + r * 2 * d);
    }
}

void azr_bias_forward(int64_t n_rows, int64_t d, const float *bias, float *y)
{
    const azr_kernel_table *table = azr_kernels__table();
    if (n_rows <= 0)
        return;
    int64_t step = rows_at_a_time(n_rows), n_parts = chunks_of(n_rows, step);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++)
        table->bias_forward(min64(step, n_rows - i * step), d, bias, y + i * step * d);
}

void azr_bias_backward(int64_t n_rows, int64_t d, const float *dy, float *dbias)
{
    const azr_kernel_table *table = azr_kernels__table();
    int64_t n_parts = chunks_of(d, AZR_COLUMN_CHUNK);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t c = i * AZR_COLUMN_CHUNK;
        table->bias_backward(n_rows, min64(AZR_COLUMN_CHUNK, d - c), dy + c, d, dbias + c);
    }
}

void azr_round_to_f16(int64_t n_rows, int64_t d, float *x, int64_t stride)
{
    const azr_kernel_table *table = azr_kernels__table();
#pragma omp parallel for num_threads(threads_for(n_rows, n_rows *d)) schedule(static)
    for (int64_t r = 0; r < n_rows; r++)
        table->round_to_f16(d, x + r * stride);
}

void azr_add(int64_t n, const float *x, float *y)
{
    const azr_kernel_table *table = azr_kernels__table();
    int64_t n_parts = chunks_of(n, AZR_ARRAY_CHUNK);
#pragma omp parallel for num_threads(threads_for(n_parts, n)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t at = i * AZR_ARRAY_CHUNK;
        table->add(min64(AZR_ARRAY_CHUNK, n - at), x + at, y + at);
    }
}

void azr_embedding_forward(int64_t n_rows, int64_t d, const float *table, const int32_t *tokens,
                           float *out)
{
#pragma omp parallel for num_threads(threads_for(n_rows, n_rows *d)) schedule(static)
    for (int64_t r = 0; r < n_rows; r++)
        memcpy(out + r * d, table + tokens[r] * d, (size_t)d * sizeof(float));
}

void azr_embedding_backward(int64_t n_rows, int64_t d, const float *dout, const int32_t *tokens,
                            float *dtable)
{
    const azr_kernel_table *table = azr_kernels__table();
    int64_t n_parts = chunks_of(d, AZR_COLUMN_CHUNK);
#pragma omp parallel for num_threads(threads_for(n_parts, n_rows *d)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t c = i * AZR_COLUMN_CHUNK;
        table->embedding_backward(n_rows, d, min64(AZR_COLUMN_CHUNK, d - c), dout + c, tokens,
                                  dtable + c);
    }
}

void azr_logprob_forward(int64_t n_rows, int64_t n_vocab, float temperature, const float *logits,
                         const int32_t *targets, float *logprobs, float *entropies)
{
    const azr_kernel_table *table = azr_kernels__table();
    AZR_CHECK(logprobs == NULL || targets != NULL);
#pragma omp parallel for num_threads(threads_for(n_rows, n_rows *n_vocab)) schedule(static)
    for (int64_t r = 0; r < n_rows; r++)
        table->logprob_forward(
            1, n_vocab, temperature, logits + r * n_vocab, targets != NULL ? targets + r : NULL,
            logprobs != NULL ? logprobs + r : NULL, entropies != NULL ? entropies + r : NULL);
}

void azr_logprob_backward(int64_t n_rows, int64_t n_vocab, float temperature, float *logits,
                          const int32_t *targets, const float *dlogprobs, const float *dentropies)
{
    const azr_kernel_table *table = azr_kernels__table();
#pragma omp parallel for num_threads(threads_for(n_rows, n_rows *n_vocab)) schedule(static)
    for (int64_t r = 0; r < n_rows; r++)
        table->logprob_backward(1, n_vocab, temperature, logits + r * n_vocab, targets + r,
                                dlogprobs + r, dentropies != NULL ? dentropies + r : NULL);
}

int32_t azr_draw_token(int64_t n_vocab, const float *logits, float temperature, int32_t top_k,
                       float top_p, double u, float *scratch, float *logprob, float *entropy)
{
    AZR_CHECK(n_vocab > 0);
    return azr_kernels__table()->draw_token(n_vocab, logits, temperature, top_k, top_p, u, scratch,
                                            logprob, entropy);
}

void azr_adamw_update(const azr_adamw *adamw, int64_t n, float grad_scale, float *w, float *grad,
                      float *m, float *v)
{
    const azr_kernel_table *table = azr_kernels__table();
    AZR_CHECK(adamw->opt_step >= 1);
    int64_t n_parts = chunks_of(n, AZR_ARRAY_CHUNK);
#pragma omp parallel for num_threads(threads_for(n_parts, n)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t at = i * AZR_ARRAY_CHUNK;
        table->adamw(adamw, min64(AZR_ARRAY_CHUNK, n - at), grad_scale, w + at, grad + at, m + at,
                     v + at);
    }
}

double azr_sum_squares(int64_t n, const float *x)
{
    const azr_kernel_table *table = azr_kernels__table();
    int64_t n_parts = chunks_of(n, AZR_ARRAY_CHUNK);
    double *shares = azr_alloc((size_t)n_parts, sizeof(double));
#pragma omp parallel for num_threads(threads_for(n_parts, n)) schedule(static)
    for (int64_t i = 0; i < n_parts; i++) {
        int64_t at = i * AZR_ARRAY_CHUNK;
        shares[i] = table->sum_squares(min64(AZR_ARRAY_CHUNK, n - at), x + at);
    }
    double sum = 0;
    for (int64_t i = 0; i < n_parts; i++)
        sum += shares[i];
    azr_free(shares);
    return sum;
}
