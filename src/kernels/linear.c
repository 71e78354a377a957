/* linear.c: linear layers: how the rows of a matrix product are cut into calls of oneDNN.
 *
 * A product over R rows is cut into blocks of rows by one rule, so that few primitives exist (they
 * are made once per shape and block size and kept), and so that a row's bits never depend on R:
 * - AVX-512, and products that sum in one chain (AVX2, dnnl.c): blocks of 1024 rows, then one of
 * the largest multiple of 64, then the rest as it is.
 * - AVX2 otherwise: the last rows of a call, and calls of 288 rows or more, are summed in another
 * order there. Blocks of at most 240 rows, the last one filled up to a multiple of 12 rows, avoid
 * both.
 * The rows of a weight gradient are the summed dimension: blocks of 1024, filled up with zeros.
 * Up to 128 rows with packed weights go through few_rows.c (bf16, forward) and few_rows_avx2.c,
 * which are faster, where their bits are seen to be oneDNN's; weight gradients in bf16 through
 * weight_gradient_avx512.c. */
#include "azr/kernels.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/cpu.h"
#include "kernels/dnnl.h"
#include "kernels/few_rows.h"
#include "kernels/weight_gradient.h"

#include <string.h>

struct azr_linear {
    int64_t n_out, n_in;
    azr_dtype dtype;
    const float *w;
    azr_packed *packs[2]; /* of forward and backward_input; NULL where not needed (yet) */
    int64_t pieces[2];    /* of few rows: see find_piece */
};

enum { PIECE_UNKNOWN = 0, PIECE_NONE = -1 };

typedef struct rows_rule {
    int64_t block_rows; /* at most this many rows a call */
    int64_t fill_rows;  /* the last block is filled to a multiple; 1: as it is */
} rows_rule;

static const rows_rule wide_rule = {1024, 1}, narrow_rule = {240, 12};

/* How products are made, and room for rows that they cannot take as they are, used under the lock.
 */
static struct {
    bool is_wide;              /* wide_rule serves all products */
    bool own_weight_gradients; /* those of bf16 */
    void *scratch[3];
    size_t scratch_bytes[3];
} rows;

int azr_kernels__linear_init(int level, bool forced)
{
    if (forced)
        azr_dnnl__limit_isa(level);
    else
        level = azr_dnnl__follow_isa(level);
    rows.is_wide = level >= AZR_LEVEL_AVX512;
    rows.own_weight_gradients = level == AZR_LEVEL_AVX512_BF16 && !azr_dnnl__has_amx();
    return level;
}

static azr_product_key product_key(const azr_linear *linear, azr_product_op op, int64_t n_rows)
{
    return (azr_product_key){op, linear->dtype, n_rows, linear->n_out, linear->n_in};
}

static rows_rule rule_for(const azr_product_key *key)
{
    return rows.is_wide || azr_dnnl__sums_in_one_chain(key) ? wide_rule : narrow_rule;
}

/* --- layers ----------------------------------------------------------------------------------- */

azr_linear *azr_linear_create(int64_t n_out, int64_t n_in, azr_dtype dtype, const float *w,
                              azr_error *error)
{
    AZR_CHECK(n_out > 0 && n_in > 0);
    azr_linear *linear = azr_alloc(1, sizeof *linear);
    linear->n_out = n_out;
    linear->n_in = n_in;
    linear->w = w;
    if (azr_dtype_resolve(dtype, &linear->dtype, error) != AZR_OK)
        goto failed;
    azr_dnnl__lock();
    azr_product_key kind = product_key(linear, AZR_PRODUCT_FORWARD, 64);
    bool accepted = azr_dnnl__product_accepts(&kind), enough = true;
    if (accepted && azr_dnnl__packs_weights(&kind)) {
        linear->packs[AZR_PRODUCT_FORWARD] = azr_dnnl__pack_create(&kind, w);
        enough = linear->packs[AZR_PRODUCT_FORWARD] != NULL;
    }
    azr_dnnl__unlock();
    if (accepted && enough)
        return linear;
    if (accepted)
        azr_error_set(error, AZR_ERROR_MEMORY, "no memory for a %lld x %lld matrix",
                      (long long)n_out, (long long)n_in);
    else
        azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                      "oneDNN refuses a product with a %lld x %lld matrix", (long long)n_out,
                      (long long)n_in);
failed:
    azr_linear_destroy(linear);
    return NULL;
}

void azr_linear_destroy(azr_linear *linear)
{
    if (linear == NULL)
        return;
    for (int i = 0; i < 2; i++)
        azr_dnnl__pack_destroy(linear->packs[i]);
    azr_free(linear);
}

void azr_linear_release(azr_linear *linear)
{
    azr_dnnl__lock();
    for (int i = 0; i < 2; i++) {
        azr_dnnl__pack_destroy(linear->packs[i]);
        linear->packs[i] = NULL;
    }
    azr_dnnl__unlock();
}

void azr_linear_refresh(azr_linear *linear)
{
    azr_dnnl__lock();
    for (int i = 0; i < 2; i++)
        if (linear->packs[i] != NULL)
            azr_dnnl__pack_refresh(linear->packs[i]);
    azr_dnnl__unlock();
}

static int64_t fill_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* What one kind of product packs, in tiles of 64 x 64 (bf16) or 8 x 8. */
static size_t packed_bytes(azr_product_op op, int64_t n_out, int64_t n_in, bool bf16)
{
    azr_product_key kind = {op, bf16 ? AZR_DTYPE_BF16 : AZR_DTYPE_F32, 64, n_out, n_in};
    int64_t side = bf16 ? 64 : 8;
    size_t size = bf16 ? sizeof(uint16_t) : sizeof(float);
    return azr_dnnl__packs_weights(&kind)
               ? (size_t)(fill_up(n_out, side) * fill_up(n_in, side)) * size
               : 0;
}

size_t azr_linear_bytes(int64_t n_out, int64_t n_in, azr_dtype dtype, bool trains)
{
    bool bf16 = dtype == AZR_DTYPE_BF16 || (dtype == AZR_DTYPE_AUTO && azr_kernels_have_bf16());
    return packed_bytes(AZR_PRODUCT_FORWARD, n_out, n_in, bf16) +
           (trains ? packed_bytes(AZR_PRODUCT_BACKWARD_INPUT, n_out, n_in, bf16) : 0);
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Contents are undefined. */
static void *scratch_of(int i, size_t bytes)
{
    if (rows.scratch_bytes[i] < bytes) {
        azr_free(rows.scratch[i]);
        rows.scratch[i] = azr_try_alloc_aligned(bytes, 1);
        rows.scratch_bytes[i] = rows.scratch[i] != NULL ? bytes : 0;
    }
    AZR_CHECK(rows.scratch[i] != NULL);
    return rows.scratch[i];
}

/* Long arrays, in parallel. */
static void to_bf16(int64_t n, const float *x, uint16_t *y)
{
    const azr_kernel_table *table = azr_kernels__table();
    enum { CHUNK = 1 << 14 };
    int64_t n_chunks = (n + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(n_chunks > 1 ? azr_kernels_threads() : 1)
    for (int64_t i = 0; i < n_chunks; i++) {
        int64_t at = i * CHUNK, left = n - at;
        table->to_bf16(left < CHUNK ? left : CHUNK, x + at, y + at);
    }
}

/* Rows of the next block when n_rows are left. */
static int64_t next_block(rows_rule rule, int64_t n_rows)
{
    if (n_rows >= rule.block_rows)
        return rule.block_rows;
    if (rule.fill_rows == 1 && n_rows >= 64)
        return n_rows / 64 * 64;
    return n_rows;
}

/* The rows as oneDNN shall see them: in bf16, or filled up with zero rows, in scratch i; or in
 * place. */
static const void *prepare_rows(int i, azr_dtype dtype, int64_t n_rows, int64_t n_filled,
                                int64_t n_columns, const float *x)
{
    size_t n = (size_t)(n_rows * n_columns), n_zeros = (size_t)((n_filled - n_rows) * n_columns);
    if (dtype == AZR_DTYPE_BF16) {
        uint16_t *rounded = scratch_of(i, (n + n_zeros) * sizeof *rounded);
        to_bf16((int64_t)n, x, rounded);
        memset(rounded + n, 0, n_zeros * sizeof *rounded);
        return rounded;
    }
    if (n_filled == n_rows)
        return x;
    float *filled = scratch_of(i, (n + n_zeros) * sizeof *filled);
    memcpy(filled, x, n * sizeof *filled);
    memset(filled + n, 0, n_zeros * sizeof *filled);
    return filled;
}

/* The weights as products of this kind take them. Only training pays for those of backward_input:
 * they are made at its first; and what was released is made again. */
static const void *weights_for(azr_linear *linear, azr_product_op op)
{
    azr_product_key kind = product_key(linear, op, 64);
    if (!azr_dnnl__packs_weights(&kind))
        return linear->w;
    if (linear->packs[op] == NULL) {
        linear->packs[op] = azr_dnnl__pack_create(&kind, linear->w);
        AZR_CHECK(linear->packs[op] != NULL);
        azr_dnnl__pack_refresh(linear->packs[op]);
    }
    return azr_dnnl__pack_bytes(linear->packs[op]);
}

/* One product of n_rows rows of n_x numbers, with the scratch that oneDNN needs where the rule
 * fills rows up. */
static void run_block(const azr_linear *linear, azr_product_key *key, int64_t n_rows, const void *x,
                      const void *w, float *y)
{
    int64_t n_y = key->op == AZR_PRODUCT_FORWARD ? linear->n_out : linear->n_in;
    size_t n_filled = (size_t)(key->n_rows * n_y);
    float *result = key->n_rows == n_rows ? y : scratch_of(1, n_filled * sizeof(float));
    azr_dnnl__product_run(key, x, w, result);
    if (result != y)
        memcpy(y, result, (size_t)(n_rows * n_y) * sizeof(float));
}

/* A product of few rows with n_x numbers each to n_y, over pieces of the sum of so many. */
static void run_few(azr_dtype dtype, int64_t n_rows, int64_t n_y, int64_t n_x, int64_t piece,
                    const void *x, const void *packed, float *y)
{
    if (dtype == AZR_DTYPE_BF16)
        azr_few_rows_run(n_rows, n_y, n_x, piece, x, packed, y);
    else
        azr_few_rows_f32_run(n_rows, n_y, n_x, x, packed, y);
}

/* How oneDNN cuts the sum over n_x of one row: the piece with which the kernels for few rows give
 * its bits in every column (f32: the whole). PIECE_NONE: none does. PIECE_UNKNOWN: these weights
 * cannot tell; later ones may. */
static int64_t find_piece(const azr_product_key *kind, int64_t n_y, int64_t n_x, const void *packed)
{
    int64_t found = PIECE_NONE, pieces[] = {n_x, 512, 1024};
    size_t n_pieces = kind->dtype == AZR_DTYPE_BF16 ? AZR_COUNT(pieces) : 1;
    azr_product_key product = *kind;
    azr_rng_key random = {0, AZR_RNG_TEST, 0, 0};
    float *row = azr_alloc((size_t)n_x, sizeof *row);
    float *wanted = azr_alloc((size_t)n_y, sizeof *wanted);
    float *got = azr_alloc((size_t)n_y, sizeof *got);
    for (int64_t i = 0; i < n_x; i++)
        row[i] = (float)azr_rng_uniform(&random, (uint32_t)i) - 0.5F;
    product.n_rows = 1;
    const void *prepared = prepare_rows(0, kind->dtype, 1, 1, n_x, row);
    azr_dnnl__product_run(&product, prepared, packed, wanted);
    int64_t n_other = 0, n_found = 0;
    for (int64_t i = 0; i < n_y; i++)
        n_other += wanted[i] != wanted[0];
    for (size_t i = 0; i < n_pieces; i++) {
        if (i > 0 && pieces[i] >= n_x)
            continue;
        run_few(kind->dtype, 1, n_y, n_x, pieces[i], prepared, packed, got);
        if (memcmp(wanted, got, (size_t)n_y * sizeof *got) == 0) {
            found = pieces[i];
            n_found++;
        }
    }
    azr_free(row);
    azr_free(wanted);
    azr_free(got);
    return n_found > 1 || n_other < n_y / 2 ? PIECE_UNKNOWN : found;
}

/* Whether there is a kernel for this product of few rows. */
static bool is_few(const azr_product_key *key, int64_t n_y, int64_t n_x)
{
    if (key->dtype == AZR_DTYPE_BF16)
        return key->n_rows <= AZR_FEW_ROWS && key->op == AZR_PRODUCT_FORWARD &&
               azr_few_rows_takes(n_y, n_x);
    return key->n_rows <= AZR_FEW_ROWS_F32 && azr_dnnl__sums_in_one_chain(key) &&
           azr_few_rows_f32_takes(n_y, n_x);
}

/* y = x W or x Wᵀ of key->n_rows rows; false: not here. */
static bool run_few_rows(azr_linear *linear, const azr_product_key *key, const void *w,
                         const float *x, float *y)
{
    bool forward = key->op == AZR_PRODUCT_FORWARD;
    int64_t n_y = forward ? linear->n_out : linear->n_in;
    int64_t n_x = forward ? linear->n_in : linear->n_out, *piece = &linear->pieces[key->op];
    if (*piece == PIECE_NONE || !is_few(key, n_y, n_x))
        return false;
    if (*piece == PIECE_UNKNOWN)
        *piece = find_piece(key, n_y, n_x, w);
    if (*piece <= 0)
        return false;
    const void *prepared = prepare_rows(0, linear->dtype, key->n_rows, key->n_rows, n_x, x);
    run_few(linear->dtype, key->n_rows, n_y, n_x, *piece, prepared, w, y);
    return true;
}

/* y = x W or x Wᵀ, block by block. */
static void run_rows(const azr_linear *linear, azr_product_op op, int64_t n_rows, const float *x,
                     float *y)
{
    int64_t n_x = op == AZR_PRODUCT_FORWARD ? linear->n_in : linear->n_out;
    int64_t n_y = op == AZR_PRODUCT_FORWARD ? linear->n_out : linear->n_in;
    azr_product_key key = product_key(linear, op, 0);
    rows_rule rule = rule_for(&key);
    azr_dnnl__lock();
    /* The packed copy is made behind the constant layer, under the lock. */
    const void *w = weights_for((azr_linear *)linear, op);
    while (n_rows > 0) {
        key.n_rows = n_rows;
        if (run_few_rows((azr_linear *)linear, &key, w, x, y))
            break;
        int64_t n = next_block(rule, n_rows);
        key.n_rows = fill_up(n, rule.fill_rows);
        run_block(linear, &key, n, prepare_rows(0, linear->dtype, n, key.n_rows, n_x, x), w, y);
        n_rows -= n;
        x += n * n_x;
        y += n * n_y;
    }
    azr_dnnl__unlock();
}

void azr_linear_forward(const azr_linear *linear, int64_t n_rows, const float *x, float *y)
{
    run_rows(linear, AZR_PRODUCT_FORWARD, n_rows, x, y);
}

void azr_linear_backward_input(const azr_linear *linear, int64_t n_rows, const float *dy, float *dx)
{
    run_rows(linear, AZR_PRODUCT_BACKWARD_INPUT, n_rows, dy, dx);
}

/* Rows of a weight gradient that are summed at a time, and what they are filled up to. */
enum { WEIGHT_BLOCK = 1024, WEIGHT_FILL = 64 }; /* WEIGHT_BLOCK: as wide_rule's */

/* run_weight_block without oneDNN. */
static const void *run_own_weight_block(const azr_linear *linear, int64_t n, const float *x,
                                        const float *dy, float *dw)
{
    int64_t n_out = linear->n_out, n_in = linear->n_in;
    int64_t n_filled = fill_up(n, AZR_WEIGHT_GRADIENT_FILL);
    uint16_t *panels = scratch_of(0, (size_t)(n_filled * n_in) * sizeof *panels);
    uint16_t *dy_rows = scratch_of(1, (size_t)(n * n_out) * sizeof *dy_rows);
    uint16_t *columns = scratch_of(2, (size_t)(n_filled * n_out) * sizeof *columns);
    azr_weight_gradient_pack_x(n, n_filled, n_in, x, panels);
    azr_weight_gradient_pack_dy(n, n_filled, n_out, dy, dy_rows, columns);
    azr_weight_gradient_run(n_filled, n_out, n_in, columns, panels, dw);
    return dy_rows;
}

static bool has_own_weight_gradient(azr_dtype dtype, int64_t n_in)
{
    return dtype == AZR_DTYPE_BF16 && rows.own_weight_gradients &&
           n_in % AZR_WEIGHT_GRADIENT_COLUMNS == 0;
}

/* One block of a weight gradient; returns its rows of dy as the product saw them. */
static const void *run_weight_block(const azr_linear *linear, int64_t n, const float *x,
                                    const float *dy, float *dw)
{
    if (has_own_weight_gradient(linear->dtype, linear->n_in))
        return run_own_weight_block(linear, n, x, dy, dw);
    azr_product_key key = product_key(linear, AZR_PRODUCT_BACKWARD_WEIGHT, fill_up(n, WEIGHT_FILL));
    const void *x_rows = prepare_rows(0, linear->dtype, n, key.n_rows, linear->n_in, x);
    const void *dy_rows = prepare_rows(1, linear->dtype, n, key.n_rows, linear->n_out, dy);
    azr_dnnl__product_run(&key, dy_rows, x_rows, dw);
    return dy_rows;
}

void azr_linear_backward_weight(const azr_linear *linear, int64_t n_rows, const float *x,
                                const float *dy, float *dw)
{
    azr_dnnl__lock();
    for (int64_t at = 0; at < n_rows; at += WEIGHT_BLOCK) {
        int64_t n = n_rows - at < WEIGHT_BLOCK ? n_rows - at : WEIGHT_BLOCK;
        run_weight_block(linear, n, x + at * linear->n_in, dy + at * linear->n_out, dw);
    }
    azr_dnnl__unlock();
}

/* dx of n rows of dy that are bf16 already, in the blocks of run_rows. */
static void run_rounded_rows(const azr_linear *linear, int64_t n_rows, const uint16_t *dy,
                             const void *w, float *dx)
{
    azr_product_key key = product_key(linear, AZR_PRODUCT_BACKWARD_INPUT, 0);
    while (n_rows > 0) {
        key.n_rows = next_block(wide_rule, n_rows);
        run_block(linear, &key, key.n_rows, dy, w, dx);
        n_rows -= key.n_rows;
        dy += key.n_rows * linear->n_out;
        dx += key.n_rows * linear->n_in;
    }
}

void azr_linear_backward(const azr_linear *linear, int64_t n_rows, const float *x, const float *dy,
                         float *dx, float *dw)
{
    if (linear->dtype != AZR_DTYPE_BF16 || !rows.is_wide) {
        azr_linear_backward_weight(linear, n_rows, x, dy, dw);
        azr_linear_backward_input(linear, n_rows, dy, dx);
        return;
    }
    azr_dnnl__lock();
    const void *w = weights_for((azr_linear *)linear, AZR_PRODUCT_BACKWARD_INPUT);
    for (int64_t at = 0; at < n_rows; at += WEIGHT_BLOCK) {
        int64_t n = n_rows - at < WEIGHT_BLOCK ? n_rows - at : WEIGHT_BLOCK;
        const void *rounded =
            run_weight_block(linear, n, x + at * linear->n_in, dy + at * linear->n_out, dw);
        run_rounded_rows(linear, n, rounded, w, dx + at * linear->n_in);
    }
    azr_dnnl__unlock();
}

size_t azr_kernels__linear_scratch(void)
{
    return rows.scratch_bytes[0] + rows.scratch_bytes[1] + rows.scratch_bytes[2];
}

size_t azr_linear_scratch_bytes(int64_t n_rows, int64_t n_out, int64_t n_in, azr_dtype dtype)
{
    bool bf16 = dtype == AZR_DTYPE_BF16 || (dtype == AZR_DTYPE_AUTO && azr_kernels_have_bf16());
    int64_t n = n_rows < WEIGHT_BLOCK ? fill_up(n_rows, WEIGHT_FILL) : WEIGHT_BLOCK;
    int64_t columns = has_own_weight_gradient(bf16 ? AZR_DTYPE_BF16 : dtype, n_in) ? n_out : 0;
    return (size_t)(n * (n_in + n_out + columns)) * (bf16 ? sizeof(uint16_t) : sizeof(float));
}
