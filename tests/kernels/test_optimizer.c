/* AdamW against torch.optim.AdamW, sums of squares, rounding to bf16 and f16. */
#include "../support/arrays.h"

#include "azr/kernels.h"
#include "kernels/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char fixtures[] = "tests/kernels/fixtures/kernels.txt";

static void torch_level(const char *level)
{
    (void)level;
    int64_t n, n_g;
    float *w = test_fixture(fixtures, "adamw_w0", &n);
    float *m = test_array(n, 1, 0), *v = test_array(n, 2, 0);
    for (int step = 1; step <= 3; step++) {
        char name[16];
        snprintf(name, sizeof name, "adamw_g%d", step);
        float *grad = test_fixture(fixtures, name, &n_g);
        for (int64_t i = 0; i < n; i++)
            grad[i] *= 4;
        azr_adamw adamw = {0.01, 0.9, 0.99, 1e-3, 0.1, step};
        azr_adamw_update(&adamw, n, 0.25F, w, grad, m, v);
        snprintf(name, sizeof name, "adamw_w%d", step);
        assert_close(n, w, test_fixture(fixtures, name, &n_g), 3e-7, 0);
        for (int64_t i = 0; i < n; i++)
            assert_true(grad[i] == 0);
    }
    assert_close(n, m, test_fixture(fixtures, "adamw_m", &n_g), 5e-7, 0);
    assert_close(n, v, test_fixture(fixtures, "adamw_v", &n_g), 5e-7, 0);
}

static void test_torch(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    for_each_level(torch_level);
}

static void sums_level(const char *level)
{
    (void)level;
    static const int64_t sizes[] = {0, 1, 15, 33, 16384, 16385, 100003};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t n = sizes[i];
        float *x = test_array(n, 1, 1);
        double expected = azr_kernels__sum_squares_ref(n, x), sums[2];
        for (int t = 0; t < 2; t++) {
            azr_kernels_set_threads(t + 1);
            sums[t] = azr_sum_squares(n, x);
        }
        assert_true(sums[0] == sums[1]);
        assert_true(fabs(sums[0] - expected) <= 1e-12 * expected);
        if (n > 0) {
            x[n - 1] = NAN;
            assert_true(isnan(azr_sum_squares(n, x)));
            x[n - 1] = -INFINITY;
            assert_true(isinf(azr_sum_squares(n, x)));
        }
        test_arrays_end();
    }
}

static void bf16_level(const char *level)
{
    (void)level;
    static const struct {
        uint32_t f32;
        uint16_t bf16;
    } cases[] = {
        {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81},
        {0x7f7fffff, 0x7f80}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x00000001, 0x0000},
        {0x80000000, 0x8000}, {0x00018000, 0x0002}, {0xbf807fff, 0xbf80},
    };
    enum { N = sizeof cases / sizeof cases[0] };
    float *x = test_array(37, 1, 1);
    uint16_t y[38], ref[37];
    for (size_t i = 0; i < N; i++)
        memcpy(&x[i], &cases[i].f32, 4);
    uint32_t nan = 0x7f800001U;
    memcpy(&x[N], &nan, 4); /* its upper half alone would be infinity */
    y[37] = 0xabcd;
    azr_kernels__table()->to_bf16(37, x, y);
    azr_kernels__to_bf16_ref(37, x, ref);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(y[i], cases[i].bf16);
    assert_true((y[N] & 0x7f80) == 0x7f80 && (y[N] & 0x7f) != 0);
    assert_memory_equal(y, ref, sizeof ref);
    assert_int_equal(y[37], 0xabcd);
}

/* Every number of f16 stays itself, and what lies between two of them goes to the nearer one, from
 * halfway to the even one. */
static void f16_level(const char *level)
{
    (void)level;
    static const struct {
        uint32_t f32;
        uint16_t f16;
    } cases[] = {
        {0x3f800000, 0x3c00}, {0x3f801000, 0x3c00}, {0x3f803000, 0x3c02}, {0x3f801001, 0x3c01},
        {0x477fe000, 0x7bff}, {0x477fefff, 0x7bff}, {0x477ff000, 0x7bff}, {0x7f7fffff, 0x7bff},
        {0x7f800000, 0x7bff}, {0xff800000, 0xfbff}, {0xc7800000, 0xfbff}, {0x38800000, 0x0400},
        {0x387fe000, 0x0400}, {0x387fc000, 0x03ff}, {0x33800000, 0x0001}, {0x33000000, 0x0000},
        {0x33000001, 0x0001}, {0x33c00000, 0x0002}, {0xb3400000, 0x8001}, {0x00000001, 0x0000},
        {0x80000000, 0x8000}, {0xbf801fff, 0xbc01},
    };
    enum { N = sizeof cases / sizeof cases[0], ALL = 0x7c00 };
    static float x[2 * ALL + 5];
    static uint16_t y[2 * ALL + 6], ref[2 * ALL + 5];
    const azr_kernel_table *table = azr_kernels__table();
    for (size_t i = 0; i < N; i++)
        memcpy(&x[i], &cases[i].f32, 4);
    x[N] = NAN;
    y[37] = 0xabcd;
    table->to_f16(37, x, y);
    azr_kernels__to_f16_ref(37, x, ref);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(y[i], cases[i].f16);
    assert_true((y[N] & 0x7c00) == 0x7c00 && (y[N] & 0x3ff) != 0);
    assert_memory_equal(y, ref, sizeof *y * 37);
    assert_int_equal(y[37], 0xabcd);
    static float same[N + 1];
    memcpy(same, x, sizeof same);
    azr_kernels__round_to_f16_ref(N + 1, same);
    table->round_to_f16(N + 1, x);
    assert_memory_equal(x, same, sizeof *x * N);
    assert_true(isnan(same[N]) && isnan(x[N]) && x[0] == 1.0F && x[5] == 65504.0F &&
                x[9] == -65504.0F);
    assert_true(x[13] == 0x3ffp-24F && x[14] == 0x1p-24F && x[15] == 0.0F && x[17] == 0x1p-23F);
    /* n-th number of f16, and halfway to the one behind it. */
    for (int i = 0; i < ALL; i++) {
        int exponent = i >> 10 > 0 ? i >> 10 : 1;
        double last = ldexp(1, exponent - 25);
        double number = (i & 0x3ff) * last + (i >> 10 > 0 ? 1024 * last : 0);
        x[2 * i] = (float)number;
        x[2 * i + 1] = (float)(number + last / 2);
    }
    table->to_f16((int64_t)2 * ALL, x, y);
    azr_kernels__to_f16_ref((int64_t)2 * ALL, x, ref);
    for (int i = 0; i < ALL; i++) {
        assert_int_equal(y[2 * i], i);
        assert_int_equal(y[2 * i + 1], i + 1 < ALL ? i + i % 2 : i);
    }
    assert_memory_equal(y, ref, sizeof *y * 2 * ALL);
    static float rounded[2 * ALL], judged[2 * ALL];
    memcpy(rounded, x, sizeof rounded);
    memcpy(judged, x, sizeof judged);
    table->round_to_f16((int64_t)2 * ALL, rounded);
    azr_kernels__round_to_f16_ref((int64_t)2 * ALL, judged);
    assert_memory_equal(rounded, judged, sizeof rounded);
    for (int i = 0; i < ALL; i++)
        assert_true(rounded[2 * i] == x[2 * i]);
    for (int i = 0; i < 2 * ALL; i++)
        x[i] = -x[i];
    table->round_to_f16((int64_t)2 * ALL, x);
    for (int i = 0; i < 2 * ALL; i++)
        assert_true(x[i] == -rounded[i] && signbit(x[i]));
}

static void test_levels(void **state)
{
    (void)state;
    for_each_level(sums_level);
    for_each_level(bf16_level);
    for_each_level(f16_level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
