#include "arrays.h"

#include "azr/kernels.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD = 33, MAX_ARRAYS = 256 };
static const uint32_t guard_bits = 0x7fdeadbeU; /* a NaN */

static struct {
    float *memory;
    int64_t n;
} arrays[MAX_ARRAYS];
static int n_arrays;

float *test_array(int64_t n, uint32_t seed, float size)
{
    assert_true(n_arrays < MAX_ARRAYS);
    size_t n_all = (size_t)n + 2 * GUARD;
    float *memory = aligned_alloc(64, (n_all * sizeof(float) + 63) / 64 * 64);
    assert_non_null(memory);
    for (size_t i = 0; i < n_all; i++)
        memcpy(&memory[i], &guard_bits, sizeof guard_bits);
    arrays[n_arrays].memory = memory;
    arrays[n_arrays++].n = n;
    azr_rng_key key = {7, AZR_RNG_TEST, 0, seed};
    float *x = memory + GUARD;
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((azr_rng_uniform(&key, (uint32_t)i) * 2 - 1) * (double)size);
    return x;
}

void test_arrays_end(void)
{
    for (int i = 0; i < n_arrays; i++) {
        for (int64_t j = 0; j < GUARD; j++) {
            float *before = arrays[i].memory + j;
            float *behind = arrays[i].memory + GUARD + arrays[i].n + j;
            if (memcmp(before, &guard_bits, 4) != 0 || memcmp(behind, &guard_bits, 4) != 0)
                fail_msg("array %d: a guard was overwritten", i);
        }
        free(arrays[i].memory);
    }
    n_arrays = 0;
}

void assert_close(int64_t n, const float *a, const float *b, double rel, double absolute)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(b[i]))
            largest = fmax(largest, fabs((double)b[i]));
    for (int64_t i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i]))
            continue;
        if (a[i] == b[i])
            continue;
        double difference = fabs((double)a[i] - b[i]);
        if (!(difference <= rel * largest + absolute))
            fail_msg("element %lld: %.9g but expected %.9g", (long long)i, (double)a[i],
                     (double)b[i]);
    }
}

void assert_same_bits(int64_t n, const float *a, const float *b)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof(float)) != 0)
            fail_msg("element %lld: %.9g and %.9g are not the same bits", (long long)i,
                     (double)a[i], (double)b[i]);
}

void for_each_level(void (*test)(const char *level))
{
    static const char *const levels[] = {"ref", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        setenv("AZR_CPU", levels[i], 1);
        if (azr_kernels_init(NULL) != AZR_OK)
            continue;
        test(levels[i]);
        test_arrays_end();
    }
    unsetenv("AZR_CPU");
}

float *test_fixture(const char *path, const char *name, int64_t *out_n)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("no file %s", path);
    char word[64];
    long long n = 0;
    float *x = NULL;
    while (x == NULL && fscanf(file, "%63s %lld", word, &n) == 2) {
        bool wanted = strcmp(word, name) == 0;
        float *line = wanted ? test_array(n, 0, 0) : NULL;
        float number;
        for (long long i = 0; i < n; i++) {
            assert_int_equal(fscanf(file, "%f", &number), 1);
            if (wanted)
                line[i] = number;
        }
        x = line;
    }
    fclose(file);
    if (x == NULL)
        fail_msg("no line %s in %s", name, path);
    *out_n = n;
    return x;
}
