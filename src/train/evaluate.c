/* evaluate.c: a small set of benchmark items every few steps (eval_every), greedy: its rates stand
 * with the other numbers of the step. It reads the weights and nothing else of the run, and draws
 * under a key of its own, so that a run with evaluations is the run without them. */
#include "train/trainer.h"

#include "azr/eval.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* "suite=file" of a comma-separated list. */
typedef struct eval_set {
    char *suite, *file;
} eval_set;

static void set_deinit(eval_set *set)
{
    azr_free(set->suite);
    azr_free(set->file);
}

/* Moves *list behind the next set; false at the end. */
static bool next_set(const char **list, eval_set *out_set)
{
    size_t size = strcspn(*list, ",");
    if (size == 0)
        return false;
    size_t name = strcspn(*list, "=,");
    const char *file = *list + name + (name < size);
    *out_set =
        (eval_set){azr_copy_text(*list, name), azr_copy_text(file, (size_t)(*list + size - file))};
    *list += size + ((*list)[size] == ',');
    return true;
}

static azr_status open_set(const azr_config *config, const eval_set *set, azr_eval **out_eval,
                           azr_error *error)
{
    azr_eval_options options = azr_eval_default_options();
    options.suite = set->suite;
    options.data = set->file;
    options.task_template = config->template;
    options.limit = config->eval_limit;
    options.max_tokens = config->eval_max_tokens;
    options.seed = (uint64_t)config->seed;
    azr_status status = azr_eval_open(&options, ":memory:", out_eval, error);
    return status == AZR_OK ? AZR_OK : azr_error_prefix(error, "eval_sets");
}

azr_status azr_train__check_evaluation(const azr_config *config, azr_error *error)
{
    const char *list = config->eval_sets;
    eval_set set;
    azr_status status = AZR_OK;
    if (config->eval_every > 0 && list[0] == '\0')
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "eval_every needs eval_sets: a list of suite=file");
    while (status == AZR_OK && config->eval_every > 0 && next_set(&list, &set)) {
        azr_eval *eval = NULL;
        status = open_set(config, &set, &eval, error);
        azr_eval_close(eval);
        set_deinit(&set);
    }
    return status;
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
    azr_progress_printf(&trainer->progress, "%s: %.4f of %zu, 95 %% interval %.4f to %.4f", suite,
                        rate->rate, summary->n_items, rate->interval.low, rate->interval.high);
}

static azr_status run_set(azr_trainer *trainer, const eval_set *set, azr_error *error)
{
    azr_eval *eval = NULL;
    size_t longest = 0;
    azr_rollout_options rollout = {.streams = trainer->config.streams};
    azr_status status = open_set(&trainer->config, set, &eval, error);
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
    eval_set set;
    azr_status status = AZR_OK;
    double started = azr_clock_seconds();
    while (status == AZR_OK && next_set(&list, &set)) {
        status = run_set(trainer, &set, error);
        set_deinit(&set);
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
    eval_set set;
    bool done = !next_set(&list, &set);
    if (done)
        return AZR_OK;
    snprintf(name, sizeof name, "val/%s/pass@1", set.suite);
    set_deinit(&set);
    azr_status status = azr_buffer_has_metric(trainer->buffer, trainer->step, name, &done, error);
    if (status != AZR_OK || done)
        return status;
    azr_metrics_reset(&trainer->metrics);
    status = run_sets(trainer, error);
    return status == AZR_OK ? store(trainer, error) : status;
}
