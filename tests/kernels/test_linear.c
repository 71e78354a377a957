/* Matrix products: forward and both gradients against sums in double, the row-block rule, threads,
 * NaN. oneDNN fixes its instruction set once per process, so each level runs in a child. */
#include "azr/kernels.h"
#include "base/rng.h"
#include "kernels/few_rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The child's way to fail: a sentence and a bad exit. */
#define REQUIRE(condition, ...)                             \
    do {                                                    \
        if (!(condition)) {                                 \
            fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
            fprintf(stderr, __VA_ARGS__);                   \
            fputc('\n', stderr);                            \
            _exit(1);                                       \
        }                                                   \
    } while (0)

/* Exact in bf16, so that both dtypes have the same right answer. */
static float *numbers(int64_t n, uint32_t seed)
{
    float *x = malloc((size_t)(n > 0 ? n : 1) * sizeof *x);
    azr_rng_key key = {3, AZR_RNG_TEST, 0, seed};
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((int)azr_rng_below(&key, (uint32_t)i, 255) - 127) / 128;
    return x;
}

/* Sums of these are rounded at every step. */
static float *thirds(int64_t n, uint32_t seed)
{
    float *x = numbers(n, seed);
    for (int64_t i = 0; i < n; i++)
        x[i] /= 3;
    return x;
}

static void require_close(const char *what, int64_t i, float got, double expected, double bound)
{
    REQUIRE(fabs(got - expected) <= bound, "%s[%lld]: %.9g but expected %.9g", what, (long long)i,
            (double)got, expected);
}

typedef struct layer {
    int64_t n_out, n_in;
    azr_dtype dtype;
    float *w;
    azr_linear *linear;
} layer;

static void check_values(const layer *l, int64_t n_rows)
{
    int64_t n_out = l->n_out, n_in = l->n_in;
    float *x = numbers(n_rows * n_in, 1), *dy = numbers(n_rows * n_out, 2);
    float *y = numbers(n_rows * n_out, 3), *dx = numbers(n_rows * n_in, 4);
    float *dw = numbers(n_out * n_in, 5), *dw_before = numbers(n_out * n_in, 5);
    azr_linear_forward(l->linear, n_rows, x, y);
    azr_linear_backward_input(l->linear, n_rows, dy, dx);
    azr_linear_backward_weight(l->linear, n_rows, x, dy, dw);
    for (int64_t at = 0; at < n_rows * n_out; at += 7) {
        double sum = 0;
        for (int64_t i = 0; i < n_in; i++)
            sum += (double)x[at / n_out * n_in + i] * l->w[at % n_out * n_in + i];
        require_close("y", at, y[at], sum, 1e-6 * (double)n_in);
    }
    for (int64_t at = 0; at < n_rows * n_in; at += 7) {
        double sum = 0;
        for (int64_t o = 0; o < n_out; o++)
            sum += (double)dy[at / n_in * n_out + o] * l->w[o * n_in + at % n_in];
        require_close("dx", at, dx[at], sum, 1e-6 * (double)n_out);
    }
    for (int64_t at = 0; at < n_out * n_in; at += 7) {
        double sum = dw_before[at];
        for (int64_t r = 0; r < n_rows; r++)
            sum += (double)dy[r * n_out + at / n_in] * x[r * n_in + at % n_in];
        require_close("dw", at, dw[at], sum, 1e-6 * (double)(n_rows + 1));
    }
    float *dx_both = numbers(n_rows * n_in, 6), *dw_both = numbers(n_out * n_in, 5);
    azr_linear_backward(l->linear, n_rows, x, dy, dx_both, dw_both);
    REQUIRE(memcmp(dx, dx_both, (size_t)(n_rows * n_in) * 4) == 0, "both at once: other dx");
    REQUIRE(memcmp(dw, dw_both, (size_t)(n_out * n_in) * 4) == 0, "both at once: other dw");
    free(x);
    free(dy);
    free(y);
    free(dx);
    free(dw);
    free(dw_before);
    free(dx_both);
    free(dw_both);
}

/* Gradients: the same bits with one thread and two. Forward: azr_linear_check. */
static void check_threads(const layer *l, int64_t n_rows)
{
    int64_t n_out = l->n_out, n_in = l->n_in;
    float *x = numbers(n_rows * n_in, 1), *dy = numbers(n_rows * n_out, 2), *dx[2], *dw[2];
    for (int t = 0; t < 2; t++) {
        azr_kernels_set_threads(t + 1);
        dx[t] = numbers(n_rows * n_in, 3);
        dw[t] = numbers(n_out * n_in, 4);
        azr_linear_backward_input(l->linear, n_rows, dy, dx[t]);
        azr_linear_backward_weight(l->linear, n_rows, x, dy, dw[t]);
    }
    REQUIRE(memcmp(dx[0], dx[1], (size_t)(n_rows * n_in) * 4) == 0, "dx depends on threads");
    REQUIRE(memcmp(dw[0], dw[1], (size_t)(n_out * n_in) * 4) == 0, "dw depends on threads");
    for (int t = 0; t < 2; t++) {
        free(dx[t]);
        free(dw[t]);
    }
    free(x);
    free(dy);
}

static void check_nan(const layer *l)
{
    enum { R = 20 };
    float *x = numbers(R * l->n_in, 1), *y = numbers(R * l->n_out, 2);
    x[7 * l->n_in + l->n_in / 2] = NAN;
    azr_linear_forward(l->linear, R, x, y);
    for (int64_t i = 0; i < R * l->n_out; i++)
        REQUIRE(isnan(y[i]) == (i / l->n_out == 7), "NaN in row %lld", (long long)(i / l->n_out));
    free(x);
    free(y);
}

/* On AVX2 each element of y and dx is one rising chain of fused multiply-adds, to the last bit:
 * plain loops are the judge. */
static void check_chains(const layer *l, int64_t n_rows)
{
    int64_t n_out = l->n_out, n_in = l->n_in;
    float *x = thirds(n_rows * n_in, 1), *dy = thirds(n_rows * n_out, 2);
    float *y = thirds(n_rows * n_out, 3), *dx = thirds(n_rows * n_in, 4);
    azr_linear_forward(l->linear, n_rows, x, y);
    azr_linear_backward_input(l->linear, n_rows, dy, dx);
    for (int64_t at = 0; at < n_rows * n_out; at++) {
        float sum = 0;
        for (int64_t i = 0; i < n_in; i++)
            sum = fmaf(x[at / n_out * n_in + i], l->w[at % n_out * n_in + i], sum);
        REQUIRE(y[at] == sum, "y[%lld] of %lld rows is no chain", (long long)at, (long long)n_rows);
    }
    for (int64_t at = 0; at < n_rows * n_in; at++) {
        float sum = 0;
        for (int64_t o = 0; o < n_out; o++)
            sum = fmaf(dy[at / n_in * n_out + o], l->w[o * n_in + at % n_in], sum);
        REQUIRE(dx[at] == sum, "dx[%lld] of %lld rows is no chain", (long long)at,
                (long long)n_rows);
    }
    free(x);
    free(dy);
    free(y);
    free(dx);
}

static void check_all_chains(void)
{
    static const int64_t shapes[][2] = {{1, 1}, {5, 3}, {17, 33}, {100, 36}, {104, 1048}};
    static const int64_t rows[] = {1, 2, 3, 13, 64, 77, 131};
    azr_error error;
    azr_kernels_set_threads(2);
    for (size_t i = 0; i < 5; i++) {
        layer l = {shapes[i][0], shapes[i][1], AZR_DTYPE_F32,
                   thirds(shapes[i][0] * shapes[i][1], 9), NULL};
        l.linear = azr_linear_create(l.n_out, l.n_in, l.dtype, l.w, &error);
        REQUIRE(l.linear != NULL, "%s", error.text);
        azr_linear_refresh(l.linear);
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            check_chains(&l, rows[r]);
        azr_linear_destroy(l.linear);
        free(l.w);
    }
}

/* The kernel for few rows by itself, with several numbers of threads: azr_linear would go on
 * without it, only slower. */
static void check_few_rows(int64_t n_out, int64_t n_in, int64_t n_rows)
{
    static const int threads[] = {1, 3, 2, 7};
    float *w = thirds(n_out * n_in, 1), *packed = thirds(n_out * n_in, 2);
    float *x = thirds(n_rows * n_in, 3), *y = thirds(n_rows * n_out, 4);
    for (int64_t at = 0; at < n_out * n_in; at++) {
        int64_t o = at / n_in, i = at % n_in;
        packed[(o / 8 * n_in + i) * 8 + o % 8] = w[at];
    }
    float *wanted = thirds(n_rows * n_out, 5);
    for (int64_t at = 0; at < n_rows * n_out; at++) {
        wanted[at] = 0;
        for (int64_t i = 0; i < n_in; i++)
            wanted[at] = fmaf(x[at / n_out * n_in + i], w[at % n_out * n_in + i], wanted[at]);
    }
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        memset(y, 0xff, (size_t)(n_rows * n_out) * sizeof *y);
        azr_kernels_set_threads(threads[t]);
        azr_few_rows_f32_run(n_rows, n_out, n_in, x, packed, y);
        for (int64_t at = 0; at < n_rows * n_out; at++)
            REQUIRE(y[at] == wanted[at], "y[%lld] of %lld rows, %d threads", (long long)at,
                    (long long)n_rows, threads[t]);
    }
    azr_kernels_set_threads(2);
    free(w);
    free(packed);
    free(x);
    free(y);
    free(wanted);
}

static uint16_t *to_bf16(int64_t n, const float *x)
{
    uint16_t *y = malloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        y[i] = (uint16_t)(bits >> 16); /* cut off: any bf16 number does */
    }
    return y;
}

/* The same for bf16. Numbers whose sums are exact against sums in double; then thirds, whose sums
 * tell the order, against each row by itself. */
static void check_few_rows_bf16(int64_t n_out, int64_t n_in, int64_t piece, int64_t n_rows)
{
    static const int threads[] = {1, 3, 2, 7};
    size_t bytes = (size_t)(n_rows * n_out) * sizeof(float);
    float *y = malloc(bytes), *wanted = malloc(bytes);
    for (int round = 0; round < 2; round++) {
        float *w = round == 0 ? numbers(n_out * n_in, 1) : thirds(n_out * n_in, 1);
        float *x = round == 0 ? numbers(n_rows * n_in, 2) : thirds(n_rows * n_in, 2);
        float *panels = malloc((size_t)(n_out * n_in) * sizeof *panels);
        for (int64_t at = 0; at < n_out * n_in; at++) {
            int64_t o = at / n_in, i = at % n_in;
            panels[((o / 64 * n_in + i / 2 * 2) * 64) + o % 64 * 2 + i % 2] = w[at];
        }
        uint16_t *packed = to_bf16(n_out * n_in, panels), *rows = to_bf16(n_rows * n_in, x);
        azr_kernels_set_threads(1);
        for (int64_t r = 0; r < n_rows && round == 1; r++)
            azr_few_rows_run(1, n_out, n_in, piece, rows + r * n_in, packed, wanted + r * n_out);
        for (int64_t at = 0; at < n_rows * n_out && round == 0; at++) {
            double sum = 0;
            for (int64_t i = 0; i < n_in; i++)
                sum += (double)x[at / n_out * n_in + i] * w[at % n_out * n_in + i];
            wanted[at] = (float)sum;
        }
        for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
            memset(y, 0xff, bytes);
            azr_kernels_set_threads(threads[t]);
            azr_few_rows_run(n_rows, n_out, n_in, piece, rows, packed, y);
            for (int64_t at = 0; at < n_rows * n_out; at++)
                REQUIRE(y[at] == wanted[at], "y[%lld] of %lld rows, %d threads, round %d",
                        (long long)at, (long long)n_rows, threads[t], round);
        }
        free(w);
        free(x);
        free(panels);
        free(packed);
        free(rows);
    }
    azr_kernels_set_threads(2);
    free(y);
    free(wanted);
}

static void check_dtype(azr_dtype dtype)
{
    /* The last three: weight gradients without oneDNN, where there is bf16; in both orders. */
    static const int64_t shapes[][2] = {{1, 1},     {5, 3},     {17, 33}, {64, 48},
                                        {192, 130}, {199, 192}, {64, 64}, {50, 448}};
    static const int64_t rows[] = {1, 2, 11, 12, 13, 64, 77, 241, 300};
    azr_error error;
    azr_kernels_set_threads(2);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        layer l = {shapes[i][0], shapes[i][1], dtype, numbers(shapes[i][0] * shapes[i][1], 9), 0};
        l.linear = azr_linear_create(l.n_out, l.n_in, dtype, l.w, &error);
        REQUIRE(l.linear != NULL, "%s", error.text);
        azr_linear_refresh(l.linear);
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            check_values(&l, rows[r]);
        check_values(&l, 0);
        check_values(&l, 1030);
        check_threads(&l, 1100);
        check_nan(&l);
        l.w[0] = 0.5F; /* refreshed weights are used */
        azr_linear_refresh(l.linear);
        check_values(&l, 3);
        azr_linear_destroy(l.linear);
        free(l.w);
    }
    static const int64_t models[][2] = {{960, 576}, {576, 1536}, {1152, 896}, {48, 32}, {40, 24}};
    for (size_t i = 0; i < 5; i++)
        REQUIRE(azr_linear_check(models[i][0], models[i][1], dtype, &error) == AZR_OK, "%s",
                error.text);
}

static int run_level(const char *level)
{
    azr_error error;
    setenv("AZR_CPU", level, 1);
    if (azr_kernels_init(&error) == AZR_ERROR_UNSUPPORTED)
        return 77;
    REQUIRE(strcmp(azr_kernels_level(), level) == 0, "level is %s", azr_kernels_level());
    check_dtype(AZR_DTYPE_F32);
    if (strcmp(level, "avx2") == 0 || strcmp(level, "ref") == 0)
        check_all_chains();
    for (int64_t n_rows = 1; n_rows < 10 && azr_few_rows_f32_takes(40, 2056); n_rows++) {
        check_few_rows(8, 8, n_rows);
        check_few_rows(40, 2056, n_rows * n_rows);
        check_few_rows(200, 1024, n_rows * n_rows);
    }
    for (int64_t n_rows = 1; n_rows < 12 && azr_few_rows_takes(64, 32); n_rows++) {
        check_few_rows_bf16(64, 32, 32, n_rows);
        check_few_rows_bf16(192, 1056, 512, n_rows * n_rows);
        check_few_rows_bf16(576, 96, 96, n_rows * n_rows + 7);
    }
    if (azr_kernels_have_bf16())
        check_dtype(AZR_DTYPE_BF16);
    else
        REQUIRE(azr_linear_create(4, 4, AZR_DTYPE_BF16, NULL, &error) == NULL &&
                    error.status == AZR_ERROR_UNSUPPORTED,
                "bf16 without hardware must be refused");
    return 0;
}

static void check_in_child(const char *level)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_level(level));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_ref(void **state)
{
    (void)state;
    check_in_child("ref");
}

static void test_avx2(void **state)
{
    (void)state;
    check_in_child("avx2");
}

static void test_avx512(void **state)
{
    (void)state;
    check_in_child("avx512");
}

static void test_avx512_bf16(void **state)
{
    (void)state;
    check_in_child("avx512_bf16");
}

/* oneDNN's own limit, in a child like the levels: which level azr then takes, and that its products
 * work. */
static int run_limited(const char *limit, const char *level)
{
    azr_error error;
    unsetenv("AZR_CPU");
    setenv("DNNL_MAX_CPU_ISA", limit, 1);
    azr_status status = azr_kernels_init(&error);
    if (level == NULL) {
        REQUIRE(status == AZR_ERROR_UNSUPPORTED && strstr(error.text, "DNNL_MAX_CPU_ISA") != NULL,
                "%s must be refused", limit);
        return 0;
    }
    REQUIRE(status == AZR_OK, "%s", error.text);
    if (strcmp(azr_kernels_level(), level) != 0)
        return strcmp(azr_kernels_level(), "avx2") == 0 ? 77 : 1; /* the CPU has no more */
    check_dtype(azr_kernels_have_bf16() ? AZR_DTYPE_BF16 : AZR_DTYPE_F32);
    return 0;
}

static void test_limited(void **state)
{
    static const char *const cases[][2] = {
        {"AVX2", "avx2"}, {"AVX512_CORE", "avx512"}, {"SSE41", NULL}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(run_limited(cases[i][0], cases[i][1]));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    }
}

static void test_bad_level(void **state)
{
    (void)state;
    azr_error error;
    setenv("AZR_CPU", "sse9", 1);
    assert_int_equal(azr_kernels_init(&error), AZR_ERROR_INPUT);
    assert_non_null(strstr(error.text, "sse9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ref),     cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),  cmocka_unit_test(test_avx512_bf16),
        cmocka_unit_test(test_limited), cmocka_unit_test(test_bad_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
