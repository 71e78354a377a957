/* bf16_tile.h: the register tile of our bf16 products: some rows times the 64 columns of a block,
 * whose sum runs pair by pair. For AVX-512 BF16; private to kernels/, with bare names as those of
 * simd/vec_avx512.h. */
#ifndef AZR_KERNELS_BF16_TILE_H
#define AZR_KERNELS_BF16_TILE_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    COLUMNS = 64, /* of a block, that lie together: [pairs][COLUMNS][2] */
    LANES = 16,
    VECTORS = COLUMNS / LANES,
    ROWS = 6,  /* of a tile, at most: 6 rows x 4 vectors are 24 sums in registers */
    STEPS = 4, /* of the sum, a pair each, for each time that lines are asked for */
    LINE = 64  /* bytes */
};

/* Some rows of the columns of one block, over one piece of the sum. */
typedef struct tile {
    const uint16_t *x, *w;
    float *y;
    int64_t x_stride, y_stride; /* of rows */
    int64_t n_pairs;            /* a multiple of STEPS */
    bool adds;                  /* to what y holds */
    uintptr_t ahead, last;      /* the next and the last line to ask for; may be behind an array */
    int64_t n_lines;            /* a turn; 0: none */
} tile;

static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) __m512bh
broadcast_pair(const uint16_t *pair)
{
    int32_t bits;
    memcpy(&bits, pair, sizeof bits);
    return (__m512bh)_mm512_set1_epi32(bits);
}

static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) void
multiply(const int n_rows, const tile *t, int64_t k, __m512 sum[ROWS][VECTORS])
{
    __m512bh w[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++)
        w[v] = (__m512bh)_mm512_loadu_si512(t->w + k * 2 * COLUMNS + (ptrdiff_t)v * 2 * LANES);
#pragma GCC unroll 6
    for (int r = 0; r < n_rows; r++) {
        __m512bh x = broadcast_pair(t->x + r * t->x_stride + 2 * k);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x, w[v]);
    }
}

static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) void
run_tile_of(const int n_rows, tile *given)
{
    const tile t = *given;
    __m512 sum[ROWS][VECTORS];
#pragma GCC unroll 6
    for (int r = 0; r < n_rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = _mm512_setzero_ps();
    if (t.adds) /* to what may have to come from memory */
        for (int r = 0; r < n_rows; r++)
            for (int v = 0; v < VECTORS; v++)
                _mm_prefetch((const char *)(t.y + r * t.y_stride + (ptrdiff_t)v * LANES),
                             _MM_HINT_T0);
    uintptr_t ahead = t.ahead;
    for (int64_t k = 0; k < t.n_pairs; k += STEPS) {
        /* Behind the last, that one again: cheaper than a branch. */
        for (int64_t i = 0; i < t.n_lines; i++) {
            /* NOLINTNEXTLINE(performance-no-int-to-ptr): a pointer may not leave its array */
            _mm_prefetch((const char *)ahead, _MM_HINT_T0);
            ahead = ahead < t.last ? ahead + LINE : t.last;
        }
#pragma GCC unroll 4
        for (int i = 0; i < STEPS; i++)
            multiply(n_rows, &t, k + i, sum);
    }
    given->ahead = ahead;
#pragma GCC unroll 6
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            float *at = t.y + r * t.y_stride + (ptrdiff_t)v * LANES;
            if (t.adds)
                sum[r][v] = _mm512_add_ps(_mm512_loadu_ps(at), sum[r][v]);
            _mm512_storeu_ps(at, sum[r][v]);
        }
    }
}

/* 1 to ROWS rows. */
static __attribute__((target("avx512f,avx512bf16"))) void run_tile(int64_t n_rows, tile *t)
{
#pragma GCC unroll 6
    for (int n = 1; n <= ROWS; n++)
        if (n == n_rows)
            run_tile_of(n, t);
}

#endif
