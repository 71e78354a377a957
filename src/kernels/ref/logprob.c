/* logprob.c: log-probability and entropy of a row of logits, plain loops. */
#include "kernels/table.h"

#include <math.h>

/* softmax(logits / temperature) = exp(z_i) / total with z_i = (logits_i - max) / temperature. */
typedef struct row_sums {
    float max;
    double total;   /* sum of exp(z) */
    double total_z; /* sum of exp(z) z */
} row_sums;

static row_sums sum_row(int64_t n_vocab, float temperature, const float *logits)
{
    row_sums sums = {-INFINITY, 0, 0};
    float inverse = 1.0F / temperature;
    for (int64_t i = 0; i < n_vocab; i++)
        sums.max = logits[i] > sums.max ? logits[i] : sums.max;
    for (int64_t i = 0; i < n_vocab; i++) {
        float z = (logits[i] - sums.max) * inverse;
        float e = expf(z);
        sums.total += e;
        /* 0 * -inf: a token that is impossible adds nothing. */
        sums.total_z += e > 0 || isnan(e) ? e * z : 0;
    }
    return sums;
}

void azr_kernels__logprob_forward_ref(int64_t n_rows, int64_t n_vocab, float temperature,
                                      const float *logits, const int32_t *targets, float *logprobs,
                                      float *entropies)
{
    for (int64_t r = 0; r < n_rows; r++, logits += n_vocab) {
        row_sums sums = sum_row(n_vocab, temperature, logits);
        double log_total = log(sums.total);
        if (logprobs != NULL) {
            float z = (logits[targets[r]] - sums.max) * (1.0F / temperature);
            logprobs[r] = (float)(z - log_total);
        }
        if (entropies != NULL)
            entropies[r] = (float)(log_total - sums.total_z / sums.total);
    }
}

void azr_kernels__logprob_backward_ref(int64_t n_rows, int64_t n_vocab, float temperature,
                                       float *logits, const int32_t *targets,
                                       const float *dlogprobs, const float *dentropies)
{
    float inverse = 1.0F / temperature;
    for (int64_t r = 0; r < n_rows; r++, logits += n_vocab) {
        row_sums sums = sum_row(n_vocab, temperature, logits);
        float log_total = (float)log(sums.total);
        float entropy = (float)(log(sums.total) - sums.total_z / sums.total);
        float dlogprob = dlogprobs[r];
        float dentropy = dentropies != NULL ? dentropies[r] : 0;
        for (int64_t i = 0; i < n_vocab; i++) {
            float logp = (logits[i] - sums.max) * inverse - log_total;
            float p = expf(logp);
            float g = p > 0 || isnan(p) ? -p * (dlogprob + dentropy * (logp + entropy)) : 0;
            logits[i] = g * inverse;
        }
        logits[targets[r]] += dlogprob * inverse;
    }
}
