/* Log-probabilities, entropies and sampling: against PyTorch, finite differences in double, and the
 * plain version on every level. */
#include "../support/arrays.h"

#include "azr/kernels.h"
#include "kernels/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char fixtures[] = "tests/kernels/fixtures/kernels.txt";

static void torch_level(const char *level)
{
    (void)level;
    int64_t n, n_rows;
    float *logits = test_fixture(fixtures, "logits", &n);
    float *targets = test_fixture(fixtures, "targets", &n_rows);
    float *logprobs = test_array(n_rows, 1, 1), *entropies = test_array(n_rows, 2, 1);
    int32_t ids[3];
    assert_int_equal(n_rows, 3);
    for (int r = 0; r < 3; r++)
        ids[r] = (int32_t)targets[r];
    int64_t v = n / n_rows, m;
    azr_logprob_forward(n_rows, v, 0.7F, logits, ids, logprobs, entropies);
    assert_close(n_rows, logprobs, test_fixture(fixtures, "logprobs", &m), 5e-7, 0);
    assert_close(n_rows, entropies, test_fixture(fixtures, "entropies", &m), 5e-7, 0);
    azr_logprob_backward(n_rows, v, 0.7F, logits, ids, test_fixture(fixtures, "dlogprobs", &m),
                         test_fixture(fixtures, "dentropies", &m));
    assert_close(n, logits, test_fixture(fixtures, "dlogits", &m), 2e-6, 0);
}

static void test_torch(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    for_each_level(torch_level);
}

/* dlogprob log p[target] + dentropy entropy, in double. */
static double loss_of(int64_t n, const double *x, double temperature, int target, double dlogprob,
                      double dentropy)
{
    double total = 0, entropy = 0;
    for (int64_t i = 0; i < n; i++)
        total += exp(x[i] / temperature);
    for (int64_t i = 0; i < n; i++) {
        double logp = x[i] / temperature - log(total);
        entropy -= exp(logp) * logp;
    }
    return dlogprob * (x[target] / temperature - log(total)) + dentropy * entropy;
}

static void test_gradient(void **state)
{
    (void)state;
    enum { V = 23 };
    float *logits = test_array(V, 1, 5), dlogprob = 0.8F, dentropy = -0.3F, expected[V];
    double x[V], h = 1e-5;
    int32_t target = 4;
    for (int i = 0; i < V; i++)
        x[i] = logits[i];
    for (int i = 0; i < V; i++) {
        double kept = x[i];
        x[i] = kept + h;
        double above = loss_of(V, x, (double)1.3F, target, (double)dlogprob, (double)dentropy);
        x[i] = kept - h;
        double below = loss_of(V, x, (double)1.3F, target, (double)dlogprob, (double)dentropy);
        x[i] = kept;
        expected[i] = (float)((above - below) / (2 * h));
    }
    azr_kernels__logprob_backward_ref(1, V, 1.3F, logits, &target, &dlogprob, &dentropy);
    assert_close(V, logits, expected, 3e-6, 1e-7);
    test_arrays_end();
}

static void compare_level(const char *level)
{
    (void)level;
    static const int64_t vocabularies[] = {1, 2, 15, 16, 17, 100, 1023, 1025, 49152, 50001};
    enum { R = 3 };
    for (size_t i = 0; i < sizeof vocabularies / sizeof vocabularies[0]; i++) {
        int64_t v = vocabularies[i];
        float *x = test_array(R * v, 1, 9), *ref = test_array(R * v, 1, 9);
        float logprobs[R], entropies[R], logprobs_ref[R], entropies_ref[R];
        float dlogprobs[R] = {1, -2, 0.5F}, dentropies[R] = {0.1F, 0, -0.2F};
        int32_t targets[R] = {0, (int32_t)(v - 1), (int32_t)(v / 2)};
        if (v > 20)
            x[7] = ref[7] = -INFINITY; /* a forbidden token */
        azr_logprob_forward(R, v, 0.9F, x, targets, logprobs, entropies);
        azr_kernels__logprob_forward_ref(R, v, 0.9F, ref, targets, logprobs_ref, entropies_ref);
        assert_close(R, logprobs, logprobs_ref, 1e-6, 1e-7);
        assert_close(R, entropies, entropies_ref, 2e-6, 1e-6);
        float alone;
        azr_logprob_forward(1, v, 0.9F, x + v, targets + 1, &alone, NULL);
        assert_same_bits(1, &alone, logprobs + 1);
        azr_logprob_backward(R, v, 0.9F, x, targets, dlogprobs, dentropies);
        azr_kernels__logprob_backward_ref(R, v, 0.9F, ref, targets, dlogprobs, dentropies);
        assert_close(R * v, x, ref, 4e-6, 1e-7);
        test_arrays_end();
    }
    float *x = test_array(200, 1, 3), logprob, entropy;
    int32_t target = 3;
    x[150] = NAN;
    azr_logprob_forward(1, 200, 1, x, &target, &logprob, &entropy);
    assert_true(isnan(logprob) && isnan(entropy));
}

static void test_levels(void **state)
{
    (void)state;
    for_each_level(compare_level);
}

/* exp.inc's bound: 2 units in the last place, 2^-149 below the normal range. */
static void exp_level(const char *level)
{
    (void)level;
    enum { N = 4001 };
    float *x = test_array(N, 1, 1), *y = test_array(N, 2, 1);
    for (int i = 0; i < N; i++)
        x[i] = -110.0F + (float)i * 0.05F;
    azr_kernels__table()->exp(N, x, y);
    for (int i = 0; i < N; i++) {
        double expected = exp((double)x[i]);
        if (expected > 3.4028235677973366e38) {
            assert_true(isinf(y[i]));
            continue;
        }
        double unit = fmax(ldexp(1.0, ilogb(expected) - 23), 0x1p-149);
        if (!(fabs(y[i] - expected) <= 2 * unit))
            fail_msg("exp(%g) = %.9g, expected %.9g", (double)x[i], (double)y[i], expected);
    }
    float special[4] = {-INFINITY, INFINITY, NAN, 0}, out[4];
    azr_kernels__table()->exp(4, special, out);
    assert_true(out[0] == 0 && isinf(out[1]) && isnan(out[2]) && out[3] == 1);
}

static void test_exp(void **state)
{
    (void)state;
    for_each_level(exp_level);
}

/* --- sampling
 * -------------------------------------------------------------------------------------- */

/* Walking u through [0, 1) must show each token as often as its share of the kept probability. */
static void check_distribution(int64_t v, const float *logits, float temperature, int32_t top_k,
                               float top_p, const double *expected)
{
    enum { N = 20000 };
    float *scratch = test_array(v, 3, 1);
    double *counts = calloc((size_t)v, sizeof *counts);
    int32_t before = 0;
    for (int i = 0; i < N; i++) {
        int32_t token = azr_draw_token(v, logits, temperature, top_k, top_p, (i + 0.5) / N, scratch,
                                       NULL, NULL);
        assert_true(token >= before && token < v); /* order of ids */
        before = token;
        counts[token] += 1.0 / N;
    }
    for (int64_t i = 0; i < v; i++)
        if (fabs(counts[i] - expected[i]) > 2.5 / N)
            fail_msg("token %lld: drawn %g, expected %g", (long long)i, counts[i], expected[i]);
    free(counts);
}

static void sample_level(const char *level)
{
    (void)level;
    enum { V = 37 };
    float *x = test_array(V, 1, 4);
    double p[V], total = 0, kept[V];
    int order[V];
    x[5] = x[20] = 3.9F; /* ties near the top */
    for (int i = 0; i < V; i++) {
        p[i] = exp((double)x[i] / (double)0.8F);
        total += p[i];
        order[i] = i;
    }
    for (int i = 0; i < V; i++)
        p[i] /= total;
    for (int i = 1; i < V; i++) /* by probability, lower ids first among equals */
        for (int j = i; j > 0 && p[order[j]] > p[order[j - 1]]; j--) {
            int t = order[j];
            order[j] = order[j - 1];
            order[j - 1] = t;
        }
    check_distribution(V, x, 0.8F, 0, 1, p);
    check_distribution(V, x, 0.8F, V, 1, p);
    static const int cuts[] = {1, 2, 3, 4, 10, 36};
    for (size_t c = 0; c < 6; c++) {
        double sum = 0;
        memset(kept, 0, sizeof kept);
        for (int i = 0; i < cuts[c]; i++)
            sum += p[order[i]];
        for (int i = 0; i < cuts[c]; i++)
            kept[order[i]] = p[order[i]] / sum;
        check_distribution(V, x, 0.8F, cuts[c], 1, kept);
        /* top_p a hair below the sum keeps the same tokens. */
        check_distribution(V, x, 0.8F, 0, (float)(sum - 1e-4), kept);
    }
    float scratch[V];
    assert_int_equal(azr_draw_token(V, x, 0, 0, 1, 0.999, scratch, NULL, NULL), order[0]);
    assert_int_equal(azr_draw_token(1, x, 1, 3, 0.5F, 0.7, scratch, NULL, NULL), 0);
    x[order[0]] = NAN;
    int32_t token = azr_draw_token(V, x, 1, 0, 1, 0.5, scratch, NULL, NULL);
    assert_true(token >= 0 && token < V);
}

/* A draw's log-probability and entropy are those of azr_logprob_forward, to the bit. */
static void check_draw_numbers(int64_t v, const float *logits, float temperature, float *scratch)
{
    for (int i = 0; i < 5; i++) {
        float logprob, entropy, wanted[2];
        int32_t token = azr_draw_token(v, logits, temperature, i == 1 ? 3 : 0, i == 2 ? 0.5F : 1,
                                       0.2 * i, scratch, &logprob, &entropy);
        azr_logprob_forward(1, v, temperature > 0 ? temperature : 1, logits, &token, &wanted[0],
                            &wanted[1]);
        assert_memory_equal(&logprob, &wanted[0], sizeof logprob);
        assert_memory_equal(&entropy, &wanted[1], sizeof entropy);
    }
}

static void large_level(const char *level)
{
    enum { V = 49152, N_DRAWS = 12 };
    if (strcmp(level, "ref") == 0)
        return;
    float *x = test_array(V, 1, 6), *scratch = test_array(V, 2, 1);
    int n_same = 0, n_all = 0;
    check_draw_numbers(V, x, 0, scratch);
    check_draw_numbers(V, x, 0.8F, scratch);
    check_draw_numbers(V - 3, x, 1, scratch);
    static const struct {
        int32_t top_k;
        float top_p;
    } cuts[] = {{0, 1}, {50, 1}, {0, 0.95F}, {1000, 0.9F}, {0, 0.0F}};
    for (size_t c = 0; c < 5; c++) {
        for (int i = 0; i < N_DRAWS; i++, n_all++) {
            double u = (i + 0.5) / N_DRAWS;
            int32_t a =
                azr_draw_token(V, x, 1, cuts[c].top_k, cuts[c].top_p, u, scratch, NULL, NULL);
            int32_t b = azr_kernels__draw_token_ref(V, x, 1, cuts[c].top_k, cuts[c].top_p, u,
                                                    scratch, NULL, NULL);
            n_same += a == b;
        }
    }
    assert_true(n_same >= n_all - 2); /* the rest may lie on a boundary */
}

static void test_sampling(void **state)
{
    (void)state;
    for_each_level(sample_level);
    for_each_level(large_level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch),    cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_levels),   cmocka_unit_test(test_exp),
        cmocka_unit_test(test_sampling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
