#include "azr/dist.h"

int azr_dist_rank(void)
{
    return 0;
}

int azr_dist_n_ranks(void)
{
    return 1;
}

/* With one rank the sum is what x holds already. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the version for more ranks writes x. */
void azr_dist_sum(float *x, int64_t n)
{
    (void)x;
    (void)n;
}
