/* evaluation.c: opens an evaluation, takes up what its results file holds, and sums up. */
#include "eval/evaluation.h"

#include "eval/statistics.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const verdicts[AZR_N_EVAL_VERDICTS] = {
    [AZR_EVAL_RIGHT] = "right", [AZR_EVAL_WRONG] = "wrong", [AZR_EVAL_UNDECIDED] = "undecided"};

const char *azr_eval_verdict_name(azr_eval_verdict verdict)
{
    AZR_CHECK((unsigned)verdict < AZR_N_EVAL_VERDICTS);
    return verdicts[verdict];
}

azr_eval_options azr_eval_default_options(void)
{
    return (azr_eval_options){.n_samples = 1, .top_p = 1.0, .after_step = -1, .seed = 1};
}

/* --- settings --------------------------------------------------------------------------------- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return azr_hash_text(hash, text != NULL ? text : "\1");
}

/* Over all that is asked and all that judges. */
static uint64_t hash_items(const azr_eval *eval)
{
    uint64_t hash = AZR_HASH_START;
    for (size_t i = 0; i < eval->n_items; i++) {
        const azr_eval_item *item = &eval->items[i];
        const char *const texts[] = {item->id,   item->question,  item->entry,
                                     item->test, item->reference, item->task.program};
        for (size_t j = 0; j < AZR_COUNT(texts); j++)
            hash = hash_text(hash, texts[j]);
        for (size_t j = 0; j < item->task.n_pairs; j++)
            hash = hash_text(hash_text(hash, item->task.inputs[j]), item->task.outputs[j]);
    }
    return hash;
}

typedef struct keeping {
    azr_eval *eval;
    azr_status status;
    azr_error *error;
} keeping;

__attribute__((format(printf, 3, 4))) static void keep_setting(keeping *k, const char *name,
                                                               const char *format, ...)
{
    azr_strbuf value = {0};
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    azr_strbuf_puts(&value, text);
    if (k->status == AZR_OK)
        k->status =
            azr_eval__results_setting(&k->eval->results, name, azr_strbuf_text(&value), k->error);
    azr_strbuf_deinit(&value);
}

static const char *template_of(const azr_eval *eval, const azr_eval_options *options)
{
    const char *template = options->template;
    if (eval->suite->tasks && (template == NULL || template[0] == '\0'))
        template = options->task_template;
    return template != NULL && template[0] != '\0' ? template : eval->suite->template;
}

static azr_status keep_settings(azr_eval *eval, const azr_eval_options *options, azr_error *error)
{
    keeping k = {.eval = eval, .error = error};
    keep_setting(&k, "suite", "%s", eval->suite->name);
    keep_setting(&k, "model", "%s", options->model != NULL ? options->model : "");
    keep_setting(&k, "template", "%s", template_of(eval, options));
    keep_setting(&k, "items", "%zu", eval->n_items);
    keep_setting(&k, "items_hash", "%016" PRIx64, hash_items(eval));
    keep_setting(&k, "samples", "%zu", eval->n_samples);
    keep_setting(&k, "max_tokens", "%" PRId64, eval->max_tokens);
    keep_setting(&k, "temperature", "%.9g", (double)eval->temperature);
    keep_setting(&k, "top_p", "%.9g", (double)eval->top_p);
    keep_setting(&k, "top_k", "%d", (int)eval->top_k);
    keep_setting(&k, "seed", "%" PRIu64, eval->seed);
    uint64_t stops = AZR_HASH_START;
    for (size_t i = 0; eval->stops[i] != NULL; i++)
        stops = azr_hash_text(stops, eval->stops[i]);
    keep_setting(&k, "stops_hash", "%016" PRIx64, stops);
    return k.status;
}

/* --- opening ---------------------------------------------------------------------------------- */

void azr_eval__sample_deinit(azr_eval_sample *sample)
{
    azr_free(sample->completion);
    azr_free(sample->answer);
    *sample = (azr_eval_sample){0};
}

static char *copy_or_null(const char *text)
{
    return text != NULL ? azr_copy_text(text, strlen(text)) : NULL;
}

static const char *known_stop(const char *text)
{
    static const azr_stop stops[] = {AZR_STOP_EOS, AZR_STOP_LIMIT, AZR_STOP_STRING};
    for (size_t i = 0; text != NULL && i < AZR_COUNT(stops); i++)
        if (strcmp(azr_stop_name(stops[i]), text) == 0)
            return azr_stop_name(stops[i]);
    return NULL;
}

typedef struct taking {
    azr_eval *eval;
    bool damaged;
} taking;

static bool take_row(void *context, const azr_eval_row *row)
{
    taking *t = context;
    azr_eval *eval = t->eval;
    if (row->item < 0 || (size_t)row->item >= eval->n_items || row->sample < 0 ||
        (size_t)row->sample >= eval->n_samples || row->n_tokens < 0 ||
        strcmp(row->id, eval->items[row->item].id) != 0) {
        t->damaged = true;
        return false;
    }
    azr_eval_sample *sample =
        &eval->samples[(size_t)row->item * eval->n_samples + (size_t)row->sample];
    *sample = (azr_eval_sample){.state = AZR_EVAL_ANSWERED,
                                .completion_size = row->completion_size,
                                .answer = copy_or_null(row->answer),
                                .stop = known_stop(row->stop),
                                .n_tokens = row->n_tokens};
    if (row->completion != NULL)
        sample->completion = azr_copy_text(row->completion, row->completion_size);
    if (row->prompt != NULL && eval->prompts[row->item] == NULL)
        eval->prompts[row->item] = copy_or_null(row->prompt);
    for (int v = 0; row->verdict != NULL && v < AZR_N_EVAL_VERDICTS; v++) {
        if (strcmp(verdicts[v], row->verdict) == 0) {
            sample->state = AZR_EVAL_JUDGED;
            sample->verdict = (azr_eval_verdict)v;
        }
    }
    return true;
}

static azr_status take_rows(azr_eval *eval, azr_error *error)
{
    taking t = {.eval = eval};
    azr_status status = azr_eval__results_each(&eval->results, take_row, &t, error);
    if (status == AZR_OK && t.damaged)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s: holds a sample of another item",
                               eval->results.path);
    return status;
}

static azr_status check_options(const azr_eval_options *options, azr_error *error)
{
    azr_kind kind;
    if (options->n_samples < 1 || options->n_samples > 65536)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "samples must be from 1 to 65536, not %" PRId64, options->n_samples);
    if (options->limit < 0 || options->max_tokens < 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "limit and max-tokens cannot be below 0");
    if (options->kind != NULL && options->kind[0] != '\0' && !azr_kind_parse(options->kind, &kind))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "kind must be deduction, abduction or induction, not '%.64s'",
                             options->kind);
    return AZR_OK;
}

static void take_options(azr_eval *eval, const azr_eval_options *options)
{
    eval->max_tokens = options->max_tokens > 0 ? options->max_tokens : eval->suite->max_tokens;
    eval->n_samples = (size_t)options->n_samples;
    eval->temperature = (float)options->temperature;
    eval->top_p = (float)options->top_p;
    eval->top_k = (int32_t)options->top_k;
    eval->seed = options->seed;
    size_t n = 0;
    while (options->stops != NULL && options->stops[n] != NULL)
        n++;
    eval->stops = azr_alloc(n + 1, sizeof *eval->stops);
    for (size_t i = 0; i < n; i++)
        eval->stops[i] = copy_or_null(options->stops[i]);
}

azr_status azr_eval_open(const azr_eval_options *options, const char *path, azr_eval **out_eval,
                         azr_error *error)
{
    enum { MAX_SAMPLES = 1 << 26 };
    azr_eval *eval = azr_alloc(1, sizeof *eval);
    eval->results.lock = -1;
    azr_status status = check_options(options, error);
    if (status == AZR_OK)
        status = azr_eval__suite_find(options->suite, &eval->suite, error);
    if (status == AZR_OK)
        status = azr_eval__way_find(eval->suite, template_of(eval, options), &eval->way, error);
    if (status == AZR_OK) {
        take_options(eval, options);
        status = azr_eval__items_read(eval->suite, options, &eval->items, &eval->n_items, error);
    }
    size_t n = 0;
    if (status == AZR_OK &&
        (!azr_multiply_sizes(eval->n_items, eval->n_samples, &n) || n > MAX_SAMPLES))
        status =
            azr_error_set(error, AZR_ERROR_LIMIT, "%zu items times %zu samples are more than %d",
                          eval->n_items, eval->n_samples, MAX_SAMPLES);
    if (status == AZR_OK) {
        eval->samples = azr_try_alloc(n, sizeof *eval->samples);
        eval->prompts = azr_try_alloc(eval->n_items, sizeof *eval->prompts);
        if (eval->samples == NULL || eval->prompts == NULL)
            status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu samples", n);
    }
    if (status == AZR_OK)
        status = azr_eval__results_open(&eval->results, path, false, error);
    if (status == AZR_OK)
        status = keep_settings(eval, options, error);
    if (status == AZR_OK)
        status = take_rows(eval, error);
    if (status != AZR_OK) {
        azr_eval_close(eval);
        eval = NULL;
    }
    *out_eval = eval;
    return status;
}

void azr_eval_close(azr_eval *eval)
{
    if (eval == NULL)
        return;
    for (size_t i = 0; eval->samples != NULL && i < eval->n_items * eval->n_samples; i++)
        azr_eval__sample_deinit(&eval->samples[i]);
    for (size_t i = 0; eval->prompts != NULL && i < eval->n_items; i++)
        azr_free(eval->prompts[i]);
    for (size_t i = 0; eval->stops != NULL && eval->stops[i] != NULL; i++)
        azr_free(eval->stops[i]);
    azr_free(eval->stops);
    azr_free(eval->prompts);
    azr_free(eval->samples);
    azr_eval__items_free(eval->items, eval->n_items);
    if (eval->results.db != NULL)
        azr_eval__results_flush(&eval->results, NULL);
    azr_eval__results_close(&eval->results);
    azr_free(eval);
}

size_t azr_eval_n_items(const azr_eval *eval)
{
    return eval->n_items;
}

const azr_task *azr_eval_task(const azr_eval *eval, size_t item)
{
    AZR_CHECK(item < eval->n_items);
    const azr_task *task = &eval->items[item].task;
    return task->program != NULL ? task : NULL;
}

size_t azr_eval_n_missing(const azr_eval *eval)
{
    size_t n = 0;
    for (size_t i = 0; i < eval->n_items * eval->n_samples; i++)
        n += eval->samples[i].state == AZR_EVAL_MISSING;
    return n;
}

bool azr_eval_has_programs(const azr_eval *eval)
{
    return eval->suite->programs;
}

/* --- keeping ---------------------------------------------------------------------------------- */

azr_status azr_eval__keep(azr_eval *eval, size_t at, const char *why, azr_error *error)
{
    const azr_eval_sample *sample = &eval->samples[at];
    size_t item = at / eval->n_samples;
    azr_eval_row row = {
        .item = (int64_t)item,
        .sample = (int64_t)(at % eval->n_samples),
        .id = eval->items[item].id,
        .prompt = sample->completion != NULL ? eval->prompts[item] : NULL,
        .completion = sample->completion,
        .completion_size = sample->completion_size,
        .stop = sample->stop,
        .answer = sample->answer,
        .n_tokens = sample->n_tokens,
        .verdict = sample->state == AZR_EVAL_JUDGED ? verdicts[sample->verdict] : NULL,
        .why = why,
    };
    return azr_eval__results_put(&eval->results, &row, error);
}

azr_status azr_eval__forget(azr_eval *eval, azr_error *error)
{
    for (size_t i = 0; i < eval->n_items * eval->n_samples; i++)
        azr_eval__sample_deinit(&eval->samples[i]);
    return azr_eval__results_clear(&eval->results, error);
}

azr_status azr_eval_finish(azr_eval *eval, azr_error *error)
{
    return azr_eval__results_finish(&eval->results, error);
}

/* --- summing up ------------------------------------------------------------------------------- */

static void add_rate(azr_eval_summary *summary, int64_t k, const int64_t *n_right, size_t n,
                     uint64_t seed, int64_t n_samples)
{
    double *values = azr_alloc(n, sizeof *values), sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += values[i] = azr_eval__pass_at_k(n_samples, n_right[i], k);
    azr_eval_rate *rate = &summary->rates[summary->n_rates++];
    rate->k = k;
    rate->rate = n > 0 ? sum / (double)n : NAN;
    rate->interval = n_samples == 1 ? azr_eval__wilson((int64_t)llround(sum), (int64_t)n)
                                    : azr_eval__bootstrap_mean(values, n, seed);
    azr_free(values);
}

void azr_eval_summarize(const azr_eval *eval, azr_eval_summary *out_summary)
{
    azr_eval_summary summary = {.n_samples = eval->n_samples};
    int64_t *n_right = azr_alloc(eval->n_items, sizeof *n_right);
    for (size_t i = 0; i < eval->n_items; i++) {
        const azr_eval_sample *samples = &eval->samples[i * eval->n_samples];
        size_t n_judged = 0;
        for (size_t j = 0; j < eval->n_samples; j++)
            n_judged += samples[j].state == AZR_EVAL_JUDGED;
        if (n_judged < eval->n_samples)
            continue;
        for (size_t j = 0; j < eval->n_samples; j++) {
            summary.n_verdicts[samples[j].verdict]++;
            summary.n_cut += samples[j].stop == azr_stop_name(AZR_STOP_LIMIT);
            summary.n_answered += samples[j].answer != NULL;
            summary.n_no_value += samples[j].no_value;
            summary.n_tokens += samples[j].n_tokens;
            n_right[summary.n_items] += samples[j].verdict == AZR_EVAL_RIGHT;
        }
        summary.n_items++;
    }
    static const int64_t ks[] = {1, 5, 10, 25, 50, 100};
    for (size_t i = 0; i < AZR_COUNT(ks); i++)
        if (ks[i] <= (int64_t)eval->n_samples)
            add_rate(&summary, ks[i], n_right, summary.n_items, eval->seed,
                     (int64_t)eval->n_samples);
    azr_free(n_right);
    *out_summary = summary;
}
