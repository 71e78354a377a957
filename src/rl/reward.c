/* reward.c: from verdicts to reward numbers (paper eq. 4 to 6, the reference code's tables). */
#include "azr/rl.h"

/* --- proposer --------------------------------------------------------------------------------- */

double azr_learnability_of(azr_learnability form, double success_rate)
{
    if (form == AZR_LEARNABILITY_VARIANCE)
        return 4.0 * success_rate * (1.0 - success_rate);
    if (form == AZR_LEARNABILITY_ONE_MINUS && success_rate <= 0.0)
        return 0.0;
    return 1.0 - success_rate;
}

double azr_reward_term(double coef, double value, double max)
{
    double term = coef * value;
    return term < max ? term : max;
}

double azr_reward_proposer(const azr_proposer_rules *rules, bool valid, double success_rate,
                           const double *terms, size_t n_terms)
{
    if (!valid)
        return -1.0;
    double learnability = azr_learnability_of(rules->learnability, success_rate);
    if (learnability <= 0.0)
        return rules->zero_reward;
    if (n_terms == 0)
        return learnability;
    double sum = 0.0, product = 1.0;
    for (size_t i = 0; i < n_terms; i++) {
        sum += terms[i];
        product *= terms[i];
    }
    switch (rules->combine) {
    case AZR_COMBINE_SUM:
        return learnability + sum;
    case AZR_COMBINE_MULTIPLY:
        return learnability * product;
    case AZR_COMBINE_SUM_MULTIPLY:
        return learnability + product;
    case AZR_COMBINE_MULTIPLY_SUM:
        return learnability * sum;
    }
    return learnability;
}

/* --- solver ----------------------------------------------------------------------------------- */

double azr_solver_success(azr_kind kind, azr_verdict verdict, double accuracy,
                          azr_induction_reward form)
{
    if (verdict == AZR_VERDICT_CORRECT)
        return 1.0;
    if (kind != AZR_KIND_INDUCTION || form == AZR_INDUCTION_REWARD_BINARY || accuracy <= 0.0 ||
        !azr_verdict_well_formed(verdict))
        return 0.0;
    return form == AZR_INDUCTION_REWARD_ACCURACY ? accuracy : 1.0;
}

double azr_reward_solver(azr_verdict verdict, double success)
{
    if (success > 0.0)
        return success;
    return azr_verdict_well_formed(verdict) ? -0.5 : -1.0;
}
