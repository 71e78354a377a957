/* store.h: what the files of this room share: the open database and its prepared statements. */
#ifndef AZR_BUFFER_STORE_H
#define AZR_BUFFER_STORE_H

#include "azr/buffer.h"

#include <sqlite3.h>

/* The ids of one kind in ascending order, hidden ones too. */
typedef struct azr_buffer_ids {
    int64_t *ids;
    size_t n, capacity;
    int64_t cap; /* of the newest row */
} azr_buffer_ids;

typedef enum azr_statement {
    AZR_STATEMENT_ADD_TASK,
    AZR_STATEMENT_GET_TASK,
    AZR_STATEMENT_ALL_TASKS,
    AZR_STATEMENT_ALL_IDS,
    AZR_STATEMENT_COUNT_STEP,
    AZR_STATEMENT_BY_HASH,
    AZR_STATEMENT_ADD_ATTEMPT,
    AZR_STATEMENT_LAST_ATTEMPT,
    AZR_STATEMENT_ADD_METRIC,
    AZR_STATEMENT_LAST_STEP,
    AZR_N_STATEMENTS,
} azr_statement;

struct azr_buffer {
    char *path;
    sqlite3 *db;
    bool read_only;
    int lock; /* descriptor of the file, which keeps a second writer out; -1: none */
    sqlite3_stmt *statements[AZR_N_STATEMENTS];
    bool ids_known; /* what stands below is what the tables hold */
    azr_buffer_ids ids[AZR_N_KINDS];
    int64_t last_task, last_attempt;
};

/* The sentence for SQLite's latest error; forgets the known ids, since SQLite may have rolled back.
 */
azr_status azr_buffer__fail(azr_buffer *buffer, azr_error *error);
/* The same where `code` is at hand and buffer->db may be NULL. */
azr_status azr_buffer__fail_code(const azr_buffer *buffer, int code, azr_error *error);
/* A statement ready for binding; azr_buffer__finish resets it. */
azr_status azr_buffer__prepare(azr_buffer *buffer, azr_statement which,
                               sqlite3_stmt **out_statement, azr_error *error);
void azr_buffer__finish(sqlite3_stmt *statement);
/* Runs a prepared statement that gives no rows, and finishes it. */
azr_status azr_buffer__run(azr_buffer *buffer, sqlite3_stmt *statement, azr_error *error);
/* Reads the ids if they are not known. */
azr_status azr_buffer__know_ids(azr_buffer *buffer, azr_error *error);
void azr_buffer__forget_ids(azr_buffer *buffer);
void azr_buffer__append_id(azr_buffer *buffer, azr_kind kind, int64_t id, int64_t cap);
/* The ids that can be drawn, newest last. */
size_t azr_buffer__drawable(const azr_buffer *buffer, azr_kind kind, const int64_t **out_ids);

/* A row of AZR_STATEMENT_GET_TASK or ALL_TASKS to a task. */
azr_status azr_buffer__read_task(const azr_buffer *buffer, sqlite3_stmt *row,
                                 azr_stored_task *out_task, azr_error *error);
azr_status azr_buffer__get_task(azr_buffer *buffer, int64_t id, azr_stored_task *out_task,
                                azr_error *error);

#endif
