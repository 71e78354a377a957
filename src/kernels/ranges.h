/* ranges.h: pieces of work 0 .. n - 1 for the threads of a parallel region, when one of them may be
 * held up. Each thread has a range of pieces: it takes them from the front, so it knows what comes
 * next (and can ask for its memory); who has done his own takes from the back of the others'. For
 * work whose results do not depend on who does it. Private to kernels/. */
#ifndef AZR_KERNELS_RANGES_H
#define AZR_KERNELS_RANGES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct azr_ranges azr_ranges;

/* n pieces (below 2^32) in equal ranges, none open yet. Free with azr_free. */
azr_ranges *azr_ranges_create(int n_threads, int64_t n);
/* The range of a thread, as it was created. */
int64_t azr_ranges_begin(const azr_ranges *ranges, int thread);
int64_t azr_ranges_end(const azr_ranges *ranges, int thread);
/* From now on a thread's range is to be taken from. Once for each thread. */
void azr_ranges_open(azr_ranges *ranges, int thread);
/* The same for every thread, before any begins. */
void azr_ranges_open_all(azr_ranges *ranges);
/* The next piece for a thread, from its own range or another open one; false: there is none. */
bool azr_ranges_take(azr_ranges *ranges, int thread, int64_t *piece);

#endif
