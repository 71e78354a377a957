/* literal_tree.h: how a Python literal lies in memory. Private to executor/. */
#ifndef AZR_EXECUTOR_LITERAL_TREE_H
#define AZR_EXECUTOR_LITERAL_TREE_H

#include "azr/literal.h"

#include <stdint.h>

typedef enum azr_literal_kind {
    AZR_LITERAL_NONE,
    AZR_LITERAL_BOOL,
    AZR_LITERAL_INT,
    AZR_LITERAL_FLOAT,
    AZR_LITERAL_COMPLEX,
    AZR_LITERAL_STR,
    AZR_LITERAL_BYTES,
    AZR_LITERAL_LIST,
    AZR_LITERAL_TUPLE,
    AZR_LITERAL_SET,
    AZR_LITERAL_FROZENSET,
    AZR_LITERAL_DICT,
    AZR_LITERAL_ARGUMENTS,
} azr_literal_kind;

/* A decimal int has at most this many digits, as in CPython. */
enum { AZR_LITERAL_MAX_DIGITS = 4300 };

struct azr_literal {
    azr_literal_kind kind;
    double real, imaginary; /* FLOAT: real; COMPLEX: both; BOOL: real is 0 or 1 */
    char *text;          /* INT: decimal digits, '-' before a negative one, no leading zeros; STR:
                            UTF-8, surrogates as three bytes each; BYTES: the bytes */
    size_t size;         /* of text */
    azr_literal **items; /* DICT: key, value, key, value ...; ARGUMENTS: positional ones, then
                            name (a STR), value, name, value ... */
    size_t n_items, capacity;
    size_t n_positional; /* ARGUMENTS */
    uint64_t hash;       /* equal values, equal hash; set by azr_literal__hash */
};

azr_literal *azr_literal__create(azr_literal_kind kind);
void azr_literal__set_text(azr_literal *literal, const char *text, size_t size);
void azr_literal__append(azr_literal *literal, azr_literal *item);
/* Only these can be members of a set or keys of a dict. */
bool azr_literal__is_hashable(const azr_literal *literal);
/* Sets hashes in the whole tree; must run before azr_literal_equal. */
void azr_literal__hash(azr_literal *literal);
/* Drops members (of a set) or pairs (of a dict) whose key equals an earlier one; a dict's earlier
 * key keeps its place and takes the later value. Hashes must be set. */
void azr_literal__drop_duplicates(azr_literal *literal);
/* Shortest decimal text that reads back as the same double, as Python's repr; with_point adds ".0"
 * where the text would read as an int. */
void azr_literal__print_double(double value, bool with_point, char out[40]);

#endif
