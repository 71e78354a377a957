/* literal_text.h: string, bytes and number tokens of Python literals. Private to executor/. */
#ifndef AZR_EXECUTOR_LITERAL_TEXT_H
#define AZR_EXECUTOR_LITERAL_TEXT_H

#include "executor/literal_tree.h"

#include "base/strbuf.h"

/* Where a parser stands. */
typedef struct azr_literal_cursor {
    const char *text; /* NUL-terminated behind size */
    size_t size, at;
    int depth;
    azr_error *error;
} azr_literal_cursor;

/* Sets the error: "expected <what> at byte <at>"; returns NULL for the caller to return. */
azr_literal *azr_literal__expected(azr_literal_cursor *c, const char *what);
/* True when a string or bytes token begins at the cursor. */
bool azr_literal__at_string(const azr_literal_cursor *c);
/* One token; appends its content to out and says whether it is bytes. False with the error set. */
bool azr_literal__read_string(azr_literal_cursor *c, azr_strbuf *out, bool *out_bytes);
/* An unsigned INT, FLOAT or imaginary COMPLEX. NULL with the error set. */
azr_literal *azr_literal__read_number(azr_literal_cursor *c);

#endif
