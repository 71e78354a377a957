/* start_tasks.c: tasks of a JSONL file as the start of a run, in place of seeding by itself. */
#include "train/trainer.h"

#include "base/files.h"
#include "base/memory.h"

#include <string.h>

enum { AZR_START_TASKS_MAX_BYTES = 256 << 20 };

/* A question that is there already is not stored twice. */
static azr_status add_line(azr_trainer *trainer, const char *line, size_t size, azr_error *error)
{
    azr_stored_task row = {0};
    bool has = false;
    azr_status status = azr_task_from_json(line, size, &row.task, error);
    if (status != AZR_OK)
        return status;
    status = azr_buffer_has(trainer->buffer, &row.task, &has, error);
    if (status == AZR_OK && !has)
        status = azr_buffer_add_task(trainer->buffer, &row, trainer->config.buffer_cap, error);
    azr_stored_task_deinit(&row);
    return status;
}

static azr_status add_lines(azr_trainer *trainer, const char *text, size_t size, azr_error *error)
{
    azr_status status = AZR_OK;
    size_t n_line = 0;
    for (size_t start = 0; status == AZR_OK && start < size;) {
        const char *line = text + start, *end = memchr(line, '\n', size - start);
        size_t length = end != NULL ? (size_t)(end - line) : size - start;
        start += length + 1;
        n_line++;
        if (strspn(line, " \t\r") >= length)
            continue;
        status = add_line(trainer, line, length, error);
        if (status != AZR_OK)
            azr_error_prefix(error, "%s:%zu", trainer->config.tasks, n_line);
    }
    return status;
}

azr_status azr_train__add_start_tasks(azr_trainer *trainer, azr_error *error)
{
    char *text = NULL;
    size_t size = 0;
    azr_status status =
        azr_file_read(trainer->config.tasks, AZR_START_TASKS_MAX_BYTES, &text, &size, error);
    if (status == AZR_OK)
        status = add_lines(trainer, text, size, error);
    azr_free(text);
    return status;
}
