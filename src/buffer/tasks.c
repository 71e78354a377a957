/* tasks.c: task rows: storing, finding again, hashing. */
#include "buffer/store.h"

#include "base/check.h"
#include "base/memory.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void azr_stored_task_deinit(azr_stored_task *task)
{
    azr_task_deinit(&task->task);
    *task = (azr_stored_task){0};
}

/* --- hashes ----------------------------------------------------------------------------------- */

/* A program without blanks at line ends and without empty lines: what makes no other program. */
static void normalise(const char *program, azr_strbuf *out)
{
    while (*program != '\0') {
        size_t line = strcspn(program, "\n"), size = line;
        while (size > 0 && (program[size - 1] == ' ' || program[size - 1] == '\t'))
            size--;
        if (size > 0) {
            azr_strbuf_append(out, program, size);
            azr_strbuf_puts(out, "\n");
        }
        program += program[line] == '\n' ? line + 1 : line;
    }
}

uint64_t azr_buffer__hash_question(const azr_task *task)
{
    azr_strbuf program = {0};
    normalise(task->program, &program);
    uint64_t hash = azr_buffer__hash_text(azr_buffer__hash_start, azr_kind_name(task->kind));
    hash = azr_buffer__hash_text(hash, azr_strbuf_text(&program));
    for (size_t i = 0; i < task->n_pairs; i++)
        hash = azr_buffer__hash_text(hash, task->inputs[i]);
    azr_strbuf_deinit(&program);
    return azr_buffer__hash_text(hash, task->message);
}

uint64_t azr_buffer__hash_program(const char *program)
{
    azr_strbuf normal = {0};
    normalise(program, &normal);
    uint64_t hash = azr_buffer__hash_text(azr_buffer__hash_start, azr_strbuf_text(&normal));
    azr_strbuf_deinit(&normal);
    return hash;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_question(const azr_task *a, const azr_task *b)
{
    if (a->kind != b->kind || a->n_pairs != b->n_pairs || !same_text(a->message, b->message))
        return false;
    for (size_t i = 0; i < a->n_pairs; i++)
        if (strcmp(a->inputs[i], b->inputs[i]) != 0)
            return false;
    azr_strbuf program_a = {0}, program_b = {0};
    normalise(a->program, &program_a);
    normalise(b->program, &program_b);
    bool same = strcmp(azr_strbuf_text(&program_a), azr_strbuf_text(&program_b)) == 0;
    azr_strbuf_deinit(&program_a);
    azr_strbuf_deinit(&program_b);
    return same;
}

/* --- rows ------------------------------------------------------------------------------------- */

static azr_status damaged(const azr_buffer *buffer, int64_t id, const char *column,
                          azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_INPUT, "%s: task %lld is damaged: its %s", buffer->path,
                         (long long)id, column);
}

/* A list of texts as JSON; free(). */
static char *dump_texts(char *const *texts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    char *dumped = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return dumped;
}

/* The column's list of texts; NULL when it is none. */
static char **load_texts(sqlite3_stmt *row, int column, size_t *out_n)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    if (text == NULL)
        return NULL;
    json_t *list = json_loadb(text, (size_t)sqlite3_column_bytes(row, column), 0, NULL);
    bool good = json_is_array(list) && json_array_size(list) > 0;
    size_t n = good ? json_array_size(list) : 0;
    for (size_t i = 0; i < n; i++)
        good = good && json_is_string(json_array_get(list, i));
    char **texts = good ? azr_alloc(n, sizeof *texts) : NULL;
    for (size_t i = 0; good && i < n; i++) {
        const json_t *item = json_array_get(list, i);
        texts[i] = azr_copy_text(json_string_value(item), json_string_length(item));
    }
    json_decref(list);
    *out_n = n;
    return texts;
}

static char *load_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? azr_copy_text(text, strlen(text)) : NULL;
}

azr_status azr_buffer__read_task(const azr_buffer *buffer, sqlite3_stmt *row,
                                 azr_stored_task *out_task, azr_error *error)
{
    int64_t id = sqlite3_column_int64(row, 0);
    *out_task = (azr_stored_task){.id = id,
                                  .step = sqlite3_column_int64(row, 1),
                                  .reward = sqlite3_column_double(row, 7),
                                  .n_attempts = sqlite3_column_int64(row, 8),
                                  .n_correct = sqlite3_column_int64(row, 9)};
    azr_task *task = &out_task->task;
    const char *kind = (const char *)sqlite3_column_text(row, 2), *broken = NULL;
    size_t n_outputs = 0;
    task->program = load_text(row, 3);
    task->message = load_text(row, 6);
    task->inputs = load_texts(row, 4, &task->n_pairs);
    char **outputs = load_texts(row, 5, &n_outputs);
    if (outputs != NULL && n_outputs == task->n_pairs) {
        task->outputs = outputs;
    } else {
        for (size_t i = 0; outputs != NULL && i < n_outputs; i++)
            azr_free(outputs[i]);
        azr_free(outputs);
    }
    if (kind == NULL || !azr_kind_parse(kind, &task->kind))
        broken = "kind";
    else if (task->program == NULL)
        broken = "program";
    else if (task->inputs == NULL)
        broken = "inputs";
    else if (task->outputs == NULL)
        broken = "outputs";
    else if ((task->message != NULL) != (task->kind == AZR_KIND_INDUCTION))
        broken = "message";
    if (broken == NULL)
        return AZR_OK;
    azr_stored_task_deinit(out_task);
    return damaged(buffer, id, broken, error);
}

/* Steps to the next row: true when *out_task was read. Else the rows are at their end, or *status
 * says why not. */
static bool next_task(azr_buffer *buffer, sqlite3_stmt *row, azr_stored_task *out_task,
                      azr_status *status, azr_error *error)
{
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        *status = azr_buffer__read_task(buffer, row, out_task, error);
    else if (code != SQLITE_DONE)
        *status = azr_buffer__fail(buffer, error);
    return code == SQLITE_ROW && *status == AZR_OK;
}

azr_status azr_buffer__get_task(azr_buffer *buffer, int64_t id, azr_stored_task *out_task,
                                azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__prepare(buffer, AZR_STATEMENT_GET_TASK, &row, error);
    if (status != AZR_OK)
        return status;
    sqlite3_bind_int64(row, 1, id);
    if (!next_task(buffer, row, out_task, &status, error) && status == AZR_OK)
        status = damaged(buffer, id, "row", error);
    azr_buffer__finish(row);
    return status;
}

azr_status azr_buffer_add_task(azr_buffer *buffer, azr_stored_task *task, int64_t cap,
                               azr_error *error)
{
    AZR_CHECK(cap >= 0 && task->task.n_pairs > 0);
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status == AZR_OK)
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_ADD_TASK, &row, error);
    if (status != AZR_OK)
        return status;
    const azr_task *t = &task->task;
    int64_t id = buffer->last_task + 1;
    char *inputs = dump_texts(t->inputs, t->n_pairs), *outputs = dump_texts(t->outputs, t->n_pairs);
    AZR_CHECK(inputs != NULL && outputs != NULL); /* a task's texts are UTF-8 */
    sqlite3_bind_int64(row, 1, id);
    sqlite3_bind_int64(row, 2, task->step);
    sqlite3_bind_text(row, 3, azr_kind_name(t->kind), -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 4, t->program, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 5, inputs, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 6, outputs, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 7, t->message, -1, SQLITE_STATIC);
    sqlite3_bind_double(row, 8, task->reward);
    sqlite3_bind_int64(row, 9, task->n_attempts);
    sqlite3_bind_int64(row, 10, task->n_correct);
    sqlite3_bind_int64(row, 11, cap);
    sqlite3_bind_int64(row, 12, (int64_t)azr_buffer__hash_question(t));
    sqlite3_bind_int64(row, 13, (int64_t)azr_buffer__hash_program(t->program));
    sqlite3_bind_int64(row, 14, task->cpu_us);
    status = azr_buffer__run(buffer, row, error);
    free(inputs);
    free(outputs);
    if (status == AZR_OK) {
        task->id = id;
        azr_buffer__append(buffer, task, cap);
    }
    return status;
}

azr_status azr_buffer_count(azr_buffer *buffer, azr_kind kind, int64_t step, int64_t *out_n,
                            azr_error *error)
{
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status != AZR_OK)
        return status;
    const azr_buffer_known *rows;
    size_t n = azr_buffer__drawable(buffer, kind, &rows);
    *out_n = (int64_t)n;
    if (step < 0 || n == 0)
        return AZR_OK;
    sqlite3_stmt *row = NULL;
    status = azr_buffer__prepare(buffer, AZR_STATEMENT_COUNT_STEP, &row, error);
    if (status != AZR_OK)
        return status;
    sqlite3_bind_text(row, 1, azr_kind_name(kind), -1, SQLITE_STATIC);
    sqlite3_bind_int64(row, 2, step);
    sqlite3_bind_int64(row, 3, rows[0].id);
    if (sqlite3_step(row) == SQLITE_ROW)
        *out_n = sqlite3_column_int64(row, 0);
    else
        status = azr_buffer__fail(buffer, error);
    azr_buffer__finish(row);
    return status;
}

/* The id of the oldest row of the kind that is in the ring. */
static int64_t first_in_ring(const azr_buffer *buffer, azr_kind kind)
{
    const azr_buffer_known *rows;
    return azr_buffer__drawable(buffer, kind, &rows) > 0 ? rows[0].id : 0;
}

azr_status azr_buffer_has(azr_buffer *buffer, const azr_task *task, bool *out_has, azr_error *error)
{
    sqlite3_stmt *row = NULL;
    *out_has = false;
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status == AZR_OK)
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_BY_HASH, &row, error);
    if (status != AZR_OK)
        return status;
    int64_t first = first_in_ring(buffer, task->kind);
    sqlite3_bind_int64(row, 1, (int64_t)azr_buffer__hash_question(task));
    azr_stored_task stored = {0};
    while (!*out_has && next_task(buffer, row, &stored, &status, error)) {
        *out_has = stored.id >= first && same_question(task, &stored.task);
        azr_stored_task_deinit(&stored);
    }
    azr_buffer__finish(row);
    return status;
}

azr_status azr_buffer_each(azr_buffer *buffer,
                           void (*see)(void *context, const azr_stored_task *row), void *context,
                           azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status == AZR_OK)
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_ALL_TASKS, &row, error);
    if (status != AZR_OK)
        return status;
    azr_stored_task stored = {0};
    while (next_task(buffer, row, &stored, &status, error)) {
        if (stored.id >= first_in_ring(buffer, stored.task.kind))
            see(context, &stored);
        azr_stored_task_deinit(&stored);
    }
    azr_buffer__finish(row);
    return status;
}

/* --- hash of the rings -------------------------------------------------------------------------
 */

static uint64_t hash_row(uint64_t hash, const azr_stored_task *stored)
{
    uint64_t reward;
    memcpy(&reward, &stored->reward, sizeof reward);
    const azr_task *task = &stored->task;
    hash = azr_buffer__hash_integer(hash, (uint64_t)stored->id);
    hash = azr_buffer__hash_integer(hash, (uint64_t)stored->step);
    hash = azr_buffer__hash_integer(hash, reward);
    hash = azr_buffer__hash_integer(hash, (uint64_t)stored->n_attempts);
    hash = azr_buffer__hash_integer(hash, (uint64_t)stored->n_correct);
    hash = azr_buffer__hash_text(hash, azr_kind_name(task->kind));
    hash = azr_buffer__hash_text(hash, task->program);
    hash = azr_buffer__hash_text(hash, task->message);
    hash = azr_buffer__hash_integer(hash, task->n_pairs);
    for (size_t i = 0; i < task->n_pairs; i++) {
        hash = azr_buffer__hash_text(hash, task->inputs[i]);
        hash = azr_buffer__hash_text(hash, task->outputs[i]);
    }
    return hash;
}

static void add_to_hash(void *context, const azr_stored_task *row)
{
    uint64_t *hash = context;
    *hash = hash_row(*hash, row);
}

azr_status azr_buffer_hash(azr_buffer *buffer, uint64_t *out_hash, azr_error *error)
{
    *out_hash = azr_buffer__hash_start;
    return azr_buffer_each(buffer, add_to_hash, out_hash, error);
}
