/* task_file.c: tasks from JSON lines, tasks and verdicts to JSON. */
#include "app/task_file.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <string.h>

enum { AZR_TASK_FILE_MAX_BYTES = 256 << 20 };

azr_status azr_task_file_read(const char *path, azr_task_list *out_list, azr_error *error)
{
    *out_list = (azr_task_list){0};
    char *text = NULL;
    size_t size = 0;
    azr_status status = azr_file_read(path, AZR_TASK_FILE_MAX_BYTES, &text, &size, error);
    size_t capacity = 0, n_line = 0;
    for (size_t start = 0; status == AZR_OK && start < size;) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t length = end != NULL ? (size_t)(end - text) - start : size - start;
        const char *line = text + start;
        start += length + 1;
        n_line++;
        if (strspn(line, " \t\r") >= length)
            continue;
        if (out_list->n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 16;
            out_list->tasks = azr_realloc(out_list->tasks, capacity, sizeof *out_list->tasks);
        }
        status = azr_task_from_json(line, length, &out_list->tasks[out_list->n], error);
        if (status == AZR_OK)
            out_list->n++;
        else
            azr_error_prefix(error, "%s:%zu", path, n_line);
    }
    azr_free(text);
    if (status == AZR_OK && out_list->n == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s holds no task", path);
    if (status != AZR_OK)
        azr_task_list_deinit(out_list);
    return status;
}

void azr_task_list_deinit(azr_task_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        azr_task_deinit(&list->tasks[i]);
    azr_free(list->tasks);
    *list = (azr_task_list){0};
}

static json_t *texts(char *const *items, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, azr_json_text_or_null(items[i]));
    return array;
}

void azr_task_describe(const azr_task *task, json_t *object)
{
    json_object_set_new(object, "program", azr_json_text_or_null(task->program));
    if (task->kind == AZR_KIND_INDUCTION) {
        json_object_set_new(object, "inputs", texts(task->inputs, task->n_pairs));
        json_object_set_new(object, "outputs", texts(task->outputs, task->n_pairs));
        json_object_set_new(object, "message", azr_json_text_or_null(task->message));
    } else {
        json_object_set_new(object, "input", azr_json_text_or_null(task->inputs[0]));
        json_object_set_new(object, "output", azr_json_text_or_null(task->outputs[0]));
    }
}

void azr_verdict_describe(azr_verdict verdict, const char *detail, json_t *object)
{
    azr_strbuf reason = {0};
    azr_strbuf_puts(&reason, azr_verdict_sentence(verdict));
    if (detail != NULL && detail[0] != '\0')
        azr_strbuf_printf(&reason, ": %s", detail);
    json_object_set_new(object, "verdict", json_string(azr_verdict_name(verdict)));
    json_object_set_new(object, "reason", azr_json_text(reason.data, reason.size));
    azr_strbuf_deinit(&reason);
}
