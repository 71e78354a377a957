/* Attention: the plain version's gradient against finite differences in double, every level against
 * the plain one, and the exactness that everything above rests on: how keys are cut into spans,
 * which rows are asked for together, and how many threads run changes no bit. */
#include "../support/arrays.h"

#include "azr/kernels.h"
#include "kernels/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- finite differences
 * --------------------------------------------------------------------------- */

enum { N = 5, H = 4, K = 2, E = 3, Q_SIZE = N * H * E, KV_SIZE = N * K * E };

/* Loss = dout . attention(q, k, v) of one segment of N tokens. */
static double loss_of(const double *q, const double *k, const double *v, const float *dout)
{
    double loss = 0;
    for (int i = 0; i < N; i++) {
        for (int h = 0; h < H; h++) {
            int g = h / (H / K);
            double weights[N], total = 0;
            for (int j = 0; j <= i; j++) {
                double s = 0;
                for (int e = 0; e < E; e++)
                    s += q[(i * H + h) * E + e] * k[(j * K + g) * E + e];
                weights[j] = exp((double)0.7F * s);
                total += weights[j];
            }
            for (int j = 0; j <= i; j++)
                for (int e = 0; e < E; e++)
                    loss += dout[(i * H + h) * E + e] * weights[j] / total * v[(j * K + g) * E + e];
        }
    }
    return loss;
}

/* Central differences with respect to x, which is one of q, k, v. */
static void differences(double *x, int n, const double *q, const double *k, const double *v,
                        const float *dout, float *gradient)
{
    for (int i = 0; i < n; i++) {
        double kept = x[i], h = 1e-5;
        x[i] = kept + h;
        double above = loss_of(q, k, v, dout);
        x[i] = kept - h;
        double below = loss_of(q, k, v, dout);
        x[i] = kept;
        gradient[i] = (float)((above - below) / (2 * h));
    }
}

static void test_gradient(void **state)
{
    (void)state;
    setenv("AZR_CPU", "ref", 1);
    assert_int_equal(azr_kernels_init(NULL), AZR_OK);
    float *q = test_array(Q_SIZE, 1, 1), *k = test_array(KV_SIZE, 2, 1);
    float *v = test_array(KV_SIZE, 3, 1), *dout = test_array(Q_SIZE, 4, 1);
    float *out = test_array(Q_SIZE, 5, 0), *dq = test_array(Q_SIZE, 6, 1);
    float *dk = test_array(KV_SIZE, 7, 0), *dv = test_array(KV_SIZE, 8, 0);
    azr_attention_shape shape = {H, K, E, 0.7F};
    azr_kv_span span = {.k = k, .v = v, .dk = dk, .dv = dv, .stride = K * E, .n = N};
    azr_attention_query query = {0, N, 0, &span, 1, 0};
    azr_attention_forward(&shape, &query, 1, q, H * E, out);
    azr_attention_backward(&shape, &query, 1, q, H * E, out, dout, dq, H * E);
    double qd[Q_SIZE], kd[KV_SIZE], vd[KV_SIZE];
    for (int i = 0; i < Q_SIZE; i++)
        qd[i] = q[i];
    for (int i = 0; i < KV_SIZE; i++) {
        kd[i] = k[i];
        vd[i] = v[i];
    }
    float expected[Q_SIZE];
    differences(qd, Q_SIZE, qd, kd, vd, dout, expected);
    assert_close(Q_SIZE, dq, expected, 3e-6, 1e-7);
    differences(kd, KV_SIZE, qd, kd, vd, dout, expected);
    assert_close(KV_SIZE, dk, expected, 3e-6, 1e-7);
    differences(vd, KV_SIZE, qd, kd, vd, dout, expected);
    assert_close(KV_SIZE, dv, expected, 3e-6, 1e-7);
    test_arrays_end();
    unsetenv("AZR_CPU");
}

/* --- a forest
 * ---------------------------------------------------------------------------------------- */

/* A root of `root` tokens and two leaves, as a model lays them out: q, k, v rows of all tokens one
 * after the other; the leaves' spans list the root first. */
typedef struct forest {
    azr_attention_shape shape;
    int64_t root, leaf, n_rows, q_stride, kv_stride;
    float *q, *k, *v, *dk, *dv, *out, *dout, *dq;
    azr_kv_span spans[3][2];
    azr_attention_query queries[3];
} forest;

static forest make_forest(const azr_attention_shape *shape, int64_t root, int64_t leaf)
{
    forest f = {.shape = *shape, .root = root, .leaf = leaf, .n_rows = root + 2 * leaf};
    int64_t d_q = shape->n_heads * shape->d_head, d_kv = shape->n_kv_heads * shape->d_head;
    f.q_stride = d_q + 5;
    f.kv_stride = d_kv + 3;
    f.q = test_array(f.n_rows * f.q_stride, 1, 2);
    f.k = test_array(f.n_rows * f.kv_stride, 2, 2);
    f.v = test_array(f.n_rows * f.kv_stride, 3, 2);
    f.dk = test_array(f.n_rows * f.kv_stride, 4, 1);
    f.dv = test_array(f.n_rows * f.kv_stride, 5, 1);
    f.out = test_array(f.n_rows * d_q, 6, 1);
    f.dout = test_array(f.n_rows * d_q, 7, 1);
    f.dq = test_array(f.n_rows * f.q_stride, 8, 1);
    return f;
}

static azr_kv_span span_of(const forest *f, int64_t row, int64_t n)
{
    int64_t at = row * f->kv_stride;
    return (azr_kv_span){.k = f->k + at,
                         .v = f->v + at,
                         .dk = f->dk + at,
                         .dv = f->dv + at,
                         .stride = f->kv_stride,
                         .n = n};
}

static void link_forest(forest *f)
{
    int64_t n_root = f->root, n_leaf = f->leaf;
    f->spans[0][0] = span_of(f, 0, n_root);
    f->queries[0] = (azr_attention_query){0, n_root, 0, f->spans[0], 1, 0};
    for (int i = 1; i <= 2; i++) {
        int64_t first = n_root + (i - 1) * n_leaf;
        f->spans[i][0] = span_of(f, 0, n_root);
        f->spans[i][1] = span_of(f, first, n_leaf);
        f->queries[i] = (azr_attention_query){first, n_leaf, n_root, f->spans[i], 2, 0};
    }
}

static void run_forest(forest *f, const azr_kernel_table *ref)
{
    if (ref == NULL) {
        azr_attention_forward(&f->shape, f->queries, 3, f->q, f->q_stride, f->out);
        azr_attention_backward(&f->shape, f->queries, 3, f->q, f->q_stride, f->out, f->dout, f->dq,
                               f->q_stride);
        return;
    }
    azr_attention_gradients arrays = {f->q, f->out, f->dout, f->dq, f->q_stride, f->q_stride};
    int64_t n = azr_kernels__attention_scratch(&f->shape, f->root + f->leaf, true);
    float *scratch = calloc((size_t)n, sizeof *scratch);
    for (int i = 0; i < 3; i++) {
        for (int64_t g = 0; g < f->shape.n_kv_heads; g++) {
            azr_attention_job job = {.queries = &f->queries[i],
                                     .n_queries = 1,
                                     .i_end = f->queries[i].n_rows,
                                     .kv_begin = g,
                                     .kv_end = g + 1};
            ref->attention_forward(&f->shape, &job, f->q, f->q_stride, f->out, scratch);
            ref->attention_backward(&f->shape, &f->queries[i], g, &arrays, scratch);
        }
    }
    free(scratch);
}

static void compare_shape(const azr_attention_shape *shape, int64_t root, int64_t leaf)
{
    forest fast = make_forest(shape, root, leaf), plain = make_forest(shape, root, leaf);
    link_forest(&fast);
    link_forest(&plain);
    run_forest(&fast, NULL);
    run_forest(&plain, &azr_kernels__ref);
    int64_t d_q = shape->n_heads * shape->d_head;
    assert_close(fast.n_rows * d_q, fast.out, plain.out, 3e-6, 0);
    assert_close(fast.n_rows * fast.q_stride, fast.dq, plain.dq, 2e-5, 0);
    assert_close(fast.n_rows * fast.kv_stride, fast.dk, plain.dk, 2e-5, 0);
    assert_close(fast.n_rows * fast.kv_stride, fast.dv, plain.dv, 2e-5, 0);
    test_arrays_end();
}

static void compare_level(const char *level)
{
    if (strcmp(level, "ref") == 0)
        return;
    static const azr_attention_shape shapes[] = {
        {1, 1, 2, 0.9F},  {4, 2, 6, 0.4F},      {9, 3, 64, 0.125F}, {14, 2, 64, 0.125F},
        {4, 1, 34, 0.2F}, {2, 2, 128, 0.0883F}, {33, 1, 16, 0.25F},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        compare_shape(&shapes[i], 1, 1);
        compare_shape(&shapes[i], 61, 9);
        compare_shape(&shapes[i], 150, 30);
    }
}

static void test_levels(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    for_each_level(compare_level);
}

/* --- exactness
 * ---------------------------------------------------------------------------------------- */

enum { LONG = 203 };

/* Rows [from, from + n) as one query, with the keys cut into spans of `cut` rows. */
static void run_cut(const forest *f, int64_t from, int64_t n, int64_t cut, float *out)
{
    azr_kv_span spans[LONG];
    int64_t n_spans = 0;
    for (int64_t at = 0; at < from + n; at += cut, n_spans++) {
        int64_t left = from + n - at;
        spans[n_spans] = span_of(f, at, left < cut ? left : cut);
    }
    azr_attention_query query = {from, n, from, spans, n_spans, 0};
    azr_attention_forward(&f->shape, &query, 1, f->q, f->q_stride, out);
}

/* Memory for pages, in f32 or in f16. */
typedef struct page_pool {
    float *page; /* the next one; NULL: f16 */
    uint16_t *page_f16;
} page_pool;

static int64_t page_size(const forest *f)
{
    return 2 * f->shape.n_kv_heads * f->shape.d_head * AZR_KV_PAGE;
}

/* The pool's next page, all of it NaN. */
static azr_kv_span take_page(page_pool *pool, int64_t size)
{
    azr_kv_span span = {.page = pool->page, .page_f16 = pool->page_f16};
    if (pool->page != NULL) {
        for (int64_t j = 0; j < size; j++)
            pool->page[j] = NAN;
        pool->page += size;
    } else {
        for (int64_t j = 0; j < size; j++)
            pool->page_f16[j] = 0x7e00;
        pool->page_f16 += size;
    }
    return span;
}

/* Spans of pages that hold what rows [at, at + n) of the forest hold, `cut` of them in each; what
 * is not written is NaN. Returns the number of spans. */
static int64_t push_pages(const forest *f, int64_t at, int64_t n, int64_t cut, page_pool *pool,
                          azr_kv_span *spans)
{
    int64_t n_kv = f->shape.n_kv_heads, d = f->shape.d_head, d_kv = n_kv * d, n_spans = 0;
    float row[512];
    assert_true(2 * d_kv <= 512);
    for (int64_t i = 0; i < n; i++) {
        int64_t place = i % cut;
        if (place == 0)
            spans[n_spans++] = take_page(pool, page_size(f));
        azr_kv_span *span = &spans[n_spans - 1];
        memcpy(row, f->k + (at + i) * f->kv_stride, (size_t)d_kv * sizeof *row);
        memcpy(row + d_kv, f->v + (at + i) * f->kv_stride, (size_t)d_kv * sizeof *row);
        if (span->page != NULL) /* written through the span's address, which is the pool's own */
            azr_kv_write(1, n_kv, d, row, 2 * d_kv, (float *)span->page, &place);
        else
            azr_kv_write_f16(1, n_kv, d, row, 2 * d_kv, (uint16_t *)span->page_f16, &place);
        span->n = place + 1;
    }
    return n_spans;
}

/* run_cut with keys and values in pages. */
static void run_pages(const forest *f, int64_t from, int64_t n, int64_t cut, page_pool pool,
                      float *out)
{
    azr_kv_span spans[LONG];
    int64_t n_spans = push_pages(f, 0, from + n, cut, &pool, spans);
    azr_attention_query query = {from, n, from, spans, n_spans, 0};
    azr_attention_forward(&f->shape, &query, 1, f->q, f->q_stride, out);
}

static void round_keys(forest *f, int64_t n_keys)
{
    azr_round_to_f16(n_keys, f->kv_stride, f->k, f->kv_stride);
    azr_round_to_f16(n_keys, f->kv_stride, f->v, f->kv_stride);
}

/* Room for n pages. */
static page_pool make_pool(const forest *f, int64_t n, bool is_f16)
{
    page_pool pool = {0};
    size_t n_numbers = (size_t)(n * page_size(f));
    if (is_f16)
        pool.page_f16 = calloc(n_numbers, sizeof *pool.page_f16);
    else
        pool.page = calloc(n_numbers, sizeof *pool.page);
    return pool;
}

static void exact_pages(const azr_attention_shape *shape, bool is_f16)
{
    int64_t d_q = shape->n_heads * shape->d_head;
    forest f = make_forest(shape, LONG, 0), rounded = make_forest(shape, LONG, 0);
    float *whole = test_array(LONG * d_q, 9, 1), *other = test_array(LONG * d_q, 10, 1);
    page_pool pool = make_pool(&f, LONG, is_f16);
    if (is_f16)
        round_keys(&rounded, LONG);
    run_cut(&rounded, 0, LONG, LONG, whole);
    static const int64_t cuts[] = {1, 5, 15, 16}, pieces[] = {LONG, 1, 2, 3, 64, 100};
    for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            memset(other, 0, (size_t)(LONG * d_q) * sizeof *other);
            for (int64_t from = 0; from < LONG; from += pieces[i]) {
                int64_t n = LONG - from < pieces[i] ? LONG - from : pieces[i];
                run_pages(&f, from, n, cuts[c], pool, other);
            }
            assert_same_bits(LONG * d_q, other, whole);
        }
    }
    free(pool.page);
    free(pool.page_f16);
    test_arrays_end();
}

static void exact_level(const char *level)
{
    (void)level;
    azr_attention_shape shape = {9, 3, 64, 0.125F};
    int64_t d_q = 9 * 64;
    forest f = make_forest(&shape, LONG, 0);
    float *whole = test_array(LONG * d_q, 9, 1), *other = test_array(LONG * d_q, 10, 1);
    run_cut(&f, 0, LONG, LONG, whole);
    for (int64_t cut = 1; cut < LONG; cut += 1 + cut / 3) {
        run_cut(&f, 0, LONG, cut, other);
        assert_same_bits(LONG * d_q, other, whole);
    }
    /* One row at a time, as decoding does, and in pieces, as segments are. */
    static const int64_t pieces[] = {1, 2, 3, 5, 16, 21, 64, 100};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        memset(other, 0, (size_t)(LONG * d_q) * sizeof *other);
        for (int64_t from = 0; from < LONG; from += pieces[i]) {
            int64_t n = LONG - from < pieces[i] ? LONG - from : pieces[i];
            run_cut(&f, from, n, 1 + from % 70, other);
        }
        assert_same_bits(LONG * d_q, other, whole);
    }
    /* What a row may not see may be anything. */
    for (int64_t i = 90 * f.kv_stride; i < LONG * f.kv_stride; i++)
        f.k[i] = f.v[i] = NAN;
    run_cut(&f, 0, LONG, LONG, other);
    assert_same_bits(90 * d_q, other, whole);
    assert_true(isnan(other[90 * d_q]) && isnan(other[LONG * d_q - 1]));
    test_arrays_end();
    static const azr_attention_shape shapes[] = {{9, 3, 64, 0.125F},
                                                 {14, 2, 64, 0.125F},
                                                 {4, 1, 34, 0.2F},
                                                 {4, 2, 6, 0.4F},
                                                 {2, 1, 200, 0.07F}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        exact_pages(&shapes[i], false);
        exact_pages(&shapes[i], true);
    }
}

/* Leaves below shared ancestors. */
enum { ROOT = 150, STEM = 40, N_LEAVES = 23, N_LEAF = 90 };

typedef struct leaf_list {
    azr_attention_query queries[N_LEAVES];
    azr_kv_span spans[N_LEAVES][ROOT + STEM + N_LEAF];
} leaf_list;

static int64_t leaf_size(int i)
{
    return i % 5 == 0 ? 1 : 4 * i;
}

static azr_attention_query leaf_query(int i, const azr_kv_span *spans, int64_t n_spans)
{
    return (azr_attention_query){i, 1, ROOT + STEM + leaf_size(i) - 1, spans, n_spans, 0};
}

static void list_rows(const forest *f, leaf_list *list)
{
    for (int i = 0; i < N_LEAVES; i++) {
        azr_kv_span *spans = list->spans[i];
        spans[0] = span_of(f, 0, ROOT);
        spans[1] = span_of(f, ROOT + (i / 12) * STEM, STEM);
        spans[2] = span_of(f, ROOT + 2 * STEM + (int64_t)i * N_LEAF, leaf_size(i));
        list->queries[i] = leaf_query(i, spans, 3);
    }
}

static void list_pages(const forest *f, page_pool pool, leaf_list *list)
{
    static azr_kv_span shared[2][ROOT + STEM];
    int64_t n_root = push_pages(f, 0, ROOT, AZR_KV_PAGE, &pool, shared[0]), n_shared = n_root;
    memcpy(shared[1], shared[0], (size_t)n_root * sizeof shared[0][0]);
    for (int i = 0; i < 2; i++)
        n_shared = n_root + push_pages(f, ROOT + (int64_t)i * STEM, STEM, AZR_KV_PAGE, &pool,
                                       shared[i] + n_root);
    for (int i = 0; i < N_LEAVES; i++) {
        azr_kv_span *spans = list->spans[i];
        memcpy(spans, shared[i / 12], (size_t)n_shared * sizeof *spans);
        int64_t n_own = push_pages(f, ROOT + 2 * STEM + (int64_t)i * N_LEAF, leaf_size(i),
                                   AZR_KV_PAGE, &pool, spans + n_shared);
        list->queries[i] = leaf_query(i, spans, n_shared + n_own);
    }
}

/* A row each, as decoding many answers does: whatever goes together, each has the bits that it has
 * alone; and so have keys and values that lie in pages, in f32 or, if they are numbers of f16, in
 * that. */
static void leaves_level(const char *level)
{
    (void)level;
    azr_attention_shape shape = {9, 3, 64, 0.125F};
    int64_t d_q = 9 * 64, n_keys = ROOT + 2 * STEM + (int64_t)N_LEAVES * N_LEAF;
    static leaf_list lists[3]; /* rows, pages in f32, in f16 */
    forest f = make_forest(&shape, n_keys, 0);
    round_keys(&f, n_keys);
    page_pool pool = make_pool(&f, n_keys / 8, false), pool_f16 = make_pool(&f, n_keys / 8, true);
    list_rows(&f, &lists[0]);
    list_pages(&f, pool, &lists[1]);
    list_pages(&f, pool_f16, &lists[2]);
    float *alone = test_array(N_LEAVES * d_q, 9, 1), *other = test_array(N_LEAVES * d_q, 10, 1);
    /* At first they look as far as they reach; then every other leaf less far than what it shares
     * does. */
    for (int round = 0; round < 2; round++) {
        for (int j = 0; j < 3; j++)
            for (int i = 1; i < N_LEAVES && round == 1; i += 2)
                lists[j].queries[i].first_position = 70;
        for (int i = 0; i < N_LEAVES; i++)
            azr_attention_forward(&shape, &lists[0].queries[i], 1, f.q, f.q_stride, alone);
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            azr_kernels_set_threads(n_threads);
            for (int j = 0; j < 3; j++) {
                memset(other, 0, (size_t)(N_LEAVES * d_q) * sizeof *other);
                azr_attention_forward(&shape, lists[j].queries, N_LEAVES, f.q, f.q_stride, other);
                assert_same_bits(N_LEAVES * d_q, other, alone);
            }
        }
    }
    azr_kernels_set_threads(2);
    free(pool.page);
    free(pool_f16.page_f16);
}

static void test_leaves(void **state)
{
    (void)state;
    for_each_level(leaves_level);
}

static void threads_level(const char *level)
{
    (void)level;
    azr_attention_shape shape = {4, 2, 32, 0.2F};
    forest f[2];
    for (int t = 0; t < 2; t++) {
        azr_kernels_set_threads(t + 1);
        f[t] = make_forest(&shape, 100, 41);
        link_forest(&f[t]);
        run_forest(&f[t], NULL);
    }
    assert_same_bits(f[0].n_rows * 128, f[0].out, f[1].out);
    assert_same_bits(f[0].n_rows * f[0].q_stride, f[0].dq, f[1].dq);
    assert_same_bits(f[0].n_rows * f[0].kv_stride, f[0].dk, f[1].dk);
    assert_same_bits(f[0].n_rows * f[0].kv_stride, f[0].dv, f[1].dv);
}

static void test_exactness(void **state)
{
    (void)state;
    for_each_level(exact_level);
    for_each_level(threads_level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_exactness),
        cmocka_unit_test(test_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
