/* learn.c: from episodes to new weights: advantages in six groups, micro-batches as forests, policy
 * gradient, one optimizer step. */
#include "train/trainer.h"

#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- advantages ------------------------------------------------------------------------------- */

static void whiten_groups(const azr_trainer *trainer, azr_episode *episodes, size_t n)
{
    double *rewards = azr_alloc(n, sizeof *rewards), *advantages = azr_alloc(n, sizeof *advantages);
    size_t *lengths = azr_alloc(n, sizeof *lengths), *members = azr_alloc(n, sizeof *members);
    for (size_t group = 0; group < AZR_N_GROUPS; group++) {
        size_t n_members = 0;
        for (size_t i = 0; i < n; i++) {
            if (azr_group(episodes[i].role, episodes[i].kind) != group)
                continue;
            members[n_members] = i;
            rewards[n_members] = episodes[i].reward;
            lengths[n_members++] = episodes[i].sample->n_tokens;
        }
        azr_advantage_whiten(trainer->config.advantage == AZR_ADVANTAGE_TOKEN, n_members, rewards,
                             lengths, advantages);
        for (size_t i = 0; i < n_members; i++)
            episodes[members[i]].advantage = advantages[i];
    }
    azr_free(members);
    azr_free(lengths);
    azr_free(advantages);
    azr_free(rewards);
}

/* --- micro-batches ---------------------------------------------------------------------------- */

/* An episode's prompt and response in one. */
typedef struct row {
    azr_sequence sequence;
    int32_t *tokens;
    const azr_episode *episode;
} row;

/* By tokens: equal beginnings lie side by side, so that a micro-batch shares them. */
static int compare_rows(const void *a, const void *b)
{
    const row *x = a, *y = b;
    size_t n =
        x->sequence.n_tokens < y->sequence.n_tokens ? x->sequence.n_tokens : y->sequence.n_tokens;
    for (size_t i = 0; i < n; i++)
        if (x->tokens[i] != y->tokens[i])
            return x->tokens[i] < y->tokens[i] ? -1 : 1;
    if (x->sequence.n_tokens != y->sequence.n_tokens)
        return x->sequence.n_tokens < y->sequence.n_tokens ? -1 : 1;
    return x->episode < y->episode ? -1 : x->episode > y->episode;
}

static row *make_rows(const azr_episode *episodes, size_t n)
{
    row *rows = azr_alloc(n, sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        const azr_episode *episode = &episodes[i];
        size_t n_prompt = episode->n_prompt, n_response = episode->sample->n_tokens;
        int32_t *tokens = azr_alloc(n_prompt + n_response, sizeof *tokens);
        memcpy(tokens, episode->prompt, n_prompt * sizeof *tokens);
        memcpy(tokens + n_prompt, episode->sample->tokens, n_response * sizeof *tokens);
        rows[i] = (row){{tokens, n_prompt + n_response}, tokens, episode};
    }
    qsort(rows, n, sizeof *rows, compare_rows);
    return rows;
}

/* Tokens of b that its neighbour a does not begin with. */
static size_t new_tokens(const row *a, const row *b)
{
    size_t i = 0;
    while (a != NULL && i < a->sequence.n_tokens && i < b->sequence.n_tokens &&
           a->tokens[i] == b->tokens[i])
        i++;
    return b->sequence.n_tokens - i;
}

/* How many rows from `first` on go together: at least one. */
static size_t rows_together(const row *rows, size_t n, size_t first, size_t max_tokens)
{
    size_t i = first, n_tokens = 0;
    for (; i < n; i++) {
        n_tokens += new_tokens(i > first ? &rows[i - 1] : NULL, &rows[i]);
        if (i > first && n_tokens > max_tokens)
            break;
    }
    return i - first;
}

/* Rollout and training are one implementation: every log-probability must be the same bits. */
static azr_status check_mismatch(int64_t step, const row *rows, size_t n, const float *logprobs,
                                 azr_error *error)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const azr_sample *sample = rows[i].episode->sample;
        for (size_t t = 0; t < sample->n_tokens; t++, at++) {
            if (!isfinite(logprobs[at]))
                return azr_error_set(error, AZR_ERROR_NUMERIC,
                                     "step %" PRId64 ": the log-probability of token %zu of a %s's "
                                     "%s sample is %g",
                                     step, t, azr_role_name(rows[i].episode->role),
                                     azr_kind_name(rows[i].episode->kind), (double)logprobs[at]);
            /* Exactness is a contract: the same bits, not nearly the same number. */
            /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
            if (memcmp(&logprobs[at], &sample->logprobs[t], sizeof(float)) != 0)
                return azr_error_set(error, AZR_ERROR_NUMERIC,
                                     "step %" PRId64 ": token %zu of a %s's %s sample has "
                                     "log-probability %.9g in training and %.9g in the rollout",
                                     step, t, azr_role_name(rows[i].episode->role),
                                     azr_kind_name(rows[i].episode->kind), (double)logprobs[at],
                                     (double)sample->logprobs[t]);
        }
    }
    return AZR_OK;
}

typedef struct micro_batch {
    azr_forest forest;
    azr_batch batch;
    azr_target *targets;
    float *logprobs, *old_logprobs, *entropies, *advantages, *dlogprobs, *dentropies;
} micro_batch;

static void micro_batch_init(micro_batch *m, const row *rows, size_t n, float temperature)
{
    azr_sequence *sequences = azr_alloc(n, sizeof *sequences);
    size_t n_targets = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        sequences[i] = rows[i].sequence;
        n_targets += rows[i].episode->sample->n_tokens;
    }
    azr_forest_build(sequences, n, &m->forest);
    azr_free(sequences);
    m->targets = azr_alloc(n_targets, sizeof *m->targets);
    float **arrays[] = {&m->logprobs,   &m->old_logprobs, &m->entropies,
                        &m->advantages, &m->dlogprobs,    &m->dentropies};
    for (size_t i = 0; i < AZR_COUNT(arrays); i++)
        *arrays[i] = azr_alloc(n_targets, sizeof(float));
    for (size_t i = 0; i < n; i++) {
        const azr_episode *episode = rows[i].episode;
        for (size_t t = 0; t < episode->sample->n_tokens; t++, at++) {
            m->targets[at] = azr_forest_find(&m->forest, i, episode->n_prompt + t);
            m->old_logprobs[at] = episode->sample->logprobs[t];
            m->advantages[at] = (float)episode->advantage;
        }
    }
    m->batch = (azr_batch){.segments = m->forest.segments,
                           .n_segments = m->forest.n_segments,
                           .targets = m->targets,
                           .n_targets = n_targets,
                           .temperature = temperature};
}

static void micro_batch_deinit(micro_batch *m)
{
    azr_forest_deinit(&m->forest);
    azr_free(m->targets);
    azr_free(m->logprobs);
    azr_free(m->old_logprobs);
    azr_free(m->entropies);
    azr_free(m->advantages);
    azr_free(m->dlogprobs);
    azr_free(m->dentropies);
}

static azr_status learn_rows(azr_trainer *trainer, int64_t step, const row *rows, size_t n,
                             const azr_policy_loss *loss, azr_policy_stats *stats, azr_error *error)
{
    micro_batch m = {0};
    micro_batch_init(&m, rows, n, (float)trainer->config.temperature);
    trainer->n_tokens += m.forest.n_tokens;
    azr_status status = azr_model_forward(trainer->model, &m.batch, m.logprobs, m.entropies, error);
    if (status == AZR_OK)
        status = check_mismatch(step, rows, n, m.logprobs, error);
    if (status == AZR_OK) {
        azr_policy_loss_backward(loss, m.batch.n_targets, m.logprobs, m.old_logprobs, m.entropies,
                                 m.advantages, m.dlogprobs, m.dentropies, stats);
        status = azr_model_backward(trainer->model, &m.batch, m.dlogprobs, m.dentropies, error);
    }
    micro_batch_deinit(&m);
    return status;
}

/* --- the update ------------------------------------------------------------------------------- */

static void add_update_metrics(azr_trainer *trainer, const azr_policy_stats *stats, double norm,
                               double n_tokens)
{
    azr_metrics *metrics = &trainer->metrics;
    azr_metrics_add(metrics, stats->loss, "actor/loss");
    azr_metrics_add(metrics, stats->pg_loss, "actor/pg_loss");
    azr_metrics_add(metrics, stats->ratio_clipped, "actor/pg_clipfrac");
    azr_metrics_add(metrics, stats->entropy, "actor/entropy");
    azr_metrics_add(metrics, norm, "actor/grad_norm");
    azr_metrics_add(metrics, trainer->config.learning_rate, "actor/lr");
    azr_metrics_add(metrics, stats->mismatch, "actor/mismatch");
    azr_metrics_add(metrics, n_tokens, "actor/response_tokens");
}

azr_status azr_train__learn(azr_trainer *trainer, int64_t step, azr_episode *episodes, size_t n,
                            azr_error *error)
{
    azr_policy_loss loss = {
        .clip_low = 0.2, .clip_high = 0.2, .entropy_coef = trainer->config.entropy_coef};
    azr_policy_stats stats = {0};
    for (size_t i = 0; i < n; i++)
        loss.n_tokens += (double)episodes[i].sample->n_tokens;
    whiten_groups(trainer, episodes, n);
    row *rows = make_rows(episodes, n);
    azr_status status = AZR_OK;
    double next_line = azr_clock_seconds() + 5.0;
    for (size_t first = 0, n_rows; status == AZR_OK && first < n; first += n_rows) {
        n_rows = rows_together(rows, n, first, (size_t)trainer->config.micro_batch_tokens);
        status = learn_rows(trainer, step, rows + first, n_rows, &loss, &stats, error);
        if (azr_clock_seconds() >= next_line) {
            next_line = azr_clock_seconds() + 5.0;
            azr_progress_printf(&trainer->progress, "learn: %zu of %zu sequences", first + n_rows,
                                n);
        }
    }
    for (size_t i = 0; i < n; i++)
        azr_free(rows[i].tokens);
    azr_free(rows);
    if (status == AZR_OK && !isfinite(stats.loss))
        status = azr_error_set(error, AZR_ERROR_NUMERIC, "step %" PRId64 ": the loss is %g", step,
                               stats.loss);
    double norm = 0.0;
    if (status == AZR_OK) {
        status = azr_optimizer_update(&trainer->optimizer, trainer->model, &trainer->config, &norm,
                                      error);
        if (status != AZR_OK)
            azr_error_prefix(error, "step %" PRId64, step);
    }
    if (status == AZR_OK)
        add_update_metrics(trainer, &stats, norm, loss.n_tokens);
    return status;
}
