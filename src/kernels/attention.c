/* attention.c: the front door of attention: cuts queries into jobs for threads. Forward jobs write
 * different rows; a backward job owns one kv head of one tree, so that gradients of shared keys are
 * added in one order. */
#include "base/check.h"
#include "base/memory.h"
#include "kernels/table.h"

#include <string.h>

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t azr_kernels__attention_scratch(const azr_attention_shape *shape, int64_t n_keys,
                                       bool backward)
{
    /* A block of keys or values, transposed, and pointers to its rows; for AZR_ATTENTION_PAIRS rows
     * the scores of one block, backward: of all keys and gradients of one block. The plain kernels
     * keep the scores of one row. */
    int64_t n_blocks = (n_keys + AZR_ATTENTION_KEYS - 1) / AZR_ATTENTION_KEYS;
    int64_t n_scores = AZR_ATTENTION_KEYS * AZR_ATTENTION_PAIRS;
    return (AZR_ATTENTION_KEYS + 2) * shape->d_head +
           (backward ? (n_blocks + 1) * n_scores : n_scores + n_keys);
}

/* Rows, pages or pages in f16. */
static int kind_of(const azr_kv_span *span)
{
    return span->page_f16 != NULL ? 2 : span->page != NULL ? 1 : 0;
}

/* Spans must be of one kind and reach as far as the last row looks. */
static int64_t check_query(const azr_attention_query *query)
{
    int64_t n_keys = 0, n_seen = query->first_position + query->n_rows;
    for (int64_t i = 0; i < query->n_spans; i++) {
        const azr_kv_span *span = &query->spans[i];
        AZR_CHECK_EQ(kind_of(span), kind_of(query->spans));
        AZR_CHECK(kind_of(span) == 0 || span->n <= AZR_KV_PAGE);
        n_keys += span->n;
    }
    AZR_CHECK(n_keys >= n_seen);
    return n_seen;
}

static int64_t check_queries(const azr_attention_shape *shape, const azr_attention_query *queries,
                             int64_t n_queries)
{
    int64_t n_keys = 0;
    AZR_CHECK(shape->n_kv_heads > 0 && shape->n_heads % shape->n_kv_heads == 0);
    AZR_CHECK(shape->n_heads / shape->n_kv_heads <= AZR_ATTENTION_PAIRS);
    for (int64_t i = 0; i < n_queries; i++) {
        AZR_CHECK_EQ(kind_of(queries[i].spans), kind_of(queries[0].spans));
        n_keys = max64(n_keys, check_query(&queries[i]));
    }
    return n_keys;
}

static float *scratch_alloc(const azr_attention_shape *shape, int64_t n_keys, bool backward)
{
    int64_t n = azr_kernels__attention_scratch(shape, n_keys, backward);
    float *scratch = azr_try_alloc_aligned((size_t)n, sizeof(float));
    AZR_CHECK(scratch != NULL);
    return scratch;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* First positions whose keys and values both queries have in the same memory. */
static int64_t count_shared(const azr_attention_query *a, const azr_attention_query *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->n_spans && i < b->n_spans; i++) {
        const azr_kv_span *s = &a->spans[i], *t = &b->spans[i];
        if (s->k != t->k || s->v != t->v || s->page != t->page || s->page_f16 != t->page_f16 ||
            s->stride != t->stride)
            break;
        n += min64(s->n, t->n);
        if (s->n != t->n)
            break;
    }
    return n;
}

/* shared[i]: of query i with the one before it, when both have one row. */
static void list_shared(const azr_attention_query *queries, int64_t n_queries, int64_t *shared)
{
    for (int64_t i = 0; i < n_queries; i++) {
        bool alone = i == 0 || queries[i].n_rows != 1 || queries[i - 1].n_rows != 1;
        shared[i] = alone ? 0 : count_shared(&queries[i - 1], &queries[i]);
    }
}

/* How many queries from i on go into one job: leaves below one ancestor, as long as it is worth a
 * block of keys and there is work for all threads. */
static int64_t count_together(const azr_attention_shape *shape, const int64_t *shared, int64_t i,
                              int64_t n_queries)
{
    int64_t most = AZR_ATTENTION_PAIRS * shape->n_kv_heads / shape->n_heads, n = 1;
    most = min64(most, n_queries / ((int64_t)2 * azr_kernels_threads()));
    while (n < most && i + n < n_queries && shared[i + n] >= AZR_ATTENTION_KEYS)
        n++;
    return n;
}

/* Enough queries for all threads to do whole ones. */
static bool are_many(int64_t n_queries)
{
    return n_queries >= (int64_t)2 * azr_kernels_threads();
}

/* Jobs of about AZR_ATTENTION_PAIRS pairs; returns their number, writes them where jobs is given.
 * One row (decoding) reads each key once: waiting for memory is all it does, and it waits least
 * when a token's keys and values are read from one end to the other, so all kv heads go together.
 */
static int64_t list_forward_jobs(const azr_attention_shape *shape,
                                 const azr_attention_query *queries, const int64_t *shared,
                                 int64_t n_queries, azr_attention_job *jobs)
{
    int64_t n_jobs = 0, n_kv = shape->n_kv_heads, n_together;
    int64_t n_rows_max = max64(1, AZR_ATTENTION_PAIRS * n_kv / shape->n_heads);
    bool together = are_many(n_queries);
    for (int64_t i = 0; i < n_queries; i += n_together) {
        int64_t n = queries[i].n_rows;
        int64_t step = n == 1 && together ? AZR_ATTENTION_KV_HEADS : 1;
        n_together = count_together(shape, shared, i, n_queries);
        for (int64_t begin = 0; begin < n; begin += n_rows_max) {
            for (int64_t kv = 0; kv < n_kv; kv += step, n_jobs++) {
                azr_attention_job job = {&queries[i],
                                         &shared[i],
                                         n_together,
                                         begin,
                                         min64(begin + n_rows_max, n),
                                         kv,
                                         min64(kv + step, n_kv),
                                         NULL};
                if (jobs != NULL)
                    jobs[n_jobs] = job;
            }
        }
    }
    return n_jobs;
}

/* Jobs of many streams are done in turns, so that each one's successor is known. */
static void link_jobs(azr_attention_job *jobs, int64_t n_jobs, int n_threads)
{
    for (int64_t i = 0; i + n_threads < n_jobs; i++) {
        azr_attention_job *next = &jobs[i + n_threads];
        if (jobs[i].n_queries == 1 && next->n_queries == 1)
            jobs[i].next = next;
    }
}

/* Where numbers of the key of kv head h at position i begin in a page (AZR_KV_PAGE apart), and of
 * the value (side by side). */
static int64_t key_place(int64_t d, int64_t h, int64_t i)
{
    return h * 2 * d * AZR_KV_PAGE + i;
}

static int64_t value_place(int64_t d, int64_t h, int64_t i)
{
    return (h * 2 + 1) * d * AZR_KV_PAGE + i * d;
}

static void write_place(int64_t n_kv_heads, int64_t d, const float *keys, int64_t i, float *page)
{
    const float *values = keys + n_kv_heads * d;
    for (int64_t h = 0; h < n_kv_heads; h++) {
        float *key = page + key_place(d, h, i);
        for (int64_t e = 0; e < d; e++)
            key[e * AZR_KV_PAGE] = keys[h * d + e];
        memcpy(page + value_place(d, h, i), values + h * d, (size_t)d * sizeof(float));
    }
}

static void write_place_f16(int64_t n_kv_heads, int64_t d, const float *keys, int64_t i,
                            uint16_t *page)
{
    enum { CHUNK = 128 };
    const azr_kernel_table *table = azr_kernels__table();
    const float *values = keys + n_kv_heads * d;
    uint16_t halves[CHUNK];
    for (int64_t h = 0; h < n_kv_heads; h++) {
        uint16_t *key = page + key_place(d, h, i);
        for (int64_t begin = 0; begin < d; begin += CHUNK) {
            int64_t n = min64(CHUNK, d - begin);
            table->to_f16(n, keys + h * d + begin, halves);
            for (int64_t e = 0; e < n; e++)
                key[(begin + e) * AZR_KV_PAGE] = halves[e];
        }
        table->to_f16(d, values + h * d, page + value_place(d, h, i));
    }
}

static int kv_write_threads(int64_t n_rows)
{
    return n_rows >= AZR_KV_PAGE ? azr_kernels_threads() : 1;
}

void azr_kv_write(int64_t n_rows, int64_t n_kv_heads, int64_t d_head, const float *rows,
                  int64_t stride, float *pages, const int64_t *places)
{
    int64_t page_size = 2 * n_kv_heads * d_head * AZR_KV_PAGE;
#pragma omp parallel for num_threads(kv_write_threads(n_rows)) schedule(static)
    for (int64_t r = 0; r < n_rows; r++)
        write_place(n_kv_heads, d_head, rows + r * stride, places[r] % AZR_KV_PAGE,
                    pages + places[r] / AZR_KV_PAGE * page_size);
}

void azr_kv_write_f16(int64_t n_rows, int64_t n_kv_heads, int64_t d_head, const float *rows,
                      int64_t stride, uint16_t *pages, const int64_t *places)
{
    int64_t page_size = 2 * n_kv_heads * d_head * AZR_KV_PAGE;
#pragma omp parallel for num_threads(kv_write_threads(n_rows)) schedule(static)
    for (int64_t r = 0; r < n_rows; r++)
        write_place_f16(n_kv_heads, d_head, rows + r * stride, places[r] % AZR_KV_PAGE,
                        pages + places[r] / AZR_KV_PAGE * page_size);
}

void azr_attention_forward(const azr_attention_shape *shape, const azr_attention_query *queries,
                           int64_t n_queries, const float *q, int64_t q_stride, float *out)
{
    const azr_kernel_table *table = azr_kernels__table();
    int64_t n_keys = check_queries(shape, queries, n_queries);
    if (n_queries == 0)
        return;
    int64_t *shared = azr_alloc((size_t)n_queries, sizeof *shared);
    list_shared(queries, n_queries, shared);
    int64_t n_jobs = list_forward_jobs(shape, queries, shared, n_queries, NULL);
    azr_attention_job *jobs = azr_alloc((size_t)n_jobs + 1, sizeof *jobs);
    list_forward_jobs(shape, queries, shared, n_queries, jobs);
    int n_threads = n_jobs > 1 ? azr_kernels_threads() : 1;
    bool in_turns = are_many(n_queries);
    for (int64_t i = 0; i < n_queries; i++)
        in_turns = in_turns && queries[i].n_rows == 1;
    if (in_turns)
        link_jobs(jobs, n_jobs, n_threads);
#pragma omp parallel num_threads(n_threads)
    {
        float *scratch = scratch_alloc(shape, n_keys, false);
        if (in_turns) {
#pragma omp for schedule(static, 1)
            for (int64_t i = 0; i < n_jobs; i++)
                table->attention_forward(shape, &jobs[i], q, q_stride, out, scratch);
        } else {
#pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < n_jobs; i++)
                table->attention_forward(shape, &jobs[i], q, q_stride, out, scratch);
        }
        azr_free(scratch);
    }
    azr_free(jobs);
    azr_free(shared);
}

/* firsts[i]: index of the first query of the i-th tree; next[q]: the next query of q's tree, or -1.
 * Returns the number of trees. */
static int64_t list_trees(const azr_attention_query *queries, int64_t n_queries, int64_t *firsts,
                          int64_t *lasts, int64_t *next)
{
    int64_t n_trees = 0;
    for (int64_t i = 0; i < n_queries; i++) {
        int64_t t = n_trees - 1;
        next[i] = -1;
        while (t >= 0 && queries[firsts[t]].tree != queries[i].tree)
            t--;
        if (t >= 0) {
            next[lasts[t]] = i;
            lasts[t] = i;
        } else {
            firsts[n_trees] = lasts[n_trees] = i;
            n_trees++;
        }
    }
    return n_trees;
}

void azr_attention_backward(const azr_attention_shape *shape, const azr_attention_query *queries,
                            int64_t n_queries, const float *q, int64_t q_stride, const float *out,
                            const float *dout,
                            float *dq, /* NOLINT(readability-non-const-parameter):
                                          written through the arrays below */
                            int64_t dq_stride)
{
    const azr_kernel_table *table = azr_kernels__table();
    azr_attention_gradients arrays = {q, out, dout, dq, q_stride, dq_stride};
    int64_t n_keys = check_queries(shape, queries, n_queries), n_kv = shape->n_kv_heads;
    if (n_queries == 0)
        return;
    int64_t *firsts = azr_alloc((size_t)n_queries * 3, sizeof *firsts);
    int64_t *next = firsts + n_queries;
    AZR_CHECK_EQ(kind_of(queries[0].spans), 0);
    int64_t n_trees = list_trees(queries, n_queries, firsts, firsts + 2 * n_queries, next);
    int64_t n_jobs = n_trees * n_kv;
#pragma omp parallel num_threads(n_jobs > 1 ? azr_kernels_threads() : 1)
    {
        float *scratch = scratch_alloc(shape, n_keys, true);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < n_jobs; i++)
            for (int64_t j = firsts[i / n_kv]; j >= 0; j = next[j])
                table->attention_backward(shape, &queries[j], i % n_kv, &arrays, scratch);
        azr_free(scratch);
    }
    azr_free(firsts);
}
