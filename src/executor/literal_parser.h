/* literal_parser.h: the state of reading a literal, shared by the files that read its parts. */
#ifndef AZR_EXECUTOR_LITERAL_PARSER_H
#define AZR_EXECUTOR_LITERAL_PARSER_H

#include "executor/literal_node.h"

enum { AZR_LITERAL_MAX_NODES = 1 << 18 };

/* azr_literal_parse with other limits, for values that only go from one process of the sandbox to
 * another. */
azr_status azr_literal__parse_within(const char *text, size_t size, size_t max_bytes,
                                     size_t max_nodes, azr_literal **out, azr_error *error);

typedef struct azr_literal_parser {
    const char *text;
    size_t size, at;
    int depth; /* open brackets; line feeds are white space inside them */
    size_t n_nodes, max_nodes;
    azr_arena *arena;
    azr_error *error;
    azr_status status;           /* of what failed */
    azr_strbuf scratch;          /* digits of the number being read */
    const azr_literal **pending; /* members of the containers being read */
    size_t n_pending, capacity;
} azr_literal_parser;

/* The byte at distance ahead, 0 behind the end (the text holds no NUL). */
static inline char azr_literal__peek(const azr_literal_parser *p, size_t ahead)
{
    return p->at + ahead < p->size ? p->text[p->at + ahead] : '\0';
}

/* All return NULL (or false) after one of these two has set the error. */
void *azr_literal__fail(azr_literal_parser *p, const char *expected);
void *azr_literal__exceed(azr_literal_parser *p, const char *limit);
azr_literal *azr_literal__node(azr_literal_parser *p, azr_literal_kind kind);
bool azr_literal__is_name(char c); /* may stand inside an identifier */
bool azr_literal__is_digit(char c, int base);
void azr_literal__skip(azr_literal_parser *p); /* white space and comments */

/* At a digit, or a point before a digit: an unsigned INT, FLOAT or (imaginary) COMPLEX. */
azr_literal *azr_literal__number(azr_literal_parser *p);
/* Is there a string literal here, with or without prefix? An f-string is none. */
bool azr_literal__at_string(const azr_literal_parser *p);
/* One or more adjacent string literals. */
azr_literal *azr_literal__string(azr_literal_parser *p);

#endif
