/* sample.c: drawing a token, plain loops: sort, cut, walk. */
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>

static int by_value_falling(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static int32_t likeliest(int64_t n_vocab, const float *logits)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best] || (isnan(logits[best]) && !isnan(logits[i])))
            best = i;
    return (int32_t)best;
}

/* How many of the likeliest tokens stay; leaves the logits sorted, highest first, in scratch. */
static int64_t count_kept(int64_t n_vocab, const float *logits, float max, float inverse,
                          int32_t top_k, float top_p, float *scratch)
{
    for (int64_t i = 0; i < n_vocab; i++)
        scratch[i] = logits[i];
    qsort(scratch, (size_t)n_vocab, sizeof *scratch, by_value_falling);
    int64_t n_kept = top_k > 0 && top_k < n_vocab ? top_k : n_vocab;
    double total = 0, sum = 0;
    for (int64_t i = 0; i < n_kept; i++)
        total += expf((scratch[i] - max) * inverse);
    for (int64_t i = 0; i < n_kept && top_p < 1; i++) {
        sum += expf((scratch[i] - max) * inverse);
        if (sum >= top_p * total)
            n_kept = i + 1;
    }
    return n_kept;
}

static int32_t sample_token(int64_t n_vocab, const float *logits, float temperature, int32_t top_k,
                            float top_p, double u, float *scratch)
{
    int32_t best = likeliest(n_vocab, logits);
    if (temperature <= 0)
        return best;
    float max = logits[best], inverse = 1.0F / temperature;
    int64_t n_kept = count_kept(n_vocab, logits, max, inverse, top_k, top_p, scratch);
    float lowest = scratch[n_kept - 1];
    int64_t n_ties = n_kept; /* of the tokens as likely as the least likely kept one */
    for (int64_t i = 0; i < n_kept; i++)
        n_ties -= scratch[i] > lowest;
    double total = 0;
    for (int64_t i = 0; i < n_kept; i++)
        total += expf((scratch[i] - max) * inverse);
    double sum = 0;
    int64_t last = best;
    for (int64_t i = 0; i < n_vocab; i++) {
        if (logits[i] < lowest || (logits[i] == lowest && n_ties-- <= 0))
            continue;
        float weight = expf((logits[i] - max) * inverse);
        sum += weight;
        last = weight > 0 ? i : last;
        if (sum > u * total)
            return (int32_t)i;
    }
    return (int32_t)last; /* rounding left u a hair above the sum, or NaN */
}

int32_t azr_kernels__draw_token_ref(int64_t n_vocab, const float *logits, float temperature,
                                    int32_t top_k, float top_p, double u, float *scratch,
                                    float *logprob, float *entropy)
{
    int32_t token = sample_token(n_vocab, logits, temperature, top_k, top_p, u, scratch);
    azr_kernels__logprob_forward_ref(1, n_vocab, temperature > 0 ? temperature : 1, logits, &token,
                                     logprob, entropy);
    return token;
}
