/* text.h: what model-written text looks like, read without running it: lines, brackets, a function
 * f. */
#ifndef AZR_TASKS_TEXT_H
#define AZR_TASKS_TEXT_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

/* A piece of somebody's text, not NUL-terminated. */
typedef struct azr_span {
    const char *text;
    size_t size;
} azr_span;

/* UTF-8 without control characters but tab and line feed? */
bool azr_tasks__is_text(azr_span span);
bool azr_tasks__starts_with(azr_span span, const char *prefix);
/* Without blanks, tabs and line feeds at both ends. */
azr_span azr_tasks__trim(azr_span span);
/* Up to the earliest of the strings (NULL-terminated list), which is not part of it. */
azr_span azr_tasks__cut(azr_span span, const char *const *stops);
/* Takes the first line, without its line feed, off *rest; false when *rest is empty. */
bool azr_tasks__next_line(azr_span *rest, azr_span *out_line);

/* `line` is what stands behind the opening bracket of a call. True when the bracket is closed on
 * this line and only blanks or a comment follow; *out_arguments is what stands between. Knows
 * strings and nested brackets, and nothing else of Python: the literal parser judges the rest. */
bool azr_tasks__call_arguments(azr_span line, azr_span *out_arguments);

/* A line `def f(...) ...:` at the left margin, its brackets closed? Parameters may span lines. */
bool azr_tasks__defines_f(azr_span program);
/* Appends without blanks at the end, then a line feed. */
void azr_tasks__append_program(azr_span program, azr_strbuf *out);
/* Appends white space of any kind as one blank, none at the ends. */
void azr_tasks__append_one_line(azr_span span, azr_strbuf *out);
/* Appends for people: at most 160 bytes, whole characters, "..." when cut. */
void azr_tasks__append_short(const char *text, azr_strbuf *out);

#endif
