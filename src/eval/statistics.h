/* statistics.h: rates and how sure they are. Private to eval/. */
#ifndef AZR_EVAL_STATISTICS_H
#define AZR_EVAL_STATISTICS_H

#include "azr/eval.h"

#include <stddef.h>
#include <stdint.h>

/* The chance that k of n samples, c of them right, drawn without putting back, hold a right one:
 * 1 - C(n-c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374). 1 <= k <= n, 0 <= c <= n. */
double azr_eval__pass_at_k(int64_t n, int64_t c, int64_t k);
/* Wilson's score interval of x right ones of n, 95 %; n 0: 0 to 1. */
azr_interval azr_eval__wilson(int64_t x, int64_t n);
/* Percentile bootstrap of the mean of n values, 95 %: 10,000 resamples of a counter-based
 * generator, a function of seed and values alone. */
azr_interval azr_eval__bootstrap_mean(const double *values, size_t n, uint64_t seed);
/* Of n differences (each -1, 0 or 1): the interval of Bonett and Price (2012) for a difference of
 * paired proportions; of other differences: mean +- 1.96 standard errors. 95 %. */
azr_interval azr_eval__paired_interval(const double *differences, size_t n);
/* McNemar's exact test: two-sided binomial of b against c with chance 1/2. */
double azr_eval__mcnemar(int64_t b, int64_t c);

#endif
