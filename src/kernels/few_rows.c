/* few_rows.c: products of few rows (streams that decode) with bf16 weights that oneDNN packed:
 * [n_out / 64][n_in / 2][64][2]. Up to six rows read every weight for almost no work: how fast
 * memory is read is all that counts. oneDNN leaves fetching to the CPU, whose own guesses end at
 * every page of 4 KB; asking 8 KB ahead reads half as much again (Zen 4: 52 against 34 GB/s, with
 * large pages). With more rows the weights of the next columns are fetched while these are computed
 * with, and threads take over what others leave. Bits are those of oneDNN: linear.c finds its order
 * of summation and comes here only where every bit agrees. */
#include "kernels/few_rows.h"

#include "azr/kernels.h"
#include "base/check.h"
#include "base/memory.h"
#include "kernels/bf16_tile.h"
#include "kernels/ranges.h"

enum {
    PIECE_TILES = 2, /* of a piece of work: small enough for threads to end together */
    NEAR = 8192      /* bytes: how far ahead one tile asks */
};

bool azr_few_rows_takes(int64_t n_out, int64_t n_in)
{
    return n_out % COLUMNS == 0 && n_in % 32 == 0 && azr_kernels_have_bf16();
}

/* What all pieces of a product have in common. A piece is some tiles of one block. */
typedef struct few_rows {
    int64_t n_rows, n_out, n_in;
    int64_t sum_piece; /* of the sum over n_in */
    const uint16_t *x, *w;
    float *y;
    int64_t n_tiles, n_parts; /* of a block */
    azr_ranges *ranges;       /* of pieces: block by block, part by part */
} few_rows;

static int64_t tile_begin(const few_rows *f, int64_t i)
{
    return f->n_rows * i / f->n_tiles;
}

/* Lines that tile i of a block asks for: what one tile needs soon, or its equal share of the next
 * block. */
static void share_lines(const few_rows *f, int64_t i, tile *t)
{
    int64_t n_lines = f->n_in * COLUMNS * (int64_t)sizeof(uint16_t) / LINE;
    int64_t share = (n_lines + f->n_tiles - 1) / f->n_tiles, n_turns = f->n_in / (2 * STEPS);
    int64_t shift = f->n_tiles == 1 ? NEAR : (n_lines + share * i) * LINE;
    t->ahead = (uintptr_t)t->w + (uintptr_t)shift;
    t->last = t->ahead + (uintptr_t)((share - 1) * LINE);
    t->n_lines = (share + n_turns - 1) / n_turns;
}

static void run_piece(const few_rows *f, int64_t piece, bool asks)
{
    int64_t block = piece / f->n_parts, first = piece % f->n_parts * PIECE_TILES;
    int64_t end = first + PIECE_TILES < f->n_tiles ? first + PIECE_TILES : f->n_tiles;
    for (int64_t i = first; i < end; i++) {
        int64_t row = tile_begin(f, i), n_rows = tile_begin(f, i + 1) - row;
        const uint16_t *w = f->w + block * f->n_in * COLUMNS;
        tile t = {.w = w,
                  .y = f->y + row * f->n_out + block * COLUMNS,
                  .x_stride = f->n_in,
                  .y_stride = f->n_out};
        if (asks)
            share_lines(f, i, &t);
        for (int64_t k = 0; k < f->n_in; k += f->sum_piece) {
            int64_t left = f->n_in - k;
            t.x = f->x + row * f->n_in + k;
            t.w = w + k * COLUMNS;
            t.n_pairs = (left < f->sum_piece ? left : f->sum_piece) / 2;
            t.adds = k > 0;
            run_tile(n_rows, &t);
        }
    }
}

static void run_thread(const few_rows *f, int thread)
{
    int64_t begin = azr_ranges_begin(f->ranges, thread), end = azr_ranges_end(f->ranges, thread);
    int64_t piece;
    while (azr_ranges_take(f->ranges, thread, &piece)) {
        bool is_own = piece >= begin && piece + f->n_parts < end;
        run_piece(f, piece, is_own || f->n_tiles == 1);
    }
}

void azr_few_rows_run(int64_t n_rows, int64_t n_out, int64_t n_in, int64_t piece,
                      const uint16_t *rows, const uint16_t *packed,
                      float *y) /* NOLINT(readability-non-const-parameter): written through f */
{
    int64_t n_tiles = (n_rows + ROWS - 1) / ROWS;
    int64_t n_parts = (n_tiles + PIECE_TILES - 1) / PIECE_TILES;
    int n_threads = azr_kernels_threads();
    AZR_CHECK(n_rows <= AZR_FEW_ROWS && piece % (2 * STEPS) == 0 && n_in % (2 * STEPS) == 0);
    const few_rows f = {.n_rows = n_rows,
                        .n_out = n_out,
                        .n_in = n_in,
                        .sum_piece = piece,
                        .x = rows,
                        .w = packed,
                        .y = y,
                        .n_tiles = n_tiles,
                        .n_parts = n_parts,
                        .ranges = azr_ranges_create(n_threads, n_out / COLUMNS * n_parts)};
    azr_ranges_open_all(f.ranges);
#pragma omp parallel for schedule(static, 1) num_threads(n_threads)
    for (int i = 0; i < n_threads; i++)
        run_thread(&f, i);
    azr_free(f.ranges);
}
