/* log.c: rows for people and for evaluation: attempts, metrics. */
#include "buffer/store.h"

azr_status azr_buffer_add_attempt(azr_buffer *buffer, const azr_attempt *attempt, azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status == AZR_OK)
        status = azr_buffer__prepare(buffer, AZR_STATEMENT_ADD_ATTEMPT, &row, error);
    if (status != AZR_OK)
        return status;
    sqlite3_bind_int64(row, 1, buffer->last_attempt + 1);
    sqlite3_bind_int64(row, 2, attempt->step);
    sqlite3_bind_text(row, 3, azr_role_name(attempt->role), -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 4, azr_kind_name(attempt->kind), -1, SQLITE_STATIC);
    if (attempt->task_id != 0)
        sqlite3_bind_int64(row, 5, attempt->task_id);
    sqlite3_bind_text(row, 6, attempt->purpose, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 7, attempt->prompt, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 8, attempt->completion, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 9, azr_verdict_name(attempt->verdict), -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 10, attempt->detail, -1, SQLITE_STATIC);
    sqlite3_bind_double(row, 11, attempt->reward);
    sqlite3_bind_int64(row, 12, attempt->n_tokens);
    status = azr_buffer__run(buffer, row, error);
    if (status == AZR_OK)
        buffer->last_attempt++;
    return status;
}

azr_status azr_buffer_add_metric(azr_buffer *buffer, int64_t step, const char *name, double value,
                                 azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__prepare(buffer, AZR_STATEMENT_ADD_METRIC, &row, error);
    if (status != AZR_OK)
        return status;
    sqlite3_bind_int64(row, 1, step);
    sqlite3_bind_text(row, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_double(row, 3, value);
    return azr_buffer__run(buffer, row, error);
}

azr_status azr_buffer_has_metric(azr_buffer *buffer, int64_t step, const char *name,
                                 bool *out_found, azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__prepare(buffer, AZR_STATEMENT_HAS_METRIC, &row, error);
    if (status != AZR_OK)
        return status;
    sqlite3_bind_int64(row, 1, step);
    sqlite3_bind_text(row, 2, name, -1, SQLITE_STATIC);
    if (sqlite3_step(row) == SQLITE_ROW)
        *out_found = sqlite3_column_int64(row, 0) > 0;
    else
        status = azr_buffer__fail(buffer, error);
    azr_buffer__finish(row);
    return status;
}

azr_status azr_buffer_last_step(azr_buffer *buffer, int64_t *out_step, azr_error *error)
{
    sqlite3_stmt *row = NULL;
    azr_status status = azr_buffer__prepare(buffer, AZR_STATEMENT_LAST_STEP, &row, error);
    if (status != AZR_OK)
        return status;
    if (sqlite3_step(row) == SQLITE_ROW)
        *out_step = sqlite3_column_int64(row, 0);
    else
        status = azr_buffer__fail(buffer, error);
    azr_buffer__finish(row);
    return status;
}
