/* arguments_other.c: other arguments than those written: of the same types with other values, to
 * see whether a program cares; from a call that was made. */
#include "executor/literal_node.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void vary(azr_strbuf *out, const azr_literal *x, unsigned variant);

/* Integers of up to 15 digits are computed with; of longer ones the last digits change. */
static void vary_int(azr_strbuf *out, const azr_literal *x, unsigned variant)
{
    enum { FEW_DIGITS = 15 };
    if (x->size > FEW_DIGITS) {
        azr_strbuf_puts(out, x->negative ? "-" : "");
        azr_strbuf_append(out, x->bytes, x->size - 1);
        azr_strbuf_printf(out, "%u", ((unsigned)(x->bytes[x->size - 1] - '0') + 1 + variant) % 10);
        return;
    }
    char digits[FEW_DIGITS + 1] = "";
    memcpy(digits, x->bytes, x->size);
    int64_t value = strtoll(digits, NULL, 10);
    value = x->negative ? -value : value;
    static const int64_t factors[AZR_N_VARIANTS] = {1, -1, 2, 3},
                         terms[AZR_N_VARIANTS] = {1, -2, 3, 10};
    azr_strbuf_printf(out, "%" PRId64, factors[variant] * value + terms[variant]);
}

static void vary_real(azr_strbuf *out, double x, unsigned variant)
{
    static const double factors[AZR_N_VARIANTS] = {1, -1, 2, 3},
                        terms[AZR_N_VARIANTS] = {1.5, -2.5, 3, 10.25};
    double y = factors[variant] * x + terms[variant];
    azr_literal__print_float(out, isfinite(y) ? y : (double)variant);
}

/* Of UTF-8 and bytes alike: more at the end; more at the start; twice; without the first half. */
static void vary_text(azr_strbuf *out, const azr_literal *x, unsigned variant)
{
    azr_strbuf text = {0};
    size_t half = x->size / 2;
    while (half < x->size && x->kind == AZR_LITERAL_STR && (x->bytes[half] & 0xC0) == 0x80)
        half++;
    if (variant == 1)
        azr_strbuf_puts(&text, "Z3 ");
    if (variant != 3)
        azr_strbuf_append(&text, x->bytes, x->size);
    if (variant == 2)
        azr_strbuf_append(&text, x->bytes, x->size);
    if (variant == 3)
        azr_strbuf_append(&text, x->bytes + half, x->size - half);
    if (variant == 0 || text.size == x->size)
        azr_strbuf_puts(&text, "b7");
    if (x->kind == AZR_LITERAL_STR)
        azr_literal__print_str(out, text.data, text.size);
    else
        azr_literal__print_bytes(out, text.data, text.size);
    azr_strbuf_deinit(&text);
}

/* Members varied; then one more, the first left out, all backwards, or as many. */
static void vary_items(azr_strbuf *out, const azr_literal *x, unsigned variant)
{
    if (x->n_items == 0)
        azr_strbuf_printf(out, "%u, ", variant);
    size_t first = variant == 1 && x->n_items > 1 ? 1 : 0;
    for (size_t i = first; i < x->n_items; i++) {
        const azr_literal *item = x->items[variant == 2 ? x->n_items - 1 - i : i];
        vary(out, item, variant);
        azr_strbuf_puts(out, ", ");
    }
    if (variant == 0 && x->n_items > 0) {
        azr_literal__print(out, x->items[0]);
        azr_strbuf_puts(out, ", ");
    }
}

static void vary_dict(azr_strbuf *out, const azr_literal *x, unsigned variant)
{
    azr_strbuf_puts(out, "{");
    if (x->n_entries == 0)
        azr_strbuf_printf(out, "'k': %u", variant);
    for (size_t i = 0; i < x->n_entries; i++) {
        if (variant % 2 == 1)
            vary(out, x->entries[i].key, variant);
        else
            azr_literal__print(out, x->entries[i].key);
        azr_strbuf_puts(out, ": ");
        vary(out, x->entries[i].value, variant);
        azr_strbuf_puts(out, ", ");
    }
    azr_strbuf_puts(out, "}");
}

static void vary(azr_strbuf *out, const azr_literal *x, unsigned variant)
{
    switch (x->kind) {
    case AZR_LITERAL_NONE:
        azr_strbuf_puts(out, "None");
        break;
    case AZR_LITERAL_BOOL:
        azr_strbuf_puts(out, (x->real != 0) == (variant % 2 == 1) ? "True" : "False");
        break;
    case AZR_LITERAL_INT:
        vary_int(out, x, variant);
        break;
    case AZR_LITERAL_FLOAT:
        vary_real(out, x->real, variant);
        break;
    case AZR_LITERAL_COMPLEX:
        azr_literal__print_complex(out, x->real + variant, x->imag + 1.0);
        break;
    case AZR_LITERAL_STR:
    case AZR_LITERAL_BYTES:
        vary_text(out, x, variant);
        break;
    case AZR_LITERAL_LIST:
        azr_strbuf_puts(out, "[");
        vary_items(out, x, variant);
        azr_strbuf_puts(out, "]");
        break;
    case AZR_LITERAL_TUPLE:
        azr_strbuf_puts(out, "(");
        vary_items(out, x, variant);
        azr_strbuf_puts(out, ")");
        break;
    case AZR_LITERAL_SET:
    case AZR_LITERAL_FROZENSET: {
        bool frozen = x->kind == AZR_LITERAL_FROZENSET;
        azr_strbuf_puts(out, frozen ? "frozenset({" : "{");
        vary_items(out, x, variant);
        azr_strbuf_puts(out, frozen ? "})" : "}");
        break;
    }
    case AZR_LITERAL_DICT:
        vary_dict(out, x, variant);
        break;
    case AZR_LITERAL_ARGUMENTS:
        for (size_t i = 0; i < x->n_items; i++) {
            vary(out, x->items[i], variant);
            azr_strbuf_puts(out, ", ");
        }
        for (size_t i = 0; i < x->n_entries; i++) {
            azr_strbuf_append(out, x->entries[i].key->bytes, x->entries[i].key->size);
            azr_strbuf_puts(out, "=");
            vary(out, x->entries[i].value, variant);
            azr_strbuf_puts(out, ", ");
        }
        break;
    }
}

char *azr_arguments_vary(const azr_literal *arguments, unsigned variant)
{
    azr_strbuf text = {0};
    vary(&text, arguments, variant);
    azr_literal *literal = NULL;
    char *canonical = NULL;
    if (azr_arguments_parse(azr_strbuf_text(&text), text.size, &literal, NULL) == AZR_OK)
        canonical = azr_literal_print(literal);
    azr_literal_destroy(literal);
    azr_strbuf_deinit(&text);
    return canonical;
}

char *azr_arguments_of_call(const azr_literal *pair)
{
    if (pair->kind != AZR_LITERAL_TUPLE || pair->n_items != 2 ||
        pair->items[0]->kind != AZR_LITERAL_TUPLE || pair->items[1]->kind != AZR_LITERAL_DICT)
        return NULL;
    const azr_literal *values = pair->items[0], *named = pair->items[1];
    azr_strbuf text = {0};
    bool good = true;
    for (size_t i = 0; i < values->n_items; i++) {
        azr_literal__print(&text, values->items[i]);
        azr_strbuf_puts(&text, ", ");
    }
    for (size_t i = 0; i < named->n_entries; i++) {
        const azr_literal *key = named->entries[i].key;
        good = good && key->kind == AZR_LITERAL_STR;
        azr_strbuf_append(&text, good ? key->bytes : "", good ? key->size : 0);
        azr_strbuf_puts(&text, "=");
        azr_literal__print(&text, named->entries[i].value);
        azr_strbuf_puts(&text, ", ");
    }
    /* A name that is none does not read back. */
    azr_literal *literal = NULL;
    if (good)
        azr_arguments_parse(azr_strbuf_text(&text), text.size, &literal, NULL);
    char *canonical = literal != NULL ? azr_literal_print(literal) : NULL;
    azr_literal_destroy(literal);
    azr_strbuf_deinit(&text);
    return canonical;
}

bool azr_arguments_have(const azr_literal *arguments, size_t i, const azr_literal *value)
{
    const azr_literal *own = i < arguments->n_items
                                 ? arguments->items[i]
                                 : arguments->entries[i - arguments->n_items].value;
    return own->kind == value->kind && azr_literal_equal(own, value);
}
