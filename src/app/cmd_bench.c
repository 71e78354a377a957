/* cmd_bench.c: azr bench: how fast the engine is, and how far from what matrix products allow.
 *
 * The limit is measured in the same process, before and after the work (the better counts):
 * oneDNN's products in the model's own shapes with 1024 rows (256 for the LM head), each weighed by
 * its share of a token's work. Work is counted as 2 FLOPs for each matrix parameter touched:
 * attention, norms and the optimizer count as nothing, so a share of 100 % means that nothing but
 * matrix products took time. */
#include "app/bench.h"
#include "app/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the command ------------------------------------------------------------------------------ */

static azr_status check_lengths(const bench_options *o, const azr_model_shape *shape,
                                azr_error *error)
{
    int64_t longest = o->n_prompt + o->n_new > o->n_tokens ? o->n_prompt + o->n_new : o->n_tokens;
    if (longest > shape->max_seq_len)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "sequences of %lld tokens, the model reads at most %lld",
                             (long long)longest, (long long)shape->max_seq_len);
    return AZR_OK;
}

static void print_extras(const bench_results *r, bool json)
{
    double gib = 1 << 30;
    if (r->sharing > 0 && json)
        azr_json_line(json_pack("{s:s, s:f}", "bench", "sharing", "speedup", r->sharing));
    else if (r->sharing > 0)
        printf("sharing    %.2f times as fast as the same answers with a prompt each\n",
               r->sharing);
    if (r->n_response_tokens > 0 && json)
        azr_json_line(json_pack("{s:s, s:f, s:f}", "bench", "answers", "tokens",
                                r->n_response_tokens, "step_seconds", r->results[0].seconds));
    else if (r->n_response_tokens > 0)
        printf("answers    %.0f tokens drawn and learned from; %.2f s a step\n",
               r->n_response_tokens, r->results[0].seconds);
    if (r->planned_bytes > 0 && json)
        azr_json_line(json_pack("{s:s, s:I, s:I, s:b}", "bench", "memory", "planned_bytes",
                                (json_int_t)r->planned_bytes, "peak_bytes",
                                (json_int_t)r->peak_bytes, "recompute", (int)r->recompute));
    else if (r->planned_bytes > 0)
        printf("memory     %.2f GiB planned%s, %.2f GiB at the peak\n",
               (double)r->planned_bytes / gib, r->recompute ? ", with recomputing" : "",
               (double)r->peak_bytes / gib);
}

static azr_status measure(const bench_options *o, const char *what, const bench_limit *limit,
                          bench_results *out, azr_error *error)
{
    const azr_config *config = &o->settings.config;
    azr_model *model = NULL;
    if (strcmp(what, "step") == 0)
        return azr_bench__step(o, limit, out, error);
    azr_status status = azr_model_open(config->model, (azr_dtype)config->dtype, &model, error);
    if (status == AZR_OK)
        azr_model_set_kv_dtype(model, (azr_kv_dtype)config->kv_dtype);
    if (status == AZR_OK)
        status = strcmp(what, "decode") == 0 ? azr_bench__decode(o, model, limit, out, error)
                                             : azr_bench__train(o, model, limit, out, error);
    azr_model_destroy(model);
    return status;
}

static azr_status run_bench(const bench_options *o, const char *what, azr_error *error)
{
    const azr_config *config = &o->settings.config;
    azr_model_shape shape;
    bench_limit limit = {.kv_dtype = config->kv_dtype == AZR_CONFIG_KV_F16 ? "f16" : "f32"};
    bench_results results = {.n = 0};
    int n_tries = (int)o->n_repeats + 2;
    azr_status status = azr_engine_start(config, error);
    if (status == AZR_OK)
        status = azr_model_read_shape(config->model, &shape, error);
    if (status == AZR_OK)
        status = check_lengths(o, &shape, error);
    if (status == AZR_OK)
        status = azr_bench__measure_limit(&shape, (azr_dtype)config->dtype, (int)o->n_repeats + 2,
                                          &limit, error);
    if (status != AZR_OK)
        return status;
    if (strcmp(what, "limit") == 0) {
        azr_bench__print_limit(&limit, o->json);
        return AZR_OK;
    }
    status = measure(o, what, &limit, &results, error);
    if (status == AZR_OK)
        status = azr_bench__measure_limit(&shape, (azr_dtype)config->dtype, n_tries, &limit, error);
    if (status != AZR_OK)
        return status;
    azr_bench__print_limit(&limit, o->json);
    for (size_t i = 0; i < results.n; i++)
        azr_bench__print_result(&limit, &results.results[i], o->json);
    print_extras(&results, o->json);
    return status;
}

static azr_status check_operand(size_t n, const char *what, azr_error *error)
{
    static const char *const known[] = {"limit", "decode", "train", "step"};
    for (size_t i = 0; n == 1 && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(what, known[i]) == 0)
            return AZR_OK;
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "azr bench needs one of: limit, decode, train, step, exec (got '%.64s')",
                         n == 0 ? "" : what);
}

static azr_option integer(const char *name, int64_t *value, const char *argument, const char *help,
                          double min, double max)
{
    return (azr_option){.name = name,
                        .type = AZR_OPTION_INTEGER,
                        .value = value,
                        .argument = argument,
                        .help = help,
                        .min = min,
                        .max = max};
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    if (argc > 1 && strcmp(argv[1], "exec") == 0)
        return azr_bench__exec(argc, argv, error);
    bench_options o = {.n_streams = 64,
                       .n_prompt = 128,
                       .n_new = 32,
                       .n_sequences = 8,
                       .n_tokens = 256,
                       .n_answers = 8,
                       .n_repeats = 3};
    const char *what = NULL;
    size_t n_operands = 0;
    bool help = false;
    azr_settings_init(&o.settings);
    const azr_option rows[] = {
        AZR_SETTINGS_ROWS(o.settings),
        AZR_SET_ROW(o.settings),
        integer("streams", &o.n_streams, "N", "decode: answers that grow together", 1, 4096),
        integer("prompt", &o.n_prompt, "TOKENS", "decode, train --prompts: length of each prompt",
                1, 1e6),
        integer("new", &o.n_new, "TOKENS", "decode, train --prompts, step: tokens of each answer",
                1, 1e6),
        integer("sequences", &o.n_sequences, "N", "train: sequences of a batch", 1, 4096),
        integer("tokens", &o.n_tokens, "TOKENS", "train: length of each sequence", 2, 1e6),
        integer("prompts", &o.n_prompts, "N",
                "train: answers to so many prompts in place of sequences; 0: sequences. step: "
                "prompts of a step; 0: 8",
                0, 4096),
        integer("answers", &o.n_answers, "N",
                "train, step: answers to each prompt, which is computed once", 1, 4096),
        {.name = "unshared",
         .type = AZR_OPTION_FLAG,
         .value = &o.unshared,
         .help = "train: then again with a prompt for each answer, and the ratio"},
        {.name = "tasks",
         .type = AZR_OPTION_TEXT,
         .value = &o.tasks,
         .argument = "FILE",
         .help =
             "step: tasks to ask for the output of, one JSON object a line; else built-in ones"},
        integer("repeats", &o.n_repeats, "N",
                "passes or steps after the first, the best counts; two more for each product", 1,
                1000),
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &o.json,
         .help = "one JSON object a line"},
    };
    azr_usage usage = {
        .synopsis = "azr bench limit|decode|train|step -m MODEL [--json]\n"
                    "azr bench exec [--json]",
        .about = "limit: how fast the matrix products of the model's shapes are. decode: prefill\n"
                 "and generation of many streams at once. train: forward, backward and AdamW.\n"
                 "step: answers of at most --new tokens to a few short prompts, then an update.\n"
                 "Shares are of the limit, measured in the same process; work is counted as 2\n"
                 "FLOPs (training: 6) for each matrix parameter that a token touches.\n"
                 "exec: runs of programs in the sandbox; see azr bench exec --help.\n",
        .options = rows,
        .n_options = sizeof rows / sizeof rows[0],
        .operands = &what,
        .max_operands = 1,
        .n_operands = &n_operands,
    };
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help)
        status = check_operand(n_operands, what, error);
    if (status == AZR_OK && !help)
        status = azr_settings_apply(&o.settings, error);
    if (status == AZR_OK && !help)
        status = run_bench(&o, what, error);
    azr_settings_deinit(&o.settings);
    return status;
}

const azr_command azr_cmd_bench = {
    "bench", "speed of matrix products, generation and training, against the limit", run};
