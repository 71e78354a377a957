/* bpe.c: merges one piece: short ones by scanning, long ones with a heap of candidate pairs. */
#include "tokenizer/bpe.h"

#include "base/memory.h"

#include <string.h>

enum {
    SHORT_PIECE = 48,        /* up to here scanning all pairs beats the heap */
    CACHE_ENTRIES = 1 << 13, /* a power of two */
    CACHE_PIECE = 24,        /* longest piece in bytes and ids that is remembered */
    CACHE_IDS = 6,
    CACHE_TEXT = 1 << 12, /* texts shorter than this do not repay clearing the cache */
};

typedef struct cache_entry {
    char piece[CACHE_PIECE];
    uint8_t size, n_ids; /* size 0: empty */
    int32_t ids[CACHE_IDS];
} cache_entry;

/* A token of a long piece while it merges: a doubly linked list. */
typedef struct symbol {
    int32_t id; /* -1: merged into its left neighbour */
    int32_t previous, next;
} symbol;

/* A pair that could merge; stale when its symbols have changed since. */
typedef struct candidate {
    uint32_t rank;
    int32_t left;
    uint64_t key;
} candidate;

struct azr_bpe_work {
    cache_entry *cache; /* NULL: no cache */
    symbol *symbols;
    candidate *heap;
    size_t capacity; /* of symbols; the heap has three times as much */
    size_t n_heap;
};

bool azr_ids_append(azr_ids *ids, const int32_t *more, size_t n)
{
    if (ids->capacity - ids->n < n) {
        size_t capacity = ids->capacity * 2 > ids->n + n ? ids->capacity * 2 : ids->n + n + 64;
        int32_t *data = azr_try_alloc(capacity, sizeof *data);
        if (data == NULL)
            return false;
        if (ids->n > 0)
            memcpy(data, ids->data, ids->n * sizeof *data);
        azr_free(ids->data);
        ids->data = data;
        ids->capacity = capacity;
    }
    if (n > 0)
        memcpy(ids->data + ids->n, more, n * sizeof *more);
    ids->n += n;
    return true;
}

azr_bpe_work *azr_bpe_work_create(size_t text_size)
{
    azr_bpe_work *work = azr_try_alloc(1, sizeof *work);
    if (work != NULL && text_size >= CACHE_TEXT)
        work->cache = azr_try_alloc(CACHE_ENTRIES, sizeof *work->cache); /* NULL is fine */
    return work;
}

void azr_bpe_work_destroy(azr_bpe_work *work)
{
    if (work == NULL)
        return;
    azr_free(work->cache);
    azr_free(work->symbols);
    azr_free(work->heap);
    azr_free(work);
}

/* The id that byte number i of a piece begins as; -1: it is left out. */
static int32_t first_id(const azr_bpe *bpe, char byte, bool *io_after_unknown)
{
    int32_t id = bpe->vocabulary->bytes[(uint8_t)byte];
    bool unknown = id < 0;
    if (unknown)
        id = *io_after_unknown && bpe->fuse_unknown ? -1 : bpe->unknown;
    *io_after_unknown = unknown;
    return id;
}

/* Rank << 32 | id of what left and right make; UINT64_MAX when they do not merge. */
static uint64_t merge_of(const azr_bpe *bpe, int32_t left, int32_t right)
{
    const uint64_t *merge = azr_u64_map_find(&bpe->vocabulary->merges, azr_merge_key(left, right));
    return merge != NULL ? *merge : UINT64_MAX;
}

/* --- short pieces ----------------------------------------------------------------------------- */

/* Merges in place; returns how many ids are left in ids. */
static size_t merge_short(const azr_bpe *bpe, int32_t *ids, size_t n)
{
    uint64_t merges[SHORT_PIECE]; /* of ids[i] and ids[i + 1] */
    for (size_t i = 0; i + 1 < n; i++)
        merges[i] = merge_of(bpe, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (merges[i] >> 32 < merges[best] >> 32)
                best = i;
        if (merges[best] == UINT64_MAX)
            break;
        ids[best] = (int32_t)(merges[best] & UINT32_MAX);
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof *ids);
        memmove(merges + best, merges + best + 1, (n - best - 1) * sizeof *merges);
        if (best > 0)
            merges[best - 1] = merge_of(bpe, ids[best - 1], ids[best]);
        if (best + 1 < n)
            merges[best] = merge_of(bpe, ids[best], ids[best + 1]);
    }
    return n;
}

/* --- long pieces ------------------------------------------------------------------------------ */

static bool before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void heap_push(azr_bpe_work *work, candidate added)
{
    size_t at = work->n_heap++;
    while (at > 0 && before(&added, &work->heap[(at - 1) / 2])) {
        work->heap[at] = work->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    work->heap[at] = added;
}

static candidate heap_pop(azr_bpe_work *work)
{
    candidate top = work->heap[0], last = work->heap[--work->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= work->n_heap)
            break;
        if (child + 1 < work->n_heap && before(&work->heap[child + 1], &work->heap[child]))
            child++;
        if (!before(&work->heap[child], &last))
            break;
        work->heap[at] = work->heap[child];
        at = child;
    }
    work->heap[at] = last;
    return top;
}

static void push_pair(const azr_bpe *bpe, azr_bpe_work *work, int32_t left)
{
    if (left < 0 || work->symbols[left].next < 0)
        return;
    int32_t a = work->symbols[left].id, b = work->symbols[work->symbols[left].next].id;
    uint64_t merge = merge_of(bpe, a, b);
    if (merge != UINT64_MAX)
        heap_push(work, (candidate){(uint32_t)(merge >> 32), left, azr_merge_key(a, b)});
}

static bool reserve_symbols(azr_bpe_work *work, size_t n)
{
    if (n <= work->capacity)
        return true;
    azr_free(work->symbols);
    azr_free(work->heap);
    work->capacity = 0;
    work->symbols = azr_try_alloc(n, sizeof *work->symbols);
    /* n - 1 pairs at first, and each of at most n - 1 merges makes two new ones. */
    work->heap = azr_try_alloc(n, 3 * sizeof *work->heap);
    if (work->symbols == NULL || work->heap == NULL)
        return false;
    work->capacity = n;
    return true;
}

static void merge_long(const azr_bpe *bpe, azr_bpe_work *work)
{
    symbol *symbols = work->symbols;
    while (work->n_heap > 0) {
        candidate top = heap_pop(work);
        symbol *left = &symbols[top.left];
        if (left->id < 0 || left->next < 0 ||
            azr_merge_key(left->id, symbols[left->next].id) != top.key)
            continue;
        symbol *right = &symbols[left->next];
        left->id = (int32_t)(merge_of(bpe, left->id, right->id) & UINT32_MAX);
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0)
            symbols[left->next].previous = top.left;
        push_pair(bpe, work, left->previous);
        push_pair(bpe, work, top.left);
    }
}

static azr_status encode_long(const azr_bpe *bpe, azr_bpe_work *work, const char *piece,
                              size_t size, azr_ids *ids, azr_error *error)
{
    if (!reserve_symbols(work, size))
        goto memory;
    int32_t n = 0;
    bool after_unknown = false;
    for (size_t i = 0; i < size; i++) {
        int32_t id = first_id(bpe, piece[i], &after_unknown);
        if (id < 0)
            continue;
        work->symbols[n] = (symbol){.id = id, .previous = n - 1, .next = n + 1};
        n++;
    }
    if (n == 0)
        return AZR_OK;
    work->symbols[n - 1].next = -1;
    work->n_heap = 0;
    for (int32_t i = 0; i + 1 < n; i++)
        push_pair(bpe, work, i);
    merge_long(bpe, work);
    for (int32_t i = 0; i >= 0; i = work->symbols[i].next)
        if (!azr_ids_append(ids, &work->symbols[i].id, 1))
            goto memory;
    return AZR_OK;
memory:
    return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to encode a word of %zu bytes", size);
}

/* --- both ------------------------------------------------------------------------------------- */

static cache_entry *cache_slot(azr_bpe_work *work, const char *piece, size_t size)
{
    if (work->cache == NULL || size > CACHE_PIECE)
        return NULL;
    uint64_t hash = size;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)piece[i]) * 0x100000001B3u;
    return &work->cache[azr_u64_mix(hash) & (CACHE_ENTRIES - 1)];
}

static azr_status encode_short(const azr_bpe *bpe, azr_bpe_work *work, const char *piece,
                               size_t size, azr_ids *ids, azr_error *error)
{
    int32_t list[SHORT_PIECE];
    size_t n = 0;
    bool after_unknown = false;
    cache_entry *entry = cache_slot(work, piece, size);
    if (entry != NULL && entry->size == size && memcmp(entry->piece, piece, size) == 0) {
        n = entry->n_ids;
        memcpy(list, entry->ids, n * sizeof *list);
    } else {
        for (size_t i = 0; i < size; i++) {
            int32_t id = first_id(bpe, piece[i], &after_unknown);
            if (id >= 0)
                list[n++] = id;
        }
        n = merge_short(bpe, list, n);
        if (entry != NULL && n <= CACHE_IDS) {
            memcpy(entry->piece, piece, size);
            entry->size = (uint8_t)size;
            entry->n_ids = (uint8_t)n;
            memcpy(entry->ids, list, n * sizeof *list);
        }
    }
    if (!azr_ids_append(ids, list, n))
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu token ids", ids->n + n);
    return AZR_OK;
}

azr_status azr_bpe_encode(const azr_bpe *bpe, azr_bpe_work *work, const char *piece, size_t size,
                          azr_ids *ids, azr_error *error)
{
    if (bpe->ignore_merges) {
        int32_t id = azr_vocabulary_find(bpe->vocabulary, piece, size, true);
        if (id >= 0 && !bpe->vocabulary->tokens[id].special) {
            if (!azr_ids_append(ids, &id, 1))
                return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu token ids",
                                     ids->n + 1);
            return AZR_OK;
        }
    }
    return size <= SHORT_PIECE ? encode_short(bpe, work, piece, size, ids, error)
                               : encode_long(bpe, work, piece, size, ids, error);
}
