/* rng.h: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011), a counter-based generator: a number is a pure function of who asks for it, so the order
 * of scheduling cannot change a sample and nothing needs saving in a checkpoint. */
#ifndef AZR_BASE_RNG_H
#define AZR_BASE_RNG_H

#include <stdint.h>

void azr_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Who asks. Two askers with different purposes never see the same numbers. */
typedef enum azr_rng_purpose {
    AZR_RNG_SAMPLE = 1,   /* a token of a rollout */
    AZR_RNG_REFERENCES,   /* reference tasks of a proposer prompt */
    AZR_RNG_PROGRAMS,     /* program of an induction proposer prompt */
    AZR_RNG_SOLVER_TASKS, /* stored tasks a solver trains on */
    AZR_RNG_WEIGHTS,      /* random weights of test models */
    AZR_RNG_TEST,
    AZR_RNG_MINI_BATCHES, /* order of a step's prompts when it takes several updates */
    AZR_RNG_BOOTSTRAP,    /* items of a resampled evaluation */
    AZR_RNG_EVALUATION,   /* a token of an evaluation */
    AZR_RNG_COMPOSITES,   /* whether a proposer is given functions to call, and how many */
    AZR_RNG_PARTS,        /* which ones */
} azr_rng_purpose;

/* A position in the random numbers of one run. */
typedef struct azr_rng_key {
    uint64_t seed;     /* of the run */
    uint32_t purpose;  /* azr_rng_purpose */
    uint32_t step;     /* global step */
    uint32_t sequence; /* which sequence (or draw) of that step */
} azr_rng_key;

/* Uniform in [0, 1), 53 bits; position = token index or draw index. */
double azr_rng_uniform(const azr_rng_key *key, uint32_t position);
/* Uniform integer in [0, n), n > 0, without bias worth measuring (53 bits). */
uint64_t azr_rng_below(const azr_rng_key *key, uint32_t position, uint64_t n);

#endif
