/* lines.h: benchmark files: lines of JSON, plain or gzipped, and the fields of one line. Private to
 * eval/. */
#ifndef AZR_EVAL_LINES_H
#define AZR_EVAL_LINES_H

#include "azr/status.h"

#include "base/strbuf.h"

#include <stddef.h>
#include <stdint.h>

enum { AZR_EVAL_MAX_FILE_BYTES = 512 << 20, AZR_EVAL_MAX_ITEMS = 1 << 20 };

/* The whole file, unpacked when it is gzipped; free with azr_free. */
azr_status azr_eval__read_file(const char *path, char **out_text, size_t *out_size,
                               azr_error *error);

typedef struct azr_eval_line {
    const char *path; /* for messages */
    size_t number;    /* from 1 */
    const char *text; /* without its line feed */
    size_t size;
} azr_eval_line;

/* Start from {.path = path}; text_size bytes of the file. False behind the last line; empty lines
 * are passed over. */
typedef struct azr_eval_cursor {
    const char *text;
    size_t size, at;
} azr_eval_cursor;
int azr_eval__next_line(azr_eval_cursor *cursor, azr_eval_line *line);

/* The raw text of a field's value, as it stands in the line (numbers of any size stay what they
 * are); NULL when the object has no such field. A line that is no object of balanced text: NULL
 * for every name. */
const char *azr_eval__field(const azr_eval_line *line, const char *name, size_t *out_size);
/* A field that is a text; free with azr_free. Errors name file, line and field. */
azr_status azr_eval__text_field(const azr_eval_line *line, const char *name, char **out_text,
                                azr_error *error);
/* The first of two names that is there. */
azr_status azr_eval__either_field(const azr_eval_line *line, const char *name, const char *other,
                                  char **out_text, azr_error *error);
/* Appends a text as a Python string literal. */
void azr_eval__python_text(const char *text, size_t size, azr_strbuf *out);

#endif
