/* statistics.c: pass@k, intervals, the paired test. */
#include "eval/statistics.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

static const double z95 = 1.959963984540054;

double azr_eval__pass_at_k(int64_t n, int64_t c, int64_t k)
{
    AZR_CHECK(k >= 1 && k <= n && c >= 0 && c <= n);
    if (n - c < k)
        return 1.0;
    double none = 1.0;
    for (int64_t i = n - c + 1; i <= n; i++)
        none *= 1.0 - (double)k / (double)i;
    return 1.0 - none;
}

azr_interval azr_eval__wilson(int64_t x, int64_t n)
{
    if (n == 0)
        return (azr_interval){0.0, 1.0};
    double p = (double)x / (double)n, z2 = z95 * z95, m = (double)n;
    double middle = (p + z2 / (2.0 * m)) / (1.0 + z2 / m);
    double half = z95 / (1.0 + z2 / m) * sqrt(p * (1.0 - p) / m + z2 / (4.0 * m * m));
    return (azr_interval){x == 0 ? 0.0 : middle - half, x == n ? 1.0 : middle + half};
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

azr_interval azr_eval__bootstrap_mean(const double *values, size_t n, uint64_t seed)
{
    enum { RESAMPLES = 10000 };
    if (n == 0)
        return (azr_interval){0.0, 1.0};
    double *means = azr_alloc(RESAMPLES, sizeof *means);
    for (uint32_t r = 0; r < RESAMPLES; r++) {
        azr_rng_key key = {.seed = seed, .purpose = AZR_RNG_BOOTSTRAP, .sequence = r};
        double sum = 0.0;
        for (size_t i = 0; i < n; i++)
            sum += values[azr_rng_below(&key, (uint32_t)i, n)];
        means[r] = sum / (double)n;
    }
    qsort(means, RESAMPLES, sizeof *means, ascending);
    azr_interval interval = {means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]};
    azr_free(means);
    return interval;
}

azr_interval azr_eval__paired_interval(const double *differences, size_t n)
{
    if (n == 0)
        return (azr_interval){-1.0, 1.0};
    double sum = 0.0, squares = 0.0, better = 0.0, worse = 0.0, m = (double)n;
    for (size_t i = 0; i < n; i++) {
        sum += differences[i];
        squares += differences[i] * differences[i];
        better += differences[i] == 1.0;
        worse += differences[i] == -1.0;
    }
    double middle = sum / m, half;
    if (squares == better + worse) {
        double p = (better + 1.0) / (m + 2.0), q = (worse + 1.0) / (m + 2.0);
        middle = p - q;
        half = z95 * sqrt((p + q - middle * middle) / (m + 2.0));
    } else {
        double variance = n > 1 ? (squares - sum * sum / m) / (m - 1.0) : 1.0;
        half = z95 * sqrt(fmax(variance, 0.0) / m);
    }
    return (azr_interval){fmax(middle - half, -1.0), fmin(middle + half, 1.0)};
}

double azr_eval__mcnemar(int64_t b, int64_t c)
{
    int64_t n = b + c, few = b < c ? b : c;
    double p = 0.0;
    for (int64_t i = 0; i <= few; i++)
        p += exp(lgamma((double)n + 1.0) - lgamma((double)i + 1.0) - lgamma((double)(n - i) + 1.0) -
                 (double)n * log(2.0));
    return fmin(1.0, 2.0 * p);
}
