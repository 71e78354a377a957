/* advantages.c: from rewards to advantages: each of the groups (two roles, three kinds or four) is
 * whitened by itself (TRR++), with running sums where a group is small, and weighted by role. */
#include "train/trainer.h"

#include "base/memory.h"

/* One group's items: its sequences, or its tokens when each token has a return of its own. */
typedef struct group_items {
    double *values, *advantages;
    size_t *lengths;
    size_t n;
} group_items;

static group_items items_of(const azr_episode *episodes, size_t n, size_t group, bool tokens)
{
    group_items items = {0};
    for (size_t i = 0; i < n; i++)
        if (azr_group(episodes[i].role, episodes[i].kind) == group)
            items.n += tokens ? episodes[i].sample->n_tokens : 1;
    items.values = azr_alloc(items.n, sizeof *items.values);
    items.advantages = azr_alloc(items.n, sizeof *items.advantages);
    items.lengths = azr_alloc(items.n, sizeof *items.lengths);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const azr_episode *episode = &episodes[i];
        if (azr_group(episode->role, episode->kind) != group)
            continue;
        for (size_t t = 0; tokens && t < episode->sample->n_tokens; t++, at++) {
            items.values[at] = episode->returns[t];
            items.lengths[at] = 1;
        }
        if (!tokens) {
            items.values[at] = episode->returns != NULL ? episode->returns[0] : episode->reward;
            items.lengths[at++] = episode->sample->n_tokens;
        }
    }
    return items;
}

static void spread(azr_episode *episodes, size_t n, size_t group, const group_items *items,
                   bool tokens, double weight)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        azr_episode *episode = &episodes[i];
        if (azr_group(episode->role, episode->kind) != group)
            continue;
        for (size_t t = 0; t < episode->sample->n_tokens; t++)
            episode->advantages[t] = (float)(weight * items->advantages[tokens ? at + t : at]);
        at += tokens ? episode->sample->n_tokens : 1;
    }
}

void azr_train__whiten(const azr_config *config, azr_learn_state *state, azr_episode *episodes,
                       size_t n)
{
    bool by_token = config->advantage == AZR_ADVANTAGE_TOKEN;
    bool tokens = by_token && n > 0 && episodes[0].returns != NULL;
    for (size_t group = 0; group < AZR_N_GROUPS; group++) {
        size_t n_sequences = 0;
        azr_role role = AZR_ROLE_PROPOSER;
        for (size_t i = 0; i < n; i++)
            if (azr_group(episodes[i].role, episodes[i].kind) == group) {
                n_sequences++;
                role = episodes[i].role;
            }
        if (n_sequences == 0)
            continue;
        group_items items = items_of(episodes, n, group, tokens);
        azr_running *running = &state->running[group];
        if (config->running_decay > 0.0)
            azr_running_add(running, by_token, config->running_decay, items.n, items.values,
                            items.lengths);
        if (config->running_decay > 0.0 && (int64_t)n_sequences < config->running_below)
            azr_running_whiten(running, items.n, items.values, items.advantages);
        else
            azr_advantage_whiten(by_token, items.n, items.values, items.lengths, items.advantages);
        spread(episodes, n, group, &items, tokens,
               role == AZR_ROLE_PROPOSER ? config->proposer_weight : config->solver_weight);
        azr_free(items.values);
        azr_free(items.advantages);
        azr_free(items.lengths);
    }
}
