/* literal.h: Python literals as values: parse, compare, print. What model-written text may say,
 * read without running anything.
 *
 * Accepted is what ast.literal_eval accepts: None, True, False, int (decimal, 0x, 0o, 0b,
 * underscores), float, complex (a sum as repr prints it), str and bytes (all prefixes but f;
 * implicit concatenation), list, tuple (also 1, 2 without parentheses), dict, set, set(), one sign
 * before a number, parentheses, white space, line feeds inside brackets, comments; but for
 * \N{...} and Ellipsis. Besides it what repr prints: inf, nan (not float('inf')) and
 * frozenset({...}). Limits: text AZR_LITERAL_MAX_BYTES, depth AZR_LITERAL_MAX_DEPTH, 2^18 values,
 * integers of 4300 digits as in CPython. Time is at most n log n in the size of the text for each
 * level of nesting, whatever the text. */
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

/* Python's ==: 1 == 1.0 == True, -0.0 == 0.0, list != tuple, {1} == frozenset({1}), sets and dicts
 * without order, NaN unequal to all (also inside containers, by value). Huge ints exact, int
 * against float exact. Arguments: positional in order, keywords without. */
bool azr_literal_equal(const azr_literal *a, const azr_literal *b);
/* Canonical text: as Python's repr, but sets sorted by text, and zeros of complex numbers without
 * sign (which repr prints such that it does not read back). Parsing it gives the same text again;
 * free with azr_free. */
char *azr_literal_print(const azr_literal *literal);
/* "int", "str", "list", ..., "arguments". */
const char *azr_literal_type(const azr_literal *literal);
/* Number of arguments, positional and keyword ones together. */
size_t azr_arguments_count(const azr_literal *arguments);
/* An argument list of the same types with other values, in one of AZR_N_VARIANTS ways; canonical,
 * azr_free. Some stay as they are (None). NULL when it would be over the limits. */
enum { AZR_N_VARIANTS = 4 };
char *azr_arguments_vary(const azr_literal *arguments, unsigned variant);
/* From the value ((positional, ...), {'name': named, ...}) to the argument list; canonical,
 * azr_free. NULL when the value is no such pair. */
char *azr_arguments_of_call(const azr_literal *pair);
/* Is argument i, positional ones first, that value, of the same type? */
bool azr_arguments_have(const azr_literal *arguments, size_t i, const azr_literal *value);

#endif
