/* cmd_generate.c: azr generate: completions of a prompt. */
#include "app/engine.h"
#include "app/json.h"
#include "app/stream.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct generate_options {
    azr_settings settings;
    const char *prompt, *file, *system;
    int64_t n_samples;
    azr_option_texts stops;
    bool chat, json;
} generate_options;

/* The prompt's ids; the chat format around it when asked for. */
static azr_status read_prompt(const generate_options *options, const azr_engine *engine,
                              int32_t **out_ids, size_t *out_n, azr_error *error)
{
    char *from_file = NULL;
    const char *text = options->prompt;
    size_t size = text != NULL ? strlen(text) : 0;
    azr_status status = AZR_OK;
    if (options->file != NULL) {
        status = azr_file_read(options->file, AZR_TOKENIZER_MAX_TEXT, &from_file, &size, error);
        text = from_file;
    }
    if (status == AZR_OK && options->chat)
        status =
            azr_chat_encode(engine->tokenizer, options->system, text, size, out_ids, out_n, error);
    else if (status == AZR_OK)
        status = azr_tokenizer_encode(engine->tokenizer, text, size,
                                      (azr_encode_options){.parse_special = true, .add_bos = true},
                                      out_ids, out_n, error);
    if (status == AZR_OK && *out_n == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "the prompt is empty");
    azr_free(from_file);
    return status;
}

static void print_sample_json(const azr_sample *sample)
{
    json_t *object = json_object();
    json_object_set_new(object, "tokens", azr_json_ids(sample->tokens, sample->n_tokens));
    json_object_set_new(object, "text", azr_json_text(sample->text, sample->text_size));
    json_object_set_new(object, "logprobs", azr_json_floats(sample->logprobs, sample->n_tokens));
    json_object_set_new(object, "stop", json_string(azr_stop_name(sample->stop)));
    azr_json_line(object);
}

static azr_status print_samples(const generate_options *options, const azr_engine *engine,
                                const azr_rollout_request *request, azr_error *error)
{
    azr_rollout_options rollout_options;
    azr_rollout rollout = {0};
    azr_status status = azr_engine_rollout_options(
        engine, &options->settings.config, request->n_samples,
        request->n_tokens + request->max_tokens, &rollout_options, error);
    if (status == AZR_OK)
        status = azr_rollout_run(engine->model, engine->tokenizer, request, 1, &rollout_options,
                                 &rollout, error);
    for (size_t i = 0; status == AZR_OK && i < rollout.n_samples; i++) {
        const azr_sample *sample = &rollout.samples[i];
        if (options->json) {
            print_sample_json(sample);
            continue;
        }
        printf("--- sample %zu: %zu tokens, stop: %s\n", i + 1, sample->n_tokens,
               azr_stop_name(sample->stop));
        fwrite(sample->text, 1, azr_utf8_complete(sample->text, sample->text_size), stdout);
        printf("\n");
    }
    azr_rollout_deinit(&rollout);
    return status;
}

static void write_piece(void *context, const char *text, size_t size)
{
    (void)context;
    fwrite(text, 1, size, stdout);
    fflush(stdout);
}

static azr_status print_stream(const azr_engine *engine, const azr_rollout_request *request,
                               azr_error *error)
{
    double start = azr_clock_seconds();
    azr_stop stop = AZR_STOP_LIMIT;
    size_t n = 0;
    azr_status status = azr_stream_run(engine, request, write_piece, NULL, &stop, &n, error);
    double seconds = azr_clock_seconds() - start;
    printf("\n");
    if (status == AZR_OK)
        fprintf(stderr, "[%zu prompt tokens, %zu tokens, stop: %s, %.2f s, %.1f tokens/s]\n",
                request->n_tokens, n, azr_stop_name(stop), seconds, (double)n / seconds);
    return status;
}

static azr_status work(const generate_options *options, azr_error *error)
{
    const azr_config *config = &options->settings.config;
    azr_engine engine = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    azr_status status = azr_engine_open(config, &engine, error);
    if (status == AZR_OK)
        status = read_prompt(options, &engine, &ids, &n, error);
    if (status != AZR_OK)
        goto done;
    int64_t max_seq_len = azr_model_get_shape(engine.model)->max_seq_len;
    if ((int64_t)n >= max_seq_len) {
        status = azr_error_set(error, AZR_ERROR_LIMIT,
                               "the prompt has %zu tokens, the model reads at most %lld", n,
                               (long long)max_seq_len);
        goto done;
    }
    azr_rollout_request request =
        azr_settings_request(config, ids, n, options->stops.n > 0 ? options->stops.texts : NULL,
                             (size_t)options->n_samples, 0);
    if ((int64_t)request.max_tokens > max_seq_len - (int64_t)n)
        request.max_tokens = (size_t)(max_seq_len - (int64_t)n);
    if (options->json || options->n_samples > 1)
        status = print_samples(options, &engine, &request, error);
    else
        status = print_stream(&engine, &request, error);
done:
    azr_free(ids);
    azr_engine_close(&engine);
    return status;
}

static azr_status check(const generate_options *options, azr_error *error)
{
    if ((options->prompt != NULL) == (options->file != NULL))
        return azr_error_set(error, AZR_ERROR_INPUT, "generate needs exactly one of -p and -f");
    if (options->system != NULL && !options->chat)
        return azr_error_set(error, AZR_ERROR_INPUT, "option --system goes with --chat");
    for (size_t i = 0; i < options->stops.n; i++)
        if (options->stops.texts[i][0] == '\0')
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "option --stop needs a text of one byte "
                                 "or more");
    return AZR_OK;
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    generate_options options = {.n_samples = 1};
    azr_settings_init(&options.settings);
    const azr_option rows[] = {
        AZR_SETTINGS_ROWS(options.settings),
        {.name = "prompt",
         .letter = 'p',
         .type = AZR_OPTION_TEXT,
         .value = &options.prompt,
         .argument = "TEXT",
         .help = "what to continue; special tokens in it are recognised"},
        {.name = "file",
         .letter = 'f',
         .type = AZR_OPTION_TEXT,
         .value = &options.file,
         .argument = "FILE",
         .help = "the same from a file"},
        {.name = "max-tokens",
         .letter = 'n',
         .type = AZR_OPTION_INTEGER,
         .value = &options.settings.config.max_response_tokens,
         .argument = "TOKENS",
         .help = "longest completion",
         .min = 1,
         .max = 1e6},
        {.name = "samples",
         .type = AZR_OPTION_INTEGER,
         .value = &options.n_samples,
         .argument = "N",
         .help = "completions",
         .min = 1,
         .max = 65536},
        AZR_SAMPLING_ROWS(options.settings),
        {.name = "stop",
         .type = AZR_OPTION_TEXTS,
         .value = &options.stops,
         .argument = "TEXT",
         .help = "ends a completion, and is not part of it"},
        {.name = "chat",
         .type = AZR_OPTION_FLAG,
         .value = &options.chat,
         .help = "the prompt is a user's message in the model's chat format"},
        {.name = "system",
         .type = AZR_OPTION_TEXT,
         .value = &options.system,
         .argument = "TEXT",
         .help = "system message of --chat; else the one in the model's template"},
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &options.json,
         .help = "one object a sample: tokens, text, logprobs (nats), stop (eos, limit, string)"},
        AZR_SET_ROW(options.settings),
    };
    const azr_usage usage = {
        .synopsis = "azr generate -m MODEL (-p TEXT | -f FILE) [-n TOKENS] [options]",
        .about = "Prints a completion while it grows, or several when they are done.\n",
        .options = rows,
        .n_options = sizeof rows / sizeof rows[0],
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help) {
        status = check(&options, error);
        if (status == AZR_OK)
            status = azr_settings_apply(&options.settings, error);
        if (status == AZR_OK)
            status = work(&options, error);
    }
    azr_settings_deinit(&options.settings);
    return status;
}

const azr_command azr_cmd_generate = {
    .name = "generate", .summary = "completions of a prompt", .run = run};
