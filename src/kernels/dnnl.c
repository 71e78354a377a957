/* dnnl.c: the only file that knows oneDNN (2.6 or 3.x, OpenMP build): products of one shape, made
 * once and kept, and weights in the layout that oneDNN likes. Every call is made under
 * azr_dnnl__lock. */
#include "kernels/dnnl.h"

#include "base/check.h"
#include "base/memory.h"
#include "kernels/cpu.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>

/* --- whichever version ------------------------------------------------------------------------ */

/* An array as oneDNN may find it: with strides, or (any) in the layout that suits the product.
 * Matrices have two dimensions; those of a convolution four: see describe_convolution. */
typedef struct array {
    int n_dims;
    dnnl_dims_t dims, strides;
    dnnl_data_type_t type;
    bool any;
} array;

/* The one window of a convolution of a single point. */
static const dnnl_dims_t ones = {1, 1}, zeros = {0, 0};

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t const_layout;

static dnnl_status_t layout_create(const array *a, dnnl_memory_desc_t *out)
{
    if (a->any)
        return dnnl_memory_desc_create_with_tag(out, a->n_dims, a->dims, a->type,
                                                dnnl_format_tag_any);
    return dnnl_memory_desc_create_with_strides(out, a->n_dims, a->dims, a->type, a->strides);
}

static const_layout layout_of(const dnnl_memory_desc_t *desc)
{
    return *desc;
}

static void layout_destroy(dnnl_memory_desc_t *desc)
{
    dnnl_memory_desc_destroy(*desc);
}

static dnnl_status_t make_matmul(dnnl_primitive_desc_t *out, const_layout src, const_layout weights,
                                 const_layout dst, dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    return dnnl_matmul_primitive_desc_create(out, engine, src, weights, NULL, dst, attr);
}

static dnnl_status_t make_convolution(dnnl_primitive_desc_t *out, const_layout src,
                                      const_layout weights, const_layout dst, dnnl_engine_t engine)
{
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, dnnl_forward_inference, dnnl_convolution_direct, src, weights, NULL, dst, ones,
        zeros, zeros, zeros, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F, 0, dnnl_data_type_undef);
}
#else
typedef const dnnl_memory_desc_t *const_layout;

static dnnl_status_t layout_create(const array *a, dnnl_memory_desc_t *out)
{
    if (a->any)
        return dnnl_memory_desc_init_by_tag(out, a->n_dims, a->dims, a->type, dnnl_format_tag_any);
    return dnnl_memory_desc_init_by_strides(out, a->n_dims, a->dims, a->type, a->strides);
}

static const_layout layout_of(const dnnl_memory_desc_t *desc)
{
    return desc;
}

static void layout_destroy(dnnl_memory_desc_t *desc)
{
    (void)desc;
}

static dnnl_status_t make_matmul(dnnl_primitive_desc_t *out, const_layout src, const_layout weights,
                                 const_layout dst, dnnl_primitive_attr_t attr, dnnl_engine_t engine)
{
    dnnl_matmul_desc_t matmul;
    dnnl_status_t status = dnnl_matmul_desc_init(&matmul, src, weights, NULL, dst);
    return status != dnnl_success ? status
                                  : dnnl_primitive_desc_create(out, &matmul, attr, engine, NULL);
}

static dnnl_status_t make_convolution(dnnl_primitive_desc_t *out, const_layout src,
                                      const_layout weights, const_layout dst, dnnl_engine_t engine)
{
    dnnl_convolution_desc_t convolution;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(&convolution, dnnl_forward_inference,
                                                              dnnl_convolution_direct, src, weights,
                                                              NULL, dst, ones, zeros, zeros);
    return status != dnnl_success
               ? status
               : dnnl_primitive_desc_create(out, &convolution, NULL, engine, NULL);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F);
}
#endif

/* --- products that exist ---------------------------------------------------------------------- */

/* A product made for one shape. */
typedef struct product {
    struct product *next;
    azr_product_key key;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, weights, dst;
} product;

enum { N_BUCKETS = 256 };

/* One for the process, like the CPU it stands for. */
static struct {
    pthread_mutex_t lock;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    product *buckets[N_BUCKETS];
    bool is_avx2; /* see threads_for and azr_dnnl__sums_in_one_chain */
} dnnl = {.lock = PTHREAD_MUTEX_INITIALIZER};

void azr_dnnl__lock(void)
{
    pthread_mutex_lock(&dnnl.lock);
}

void azr_dnnl__unlock(void)
{
    pthread_mutex_unlock(&dnnl.lock);
}

/* oneDNN takes a limit only before its first primitive and before it is asked for the limit; later
 * calls change nothing. */
void azr_dnnl__limit_isa(int level)
{
    static const dnnl_cpu_isa_t limits[] = {
        [AZR_LEVEL_REF] = dnnl_cpu_isa_avx2,
        [AZR_LEVEL_AVX2] = dnnl_cpu_isa_avx2,
        [AZR_LEVEL_AVX512] = dnnl_cpu_isa_avx512_core_vnni,
        [AZR_LEVEL_AVX512_BF16] = (dnnl_cpu_isa_t)0, /* no limit */
    };
    dnnl.is_avx2 = level < AZR_LEVEL_AVX512;
    dnnl_set_max_cpu_isa(limits[level]);
}

int azr_dnnl__follow_isa(int level)
{
    unsigned offered = (unsigned)dnnl_get_effective_cpu_isa();
    static const unsigned needed[] = {
        [AZR_LEVEL_REF] = dnnl_cpu_isa_avx2,
        [AZR_LEVEL_AVX2] = dnnl_cpu_isa_avx2,
        [AZR_LEVEL_AVX512] = dnnl_cpu_isa_avx512_core,
        [AZR_LEVEL_AVX512_BF16] = dnnl_cpu_isa_avx512_core_bf16,
    };
    while (level >= 0 && (offered & needed[level]) != needed[level])
        level--;
    dnnl.is_avx2 = level < AZR_LEVEL_AVX512;
    return level;
}

bool azr_dnnl__has_amx(void)
{
    unsigned amx = dnnl_cpu_isa_avx512_core_amx;
    return ((unsigned)dnnl_get_effective_cpu_isa() & amx) == amx;
}

/* On AVX2 a product with f32 weights is a convolution of one point: rows are the points, columns
 * the channels. Its kernel takes packed weights, is faster than the one for matrices (Zen 3: 160 to
 * 190 against 130 to 160 GFLOP/s), and sums each element in one rising chain of fused
 * multiply-adds, whatever the number of rows. Not for gradients of weights, which have none; nor
 * over very long sums (through the LM head), which a single chain would round too often. */
bool azr_dnnl__sums_in_one_chain(const azr_product_key *key)
{
    enum { LONG_SUM = 32768 };
    bool is_long = key->op == AZR_PRODUCT_BACKWARD_INPUT && key->n_out > LONG_SUM;
    return dnnl.is_avx2 && key->dtype == AZR_DTYPE_F32 && key->op != AZR_PRODUCT_BACKWARD_WEIGHT &&
           !is_long;
}

/* bf16 weights lie packed as oneDNN likes them (measured on Zen 4: 8 to 25 % faster at 64 rows, 3
 * to 7 % at 1024; the layout does not depend on the number of rows); f32 weights as they are, but
 * for convolutions. */
bool azr_dnnl__packs_weights(const azr_product_key *key)
{
    return azr_dnnl__sums_in_one_chain(key) ||
           (key->dtype == AZR_DTYPE_BF16 && key->op != AZR_PRODUCT_BACKWARD_WEIGHT);
}

static array matrix(int64_t n_rows, int64_t n_columns, int64_t row_stride, int64_t column_stride,
                    dnnl_data_type_t type)
{
    return (array){2, {n_rows, n_columns}, {row_stride, column_stride}, type, false};
}

/* n channels at each of n_rows points of a line. */
static array points(int64_t n_rows, int64_t n)
{
    return (array){4, {1, n, 1, n_rows}, {n_rows * n, 1, n_rows * n, n}, dnnl_f32, false};
}

/* Weights to n_y channels from n_x. */
static array window(int64_t n_y, int64_t n_x, int64_t y_stride, int64_t x_stride)
{
    return (array){4, {n_y, n_x, 1, 1}, {y_stride, x_stride, 1, 1}, dnnl_f32, true};
}

static void describe_convolution(const azr_product_key *p, array *src, array *weights, array *dst)
{
    bool forward = p->op == AZR_PRODUCT_FORWARD;
    int64_t out = p->n_out, in = p->n_in;
    *src = points(p->n_rows, forward ? in : out);
    *weights = forward ? window(out, in, in, 1) : window(in, out, 1, in);
    *dst = points(p->n_rows, forward ? out : in);
}

static void describe(const azr_product_key *p, array *src, array *weights, array *dst)
{
    dnnl_data_type_t type = p->dtype == AZR_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    int64_t r = p->n_rows, out = p->n_out, in = p->n_in;
    if (azr_dnnl__sums_in_one_chain(p)) {
        describe_convolution(p, src, weights, dst);
        return;
    }
    if (p->op == AZR_PRODUCT_FORWARD) {
        *src = matrix(r, in, in, 1, type);
        *weights = matrix(in, out, 1, in, type);
        *dst = matrix(r, out, out, 1, dnnl_f32);
    } else if (p->op == AZR_PRODUCT_BACKWARD_INPUT) {
        *src = matrix(r, out, out, 1, type);
        *weights = matrix(out, in, in, 1, type);
        *dst = matrix(r, in, in, 1, dnnl_f32);
    } else {
        *src = matrix(out, r, 1, out, type);
        *weights = matrix(r, in, in, 1, type);
        *dst = matrix(out, in, in, 1, dnnl_f32);
    }
    weights->any = azr_dnnl__packs_weights(p);
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

static dnnl_status_t product_create(const azr_product_key *key, product **out)
{
    product *p = azr_alloc(1, sizeof *p);
    array arrays[3];
    dnnl_memory_desc_t layouts[3];
    size_t n_layouts = 0;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    p->key = *key;
    describe(key, &arrays[0], &arrays[1], &arrays[2]);
    dnnl_status_t status = make_attributes(key->op == AZR_PRODUCT_BACKWARD_WEIGHT, &attr);
    for (; n_layouts < 3 && status == dnnl_success; n_layouts += status == dnnl_success)
        status = layout_create(&arrays[n_layouts], &layouts[n_layouts]);
    if (status == dnnl_success && azr_dnnl__sums_in_one_chain(key))
        status = make_convolution(&desc, layout_of(&layouts[0]), layout_of(&layouts[1]),
                                  layout_of(&layouts[2]), dnnl.engine);
    else if (status == dnnl_success)
        status = make_matmul(&desc, layout_of(&layouts[0]), layout_of(&layouts[1]),
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

static dnnl_status_t product_find(const azr_product_key *key, product **out)
{
    uint64_t hash = (uint64_t)key->n_rows * 0x9E3779B97F4A7C15U + (uint64_t)key->n_out * 1000003U +
                    (uint64_t)key->n_in * 10007U + (uint64_t)key->op * 3 + (uint64_t)key->dtype;
    product **bucket = &dnnl.buckets[(hash ^ hash >> 32) % N_BUCKETS];
    for (product *p = *bucket; p != NULL; p = p->next) {
        const azr_product_key *k = &p->key;
        if (k->n_rows == key->n_rows && k->n_out == key->n_out && k->n_in == key->n_in &&
            k->op == key->op && k->dtype == key->dtype) {
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
static void use_threads(int n_threads)
{
    if (omp_get_max_threads() != n_threads)
        omp_set_num_threads(n_threads);
}

/* On AVX2, oneDNN's gemm shares small and odd products among threads in ways that change sums: it
 * cuts the summed side of a narrow one, and a share that is no multiple of its tile ends in another
 * kernel. Seen with 1 and 2 threads in gradients where a side is no multiple of 64 or n_in is
 * small, never in those of real models; such products are done by one thread. */
static int threads_for(const azr_product_key *key)
{
    bool regular = key->n_out % 64 == 0 && key->n_in % 64 == 0 && key->n_in > 128;
    bool one = dnnl.is_avx2 && !azr_dnnl__sums_in_one_chain(key) && !regular;
    return one ? 1 : azr_kernels_threads();
}

void azr_dnnl__product_run(const azr_product_key *key, const void *src, const void *weights,
                           float *dst)
{
    product *p = NULL;
    AZR_CHECK_EQ(product_find(key, &p), dnnl_success);
    dnnl_memory_set_data_handle(p->src, (void *)src);
    dnnl_memory_set_data_handle(p->weights, (void *)weights);
    dnnl_memory_set_data_handle(p->dst, dst);
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, p->src}, {DNNL_ARG_WEIGHTS, p->weights}, {DNNL_ARG_DST, p->dst}};
    use_threads(threads_for(key));
    AZR_CHECK_EQ(dnnl_primitive_execute(p->primitive, dnnl.stream, 3, args), dnnl_success);
    AZR_CHECK_EQ(dnnl_stream_wait(dnnl.stream), dnnl_success);
}

bool azr_dnnl__product_accepts(const azr_product_key *key)
{
    product *p = NULL;
    return product_find(key, &p) == dnnl_success;
}

/* --- packed weights --------------------------------------------------------------------------- */

struct azr_packed {
    void *bytes;
    dnnl_primitive_t reorder;
    dnnl_memory_t from, to;
};

/* Large pages for matrices far larger than the second cache only: smaller ones are better spread.
 */
static void *pack_alloc(size_t bytes)
{
    enum { FAR_LARGER = 8 << 20 };
    return bytes >= FAR_LARGER ? azr_try_alloc_streamed(bytes) : azr_try_alloc_aligned(bytes, 1);
}

/* The layout that products of this kind take, and a reorder from w to it. */
static dnnl_status_t pack_prepare(const azr_product_key *kind, const float *w, azr_packed *pack)
{
    product *p = NULL;
    array src, weights, dst;
    dnnl_memory_desc_t plain;
    const_layout wanted;
    dnnl_primitive_desc_t desc = NULL;
    describe(kind, &src, &weights, &dst);
    weights.type = dnnl_f32;
    weights.any = false;
    dnnl_status_t status = product_find(kind, &p);
    if (status == dnnl_success)
        status = dnnl_memory_get_memory_desc(p->weights, &wanted);
    if (status == dnnl_success)
        status = layout_create(&weights, &plain);
    if (status != dnnl_success)
        return status;
    pack->bytes = pack_alloc(dnnl_memory_desc_get_size(wanted));
    status = pack->bytes != NULL ? dnnl_success : dnnl_out_of_memory;
    if (status == dnnl_success)
        status = dnnl_memory_create(&pack->from, layout_of(&plain), dnnl.engine, (void *)w);
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

azr_packed *azr_dnnl__pack_create(const azr_product_key *kind, const float *w)
{
    azr_packed *pack = azr_alloc(1, sizeof *pack);
    if (pack_prepare(kind, w, pack) != dnnl_success) {
        azr_dnnl__pack_destroy(pack);
        return NULL;
    }
    return pack;
}

void azr_dnnl__pack_destroy(azr_packed *pack)
{
    if (pack == NULL)
        return;
    if (pack->reorder != NULL)
        dnnl_primitive_destroy(pack->reorder);
    if (pack->from != NULL)
        dnnl_memory_destroy(pack->from);
    if (pack->to != NULL)
        dnnl_memory_destroy(pack->to);
    azr_free(pack->bytes);
    azr_free(pack);
}

void azr_dnnl__pack_refresh(azr_packed *pack)
{
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, pack->from}, {DNNL_ARG_TO, pack->to}};
    use_threads(azr_kernels_threads());
    AZR_CHECK_EQ(dnnl_primitive_execute(pack->reorder, dnnl.stream, 2, args), dnnl_success);
    AZR_CHECK_EQ(dnnl_stream_wait(dnnl.stream), dnnl_success);
}

const void *azr_dnnl__pack_bytes(const azr_packed *pack)
{
    return pack->bytes;
}
