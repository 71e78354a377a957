#include "azr/dist.h"

int azr_dist_rank(void)
{
    return 0;
}

int azr_dist_n_ranks(void)
{
    return 1;
}

void azr_dist_sum(float *x, int64_t n)
{
    (void)x;
    (void)n;
}
