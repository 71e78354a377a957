/* cmd_score.c: azr score: the log-probability of each token of a text. */
#include "app/engine.h"
#include "app/json.h"

#include "base/files.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct score_options {
    azr_settings settings;
    const char *text, *file, *tokens;
    bool json;
} score_options;

/* "1,2,3" with optional white space; every id below n_ids. */
static azr_status parse_ids(const char *text, int64_t n_ids, int32_t **out_ids, size_t *out_n,
                            azr_error *error)
{
    size_t capacity = strlen(text) / 2 + 1, n = 0;
    int32_t *ids = azr_alloc(capacity, sizeof *ids);
    for (const char *p = text;;) {
        char *end;
        errno = 0;
        long long id = strtoll(p, &end, 10);
        if (end == p || (*end != ',' && *end != '\0')) {
            azr_free(ids);
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "option --tokens needs ids with commas between, not '%.64s'",
                                 text);
        }
        if (errno != 0 || id < 0 || id >= n_ids) {
            azr_free(ids);
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "option --tokens: id %.*s is not from 0 to %lld", (int)(end - p),
                                 p, (long long)n_ids - 1);
        }
        ids[n++] = (int32_t)id;
        if (*end == '\0')
            break;
        p = end + 1;
    }
    *out_ids = ids;
    *out_n = n;
    return AZR_OK;
}

static azr_status read_ids(const score_options *options, const azr_engine *engine,
                           int32_t **out_ids, size_t *out_n, azr_error *error)
{
    const azr_model_shape *shape = azr_model_get_shape(engine->model);
    azr_status status = AZR_OK;
    char *from_file = NULL;
    size_t size = 0;
    if (options->tokens != NULL) {
        status = parse_ids(options->tokens, shape->n_vocab, out_ids, out_n, error);
    } else {
        if (options->file != NULL)
            status = azr_file_read(options->file, AZR_TOKENIZER_MAX_TEXT, &from_file, &size, error);
        const char *text = from_file != NULL ? from_file : options->text;
        if (options->file == NULL)
            size = strlen(text);
        if (status == AZR_OK)
            status =
                azr_tokenizer_encode(engine->tokenizer, text, size,
                                     (azr_encode_options){.parse_special = true, .add_bos = true},
                                     out_ids, out_n, error);
        azr_free(from_file);
    }
    if (status == AZR_OK && *out_n == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "nothing to score: the text is empty");
    if (status == AZR_OK && (int64_t)*out_n > shape->max_seq_len)
        status = azr_error_set(error, AZR_ERROR_LIMIT,
                               "the text has %zu tokens, the model reads at most %lld", *out_n,
                               (long long)shape->max_seq_len);
    return status;
}

/* logprobs [n]; the first stays 0. */
static azr_status score(azr_model *model, const int32_t *ids, size_t n, float *logprobs,
                        azr_error *error)
{
    if (n == 1)
        return AZR_OK;
    azr_target *targets = azr_alloc(n - 1, sizeof *targets);
    for (size_t i = 1; i < n; i++)
        targets[i - 1].index = (int32_t)i;
    azr_segment segment = {.parent = -1, .n_tokens = (int32_t)n, .tokens = ids};
    azr_batch batch = {.segments = &segment,
                       .n_segments = 1,
                       .targets = targets,
                       .n_targets = n - 1,
                       .temperature = 1};
    azr_status status = azr_model_score(model, &batch, logprobs + 1, NULL, error);
    azr_free(targets);
    return status;
}

static void print_json(const int32_t *ids, const float *logprobs, size_t n)
{
    json_t *floats = azr_json_floats(logprobs, n);
    json_array_set_new(floats, 0, json_null());
    json_t *object = json_object();
    json_object_set_new(object, "tokens", azr_json_ids(ids, n));
    json_object_set_new(object, "logprobs", floats);
    azr_json_line(object);
}

/* A line for each token: id, log-probability, bytes (those that would spoil a line as \xNN). */
static void print_table(const azr_tokenizer *tokenizer, const int32_t *ids, const float *logprobs,
                        size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *bytes = azr_tokenizer_bytes(tokenizer, ids[i], &size);
        if (i == 0)
            printf("%8d %12s  '", ids[i], "-");
        else
            printf("%8d %12.6f  '", ids[i], (double)logprobs[i]);
        bool whole = azr_utf8_valid(bytes, size) == size;
        for (size_t k = 0; k < size; k++) {
            unsigned char byte = (unsigned char)bytes[k];
            if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !whole))
                printf("\\x%02x", byte);
            else
                putchar(byte);
        }
        printf("'\n");
        sum += i > 0 ? (double)logprobs[i] : 0;
    }
    if (n > 1)
        printf("%zu tokens, sum %.6f, mean %.6f nats a token, perplexity %.4f\n", n - 1, sum,
               sum / (double)(n - 1), exp(-sum / (double)(n - 1)));
}

static azr_status work(score_options *options, azr_error *error)
{
    azr_engine engine = {0};
    int32_t *ids = NULL;
    float *logprobs = NULL;
    size_t n = 0;
    azr_status status = azr_engine_open(&options->settings.config, &engine, error);
    if (status == AZR_OK)
        status = read_ids(options, &engine, &ids, &n, error);
    if (status != AZR_OK)
        goto done;
    logprobs = azr_alloc(n, sizeof *logprobs);
    status = score(engine.model, ids, n, logprobs, error);
    if (status != AZR_OK)
        goto done;
    if (options->json)
        print_json(ids, logprobs, n);
    else
        print_table(engine.tokenizer, ids, logprobs, n);
done:
    azr_free(logprobs);
    azr_free(ids);
    azr_engine_close(&engine);
    return status;
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    score_options options = {0};
    azr_settings_init(&options.settings);
    const azr_option rows[] = {
        AZR_SETTINGS_ROWS(options.settings),
        {.name = "text",
         .type = AZR_OPTION_TEXT,
         .value = &options.text,
         .argument = "TEXT",
         .help = "what to score; special tokens in it are recognised"},
        {.name = "file",
         .letter = 'f',
         .type = AZR_OPTION_TEXT,
         .value = &options.file,
         .argument = "FILE",
         .help = "the same from a file"},
        {.name = "tokens",
         .type = AZR_OPTION_TEXT,
         .value = &options.tokens,
         .argument = "IDS",
         .help = "token ids with commas between: 1,2,3"},
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &options.json,
         .help = "one object: tokens (ids), logprobs (nats, the first null)"},
    };
    const azr_usage usage = {
        .synopsis = "azr score -m MODEL (--text TEXT | -f FILE | --tokens 1,2,3) [--json]",
        .about =
            "Prints the natural logarithm of each token's probability given those before it.\n",
        .options = rows,
        .n_options = sizeof rows / sizeof rows[0],
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help) {
        int n = (options.text != NULL) + (options.file != NULL) + (options.tokens != NULL);
        if (n != 1)
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "score needs exactly one of --text, -f and --tokens");
        if (status == AZR_OK)
            status = azr_settings_apply(&options.settings, error);
        if (status == AZR_OK)
            status = work(&options, error);
    }
    azr_settings_deinit(&options.settings);
    return status;
}

const azr_command azr_cmd_score = {
    .name = "score", .summary = "log-probability of each token of a text", .run = run};
