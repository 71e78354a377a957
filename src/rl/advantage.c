/* advantage.c: TRR++, the whitening of rewards inside each (role, kind) group (paper eq. 8). */
#include "azr/rl.h"

#include <math.h>

size_t azr_group(azr_role role, azr_kind kind)
{
    return (size_t)kind * AZR_N_ROLES + (size_t)role;
}

static bool all_equal(size_t n, const double *rewards)
{
    for (size_t i = 1; i < n; i++)
        if (rewards[i] != rewards[0])
            return false;
    return true;
}

void azr_advantage_whiten(bool by_token, size_t n, const double *rewards, const size_t *lengths,
                          double *advantages)
{
    double total = 0.0, sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        double weight = by_token ? (double)lengths[i] : 1.0;
        advantages[i] = 0.0;
        total += weight;
        sum += weight * rewards[i];
    }
    if (n < 2 || all_equal(n, rewards) || total < 2.0)
        return;
    double mean = sum / total;
    for (size_t i = 0; i < n; i++) {
        double weight = by_token ? (double)lengths[i] : 1.0;
        squares += weight * (rewards[i] - mean) * (rewards[i] - mean);
    }
    double variance = squares / total * (total / (total - 1.0));
    for (size_t i = 0; i < n; i++)
        advantages[i] = (rewards[i] - mean) / sqrt(variance + 1e-8);
}

void azr_running_add(azr_running *running, bool by_token, double decay, size_t n,
                     const double *rewards, const size_t *lengths)
{
    if (n == 0)
        return;
    running->weight *= decay;
    running->sum *= decay;
    running->squares *= decay;
    for (size_t i = 0; i < n; i++) {
        double weight = by_token ? (double)lengths[i] : 1.0;
        running->weight += weight;
        running->sum += weight * rewards[i];
        running->squares += weight * rewards[i] * rewards[i];
    }
}

/* Sums of squares lose about this much to rounding: less is no variance. */
static const double no_variance = 1e-12;

void azr_running_whiten(const azr_running *running, size_t n, const double *rewards,
                        double *advantages)
{
    double mean = running->weight > 0.0 ? running->sum / running->weight : 0.0;
    double variance =
        running->weight > 1.0 ? running->squares / running->weight - mean * mean : 0.0;
    for (size_t i = 0; i < n; i++)
        advantages[i] = 0.0;
    if (variance <= no_variance)
        return;
    variance *= running->weight / (running->weight - 1.0);
    for (size_t i = 0; i < n; i++)
        advantages[i] = (rewards[i] - mean) / sqrt(variance + 1e-8);
}
