/* kv_cache.c: keys and values of a growing forest, in pages from one pool, each ordered as
 * attention reads it (azr_kv_write, azr_kv_write_f16). The pool is a reservation: the page that was
 * freed last is taken first, and the system gives memory to pages when they are first written to,
 * so a first cache takes as much memory as it was ever filled (with large pages up to 2 MB more a
 * layer). The model keeps a destroyed cache's memory for the next one, as the system clears what it
 * gives (docs/performance.md); caches of several sizes may fill all of the largest. */
#include "model/network.h"

#include "base/check.h"

#include <string.h>

typedef struct kv_segment {
    int32_t parent; /* -1: a root */
    int32_t n_children;
    bool in_use, held;
    bool extending;         /* during azr_kv_extend: named already */
    int64_t first_position; /* length of the chain above */
    int64_t n_tokens;
    int32_t *pages;
    int64_t n_pages, capacity;
} kv_segment;

struct azr_kv {
    azr_model *model;
    int64_t n_pages, n_free;
    size_t n_bytes;      /* of the pages, or more */
    float *pages;        /* [n_layers][n_pages][AZR_KV_PAGE * 2 K E] */
    uint16_t *pages_f16; /* in place of pages, as the model's kv_dtype is */
    int32_t *free_pages; /* the last n_free are taken from the end */
    kv_segment *segments;
    int32_t n_segments, capacity;
    int32_t *free_ids; /* [capacity] */
    int32_t n_free_ids;
};

/* Numbers of one token's place in one layer. */
static int64_t place_size(const azr_model_shape *s)
{
    return 2 * s->n_kv_heads * s->d_head;
}

static int64_t pages_of(int64_t n_tokens)
{
    return (n_tokens + AZR_KV_PAGE - 1) / AZR_KV_PAGE;
}

size_t azr_model__kv_bytes(const azr_model_shape *s, azr_kv_dtype kv_dtype, int64_t n_tokens)
{
    size_t bytes = kv_dtype == AZR_KV_F16 ? sizeof(uint16_t) : sizeof(float);
    return (size_t)(pages_of(n_tokens) * AZR_KV_PAGE) * (size_t)(s->n_layers * place_size(s)) *
           bytes;
}

/* Memory of at least *n_bytes, which becomes its size: an earlier cache's, where that suffices. Its
 * contents are undefined. NULL if there is none. */
static void *take_pool(azr_model *model, size_t *n_bytes)
{
    void *pool = model->spare_pool;
    if (model->spare_bytes >= *n_bytes) {
        *n_bytes = model->spare_bytes;
    } else {
        azr_free(pool);
        pool = azr_try_alloc_streamed(*n_bytes);
    }
    model->spare_pool = NULL;
    model->spare_bytes = 0;
    return pool;
}

static void keep_pool(azr_model *model, void *pool, size_t n_bytes)
{
    if (pool == NULL || n_bytes <= model->spare_bytes) {
        azr_free(pool);
        return;
    }
    azr_free(model->spare_pool);
    model->spare_pool = pool;
    model->spare_bytes = n_bytes;
}

azr_status azr_kv_create(azr_model *model, int64_t n_tokens, azr_kv **out_kv, azr_error *error)
{
    *out_kv = NULL;
    if (n_tokens < 1 || n_tokens > (int64_t)1 << 30)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "a cache of %lld tokens, must be 1 to 1073741824",
                             (long long)n_tokens);
    azr_kv *kv = azr_alloc(1, sizeof *kv);
    size_t n_bytes = azr_model__kv_bytes(&model->shape, model->kv_dtype, n_tokens);
    kv->n_bytes = n_bytes;
    kv->model = model;
    model->n_caches++;
    kv->n_pages = kv->n_free = pages_of(n_tokens);
    void *pages = take_pool(model, &kv->n_bytes);
    if (model->kv_dtype == AZR_KV_F16)
        kv->pages_f16 = pages;
    else
        kv->pages = pages;
    kv->free_pages = azr_try_alloc((size_t)kv->n_pages, sizeof *kv->free_pages);
    if (pages == NULL || kv->free_pages == NULL) {
        azr_kv_destroy(kv);
        return azr_error_set(error, AZR_ERROR_MEMORY,
                             "no memory for the keys and values of %lld tokens (%.1f MiB)",
                             (long long)n_tokens, (double)n_bytes / (1 << 20));
    }
    for (int64_t i = 0; i < kv->n_pages; i++)
        kv->free_pages[i] = (int32_t)(kv->n_pages - 1 - i);
    *out_kv = kv;
    return AZR_OK;
}

void azr_kv_destroy(azr_kv *kv)
{
    if (kv == NULL)
        return;
    for (int32_t i = 0; i < kv->n_segments; i++)
        azr_free(kv->segments[i].pages);
    azr_free(kv->segments);
    azr_free(kv->free_ids);
    azr_free(kv->free_pages);
    keep_pool(kv->model, kv->pages_f16 != NULL ? (void *)kv->pages_f16 : kv->pages, kv->n_bytes);
    kv->model->n_caches--;
    azr_free(kv);
}

/* --- segments --------------------------------------------------------------------------------- */

static kv_segment *get_segment(const azr_kv *kv, int32_t id)
{
    AZR_CHECK(id >= 0 && id < kv->n_segments && kv->segments[id].in_use);
    return &kv->segments[id];
}

static int32_t take_id(azr_kv *kv)
{
    if (kv->n_free_ids > 0)
        return kv->free_ids[--kv->n_free_ids];
    if (kv->n_segments == kv->capacity) {
        kv->capacity = kv->capacity > 0 ? 2 * kv->capacity : 64;
        kv->segments = azr_realloc(kv->segments, (size_t)kv->capacity, sizeof *kv->segments);
        kv->free_ids = azr_realloc(kv->free_ids, (size_t)kv->capacity, sizeof *kv->free_ids);
    }
    kv->segments[kv->n_segments] = (kv_segment){0};
    return kv->n_segments++;
}

int32_t azr_kv_add(azr_kv *kv, int32_t parent)
{
    int64_t first_position = 0;
    if (parent >= 0) {
        kv_segment *above = get_segment(kv, parent);
        above->n_children++;
        first_position = above->first_position + above->n_tokens;
    }
    int32_t id = take_id(kv);
    kv_segment *segment = &kv->segments[id];
    int32_t *pages = segment->pages;
    int64_t capacity = segment->capacity; /* of a former segment of this id */
    *segment = (kv_segment){.parent = parent,
                            .in_use = true,
                            .held = true,
                            .first_position = first_position,
                            .pages = pages,
                            .capacity = capacity};
    return id;
}

void azr_kv_release(azr_kv *kv, int32_t id)
{
    AZR_CHECK(get_segment(kv, id)->held);
    kv->segments[id].held = false;
    /* Up the chain, as far as nobody holds or needs a segment any more. */
    while (id >= 0 && !kv->segments[id].held && kv->segments[id].n_children == 0) {
        kv_segment *segment = &kv->segments[id];
        for (int64_t i = segment->n_pages - 1; i >= 0; i--)
            kv->free_pages[kv->n_free++] = segment->pages[i];
        segment->n_pages = 0;
        segment->in_use = false;
        kv->free_ids[kv->n_free_ids++] = id;
        id = segment->parent;
        if (id >= 0)
            kv->segments[id].n_children--;
    }
}

int64_t azr_kv_length(const azr_kv *kv, int32_t segment)
{
    const kv_segment *s = get_segment(kv, segment);
    return s->first_position + s->n_tokens;
}

int64_t azr_kv_free_pages(const azr_kv *kv)
{
    return kv->n_free;
}

int64_t azr_kv_pages_for(const azr_kv *kv, int32_t segment, int64_t n_tokens)
{
    const kv_segment *s = get_segment(kv, segment);
    return pages_of(s->n_tokens + n_tokens) - s->n_pages;
}

/* --- growing ---------------------------------------------------------------------------------- */

static azr_status check_tokens(const azr_kv *kv, const azr_extension *e, azr_error *error)
{
    const azr_model_shape *s = &kv->model->shape;
    if (e->n_tokens < 1)
        return azr_error_set(error, AZR_ERROR_INPUT, "an extension by %d tokens, must be 1 or more",
                             e->n_tokens);
    if (azr_kv_length(kv, e->segment) + e->n_tokens > s->max_seq_len)
        return azr_error_set(
            error, AZR_ERROR_LIMIT, "a sequence of %lld tokens is longer than the model's %lld",
            (long long)azr_kv_length(kv, e->segment) + e->n_tokens, (long long)s->max_seq_len);
    for (int32_t i = 0; i < e->n_tokens; i++)
        if (e->tokens[i] < 0 || e->tokens[i] >= s->n_vocab)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "token %d is not in the model's vocabulary of %lld", e->tokens[i],
                                 (long long)s->n_vocab);
    return AZR_OK;
}

/* Sets `extending` on the way. A segment without children is nobody's ancestor. */
static azr_status check_extension(azr_kv *kv, const azr_extension *e, int64_t *n_pages,
                                  azr_error *error)
{
    kv_segment *segment = get_segment(kv, e->segment);
    if (segment->extending || segment->n_children > 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "segment %d %s", e->segment,
                             segment->extending ? "is extended twice in one call"
                                                : "has children and cannot grow");
    azr_status status = check_tokens(kv, e, error);
    if (status != AZR_OK)
        return status;
    segment->extending = true;
    *n_pages += azr_kv_pages_for(kv, e->segment, e->n_tokens);
    return AZR_OK;
}

static azr_status check_extensions(azr_kv *kv, const azr_extension *extensions, size_t n,
                                   azr_error *error)
{
    int64_t n_pages = 0;
    size_t n_checked = 0;
    azr_status status = AZR_OK;
    while (n_checked < n && status == AZR_OK) {
        status = check_extension(kv, &extensions[n_checked], &n_pages, error);
        n_checked += status == AZR_OK;
    }
    for (size_t i = 0; i < n_checked; i++)
        kv->segments[extensions[i].segment].extending = false;
    if (status == AZR_OK && n_pages > kv->n_free)
        status = azr_error_set(error, AZR_ERROR_LIMIT,
                               "the cache has %lld free pages of %d tokens, %lld are needed",
                               (long long)kv->n_free, (int)AZR_KV_PAGE, (long long)n_pages);
    return status;
}

/* Takes the pages for all tokens of the extension. */
static void take_pages(azr_kv *kv, const azr_extension *e)
{
    kv_segment *segment = &kv->segments[e->segment];
    int64_t n = azr_kv_pages_for(kv, e->segment, e->n_tokens);
    if (segment->n_pages + n > segment->capacity) {
        segment->capacity = segment->n_pages + n + 4;
        segment->pages =
            azr_realloc(segment->pages, (size_t)segment->capacity, sizeof *segment->pages);
    }
    for (int64_t i = 0; i < n; i++)
        segment->pages[segment->n_pages++] = kv->free_pages[--kv->n_free];
}

/* Upper bound of the spans of a chain. */
static int64_t count_pages(const azr_kv *kv, int32_t id)
{
    int64_t n = 0;
    for (; id >= 0; id = kv->segments[id].parent)
        n += kv->segments[id].n_pages;
    return n;
}

/* Spans of the first n_tokens of one segment. */
static int64_t push_pages(const azr_kv *kv, const kv_segment *segment, int64_t n_tokens,
                          azr_kv_span *spans, int64_t n_spans)
{
    int64_t page_size = AZR_KV_PAGE * place_size(&kv->model->shape);
    for (int64_t i = 0; i * AZR_KV_PAGE < n_tokens; i++) {
        int64_t left = n_tokens - i * AZR_KV_PAGE;
        int64_t at = segment->pages[i] * page_size;
        azr_kv_span span = {.n = left < AZR_KV_PAGE ? left : AZR_KV_PAGE};
        if (kv->pages_f16 != NULL)
            span.page_f16 = kv->pages_f16 + at;
        else
            span.page = kv->pages + at;
        n_spans = azr_model__span_push(spans, n_spans, &span);
    }
    return n_spans;
}

/* Root first: the chain is turned round in place through `order`. */
static int64_t list_spans(const azr_kv *kv, int32_t id, int64_t n_own, int32_t *order,
                          azr_kv_span *spans)
{
    int64_t depth = 0, n_spans = 0;
    for (int32_t i = kv->segments[id].parent; i >= 0; i = kv->segments[i].parent)
        order[depth++] = i;
    while (depth > 0) {
        const kv_segment *segment = &kv->segments[order[--depth]];
        n_spans = push_pages(kv, segment, segment->n_tokens, spans, n_spans);
    }
    return push_pages(kv, &kv->segments[id], n_own, spans, n_spans);
}

/* Tokens [begin, end) of one extension as one query of the pass. */
static void push_query(const azr_kv *kv, const azr_extension *e, int64_t begin, int64_t end,
                       int32_t *order, azr_model__rows *rows)
{
    const kv_segment *segment = &kv->segments[e->segment];
    int64_t at = segment->n_tokens, first = segment->first_position + at + begin;
    azr_kv_span *spans = rows->spans + rows->n_spans;
    int64_t n_spans = list_spans(kv, e->segment, at + end, order, spans);
    rows->n_spans += n_spans;
    rows->queries[rows->n_queries++] =
        (azr_attention_query){rows->n_rows, end - begin, first, spans, n_spans, 0};
    for (int64_t i = begin; i < end; i++) {
        int64_t page = segment->pages[(at + i) / AZR_KV_PAGE];
        rows->tokens[rows->n_rows] = e->tokens[i];
        rows->positions[rows->n_rows] = (int32_t)(first + i - begin);
        rows->places[rows->n_rows++] = page * AZR_KV_PAGE + (at + i) % AZR_KV_PAGE;
    }
}

/* Where the next pass of at most AZR_MODEL__PREFILL_ROWS rows begins. */
typedef struct cursor {
    size_t i;      /* extension */
    int64_t token; /* of it */
} cursor;

/* One pass over as many tokens as fit; states of extensions whose last token is in it. */
static void run_pass(azr_kv *kv, const azr_extension *extensions, size_t n, int64_t n_room,
                     int32_t *order, cursor *at, float *states)
{
    azr_model *model = kv->model;
    azr_model__rows *rows = &model->rows;
    int64_t d = model->shape.d_model;
    size_t first = at->i;
    rows->n_rows = rows->n_queries = rows->n_spans = 0;
    while (at->i < n && rows->n_rows < n_room) {
        const azr_extension *e = &extensions[at->i];
        int64_t n_left = e->n_tokens - at->token, room = n_room - rows->n_rows;
        int64_t end = at->token + (n_left < room ? n_left : room);
        push_query(kv, e, at->token, end, order, rows);
        *at = end == e->n_tokens ? (cursor){at->i + 1, 0} : (cursor){at->i, end};
    }
    rows->cache = kv->pages;
    rows->cache_f16 = kv->pages_f16;
    rows->span_step = kv->n_pages * AZR_KV_PAGE * place_size(&model->shape);
    const float *x = azr_model__forward_rows(model, rows, &model->passing);
    for (size_t i = first; i < at->i; i++) {
        const azr_attention_query *query = &rows->queries[i - first];
        azr_model__final_norm(model, 1, x + (query->first_row + query->n_rows - 1) * d,
                              states + (int64_t)i * d);
    }
}

/* Memory for any pass of this call. */
static azr_status ensure_room(azr_kv *kv, const azr_extension *extensions, size_t n,
                              int64_t *out_room, int32_t **out_order, azr_error *error)
{
    azr_model *model = kv->model;
    int64_t n_rows = 0, n_spans = 0, longest = 0, deepest = 1;
    for (size_t i = 0; i < n; i++) {
        const azr_extension *e = &extensions[i];
        int64_t length = azr_kv_length(kv, e->segment) + e->n_tokens, depth = 0;
        for (int32_t id = e->segment; id >= 0; id = kv->segments[id].parent)
            depth++;
        longest = length > longest ? length : longest;
        deepest = depth > deepest ? depth : deepest;
        n_rows += e->n_tokens;
        n_spans += count_pages(kv, e->segment) + azr_kv_pages_for(kv, e->segment, e->n_tokens);
    }
    /* A long prefill goes in pieces; a step of many streams stays whole. */
    int64_t n_room = (int64_t)n > AZR_MODEL__PREFILL_ROWS ? (int64_t)n : AZR_MODEL__PREFILL_ROWS;
    azr_status status =
        azr_model__space_ensure(&model->shape, KEEP_NOTHING, n_room, &model->passing, error);
    if (status == AZR_OK)
        status = azr_model__rows_resize(&model->rows, n_rows < n_room ? n_rows : n_room,
                                        (int64_t)n + 1, n_spans, error);
    if (status == AZR_OK)
        status = azr_model__rope_ensure(model, longest, error);
    if (status != AZR_OK)
        return status;
    *out_room = n_room;
    *out_order = azr_try_alloc((size_t)deepest, sizeof **out_order);
    return *out_order != NULL ? AZR_OK
                              : azr_error_set(error, AZR_ERROR_MEMORY, "no memory for a chain");
}

azr_status azr_kv_extend(azr_kv *kv, const azr_extension *extensions, size_t n, float *states,
                         azr_error *error)
{
    int64_t n_room = 0;
    int32_t *order = NULL;
    cursor at = {0, 0};
    azr_status status = check_extensions(kv, extensions, n, error);
    if (status == AZR_OK && n > 0)
        status = ensure_room(kv, extensions, n, &n_room, &order, error);
    if (status != AZR_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        take_pages(kv, &extensions[i]);
    while (at.i < n)
        run_pass(kv, extensions, n, n_room, order, &at, states);
    for (size_t i = 0; i < n; i++)
        kv->segments[extensions[i].segment].n_tokens += extensions[i].n_tokens;
    azr_free(order);
    return AZR_OK;
}
