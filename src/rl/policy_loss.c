/* policy_loss.c: the clipped policy gradient, the entropy bonus and the distance from a reference
 * model, with their derivative by each token's log-probability. */
#include "azr/rl.h"

#include "base/check.h"

#include <math.h>

/* Beyond this difference of log-probabilities a token says no more, and exp() would overflow. */
static const double kl_limit = 20.0;

double azr_kl_estimate(azr_kl_estimator estimator, double logprob, double reference_logprob,
                       double *out_slope)
{
    double d = logprob - reference_logprob, slope = 1.0;
    bool beyond = d < -kl_limit || d > kl_limit;
    if (beyond)
        d = d < 0.0 ? -kl_limit : kl_limit;
    double value = d;
    if (estimator == AZR_KL_ABS) {
        value = fabs(d);
        slope = d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : 0.0;
    } else if (estimator == AZR_KL_K2) {
        value = 0.5 * d * d;
        slope = d;
    } else if (estimator == AZR_KL_K3) {
        value = exp(-d) - 1.0 + d;
        slope = 1.0 - exp(-d);
    }
    if (out_slope != NULL)
        *out_slope = beyond ? 0.0 : slope;
    return value;
}

/* The policy gradient's part of one token. */
typedef struct token_loss {
    double value, slope; /* slope: by logprob */
    bool ratio_clipped, dual_clipped;
} token_loss;

static token_loss policy_term(const azr_policy_loss *loss, double difference, double advantage)
{
    double ratio = exp(difference), low = 1.0 - loss->clip_low, high = 1.0 + loss->clip_high;
    double clipped = ratio < low ? low : ratio > high ? high : ratio;
    double plain_loss = -advantage * ratio, clipped_loss = -advantage * clipped;
    token_loss term = {.ratio_clipped = clipped_loss > plain_loss};
    term.value = term.ratio_clipped ? clipped_loss : plain_loss;
    term.slope = term.ratio_clipped ? 0.0 : plain_loss;
    if (loss->dual_clip > 0.0 && advantage < 0.0 && term.value > -advantage * loss->dual_clip) {
        term.dual_clipped = true;
        term.value = -advantage * loss->dual_clip;
        term.slope = 0.0;
    }
    return term;
}

void azr_policy_loss_backward(const azr_policy_loss *loss, const azr_policy_tokens *tokens,
                              float *dlogprobs, float *dentropies, azr_policy_stats *stats)
{
    AZR_CHECK(loss->kl_coef == 0.0 || tokens->reference_logprobs != NULL);
    AZR_CHECK(loss->dual_clip == 0.0 || loss->dual_clip > 1.0);
    for (size_t i = 0; i < tokens->n; i++) {
        double logprob = (double)tokens->logprobs[i], weight = (double)tokens->weights[i];
        double difference = logprob - (double)tokens->old_logprobs[i];
        double entropy = (double)tokens->entropies[i], kl = 0.0, kl_slope = 0.0;
        token_loss term = policy_term(loss, difference, (double)tokens->advantages[i]);
        if (loss->kl_coef != 0.0)
            kl = azr_kl_estimate(loss->kl_estimator, logprob, (double)tokens->reference_logprobs[i],
                                 &kl_slope);
        dlogprobs[i] = (float)((term.slope + loss->kl_coef * kl_slope) * weight);
        dentropies[i] = (float)(-loss->entropy_coef * weight);
        stats->pg_loss += term.value * weight;
        stats->entropy += entropy * weight;
        stats->kl += kl * weight;
        stats->loss += (term.value - loss->entropy_coef * entropy + loss->kl_coef * kl) * weight;
        stats->ratio_clipped += term.ratio_clipped ? weight : 0.0;
        stats->dual_clipped += term.dual_clipped ? weight : 0.0;
        stats->old_kl -= difference * weight;
        /* Not fmax: a NaN must come through, and stay. */
        if (!(fabs(difference) <= stats->mismatch) && !isnan(stats->mismatch))
            stats->mismatch = fabs(difference);
    }
}
