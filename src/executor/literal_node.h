/* literal_node.h: what a parsed Python literal is made of. Nodes lie in one arena and never change
 * after parsing. Sets and dicts carry their members sorted by azr_literal__order, so that equality
 * is one walk side by side. */
#ifndef AZR_EXECUTOR_LITERAL_NODE_H
#define AZR_EXECUTOR_LITERAL_NODE_H

#include "azr/literal.h"
#include "base/memory.h"
#include "base/strbuf.h"

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

/* A pair of a dict, or a keyword argument (its key is a STR). */
typedef struct azr_literal_entry {
    const azr_literal *key, *value;
    size_t i_order; /* place in the text */
} azr_literal_entry;

struct azr_literal {
    azr_arena *arena; /* of the root only: holds all nodes */
    azr_literal_kind kind;
    bool negative; /* INT; never of 0 */
    bool has_nan;  /* here or in any member: then equal to nothing */
    bool hashable; /* may be a key or a set's member */
    /* FLOAT, COMPLEX; of INT and BOOL the nearest double, which may be infinite. */
    double real, imag;
    /* STR: UTF-8, surrogates in three bytes each. BYTES: as they are. INT, BOOL: decimal digits of
     * the absolute value without leading zeros. */
    const char *bytes;
    size_t size;
    /* LIST, TUPLE, positional ARGUMENTS: in order. SET, FROZENSET: sorted, without repeats. */
    const azr_literal **items;
    size_t n_items;
    /* DICT and keywords of ARGUMENTS: in order of the text, and sorted by key. */
    azr_literal_entry *entries, *sorted;
    size_t n_entries;
};

/* CPython refuses to read or print decimal integers with more digits. */
enum { AZR_LITERAL_MAX_DIGITS = 4300 };

/* A total order that agrees with Python's == (nodes with NaN aside): < 0, 0, > 0. */
int azr_literal__order(const azr_literal *a, const azr_literal *b);

/* Sorts and removes repeats: Python keeps a set's first equal member, and of a dict's equal keys
 * the first key with the last value. */
void azr_literal__finish_set(azr_literal *set);
void azr_literal__finish_dict(azr_literal *dict, azr_arena *arena);

/* Texts as Python's repr has them; the first of any value, canonical. */
void azr_literal__print(azr_strbuf *out, const azr_literal *x);
void azr_literal__print_float(azr_strbuf *out, double x);
void azr_literal__print_complex(azr_strbuf *out, double real, double imag);
/* One character of a str between quotes, escaped where repr does. */
void azr_literal__print_code_point(azr_strbuf *out, uint32_t code_point, char quote);
void azr_literal__print_str(azr_strbuf *out, const char *utf8, size_t size);
void azr_literal__print_bytes(azr_strbuf *out, const char *bytes, size_t size);
/* As it is; a surrogate takes three bytes like its neighbours. */
void azr_literal__append_utf8(azr_strbuf *out, uint32_t code_point);
/* Bytes of the UTF-8 character at the beginning; 0 when there is none. size > 0. */
size_t azr_literal__utf8_size(const char *text, size_t size);
bool azr_literal__printable(uint32_t code_point);

#endif
