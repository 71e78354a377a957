/* Row operations: the plain version against finite differences in double, every level against the
 * plain one on odd sizes and misaligned arrays, rows independent of each other and of threads. */
#include "../support/arrays.h"

#include "azr/kernels.h"
#include "kernels/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- finite differences ----------------------------------------------------------------------- */

enum { MAX_N = 64 };

/* A scalar function of n numbers, in double. */
typedef double loss_function(const double *x, const void *context);

/* gradient[i] of the loss against central differences. */
static void check_gradient(loss_function *loss, const void *context, int64_t n, const float *at,
                           const float *gradient)
{
    double x[MAX_N];
    float expected[MAX_N];
    assert_true(n <= MAX_N);
    for (int64_t i = 0; i < n; i++)
        x[i] = at[i];
    for (int64_t i = 0; i < n; i++) {
        double kept = x[i], h = 1e-5;
        x[i] = kept + h;
        double above = loss(x, context);
        x[i] = kept - h;
        double below = loss(x, context);
        x[i] = kept;
        expected[i] = (float)((above - below) / (2 * h));
    }
    assert_close(n, gradient, expected, 3e-6, 1e-7);
}

enum { D = 13 };

typedef struct norm_case {
    const float *w, *x, *dy;
} norm_case;

static double norm_loss(const double *x, const double *w, const float *dy)
{
    double sum = 0, loss = 0;
    for (int i = 0; i < D; i++)
        sum += x[i] * x[i];
    for (int i = 0; i < D; i++)
        loss += dy[i] * x[i] / sqrt(sum / D + (double)1e-5F) * w[i];
    return loss;
}

static double norm_loss_of_x(const double *x, const void *context)
{
    const norm_case *c = context;
    double w[D];
    for (int i = 0; i < D; i++)
        w[i] = c->w[i];
    return norm_loss(x, w, c->dy);
}

static double norm_loss_of_w(const double *w, const void *context)
{
    const norm_case *c = context;
    double x[D];
    for (int i = 0; i < D; i++)
        x[i] = c->x[i];
    return norm_loss(x, w, c->dy);
}

static void test_rmsnorm_gradient(void **state)
{
    (void)state;
    norm_case c = {test_array(D, 1, 1), test_array(D, 2, 1), test_array(D, 3, 1)};
    float *dx = test_array(D, 4, 0), *dw = test_array(D, 5, 0);
    azr_kernels__rmsnorm_backward_ref(1, D, 1e-5F, c.x, D, c.w, c.dy, D, dx, D, true, dw);
    check_gradient(norm_loss_of_x, &c, D, c.x, dx);
    check_gradient(norm_loss_of_w, &c, D, c.w, dw);
    test_arrays_end();
}

static double swiglu_loss(const double *gate_up, const void *dy)
{
    double loss = 0;
    for (int i = 0; i < D; i++)
        loss += ((const float *)dy)[i] * gate_up[i] / (1 + exp(-gate_up[i])) * gate_up[D + i];
    return loss;
}

static void test_swiglu_gradient(void **state)
{
    (void)state;
    float *gate_up = test_array(2 * D, 1, 3), *dy = test_array(D, 2, 1);
    float *dgate_up = test_array(2 * D, 3, 0);
    azr_kernels__swiglu_backward_ref(1, D, gate_up, dy, dgate_up);
    check_gradient(swiglu_loss, dy, 2 * D, gate_up, dgate_up);
    test_arrays_end();
}

typedef struct rope_case {
    const float *cos, *sin, *dy;
    int32_t position;
} rope_case;

enum { HEADS = 2, HEAD = 6 };

static double rope_loss(const double *x, const void *context)
{
    const rope_case *c = context;
    double loss = 0;
    for (int h = 0; h < HEADS; h++) {
        for (int i = 0; i < HEAD / 2; i++) {
            int a = h * HEAD + i, b = a + HEAD / 2;
            double co = c->cos[c->position * (HEAD / 2) + i];
            double si = c->sin[c->position * (HEAD / 2) + i];
            loss += c->dy[a] * (x[a] * co - x[b] * si) + c->dy[b] * (x[b] * co + x[a] * si);
        }
    }
    return loss;
}

static void test_rope_gradient(void **state)
{
    (void)state;
    float *cos = test_array(15, 1, 1), *sin = test_array(15, 2, 1);
    float *x = test_array(HEADS * HEAD, 3, 1), *dy = test_array(HEADS * HEAD, 4, 1);
    rope_case c = {cos, sin, dy, 3};
    float *dx = test_array(HEADS * HEAD, 5, 0);
    memcpy(dx, dy, HEADS * HEAD * sizeof *dx);
    azr_kernels__rope_ref(1, HEADS, HEAD, dx, HEADS * HEAD, cos, sin, &c.position, -1);
    check_gradient(rope_loss, &c, HEADS * HEAD, x, dx);
    test_arrays_end();
}

/* --- every level against the plain one
 * ------------------------------------------------------------ */

static const int64_t widths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 576};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

static float *copy_of(const float *x, int64_t n)
{
    float *copy = test_array(n, 0, 0);
    memcpy(copy, x, (size_t)n * sizeof *x);
    return copy;
}

static void norm_level(const char *level)
{
    (void)level;
    enum { R = 70 };
    for (int i = 0; i < N_WIDTHS; i++) {
        int64_t d = widths[i], xs = d + 3, ys = d + 5;
        float *x = test_array(R * xs, 1, 1), *w = test_array(d, 2, 1);
        float *y = test_array(R * ys, 3, 1), *dx = test_array(R * xs, 4, 1);
        float *dw = test_array(d, 5, 1), *dy = test_array(R * ys, 6, 1);
        float *y_ref = copy_of(y, R * ys), *dx_ref = copy_of(dx, R * xs), *dw_ref = copy_of(dw, d);
        azr_rmsnorm_forward(R, d, 1e-5F, x, xs, w, y, ys);
        azr_kernels__rmsnorm_forward_ref(R, d, 1e-5F, x, xs, w, y_ref, ys);
        assert_close(R * ys, y, y_ref, 2e-6, 0);
        azr_rmsnorm_backward(R, d, 1e-5F, x, xs, w, dy, ys, dx, xs, true, dw);
        azr_kernels__rmsnorm_backward_ref(R, d, 1e-5F, x, xs, w, dy, ys, dx_ref, xs, true, dw_ref);
        assert_close(R * xs, dx, dx_ref, 1e-5, 0);
        assert_close(d, dw, dw_ref, 1e-5, 0);
        /* In place: dx is dy. */
        azr_kernels__rmsnorm_backward_ref(R, d, 1e-5F, x, xs, w, dy, ys, dx_ref, xs, false, dw_ref);
        azr_rmsnorm_backward(R, d, 1e-5F, x, xs, w, dy, ys, dy, ys, false, dw);
        for (int64_t r = 0; r < R; r++)
            assert_close(d, dy + r * ys, dx_ref + r * xs, 1e-5, 1e-5);
        assert_close(d, dw, dw_ref, 1e-5, 0);
        test_arrays_end();
    }
}

static void swiglu_level(const char *level)
{
    (void)level;
    enum { R = 37 };
    for (int i = 0; i < N_WIDTHS; i++) {
        int64_t d = widths[i];
        float *gate_up = test_array(R * 2 * d, 1, 12), *dy = test_array(R * d, 2, 1);
        float *y = test_array(R * d, 3, 1), *y_ref = copy_of(y, R * d);
        float *ref = copy_of(gate_up, R * 2 * d);
        if (d > 7)
            gate_up[5] = -200; /* exp(200) is infinite: silu must be 0 */
        azr_swiglu_forward(R, d, gate_up, y);
        azr_kernels__swiglu_forward_ref(R, d, gate_up, y_ref);
        assert_close(R * d, y, y_ref, 1e-6, 0);
        azr_kernels__swiglu_backward_ref(R, d, gate_up, dy, ref);
        azr_swiglu_backward(R, d, gate_up, dy, gate_up);
        assert_close(R * 2 * d, gate_up, ref, 1e-6, 0);
        test_arrays_end();
    }
}

static void rope_level(const char *level)
{
    (void)level;
    enum { R = 33, H = 3, LENGTH = 50 };
    static const int64_t heads[] = {2, 6, 16, 34, 64, 128};
    for (int i = 0; i < 6; i++) {
        int64_t e = heads[i], stride = H * e + 9;
        float *cos = test_array(LENGTH * e / 2, 1, 1), *sin = test_array(LENGTH * e / 2, 2, 1);
        float *x = test_array(R * stride, 3, 1), *ref = copy_of(x, R * stride);
        int32_t positions[R];
        for (int r = 0; r < R; r++)
            positions[r] = (r * 7) % LENGTH;
        azr_rope_forward(R, H, e, x, stride, cos, sin, positions);
        azr_kernels__rope_ref(R, H, e, ref, stride, cos, sin, positions, 1);
        assert_close(R * stride, x, ref, 1e-6, 0);
        azr_rope_backward(R, H, e, x, stride, cos, sin, positions);
        azr_kernels__rope_ref(R, H, e, ref, stride, cos, sin, positions, -1);
        assert_close(R * stride, x, ref, 1e-6, 0);
        test_arrays_end();
    }
}

static void other_rows_level(const char *level)
{
    (void)level;
    enum { R = 41, V = 11 };
    for (int i = 0; i < N_WIDTHS; i++) {
        int64_t d = widths[i];
        int32_t tokens[R];
        for (int r = 0; r < R; r++)
            tokens[r] = (r * r) % V; /* many twice */
        float *y = test_array(R * d, 1, 1), *bias = test_array(d, 2, 1), *ref = copy_of(y, R * d);
        azr_bias_forward(R, d, bias, y);
        azr_kernels__bias_forward_ref(R, d, bias, ref);
        assert_same_bits(R * d, y, ref);
        float *dbias = test_array(d, 3, 1), *dbias_ref = copy_of(dbias, d);
        azr_bias_backward(R, d, y, dbias);
        azr_kernels__bias_backward_ref(R, d, y, d, dbias_ref);
        assert_close(d, dbias, dbias_ref, 1e-6, 0);
        azr_add(R * d, ref, y);
        azr_kernels__add_ref(R * d, ref, ref);
        assert_same_bits(R * d, y, ref);
        float *table = test_array(V * d, 4, 1), *table_ref = copy_of(table, V * d);
        float *out = test_array(R * d, 5, 1);
        azr_embedding_forward(R, d, table, tokens, out);
        for (int r = 0; r < R; r++)
            assert_same_bits(d, out + r * d, table + tokens[r] * d);
        azr_embedding_backward(R, d, y, tokens, table);
        azr_kernels__embedding_backward_ref(R, d, d, y, tokens, table_ref);
        assert_same_bits(V * d, table, table_ref);
        test_arrays_end();
    }
}

static void test_levels(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    for_each_level(norm_level);
    for_each_level(swiglu_level);
    for_each_level(rope_level);
    for_each_level(other_rows_level);
}

/* --- exactness
 * -------------------------------------------------------------------------------------- */

static void exact_level(const char *level)
{
    (void)level;
    enum { R = 300, W = 577 };
    float *x = test_array(R * W * 2, 1, 3), *w = test_array(W, 2, 1), *dy = test_array(R * W, 3, 1);
    float *all = test_array(R * W, 4, 1), *one = test_array(W, 5, 1);
    float *dx[2], *dw[2];
    for (int t = 0; t < 2; t++) {
        azr_kernels_set_threads(t + 1);
        dx[t] = test_array(R * W, 6, 1);
        dw[t] = test_array(W, 7, 1);
        azr_rmsnorm_backward(R, W, 1e-6F, x, W, w, dy, W, dx[t], W, true, dw[t]);
        azr_bias_backward(R, W, dy, dw[t]);
    }
    assert_same_bits(R * W, dx[0], dx[1]);
    assert_same_bits(W, dw[0], dw[1]);
    azr_rmsnorm_forward(R, W, 1e-6F, x, W, w, all, W);
    for (int64_t r = 0; r < R; r += 17) {
        azr_rmsnorm_forward(1, W, 1e-6F, x + r * W, W, w, one, W);
        assert_same_bits(W, one, all + r * W);
    }
    azr_swiglu_forward(R, W, x, all);
    for (int64_t r = 0; r < R; r += 17) {
        azr_swiglu_forward(1, W, x + r * 2 * W, one);
        assert_same_bits(W, one, all + r * W);
    }
}

static void test_exactness(void **state)
{
    (void)state;
    for_each_level(exact_level);
}

static void nan_level(const char *level)
{
    (void)level;
    float *x = test_array(3 * 40, 1, 1), *w = test_array(40, 2, 1), *y = test_array(3 * 40, 3, 1);
    x[47] = NAN;
    azr_rmsnorm_forward(3, 40, 1e-6F, x, 40, w, y, 40);
    assert_true(!isnan(y[0]) && isnan(y[40]) && isnan(y[79]) && !isnan(y[80]));
    azr_swiglu_forward(3, 20, x, y);
    assert_true(isnan(y[20 + 7]) && !isnan(y[20 + 8]));
}

static void test_nan_travels(void **state)
{
    (void)state;
    for_each_level(nan_level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rmsnorm_gradient), cmocka_unit_test(test_swiglu_gradient),
        cmocka_unit_test(test_rope_gradient),    cmocka_unit_test(test_levels),
        cmocka_unit_test(test_exactness),        cmocka_unit_test(test_nan_travels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
