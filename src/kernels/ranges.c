/* ranges.c: what is left of a range is one word, front and back, so that taking is one exchange. */
#include "kernels/ranges.h"

#include "base/check.h"
#include "base/memory.h"

/* A line of memory each, so that threads do not wait for each other's. */
typedef struct range {
    uint64_t left; /* atomic: front in the low half, back in the high; both 0: not open */
    char rest[56];
} range;

struct azr_ranges {
    int n_threads;
    int64_t n;
    range of[];
};

azr_ranges *azr_ranges_create(int n_threads, int64_t n)
{
    AZR_CHECK(n_threads > 0 && n >= 0 && n <= UINT32_MAX);
    azr_ranges *ranges = azr_alloc(1, sizeof *ranges + (size_t)n_threads * sizeof(range));
    ranges->n_threads = n_threads;
    ranges->n = n;
    return ranges;
}

int64_t azr_ranges_begin(const azr_ranges *ranges, int thread)
{
    return ranges->n * thread / ranges->n_threads;
}

int64_t azr_ranges_end(const azr_ranges *ranges, int thread)
{
    return azr_ranges_begin(ranges, thread + 1);
}

static uint64_t pack(uint64_t front, uint64_t back)
{
    return back << 32 | front;
}

void azr_ranges_open(azr_ranges *ranges, int thread)
{
    uint64_t front = (uint64_t)azr_ranges_begin(ranges, thread);
    uint64_t back = (uint64_t)azr_ranges_end(ranges, thread);
    /* What the owner wrote before is seen by who takes a piece. */
    __atomic_store_n(&ranges->of[thread].left, pack(front, back), __ATOMIC_RELEASE);
}

void azr_ranges_open_all(azr_ranges *ranges)
{
    for (int i = 0; i < ranges->n_threads; i++)
        azr_ranges_open(ranges, i);
}

static bool take(range *from, bool from_front, int64_t *piece)
{
    uint64_t left = __atomic_load_n(&from->left, __ATOMIC_ACQUIRE);
    for (;;) {
        uint64_t front = left & UINT32_MAX, back = left >> 32;
        if (front >= back)
            return false;
        *piece = (int64_t)(from_front ? front : back - 1);
        uint64_t after = from_front ? pack(front + 1, back) : pack(front, back - 1);
        if (__atomic_compare_exchange_n(&from->left, &left, after, true, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return true;
    }
}

bool azr_ranges_take(azr_ranges *ranges, int thread, int64_t *piece)
{
    if (take(&ranges->of[thread], true, piece))
        return true;
    for (int i = 1; i < ranges->n_threads; i++)
        if (take(&ranges->of[(thread + i) % ranges->n_threads], false, piece))
            return true;
    return false;
}
