/* literal.h: Python literals as values: parse, compare, print. What model-written text may say,
 * read without running anything.
 *
 * Accepted: None, True, False, int (decimal, 0x, 0o, 0b, underscores, any length), float (also inf
 * and nan as float('inf') is NOT accepted; the bare names inf, nan are, since repr prints them),
 * complex (a sum as repr prints it), str and bytes (all prefixes but f; implicit concatenation),
 * list, tuple, dict, set, set(), frozenset(...) as repr prints it, unary + and - on numbers,
 * parentheses, white space, line feeds inside brackets, trailing comments. Limits: text
 * AZR_LITERAL_MAX_BYTES, depth AZR_LITERAL_MAX_DEPTH. */
#ifndef AZR_LITERAL_H
#define AZR_LITERAL_H

#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { AZR_LITERAL_MAX_BYTES = 1 << 20, AZR_LITERAL_MAX_DEPTH = 100 };

typedef struct azr_literal azr_literal;

/* One literal that fills the text but for white space. *out: azr_literal_destroy. Errors name the
 * byte offset and what was expected there. */
azr_status azr_literal_parse(const char *text, size_t size, azr_literal **out, azr_error *error);
/* The text between the brackets of a call: positional literals, then name=literal; may be empty.
 * The canonical form prints as such a text. Repeated keywords, *args and ** are refused. */
azr_status azr_arguments_parse(const char *text, size_t size, azr_literal **out, azr_error *error);
void azr_literal_destroy(azr_literal *literal);

/* Python's ==: 1 == 1.0 == True, -0.0 == 0.0, list != tuple, sets and dicts without order, NaN
 * unequal to all (also inside containers, by value). Huge ints exact, int against float exact. */
bool azr_literal_equal(const azr_literal *a, const azr_literal *b);
/* Canonical text (as Python's repr, sets sorted by text); free with azr_free. */
char *azr_literal_print(const azr_literal *literal);
/* "int", "str", "list", ..., "arguments". */
const char *azr_literal_type(const azr_literal *literal);
/* Number of positional arguments and of keyword arguments of an arguments value. */
size_t azr_arguments_count(const azr_literal *arguments);

#endif
