/* cmd_eval.c: azr eval: scores a model, or given answers, on a benchmark; compares two results. */
#include "app/engine.h"
#include "app/json.h"

#include "azr/eval.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct eval_options {
    azr_settings settings;
    azr_eval_options eval;
    azr_option_texts stops;
    const char *out, *solutions, *evalplus;
    int64_t seed;
    bool canonical, compare, json;
    const char *operands[2];
    size_t n_operands;
} eval_options;

static void print_line(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

/* --- comparing -------------------------------------------------------------------------------- */

static void print_comparison(const azr_eval_comparison *c)
{
    printf("A: %s\nB: %s\n", c->name_a, c->name_b);
    printf("%zu items: A %.4f, B %.4f\n", c->n_items, c->rate_a, c->rate_b);
    printf("difference %+.4f, 95 %% interval %+.4f to %+.4f\n", c->difference, c->interval.low,
           c->interval.high);
    printf("B better on %zu items, worse on %zu; McNemar's exact p %.4g\n", c->n_better, c->n_worse,
           c->p);
    for (size_t i = 0; i < c->n_changes; i++)
        printf("  %s: %g -> %g\n", c->changes[i].id, c->changes[i].a, c->changes[i].b);
}

static void print_comparison_json(const azr_eval_comparison *c)
{
    json_t *object = json_object();
    json_object_set_new(object, "a", azr_json_text_or_null(c->name_a));
    json_object_set_new(object, "b", azr_json_text_or_null(c->name_b));
    json_object_set_new(object, "items", json_integer((json_int_t)c->n_items));
    json_object_set_new(object, "rate_a", json_real(c->rate_a));
    json_object_set_new(object, "rate_b", json_real(c->rate_b));
    json_object_set_new(object, "difference", json_real(c->difference));
    json_object_set_new(object, "low", json_real(c->interval.low));
    json_object_set_new(object, "high", json_real(c->interval.high));
    json_object_set_new(object, "better", json_integer((json_int_t)c->n_better));
    json_object_set_new(object, "worse", json_integer((json_int_t)c->n_worse));
    json_object_set_new(object, "p", json_real(c->p));
    json_t *changes = json_array();
    for (size_t i = 0; i < c->n_changes; i++)
        json_array_append_new(changes, json_pack("{s:s, s:f, s:f}", "id", c->changes[i].id, "a",
                                                 c->changes[i].a, "b", c->changes[i].b));
    json_object_set_new(object, "changes", changes);
    azr_json_line(object);
}

static azr_status compare(const eval_options *options, azr_error *error)
{
    if (options->n_operands != 2)
        return azr_error_set(error, AZR_ERROR_INPUT, "--compare needs two results files, A and B");
    azr_eval_comparison comparison;
    azr_status status =
        azr_eval_compare(options->operands[0], options->operands[1], &comparison, error);
    if (status != AZR_OK)
        return status;
    if (options->json)
        print_comparison_json(&comparison);
    else
        print_comparison(&comparison);
    azr_eval_comparison_deinit(&comparison);
    return AZR_OK;
}

/* --- scoring ---------------------------------------------------------------------------------- */

static void print_summary(const eval_options *options, const azr_eval_summary *s, double seconds)
{
    printf("%s: %zu items, %zu sample%s each: %zu right, %zu wrong, %zu undecided; %zu cut at the "
           "token limit; %lld tokens, %.1f s\n",
           options->eval.suite, s->n_items, s->n_samples, s->n_samples == 1 ? "" : "s",
           s->n_verdicts[AZR_EVAL_RIGHT], s->n_verdicts[AZR_EVAL_WRONG],
           s->n_verdicts[AZR_EVAL_UNDECIDED], s->n_cut, (long long)s->n_tokens, seconds);
    for (size_t i = 0; i < s->n_rates; i++)
        printf("  pass@%lld %.4f, 95 %% interval %.4f to %.4f (%s)\n", (long long)s->rates[i].k,
               s->rates[i].rate, s->rates[i].interval.low, s->rates[i].interval.high,
               s->n_samples == 1 ? "Wilson" : "bootstrap");
}

static void print_summary_json(const eval_options *options, const azr_eval_summary *s,
                               double seconds)
{
    json_t *object = json_object(), *rates = json_array();
    json_object_set_new(object, "suite", json_string(options->eval.suite));
    json_object_set_new(object, "items", json_integer((json_int_t)s->n_items));
    json_object_set_new(object, "samples", json_integer((json_int_t)s->n_samples));
    for (int v = 0; v < AZR_N_EVAL_VERDICTS; v++)
        json_object_set_new(object, azr_eval_verdict_name((azr_eval_verdict)v),
                            json_integer((json_int_t)s->n_verdicts[v]));
    json_object_set_new(object, "cut", json_integer((json_int_t)s->n_cut));
    json_object_set_new(object, "tokens", json_integer(s->n_tokens));
    json_object_set_new(object, "seconds", json_real(seconds));
    for (size_t i = 0; i < s->n_rates; i++)
        json_array_append_new(rates,
                              json_pack("{s:I, s:f, s:f, s:f}", "k", (json_int_t)s->rates[i].k,
                                        "rate", s->rates[i].rate, "low", s->rates[i].interval.low,
                                        "high", s->rates[i].interval.high));
    json_object_set_new(object, "pass_at", rates);
    azr_json_line(object);
}

/* "<stem><suffix>" where the results are "<stem>.db". */
static char *beside(const char *path, const char *suffix)
{
    size_t size = strlen(path);
    if (size > 3 && strcmp(path + size - 3, ".db") == 0)
        size -= 3;
    azr_strbuf text = {0};
    azr_strbuf_append(&text, path, size);
    azr_strbuf_puts(&text, suffix);
    return azr_strbuf_steal(&text);
}

static azr_status generate(const eval_options *options, azr_eval *eval, azr_executor *executor,
                           const azr_progress *progress, azr_error *error)
{
    const azr_config *config = &options->settings.config;
    size_t n_missing = azr_eval_n_missing(eval), longest = 0;
    if (n_missing == 0)
        return azr_eval_judge(eval, executor, progress, error);
    azr_engine engine = {0};
    azr_rollout_options rollout = {0};
    azr_status status = azr_engine_open(config, &engine, error);
    if (status == AZR_OK)
        status = azr_eval_longest(eval, engine.tokenizer, &longest, error);
    if (status == AZR_OK)
        status = azr_engine_rollout_options(&engine, config, n_missing, longest, &rollout, error);
    if (status == AZR_OK)
        status = azr_eval_generate(eval, engine.model, engine.tokenizer, executor, &rollout,
                                   progress, error);
    azr_engine_close(&engine);
    return status;
}

static azr_status write_results(const eval_options *options, azr_eval *eval, azr_error *error)
{
    azr_status status = AZR_OK;
    if (options->out != NULL) {
        char *lines = beside(options->out, ".jsonl");
        status = azr_eval_write_jsonl(eval, lines, error);
        azr_free(lines);
    }
    char *samples = options->evalplus != NULL
                        ? azr_copy_text(options->evalplus, strlen(options->evalplus))
                    : options->out != NULL && azr_eval_has_programs(eval)
                        ? beside(options->out, ".evalplus.jsonl")
                        : NULL;
    if (status == AZR_OK && samples != NULL)
        status = azr_eval_write_evalplus(eval, samples, error);
    azr_free(samples);
    if (status == AZR_OK && options->out != NULL)
        status = azr_eval_finish(eval, error);
    return status;
}

static azr_status score(eval_options *options, azr_error *error)
{
    const azr_config *config = &options->settings.config;
    azr_executor *executor = NULL;
    azr_eval *eval = NULL;
    azr_progress progress = {.line = print_line};
    double started = azr_clock_seconds();
    char *name = NULL;
    if (options->solutions != NULL) {
        azr_strbuf text = {0};
        azr_strbuf_printf(&text, "answers of %s", options->solutions);
        name = azr_strbuf_steal(&text);
    }
    options->eval.model = options->canonical ? "the benchmark's own answers"
                          : name != NULL     ? name
                                             : config->model;
    options->eval.stops = options->stops.texts;
    options->eval.seed = (uint64_t)options->seed;
    azr_status status = azr_eval_open(
        &options->eval, options->out != NULL ? options->out : ":memory:", &eval, error);
    if (status == AZR_OK)
        status = azr_settings_executor(config, &executor, error);
    if (status == AZR_OK && options->solutions != NULL)
        status = azr_eval_read_solutions(eval, options->solutions, error);
    else if (status == AZR_OK && options->canonical)
        status = azr_eval_take_canonical(eval, error);
    if (status == AZR_OK)
        status = options->solutions != NULL || options->canonical
                     ? azr_eval_judge(eval, executor, &progress, error)
                     : generate(options, eval, executor, &progress, error);
    if (status == AZR_OK)
        status = write_results(options, eval, error);
    if (status == AZR_OK) {
        azr_eval_summary summary;
        double seconds = azr_clock_seconds() - started;
        azr_eval_summarize(eval, &summary);
        if (options->json)
            print_summary_json(options, &summary, seconds);
        else
            print_summary(options, &summary, seconds);
    }
    azr_eval_close(eval);
    azr_executor_destroy(executor);
    azr_free(name);
    return status;
}

static azr_status check(eval_options *options, azr_error *error)
{
    if (options->n_operands > 0)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "unexpected argument '%s': only --compare "
                             "takes two files",
                             options->operands[0]);
    if (options->eval.suite == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "eval needs --suite NAME: %s",
                             azr_eval_suite_names());
    if (options->eval.data == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "eval needs --data FILE");
    if (options->solutions != NULL && options->canonical)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "--solutions and --canonical exclude each other");
    /* Nobody generates: no model is needed. */
    if (options->settings.model == NULL && (options->solutions != NULL || options->canonical))
        options->settings.model = "none";
    return azr_settings_apply(&options->settings, error);
}

/* Which items, and how each is asked. */
static size_t item_rows(eval_options *options, azr_option *out_rows)
{
    const azr_option rows[] = {
        {.name = "suite",
         .type = AZR_OPTION_TEXT,
         .value = &options->eval.suite,
         .argument = "NAME",
         .help = "cruxeval-o, cruxeval-i, humaneval, humaneval+, mbpp+, gsm8k, math or tasks"},
        {.name = "data",
         .type = AZR_OPTION_TEXT,
         .value = &options->eval.data,
         .argument = "FILE",
         .help = "the suite's items, .jsonl or .jsonl.gz; tasks: also a run.db"},
        {.name = "out",
         .letter = 'o',
         .type = AZR_OPTION_TEXT,
         .value = &options->out,
         .argument = "FILE.db",
         .help = "results (SQLite), with FILE.jsonl beside; the same command goes on after a kill"},
        {.name = "template",
         .type = AZR_OPTION_TEXT,
         .value = &options->eval.template,
         .argument = "NAME",
         .help = "way of asking: transcript, chat, ...; the suite's own if not given"},
        {.name = "samples",
         .letter = 'n',
         .type = AZR_OPTION_INTEGER,
         .value = &options->eval.n_samples,
         .argument = "N",
         .help = "of each item",
         .min = 1,
         .max = 65536},
        {.name = "limit",
         .type = AZR_OPTION_INTEGER,
         .value = &options->eval.limit,
         .argument = "ITEMS",
         .help = "only the first so many; 0: all",
         .max = 1e9},
        {.name = "kind",
         .type = AZR_OPTION_TEXT,
         .value = &options->eval.kind,
         .argument = "KIND",
         .help = "tasks: only deduction, abduction or induction"},
        {.name = "after-step",
         .type = AZR_OPTION_INTEGER,
         .value = &options->eval.after_step,
         .argument = "STEP",
         .help = "tasks: only rows of later steps; -1: all",
         .min = -1,
         .max = 1e12},
        {.name = "seed",
         .type = AZR_OPTION_INTEGER,
         .value = &options->seed,
         .argument = "N",
         .help = "of draws and resampling",
         .max = 9007199254740991.0},
        {.name = "max-tokens",
         .type = AZR_OPTION_INTEGER,
         .value = &options->eval.max_tokens,
         .argument = "TOKENS",
         .help = "longest completion; 0: as the suite needs",
         .max = 1e6},
        {.name = "stop",
         .type = AZR_OPTION_TEXTS,
         .value = &options->stops,
         .argument = "TEXT",
         .help = "ends a completion, besides the template's own"},
    };
    memcpy(out_rows, rows, sizeof rows);
    return AZR_COUNT(rows);
}

/* How tokens are drawn, and whose answers are judged. */
static size_t other_rows(eval_options *options, azr_option *out_rows)
{
    const azr_option rows[] = {
        {.name = "temp",
         .type = AZR_OPTION_NUMBER,
         .value = &options->eval.temperature,
         .argument = "T",
         .help = "temperature; 0: the likeliest token always",
         .max = 100},
        {.name = "top-p",
         .type = AZR_OPTION_NUMBER,
         .value = &options->eval.top_p,
         .argument = "P",
         .help = "draw from the likeliest tokens of this share of probability",
         .min = 0.01,
         .max = 1},
        {.name = "top-k",
         .type = AZR_OPTION_INTEGER,
         .value = &options->eval.top_k,
         .argument = "TOKENS",
         .help = "draw from this many likeliest tokens; 0: all",
         .max = 1e6},
        {.name = "solutions",
         .type = AZR_OPTION_TEXT,
         .value = &options->solutions,
         .argument = "FILE",
         .help = "judge these answers instead: lines of task_id and solution or completion"},
        {.name = "canonical",
         .type = AZR_OPTION_FLAG,
         .value = &options->canonical,
         .help = "judge the benchmark's own answers instead"},
        {.name = "evalplus",
         .type = AZR_OPTION_TEXT,
         .value = &options->evalplus,
         .argument = "FILE",
         .help = "programs in EvalPlus's form (with --out: beside it anyway)"},
        {.name = "compare",
         .type = AZR_OPTION_FLAG,
         .value = &options->compare,
         .help = "two results files A.db B.db: difference, interval, p, items that changed"},
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &options->json,
         .help = "the result as one JSON object"},
    };
    memcpy(out_rows, rows, sizeof rows);
    return AZR_COUNT(rows);
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    eval_options options = {.eval = azr_eval_default_options(), .seed = 1};
    azr_settings_init(&options.settings);
    const azr_option settings[] = {AZR_SETTINGS_ROWS(options.settings)};
    const azr_option set = AZR_SET_ROW(options.settings);
    azr_option rows[32];
    memcpy(rows, settings, sizeof settings);
    size_t n = AZR_COUNT(settings);
    n += item_rows(&options, rows + n);
    n += other_rows(&options, rows + n);
    rows[n++] = set;
    AZR_CHECK(n <= AZR_COUNT(rows));
    const azr_usage usage = {
        .synopsis = "azr eval -m MODEL --suite NAME --data FILE [--out FILE.db], or azr eval "
                    "--compare A.db B.db",
        .about = "Scores a model on a benchmark, with error bars; answers run in the sandbox.\n",
        .options = rows,
        .n_options = n,
        .operands = options.operands,
        .max_operands = 2,
        .n_operands = &options.n_operands,
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help) {
        if (options.compare)
            status = compare(&options, error);
        else if ((status = check(&options, error)) == AZR_OK)
            status = score(&options, error);
    }
    azr_settings_deinit(&options.settings);
    return status;
}

const azr_command azr_cmd_eval = {
    .name = "eval", .summary = "scores a model on a benchmark, or compares two scores", .run = run};
