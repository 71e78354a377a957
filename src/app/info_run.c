/* info_run.c: a run in one screen: what it is, how far it got, how it goes. */
#include "app/info_run.h"

#include "app/json.h"
#include "app/series.h"

#include "azr/buffer.h"
#include "azr/config.h"
#include "azr/tasks.h"
#include "azr/train.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BARS = 32, MAX_NAME = 96 };

typedef struct task_count {
    int64_t n, n_seeds;
} task_count;

/* All that the screen tells. */
typedef struct run_summary {
    const char *directory;
    azr_config config;
    azr_series series;
    task_count tasks[AZR_N_KINDS];
    char *checkpoint; /* the newest, NULL: none */
    int64_t checkpoint_step;
} run_summary;

bool azr_info_is_run(const char *path)
{
    char *config_path = azr_path_join(path, "config.yaml");
    bool is = azr_file_exists(config_path);
    azr_free(config_path);
    return is;
}

/* --- reading ---------------------------------------------------------------------------------- */

static azr_status read_tasks(run_summary *run, azr_error *error)
{
    char *path = azr_path_join(run->directory, "run.db");
    azr_buffer *buffer = NULL;
    azr_status status = azr_buffer_open_read_only(path, &buffer, error);
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++) {
        task_count *count = &run->tasks[kind];
        status = azr_buffer_count(buffer, (azr_kind)kind, -1, &count->n, error);
        if (status == AZR_OK)
            status = azr_buffer_count(buffer, (azr_kind)kind, 0, &count->n_seeds, error);
    }
    azr_buffer_close(buffer);
    azr_free(path);
    return status;
}

static azr_status read_run(run_summary *run, azr_error *error)
{
    char *config = azr_path_join(run->directory, "config.yaml");
    char *metrics = azr_path_join(run->directory, "metrics.jsonl");
    azr_error none;
    azr_config_init(&run->config);
    azr_status status = azr_config_load(&run->config, config, error);
    if (status == AZR_OK)
        status = azr_series_read(metrics, &run->series, error);
    if (status == AZR_OK)
        status = read_tasks(run, error);
    if (status == AZR_OK)
        run->checkpoint = azr_checkpoint_newest(run->directory, &run->checkpoint_step, &none);
    azr_free(metrics);
    azr_free(config);
    return status;
}

/* --- printing --------------------------------------------------------------------------------- */

/* "gen_code_o": the reference implementation's names of the groups. */
static void group_metric(azr_role role, azr_kind kind, const char *metric, char out[MAX_NAME])
{
    static const char *const letters[AZR_N_KINDS] = {
        [AZR_KIND_DEDUCTION] = "o", [AZR_KIND_ABDUCTION] = "i", [AZR_KIND_INDUCTION] = "f"};
    snprintf(out, MAX_NAME, "%s_code_%s/%s", role == AZR_ROLE_PROPOSER ? "gen" : "pred",
             letters[kind] != NULL ? letters[kind] : "e", metric);
}

/* "label  ▁▃▅  0.1 to 0.4": the first step's number and the last one's. low = high: bars between
 * the least and the greatest. Silent when no step says it. */
static void print_curve(const azr_series *series, const char *label, const char *name, double low,
                        double high)
{
    double first = NAN, last = NAN;
    for (size_t i = 0; i < series->n; i++) {
        double value = azr_series_at(series, i, name);
        first = isnan(first) ? value : first;
        last = isnan(value) ? last : value;
    }
    if (isnan(last))
        return;
    azr_strbuf bars = {0};
    azr_series_bars(series, name, BARS, low, high, &bars);
    size_t n = azr_series_n_bars(series, name, BARS);
    printf("  %-24s %s%*s  %.4g to %.4g\n", label, azr_strbuf_text(&bars), (int)(BARS - n), "",
           first, last);
    azr_strbuf_deinit(&bars);
}

static void print_groups(const run_summary *run, azr_role role, const char *metric,
                         const char *what)
{
    for (int kind = 0; kind < AZR_N_KINDS; kind++) {
        char name[MAX_NAME], label[MAX_NAME];
        group_metric(role, (azr_kind)kind, metric, name);
        snprintf(label, sizeof label, "%s, %s", what, azr_kind_name((azr_kind)kind));
        print_curve(&run->series, label, name, 0.0, 1.0);
    }
}

static void print_tasks(const run_summary *run)
{
    printf("  tasks stored            ");
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        if (kind != AZR_KIND_ERROR || run->tasks[kind].n > 0)
            printf("%s %s %" PRId64 " (%" PRId64 " seeds)", kind > 0 ? "," : "",
                   azr_kind_name((azr_kind)kind), run->tasks[kind].n, run->tasks[kind].n_seeds);
    printf("\n");
}

/* The numbers whose names begin so, each summed over all steps; json_decref. */
static json_t *sum_all(const azr_series *series, const char *prefix)
{
    const char *key;
    json_t *value, *sums = json_object();
    for (size_t i = 0; i < series->n; i++) {
        json_object_foreach(json_array_get(series->steps, i), key, value)
        {
            if (strncmp(key, prefix, strlen(prefix)) != 0)
                continue;
            double sum = json_number_value(json_object_get(sums, key));
            json_object_set_new(sums, key, json_real(sum + json_number_value(value)));
        }
    }
    return sums;
}

/* Where the time goes, over all steps; evaluations and checkpoints lie between them. */
static void print_phases(const azr_series *series)
{
    static const char *const between[] = {"timing_s/testing", "timing_s/save_checkpoint"};
    const char *key;
    json_t *value, *sums = sum_all(series, "timing_s/");
    double total = json_number_value(json_object_get(sums, "timing_s/step"));
    json_object_del(sums, "timing_s/step");
    for (size_t i = 0; i < AZR_COUNT(between); i++)
        total += json_number_value(json_object_get(sums, between[i]));
    if (total > 0.0) {
        printf("  seconds by phase         %.0f in all:", total);
        json_object_foreach(sums, key, value)
        {
            double sum = json_number_value(value);
            if (sum >= 0.005 * total)
                printf(" %s %.0f (%.0f%%)", key + 9, sum, 100.0 * sum / total);
        }
        printf("\n");
    }
    json_decref(sums);
}

/* Verdicts and refusals over all steps, the most frequent ones. */
static void print_reasons(const azr_series *series, const char *label, const char *prefix)
{
    enum { MAX_REASONS = 5 };
    const char *key;
    json_t *value, *sums = sum_all(series, prefix);
    bool any = json_object_size(sums) > 0;
    if (any)
        printf("  %-24s", label);
    for (int n = 0; n < MAX_REASONS && json_object_size(sums) > 0; n++) {
        const char *most = NULL;
        double greatest = -1.0;
        json_object_foreach(sums, key, value)
        {
            if (json_number_value(value) > greatest) {
                greatest = json_number_value(value);
                most = key;
            }
        }
        printf("%s %s %.0f", n > 0 ? "," : "", most + strlen(prefix), greatest);
        json_object_del(sums, most);
    }
    if (any)
        printf("\n");
    json_decref(sums);
}

/* "val/SUITE/<name>" of step i. */
static double value_of(const azr_series *series, size_t i, const char *suite, int n_suite,
                       const char *name)
{
    char key[MAX_NAME];
    snprintf(key, sizeof key, "%.*s/%s", n_suite, suite, name);
    return azr_series_at(series, i, key);
}

/* The rates of each evaluated suite: their curve over the evaluations, and how sure the last is. */
static void print_evaluations(const azr_series *series)
{
    static const char end[] = "/pass@1";
    const char *key;
    json_t *value, *names = sum_all(series, "val/");
    json_object_foreach(names, key, value)
    {
        size_t size = strlen(key), n_suite = size - (sizeof end - 1);
        if (size < sizeof end || strcmp(key + n_suite, end) != 0)
            continue;
        azr_series said = azr_series_with(series, key);
        char label[MAX_NAME];
        snprintf(label, sizeof label, "evaluation, %.*s", (int)n_suite - 4, key + 4);
        print_curve(&said, label, key, 0.0, 1.0);
        if (said.n > 0)
            printf("  %-24s %.4g of %.0f after step %.0f, 95 %% interval %.4g to %.4g\n", "",
                   azr_series_last(&said, key), value_of(&said, said.n - 1, key, (int)n_suite, "n"),
                   azr_series_last(&said, "step"),
                   value_of(&said, said.n - 1, key, (int)n_suite, "pass@1_low"),
                   value_of(&said, said.n - 1, key, (int)n_suite, "pass@1_high"));
        azr_series_deinit(&said);
    }
    json_decref(names);
}

static void print_head(const run_summary *run)
{
    const azr_config *config = &run->config;
    double step = azr_series_last(&run->series, "step");
    printf("run %s\n", run->directory);
    printf("  model                    %s, template %s, kinds %s\n", config->model,
           config->template, config->kinds);
    printf("  steps                    %.0f of %" PRId64 ", %" PRId64
           " prompts for each role and kind\n",
           isnan(step) ? 0.0 : step, config->total_steps, config->batch_size);
    printf("  learning rate            %g, temperature %g, seed %" PRId64 "\n",
           config->learning_rate, config->temperature, config->seed);
    printf("  gate                    %s%s%s%s\n", config->novelty ? " novelty" : "",
           config->refuse_repeated ? " repeats" : "", config->interest ? " interest" : "",
           config->novelty || config->refuse_repeated || config->interest ? "" : " off");
    if (config->composite_chance > 0.0 || config->composite_chance_every > 0)
        printf("  composite functions      chance %g, %lld to %lld, from step %lld\n",
               config->composite_chance, (long long)config->composite_min,
               (long long)config->composite_max, (long long)config->composite_start_step);
    print_tasks(run);
    if (run->checkpoint != NULL)
        printf("  newest checkpoint        %s (step %" PRId64 ")\n", run->checkpoint,
               run->checkpoint_step);
    else
        printf("  newest checkpoint        none yet\n");
}

static void print_screen(const run_summary *run)
{
    const azr_series *series = &run->series;
    print_head(run);
    if (series->n == 0)
        return;
    printf("\n");
    print_groups(run, AZR_ROLE_PROPOSER, "valid_ratio", "valid");
    print_groups(run, AZR_ROLE_SOLVER, "accuracy", "solved");
    print_curve(series, "share of new shapes", "novelty/share_new_shapes", 0.0, 1.0);
    print_curve(series, "tasks stored in a step", "proposer/stored", 0.0, 0.0);
    print_curve(series, "composite tasks", "composite/valid", 0.0, 0.0);
    print_curve(series, "groups without signal", "groups_without_signal", 0.0, 1.0);
    print_curve(series, "entropy", "actor/entropy", 0.0, 0.0);
    print_curve(series, "gradient norm", "actor/grad_norm", 0.0, 0.0);
    print_curve(series, "tokens per second", "tokens_per_s/step", 0.0, 0.0);
    print_curve(series, "seconds a step", "timing_s/step", 0.0, 0.0);
    print_evaluations(series);
    printf("\n");
    print_reasons(series, "proposals", "proposer/verdict/");
    print_reasons(series, "refused at the gate", "proposer/refused/");
    print_reasons(series, "answers", "solver/verdict/");
    print_phases(series);
    if (azr_series_last(series, "step") > 0.0)
        printf("  last step                loss %.4g, mismatch %g, %.0f tokens; every number: "
               "azr info --json\n",
               azr_series_last(series, "actor/loss"), azr_series_last(series, "actor/mismatch"),
               azr_series_last(series, "tokens"));
}

static void print_json(const run_summary *run)
{
    json_t *object = json_object(), *tasks = json_object();
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        json_object_set_new(tasks, azr_kind_name((azr_kind)kind),
                            json_pack("{s:I, s:I}", "n", (json_int_t)run->tasks[kind].n, "seeds",
                                      (json_int_t)run->tasks[kind].n_seeds));
    json_object_set_new(object, "run", azr_json_text_or_null(run->directory));
    json_object_set_new(object, "model", azr_json_text_or_null(run->config.model));
    json_object_set_new(object, "total_steps", json_integer(run->config.total_steps));
    json_object_set_new(object, "tasks", tasks);
    json_object_set_new(object, "checkpoint", azr_json_text_or_null(run->checkpoint));
    json_object_set(object, "last",
                    run->series.n > 0 ? json_array_get(run->series.steps, run->series.n - 1)
                                      : json_null());
    azr_json_line(object);
}

azr_status azr_info_run(const char *directory, bool json, azr_error *error)
{
    run_summary run = {.directory = directory};
    azr_status status = read_run(&run, error);
    if (status == AZR_OK && json)
        print_json(&run);
    else if (status == AZR_OK)
        print_screen(&run);
    azr_free(run.checkpoint);
    azr_series_deinit(&run.series);
    azr_config_deinit(&run.config);
    return status;
}
