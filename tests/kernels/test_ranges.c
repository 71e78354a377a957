/* Ranges: every piece is done once, whoever does it; what is not open is its owner's alone. */
#include "base/memory.h"
#include "kernels/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* One after the other: 10 pieces are 0..2, 3..5 and 6..9. */
static void test_order(void **state)
{
    (void)state;
    azr_ranges *ranges = azr_ranges_create(3, 10);
    static const int64_t begins[] = {0, 3, 6}, ends[] = {3, 6, 10};
    int64_t piece = -1;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(azr_ranges_begin(ranges, i), begins[i]);
        assert_int_equal(azr_ranges_end(ranges, i), ends[i]);
        assert_false(azr_ranges_take(ranges, i, &piece));
    }
    azr_ranges_open(ranges, 1);
    azr_ranges_open(ranges, 2);
    static const struct {
        int thread;
        int64_t piece;
    } taken[] = {{1, 3}, {2, 6}, {1, 4}, {1, 5}, {1, 9}, {0, 8}, {2, 7}};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        assert_true(azr_ranges_take(ranges, taken[i].thread, &piece));
        assert_int_equal(piece, taken[i].piece);
    }
    assert_false(azr_ranges_take(ranges, 2, &piece)); /* 0..2 are not open */
    azr_ranges_open(ranges, 0);
    assert_true(azr_ranges_take(ranges, 2, &piece));
    assert_int_equal(piece, 2);
    assert_true(azr_ranges_take(ranges, 0, &piece));
    assert_int_equal(piece, 0);
    azr_free(ranges);
}

/* At once: each piece exactly once, and what its range's owner wrote before opening is seen. */
static void test_at_once(void **state)
{
    (void)state;
    enum { N = 5000, THREADS = 4, ROUNDS = 20 };
    atomic_int *done = calloc(N, sizeof *done);
    int *written = calloc(N, sizeof *written);
    atomic_int n_unseen = 0;
    assert_true(done != NULL && written != NULL);
    for (int round = 1; round <= ROUNDS; round++) {
        int64_t n = round == 1 ? 0 : round == 2 ? THREADS - 1 : N - round;
        azr_ranges *ranges = azr_ranges_create(THREADS, n);
#pragma omp parallel for schedule(static, 1) num_threads(THREADS)
        for (int thread = 0; thread < THREADS; thread++) {
            int64_t piece;
            for (piece = azr_ranges_begin(ranges, thread); piece < azr_ranges_end(ranges, thread);
                 piece++)
                written[piece] = round;
            azr_ranges_open(ranges, thread);
            while (azr_ranges_take(ranges, thread, &piece)) {
                atomic_fetch_add(&done[piece], 1);
                if (written[piece] != round)
                    atomic_fetch_add(&n_unseen, 1);
            }
        }
        for (int64_t i = 0; i < N; i++)
            assert_int_equal(atomic_exchange(&done[i], 0), i < n ? 1 : 0);
        azr_free(ranges);
    }
    assert_int_equal(n_unseen, 0);
    free(done);
    free(written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
