/* few_rows_avx2.c: products of few rows with f32 weights that oneDNN packed for its convolution:
 * [n_out / 8][n_in][8]. Each element is one rising chain of fused multiply-adds, as there. Here the
 * weights of the next columns are fetched while these are computed with (Zen 3, weights in memory:
 * 64 rows at 190 GFLOP/s in place of 170, one row at 43 GB/s in place of 24). */
#include "kernels/few_rows.h"

#include "azr/kernels.h"
#include "kernels/simd/vec_avx2.h"

enum {
    PANEL = 8,    /* columns that lie together */
    PANELS = 3,   /* of a tile: 4 rows x 3 vectors are 12 sums in registers */
    ROWS = 4,     /* of a tile */
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

/* What all tiles of a product have in common. */
typedef struct few_rows {
    int64_t n_rows, n_out, n_in;
    const float *x, *w;
    float *y;
} few_rows;

/* Panels [panel, panel + n) over [begin, begin + depth) of the sum. next: where the weights of the
 * panels after them begin. */
static void run_panels(const few_rows *f, int64_t panel, int64_t n, int64_t begin, int64_t depth,
                       const float *next)
{
    int64_t n_lines = depth * PANEL / LINE_FLOATS; /* of a panel */
    int64_t n_tiles = (f->n_rows + ROWS - 1) / ROWS, at = 0;
    int64_t share = (PANELS * n_lines + n_tiles - 1) / n_tiles;
    tile t = {.w = f->w + (panel * f->n_in + begin) * PANEL,
              .x_stride = f->n_in,
              .w_stride = f->n_in * PANEL,
              .y_stride = f->n_out,
              .depth = depth,
              .begins = begin == 0};
    for (int64_t r = 0; r < f->n_rows; r += ROWS) {
        int64_t line = at % n_lines, left = n_lines - line;
        int64_t n_ahead = share < left ? share : left;
        bool is_asked = at >= PANELS * n_lines; /* all of it */
        t.x = f->x + r * f->n_in + begin;
        t.y = f->y + r * f->n_out + panel * PANEL;
        t.ahead = is_asked ? t.w : next + at / n_lines * t.w_stride + line * LINE_FLOATS;
        t.last = is_asked ? t.w : t.ahead + (n_ahead - 1) * LINE_FLOATS;
        at += n_ahead;
        if (n == 3)
            run_rows(f->n_rows - r, 3, &t);
        else if (n == 2)
            run_rows(f->n_rows - r, 2, &t);
        else
            run_rows(f->n_rows - r, 1, &t);
    }
}

/* Panels [first, end), one thread. */
static void run_range(const few_rows *f, int64_t first, int64_t end)
{
    for (int64_t begin = 0; begin < f->n_in; begin += DEPTH) {
        int64_t depth = f->n_in - begin < DEPTH ? f->n_in - begin : DEPTH;
        for (int64_t panel = first; panel < end; panel += PANELS) {
            bool is_last = panel + PANELS >= end;
            int64_t next_panel = is_last ? first : panel + PANELS;
            int64_t next_begin = is_last ? begin + depth : begin;
            const float *next = f->w + (next_panel * f->n_in + next_begin) * PANEL;
            run_panels(f, panel, end - panel < PANELS ? end - panel : PANELS, begin, depth, next);
        }
    }
}

void azr_few_rows_f32_run(int64_t n_rows, int64_t n_out, int64_t n_in, const float *x,
                          const float *packed,
                          float *y) /* NOLINT(readability-non-const-parameter): written through f */
{
    const few_rows f = {n_rows, n_out, n_in, x, packed, y};
    int64_t n_panels = n_out / PANEL, n_groups = (n_panels + PANELS - 1) / PANELS;
    int n_threads = azr_kernels_threads();
#pragma omp parallel for schedule(static, 1) num_threads(n_threads)
    for (int i = 0; i < n_threads; i++) {
        int64_t first = n_groups * i / n_threads * PANELS;
        int64_t end = n_groups * (i + 1) / n_threads * PANELS;
        run_range(&f, first, end < n_panels ? end : n_panels);
    }
}
