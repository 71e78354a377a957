/* recycle_worker.h: the recycled worker's own process, from its start to the keeper. */
#ifndef AZR_EXECUTOR_RECYCLE_WORKER_H
#define AZR_EXECUTOR_RECYCLE_WORKER_H

#include "executor/recycle_window.h"
#include "executor/walls.h"

/* All that a worker inherits besides the control socket; it takes it off at once. */
extern char *const azr_exec__worker_environment[];

/* The first byte of a flavour's stretch of addresses. */
static inline uint64_t azr_exec__flavour_address(uint64_t base, azr_exec__flavour flavour)
{
    return base + (uint64_t)flavour * azr_exec__flavour_gap;
}

/* Puts each private page that this process has written, or could write, on a page of the image
 * file, so that it can be brought back from there; hot pages shared with the file, others as
 * copies on writing. maps_fd and pagemap_fd are of /proc/self. Fills *image, whose growth
 * stretches are the parts of region and stack beyond the image. False: reason says why. */
typedef struct azr_exec__seal {
    int image_fd, maps_fd, pagemap_fd;
    uint64_t region, region_top, stack; /* beginnings, and the region's first free byte */
    const uint32_t *hot;                /* pages of the image, in rising order */
    size_t n_hot;
} azr_exec__seal;
bool azr_exec__image_seal(const azr_exec__seal *seal, azr_exec__image *image, char *reason,
                          size_t reason_bytes);

/* What a run's process calls: does what the input asks for and ends. */
_Noreturn void azr_exec__recycle_child(void);
/* In the worker, before the image is taken. */
void azr_exec__recycle_child_prepare(azr_exec__flavour flavour);

/* Only a test program defines it: gives programs native code to attack with. Before the image. */
void azr_exec__recycle_test_hook(void) __attribute__((weak));

#endif
