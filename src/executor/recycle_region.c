/* recycle_region.c: blocks of the region. Small ones have free lists by size class; large ones one
 * list in the order of addresses, whose neighbours join; all else comes from the top. */
#include "executor/recycle_region.h"

#include "executor/python_value.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGN = 16,
    SMALL_BYTES = 1024,      /* classes of 16 bytes up to here, */
    MEDIUM_BYTES = 32 << 10, /* four to a doubling up to here */
    SMALL_CLASSES = SMALL_BYTES / ALIGN + 1,
    CLASSES = SMALL_CLASSES + 4 * 5,
    ARENA_ALIGN = 16 << 10, /* of pymalloc's pools: an arena that begins so has one pool more */
};

/* In front of each block. */
typedef struct block {
    size_t bytes;       /* with this header */
    struct block *next; /* in a free list */
} block;

_Static_assert(sizeof(block) == ALIGN, "blocks stay aligned");

/* The process has one interpreter, and it one memory. */
static struct {
    char *base, *top, *end;
    char *limit; /* nothing is handed out beyond */
    char *high;  /* from here on nothing was ever touched: zeros */
    block *free[CLASSES];
    block *large;     /* free, by address */
    block *arenas;    /* free arenas, all of one size */
    char *last_arena; /* that was taken from the top */
    size_t arena_bytes;
} region;

/* The class of a block of so many bytes, which are rounded up to what the class holds. */
static size_t class_of(size_t *bytes)
{
    if (*bytes <= SMALL_BYTES)
        return *bytes / ALIGN;
    size_t base = SMALL_BYTES, index = SMALL_CLASSES;
    while (*bytes > 2 * base) {
        base *= 2;
        index += 4;
    }
    size_t step = base / 4, n = (*bytes - base + step - 1) / step;
    *bytes = base + n * step;
    return index + n - 1;
}

static char *from_top(size_t bytes, size_t align)
{
    char *start = region.top + (-(uintptr_t)region.top & (align - 1));
    if (start > region.limit || bytes > (size_t)(region.limit - start))
        return NULL;
    region.top = start + bytes;
    return start;
}

/* What was touched up to now; then up to the new top. */
static char *raise_high(void)
{
    char *old = region.high;
    if (region.top > region.high)
        region.high = region.top;
    return old;
}

static block *take_large(size_t bytes)
{
    for (block **at = &region.large; *at != NULL; at = &(*at)->next) {
        block *b = *at;
        if (b->bytes < bytes)
            continue;
        if (b->bytes - bytes >= MEDIUM_BYTES) {
            block *rest = (block *)((char *)b + bytes);
            *rest = (block){b->bytes - bytes, b->next};
            b->bytes = bytes;
            *at = rest;
        } else {
            *at = b->next;
        }
        return b;
    }
    return NULL;
}

static void give_large(block *b)
{
    block *before = NULL, *after = region.large;
    while (after != NULL && after < b) {
        before = after;
        after = after->next;
    }
    b->next = after;
    if (before != NULL)
        before->next = b;
    else
        region.large = b;
    if (after != NULL && (char *)b + b->bytes == (char *)after) {
        b->bytes += after->bytes;
        b->next = after->next;
    }
    if (before != NULL && (char *)before + before->bytes == (char *)b) {
        before->bytes += b->bytes;
        before->next = b->next;
    }
}

/* size bytes; *out_zero: from there on the block is known to be zero. */
static void *take(size_t size, char **out_zero)
{
    if (size > (size_t)(region.end - region.base))
        return NULL;
    size_t bytes = (size + sizeof(block) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    block *b = NULL, **list = NULL;
    if (bytes <= MEDIUM_BYTES) {
        list = &region.free[class_of(&bytes)];
        b = *list;
        if (b != NULL)
            *list = b->next;
    } else {
        b = take_large(bytes);
    }
    *out_zero = region.end;
    if (b == NULL) {
        b = (block *)from_top(bytes, ALIGN);
        if (b == NULL)
            return NULL;
        b->bytes = bytes;
        *out_zero = raise_high();
    }
    return b + 1;
}

static void *region_malloc(void *context, size_t size)
{
    char *zero;
    (void)context;
    return take(size, &zero);
}

static void *region_calloc(void *context, size_t n, size_t size)
{
    size_t bytes;
    char *zero;
    (void)context;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    char *start = take(bytes, &zero);
    if (start == NULL)
        return NULL;
    if (zero < start)
        zero = start;
    size_t dirty = (size_t)(zero - start) < bytes ? (size_t)(zero - start) : bytes;
    memset(start, 0, dirty);
    return start;
}

static void region_free(void *context, void *memory)
{
    (void)context;
    if (memory == NULL)
        return;
    block *b = (block *)memory - 1;
    size_t bytes = b->bytes;
    if ((char *)b + bytes == region.top) {
        region.top = (char *)b;
    } else if (bytes <= MEDIUM_BYTES) {
        block **list = &region.free[class_of(&bytes)];
        b->next = *list;
        *list = b;
    } else {
        give_large(b);
    }
}

static void *region_realloc(void *context, void *memory, size_t size)
{
    if (memory == NULL)
        return region_malloc(context, size);
    block *b = (block *)memory - 1;
    size_t have = b->bytes - sizeof(block);
    if (size <= have && (b->bytes <= MEDIUM_BYTES || size > have / 2))
        return memory;
    if ((char *)b + b->bytes == region.top && b->bytes > MEDIUM_BYTES && size > have) {
        size_t bytes = (size + sizeof(block) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        if (bytes >= size && bytes <= (size_t)(region.limit - (char *)b)) {
            region.top = (char *)b + bytes;
            b->bytes = bytes;
            raise_high();
            return memory;
        }
    }
    void *other = region_malloc(context, size);
    if (other == NULL)
        return NULL;
    memcpy(other, memory, size < have ? size : have);
    region_free(context, memory);
    return other;
}

static void *arena_alloc(void *context, size_t bytes)
{
    (void)context;
    if (region.arenas != NULL && bytes == region.arena_bytes) {
        block *arena = region.arenas;
        region.arenas = arena->next;
        return arena;
    }
    char *arena = from_top(bytes, ARENA_ALIGN);
    if (arena != NULL) {
        region.arena_bytes = bytes;
        region.last_arena = arena;
        raise_high();
    }
    return arena;
}

static void arena_free(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes != region.arena_bytes)
        return; /* CPython knows one size */
    block *arena = memory;
    arena->next = region.arenas;
    region.arenas = arena;
}

bool azr_exec__region_start(void *base, size_t bytes)
{
    char *start = mmap(base, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (start != base)
        return false;
    region.base = region.top = region.high = start;
    region.end = region.limit = start + bytes;
    PyMemAllocatorEx raw = {NULL, region_malloc, region_calloc, region_realloc, region_free};
    PyObjectArenaAllocator arena = {NULL, arena_alloc, arena_free};
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &raw);
    PyObject_SetArenaAllocator(&arena);
    return true;
}

/* Blocks of one size until one lies in an arena that is younger than those at the start. */
static void use_up(size_t size, const char *old_top)
{
    for (long n = 0; n < 1000000; n++) {
        const char *block_of_class = PyObject_Malloc(size);
        if (block_of_class == NULL || block_of_class >= old_top)
            return;
    }
}

void azr_exec__region_burn(void)
{
    enum { SMALLEST = 16, LARGEST = 512 };
    memset(region.free, 0, sizeof region.free);
    region.large = region.arenas = NULL;
    const char *old_top = region.top;
    for (size_t size = LARGEST; size >= SMALLEST; size -= 16)
        use_up(size, old_top);
    memset(region.free, 0, sizeof region.free);
    region.large = region.arenas = NULL;
}

char *azr_exec__region_top(void)
{
    return region.top;
}

void azr_exec__region_limit(size_t bytes)
{
    size_t left = (size_t)(region.end - region.top);
    region.limit = region.top + (bytes < left ? bytes : left);
}
