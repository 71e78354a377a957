/* record.h: how a run says what came of it. Written by the process that ran hostile code, so the
 * reader believes nothing: sizes are checked, the record must fill its bytes exactly. */
#ifndef AZR_EXECUTOR_RECORD_H
#define AZR_EXECUTOR_RECORD_H

#include "azr/executor.h"
#include "base/strbuf.h"

/* A text of the record, not NUL-terminated; NULL when absent. */
typedef struct azr_exec__text {
    const char *bytes;
    size_t size;
} azr_exec__text;

typedef struct azr_exec__record {
    azr_exec_status status; /* OK, EXCEPTION, MEMORY, TOO_LARGE or NOT_LITERAL */
    azr_exec__text value, type, exception, message;
} azr_exec__record;

enum { AZR_EXEC__MAX_NAME = 200, AZR_EXEC__MAX_MESSAGE = 500 };

/* Bytes a record can have besides the value. */
enum { AZR_EXEC__RECORD_OVERHEAD = 64 + 2 * AZR_EXEC__MAX_NAME + AZR_EXEC__MAX_MESSAGE };

void azr_exec__record_write(const azr_exec__record *record, azr_strbuf *out);
/* False when the bytes are not exactly one record; texts point into bytes. of_tests: the process
 * tested a program and ran none, so it may also say how the program's process ended (TIMEOUT_CPU,
 * CRASH, POLICY, NO_RESULT, INTERNAL). */
bool azr_exec__record_read(const char *bytes, size_t size, bool of_tests,
                           azr_exec__record *out_record);

#endif
