/* arguments.c: writes an argument list as bytes. */
#include "executor/arguments.h"

#include "executor/literal_node.h"

static void append_u32(azr_strbuf *out, size_t value)
{
    uint32_t small = (uint32_t)value; /* a literal has at most 2^20 bytes */
    azr_strbuf_append(out, (const char *)&small, sizeof small);
}

static void append_text(azr_strbuf *out, const azr_literal *x)
{
    append_u32(out, x->size);
    azr_strbuf_append(out, x->bytes, x->size);
}

static void append_entries(azr_strbuf *out, const azr_literal *x)
{
    append_u32(out, x->n_entries);
    for (size_t i = 0; i < x->n_entries; i++) {
        azr_exec__arguments_encode(x->entries[i].key, out);
        azr_exec__arguments_encode(x->entries[i].value, out);
    }
}

static void append_items(azr_strbuf *out, const azr_literal *x)
{
    append_u32(out, x->n_items);
    for (size_t i = 0; i < x->n_items; i++)
        azr_exec__arguments_encode(x->items[i], out);
}

void azr_exec__arguments_encode(const azr_literal *x, azr_strbuf *out)
{
    azr_strbuf_append(out, &(char){(char)x->kind}, 1);
    switch (x->kind) {
    case AZR_LITERAL_NONE:
        break;
    case AZR_LITERAL_BOOL:
        azr_strbuf_append(out, x->bytes, 1);
        break;
    case AZR_LITERAL_INT:
        azr_strbuf_append(out, x->negative ? "-" : "+", 1);
        append_text(out, x);
        break;
    case AZR_LITERAL_FLOAT:
        azr_strbuf_append(out, (const char *)&x->real, sizeof x->real);
        break;
    case AZR_LITERAL_COMPLEX:
        azr_strbuf_append(out, (const char *)&x->real, sizeof x->real);
        azr_strbuf_append(out, (const char *)&x->imag, sizeof x->imag);
        break;
    case AZR_LITERAL_STR:
    case AZR_LITERAL_BYTES:
        append_text(out, x);
        break;
    case AZR_LITERAL_LIST:
    case AZR_LITERAL_TUPLE:
    case AZR_LITERAL_SET:
    case AZR_LITERAL_FROZENSET:
        append_items(out, x);
        break;
    case AZR_LITERAL_DICT:
        append_entries(out, x);
        break;
    case AZR_LITERAL_ARGUMENTS:
        append_items(out, x);
        append_entries(out, x);
        break;
    }
}
