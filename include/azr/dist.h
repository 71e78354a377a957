/* dist.h: who else is in the run. One process (dist_single.c) and MPI (dist_mpi.c, chosen by make)
 * have the same interface. */
#ifndef AZR_DIST_H
#define AZR_DIST_H

#include <stdint.h>

int azr_dist_rank(void); /* 0 .. n_ranks - 1 */
int azr_dist_n_ranks(void);
/* x [n] = sum over ranks in rank order, on all ranks. */
void azr_dist_sum(float *x, int64_t n);

#endif
