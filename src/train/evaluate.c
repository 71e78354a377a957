/* evaluate.c: a small set of benchmark items every few steps (eval_every), greedy: its rates stand
 * with the other numbers of the step. It reads the weights and nothing else of the run, and draws
 * under a key of its own, so that a run with evaluations is the run without them. */
#include "train/trainer.h"

#include "azr/eval.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

azr_status azr_train__check_evaluation(const azr_config *config, azr_held_out *out_held,
                                       azr_error *error)
{
    if (config->eval_every > 0 && config->eval_sets[0] == '\0')
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "eval_every needs eval_sets: a list of suite=file");
    return azr_held_out_read(config, out_held, error);
}

static void say(azr_trainer *trainer, const char *suite, const azr_eval_summary *summary)
{
    const azr_eval_rate *rate = &summary->rates[0];
    azr_metrics *metrics = &trainer->metrics;
    azr_metrics_add(metrics, rate->rate, "val/%s/pass@1", suite);
    azr_metrics_add(metrics, rate->interval.low, "val/%s/pass@1_low", suite);
    azr_metrics_add(metrics, rate->interval.high, "val/%s/pass@1_high", suite);
    azr_metrics_add(metrics, (double)summary->n_items, "val/%s/n", suite);
    azr_metrics_add(metrics, (double)summary->n_verdicts[AZR_EVAL_UNDECIDED], "val/%s/undecided",
                    suite);
    azr_metrics_add(metrics, (double)summary->n_cut, "val/%s/cut", suite);
    double n = summary->n_items > 0 ? (double)summary->n_items : 1.0;
    azr_metrics_add(metrics, (double)summary->n_answered / n, "val/%s/format_score", suite);
    azr_metrics_add(metrics, (double)summary->n_no_value, "val/%s/none_count", suite);
    azr_metrics_add(metrics, (double)summary->n_no_value / n, "val/%s/none_ratio", suite);
    azr_progress_printf(&trainer->progress, "%s: %.4f of %zu, 95 %% interval %.4f to %.4f", suite,
                        rate->rate, summary->n_items, rate->interval.low, rate->interval.high);
}

static azr_status run_set(azr_trainer *trainer, const azr_eval_set *set, azr_error *error)
{
    azr_eval *eval = NULL;
    size_t longest = 0;
    azr_rollout_options rollout = {.streams = trainer->config.streams};
    azr_status status =
        azr_eval_set_open(&trainer->config, set, trainer->config.eval_limit, &eval, error);
    if (status == AZR_OK)
        status = azr_eval_longest(eval, trainer->tokenizer, &longest, error);
    /* The cache that the plan counts on anyway, or one sequence if that is more. */
    rollout.kv_tokens = azr_train__kv_tokens(&trainer->config);
    if (rollout.kv_tokens < (int64_t)longest + AZR_KV_PAGE)
        rollout.kv_tokens = (int64_t)longest + AZR_KV_PAGE;
    if (status == AZR_OK)
        status = azr_eval_generate(eval, trainer->model, trainer->tokenizer, trainer->executor,
                                   &rollout, &trainer->progress, error);
    if (status == AZR_OK) {
        azr_eval_summary summary;
        azr_eval_summarize(eval, &summary);
        say(trainer, set->suite, &summary);
    }
    azr_eval_close(eval);
    return status;
}

static azr_status run_sets(azr_trainer *trainer, azr_error *error)
{
    const char *list = trainer->config.eval_sets;
    azr_eval_set set;
    azr_status status = AZR_OK;
    double started = azr_clock_seconds();
    while (status == AZR_OK && azr_eval_set_next(&list, &set)) {
        status = run_set(trainer, &set, error);
        azr_eval_set_deinit(&set);
    }
    azr_metrics_add(&trainer->metrics, azr_clock_seconds() - started, "timing_s/testing");
    return status;
}

/* The line of metrics.jsonl comes first: killed between the two, the next start says it again. */
static azr_status store(azr_trainer *trainer, azr_error *error)
{
    azr_status status =
        azr_metrics_append(&trainer->metrics, trainer->metrics_path, trainer->step, error);
    if (status == AZR_OK)
        status = azr_buffer_begin(trainer->buffer, error);
    if (status != AZR_OK)
        return status;
    status = azr_metrics_store(&trainer->metrics, trainer->buffer, trainer->step, error);
    if (status == AZR_OK)
        return azr_buffer_commit(trainer->buffer, error);
    azr_buffer_rollback(trainer->buffer, NULL);
    return status;
}

azr_status azr_train__evaluate(azr_trainer *trainer, azr_error *error)
{
    const azr_config *config = &trainer->config;
    if (config->eval_every == 0 || trainer->step % config->eval_every != 0)
        return AZR_OK;
    char name[96];
    const char *list = config->eval_sets;
    azr_eval_set set;
    bool done = !azr_eval_set_next(&list, &set);
    if (done)
        return AZR_OK;
    snprintf(name, sizeof name, "val/%s/pass@1", set.suite);
    azr_eval_set_deinit(&set);
    azr_status status = azr_buffer_has_metric(trainer->buffer, trainer->step, name, &done, error);
    if (status != AZR_OK || done)
        return status;
    azr_metrics_reset(&trainer->metrics);
    status = run_sets(trainer, error);
    return status == AZR_OK ? store(trainer, error) : status;
}
