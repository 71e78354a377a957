/* policy_loss.c: the clipped policy gradient and its derivative by each token's log-probability. */
#include "azr/rl.h"

#include "base/check.h"

#include <math.h>

void azr_policy_loss_backward(const azr_policy_loss *loss, size_t n, const float *logprobs,
                              const float *old_logprobs, const float *entropies,
                              const float *advantages, float *dlogprobs, float *dentropies,
                              azr_policy_stats *stats)
{
    AZR_CHECK(loss->n_tokens > 0.0);
    double scale = 1.0 / loss->n_tokens;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)logprobs[i] - (double)old_logprobs[i];
        double ratio = exp(difference), advantage = (double)advantages[i];
        double low = 1.0 - loss->clip_low, high = 1.0 + loss->clip_high;
        double clipped = ratio < low ? low : ratio > high ? high : ratio;
        double plain_loss = -advantage * ratio, clipped_loss = -advantage * clipped;
        bool is_clipped = clipped_loss > plain_loss;
        double token_loss = is_clipped ? clipped_loss : plain_loss;
        dlogprobs[i] = is_clipped ? 0.0F : (float)(-advantage * ratio * scale);
        dentropies[i] = (float)(-loss->entropy_coef * scale);
        stats->pg_loss += token_loss * scale;
        stats->entropy += (double)entropies[i] * scale;
        stats->loss += (token_loss - loss->entropy_coef * (double)entropies[i]) * scale;
        stats->ratio_clipped += is_clipped ? scale : 0.0;
        /* Not fmax: a NaN must come through. */
        if (!(fabs(difference) <= stats->mismatch))
            stats->mismatch = fabs(difference);
    }
}
