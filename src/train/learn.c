/* learn.c: from episodes to new weights: advantages by group, mini-batches, micro-batches as
 * forests, policy gradient, optimizer steps. */
#include "train/group_metrics.h"
#include "train/micro_batch.h"

#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* --- schedule --------------------------------------------------------------------------------- */

double azr_train__learning_rate(const azr_config *config, int64_t step)
{
    double rate = config->learning_rate;
    if (step <= config->warmup_steps)
        return rate * (double)step / (double)config->warmup_steps;
    if (config->learning_rate_schedule == AZR_SCHEDULE_CONSTANT)
        return rate;
    double span = (double)(config->decay_steps - config->warmup_steps);
    double done = (double)(step - config->warmup_steps) / span;
    if (done > 1.0)
        done = 1.0;
    double left = config->learning_rate_schedule == AZR_SCHEDULE_LINEAR
                      ? 1.0 - done
                      : 0.5 * (1.0 + cos(3.14159265358979323846 * done));
    return rate * (config->learning_rate_min + (1.0 - config->learning_rate_min) * left);
}

double azr_train__steer_entropy(const azr_config *config, double coef, double entropy)
{
    if (config->entropy_target <= 0.0)
        return coef;
    double next = coef + config->entropy_rate * (config->entropy_target - entropy);
    return next < 0.0 ? 0.0 : next > config->entropy_coef_max ? config->entropy_coef_max : next;
}

/* --- the frozen reference model --------------------------------------------------------------- */

/* Gives every episode the frozen model's log-probability of each response token. */
static azr_status score_reference(azr_trainer *trainer, const azr_row *rows, size_t n,
                                  azr_error *error)
{
    azr_status status = AZR_OK;
    size_t max_tokens = (size_t)trainer->config.micro_batch_tokens;
    for (size_t first = 0, n_rows; status == AZR_OK && first < n; first += n_rows) {
        n_rows = azr_rows_together(rows, n, first, max_tokens);
        azr_micro_batch m = {0};
        azr_micro_batch_init(&m, rows + first, n_rows, (float)trainer->config.temperature);
        trainer->n_tokens += m.forest.n_tokens;
        status = azr_model_score(trainer->reference, &m.batch, m.logprobs, NULL, error);
        size_t at = 0;
        for (size_t i = first; status == AZR_OK && i < first + n_rows; i++)
            for (size_t t = 0; t < rows[i].episode->sample->n_tokens; t++)
                rows[i].episode->reference_logprobs[t] = m.logprobs[at++];
        azr_micro_batch_deinit(&m);
    }
    return status;
}

/* Returns of tokens: the reward comes after the last one, the distance is paid at each. */
static void charge_kl(const azr_config *config, azr_episode *episode)
{
    double rest = episode->reward;
    for (size_t t = episode->sample->n_tokens; t-- > 0;) {
        rest -= config->kl_coef * azr_kl_estimate((azr_kl_estimator)config->kl_estimator,
                                                  (double)episode->sample->logprobs[t],
                                                  (double)episode->reference_logprobs[t], NULL);
        episode->returns[t] = rest;
    }
}

/* --- a micro-batch ---------------------------------------------------------------------------- */

/* What the updates of a step share. */
typedef struct update {
    azr_trainer *trainer;
    int64_t step, n_updates; /* made in this step so far */
    azr_policy_loss loss;
    azr_policy_stats stats;              /* summed over updates; mismatch: of the first */
    double n_compared, off, off_squared; /* tokens of the first; how far training is off, summed */
    double norm;                         /* summed over updates */
    double rate;
    double next_line; /* when to say how far it is */
} update;

static azr_status mismatch_error(int64_t step, const azr_row *rows, size_t target, float logprob,
                                 azr_error *error)
{
    while (target >= rows->episode->sample->n_tokens)
        target -= (rows++)->episode->sample->n_tokens;
    const azr_episode *episode = rows->episode;
    return azr_error_set(error, AZR_ERROR_NUMERIC,
                         "step %" PRId64 ": token %zu of a %s's %s sample has log-probability %.9g "
                         "in training and %.9g in the rollout",
                         step, target, azr_role_name(episode->role), azr_kind_name(episode->kind),
                         (double)logprob, (double)episode->sample->logprobs[target]);
}

/* How far a token's probability in training is from that of the rollout: mean and spread. */
static void add_difference(update *u, float logprob, float old_logprob)
{
    double off = fabs(exp((double)logprob) - exp((double)old_logprob));
    u->off += off;
    u->off_squared += off * off;
    u->n_compared++;
}

/* What one row's tokens weigh in the loss of an update. */
static double row_weight(const azr_config *config, const azr_row *row, size_t n_rows,
                         size_t n_targets)
{
    return config->loss_mean == AZR_LOSS_MEAN_SEQUENCE
               ? 1.0 / ((double)n_rows * (double)row->episode->sample->n_tokens)
               : 1.0 / (double)n_targets;
}

/* The arrays of azr_policy_tokens that come from the episodes. */
typedef struct row_arrays {
    float *old_logprobs, *advantages, *reference_logprobs, *weights;
} row_arrays;

static void fill_arrays(row_arrays *arrays, const azr_row *rows, size_t n, const double *weights)
{
    size_t n_targets = azr_rows_count_targets(rows, n), at = 0;
    bool reference = n > 0 && rows[0].episode->reference_logprobs != NULL;
    arrays->old_logprobs = azr_alloc(n_targets, sizeof(float));
    arrays->advantages = azr_alloc(n_targets, sizeof(float));
    arrays->weights = azr_alloc(n_targets, sizeof(float));
    arrays->reference_logprobs = reference ? azr_alloc(n_targets, sizeof(float)) : NULL;
    for (size_t i = 0; i < n; i++) {
        const azr_episode *episode = rows[i].episode;
        for (size_t t = 0; t < episode->sample->n_tokens; t++, at++) {
            arrays->old_logprobs[at] = episode->sample->logprobs[t];
            arrays->advantages[at] = episode->advantages[t];
            arrays->weights[at] = (float)weights[i];
            if (reference)
                arrays->reference_logprobs[at] = episode->reference_logprobs[t];
        }
    }
}

/* What the loss of a micro-batch is made of. */
typedef struct batch_loss {
    update *u;
    const azr_row *rows;
    const row_arrays *arrays;
    const azr_micro_batch *m;
} batch_loss;

/* azr_loss.differentiate. Rollout and training are one implementation: in a step's first update
 * every log-probability must be the same bits. */
static azr_status differentiate(void *context, const size_t *targets, size_t n, azr_error *error)
{
    const batch_loss *l = context;
    const row_arrays *a = l->arrays;
    bool is_first = l->u->n_updates == 0;
    for (size_t i = 0; i < n; i++) {
        size_t t = targets[i];
        float logprob = l->m->logprobs[t];
        const azr_policy_tokens token = {
            .n = 1,
            .logprobs = &logprob,
            .old_logprobs = a->old_logprobs + t,
            .entropies = l->m->entropies + t,
            .advantages = a->advantages + t,
            .reference_logprobs = a->reference_logprobs ? a->reference_logprobs + t : NULL,
            .weights = a->weights + t};
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        if (is_first && memcmp(&logprob, token.old_logprobs, sizeof logprob) != 0)
            return mismatch_error(l->u->step, l->rows, t, logprob, error);
        azr_policy_loss_backward(&l->u->loss, &token, l->m->dlogprobs + t, l->m->dentropies + t,
                                 &l->u->stats);
        if (is_first)
            add_difference(l->u, logprob, *token.old_logprobs);
    }
    return AZR_OK;
}

static azr_status learn_rows(update *u, const azr_row *rows, size_t n, const double *weights,
                             azr_error *error)
{
    azr_trainer *trainer = u->trainer;
    azr_micro_batch m = {0};
    row_arrays arrays;
    azr_micro_batch_init(&m, rows, n, (float)trainer->config.temperature);
    fill_arrays(&arrays, rows, n, weights);
    trainer->n_tokens += m.forest.n_tokens;
    const azr_scores scores = {m.logprobs, m.entropies, m.dlogprobs, m.dentropies};
    batch_loss loss = {u, rows, &arrays, &m};
    double mismatch = u->stats.mismatch;
    azr_status status = azr_model_learn(trainer->model, &m.batch, &scores,
                                        &(azr_loss){differentiate, &loss}, error);
    if (u->n_updates > 0)
        u->stats.mismatch = mismatch;
    azr_free(arrays.old_logprobs);
    azr_free(arrays.advantages);
    azr_free(arrays.weights);
    azr_free(arrays.reference_logprobs);
    azr_micro_batch_deinit(&m);
    return status;
}

/* --- an update -------------------------------------------------------------------------------- */

/* The weight of each row's tokens, by the mean that the config asks for. */
static double *weigh_rows(const azr_config *config, const azr_row *rows, size_t n)
{
    double *weights = azr_alloc(n, sizeof *weights);
    size_t n_targets = azr_rows_count_targets(rows, n), n_micro_batches = 0;
    for (size_t i = 0; i < n; i++)
        weights[i] = row_weight(config, &rows[i], n, n_targets);
    if (config->loss_mean != AZR_LOSS_MEAN_MICRO_BATCH)
        return weights;
    for (size_t first = 0, n_rows; first < n; first += n_rows, n_micro_batches++) {
        n_rows = azr_rows_together(rows, n, first, (size_t)config->micro_batch_tokens);
        for (size_t i = first; i < first + n_rows; i++)
            weights[i] = 1.0 / (double)azr_rows_count_targets(rows + first, n_rows);
    }
    for (size_t i = 0; i < n; i++)
        weights[i] /= (double)n_micro_batches;
    return weights;
}

static azr_status update_weights(update *u, azr_episode *const *episodes, size_t n,
                                 azr_error *error)
{
    azr_trainer *trainer = u->trainer;
    azr_row *rows = azr_rows_create(episodes, n);
    double *weights = weigh_rows(&trainer->config, rows, n), norm = 0.0;
    azr_status status = AZR_OK;
    for (size_t first = 0, n_rows; status == AZR_OK && first < n; first += n_rows) {
        n_rows = azr_rows_together(rows, n, first, (size_t)trainer->config.micro_batch_tokens);
        status = learn_rows(u, rows + first, n_rows, weights + first, error);
        if (azr_clock_seconds() >= u->next_line) {
            u->next_line = azr_clock_seconds() + 5.0;
            azr_progress_printf(&trainer->progress, "learn: %zu of %zu sequences", first + n_rows,
                                n);
        }
    }
    azr_free(weights);
    azr_rows_destroy(rows, n);
    if (status == AZR_OK && !isfinite(u->stats.loss))
        status = azr_error_set(error, AZR_ERROR_NUMERIC, "step %" PRId64 ": the loss is %g",
                               u->step, u->stats.loss);
    if (status != AZR_OK)
        return status;
    status = azr_optimizer_update(&trainer->optimizer, trainer->model, &trainer->config, u->rate,
                                  &norm, error);
    if (status != AZR_OK)
        azr_error_prefix(error, "step %" PRId64, u->step);
    u->norm += norm;
    u->n_updates++;
    return status;
}

/* The episodes, prompt by prompt in a drawn order: answers to one prompt stay together, so that
 * their prompt is computed once. */
static azr_episode **order_episodes(const azr_config *config, int64_t step, int64_t epoch,
                                    azr_episode *episodes, size_t n)
{
    azr_episode **order = azr_alloc(n, sizeof(azr_episode *));
    size_t *starts = azr_alloc(n + 1, sizeof *starts), n_prompts = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || episodes[i].prompt != episodes[i - 1].prompt)
            starts[n_prompts++] = i;
    const azr_rng_key key = {.seed = (uint64_t)config->seed,
                             .purpose = AZR_RNG_MINI_BATCHES,
                             .step = (uint32_t)step,
                             .sequence = (uint32_t)epoch};
    for (size_t left = n_prompts; left > 0; left--) {
        size_t pick = (size_t)azr_rng_below(&key, (uint32_t)(n_prompts - left), left);
        for (size_t i = starts[pick];
             i < n && (i == starts[pick] || episodes[i].prompt == episodes[i - 1].prompt); i++)
            order[at++] = &episodes[i];
        starts[pick] = starts[left - 1];
    }
    AZR_CHECK(at == n);
    azr_free(starts);
    return order;
}

/* The end of mini-batch `index`: near equal shares, and never between answers to one prompt. */
static size_t mini_batch_end(azr_episode *const *order, size_t n, size_t first, int64_t index,
                             int64_t n_mini_batches)
{
    size_t end = n * (size_t)(index + 1) / (size_t)n_mini_batches;
    if (end < first)
        end = first;
    while (end > first && end < n && order[end]->prompt == order[end - 1]->prompt)
        end++;
    return end;
}

static azr_status run_epoch(update *u, int64_t epoch, azr_episode *episodes, size_t n,
                            azr_error *error)
{
    const azr_config *config = &u->trainer->config;
    azr_episode **order = order_episodes(config, u->step, epoch, episodes, n);
    azr_status status = AZR_OK;
    size_t first = 0;
    for (int64_t i = 0; status == AZR_OK && i < config->mini_batches; i++) {
        size_t end = mini_batch_end(order, n, first, i, config->mini_batches);
        if (end > first)
            status = update_weights(u, order + first, end - first, error);
        first = end;
    }
    azr_free(order);
    return status;
}

/* --- the step --------------------------------------------------------------------------------- */

/* The entropy is that of the tokens as they were sampled: a mean over tokens, whatever mean the
 * loss takes. */
static void add_update_metrics(const update *u, double n_tokens, double entropy,
                               double entropy_coef)
{
    azr_metrics *metrics = &u->trainer->metrics;
    double n = u->n_updates > 0 ? (double)u->n_updates : 1.0;
    double n_compared = u->n_compared > 0.0 ? u->n_compared : 1.0, mean = u->off / n_compared;
    double variance = u->off_squared / n_compared - mean * mean;
    azr_metrics_add(metrics, u->stats.loss / n, "actor/loss");
    azr_metrics_add(metrics, u->stats.pg_loss / n, "actor/pg_loss");
    azr_metrics_add(metrics, u->stats.ratio_clipped / n, "actor/pg_clipfrac");
    azr_metrics_add(metrics, u->stats.dual_clipped / n, "actor/pg_clipfrac_lower");
    azr_metrics_add(metrics, u->stats.old_kl / n, "actor/ppo_kl");
    azr_metrics_add(metrics, n_tokens > 0.0 ? entropy / n_tokens : 0.0, "actor/entropy");
    azr_metrics_add(metrics, entropy_coef, "actor/entropy_coef");
    azr_metrics_add(metrics, u->norm / n, "actor/grad_norm");
    azr_metrics_add(metrics, u->rate, "actor/lr");
    azr_metrics_add(metrics, (double)u->n_updates, "actor/updates");
    azr_metrics_add(metrics, u->stats.mismatch, "actor/mismatch");
    azr_metrics_add(metrics, u->stats.mismatch, "training/rollout_probs_diff_max");
    azr_metrics_add(metrics, mean, "training/rollout_probs_diff_mean");
    azr_metrics_add(metrics, variance > 0.0 ? sqrt(variance) : 0.0,
                    "training/rollout_probs_diff_std");
    azr_metrics_add(metrics, n_tokens, "actor/response_tokens");
}

static void episodes_begin(const azr_config *config, azr_episode *episodes, size_t n)
{
    bool kl = config->kl_coef > 0.0, in_reward = kl && config->kl_place == AZR_KL_IN_REWARD;
    for (size_t i = 0; i < n; i++) {
        size_t n_tokens = episodes[i].sample->n_tokens;
        episodes[i].advantages = azr_alloc(n_tokens, sizeof(float));
        episodes[i].reference_logprobs = kl ? azr_alloc(n_tokens, sizeof(float)) : NULL;
        episodes[i].returns = in_reward ? azr_alloc(n_tokens, sizeof(double)) : NULL;
    }
}

static void episodes_end(azr_episode *episodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        azr_free(episodes[i].advantages);
        azr_free(episodes[i].reference_logprobs);
        azr_free(episodes[i].returns);
        episodes[i].advantages = episodes[i].reference_logprobs = NULL;
        episodes[i].returns = NULL;
    }
}

/* Distances from the reference model, charged to the rewards when that is where they count. */
static azr_status use_reference(azr_trainer *trainer, azr_episode *episodes, size_t n,
                                azr_error *error)
{
    azr_episode **all = azr_alloc(n, sizeof(azr_episode *));
    for (size_t i = 0; i < n; i++)
        all[i] = &episodes[i];
    azr_row *rows = azr_rows_create(all, n);
    azr_status status = score_reference(trainer, rows, n, error);
    azr_rows_destroy(rows, n);
    azr_free(all);
    double sum = 0.0, n_tokens = 0.0;
    for (size_t i = 0; status == AZR_OK && i < n; i++) {
        const azr_sample *sample = episodes[i].sample;
        for (size_t t = 0; t < sample->n_tokens; t++)
            sum += azr_kl_estimate((azr_kl_estimator)trainer->config.kl_estimator,
                                   (double)sample->logprobs[t],
                                   (double)episodes[i].reference_logprobs[t], NULL);
        n_tokens += (double)sample->n_tokens;
        if (episodes[i].returns != NULL)
            charge_kl(&trainer->config, &episodes[i]);
    }
    if (status == AZR_OK && n > 0)
        azr_metrics_add(&trainer->metrics, sum / n_tokens, "actor/reference_kl");
    return status;
}

azr_status azr_train__learn(azr_trainer *trainer, int64_t step, azr_episode *episodes, size_t n,
                            azr_error *error)
{
    const azr_config *config = &trainer->config;
    azr_learn_state state = trainer->learn_state;
    bool kl_in_loss = config->kl_coef > 0.0 && config->kl_place == AZR_KL_IN_LOSS;
    update u = {.trainer = trainer,
                .step = step,
                .loss = {.clip_low = config->clip_low,
                         .clip_high = config->clip_high,
                         .dual_clip = config->dual_clip,
                         .entropy_coef = state.entropy_coef,
                         .kl_coef = kl_in_loss ? config->kl_coef : 0.0,
                         .kl_estimator = (azr_kl_estimator)config->kl_estimator},
                .rate = azr_train__learning_rate(config, step),
                .next_line = azr_clock_seconds() + 5.0};
    double n_tokens = 0.0, entropy = 0.0;
    for (size_t i = 0; i < n; i++) {
        n_tokens += (double)episodes[i].sample->n_tokens;
        for (size_t t = 0; t < episodes[i].sample->n_tokens; t++)
            entropy += (double)episodes[i].sample->entropies[t];
    }
    episodes_begin(config, episodes, n);
    azr_status status = AZR_OK;
    if (config->kl_coef > 0.0)
        status = use_reference(trainer, episodes, n, error);
    if (status == AZR_OK)
        azr_train__whiten(config, &state, episodes, n);
    if (status == AZR_OK)
        azr_report_advantages(&trainer->metrics, episodes, n);
    for (int64_t epoch = 0; status == AZR_OK && epoch < config->epochs; epoch++)
        status = run_epoch(&u, epoch, episodes, n, error);
    episodes_end(episodes, n);
    if (status != AZR_OK)
        return status;
    add_update_metrics(&u, n_tokens, entropy, state.entropy_coef);
    if (n_tokens > 0.0)
        state.entropy_coef =
            azr_train__steer_entropy(config, state.entropy_coef, entropy / n_tokens);
    trainer->learn_state = state;
    return AZR_OK;
}
