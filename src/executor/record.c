/* record.c: writes and reads the record of a run: size, status, four texts, each with its size. */
#include "executor/record.h"

#include "base/check.h"

#include <string.h>

static const uint32_t absent = UINT32_MAX;

static void append_u32(azr_strbuf *out, uint32_t value)
{
    azr_strbuf_append(out, (const char *)&value, sizeof value);
}

static void append_text(azr_strbuf *out, azr_exec__text text)
{
    append_u32(out, text.bytes != NULL ? (uint32_t)text.size : absent);
    if (text.bytes != NULL)
        azr_strbuf_append(out, text.bytes, text.size);
}

static size_t text_bytes(azr_exec__text text)
{
    return sizeof(uint32_t) + (text.bytes != NULL ? text.size : 0);
}

void azr_exec__record_write(const azr_exec__record *record, azr_strbuf *out)
{
    size_t size = sizeof(uint32_t) + text_bytes(record->value) + text_bytes(record->type) +
                  text_bytes(record->exception) + text_bytes(record->message);
    append_u32(out, (uint32_t)size);
    append_u32(out, (uint32_t)record->status);
    append_text(out, record->value);
    append_text(out, record->type);
    append_text(out, record->exception);
    append_text(out, record->message);
}

typedef struct reader {
    const char *bytes;
    size_t left;
} reader;

static bool read_u32(reader *r, uint32_t *out)
{
    if (r->left < sizeof *out)
        return false;
    memcpy(out, r->bytes, sizeof *out);
    r->bytes += sizeof *out;
    r->left -= sizeof *out;
    return true;
}

static bool read_text(reader *r, size_t max, azr_exec__text *out)
{
    uint32_t size;
    *out = (azr_exec__text){0};
    if (!read_u32(r, &size))
        return false;
    if (size == absent)
        return true;
    if (size > r->left || size > max)
        return false;
    *out = (azr_exec__text){r->bytes, size};
    r->bytes += size;
    r->left -= size;
    return true;
}

static bool is_status(uint32_t status, bool of_tests)
{
    switch (status) {
    case AZR_EXEC_OK:
    case AZR_EXEC_EXCEPTION:
    case AZR_EXEC_MEMORY:
    case AZR_EXEC_TOO_LARGE:
    case AZR_EXEC_NOT_LITERAL:
        return true;
    case AZR_EXEC_TIMEOUT_CPU:
    case AZR_EXEC_CRASH:
    case AZR_EXEC_POLICY:
    case AZR_EXEC_NO_RESULT:
    case AZR_EXEC_INTERNAL:
        return of_tests;
    default:
        return false;
    }
}

bool azr_exec__record_read(const char *bytes, size_t size, bool of_tests,
                           azr_exec__record *out_record)
{
    reader r = {bytes, size};
    uint32_t record_bytes, status;
    if (!read_u32(&r, &record_bytes) || record_bytes != r.left || !read_u32(&r, &status))
        return false;
    if (!is_status(status, of_tests))
        return false;
    out_record->status = (azr_exec_status)status;
    return read_text(&r, size, &out_record->value) &&
           read_text(&r, AZR_EXEC__MAX_NAME, &out_record->type) &&
           read_text(&r, AZR_EXEC__MAX_NAME, &out_record->exception) &&
           read_text(&r, AZR_EXEC__MAX_MESSAGE, &out_record->message) && r.left == 0 &&
           (status == AZR_EXEC_OK) == (out_record->value.bytes != NULL) &&
           (status == AZR_EXEC_EXCEPTION) == (out_record->exception.bytes != NULL);
}
