#include "base/memory.h"

#include "base/check.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t fail_countdown;

void azr_memory_fail_at(size_t n)
{
    fail_countdown = n;
}

static bool fails_now(void)
{
    return fail_countdown > 0 && --fail_countdown == 0;
}

bool azr_multiply_sizes(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static void *check_memory(void *memory, size_t n, size_t size)
{
    if (memory != NULL)
        return memory;
    fprintf(stderr, "azr: out of memory for %zu x %zu bytes\n", n, size);
    abort();
}

void *azr_alloc(size_t n, size_t size)
{
    return check_memory(calloc(n > 0 ? n : 1, size > 0 ? size : 1), n, size);
}

void *azr_realloc(void *memory, size_t n, size_t size)
{
    size_t bytes;
    AZR_CHECK(azr_multiply_sizes(n, size, &bytes));
    return check_memory(realloc(memory, bytes > 0 ? bytes : 1), n, size);
}

void *azr_try_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (fails_now() || !azr_multiply_sizes(n, size, &bytes))
        return NULL;
    return calloc(n > 0 ? n : 1, size > 0 ? size : 1);
}

enum { LINE = 64, LARGE_PAGE = 2 << 20 };

/* NULL for a size that no multiple of LINE holds, and where a test wants it. */
static void *alloc_lines(size_t bytes)
{
    if (fails_now() || bytes > (size_t)-1 - LINE)
        return NULL;
    return aligned_alloc(LINE, bytes > 0 ? (bytes + LINE - 1) / LINE * LINE : LINE);
}

void *azr_try_alloc_aligned(size_t n, size_t size)
{
    size_t bytes;
    if (!azr_multiply_sizes(n, size, &bytes))
        return NULL;
    void *memory = alloc_lines(bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

void *azr_try_alloc_streamed(size_t bytes)
{
    char *memory = alloc_lines(bytes);
    size_t before = (LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE) % LARGE_PAGE;
    if (memory != NULL && bytes >= before + LARGE_PAGE)
        (void)madvise(memory + before, (bytes - before) / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
    return memory;
}

void azr_free(void *memory)
{
    free(memory);
}

char *azr_copy_text(const char *text, size_t size)
{
    char *copy = azr_alloc(size + 1, 1);
    if (size > 0)
        memcpy(copy, text, size);
    return copy;
}

/* The number behind `key` in a file of "key: number kB" lines, or a file that is one number. */
static size_t read_number(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return (size_t)-1;
    char line[256];
    size_t value = (size_t)-1;
    while (fgets(line, sizeof line, file) != NULL) {
        size_t n = strlen(key);
        if (strncmp(line, key, n) != 0)
            continue;
        char *end;
        unsigned long long number = strtoull(line + n, &end, 10);
        if (end != line + n)
            value = (size_t)number;
        break;
    }
    fclose(file);
    return value;
}

size_t azr_memory_available(void)
{
    size_t kilobytes = read_number("/proc/meminfo", "MemAvailable:");
    size_t bytes = kilobytes == (size_t)-1 ? (size_t)-1 : kilobytes * 1024;
    size_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    size_t used = read_number("/sys/fs/cgroup/memory.current", "");
    if (limit != (size_t)-1 && used != (size_t)-1 && limit - used < bytes && limit > used)
        bytes = limit - used;
    return bytes;
}

void azr_memory_trim(void)
{
    malloc_trim(0);
}

size_t azr_memory_peak(void)
{
    size_t kilobytes = read_number("/proc/self/status", "VmHWM:");
    return kilobytes == (size_t)-1 ? 0 : kilobytes * 1024;
}

/* --- arena ------------------------------------------------------------------------------------ */

enum { AZR_ARENA_BLOCK = 1 << 16 };

typedef struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    _Alignas(16) char bytes[];
} arena_block;

struct azr_arena {
    arena_block *blocks;
};

azr_arena *azr_arena_create(void)
{
    return azr_alloc(1, sizeof(azr_arena));
}

void *azr_arena_alloc(azr_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    AZR_CHECK(azr_multiply_sizes(n, size, &bytes) && bytes < (size_t)-1 / 2);
    bytes = (bytes + 15) / 16 * 16;
    arena_block *block = arena->blocks;
    if (block == NULL || block->capacity - block->used < bytes) {
        size_t capacity = bytes > AZR_ARENA_BLOCK ? bytes : AZR_ARENA_BLOCK;
        block = azr_alloc(1, sizeof *block + capacity);
        block->capacity = capacity;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memory;
}

char *azr_arena_text(azr_arena *arena, const char *text, size_t size)
{
    char *copy = azr_arena_alloc(arena, size + 1, 1);
    if (size > 0)
        memcpy(copy, text, size);
    return copy;
}

void azr_arena_reset(azr_arena *arena)
{
    while (arena->blocks != NULL) {
        arena_block *next = arena->blocks->next;
        azr_free(arena->blocks);
        arena->blocks = next;
    }
}

void azr_arena_destroy(azr_arena *arena)
{
    if (arena == NULL)
        return;
    azr_arena_reset(arena);
    azr_free(arena);
}
