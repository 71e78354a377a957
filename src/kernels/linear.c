/* linear.c: every matrix product, and the only file that knows oneDNN (2.6 or 3.x, OpenMP build).
 *
 * A product over R rows is cut into blocks of rows by one rule, so that few primitives exist (they
 * are made once per shape and block size and kept), and so that a row's bits never depend on R:
 * - AVX-512: blocks of 1024 rows, then one of the largest multiple of 64, then the rest as it is.
 * - AVX2: the last rows of a call, and calls of 288 rows or more, are summed in another order
 * there. Blocks of at most 240 rows, the last one filled up to a multiple of 12 rows, avoid both.
 * The rows of a weight gradient are the summed dimension: blocks as above, filled up with zeros. */
#include "azr/kernels.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "kernels/cpu.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <string.h>

/* --- oneDNN, whichever version ------------------------------------------------------------------
 */

typedef enum operation { FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT } operation;

/* A matrix as oneDNN may find it: with strides, or (any) in the layout that suits the product. */
typedef struct matrix {
    int64_t n_rows, n_columns, row_stride, column_stride;
    dnnl_data_type_t type;
    bool any;
} matrix;

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t const_layout;

static dnnl_status_t layout_create(const matrix *m, dnnl_memory_desc_t *out)
{
    dnnl_dims_t dims = {m->n_rows, m->n_columns}, strides = {m->row_stride, m->column_stride};
    if (m->any)
        return dnnl_memory_desc_create_with_tag(out, 2, dims, m->type, dnnl_format_tag_any);
    return dnnl_memory_desc_create_with_strides(out, 2, dims, m->type, strides);
}

static const_layout layout_of(const dnnl_memory_desc_t *desc)
{
    return *desc;
}

static void layout_destroy(dnnl_memory_desc_t *desc)
{
    dnnl_memory_desc_destroy(*desc);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, const_layout src,
                                      const_layout weights, const_layout dst,
                                      dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    return dnnl_matmul_primitive_desc_create(out, engine, src, weights, NULL, dst, attr);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F, 0, dnnl_data_type_undef);
}
#else
typedef const dnnl_memory_desc_t *const_layout;

static dnnl_status_t layout_create(const matrix *m, dnnl_memory_desc_t *out)
{
    dnnl_dims_t dims = {m->n_rows, m->n_columns}, strides = {m->row_stride, m->column_stride};
    if (m->any)
        return dnnl_memory_desc_init_by_tag(out, 2, dims, m->type, dnnl_format_tag_any);
    return dnnl_memory_desc_init_by_strides(out, 2, dims, m->type, strides);
}

static const_layout layout_of(const dnnl_memory_desc_t *desc)
{
    return desc;
}

static void layout_destroy(dnnl_memory_desc_t *desc)
{
    (void)desc;
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, const_layout src,
                                      const_layout weights, const_layout dst,
                                      dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    dnnl_matmul_desc_t matmul;
    dnnl_status_t status = dnnl_matmul_desc_init(&matmul, src, weights, NULL, dst);
    return status != dnnl_success ? status
                                  : dnnl_primitive_desc_create(out, &matmul, attr, engine, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F);
}
#endif

/* --- products that exist ------------------------------------------------------------------------
 */

/* A product dst = src * weights (+ dst for BACKWARD_WEIGHT), made for one shape. */
typedef struct product {
    struct product *next;
    operation op;
    azr_dtype dtype;
    int64_t n_rows, n_out, n_in;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, weights, dst;
} product;

enum { N_BUCKETS = 256 };

/* One for the process, like the CPU it stands for. The lock covers a whole product: memory handles
 * and scratch are shared, and the threads are busy anyway. */
static struct {
    pthread_mutex_t lock;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    product *buckets[N_BUCKETS];
    void *scratch[2];
    size_t scratch_bytes[2];
    int64_t block_rows; /* at most this many rows a call */
    int64_t fill_rows;  /* the last block of forward is filled to a multiple; 1: as it is */
} dnnl = {.lock = PTHREAD_MUTEX_INITIALIZER, .block_rows = 240, .fill_rows = 12};

void azr_kernels__linear_init(int level)
{
    bool wide = level >= AZR_LEVEL_AVX512;
    dnnl.block_rows = wide ? 1024 : 240;
    dnnl.fill_rows = wide ? 1 : 12;
    /* oneDNN takes this only before its first primitive; later calls change nothing. */
    if (level < AZR_LEVEL_AVX512)
        dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    else if (level == AZR_LEVEL_AVX512)
        dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_vnni);
}

/* NULL when memory is exhausted. Contents are undefined. */
static void *scratch_of(int i, size_t bytes)
{
    if (dnnl.scratch_bytes[i] < bytes) {
        azr_free(dnnl.scratch[i]);
        dnnl.scratch[i] = azr_try_alloc_aligned(bytes, 1);
        dnnl.scratch_bytes[i] = dnnl.scratch[i] != NULL ? bytes : 0;
    }
    AZR_CHECK(dnnl.scratch[i] != NULL);
    return dnnl.scratch[i];
}

/* bf16 weights lie packed as oneDNN likes them (measured on Zen 5: 8 to 25 % faster at 64 rows, 3
 * to 7 % at 1024; the layout does not depend on the number of rows); f32 weights as they are. */
static bool packs_weights(azr_dtype dtype, operation op)
{
    return dtype == AZR_DTYPE_BF16 && op != BACKWARD_WEIGHT;
}

static void describe(const product *p, matrix *src, matrix *weights, matrix *dst)
{
    dnnl_data_type_t type = p->dtype == AZR_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    bool any = packs_weights(p->dtype, p->op);
    int64_t r = p->n_rows, out = p->n_out, in = p->n_in;
    if (p->op == FORWARD) {
        *src = (matrix){r, in, in, 1, type, false};
        *weights = (matrix){in, out, 1, in, type, any};
        *dst = (matrix){r, out, out, 1, dnnl_f32, false};
    } else if (p->op == BACKWARD_INPUT) {
        *src = (matrix){r, out, out, 1, type, false};
        *weights = (matrix){out, in, in, 1, type, any};
        *dst = (matrix){r, in, in, 1, dnnl_f32, false};
    } else {
        *src = (matrix){out, r, 1, out, type, false};
        *weights = (matrix){r, in, in, 1, type, false};
        *dst = (matrix){out, in, in, 1, dnnl_f32, false};
    }
}

static void product_destroy(product *p)
{
    if (p == NULL)
        return;
    if (p->primitive != NULL)
        dnnl_primitive_destroy(p->primitive);
    dnnl_memory_t memories[] = {p->src, p->weights, p->dst};
    for (size_t i = 0; i < AZR_COUNT(memories); i++)
        if (memories[i] != NULL)
            dnnl_memory_destroy(memories[i]);
    azr_free(p);
}

/* Adds to what is there, when it must. */
static dnnl_status_t make_attributes(bool accumulates, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status != dnnl_success || !accumulates)
        return status;
    status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
        status = append_sum(ops);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*out, ops);
    if (ops != NULL)
        dnnl_post_ops_destroy(ops);
    return status;
}

/* Memory objects in the layouts that the described product takes; their addresses come later. */
static dnnl_status_t make_memories(product *p, dnnl_primitive_desc_t desc)
{
    static const dnnl_query_t queries[] = {dnnl_query_src_md, dnnl_query_weights_md,
                                           dnnl_query_dst_md};
    dnnl_memory_t *memories[] = {&p->src, &p->weights, &p->dst};
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < AZR_COUNT(queries) && status == dnnl_success; i++)
        status = dnnl_memory_create(memories[i], dnnl_primitive_desc_query_md(desc, queries[i], 0),
                                    dnnl.engine, DNNL_MEMORY_NONE);
    return status;
}

static dnnl_status_t product_create(const product *key, product **out)
{
    product *p = azr_alloc(1, sizeof *p);
    matrix matrices[3];
    dnnl_memory_desc_t layouts[3];
    size_t n_layouts = 0;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    *p = *key;
    describe(p, &matrices[0], &matrices[1], &matrices[2]);
    dnnl_status_t status = make_attributes(p->op == BACKWARD_WEIGHT, &attr);
    for (; n_layouts < 3 && status == dnnl_success; n_layouts += status == dnnl_success)
        status = layout_create(&matrices[n_layouts], &layouts[n_layouts]);
    if (status == dnnl_success)
        status = describe_product(&desc, layout_of(&layouts[0]), layout_of(&layouts[1]),
                                  layout_of(&layouts[2]), attr, dnnl.engine);
    if (status == dnnl_success)
        status = make_memories(p, desc);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&p->primitive, desc);
    if (desc != NULL)
        dnnl_primitive_desc_destroy(desc);
    while (n_layouts > 0)
        layout_destroy(&layouts[--n_layouts]);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success) {
        product_destroy(p);
        p = NULL;
    }
    *out = p;
    return status;
}

static dnnl_status_t engine_open(void)
{
    dnnl_status_t status = dnnl_success;
    if (dnnl.engine == NULL)
        status = dnnl_engine_create(&dnnl.engine, dnnl_cpu, 0);
    if (status == dnnl_success && dnnl.stream == NULL)
        status = dnnl_stream_create(&dnnl.stream, dnnl.engine, dnnl_stream_default_flags);
    return status;
}

static dnnl_status_t product_find(const product *key, product **out)
{
    uint64_t hash = (uint64_t)key->n_rows * 0x9E3779B97F4A7C15U + (uint64_t)key->n_out * 1000003U +
                    (uint64_t)key->n_in * 10007U + (uint64_t)key->op * 3 + (uint64_t)key->dtype;
    product **bucket = &dnnl.buckets[(hash ^ hash >> 32) % N_BUCKETS];
    for (product *p = *bucket; p != NULL; p = p->next) {
        if (p->n_rows == key->n_rows && p->n_out == key->n_out && p->n_in == key->n_in &&
            p->op == key->op && p->dtype == key->dtype) {
            *out = p;
            return dnnl_success;
        }
    }
    dnnl_status_t status = engine_open();
    if (status == dnnl_success)
        status = product_create(key, out);
    if (status == dnnl_success) {
        (*out)->next = *bucket;
        *bucket = *out;
    }
    return status;
}

/* oneDNN takes OpenMP's setting, which each calling thread has its own of. */
static void use_threads(void)
{
    if (omp_get_max_threads() != azr_kernels_threads())
        omp_set_num_threads(azr_kernels_threads());
}

static void product_run(const product *key, const void *src, const void *weights, float *dst)
{
    product *p = NULL;
    AZR_CHECK_EQ(product_find(key, &p), dnnl_success);
    dnnl_memory_set_data_handle(p->src, (void *)src);
    dnnl_memory_set_data_handle(p->weights, (void *)weights);
    dnnl_memory_set_data_handle(p->dst, dst);
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, p->src}, {DNNL_ARG_WEIGHTS, p->weights}, {DNNL_ARG_DST, p->dst}};
    use_threads();
    AZR_CHECK_EQ(dnnl_primitive_execute(p->primitive, dnnl.stream, 3, args), dnnl_success);
    AZR_CHECK_EQ(dnnl_stream_wait(dnnl.stream), dnnl_success);
}

/* --- packed weights ------------------------------------------------------------------------------
 */

/* Weights in the layout of one kind of product. */
typedef struct packed {
    void *bytes; /* NULL until needed */
    dnnl_primitive_t reorder;
    dnnl_memory_t from, to;
} packed;

struct azr_linear {
    int64_t n_out, n_in;
    azr_dtype dtype;
    const float *w;
    packed *packs; /* for FORWARD and BACKWARD_INPUT; unused in f32 */
};

static product product_key(const azr_linear *linear, operation op, int64_t n_rows)
{
    return (product){.op = op,
                     .dtype = linear->dtype,
                     .n_rows = n_rows,
                     .n_out = linear->n_out,
                     .n_in = linear->n_in};
}

/* The layout that products of this kind take, and a reorder from w to it. */
static dnnl_status_t pack_create(const azr_linear *linear, operation op, packed *pack)
{
    product key = product_key(linear, op, 64), *p = NULL;
    matrix src, weights, dst;
    dnnl_memory_desc_t plain;
    const_layout wanted;
    dnnl_primitive_desc_t desc = NULL;
    describe(&key, &src, &weights, &dst);
    weights.type = dnnl_f32;
    weights.any = false;
    dnnl_status_t status = product_find(&key, &p);
    if (status == dnnl_success)
        status = dnnl_memory_get_memory_desc(p->weights, &wanted);
    if (status == dnnl_success)
        status = layout_create(&weights, &plain);
    if (status != dnnl_success)
        return status;
    pack->bytes = azr_try_alloc_aligned(dnnl_memory_desc_get_size(wanted), 1);
    status = pack->bytes != NULL ? dnnl_success : dnnl_out_of_memory;
    if (status == dnnl_success)
        status = dnnl_memory_create(&pack->from, layout_of(&plain), dnnl.engine, (void *)linear->w);
    if (status == dnnl_success)
        status = dnnl_memory_create(&pack->to, wanted, dnnl.engine, pack->bytes);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&desc, layout_of(&plain), dnnl.engine, wanted,
                                                    dnnl.engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&pack->reorder, desc);
    if (desc != NULL)
        dnnl_primitive_desc_destroy(desc);
    layout_destroy(&plain);
    return status;
}

static void pack_destroy(packed *pack)
{
    if (pack->reorder != NULL)
        dnnl_primitive_destroy(pack->reorder);
    if (pack->from != NULL)
        dnnl_memory_destroy(pack->from);
    if (pack->to != NULL)
        dnnl_memory_destroy(pack->to);
    azr_free(pack->bytes);
    *pack = (packed){0};
}

static void pack_refresh(const packed *pack)
{
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, pack->from}, {DNNL_ARG_TO, pack->to}};
    use_threads();
    AZR_CHECK_EQ(dnnl_primitive_execute(pack->reorder, dnnl.stream, 2, args), dnnl_success);
    AZR_CHECK_EQ(dnnl_stream_wait(dnnl.stream), dnnl_success);
}

/* The weights as products of this kind take them. Only training pays for those of
 * BACKWARD_INPUT: they are made at its first. */
static const void *weights_for(const azr_linear *linear, operation op)
{
    if (!packs_weights(linear->dtype, op))
        return linear->w;
    packed *pack = &linear->packs[op];
    if (pack->bytes == NULL) {
        AZR_CHECK_EQ(pack_create(linear, op, pack), dnnl_success);
        pack_refresh(pack);
    }
    return pack->bytes;
}

/* --- layers
 * --------------------------------------------------------------------------------------- */

azr_linear *azr_linear_create(int64_t n_out, int64_t n_in, azr_dtype dtype, const float *w,
                              azr_error *error)
{
    AZR_CHECK(n_out > 0 && n_in > 0);
    azr_linear *linear = azr_alloc(1, sizeof *linear);
    if (azr_dtype_resolve(dtype, &linear->dtype, error) != AZR_OK)
        goto failed;
    linear->n_out = n_out;
    linear->n_in = n_in;
    linear->w = w;
    linear->packs = azr_alloc(2, sizeof *linear->packs);
    pthread_mutex_lock(&dnnl.lock);
    product *p = NULL;
    product key = product_key(linear, FORWARD, 12);
    dnnl_status_t status = product_find(&key, &p);
    if (status == dnnl_success && packs_weights(linear->dtype, FORWARD))
        status = pack_create(linear, FORWARD, &linear->packs[FORWARD]);
    pthread_mutex_unlock(&dnnl.lock);
    if (status == dnnl_success)
        return linear;
    if (status == dnnl_out_of_memory)
        azr_error_set(error, AZR_ERROR_MEMORY, "no memory for a %lld x %lld matrix",
                      (long long)n_out, (long long)n_in);
    else
        azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                      "oneDNN refuses a product with a %lld x %lld matrix (status %d)",
                      (long long)n_out, (long long)n_in, (int)status);
failed:
    azr_linear_destroy(linear);
    return NULL;
}

void azr_linear_destroy(azr_linear *linear)
{
    if (linear == NULL)
        return;
    for (int i = 0; i < 2 && linear->packs != NULL; i++)
        pack_destroy(&linear->packs[i]);
    azr_free(linear->packs);
    azr_free(linear);
}

static int64_t fill_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

size_t azr_linear_bytes(int64_t n_out, int64_t n_in, azr_dtype dtype)
{
    bool bf16 = dtype == AZR_DTYPE_BF16 || (dtype == AZR_DTYPE_AUTO && azr_kernels_have_bf16());
    /* Packed for forward and, when it trains, for backward, in tiles of 64 x 64. */
    return bf16 ? (size_t)(fill_up(n_out, 64) * fill_up(n_in, 64)) * 2 * sizeof(uint16_t) : 0;
}

void azr_linear_refresh(azr_linear *linear)
{
    pthread_mutex_lock(&dnnl.lock);
    for (int i = 0; i < 2; i++)
        if (linear->packs[i].bytes != NULL)
            pack_refresh(&linear->packs[i]);
    pthread_mutex_unlock(&dnnl.lock);
}

/* Long arrays, in parallel. */
static void to_bf16(int64_t n, const float *x, uint16_t *y)
{
    const azr_kernel_table *table = azr_kernels__table();
    enum { CHUNK = 1 << 14 };
    int64_t n_chunks = (n + CHUNK - 1) / CHUNK;
    int n_threads = n_chunks > 1 ? azr_kernels_threads() : 1;
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t i = 0; i < n_chunks; i++) {
        int64_t at = i * CHUNK, left = n - at;
        table->to_bf16(left < CHUNK ? left : CHUNK, x + at, y + at);
    }
}

/* Rows of the next block when n_rows are left. */
static int64_t next_block(int64_t n_rows)
{
    if (n_rows >= dnnl.block_rows)
        return dnnl.block_rows;
    if (dnnl.fill_rows == 1 && n_rows >= 64)
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
        uint16_t *rows = scratch_of(i, (n + n_zeros) * sizeof *rows);
        to_bf16((int64_t)n, x, rows);
        memset(rows + n, 0, n_zeros * sizeof *rows);
        return rows;
    }
    if (n_filled == n_rows)
        return x;
    float *rows = scratch_of(i, (n + n_zeros) * sizeof *rows);
    memcpy(rows, x, n * sizeof *rows);
    memset(rows + n, 0, n_zeros * sizeof *rows);
    return rows;
}

/* y = x W or x Wᵀ, block by block. */
static void run_rows(const azr_linear *linear, operation op, int64_t n_rows, const float *x,
                     float *y)
{
    int64_t n_x = op == FORWARD ? linear->n_in : linear->n_out;
    int64_t n_y = op == FORWARD ? linear->n_out : linear->n_in;
    product key = product_key(linear, op, 0);
    pthread_mutex_lock(&dnnl.lock);
    const void *w = weights_for(linear, op);
    while (n_rows > 0) {
        int64_t n = next_block(n_rows);
        key.n_rows = fill_up(n, dnnl.fill_rows);
        const void *rows = prepare_rows(0, linear->dtype, n, key.n_rows, n_x, x);
        size_t n_filled = (size_t)(key.n_rows * n_y);
        float *result = key.n_rows == n ? y : scratch_of(1, n_filled * sizeof(float));
        product_run(&key, rows, w, result);
        if (result != y)
            memcpy(y, result, (size_t)(n * n_y) * sizeof(float));
        n_rows -= n;
        x += n * n_x;
        y += n * n_y;
    }
    pthread_mutex_unlock(&dnnl.lock);
}

void azr_linear_forward(const azr_linear *linear, int64_t n_rows, const float *x, float *y)
{
    run_rows(linear, FORWARD, n_rows, x, y);
}

void azr_linear_backward_input(const azr_linear *linear, int64_t n_rows, const float *dy, float *dx)
{
    run_rows(linear, BACKWARD_INPUT, n_rows, dy, dx);
}

void azr_linear_backward_weight(const azr_linear *linear, int64_t n_rows, const float *x,
                                const float *dy, float *dw)
{
    enum { BLOCK = 1024, FILL = 64 };
    product key = product_key(linear, BACKWARD_WEIGHT, 0);
    pthread_mutex_lock(&dnnl.lock);
    while (n_rows > 0) {
        int64_t n = n_rows < BLOCK ? n_rows : BLOCK;
        key.n_rows = fill_up(n, FILL);
        const void *x_rows = prepare_rows(0, linear->dtype, n, key.n_rows, linear->n_in, x);
        const void *dy_rows = prepare_rows(1, linear->dtype, n, key.n_rows, linear->n_out, dy);
        product_run(&key, dy_rows, x_rows, dw);
        n_rows -= n;
        x += n * linear->n_in;
        dy += n * linear->n_out;
    }
    pthread_mutex_unlock(&dnnl.lock);
}
