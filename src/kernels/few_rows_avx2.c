/* few_rows_avx2.c: products of few rows with f32 weights that oneDNN packed for its convolution:
 * [n_out / 8][n_in][8]. Each element is one rising chain of fused multiply-adds, as there. Here the
 * weights of the next columns are fetched while these are computed with (Zen 3, weights in memory:
 * 64 rows at 190 GFLOP/s in place of 170, one row at 43 GB/s in place of 24). */
#include "kernels/few_rows.h"

#include "azr/kernels.h"
#include "base/memory.h"
#include "kernels/ranges.h"
#include "kernels/simd/vec_avx2.h"

enum {
    PANEL = 8,      /* columns that lie together */
    PANELS = 3,     /* of a tile: 4 rows x 3 vectors are 12 sums in registers */
    ROWS = 4,       /* of a tile */
    PART_ROWS = 32, /* of a piece of work: small enough for threads to end together */
    DEPTH = 1024, /* of the sum, before the next columns: their weights stay in the second cache */
    STEPS = 8,    /* of the sum, for each LINES that are asked for */
    LINES = 2,
    LINE_FLOATS = 16
};

bool azr_few_rows_f32_takes(int64_t n_out, int64_t n_in)
{
    return n_out % PANEL == 0 && n_in % PANEL == 0;
}

typedef struct tile {
    const float *x, *w;
    float *y;
    int64_t x_stride, w_stride, y_stride; /* of rows, panels, rows */
    int64_t depth;
    bool begins;               /* sums begin here; else y holds them so far */
    const float *ahead, *last; /* the first and the last line to ask for */
} tile;

static inline __attribute__((always_inline)) void
multiply(const int n_rows, const int n_panels, const tile *t, int64_t k, __m256 sum[ROWS][PANELS])
{
    __m256 w[PANELS];
#pragma GCC unroll 3
    for (int p = 0; p < n_panels; p++)
        w[p] = _mm256_loadu_ps(t->w + p * t->w_stride + k * PANEL);
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++) {
        __m256 x = _mm256_broadcast_ss(t->x + r * t->x_stride + k);
#pragma GCC unroll 3
        for (int p = 0; p < n_panels; p++)
            sum[r][p] = v_fma_registers(x, w[p], sum[r][p]);
    }
}

static inline __attribute__((always_inline)) void run_tile(const int n_rows, const int n_panels,
                                                           const tile *given)
{
    const tile t = *given;
    __m256 sum[ROWS][PANELS];
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++)
#pragma GCC unroll 3
        for (int p = 0; p < n_panels; p++)
            sum[r][p] = t.begins ? _mm256_setzero_ps()
                                 : _mm256_loadu_ps(t.y + r * t.y_stride + (ptrdiff_t)p * PANEL);
    const float *ahead = t.ahead;
    for (int64_t k = 0; k < t.depth; k += STEPS) {
        /* Behind the last, that one again: cheaper than a branch. */
#pragma GCC unroll 2
        for (int i = 0; i < LINES; i++) {
            _mm_prefetch((const char *)ahead, _MM_HINT_T1);
            ahead = ahead < t.last ? ahead + LINE_FLOATS : t.last;
        }
#pragma GCC unroll 8
        for (int i = 0; i < STEPS; i++)
            multiply(n_rows, n_panels, &t, k + i, sum);
    }
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++)
#pragma GCC unroll 3
        for (int p = 0; p < n_panels; p++)
            _mm256_storeu_ps(t.y + r * t.y_stride + (ptrdiff_t)p * PANEL, sum[r][p]);
}

static inline __attribute__((always_inline)) void run_rows(int64_t n_rows, const int n_panels,
                                                           const tile *t)
{
    if (n_rows >= 4)
        run_tile(4, n_panels, t);
    else if (n_rows == 3)
        run_tile(3, n_panels, t);
    else if (n_rows == 2)
        run_tile(2, n_panels, t);
    else
        run_tile(1, n_panels, t);
}

/* What all pieces of a product have in common. A piece is some rows of some panels. */
typedef struct few_rows {
    int64_t n_rows, n_out, n_in;
    const float *x, *w;
    float *y;
    int64_t n_parts;    /* of the rows */
    int64_t last_begin; /* of the part of the sum that comes last */
    azr_ranges *ranges; /* of pieces: panels by panels, part by part */
} few_rows;

/* Weights: panels [panel, panel + n) over [begin, begin + depth) of the sum. */
typedef struct weights {
    int64_t panel, n, begin, depth;
} weights;

static weights weights_of(const few_rows *f, int64_t piece, int64_t begin)
{
    int64_t panel = piece / f->n_parts * PANELS, n = f->n_out / PANEL - panel;
    int64_t depth = f->n_in - begin;
    return (weights){panel, n < PANELS ? n : PANELS, begin, depth < DEPTH ? depth : DEPTH};
}

static const float *place_of(const few_rows *f, const weights *w)
{
    return f->w + (w->panel * f->n_in + w->begin) * PANEL;
}

/* Lines that tile i of n_tiles asks for of `next`: its equal share, none where next has no panels.
 */
static void share_lines(const few_rows *f, const weights *next, int64_t i, int64_t n_tiles, tile *t)
{
    int64_t n_lines = next->depth * PANEL / LINE_FLOATS; /* of a panel */
    int64_t share = (next->n * n_lines + n_tiles - 1) / n_tiles, at = share * i;
    t->ahead = t->last = t->w;
    if (n_lines == 0 || at >= next->n * n_lines)
        return;
    int64_t line = at % n_lines, left = n_lines - line;
    t->ahead = place_of(f, next) + at / n_lines * t->w_stride + line * LINE_FLOATS;
    t->last = t->ahead + ((share < left ? share : left) - 1) * LINE_FLOATS;
}

/* One piece over one part of the sum. next: the weights that come after it. */
static void run_piece(const few_rows *f, int64_t piece, int64_t begin, const weights *next)
{
    const weights w = weights_of(f, piece, begin);
    int64_t i_row = piece % f->n_parts * PART_ROWS, end_row = i_row + PART_ROWS;
    int64_t n_tiles = (f->n_rows + ROWS - 1) / ROWS;
    tile t = {.w = place_of(f, &w),
              .x_stride = f->n_in,
              .w_stride = f->n_in * PANEL,
              .y_stride = f->n_out,
              .depth = w.depth,
              .begins = begin == 0};
    for (; i_row < end_row && i_row < f->n_rows; i_row += ROWS) {
        t.x = f->x + i_row * f->n_in + begin;
        t.y = f->y + i_row * f->n_out + w.panel * PANEL;
        share_lines(f, next, i_row / ROWS, n_tiles, &t);
        if (w.n == 3)
            run_rows(f->n_rows - i_row, 3, &t);
        else if (w.n == 2)
            run_rows(f->n_rows - i_row, 2, &t);
        else
            run_rows(f->n_rows - i_row, 1, &t);
    }
}

/* A thread's pieces over each part of the sum but the last; and then over the last whatever there
 * is to do. */
static void run_thread(const few_rows *f, int thread)
{
    int64_t first = azr_ranges_begin(f->ranges, thread), end = azr_ranges_end(f->ranges, thread);
    int64_t piece;
    for (int64_t begin = 0; begin < f->last_begin; begin += DEPTH)
        for (piece = first; piece < end; piece++) {
            bool is_last = piece + f->n_parts >= end;
            weights next = weights_of(f, is_last ? first : piece + f->n_parts,
                                      is_last ? begin + DEPTH : begin);
            run_piece(f, piece, begin, &next);
        }
    if (f->last_begin > 0)
        azr_ranges_open(f->ranges, thread);
    while (azr_ranges_take(f->ranges, thread, &piece)) {
        bool is_own = piece >= first && piece + f->n_parts < end;
        weights next = is_own ? weights_of(f, piece + f->n_parts, f->last_begin) : (weights){0};
        run_piece(f, piece, f->last_begin, &next);
    }
}

void azr_few_rows_f32_run(int64_t n_rows, int64_t n_out, int64_t n_in, const float *x,
                          const float *packed,
                          float *y) /* NOLINT(readability-non-const-parameter): written through f */
{
    int64_t n_groups = (n_out / PANEL + PANELS - 1) / PANELS;
    int64_t n_parts = (n_rows + PART_ROWS - 1) / PART_ROWS;
    int n_threads = azr_kernels_threads();
    const few_rows f = {.n_rows = n_rows,
                        .n_out = n_out,
                        .n_in = n_in,
                        .x = x,
                        .w = packed,
                        .y = y,
                        .n_parts = n_parts,
                        .last_begin = (n_in - 1) / DEPTH * DEPTH,
                        .ranges = azr_ranges_create(n_threads, n_groups * n_parts)};
    if (f.last_begin == 0)
        azr_ranges_open_all(f.ranges);
#pragma omp parallel for schedule(static, 1) num_threads(n_threads)
    for (int i = 0; i < n_threads; i++)
        run_thread(&f, i);
    azr_free(f.ranges);
}
