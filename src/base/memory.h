/* memory.h: the one door to the heap.
 *
 * azr_alloc and friends abort when memory is exhausted: for small internal pieces. Anything whose
 * size comes from a file, a model's output or a request uses azr_try_alloc and returns a status. */
#ifndef AZR_BASE_MEMORY_H
#define AZR_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* n * size bytes, zeroed; free with azr_free. n * size may be 0 (gives a unique pointer). */
void *azr_alloc(size_t n, size_t size);
/* Grows or shrinks; new bytes are not zeroed. */
void *azr_realloc(void *memory, size_t n, size_t size);
/* Like azr_alloc, but NULL when exhausted or when n * size overflows. */
void *azr_try_alloc(size_t n, size_t size);
/* 64-byte aligned, contents undefined; much of it takes memory only as it is written to. NULL when
 * exhausted. Free with azr_free. For what is read from end to end again and again, as large weights
 * and keys are: in pages of 2 MB where the system has them, so that fetches ahead go on past 4 KB.
 * (Not for all: rows of what products write would fall into the same places of the caches; prefill
 * on Zen 4 5 % slower.) */
void *azr_try_alloc_streamed(size_t bytes);
/* 64-byte aligned, zeroed, for arrays of numbers; NULL when exhausted. Free with azr_free. */
void *azr_try_alloc_aligned(size_t n, size_t size);
void azr_free(void *memory);
/* A copy of size bytes with a NUL behind it. */
char *azr_copy_text(const char *text, size_t size);
/* out = a * b; false on overflow. */
bool azr_multiply_sizes(size_t a, size_t b, size_t *out);
/* Bytes of physical memory that are free for this process now (MemAvailable, cgroup limits). */
size_t azr_memory_available(void);
/* Gives what was freed back to the system, as far as it is whole pages. */
void azr_memory_trim(void);
/* The most physical memory that this process has held, in bytes (VmHWM); 0 where unknown. */
size_t azr_memory_peak(void);
/* Measured: what azr's code and tables, oneDNN's and those of the other libraries take of it. */
enum { AZR_MEMORY_PROGRAM = 64 << 20 };

/* Tests: let the n-th azr_try_* call from now on fail (0 = never). */
void azr_memory_fail_at(size_t n);

/* An arena: many small pieces that die together. */
typedef struct azr_arena azr_arena;
azr_arena *azr_arena_create(void);
/* 16-byte aligned, zeroed; lives until reset or destroy. */
void *azr_arena_alloc(azr_arena *arena, size_t n, size_t size);
char *azr_arena_text(azr_arena *arena, const char *text, size_t size);
void azr_arena_reset(azr_arena *arena);
void azr_arena_destroy(azr_arena *arena);

#endif
