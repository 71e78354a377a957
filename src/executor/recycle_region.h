/* recycle_region.h: the memory of a recycled worker's interpreter: one fixed stretch of address
 * space, handed out in the same order each run, with an end that is the memory limit. Needs no
 * system call once it is there. */
#ifndef AZR_EXECUTOR_RECYCLE_REGION_H
#define AZR_EXECUTOR_RECYCLE_REGION_H

#include <stdbool.h>
#include <stddef.h>

/* Reserves bytes of address space at base and makes them CPython's memory: raw blocks and arenas.
 * Before CPython starts; the process has one region. False: the addresses cannot be had. */
bool azr_exec__region_start(void *base, size_t bytes);
/* Before the image is taken: what was freed so far is never given out again, so that a run's
 * objects lie side by side in fresh pages. Uses up the free blocks of pymalloc's old pools. */
void azr_exec__region_burn(void);
/* The first byte that was never handed out. */
char *azr_exec__region_top(void);
/* Refuses memory from bytes beyond the present top on. In the process of a run. */
void azr_exec__region_limit(size_t bytes);

#endif
