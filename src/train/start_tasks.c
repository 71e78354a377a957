/* start_tasks.c: tasks that are there already as the start of a run, in place of seeding by itself:
 * of a JSONL file, or of another run's store. Whoever wrote them, nothing of them is believed: each
 * is validated in the sandbox like a proposal, and its outputs must be those that were written. */
#include "train/trainer.h"

#include "azr/claim.h"

#include "base/files.h"
#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

enum { AZR_START_TASKS_MAX_BYTES = 256 << 20, ROWS_AT_ONCE = 256 };

/* A row under way. */
typedef struct start_row {
    int64_t number; /* line of the file, or id in the store */
    azr_task_claim claim;
    char **texts; /* inputs of the run that evaluates what is no literal */
    size_t n_texts;
    azr_strbuf evaluation, problem;
    uint64_t ticket;
    bool waits, good;
    azr_task task;
} start_row;

typedef struct start_rows {
    start_row *rows;
    size_t n, capacity;
} start_rows;

static void row_deinit(start_row *row)
{
    for (size_t i = 0; i < row->n_texts; i++)
        azr_free(row->texts[i]);
    azr_free(row->texts);
    azr_task_claim_deinit(&row->claim);
    azr_strbuf_deinit(&row->evaluation);
    azr_strbuf_deinit(&row->problem);
    azr_task_deinit(&row->task);
}

static void rows_deinit(start_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        row_deinit(&rows->rows[i]);
    azr_free(rows->rows);
    *rows = (start_rows){0};
}

static start_row *add_row(start_rows *rows, int64_t number)
{
    if (rows->n == rows->capacity) {
        rows->capacity = rows->capacity > 0 ? 2 * rows->capacity : 64;
        rows->rows = azr_realloc(rows->rows, rows->capacity, sizeof *rows->rows);
    }
    start_row *row = &rows->rows[rows->n++];
    *row = (start_row){.number = number};
    return row;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A line that is no task at all is an error: the file is not what it was taken for. */
static azr_status read_lines(const char *path, const char *text, size_t size, start_rows *rows,
                             azr_error *error)
{
    azr_status status = AZR_OK;
    int64_t n_line = 0;
    for (size_t start = 0; status == AZR_OK && start < size;) {
        const char *line = text + start, *end = memchr(line, '\n', size - start);
        size_t length = end != NULL ? (size_t)(end - line) : size - start;
        start += length + 1;
        n_line++;
        if (strspn(line, " \t\r") >= length)
            continue;
        azr_task_claim claim;
        status = azr_task_claim_read(line, length, &claim, error);
        if (status == AZR_OK)
            add_row(rows, n_line)->claim = claim;
        else
            azr_error_prefix(error, "%s:%" PRId64, path, n_line);
    }
    return status;
}

static azr_status read_file(const char *path, start_rows *rows, azr_error *error)
{
    char *text = NULL;
    size_t size = 0;
    azr_status status = azr_file_read(path, AZR_START_TASKS_MAX_BYTES, &text, &size, error);
    if (status == AZR_OK)
        status = read_lines(path, text, size, rows, error);
    azr_free(text);
    return status;
}

/* A stored task is a claim whose texts are canonical. */
static void add_stored(void *context, const azr_stored_task *stored)
{
    azr_task copy;
    azr_task_copy(&copy, &stored->task);
    add_row(context, stored->id)->claim = (azr_task_claim){.kind = copy.kind,
                                                           .program = copy.program,
                                                           .n_pairs = copy.n_pairs,
                                                           .inputs = copy.inputs,
                                                           .outputs = copy.outputs,
                                                           .message = copy.message};
}

static azr_status read_store(const char *path, start_rows *rows, azr_error *error)
{
    azr_buffer *buffer = NULL;
    azr_status status = azr_buffer_open_read_only(path, &buffer, error);
    if (status == AZR_OK)
        status = azr_buffer_each(buffer, add_stored, rows, error);
    azr_buffer_close(buffer);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static azr_status read_rows(const char *path, start_rows *rows, azr_error *error)
{
    if (!azr_directory_exists(path))
        return ends_with(path, ".db") ? read_store(path, rows, error)
                                      : read_file(path, rows, error);
    char *store = azr_path_join(path, "run.db");
    azr_status status = read_store(store, rows, error);
    azr_free(store);
    return status;
}

/* --- checking --------------------------------------------------------------------------------- */

/* Starts the evaluation of texts that are no literals, where there are any. */
static azr_status begin_evaluation(azr_trainer *trainer, start_row *row, azr_error *error)
{
    azr_exec_job job;
    row->n_texts =
        azr_task_claim_job(&row->claim, trainer->limits, &row->evaluation, &row->texts, &job);
    row->waits = row->n_texts > 0;
    return row->waits ? azr_executor_submit(trainer->executor, &job, &row->ticket, error) : AZR_OK;
}

static azr_status end_evaluation(azr_trainer *trainer, start_row *row, azr_error *error)
{
    azr_exec_reply reply = {0};
    azr_status status = AZR_OK;
    if (row->waits)
        status = azr_executor_wait(trainer->executor, row->ticket, &reply, error);
    row->waits = false;
    if (status == AZR_OK)
        row->good =
            azr_task_claim_resolve(&row->claim, reply.n_runs > 0 ? &reply : NULL, &row->problem);
    azr_exec_reply_deinit(&reply);
    return status;
}

static azr_status begin_validation(azr_trainer *trainer, start_row *row, azr_error *error)
{
    if (!row->good)
        return AZR_OK;
    const azr_proposal proposal = azr_task_claim_proposal(&row->claim);
    azr_exec_job job = azr_proposal_job(&proposal, trainer->limits);
    row->waits = true;
    return azr_executor_submit(trainer->executor, &job, &row->ticket, error);
}

static azr_status end_validation(azr_trainer *trainer, start_row *row, azr_error *error)
{
    if (!row->waits)
        return AZR_OK;
    azr_exec_reply reply = {0};
    azr_strbuf detail = {0};
    row->waits = row->good = false;
    azr_status status = azr_executor_wait(trainer->executor, row->ticket, &reply, error);
    if (status == AZR_OK) {
        const azr_proposal proposal = azr_task_claim_proposal(&row->claim);
        azr_verdict verdict =
            azr_proposal_judge(&proposal, &reply, trainer->limits, &row->task, &detail);
        if (verdict == AZR_VERDICT_INTERNAL)
            status = azr_error_set(error, AZR_ERROR_INTERNAL, "the sandbox failed on a task: %s",
                                   azr_strbuf_text(&detail));
        else if (verdict != AZR_VERDICT_VALID)
            azr_strbuf_printf(&row->problem, "%s%s%s", azr_verdict_sentence(verdict),
                              detail.size > 0 ? ": " : "", azr_strbuf_text(&detail));
        else
            row->good = azr_task_claim_holds(&row->claim, &row->task, &row->problem);
    }
    azr_strbuf_deinit(&detail);
    azr_exec_reply_deinit(&reply);
    return status;
}

static azr_status check_rows(azr_trainer *trainer, start_row *rows, size_t n, azr_error *error)
{
    static azr_status (*const stages[])(azr_trainer *, start_row *, azr_error *) = {
        begin_evaluation, end_evaluation, begin_validation, end_validation};
    azr_status status = AZR_OK;
    for (size_t stage = 0; stage < sizeof stages / sizeof *stages; stage++)
        for (size_t i = 0; status == AZR_OK && i < n; i++)
            status = stages[stage](trainer, &rows[i], error);
    return status;
}

/* --- the list --------------------------------------------------------------------------------- */

static void keep_task(azr_trainer *trainer, azr_kind kind, const azr_task *task)
{
    azr_start_tasks *list = &trainer->start_tasks;
    if (list->n == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 64;
        list->tasks = azr_realloc(list->tasks, list->capacity, sizeof *list->tasks);
    }
    azr_task_copy(&list->tasks[list->n], task);
    list->tasks[list->n++].kind = kind;
}

static azr_status refuse_held_out(const azr_trainer *trainer, const azr_task *task, int64_t number,
                                  azr_error *error)
{
    const char *file = azr_held_out_find(&trainer->held_out, task);
    if (file == NULL)
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s:%" PRId64 ": a question of %s, which eval_sets names: evaluation sets "
                         "are never trained on",
                         trainer->config.tasks, number, file);
}

/* Keeps what is good and names what is not. */
static azr_status keep_rows(azr_trainer *trainer, const start_rows *rows, size_t *out_n_good,
                            azr_error *error)
{
    azr_status status = AZR_OK;
    *out_n_good = 0;
    for (size_t i = 0; status == AZR_OK && i < rows->n; i++) {
        const start_row *row = &rows->rows[i];
        if (!row->good) {
            azr_progress_printf(&trainer->progress, "%s:%" PRId64 ": refused: %s",
                                trainer->config.tasks, row->number, azr_strbuf_text(&row->problem));
            continue;
        }
        status = refuse_held_out(trainer, &row->task, row->number, error);
        ++*out_n_good;
        keep_task(trainer, row->task.kind, &row->task);
        if (row->claim.any_triplet)
            keep_task(trainer,
                      row->task.kind == AZR_KIND_DEDUCTION ? AZR_KIND_ABDUCTION
                                                           : AZR_KIND_DEDUCTION,
                      &row->task);
    }
    return status;
}

/* A run that goes on may be told to evaluate on other sets: what it started from lies in its store.
 */
typedef struct looking {
    const azr_trainer *trainer;
    azr_status status;
    azr_error *error;
} looking;

static void look_at(void *context, const azr_stored_task *row)
{
    looking *l = context;
    if (l->status == AZR_OK && row->step == 0)
        l->status = refuse_held_out(l->trainer, &row->task, row->id, l->error);
}

azr_status azr_train__check_stored_start(azr_trainer *trainer, azr_error *error)
{
    looking l = {.trainer = trainer, .error = error};
    azr_status status = AZR_OK;
    if (trainer->config.tasks[0] != '\0' && trainer->held_out.n > 0)
        status = azr_buffer_each(trainer->buffer, look_at, &l, error);
    return status == AZR_OK ? l.status : status;
}

void azr_start_tasks_deinit(azr_start_tasks *list)
{
    for (size_t i = 0; i < list->n; i++)
        azr_task_deinit(&list->tasks[i]);
    azr_free(list->tasks);
    *list = (azr_start_tasks){0};
}

azr_status azr_train__load_start_tasks(azr_trainer *trainer, azr_error *error)
{
    const char *path = trainer->config.tasks;
    start_rows rows = {0};
    size_t n_good = 0;
    azr_status status = read_rows(path, &rows, error);
    for (size_t i = 0; status == AZR_OK && i < rows.n; i += ROWS_AT_ONCE)
        status = check_rows(trainer, rows.rows + i,
                            rows.n - i < ROWS_AT_ONCE ? rows.n - i : ROWS_AT_ONCE, error);
    if (status == AZR_OK)
        status = keep_rows(trainer, &rows, &n_good, error);
    if (status == AZR_OK) {
        azr_progress_printf(&trainer->progress, "%s: %zu of %zu rows are tasks", path, n_good,
                            rows.n);
        trainer->start_tasks.loaded = true;
    }
    if (status == AZR_OK && n_good == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s holds no task that can be used", path);
    rows_deinit(&rows);
    return status;
}

/* A question that is there already is not stored twice. */
static azr_status store(azr_trainer *trainer, const azr_task *task, azr_error *error)
{
    bool has = false;
    azr_stored_task row = {.task = *task}; /* borrowed */
    azr_status status = azr_buffer_has(trainer->buffer, task, &has, error);
    if (status == AZR_OK && !has)
        status = azr_buffer_add_task(trainer->buffer, &row, trainer->config.buffer_cap, error);
    return status;
}

azr_status azr_train__add_start_tasks(azr_trainer *trainer, azr_error *error)
{
    azr_start_tasks *list = &trainer->start_tasks;
    azr_status status = list->loaded ? AZR_OK : azr_train__load_start_tasks(trainer, error);
    for (size_t i = 0; status == AZR_OK && i < list->n; i++)
        status = store(trainer, &list->tasks[i], error);
    azr_start_tasks_deinit(list);
    return status;
}
