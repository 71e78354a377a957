/* results.h: the results file of an evaluation, SQLite: settings, and one row a sample. Private to
 * eval/. */
#ifndef AZR_EVAL_RESULTS_H
#define AZR_EVAL_RESULTS_H

#include "azr/eval.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct azr_eval_results {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *put; /* prepared insert of a row */
    int lock;          /* -1: none */
    bool open;         /* a transaction is */
} azr_eval_results;

/* A sample as it lies in the file. Reading: texts belong to the statement. */
typedef struct azr_eval_row {
    int64_t item, sample;
    const char *id;
    const char *prompt;     /* NULL: was given */
    const char *completion; /* NULL: was given */
    size_t completion_size;
    const char *stop;   /* "eos", "limit", "string"; NULL: was given */
    const char *answer; /* NULL: there is none in the completion */
    int64_t n_tokens;
    const char *verdict; /* NULL: not judged yet */
    const char *why;     /* NULL when right */
} azr_eval_row;

/* Opens, creates when missing. One writer at a time. A database of somebody else, or of another
 * version, is refused untouched. */
azr_status azr_eval__results_open(azr_eval_results *results, const char *path, bool read_only,
                                  azr_error *error);
void azr_eval__results_close(azr_eval_results *results);

/* A setting that all rows were made with: stored in a new file, compared in an old one; a
 * difference is AZR_ERROR_INPUT naming both values. */
azr_status azr_eval__results_setting(azr_eval_results *results, const char *name, const char *value,
                                     azr_error *error);
/* Free with azr_free; NULL when there is none of that name. */
char *azr_eval__results_get(azr_eval_results *results, const char *name);

/* Writes are collected in a transaction until flush. */
azr_status azr_eval__results_put(azr_eval_results *results, const azr_eval_row *row,
                                 azr_error *error);
azr_status azr_eval__results_flush(azr_eval_results *results, azr_error *error);
/* Deletes all rows. */
azr_status azr_eval__results_clear(azr_eval_results *results, azr_error *error);
/* Rows in order of item and sample; see returns false to stop. */
azr_status azr_eval__results_each(azr_eval_results *results,
                                  bool (*see)(void *context, const azr_eval_row *row),
                                  void *context, azr_error *error);
/* Replaces the file by one with the same rows whose bytes depend on nothing else. */
azr_status azr_eval__results_finish(azr_eval_results *results, azr_error *error);

#endif
