/* python_tokens.h: a Python program as tokens, read in C: nothing is run. Private to tasks/. */
#ifndef AZR_TASKS_PYTHON_TOKENS_H
#define AZR_TASKS_PYTHON_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum azr_python_token_kind {
    AZR_PYTHON_END,
    AZR_PYTHON_NEWLINE, /* end of a statement's line; not inside brackets, not of empty lines */
    AZR_PYTHON_INDENT,
    AZR_PYTHON_DEDENT,
    AZR_PYTHON_NAME,
    AZR_PYTHON_KEYWORD,
    AZR_PYTHON_NUMBER,
    AZR_PYTHON_STRING,   /* with its prefix and quotes; an f-string is one token */
    AZR_PYTHON_OPERATOR, /* also what is no Python, byte by byte */
} azr_python_token_kind;

typedef struct azr_python_token {
    azr_python_token_kind kind;
    const char *text; /* in the program */
    size_t size;
} azr_python_token;

enum { AZR_PYTHON_MAX_INDENTS = 100 }; /* as CPython; deeper blocks count as this deep */

typedef struct azr_python_tokens {
    const char *text;
    size_t size, at;
    int depth; /* open brackets */
    bool at_line_start, line_has_token;
    size_t indents[AZR_PYTHON_MAX_INDENTS];
    size_t n_indents, n_dedents; /* dedents still to be given */
} azr_python_tokens;

void azr_python_tokens_init(azr_python_tokens *tokens, const char *program);
/* The next one; END again and again at the end, behind a NEWLINE and all DEDENTs. */
azr_python_token azr_python_tokens_next(azr_python_tokens *tokens);
bool azr_python_token_is(const azr_python_token *token, const char *text);

#endif
