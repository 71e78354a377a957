/* literal.c: trees of Python literals: making, comparing, hashing. */
#include "executor/literal_tree.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

azr_literal *azr_literal__create(azr_literal_kind kind)
{
    azr_literal *literal = azr_alloc(1, sizeof *literal);
    literal->kind = kind;
    return literal;
}

void azr_literal__set_text(azr_literal *literal, const char *text, size_t size)
{
    azr_free(literal->text);
    literal->text = azr_copy_text(text, size);
    literal->size = size;
}

void azr_literal__append(azr_literal *literal, azr_literal *item)
{
    if (literal->n_items == literal->capacity) {
        literal->capacity = literal->capacity > 0 ? 2 * literal->capacity : 4;
        literal->items = azr_realloc(literal->items, literal->capacity, sizeof(azr_literal *));
    }
    literal->items[literal->n_items++] = item;
}

void azr_literal_destroy(azr_literal *literal)
{
    if (literal == NULL)
        return;
    for (size_t i = 0; i < literal->n_items; i++)
        azr_literal_destroy(literal->items[i]);
    azr_free(literal->items);
    azr_free(literal->text);
    azr_free(literal);
}

const char *azr_literal_type(const azr_literal *literal)
{
    static const char *const names[] = {
        [AZR_LITERAL_NONE] = "NoneType",
        [AZR_LITERAL_BOOL] = "bool",
        [AZR_LITERAL_INT] = "int",
        [AZR_LITERAL_FLOAT] = "float",
        [AZR_LITERAL_COMPLEX] = "complex",
        [AZR_LITERAL_STR] = "str",
        [AZR_LITERAL_BYTES] = "bytes",
        [AZR_LITERAL_LIST] = "list",
        [AZR_LITERAL_TUPLE] = "tuple",
        [AZR_LITERAL_SET] = "set",
        [AZR_LITERAL_FROZENSET] = "frozenset",
        [AZR_LITERAL_DICT] = "dict",
        [AZR_LITERAL_ARGUMENTS] = "arguments",
    };
    return names[literal->kind];
}

size_t azr_arguments_count(const azr_literal *arguments)
{
    return arguments->n_positional + (arguments->n_items - arguments->n_positional) / 2;
}

bool azr_literal__is_hashable(const azr_literal *literal)
{
    if (literal->kind == AZR_LITERAL_LIST || literal->kind == AZR_LITERAL_SET ||
        literal->kind == AZR_LITERAL_DICT)
        return false;
    if (literal->kind == AZR_LITERAL_TUPLE)
        for (size_t i = 0; i < literal->n_items; i++)
            if (!azr_literal__is_hashable(literal->items[i]))
                return false;
    return true;
}

/* --- numbers ---------------------------------------------------------------------------------- */

enum { MAX_DOUBLE_DIGITS = 340 };

/* The exact integer that a double is, as INT's text; false when it is none. */
static bool integer_text(double value, char out[MAX_DOUBLE_DIGITS])
{
    if (!isfinite(value) || value != floor(value))
        return false;
    snprintf(out, MAX_DOUBLE_DIGITS, "%.0f", value == 0.0 ? 0.0 : value);
    return true;
}

static bool is_number(const azr_literal *literal)
{
    return literal->kind >= AZR_LITERAL_BOOL && literal->kind <= AZR_LITERAL_COMPLEX;
}

static bool numbers_equal(const azr_literal *a, const azr_literal *b)
{
    if (a->kind == AZR_LITERAL_INT && b->kind == AZR_LITERAL_INT)
        return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
    if (a->kind != AZR_LITERAL_INT && b->kind != AZR_LITERAL_INT)
        return a->real == b->real && a->imaginary == b->imaginary;
    const azr_literal *integer = a->kind == AZR_LITERAL_INT ? a : b;
    const azr_literal *other = a->kind == AZR_LITERAL_INT ? b : a;
    char text[MAX_DOUBLE_DIGITS];
    return other->imaginary == 0.0 && integer_text(other->real, text) &&
           strcmp(text, integer->text) == 0;
}

/* --- hashes ----------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 0x100000001B3U;
    return hash;
}

static uint64_t spread(uint64_t hash)
{
    hash = (hash ^ hash >> 31) * 0x9E3779B97F4A7C15U;
    return hash ^ hash >> 29;
}

static uint64_t hash_number(const azr_literal *literal)
{
    char text[MAX_DOUBLE_DIGITS];
    if (literal->kind == AZR_LITERAL_INT)
        return hash_bytes(1, literal->text, literal->size);
    if (literal->imaginary == 0.0 && integer_text(literal->real, text))
        return hash_bytes(1, text, strlen(text));
    double parts[2] = {literal->real + 0.0, literal->imaginary + 0.0};
    return hash_bytes(2, parts, sizeof parts);
}

void azr_literal__hash(azr_literal *literal)
{
    uint64_t hash =
        is_number(literal) ? hash_number(literal) : hash_bytes(0, literal->text, literal->size);
    bool unordered = literal->kind == AZR_LITERAL_SET || literal->kind == AZR_LITERAL_FROZENSET;
    uint64_t tag = is_number(literal) ? 0 : unordered ? 100 : (uint64_t)literal->kind;
    for (size_t i = 0; i < literal->n_items; i++) {
        azr_literal__hash(literal->items[i]);
        uint64_t item = literal->items[i]->hash;
        if (literal->kind == AZR_LITERAL_DICT && i % 2 == 1)
            hash += spread(literal->items[i - 1]->hash * 31 + item);
        else if (unordered)
            hash += spread(item);
        else if (literal->kind != AZR_LITERAL_DICT)
            hash = spread(hash * 31 + item);
    }
    literal->hash = spread(hash + tag * 0x632BE59BD9B4E019U);
}

/* --- equality --------------------------------------------------------------------------------- */

/* A member of a set or a pair of a dict. */
typedef struct entry {
    const azr_literal *key;
    azr_literal *value; /* NULL in a set */
    size_t index;
    bool dropped;
} entry;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->key->hash != y->key->hash)
        return x->key->hash < y->key->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static entry *sort_entries(const azr_literal *literal, size_t *out_n)
{
    size_t stride = literal->kind == AZR_LITERAL_DICT ? 2 : 1, n = literal->n_items / stride;
    entry *entries = azr_alloc(n, sizeof *entries);
    for (size_t i = 0; i < n; i++)
        entries[i] = (entry){.key = literal->items[i * stride],
                             .value = stride == 2 ? literal->items[i * 2 + 1] : NULL,
                             .index = i};
    qsort(entries, n, sizeof *entries, compare_entries);
    *out_n = n;
    return entries;
}

/* Each entry of a finds an equal one in b among those with its hash. Keys are distinct, and both
 * have the same number. */
static bool unordered_equal(const azr_literal *a, const azr_literal *b)
{
    if (a->n_items != b->n_items)
        return false;
    size_t n;
    entry *x = sort_entries(a, &n), *y = sort_entries(b, &n);
    bool equal = true;
    for (size_t i = 0, low = 0; equal && i < n; i++) {
        while (low < n && y[low].key->hash < x[i].key->hash)
            low++;
        bool found = false;
        for (size_t j = low; !found && j < n && y[j].key->hash == x[i].key->hash; j++)
            found = azr_literal_equal(x[i].key, y[j].key) &&
                    (x[i].value == NULL || azr_literal_equal(x[i].value, y[j].value));
        equal = found;
    }
    azr_free(x);
    azr_free(y);
    return equal;
}

static bool is_set(const azr_literal *literal)
{
    return literal->kind == AZR_LITERAL_SET || literal->kind == AZR_LITERAL_FROZENSET;
}

bool azr_literal_equal(const azr_literal *a, const azr_literal *b)
{
    if (is_number(a) && is_number(b))
        return numbers_equal(a, b);
    if (is_set(a) && is_set(b))
        return unordered_equal(a, b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case AZR_LITERAL_NONE:
        return true;
    case AZR_LITERAL_STR:
    case AZR_LITERAL_BYTES:
        return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
    case AZR_LITERAL_DICT:
        return unordered_equal(a, b);
    default:
        break;
    }
    if (a->n_items != b->n_items || a->n_positional != b->n_positional)
        return false;
    for (size_t i = 0; i < a->n_items; i++)
        if (!azr_literal_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

void azr_literal__drop_duplicates(azr_literal *literal)
{
    size_t stride = literal->kind == AZR_LITERAL_DICT ? 2 : 1, n, n_kept = 0;
    entry *entries = sort_entries(literal, &n);
    bool *dropped = azr_alloc(n, sizeof *dropped);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j > 0 && entries[j - 1].key->hash == entries[i].key->hash; j--) {
            entry *earlier = &entries[j - 1];
            if (earlier->dropped || !azr_literal_equal(earlier->key, entries[i].key))
                continue;
            entries[i].dropped = dropped[entries[i].index] = true;
            if (stride == 2) {
                azr_literal **slot = &literal->items[earlier->index * 2 + 1];
                azr_literal **later = &literal->items[entries[i].index * 2 + 1];
                azr_literal *old = *slot;
                *slot = *later;
                *later = old;
            }
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < stride; k++) {
            azr_literal *item = literal->items[i * stride + k];
            if (dropped[i])
                azr_literal_destroy(item);
            else
                literal->items[n_kept++] = item;
        }
    }
    literal->n_items = n_kept;
    azr_free(dropped);
    azr_free(entries);
}
