/* weight_gradient_avx512.c: dW += dyᵀ x in bf16. oneDNN takes dy as it lies, and transposes it
 * piece by piece for every 64 columns of x; here it is transposed once, where it is rounded anyway,
 * and each tile's gradients are asked for before its sum begins (Zen 4: at the speed of forward
 * products, in place of 0.9 of it, and 0.8 for blocks of the LM head). */
#include "kernels/weight_gradient.h"

#include "azr/kernels.h"
#include "base/memory.h"
#include "kernels/bf16_tile.h"
#include "kernels/ranges.h"
#include "kernels/simd/vec_avx512.h"

enum {
    PIECE_TILES = 8, /* of a piece of work */
    FILL = AZR_WEIGHT_GRADIENT_FILL,
    WIDTH = 4096,            /* columns that a thread transposes at a time */
    AHEAD = 64,              /* numbers of a row */
    SECOND_CACHE = 768 << 10 /* bytes of x that stay there */
};

/* --- rounding and ordering -------------------------------------------------------------------- */

static vf load_row(const float *x, int64_t row, int64_t n_rows, int64_t n_columns, int64_t at)
{
    return row < n_rows ? v_load_n(x + row * n_columns + at, n_columns - at) : v_zero();
}

/* Pairs of bf16 numbers, one of each. */
static vf bf16_pairs(vf first, vf second)
{
    __m512i high = _mm512_and_si512(v_round_to_bf16(second), _mm512_set1_epi32(-65536));
    __m512i low = _mm512_srli_epi32(v_round_to_bf16(first), 16);
    return _mm512_castsi512_ps(_mm512_or_si512(high, low));
}

static void store_pairs(uint16_t *p, vf pairs)
{
    _mm512_storeu_si512(p, _mm512_castps_si512(pairs));
}

static void pack_pair(int64_t pair, int64_t n_rows, int64_t n_filled, int64_t n_in, const float *x,
                      uint16_t *panels)
{
    for (int64_t at = 0; at < n_in; at += VW) {
        uint16_t *out = panels + (at / COLUMNS * n_filled + 2 * pair) * COLUMNS + at % COLUMNS * 2;
        store_pairs(out, bf16_pairs(load_row(x, 2 * pair, n_rows, n_in, at),
                                    load_row(x, 2 * pair + 1, n_rows, n_in, at)));
    }
}

void azr_weight_gradient_pack_x(int64_t n_rows, int64_t n_filled, int64_t n_in, const float *x,
                                uint16_t *panels)
{
#pragma omp parallel for schedule(static) num_threads(azr_kernels_threads())
    for (int64_t pair = 0; pair < n_filled / 2; pair++)
        pack_pair(pair, n_rows, n_filled, n_in, x, panels);
}

/* A row's VW numbers at `at`, zeros behind the last row; to `rows` too, in bf16. */
static vf take_row(int64_t row, int64_t n_rows, int64_t n_out, const float *dy, int64_t at,
                   uint16_t *rows)
{
    if (row >= n_rows)
        return v_zero();
    const float *x = dy + row * n_out + at;
    if (n_out - at > AHEAD)
        _mm_prefetch((const char *)(x + AHEAD), _MM_HINT_T0);
    vf numbers = v_load_n(x, n_out - at);
    v_store_bf16(rows + row * n_out + at, n_out - at, numbers);
    return numbers;
}

/* A whole line, past the caches: its old contents need not be read. */
static void stream_pairs(uint16_t *p, vf pairs)
{
    _mm512_stream_si512((void *)p, _mm512_castps_si512(pairs));
}

/* Columns [begin, end) of FILL rows from `row` on: a line of each column. */
static void pack_square(int64_t row, int64_t begin, int64_t end, int64_t n_rows, int64_t n_filled,
                        int64_t n_out, const float *dy, uint16_t *rows, uint16_t *columns)
{
    for (int64_t at = begin; at < end; at += VW) {
        vf square[VW];
#pragma GCC unroll 16
        for (int i = 0; i < VW; i++)
            square[i] = bf16_pairs(take_row(row + 2 * i, n_rows, n_out, dy, at, rows),
                                   take_row(row + 2 * i + 1, n_rows, n_out, dy, at, rows));
        v_transpose(square);
        for (int i = 0; i < VW && at + i < n_out; i++)
            stream_pairs(columns + (at + i) * n_filled + row, square[i]);
    }
    _mm_sfence(); /* before another thread reads the lines */
}

void azr_weight_gradient_pack_dy(int64_t n_rows, int64_t n_filled, int64_t n_out, const float *dy,
                                 uint16_t *rows, uint16_t *columns)
{
#pragma omp parallel for collapse(2) schedule(static) num_threads(azr_kernels_threads())
    for (int64_t row = 0; row < n_filled; row += FILL)
        for (int64_t at = 0; at < n_out; at += WIDTH)
            pack_square(row, at, n_out - at < WIDTH ? n_out : at + WIDTH, n_rows, n_filled, n_out,
                        dy, rows, columns);
}

/* --- the product ------------------------------------------------------------------------------ */

/* What all pieces have in common. A piece is some tiles, ROWS rows of dW each, of one panel. */
typedef struct gradient {
    int64_t n_filled, n_out, n_in;
    const uint16_t *columns, *panels;
    float *dw;
    int64_t n_panels, n_parts; /* of the tiles of a panel */
    bool rows_first;    /* all panels of some rows, then the next rows; else panel by panel */
    azr_ranges *ranges; /* of pieces */
} gradient;

static void run_piece(const gradient *g, int64_t piece)
{
    int64_t panel = g->rows_first ? piece % g->n_panels : piece / g->n_parts;
    int64_t part = g->rows_first ? piece / g->n_panels : piece % g->n_parts;
    int64_t row = part * PIECE_TILES * ROWS, end = row + (int64_t)PIECE_TILES * ROWS;
    int64_t n_lines = ROWS * g->n_filled * (int64_t)sizeof(uint16_t) / LINE;
    int64_t n_turns = g->n_filled / (2 * STEPS);
    for (; row < end && row < g->n_out; row += ROWS) {
        uintptr_t next = (uintptr_t)(g->columns + row * g->n_filled) + (uintptr_t)(n_lines * LINE);
        tile t = {.x = g->columns + row * g->n_filled,
                  .w = g->panels + panel * g->n_filled * COLUMNS,
                  .y = g->dw + row * g->n_in + panel * COLUMNS,
                  .x_stride = g->n_filled,
                  .y_stride = g->n_in,
                  .n_pairs = g->n_filled / 2,
                  .adds = true,
                  .ahead = next,
                  .last = next + (uintptr_t)((n_lines - 1) * LINE),
                  .n_lines = (n_lines + n_turns - 1) / n_turns};
        run_tile(g->n_out - row < ROWS ? g->n_out - row : ROWS, &t);
    }
}

void azr_weight_gradient_run(int64_t n_filled, int64_t n_out, int64_t n_in, const uint16_t *columns,
                             const uint16_t *panels,
                             float *dw) /* NOLINT(readability-non-const-parameter): through g */
{
    int64_t n_parts = (n_out + PIECE_TILES * ROWS - 1) / (PIECE_TILES * ROWS);
    int64_t n_panels = n_in / COLUMNS;
    int n_threads = azr_kernels_threads();
    const gradient g = {.n_filled = n_filled,
                        .n_out = n_out,
                        .n_in = n_in,
                        .columns = columns,
                        .panels = panels,
                        .dw = dw,
                        .n_panels = n_panels,
                        .n_parts = n_parts,
                        .rows_first = n_in * n_filled * (int64_t)sizeof(uint16_t) <= SECOND_CACHE,
                        .ranges = azr_ranges_create(n_threads, n_panels * n_parts)};
    azr_ranges_open_all(g.ranges);
#pragma omp parallel for schedule(static, 1) num_threads(n_threads)
    for (int i = 0; i < n_threads; i++)
        for (int64_t piece; azr_ranges_take(g.ranges, i, &piece);)
            run_piece(&g, piece);
    azr_free(g.ranges);
}
