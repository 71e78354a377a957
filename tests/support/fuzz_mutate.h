/* fuzz_mutate.h: a small fuzzer that needs nothing but a C compiler: valid seeds in, damaged copies
 * out, the same ones for the same seed. Run it under the sanitizers (make SANITIZE=1).
 *
 * Environment, for a longer run or to find an input again:
 *   AZR_FUZZ_SECONDS  each fuzz_run goes on for so long, whatever its n_iterations
 *   AZR_FUZZ_INPUTS   so many inputs for each fuzz_run instead of its n_iterations
 *   AZR_FUZZ_SEED     another stream of damage (a number)
 *   AZR_FUZZ_SAVE     file that each input is written to before it is tried: after a crash it holds
 *                     the culprit */
#ifndef AZR_TEST_FUZZ_MUTATE_H
#define AZR_TEST_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Start from any state. */
typedef struct fuzz_random {
    uint64_t state;
} fuzz_random;

uint64_t fuzz_random_next(fuzz_random *random);
size_t fuzz_random_below(fuzz_random *random, size_t n); /* n > 0 */

typedef struct fuzz_bytes {
    const uint8_t *bytes;
    size_t size;
} fuzz_bytes;

typedef struct fuzz_options {
    const fuzz_bytes *seeds; /* at least one; inputs are made of these */
    size_t n_seeds;
    const char *const *words; /* pieces of the format's language to throw in; may be none */
    size_t n_words;
    size_t max_bytes;    /* of an input; 0: twice the longest seed and 64 more */
    size_t n_iterations; /* inputs to try */
    uint64_t seed;
} fuzz_options;

/* Tries one input: must return, whatever the bytes. They lie in a block of exactly size bytes, so
 * that reading past it is seen. */
typedef void fuzz_target(void *context, const uint8_t *bytes, size_t size);

/* Every seed as it is, then n_iterations damaged ones. Returns how many were tried. */
size_t fuzz_run(const fuzz_options *options, fuzz_target *target, void *context);

/* One to eight mutations of bytes[0..size), in place; returns the new size, at most capacity.
 * Seeds and words of options are material (both may be none). */
size_t fuzz_mutate(uint8_t *bytes, size_t size, size_t capacity, const fuzz_options *options,
                   fuzz_random *random);

#endif
