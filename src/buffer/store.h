/* store.h: what the files of this room share: the open database and its prepared statements. */
#ifndef AZR_BUFFER_STORE_H
#define AZR_BUFFER_STORE_H

#include "azr/buffer.h"

#include "buffer/trace.h"

#include <sqlite3.h>

/* What drawing needs to know of a task row. */
typedef struct azr_buffer_known {
    int64_t id, step;
    uint64_t program; /* azr_buffer__hash_program */
    azr_trace trace;
    double success; /* share of right answers; -1: nobody tried */
    bool part;      /* its program can be part of another */
} azr_buffer_known;

/* The rows of one kind in ascending order of ids: those in the ring, and for a while those that
 * left it. */
typedef struct azr_buffer_rows {
    azr_buffer_known *rows;
    size_t n, capacity;
    int64_t cap; /* of the newest row */
} azr_buffer_rows;

typedef enum azr_statement {
    AZR_STATEMENT_ADD_TASK,
    AZR_STATEMENT_GET_TASK,
    AZR_STATEMENT_ALL_TASKS,
    AZR_STATEMENT_ALL_ROWS,
    AZR_STATEMENT_RING_END,
    AZR_STATEMENT_DROP_TASKS,
    AZR_STATEMENT_DROP_ATTEMPTS,
    AZR_STATEMENT_COUNT_STEP,
    AZR_STATEMENT_BY_HASH,
    AZR_STATEMENT_ADD_ATTEMPT,
    AZR_STATEMENT_LAST_ATTEMPT,
    AZR_STATEMENT_ADD_METRIC,
    AZR_STATEMENT_HAS_METRIC,
    AZR_STATEMENT_LAST_STEP,
    AZR_N_STATEMENTS,
} azr_statement;

struct azr_buffer {
    char *path;
    sqlite3 *db;
    bool read_only;
    int lock; /* descriptor of the file, which keeps a second writer out; -1: none */
    sqlite3_stmt *statements[AZR_N_STATEMENTS];
    bool rows_known; /* what stands below is what the tables hold */
    azr_buffer_rows rows[AZR_N_KINDS];
    int64_t last_task, last_attempt;
};

/* The sentence for SQLite's latest error; forgets the known rows, since SQLite may have rolled
 * back.
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
/* Reads the rows if they are not known. */
azr_status azr_buffer__know_rows(azr_buffer *buffer, azr_error *error);
void azr_buffer__forget_rows(azr_buffer *buffer);
void azr_buffer__append(azr_buffer *buffer, const azr_stored_task *stored, int64_t cap);
/* The rows in the ring, newest last. */
size_t azr_buffer__drawable(const azr_buffer *buffer, azr_kind kind,
                            const azr_buffer_known **out_rows);
/* Of a program but for blanks at line ends and empty lines. */
uint64_t azr_buffer__hash_program(const char *program);
/* Of what azr_buffer_has compares. */
uint64_t azr_buffer__hash_question(const azr_task *task);

/* A row of AZR_STATEMENT_GET_TASK or ALL_TASKS to a task. */
azr_status azr_buffer__read_task(const azr_buffer *buffer, sqlite3_stmt *row,
                                 azr_stored_task *out_task, azr_error *error);
azr_status azr_buffer__get_task(azr_buffer *buffer, int64_t id, azr_stored_task *out_task,
                                azr_error *error);

#endif
