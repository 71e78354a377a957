/* export.c: results as lines of JSON. */
#include "eval/evaluation.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that are no UTF-8 (a character cut at the token limit) become U+FFFD. */
static json_t *json_text(const char *text, size_t size)
{
    if (text == NULL)
        return json_null();
    azr_strbuf clean = {0};
    for (size_t at = 0; at < size;) {
        size_t n = azr_utf8_valid(text + at, size - at);
        azr_strbuf_append(&clean, text + at, n);
        at += n;
        if (at < size) {
            azr_strbuf_puts(&clean, "\xef\xbf\xbd");
            at++;
        }
    }
    json_t *json = json_stringn(azr_strbuf_text(&clean), clean.size);
    azr_strbuf_deinit(&clean);
    return json != NULL ? json : json_null();
}

static json_t *json_line_text(const char *text)
{
    return json_text(text, text != NULL ? strlen(text) : 0);
}

static void put_line(json_t *object, azr_strbuf *out)
{
    char *text = json_dumps(object, JSON_COMPACT);
    azr_strbuf_puts(out, text != NULL ? text : "{}");
    azr_strbuf_puts(out, "\n");
    free(text);
    json_decref(object);
}

static bool put_row(void *context, const azr_eval_row *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_line_text(row->id));
    json_object_set_new(object, "sample", json_integer(row->sample));
    json_object_set_new(object, "prompt", json_line_text(row->prompt));
    json_object_set_new(object, "completion", json_text(row->completion, row->completion_size));
    json_object_set_new(object, "stop", json_line_text(row->stop));
    json_object_set_new(object, "n_tokens", json_integer(row->n_tokens));
    json_object_set_new(object, "answer", json_line_text(row->answer));
    json_object_set_new(object, "verdict", json_line_text(row->verdict));
    json_object_set_new(object, "why", json_line_text(row->why));
    put_line(object, context);
    return true;
}

static bool put_solution(void *context, const azr_eval_row *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "task_id", json_line_text(row->id));
    json_object_set_new(object, "solution", json_line_text(row->answer != NULL ? row->answer : ""));
    put_line(object, context);
    return true;
}

static azr_status write_lines(azr_eval *eval, const char *path,
                              bool (*see)(void *context, const azr_eval_row *row), azr_error *error)
{
    azr_strbuf text = {0};
    azr_status status = azr_eval__results_flush(&eval->results, error);
    if (status == AZR_OK)
        status = azr_eval__results_each(&eval->results, see, &text, error);
    if (status == AZR_OK)
        status = azr_file_write(path, azr_strbuf_text(&text), text.size, error);
    azr_strbuf_deinit(&text);
    return status;
}

azr_status azr_eval_write_jsonl(azr_eval *eval, const char *path, azr_error *error)
{
    return write_lines(eval, path, put_row, error);
}

azr_status azr_eval_write_evalplus(azr_eval *eval, const char *path, azr_error *error)
{
    if (!eval->suite->programs)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "suite %s has no programs to write in EvalPlus's form",
                             eval->suite->name);
    return write_lines(eval, path, put_solution, error);
}
