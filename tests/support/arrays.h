/* arrays.h: arrays for tests of kernels: misaligned on purpose, NaN before and behind, compared
 * with a stated bound. */
#ifndef AZR_TEST_ARRAYS_H
#define AZR_TEST_ARRAYS_H

#include <stdint.h>

/* n floats at an address that is 4 but not 8 bytes aligned, filled with noise of the given size
 * from a seed; guarded on both sides. Freed by test_array_check_all. */
float *test_array(int64_t n, uint32_t seed, float size);
/* Fails the test when anything touched a guard of any array; frees them all. */
void test_arrays_end(void);
/* Every a[i] within rel * max(|b|) + absolute of b[i]; NaN only where b has it. */
void assert_close(int64_t n, const float *a, const float *b, double rel, double absolute);
void assert_same_bits(int64_t n, const float *a, const float *b);
/* Calls test(level) for each level of kernels this CPU has, with azr_kernels_init done for it. */
void for_each_level(void (*test)(const char *level));
/* The numbers of one line, "name count number ...", of a text file of fixtures, as an array like
 * those of test_array; *out_n is their count. Fails the test when there is no such line. */
float *test_fixture(const char *path, const char *name, int64_t *out_n);

#endif
