/* reward.c: from verdicts to reward numbers (paper eq. 4 to 6, the reference code's tables). */
#include "azr/rl.h"

double azr_reward_proposer(bool valid, double success_rate, double zero_reward)
{
    if (!valid)
        return -1.0;
    if (success_rate > 0.0 && success_rate < 1.0)
        return 1.0 - success_rate;
    return zero_reward;
}

double azr_reward_solver(azr_verdict verdict)
{
    if (verdict == AZR_VERDICT_CORRECT)
        return 1.0;
    return azr_verdict_well_formed(verdict) ? -0.5 : -1.0;
}
