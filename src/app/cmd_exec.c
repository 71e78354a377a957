/* cmd_exec.c: azr exec: the sandbox by itself. Jobs as JSON lines in, results as JSON lines out, in
 * the order of the jobs; programs run while further lines are read. */
#include "app/cmd.h"
#include "app/engine.h"
#include "app/json.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    AZR_EXEC_MAX_LINE = 16 << 20, /* bytes of a job's line */
    AZR_EXEC_MAX_QUEUE = 1024,    /* jobs under way */
    AZR_EXEC_MAX_INPUTS = 4096,
    AZR_EXEC_MAX_CPU_MS = 600000,
    AZR_EXEC_MAX_MEMORY_MB = 65536,
};

/* A line that was read: under way in the sandbox, or refused. */
typedef struct exec_job {
    json_t *object; /* the line; NULL when it is no JSON */
    uint64_t ticket;
    bool submitted;
    char *refusal; /* why it is no job */
} exec_job;

typedef struct exec_queue {
    azr_executor *executor;
    azr_exec_limits limits;
    azr_strbuf input;
    size_t input_at; /* bytes of input that are dealt with */
    bool at_end;
    bool is_too_long; /* the line in input: its beginning is gone */
    int64_t n_lines;
    exec_job jobs[AZR_EXEC_MAX_QUEUE];
    size_t first, n;
} exec_queue;

/* --- a line to a job -------------------------------------------------------------------------- */

static azr_status read_limit(const json_t *object, const char *key, int max, int *value,
                             azr_error *error)
{
    const json_t *field = json_object_get(object, key);
    if (field == NULL)
        return AZR_OK;
    if (!json_is_integer(field) || json_integer_value(field) < 1 || json_integer_value(field) > max)
        return azr_error_set(error, AZR_ERROR_INPUT, "\"%s\" must be a whole number from 1 to %d",
                             key, max);
    *value = (int)json_integer_value(field);
    return AZR_OK;
}

/* A list of texts; NULL when the key is missing. */
static azr_status read_texts(const json_t *object, const char *key, const char ***out_texts,
                             size_t *out_n, azr_error *error)
{
    const json_t *list = json_object_get(object, key);
    *out_texts = NULL;
    *out_n = 0;
    if (list == NULL)
        return AZR_OK;
    if (!json_is_array(list) || json_array_size(list) > AZR_EXEC_MAX_INPUTS)
        return azr_error_set(error, AZR_ERROR_INPUT, "\"%s\" must be a list of at most %d texts",
                             key, AZR_EXEC_MAX_INPUTS);
    const char **texts = azr_alloc(json_array_size(list), sizeof *texts);
    for (size_t i = 0; i < json_array_size(list); i++) {
        texts[i] = json_string_value(json_array_get(list, i));
        if (texts[i] != NULL)
            continue;
        azr_free(texts);
        return azr_error_set(error, AZR_ERROR_INPUT, "\"%s\" holds something that is no text", key);
    }
    *out_texts = texts;
    *out_n = json_array_size(list);
    return AZR_OK;
}

static azr_status read_check(const json_t *object, bool *out_check, azr_error *error)
{
    const json_t *check = json_object_get(object, "check");
    const char *name = check != NULL ? json_string_value(check) : "none";
    *out_check = name != NULL && strcmp(name, "determinism") == 0;
    if (*out_check || (name != NULL && strcmp(name, "none") == 0))
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_INPUT, "\"check\" must be \"none\" or \"determinism\"");
}

static azr_status read_flag(const json_t *object, const char *key, bool *out_flag, azr_error *error)
{
    const json_t *field = json_object_get(object, key);
    if (field != NULL && !json_is_boolean(field))
        return azr_error_set(error, AZR_ERROR_INPUT, "\"%s\" must be true or false", key);
    *out_flag = json_is_true(field);
    return AZR_OK;
}

/* "kind", which also decides on the limits, and what goes with it. */
static azr_status read_kind(const json_t *object, azr_exec_job *job, azr_error *error)
{
    static const char *const names[] = {
        [AZR_EXEC_CALL] = "call", [AZR_EXEC_SCRIPT] = "script", [AZR_EXEC_TESTS] = "tests"};
    const json_t *kind = json_object_get(object, "kind"),
                 *function = json_object_get(object, "function");
    const char *name = kind != NULL ? json_string_value(kind) : names[AZR_EXEC_CALL];
    size_t i = 0;
    while (i < AZR_COUNT(names) && (name == NULL || strcmp(names[i], name) != 0))
        i++;
    if (i == AZR_COUNT(names))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "\"kind\" must be \"call\", \"script\" or \"tests\"");
    if (function != NULL && !json_is_string(function))
        return azr_error_set(error, AZR_ERROR_INPUT, "\"function\" must be a name");
    job->kind = (azr_exec_kind)i;
    job->function = json_string_value(function);
    if (job->kind != AZR_EXEC_CALL)
        job->limits = azr_exec_evaluation_limits();
    azr_status status = read_flag(object, "constructors", &job->allow_constructors, error);
    return status == AZR_OK ? read_flag(object, "wide", &job->wide_modules, error) : status;
}

/* Each expected value is a literal, one for each input. */
static azr_status check_expected(const json_t *object, size_t n_inputs, azr_error *error)
{
    const char **texts;
    size_t n;
    azr_status status = read_texts(object, "expect", &texts, &n, error);
    if (status == AZR_OK && texts != NULL && n != n_inputs)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%zu expected values for %zu inputs", n,
                               n_inputs);
    for (size_t i = 0; status == AZR_OK && texts != NULL && i < n; i++) {
        azr_literal *literal = NULL;
        status = azr_literal_parse(texts[i], strlen(texts[i]), &literal, error);
        if (status != AZR_OK)
            azr_error_prefix(error, "\"expect\" %zu is no literal", i);
        azr_literal_destroy(literal);
    }
    azr_free(texts);
    return status;
}

static azr_status submit(exec_queue *queue, exec_job *job, azr_error *error)
{
    const json_t *object = job->object;
    const char **inputs = NULL;
    azr_exec_job request = {.limits = queue->limits};
    request.program = json_string_value(json_object_get(object, "program"));
    if (!json_is_object(object) || request.program == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "a job is an object with a text \"program\"");
    azr_status status = read_kind(object, &request, error);
    if (status == AZR_OK)
        status = read_texts(object, "inputs", &inputs, &request.n_inputs, error);
    if (status == AZR_OK && inputs == NULL)
        status = azr_error_set(error, AZR_ERROR_INPUT, "\"inputs\" is missing");
    request.inputs = inputs;
    if (status == AZR_OK)
        status = read_check(object, &request.check_determinism, error);
    if (status == AZR_OK)
        status = read_limit(object, "cpu_ms", AZR_EXEC_MAX_CPU_MS, &request.limits.cpu_ms, error);
    if (status == AZR_OK)
        status = read_limit(object, "memory_mb", AZR_EXEC_MAX_MEMORY_MB, &request.limits.memory_mb,
                            error);
    if (request.limits.wall_ms < 5 * request.limits.cpu_ms)
        request.limits.wall_ms = 5 * request.limits.cpu_ms;
    if (status == AZR_OK)
        status = check_expected(object, request.n_inputs, error);
    if (status == AZR_OK)
        status = azr_executor_submit(queue->executor, &request, &job->ticket, error);
    azr_free(inputs);
    job->submitted = status == AZR_OK;
    return status;
}

static void take_line(exec_queue *queue, const char *line, size_t size)
{
    azr_error error = {0};
    json_error_t reason;
    bool is_too_long = queue->is_too_long || size > AZR_EXEC_MAX_LINE;
    queue->n_lines++;
    queue->is_too_long = false;
    if (size == 0 || strspn(line, " \t\r") == size)
        return;
    exec_job *job = &queue->jobs[(queue->first + queue->n++) % AZR_EXEC_MAX_QUEUE];
    *job = (exec_job){.object = is_too_long ? NULL : json_loadb(line, size, 0, &reason)};
    azr_status status = AZR_OK;
    if (is_too_long)
        status = azr_error_set(&error, AZR_ERROR_LIMIT, "longer than %d bytes", AZR_EXEC_MAX_LINE);
    else if (job->object == NULL)
        status = azr_error_set(&error, AZR_ERROR_INPUT, "no JSON: %s at byte %d", reason.text,
                               reason.position);
    else
        status = submit(queue, job, &error);
    if (status == AZR_OK)
        return;
    azr_strbuf text = {0};
    azr_strbuf_printf(&text, "line %lld: %s", (long long)queue->n_lines, error.text);
    job->refusal = azr_strbuf_steal(&text);
}

/* --- a reply to a line ------------------------------------------------------------------------ */

static json_t *equal_or_null(const json_t *object, size_t i, const azr_exec_run *run)
{
    const char *text = json_string_value(json_array_get(json_object_get(object, "expect"), i));
    if (text == NULL)
        return json_null();
    azr_literal *expected = NULL, *value = NULL;
    bool equal = run->status == AZR_EXEC_OK &&
                 azr_literal_parse(text, strlen(text), &expected, NULL) == AZR_OK &&
                 azr_literal_parse(run->value, strlen(run->value), &value, NULL) == AZR_OK &&
                 azr_literal_equal(expected, value);
    azr_literal_destroy(expected);
    azr_literal_destroy(value);
    return json_boolean(equal);
}

static json_t *run_to_json(const exec_job *job, size_t i, const azr_exec_run *run)
{
    json_t *result = json_object();
    json_object_set_new(result, "status", json_string(azr_exec_status_name(run->status)));
    json_object_set_new(result, "value", azr_json_text_or_null(run->value));
    json_object_set_new(result, "type", azr_json_text_or_null(run->type));
    json_object_set_new(result, "exception", azr_json_text_or_null(run->exception));
    json_object_set_new(result, "message", azr_json_text_or_null(run->message));
    json_object_set_new(result, "cpu_us", json_integer(run->cpu_us));
    json_object_set_new(result, "wall_us", json_integer(run->wall_us));
    json_object_set_new(result, "equal", equal_or_null(job->object, i, run));
    return result;
}

/* Waits for the oldest job and prints its line. */
static void finish_oldest(exec_queue *queue)
{
    exec_job *job = &queue->jobs[queue->first];
    azr_exec_reply reply = {0};
    azr_error error = {0};
    json_t *line = json_object(), *results = json_array();
    json_t *id = json_object_get(job->object, "id");
    json_object_set(line, "id", id != NULL ? id : json_null());
    azr_exec_run refused = {.status = AZR_EXEC_BAD_INPUT, .message = job->refusal};
    if (job->submitted &&
        azr_executor_wait(queue->executor, job->ticket, &reply, &error) != AZR_OK) {
        refused.status = AZR_EXEC_INTERNAL;
        refused.message = error.text;
    }
    for (size_t i = 0; i < reply.n_runs; i++)
        json_array_append_new(results, run_to_json(job, i, &reply.runs[i]));
    if (refused.message != NULL)
        json_array_append_new(results, run_to_json(job, (size_t)-1, &refused));
    json_object_set_new(line, "results", results);
    azr_json_line(line);
    fflush(stdout);
    azr_exec_reply_deinit(&reply);
    json_decref(job->object);
    azr_free(job->refusal);
    queue->first = (queue->first + 1) % AZR_EXEC_MAX_QUEUE;
    queue->n--;
}

/* --- the stream ------------------------------------------------------------------------------- */

/* The next whole line of what was read (the last one may lack its line feed). */
static bool next_line(exec_queue *queue, const char **out_line, size_t *out_size)
{
    const char *start = azr_strbuf_text(&queue->input) + queue->input_at;
    size_t left = queue->input.size - queue->input_at;
    const char *end = left > 0 ? memchr(start, '\n', left) : NULL;
    if (end == NULL && (!queue->at_end || left == 0))
        return false;
    *out_line = start;
    *out_size = end != NULL ? (size_t)(end - start) : left;
    queue->input_at += *out_size + (end != NULL);
    return true;
}

static azr_status read_more(exec_queue *queue, azr_error *error)
{
    char bytes[1 << 16];
    memmove(queue->input.data, azr_strbuf_text(&queue->input) + queue->input_at,
            queue->input.size - queue->input_at);
    queue->input.size -= queue->input_at;
    queue->input_at = 0;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return azr_error_set(error, AZR_ERROR_IO, "cannot read the jobs: %s", strerror(errno));
    if (n > 0)
        azr_strbuf_append(&queue->input, bytes, (size_t)n);
    queue->at_end = n == 0;
    /* Of a line that is too long only something is kept, so that its end is seen. */
    if (queue->input.size > AZR_EXEC_MAX_LINE &&
        memchr(queue->input.data, '\n', queue->input.size) == NULL) {
        queue->is_too_long = true;
        queue->input.data[0] = '?';
        queue->input.size = 1;
    }
    return AZR_OK;
}

static bool input_waits(int timeout_ms)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&fd, 1, timeout_ms) != 0;
}

static azr_status serve(exec_queue *queue, azr_error *error)
{
    azr_status status = AZR_OK;
    azr_strbuf_puts(&queue->input, "");
    while (status == AZR_OK) {
        const char *line;
        size_t size;
        bool has_room = queue->n < AZR_EXEC_MAX_QUEUE;
        if (has_room && next_line(queue, &line, &size))
            take_line(queue, line, size);
        else if (has_room && !queue->at_end && input_waits(queue->n > 0 ? 0 : -1))
            status = read_more(queue, error);
        else if (queue->n > 0)
            finish_oldest(queue);
        else
            break;
    }
    while (queue->n > 0)
        finish_oldest(queue);
    azr_strbuf_deinit(&queue->input);
    return status;
}

static azr_status parse_level(const char *name, azr_exec_level *out_level, azr_error *error)
{
    static const char *const names[] = {"limits", "seccomp", "namespaces"};
    for (size_t i = 0; i < AZR_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out_level = (azr_exec_level)i;
            return AZR_OK;
        }
    }
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "option --require must be limits, seccomp or namespaces, not '%.64s'",
                         name);
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    int64_t n_workers = 0;
    bool probe = false, help = false;
    const char *level = "seccomp", *engine = "auto";
    const azr_option rows[] = {
        {.name = "engine",
         .type = AZR_OPTION_TEXT,
         .value = &engine,
         .argument = "NAME",
         .help = "how a run gets a clean interpreter: auto, recycle, fork or spawn"},
        {.name = "jobs",
         .letter = 'j',
         .type = AZR_OPTION_INTEGER,
         .value = &n_workers,
         .argument = "N",
         .help = "programs run at once; 0: one for each core",
         .max = 64},
        {.name = "probe",
         .type = AZR_OPTION_FLAG,
         .value = &probe,
         .help = "say which layers of protection are active, and stop"},
        {.name = "require",
         .type = AZR_OPTION_TEXT,
         .value = &level,
         .argument = "LEVEL",
         .help = "stop when less is to be had: limits, seccomp or namespaces"},
    };
    const azr_usage usage = {
        .synopsis = "azr exec [--jobs N] [--engine NAME] [--probe] [--require LEVEL] < jobs.jsonl "
                    "> results.jsonl",
        .about = "Runs untrusted Python. A job is a line {\"id\", \"program\", \"inputs\": [\"1, "
                 "2\", ...],\n"
                 "\"check\": \"none\"|\"determinism\", \"expect\": [\"3\", ...], \"cpu_ms\", "
                 "\"memory_mb\"}; its "
                 "result\n{\"id\", \"results\": [{\"status\", \"value\", \"type\", \"exception\", "
                 "\"message\", "
                 "\"cpu_us\",\n\"wall_us\", \"equal\"}]}. A line that is no job gets the status "
                 "bad_input.\n",
        .options = rows,
        .n_options = AZR_COUNT(rows),
    };
    azr_executor_options options = azr_executor_default_options();
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status != AZR_OK || help)
        return status;
    status = parse_level(level, &options.required, error);
    options.n_workers = (int)n_workers;
    options.engine = engine;
    exec_queue *queue = azr_alloc(1, sizeof *queue);
    queue->limits = azr_exec_default_limits();
    if (status == AZR_OK)
        status = azr_executor_create(&options, &queue->executor, error);
    if (status == AZR_OK)
        status = probe ? azr_executor_probe(queue->executor, stdout, error) : serve(queue, error);
    azr_executor_destroy(queue->executor);
    azr_free(queue);
    return status;
}

const azr_command azr_cmd_exec = {
    .name = "exec", .summary = "runs untrusted Python programs in the sandbox", .run = run};
