/* The fuzzer itself: the same seed gives the same inputs, sizes stay within the capacity, and
 * simple planted faults are found. */
#include "../support/fuzz_mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text_seed[] = "{\"size\": 12, \"name\": \"abc\"}";
static const uint8_t binary_seed[] = {'G', 'G', 3, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
static const char *const words[] = {"null", "[[[["};

typedef struct seen {
    uint64_t hash;
    size_t n, max_size, n_huge_counts, n_huge_numbers, n_words;
} seen;

static void look(void *context, const uint8_t *bytes, size_t size)
{
    seen *s = context;
    for (size_t i = 0; i < size; i++)
        s->hash = (s->hash ^ bytes[i]) * 0x100000001B3U;
    s->hash = (s->hash ^ size) * 0x100000001B3U;
    s->n++;
    s->max_size = size > s->max_size ? size : s->max_size;
    uint64_t count;
    if (size >= 14 && bytes[0] == 'G') {
        memcpy(&count, bytes + 6, sizeof count);
        s->n_huge_counts += count > (uint64_t)1 << 60;
    }
    if (size >= 30 && memcmp(bytes, "{\"size\": 2147483647", 19) == 0)
        s->n_huge_numbers++;
    s->n_words += memmem(bytes, size, "[[[[", 4) != NULL;
}

static fuzz_options options_for(uint64_t seed)
{
    static fuzz_bytes seeds[2];
    seeds[0] = (fuzz_bytes){(const uint8_t *)text_seed, sizeof text_seed - 1};
    seeds[1] = (fuzz_bytes){binary_seed, sizeof binary_seed};
    return (fuzz_options){.seeds = seeds,
                          .n_seeds = 2,
                          .words = words,
                          .n_words = 2,
                          .max_bytes = 80,
                          .n_iterations = 20000,
                          .seed = seed};
}

/* The environment would change what is looked at here. */
static void skip_when_told(void)
{
    if (getenv("AZR_FUZZ_SECONDS") != NULL || getenv("AZR_FUZZ_SEED") != NULL)
        skip();
}

static void test_same_seed_same_inputs(void **state)
{
    (void)state;
    skip_when_told();
    seen a = {0}, b = {0}, c = {0};
    fuzz_options one = options_for(1), two = options_for(2);
    assert_int_equal(fuzz_run(&one, look, &a), 20002);
    fuzz_run(&one, look, &b);
    fuzz_run(&two, look, &c);
    assert_int_equal(a.n, 20002);
    assert_true(a.hash == b.hash);
    assert_true(a.hash != c.hash);
}

static void test_reaches_the_edges(void **state)
{
    (void)state;
    skip_when_told();
    seen s = {0};
    fuzz_options options = options_for(3);
    fuzz_run(&options, look, &s);
    assert_true(s.max_size <= 80);
    assert_true(s.max_size > 60);
    assert_true(s.n_huge_counts > 0);
    assert_true(s.n_huge_numbers > 0);
    assert_true(s.n_words > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_inputs),
        cmocka_unit_test(test_reaches_the_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
