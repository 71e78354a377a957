/* results.c: the results file of an evaluation as a SQLite database. Whole transactions only, so
 * that a kill at any moment costs what was not written yet and nothing else. */
#include "eval/results.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x617A6576, SCHEMA_VERSION = 1 }; /* "azev" */

static const char schema[] =
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    /* stop, prompt and completion NULL: the answer was given, not sampled. answer NULL: none in the
     * completion. verdict NULL: not judged yet. why NULL: right. */
    "CREATE TABLE samples (item INTEGER NOT NULL, sample INTEGER NOT NULL, id TEXT NOT NULL,"
    " prompt TEXT, completion TEXT, stop TEXT, answer TEXT, n_tokens INTEGER NOT NULL,"
    " verdict TEXT, why TEXT, PRIMARY KEY (item, sample)) WITHOUT ROWID;";

static azr_status fail(azr_eval_results *results, azr_error *error)
{
    int code = sqlite3_extended_errcode(results->db);
    int cause = sqlite3_system_errno(results->db);
    azr_status status = AZR_ERROR_IO;
    const char *why = sqlite3_errmsg(results->db);
    if ((code & 0xFF) == SQLITE_NOTADB || (code & 0xFF) == SQLITE_CORRUPT)
        status = AZR_ERROR_INPUT;
    else if ((code & 0xFF) == SQLITE_FULL)
        why = "the disk is full";
    else if (cause != 0)
        why = strerror(cause);
    return azr_error_set(error, status, "%s: %s", results->path, why);
}

static azr_status execute(azr_eval_results *results, const char *sql, azr_error *error)
{
    if (sqlite3_exec(results->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return fail(results, error);
    return AZR_OK;
}

static azr_status number(azr_eval_results *results, const char *sql, int64_t *out_value,
                         azr_error *error)
{
    sqlite3_stmt *statement = NULL;
    azr_status status = AZR_OK;
    if (sqlite3_prepare_v2(results->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        status = fail(results, error);
    else
        *out_value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

static azr_status check_schema(azr_eval_results *results, bool read_only, azr_error *error)
{
    int64_t application = 0, version = 0, n_objects = 0;
    azr_status status = number(results, "PRAGMA application_id", &application, error);
    if (status == AZR_OK)
        status = number(results, "PRAGMA user_version", &version, error);
    if (status == AZR_OK)
        status = number(results, "SELECT count(*) FROM sqlite_master", &n_objects, error);
    if (status != AZR_OK)
        return status;
    if (!read_only && n_objects == 0 && application == 0) {
        char text[1024];
        snprintf(
            text, sizeof text,
            "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d; %s COMMIT;",
            APPLICATION_ID, SCHEMA_VERSION, schema);
        return execute(results, text, error);
    }
    if (application != APPLICATION_ID)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: is a database, but not the results of an evaluation",
                             results->path);
    if (version != SCHEMA_VERSION)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: its schema is %lld, this azr knows %d", results->path,
                             (long long)version, SCHEMA_VERSION);
    return AZR_OK;
}

static azr_status connect(azr_eval_results *results, bool read_only, azr_error *error)
{
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(results->path, &results->db, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return fail(results, error);
    sqlite3_extended_result_codes(results->db, 1);
    sqlite3_busy_timeout(results->db, 10000);
    azr_status status = AZR_OK;
    if (!read_only)
        status =
            execute(results, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;", error);
    if (status == AZR_OK)
        status =
            execute(results, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;", error);
    return status == AZR_OK ? check_schema(results, read_only, error) : status;
}

/* The lock lies beside the file, which is replaced at the end. */
static azr_status take_lock(azr_eval_results *results, azr_error *error)
{
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "%s.lock", results->path);
    azr_status status = AZR_OK;
    results->lock = open(azr_strbuf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (results->lock < 0)
        status = azr_error_set(error, AZR_ERROR_IO, "cannot open %s: %s", azr_strbuf_text(&path),
                               strerror(errno));
    else if (flock(results->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        status =
            azr_error_set(error, AZR_ERROR_IO, "%s: another azr is writing to it", results->path);
    azr_strbuf_deinit(&path);
    return status;
}

azr_status azr_eval__results_open(azr_eval_results *results, const char *path, bool read_only,
                                  azr_error *error)
{
    *results = (azr_eval_results){.path = azr_copy_text(path, strlen(path)), .lock = -1};
    azr_status status = AZR_OK;
    bool in_memory = strcmp(path, ":memory:") == 0;
    if (path[0] == '\0')
        status = azr_error_set(error, AZR_ERROR_INPUT, "the path of the results file is empty");
    else if (read_only && !azr_file_exists(path))
        status = azr_error_set(error, AZR_ERROR_INPUT, "there is no results file %s", path);
    else if (!read_only && !in_memory)
        status = take_lock(results, error);
    if (status == AZR_OK)
        status = connect(results, read_only, error);
    return status;
}

void azr_eval__results_close(azr_eval_results *results)
{
    sqlite3_finalize(results->put);
    sqlite3_close(results->db);
    if (results->lock >= 0) {
        azr_strbuf path = {0};
        azr_strbuf_printf(&path, "%s.lock", results->path);
        unlink(azr_strbuf_text(&path));
        azr_strbuf_deinit(&path);
        close(results->lock);
    }
    azr_free(results->path);
    *results = (azr_eval_results){.lock = -1};
}

/* --- settings --------------------------------------------------------------------------------- */

char *azr_eval__results_get(azr_eval_results *results, const char *name)
{
    sqlite3_stmt *statement = NULL;
    char *value = NULL;
    if (sqlite3_prepare_v2(results->db, "SELECT value FROM settings WHERE name = ?", -1, &statement,
                           NULL) == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(statement, 0);
            if (text != NULL)
                value = azr_copy_text(text, strlen(text));
        }
    }
    sqlite3_finalize(statement);
    return value;
}

azr_status azr_eval__results_setting(azr_eval_results *results, const char *name, const char *value,
                                     azr_error *error)
{
    char *old = azr_eval__results_get(results, name);
    azr_status status = AZR_OK;
    if (old == NULL) {
        sqlite3_stmt *statement = NULL;
        if (sqlite3_prepare_v2(results->db, "INSERT INTO settings VALUES (?, ?)", -1, &statement,
                               NULL) != SQLITE_OK ||
            sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_step(statement) != SQLITE_DONE)
            status = fail(results, error);
        sqlite3_finalize(statement);
    } else if (strcmp(old, value) != 0) {
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "%s: holds results with %s %.200s, not %.200s: give another file "
                               "with --out",
                               results->path, name, old, value);
    }
    azr_free(old);
    return status;
}

/* --- rows ------------------------------------------------------------------------------------- */

static int bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    return text != NULL ? sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC)
                        : sqlite3_bind_null(statement, at);
}

azr_status azr_eval__results_put(azr_eval_results *results, const azr_eval_row *row,
                                 azr_error *error)
{
    azr_status status = AZR_OK;
    if (!results->open) {
        status = execute(results, "BEGIN IMMEDIATE", error);
        results->open = status == AZR_OK;
    }
    if (status == AZR_OK && results->put == NULL &&
        sqlite3_prepare_v3(results->db,
                           "INSERT OR REPLACE INTO samples (item, sample, id, prompt, completion,"
                           " stop, answer, n_tokens, verdict, why) VALUES (?,?,?,?,?,?,?,?,?,?)",
                           -1, SQLITE_PREPARE_PERSISTENT, &results->put, NULL) != SQLITE_OK)
        status = fail(results, error);
    if (status != AZR_OK)
        return status;
    sqlite3_stmt *put = results->put;
    int code = sqlite3_bind_int64(put, 1, row->item);
    code |= sqlite3_bind_int64(put, 2, row->sample);
    code |= bind_text(put, 3, row->id);
    code |= bind_text(put, 4, row->prompt);
    code |= row->completion != NULL
                ? sqlite3_bind_text64(put, 5, row->completion, row->completion_size, SQLITE_STATIC,
                                      SQLITE_UTF8)
                : sqlite3_bind_null(put, 5);
    code |= bind_text(put, 6, row->stop);
    code |= bind_text(put, 7, row->answer);
    code |= sqlite3_bind_int64(put, 8, row->n_tokens);
    code |= bind_text(put, 9, row->verdict);
    code |= bind_text(put, 10, row->why);
    if (code != SQLITE_OK || sqlite3_step(put) != SQLITE_DONE)
        status = fail(results, error);
    sqlite3_reset(put);
    sqlite3_clear_bindings(put);
    return status;
}

azr_status azr_eval__results_flush(azr_eval_results *results, azr_error *error)
{
    if (!results->open)
        return AZR_OK;
    results->open = false;
    return execute(results, "COMMIT", error);
}

azr_status azr_eval__results_clear(azr_eval_results *results, azr_error *error)
{
    return execute(results, "DELETE FROM samples", error);
}

azr_status azr_eval__results_each(azr_eval_results *results,
                                  bool (*see)(void *context, const azr_eval_row *row),
                                  void *context, azr_error *error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(results->db,
                           "SELECT item, sample, id, prompt, completion, stop, answer, n_tokens, "
                           "verdict, why FROM samples ORDER BY item, sample",
                           -1, &statement, NULL) != SQLITE_OK)
        return fail(results, error);
    int code;
    bool go_on = true;
    while (go_on && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        azr_eval_row row = {.item = sqlite3_column_int64(statement, 0),
                            .sample = sqlite3_column_int64(statement, 1),
                            .id = (const char *)sqlite3_column_text(statement, 2),
                            .prompt = (const char *)sqlite3_column_text(statement, 3),
                            .completion = (const char *)sqlite3_column_text(statement, 4),
                            .completion_size = (size_t)sqlite3_column_bytes(statement, 4),
                            .stop = (const char *)sqlite3_column_text(statement, 5),
                            .answer = (const char *)sqlite3_column_text(statement, 6),
                            .n_tokens = sqlite3_column_int64(statement, 7),
                            .verdict = (const char *)sqlite3_column_text(statement, 8),
                            .why = (const char *)sqlite3_column_text(statement, 9)};
        if (row.id == NULL)
            row.id = "";
        go_on = see(context, &row);
    }
    azr_status status = go_on && code != SQLITE_DONE ? fail(results, error) : AZR_OK;
    sqlite3_finalize(statement);
    return status;
}

/* --- the end ---------------------------------------------------------------------------------- */

static azr_status copy_to(azr_eval_results *results, const char *path, azr_error *error)
{
    sqlite3_stmt *statement = NULL;
    /* A copy counts its schema on from the original's, which may be a copy itself. */
    azr_status status = execute(results, "PRAGMA schema_version = 1", error);
    if (status != AZR_OK)
        return status;
    if (sqlite3_prepare_v2(results->db, "VACUUM INTO ?", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_DONE)
        status = fail(results, error);
    sqlite3_finalize(statement);
    return status;
}

azr_status azr_eval__results_finish(azr_eval_results *results, azr_error *error)
{
    azr_status status = azr_eval__results_flush(results, error);
    if (status != AZR_OK || strcmp(results->path, ":memory:") == 0)
        return status;
    azr_strbuf copy = {0};
    azr_strbuf_printf(&copy, "%s.new", results->path);
    const char *path = azr_strbuf_text(&copy);
    unlink(path);
    status = copy_to(results, path, error);
    if (status == AZR_OK) {
        sqlite3_finalize(results->put);
        results->put = NULL;
        sqlite3_close(results->db);
        results->db = NULL;
        if (rename(path, results->path) != 0)
            status = azr_error_set(error, AZR_ERROR_IO, "cannot write %s: %s", results->path,
                                   strerror(errno));
        else
            status = connect(results, false, error);
    }
    azr_strbuf_deinit(&copy);
    return status;
}
