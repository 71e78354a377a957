/* store.c: run.db as a file: opening, statements, transactions, errors in words. */
#include "buffer/store.h"

#include "azr/program.h"

#include "buffer/schema.h"

#include "base/check.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { BUSY_MS = 10000 };

#define TASK_COLUMNS \
    "id, step, kind, program, inputs, outputs, message, reward, n_attempts, n_correct, cap"

static const char *const sql[AZR_N_STATEMENTS] = {
    [AZR_STATEMENT_ADD_TASK] =
        "INSERT INTO tasks (" TASK_COLUMNS ", hash, program_hash, cpu_us) VALUES "
        "(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [AZR_STATEMENT_GET_TASK] = "SELECT " TASK_COLUMNS " FROM tasks WHERE id = ?",
    [AZR_STATEMENT_ALL_TASKS] = "SELECT " TASK_COLUMNS " FROM tasks ORDER BY id",
    [AZR_STATEMENT_ALL_ROWS] = "SELECT " TASK_COLUMNS " FROM tasks ORDER BY id",
    /* Of the rows of a kind up to a step: the newest one that had left the ring by then. */
    [AZR_STATEMENT_RING_END] =
        "SELECT coalesce((SELECT id FROM tasks WHERE kind = ?1 AND step <= ?2 ORDER BY id DESC "
        "LIMIT 1 OFFSET coalesce((SELECT CASE cap WHEN 0 THEN 1 << 62 ELSE cap END FROM tasks "
        "WHERE kind = ?1 AND step <= ?2 ORDER BY id DESC LIMIT 1), 0)), 0)",
    [AZR_STATEMENT_DROP_TASKS] = "DELETE FROM tasks WHERE kind = ? AND id <= ?",
    [AZR_STATEMENT_DROP_ATTEMPTS] = "DELETE FROM attempts WHERE step < ?",
    [AZR_STATEMENT_COUNT_STEP] =
        "SELECT count(*) FROM tasks WHERE kind = ? AND step = ? AND id >= ?",
    [AZR_STATEMENT_BY_HASH] = "SELECT " TASK_COLUMNS " FROM tasks WHERE hash = ? ORDER BY id",
    [AZR_STATEMENT_ADD_ATTEMPT] =
        "INSERT INTO attempts (id, step, role, kind, task_id, purpose, prompt, completion, verdict,"
        " detail, reward, n_tokens) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    [AZR_STATEMENT_LAST_ATTEMPT] = "SELECT coalesce(max(id), 0) FROM attempts",
    [AZR_STATEMENT_ADD_METRIC] =
        "INSERT OR REPLACE INTO metrics (step, name, value) VALUES (?,?,?)",
    [AZR_STATEMENT_HAS_METRIC] = "SELECT count(*) FROM metrics WHERE step = ? AND name = ?",
    [AZR_STATEMENT_LAST_STEP] = "SELECT coalesce(max(step), 0) FROM metrics",
};

/* --- errors ----------------------------------------------------------------------------------- */

azr_status azr_buffer__fail_code(const azr_buffer *buffer, int code, azr_error *error)
{
    const char *path = buffer->path;
    int cause = buffer->db != NULL ? sqlite3_system_errno(buffer->db) : 0;
    const char *why = cause != 0 ? strerror(cause) : sqlite3_errstr(code);
    if (code == SQLITE_READONLY_ROLLBACK)
        return azr_error_set(error, AZR_ERROR_IO,
                             "%s: was left in the middle of a write; resuming the run mends it",
                             path);
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return azr_error_set(error, AZR_ERROR_IO, "%s: the disk is full", path);
    case SQLITE_READONLY:
        return azr_error_set(error, AZR_ERROR_IO,
                             "%s: cannot be written, the file or its folder is "
                             "read-only",
                             path);
    case SQLITE_NOTADB:
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: is no database", path);
    case SQLITE_CORRUPT:
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: the database is damaged", path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return azr_error_set(error, AZR_ERROR_IO, "%s: is locked by another program", path);
    case SQLITE_CANTOPEN:
        return azr_error_set(error, AZR_ERROR_IO,
                             "%s: cannot be opened, or no journal written "
                             "beside it: %s",
                             path, why);
    case SQLITE_NOMEM:
        return azr_error_set(error, AZR_ERROR_MEMORY, "%s: out of memory", path);
    case SQLITE_IOERR:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return azr_error_set(error, AZR_ERROR_IO, "%s: %s", path, why);
    default:
        return azr_error_set(error, AZR_ERROR_INTERNAL, "%s: %s", path,
                             buffer->db != NULL ? sqlite3_errmsg(buffer->db)
                                                : sqlite3_errstr(code));
    }
}

azr_status azr_buffer__fail(azr_buffer *buffer, azr_error *error)
{
    azr_buffer__forget_rows(buffer);
    return azr_buffer__fail_code(buffer, sqlite3_extended_errcode(buffer->db), error);
}

/* --- statements ------------------------------------------------------------------------------- */

azr_status azr_buffer__prepare(azr_buffer *buffer, azr_statement which,
                               sqlite3_stmt **out_statement, azr_error *error)
{
    sqlite3_stmt **kept = &buffer->statements[which];
    if (*kept == NULL && sqlite3_prepare_v3(buffer->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                            kept, NULL) != SQLITE_OK)
        return azr_buffer__fail(buffer, error);
    *out_statement = *kept;
    return AZR_OK;
}

void azr_buffer__finish(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

azr_status azr_buffer__run(azr_buffer *buffer, sqlite3_stmt *statement, azr_error *error)
{
    azr_status status = AZR_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = azr_buffer__fail(buffer, error);
    azr_buffer__finish(statement);
    return status;
}

static azr_status execute(azr_buffer *buffer, const char *text, azr_error *error)
{
    if (sqlite3_exec(buffer->db, text, NULL, NULL, NULL) != SQLITE_OK)
        return azr_buffer__fail(buffer, error);
    return AZR_OK;
}

/* The one number that a query gives. */
static azr_status query(azr_buffer *buffer, const char *text, int64_t *out_value, azr_error *error)
{
    sqlite3_stmt *statement = NULL;
    azr_status status = AZR_OK;
    if (sqlite3_prepare_v2(buffer->db, text, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        status = azr_buffer__fail(buffer, error);
    else
        *out_value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Keeps a second azr from writing the same run; the lock dies with the process. Where the file
 * system knows no such locks, SQLite's own still keep the file whole. */
static azr_status lock_file(azr_buffer *buffer, azr_error *error)
{
    buffer->lock = open(buffer->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (buffer->lock < 0)
        return azr_error_set(error, AZR_ERROR_IO, "%s: cannot be opened for writing: %s",
                             buffer->path, strerror(errno));
    if (flock(buffer->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return azr_error_set(error, AZR_ERROR_IO, "%s: another azr is writing to it", buffer->path);
    return AZR_OK;
}

static azr_status create_schema(azr_buffer *buffer, azr_error *error)
{
    char *text =
        sqlite3_mprintf("BEGIN IMMEDIATE; PRAGMA application_id = %d; "
                        "PRAGMA user_version = %d; %s COMMIT;",
                        AZR_BUFFER_APPLICATION_ID, AZR_BUFFER_SCHEMA_VERSION, azr_buffer__schema);
    AZR_CHECK(text != NULL);
    azr_status status = execute(buffer, text, error);
    sqlite3_free(text);
    return status;
}

/* Older files are read as they are, and brought up to date by who writes. */
static azr_status upgrade_schema(azr_buffer *buffer, int64_t version, azr_error *error)
{
    azr_status status = execute(buffer, "BEGIN IMMEDIATE", error);
    for (int64_t v = version; status == AZR_OK && v < AZR_BUFFER_SCHEMA_VERSION; v++)
        status = execute(buffer, azr_buffer__upgrades[v], error);
    char text[64];
    snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", AZR_BUFFER_SCHEMA_VERSION);
    if (status == AZR_OK)
        status = execute(buffer, text, error);
    if (status != AZR_OK)
        sqlite3_exec(buffer->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Is the file ours, and of a version this azr knows? A file without any table becomes ours. */
static azr_status check_schema(azr_buffer *buffer, bool may_create, azr_error *error)
{
    int64_t application = 0, version = 0, n_objects = 0;
    azr_status status = query(buffer, "PRAGMA application_id", &application, error);
    if (status == AZR_OK)
        status = query(buffer, "PRAGMA user_version", &version, error);
    if (status == AZR_OK)
        status = query(buffer, "SELECT count(*) FROM sqlite_master", &n_objects, error);
    if (status != AZR_OK)
        return status;
    if (may_create && n_objects == 0 && application == 0 && version == 0)
        return create_schema(buffer, error);
    if (application != AZR_BUFFER_APPLICATION_ID)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: is a database, but not of an azr run",
                             buffer->path);
    if (version > AZR_BUFFER_SCHEMA_VERSION)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: its schema %lld is newer than this azr, which knows up to %d",
                             buffer->path, (long long)version, AZR_BUFFER_SCHEMA_VERSION);
    if (version < 1)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: the database is damaged: schema %lld",
                             buffer->path, (long long)version);
    return may_create && version < AZR_BUFFER_SCHEMA_VERSION
               ? upgrade_schema(buffer, version, error)
               : AZR_OK;
}

static azr_status connect(azr_buffer *buffer, bool read_only, azr_error *error)
{
    int flags = SQLITE_OPEN_NOMUTEX |
                (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int code = sqlite3_open_v2(buffer->path, &buffer->db, flags, NULL);
    if (code != SQLITE_OK)
        return azr_buffer__fail_code(buffer, code, error);
    sqlite3_extended_result_codes(buffer->db, 1);
    sqlite3_busy_timeout(buffer->db, BUSY_MS);
    if (!read_only && sqlite3_db_readonly(buffer->db, "main") == 1)
        return azr_buffer__fail_code(buffer, SQLITE_READONLY, error);
    /* A rollback journal: one file, whole after a kill at any moment, and readable from a read-only
     * folder, which a write-ahead log is not. FULL: what is committed outlives a power cut. */
    azr_status status = AZR_OK;
    if (!read_only)
        status = execute(buffer, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;", error);
    /* The schema of a hostile file must not run code of ours. */
    if (status == AZR_OK)
        status =
            execute(buffer, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;", error);
    return status == AZR_OK ? check_schema(buffer, !read_only, error) : status;
}

static azr_status open_buffer(const char *path, bool read_only, azr_buffer **out_buffer,
                              azr_error *error)
{
    *out_buffer = NULL;
    if (path[0] == '\0')
        return azr_error_set(error, AZR_ERROR_INPUT, "the path of the task store is empty");
    azr_buffer *buffer = azr_alloc(1, sizeof *buffer);
    buffer->path = azr_copy_text(path, strlen(path));
    buffer->lock = -1;
    buffer->read_only = read_only;
    azr_status status = AZR_OK;
    if (!read_only && strcmp(path, ":memory:") != 0)
        status = lock_file(buffer, error);
    if (status == AZR_OK)
        status = connect(buffer, read_only, error);
    if (status == AZR_OK)
        *out_buffer = buffer;
    else
        azr_buffer_close(buffer);
    return status;
}

azr_status azr_buffer_open(const char *path, azr_buffer **out_buffer, azr_error *error)
{
    return open_buffer(path, false, out_buffer, error);
}

azr_status azr_buffer_open_read_only(const char *path, azr_buffer **out_buffer, azr_error *error)
{
    return open_buffer(path, true, out_buffer, error);
}

void azr_buffer_close(azr_buffer *buffer)
{
    if (buffer == NULL)
        return;
    for (size_t i = 0; i < AZR_N_STATEMENTS; i++)
        sqlite3_finalize(buffer->statements[i]);
    sqlite3_close(buffer->db);
    /* Behind SQLite: closing any descriptor of a file drops the locks SQLite holds on it. */
    if (buffer->lock >= 0)
        close(buffer->lock);
    for (size_t kind = 0; kind < AZR_N_KINDS; kind++)
        azr_free(buffer->rows[kind].rows);
    azr_free(buffer->path);
    azr_free(buffer);
}

/* --- transactions ----------------------------------------------------------------------------- */

azr_status azr_buffer_begin(azr_buffer *buffer, azr_error *error)
{
    AZR_CHECK(sqlite3_get_autocommit(buffer->db));
    return execute(buffer, "BEGIN IMMEDIATE", error);
}

azr_status azr_buffer_commit(azr_buffer *buffer, azr_error *error)
{
    azr_status status = execute(buffer, "COMMIT", error);
    if (status != AZR_OK && !sqlite3_get_autocommit(buffer->db))
        sqlite3_exec(buffer->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

azr_status azr_buffer_rollback(azr_buffer *buffer, azr_error *error)
{
    azr_buffer__forget_rows(buffer);
    /* SQLite rolls back by itself on some errors; then nothing is left to do. */
    if (sqlite3_get_autocommit(buffer->db))
        return AZR_OK;
    return execute(buffer, "ROLLBACK", error);
}

azr_status azr_buffer_forget_after(azr_buffer *buffer, int64_t step, azr_error *error)
{
    azr_buffer__forget_rows(buffer);
    bool own = sqlite3_get_autocommit(buffer->db) != 0;
    char *text = sqlite3_mprintf("DELETE FROM tasks WHERE step > %lld;"
                                 "DELETE FROM attempts WHERE step > %lld;"
                                 "DELETE FROM metrics WHERE step > %lld;",
                                 (long long)step, (long long)step, (long long)step);
    AZR_CHECK(text != NULL);
    azr_status status = own ? azr_buffer_begin(buffer, error) : AZR_OK;
    if (status == AZR_OK)
        status = execute(buffer, text, error);
    if (own && status == AZR_OK)
        status = azr_buffer_commit(buffer, error);
    else if (own)
        azr_buffer_rollback(buffer, NULL);
    sqlite3_free(text);
    return status;
}

azr_status azr_buffer_drop_before(azr_buffer *buffer, int64_t step, int64_t first_attempts,
                                  azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer_begin(buffer, error);
    if (status != AZR_OK)
        return status;
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++) {
        int64_t id = 0;
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_RING_END, &row, error);
        if (status != AZR_OK)
            break;
        sqlite3_bind_text(row, 1, azr_kind_name((azr_kind)kind), -1, SQLITE_STATIC);
        sqlite3_bind_int64(row, 2, step);
        if (sqlite3_step(row) == SQLITE_ROW)
            id = sqlite3_column_int64(row, 0);
        else
            status = azr_buffer__fail(buffer, error);
        azr_buffer__finish(row);
        if (status == AZR_OK)
            status = azr_buffer__prepare(buffer, AZR_STATEMENT_DROP_TASKS, &row, error);
        if (status != AZR_OK)
            break;
        sqlite3_bind_text(row, 1, azr_kind_name((azr_kind)kind), -1, SQLITE_STATIC);
        sqlite3_bind_int64(row, 2, id);
        status = azr_buffer__run(buffer, row, error);
    }
    if (status == AZR_OK)
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_DROP_ATTEMPTS, &row, error);
    if (status == AZR_OK) {
        sqlite3_bind_int64(row, 1, first_attempts);
        status = azr_buffer__run(buffer, row, error);
    }
    if (status == AZR_OK)
        return azr_buffer_commit(buffer, error);
    azr_buffer_rollback(buffer, NULL);
    return status;
}

/* --- ids -------------------------------------------------------------------------------------- */

void azr_buffer__forget_rows(azr_buffer *buffer)
{
    buffer->rows_known = false;
}

/* Rows that have left the ring go when they are as many as those in it. */
static void make_room(azr_buffer_rows *list, int64_t cap)
{
    if (cap > 0 && list->n >= 2 * (size_t)cap) {
        memmove(list->rows, list->rows + (list->n - (size_t)cap), (size_t)cap * sizeof *list->rows);
        list->n = (size_t)cap;
    }
    if (list->n == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 256;
        list->rows = azr_realloc(list->rows, list->capacity, sizeof *list->rows);
    }
}

void azr_buffer__append(azr_buffer *buffer, const azr_stored_task *stored, int64_t cap)
{
    azr_buffer_rows *list = &buffer->rows[stored->task.kind];
    make_room(list, cap);
    azr_buffer_known *row = &list->rows[list->n++];
    *row = (azr_buffer_known){.id = stored->id,
                              .step = stored->step,
                              .program = azr_buffer__hash_program(stored->task.program),
                              .success = stored->n_attempts > 0 ? (double)stored->n_correct /
                                                                      (double)stored->n_attempts
                                                                : -1.0,
                              .part = azr_program_as_part(stored->task.program, 0, NULL)};
    /* Who only reads admits nothing. */
    if (!buffer->read_only)
        row->trace = azr_buffer__trace(&stored->task);
    list->cap = cap;
    buffer->last_task = stored->id;
}

/* A row of AZR_STATEMENT_ALL_ROWS. */
static azr_status know_row(azr_buffer *buffer, sqlite3_stmt *row, azr_error *error)
{
    azr_stored_task stored = {0};
    azr_status status = azr_buffer__read_task(buffer, row, &stored, error);
    if (status != AZR_OK)
        return status;
    azr_buffer__append(buffer, &stored, sqlite3_column_int64(row, 10));
    azr_stored_task_deinit(&stored);
    return AZR_OK;
}

azr_status azr_buffer__know_rows(azr_buffer *buffer, azr_error *error)
{
    /* Of a file that is only read, another process may be the writer. */
    if (buffer->rows_known && !buffer->read_only)
        return AZR_OK;
    for (size_t kind = 0; kind < AZR_N_KINDS; kind++)
        buffer->rows[kind].n = 0;
    buffer->last_task = 0;
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__prepare(buffer, AZR_STATEMENT_LAST_ATTEMPT, &row, error);
    if (status != AZR_OK)
        return status;
    if (sqlite3_step(row) == SQLITE_ROW)
        buffer->last_attempt = sqlite3_column_int64(row, 0);
    else
        status = azr_buffer__fail(buffer, error);
    azr_buffer__finish(row);
    if (status == AZR_OK)
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_ALL_ROWS, &row, error);
    if (status != AZR_OK)
        return status;
    int code;
    while (status == AZR_OK && (code = sqlite3_step(row)) != SQLITE_DONE)
        status =
            code == SQLITE_ROW ? know_row(buffer, row, error) : azr_buffer__fail(buffer, error);
    azr_buffer__finish(row);
    if (status != AZR_OK)
        azr_buffer__forget_rows(buffer);
    buffer->rows_known = status == AZR_OK;
    return status;
}

size_t azr_buffer__drawable(const azr_buffer *buffer, azr_kind kind,
                            const azr_buffer_known **out_rows)
{
    const azr_buffer_rows *list = &buffer->rows[kind];
    size_t n = list->n;
    if (n > 0 && list->cap > 0 && (size_t)list->cap < n)
        n = (size_t)list->cap;
    *out_rows = list->rows + (list->n - n);
    return n;
}
