/* literal_order.c: one total order over literals that agrees with Python's equality; sets and dicts
 * are sorted by it once, so that members are found equal without hashing (text made by a model can
 * aim at a hash, not at an order). */
#include "executor/literal_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers ---------------------------------------------------------------------------------- */

static int order_sizes(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int order_bytes(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t n = n_a < n_b ? n_a : n_b;
    int order = n > 0 ? memcmp(a, b, n) : 0;
    return order != 0 ? order : order_sizes(n_a, n_b);
}

/* NaN stands behind all other numbers and beside itself: an order only, no equality. */
static int order_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static bool is_integer(const azr_literal *x)
{
    return x->kind == AZR_LITERAL_INT || x->kind == AZR_LITERAL_BOOL;
}

static int order_digits(const char *a, size_t n_a, const char *b, size_t n_b)
{
    return n_a != n_b ? order_sizes(n_a, n_b) : memcmp(a, b, n_a);
}

/* An integer against a float, exactly. Rounding to the nearest double keeps the order, so only
 * when the rounded integer is that float are the digits needed. */
static int order_mixed(const azr_literal *integer, double x)
{
    int order = order_doubles(integer->real, x);
    if (order != 0 || integer->size < 16)
        return order;
    if (isinf(x))
        return x > 0 ? -1 : 1;
    char digits[400];
    int n = snprintf(digits, sizeof digits, "%.0f", fabs(x)); /* |x| > 2^52: it has no fraction */
    order = order_digits(integer->bytes, integer->size, digits, (size_t)n);
    return integer->negative ? -order : order;
}

static int order_numbers(const azr_literal *a, const azr_literal *b)
{
    int order;
    if (is_integer(a) && is_integer(b)) {
        if (a->negative != b->negative)
            return a->negative ? -1 : 1;
        order = order_digits(a->bytes, a->size, b->bytes, b->size);
        return a->negative ? -order : order;
    }
    if (is_integer(a))
        order = order_mixed(a, b->real);
    else if (is_integer(b))
        order = -order_mixed(b, a->real);
    else
        order = order_doubles(a->real, b->real);
    return order != 0 ? order : order_doubles(a->imag, b->imag);
}

/* --- all kinds -------------------------------------------------------------------------------- */

/* Kinds of one rank can be equal. */
static int rank(azr_literal_kind kind)
{
    switch (kind) {
    case AZR_LITERAL_BOOL:
    case AZR_LITERAL_INT:
    case AZR_LITERAL_FLOAT:
        return AZR_LITERAL_COMPLEX;
    case AZR_LITERAL_SET:
        return AZR_LITERAL_FROZENSET;
    default:
        return kind;
    }
}

static int order_items(const azr_literal *a, const azr_literal *b)
{
    if (a->n_items != b->n_items)
        return order_sizes(a->n_items, b->n_items);
    for (size_t i = 0; i < a->n_items; i++) {
        int order = azr_literal__order(a->items[i], b->items[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

static int order_entries(const azr_literal *a, const azr_literal *b)
{
    if (a->n_entries != b->n_entries)
        return order_sizes(a->n_entries, b->n_entries);
    for (size_t i = 0; i < a->n_entries; i++) {
        int order = azr_literal__order(a->sorted[i].key, b->sorted[i].key);
        if (order == 0)
            order = azr_literal__order(a->sorted[i].value, b->sorted[i].value);
        if (order != 0)
            return order;
    }
    return 0;
}

int azr_literal__order(const azr_literal *a, const azr_literal *b)
{
    int rank_a = rank(a->kind), rank_b = rank(b->kind);
    if (rank_a != rank_b)
        return rank_a < rank_b ? -1 : 1;
    switch (a->kind) {
    case AZR_LITERAL_NONE:
        return 0;
    case AZR_LITERAL_BOOL:
    case AZR_LITERAL_INT:
    case AZR_LITERAL_FLOAT:
    case AZR_LITERAL_COMPLEX:
        return order_numbers(a, b);
    case AZR_LITERAL_STR:
    case AZR_LITERAL_BYTES:
        return order_bytes(a->bytes, a->size, b->bytes, b->size);
    case AZR_LITERAL_DICT:
        return order_entries(a, b);
    default: {
        int order = order_items(a, b);
        return order != 0 ? order : order_entries(a, b);
    }
    }
}

bool azr_literal_equal(const azr_literal *a, const azr_literal *b)
{
    return !a->has_nan && !b->has_nan && azr_literal__order(a, b) == 0;
}

/* --- sets and dicts --------------------------------------------------------------------------- */

/* qsort may be unstable; the place in the text decides between equal ones. */
static int compare_entries(const void *a, const void *b)
{
    const azr_literal_entry *x = a, *y = b;
    int order = azr_literal__order(x->key, y->key);
    return order != 0 ? order : order_sizes(x->i_order, y->i_order);
}

static int compare_places(const void *a, const void *b)
{
    const azr_literal_entry *x = a, *y = b;
    return order_sizes(x->i_order, y->i_order);
}

/* Sorts, and keeps of equal keys the first key and the last value. Returns the number left. */
static size_t sort_entries(azr_literal_entry *entries, size_t n)
{
    if (n == 0)
        return 0;
    qsort(entries, n, sizeof *entries, compare_entries);
    size_t n_kept = 1;
    for (size_t i = 1; i < n; i++) {
        azr_literal_entry *last = &entries[n_kept - 1];
        if (azr_literal_equal(last->key, entries[i].key))
            last->value = entries[i].value;
        else
            entries[n_kept++] = entries[i];
    }
    return n_kept;
}

void azr_literal__finish_set(azr_literal *set)
{
    if (set->n_items < 2)
        return;
    azr_literal_entry *entries = azr_alloc(set->n_items, sizeof *entries);
    for (size_t i = 0; i < set->n_items; i++)
        entries[i] = (azr_literal_entry){.key = set->items[i], .i_order = i};
    set->n_items = sort_entries(entries, set->n_items);
    for (size_t i = 0; i < set->n_items; i++)
        set->items[i] = entries[i].key;
    azr_free(entries);
}

void azr_literal__finish_dict(azr_literal *dict, azr_arena *arena)
{
    size_t n = dict->n_entries;
    dict->sorted = azr_arena_alloc(arena, n, sizeof(azr_literal_entry));
    if (n > 0)
        memcpy(dict->sorted, dict->entries, n * sizeof(azr_literal_entry));
    dict->n_entries = sort_entries(dict->sorted, n);
    if (dict->n_entries == 0)
        return;
    memcpy(dict->entries, dict->sorted, dict->n_entries * sizeof(azr_literal_entry));
    qsort(dict->entries, dict->n_entries, sizeof(azr_literal_entry), compare_places);
}
