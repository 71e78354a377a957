/* few_rows.c: products of one to four rows (one stream that decodes) read every weight for almost
 * no work: how fast memory is read is all that counts. oneDNN leaves fetching to the CPU, whose own
 * guesses end at every page of 4 KB; asking 8 KB ahead reads half as much again (Zen 4: 52 against
 * 34 GB/s, with large pages). Bits are those of oneDNN: linear.c finds its order of summation and
 * comes here only where every bit agrees. */
#include "kernels/few_rows.h"

#include "azr/kernels.h"

#include <immintrin.h>
#include <string.h>

enum { COLUMNS = 64, VECTORS = 4, LANES = 16, AHEAD = 8192, LINE = 64 };

bool azr_few_rows_takes(int64_t n_out, int64_t n_in)
{
    return n_out % COLUMNS == 0 && n_in % 32 == 0 && azr_kernels_have_bf16();
}

static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) __m512bh
broadcast_pair(const uint16_t *pair)
{
    int32_t bits;
    memcpy(&bits, pair, sizeof bits);
    return (__m512bh)_mm512_set1_epi32(bits);
}

/* Columns of one block, over one piece of the sum: n_pairs pairs of each row. */
static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) void
run_piece(int n_rows, int64_t n_pairs, int64_t row_stride, const uint16_t *rows,
          const uint16_t *packed, bool adds, int64_t y_stride, float *y)
{
    __m512 sum[AZR_FEW_ROWS][VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = _mm512_setzero_ps();
    for (int64_t k = 0; k < n_pairs; k++) {
        const char *weights = (const char *)(packed + k * 2 * COLUMNS);
        __m512bh w[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            _mm_prefetch(weights + AHEAD + (ptrdiff_t)v * LINE, _MM_HINT_T0);
            w[v] = (__m512bh)_mm512_loadu_si512(weights + (ptrdiff_t)v * LINE);
        }
#pragma GCC unroll 4
        for (int r = 0; r < n_rows; r++) {
            __m512bh x = broadcast_pair(rows + r * row_stride + 2 * k);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x, w[v]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            float *at = y + r * y_stride + (ptrdiff_t)v * LANES;
            __m512 before = adds ? _mm512_loadu_ps(at) : _mm512_setzero_ps();
            _mm512_storeu_ps(at, adds ? _mm512_add_ps(before, sum[r][v]) : sum[r][v]);
        }
    }
}

static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) void
run_block(int n_rows, int64_t n_out, int64_t n_in, int64_t piece, const uint16_t *rows,
          const uint16_t *packed, float *y)
{
    for (int64_t k = 0; k < n_in; k += piece) {
        int64_t n = n_in - k < piece ? n_in - k : piece;
        run_piece(n_rows, n / 2, n_in, rows + k, packed + k * COLUMNS, k > 0, n_out, y);
    }
}

static __attribute__((target("avx512f,avx512bf16"))) void
run_columns(int64_t n_rows, int64_t n_out, int64_t n_in, int64_t piece, const uint16_t *rows,
            const uint16_t *packed, float *y)
{
    if (n_rows == 1)
        run_block(1, n_out, n_in, piece, rows, packed, y);
    else if (n_rows == 2)
        run_block(2, n_out, n_in, piece, rows, packed, y);
    else if (n_rows == 3)
        run_block(3, n_out, n_in, piece, rows, packed, y);
    else
        run_block(4, n_out, n_in, piece, rows, packed, y);
}

void azr_few_rows_run(int64_t n_rows, int64_t n_out, int64_t n_in, int64_t piece,
                      const uint16_t *rows, const uint16_t *packed, float *y)
{
    int64_t n_blocks = n_out / COLUMNS;
#pragma omp parallel for schedule(static) num_threads(azr_kernels_threads())
    for (int64_t i = 0; i < n_blocks; i++)
        run_columns(n_rows, n_out, n_in, piece, rows, packed + i * n_in * COLUMNS, y + i * COLUMNS);
}
