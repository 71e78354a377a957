/* linear_check.c: does the row-block rule hold on this CPU, and how fast are matrix products? */
#include "azr/kernels.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/table.h"

#include <string.h>

static void fill_random(int64_t n, uint32_t sequence, float *x)
{
    azr_rng_key key = {1, AZR_RNG_TEST, 0, sequence};
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(azr_rng_uniform(&key, (uint32_t)i) - 0.5);
}

static const int64_t row_counts[] = {1,   2,   3,   4,   5,   7,   8,   11,  12,  13,  16,
                                     31,  32,  33,  47,  63,  64,  65,  100, 127, 128, 200,
                                     240, 241, 256, 288, 300, 511, 640, 777, 1024};
enum { MAX_ROWS = 1024, MAX_RESULTS = 1 << 24 };

/* Rows that are tried: fewer for a vocabulary, whose logits are made in small blocks anyway. */
static int64_t rows_max(int64_t n_out)
{
    int64_t n = MAX_RESULTS / n_out;
    return n > MAX_ROWS ? MAX_ROWS : n < 64 ? 64 : n;
}

/* Every row of y must be the same bits as `expected`. */
static bool rows_equal(int64_t n_rows, int64_t n_out, const float *y, const float *expected)
{
    for (int64_t r = 0; r < n_rows; r++)
        if (memcmp(y + r * n_out, expected, (size_t)n_out * sizeof(float)) != 0)
            return false;
    return true;
}

static azr_status check_layer(const azr_linear *linear, int64_t n_out, int64_t n_in, const float *x,
                              float *y, float *expected, azr_error *error)
{
    azr_linear_forward(linear, 1, x, expected);
    int n_threads = azr_kernels_threads();
    for (size_t i = 0; i < AZR_COUNT(row_counts) && row_counts[i] <= rows_max(n_out); i++) {
        for (int single = 0; single < (n_threads > 1 ? 2 : 1); single++) {
            azr_kernels_set_threads(single ? 1 : n_threads);
            azr_linear_forward(linear, row_counts[i], x, y);
            azr_kernels_set_threads(n_threads);
            if (!rows_equal(row_counts[i], n_out, y, expected))
                return azr_error_set(error, AZR_ERROR_NUMERIC,
                                     "matrix product %lld x %lld gives rows other bits when it has "
                                     "%lld rows (%d threads)",
                                     (long long)n_out, (long long)n_in, (long long)row_counts[i],
                                     single ? 1 : n_threads);
        }
    }
    return AZR_OK;
}

azr_status azr_linear_check(int64_t n_out, int64_t n_in, azr_dtype dtype, azr_error *error)
{
    float *w = azr_try_alloc_aligned((size_t)(n_out * n_in), sizeof(float));
    float *x = azr_try_alloc_aligned((size_t)(MAX_ROWS * n_in), sizeof(float));
    float *y = azr_try_alloc_aligned((size_t)(rows_max(n_out) * n_out), sizeof(float));
    float *expected = azr_try_alloc_aligned((size_t)n_out, sizeof(float));
    azr_linear *linear = NULL;
    azr_status status;
    if (w == NULL || x == NULL || y == NULL || expected == NULL) {
        status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory to check matrix products");
        goto done;
    }
    fill_random(n_out * n_in, 0, w);
    fill_random(n_in, 1, x);
    for (int64_t r = 1; r < MAX_ROWS; r++)
        memcpy(x + r * n_in, x, (size_t)n_in * sizeof(float));
    linear = azr_linear_create(n_out, n_in, dtype, w, error);
    if (linear == NULL) {
        status = AZR_ERROR_UNSUPPORTED;
        goto done;
    }
    azr_linear_refresh(linear);
    status = check_layer(linear, n_out, n_in, x, y, expected, error);
done:
    azr_linear_destroy(linear);
    azr_free(expected);
    azr_free(y);
    azr_free(x);
    azr_free(w);
    return status;
}

double azr_linear_gflops(int64_t n_rows, int64_t n_out, int64_t n_in, azr_dtype dtype, int repeats)
{
    float *w = azr_try_alloc_aligned((size_t)(n_out * n_in), sizeof(float));
    float *x = azr_try_alloc_aligned((size_t)(n_rows * n_in), sizeof(float));
    float *y = azr_try_alloc_aligned((size_t)(n_rows * n_out), sizeof(float));
    azr_linear *linear = NULL;
    double best = 0;
    if (w == NULL || x == NULL || y == NULL)
        goto done;
    fill_random(n_out * n_in, 0, w);
    fill_random(n_rows * n_in, 1, x);
    linear = azr_linear_create(n_out, n_in, dtype, w, NULL);
    if (linear == NULL)
        goto done;
    azr_linear_refresh(linear);
    azr_linear_forward(linear, n_rows, x, y);
    for (int i = 0; i < repeats; i++) {
        double begin = azr_clock_seconds();
        azr_linear_forward(linear, n_rows, x, y);
        double seconds = azr_clock_seconds() - begin;
        double gflops = 2e-9 * (double)n_rows * (double)n_out * (double)n_in / seconds;
        best = gflops > best ? gflops : best;
    }
done:
    azr_linear_destroy(linear);
    azr_free(y);
    azr_free(x);
    azr_free(w);
    return best;
}
