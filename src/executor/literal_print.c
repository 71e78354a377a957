/* literal_print.c: a literal as Python's repr writes it (sets sorted by text). */
#include "executor/literal_tree.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void azr_literal__print_double(double value, bool with_point, char out[40])
{
    if (isnan(value) || isinf(value)) {
        snprintf(out, 40, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    char digits[32];
    int precision = 0;
    do
        snprintf(digits, sizeof digits, "%.*e", precision++, value);
    while (precision < 17 && strtod(digits, NULL) != value);
    char *e = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) {
        *e = '\0';
        snprintf(out, 40, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent) % 1000);
        return;
    }
    int n_digits = precision; /* significant ones */
    int n_fraction = n_digits - 1 - exponent;
    snprintf(out, 40, "%.*f", n_fraction > 0 ? n_fraction : 0, value);
    if (with_point && strchr(out, '.') == NULL)
        memcpy(out + strlen(out), ".0", sizeof ".0");
}

/* --- text ------------------------------------------------------------------------------------- */

/* Decodes one code point, surrogates included; text is well formed in that sense. */
static size_t decode(const char *text, uint32_t *point)
{
    const unsigned char *p = (const unsigned char *)text;
    if (p[0] < 0x80) {
        *point = p[0];
        return 1;
    }
    size_t n = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    *point = p[0] & (0x7FU >> n);
    for (size_t i = 1; i < n; i++)
        *point = *point << 6 | (p[i] & 0x3FU);
    return n;
}

static bool is_printable(uint32_t point)
{
    if (point < 0x7F)
        return point >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return true;
    }
}

static void print_escaped(azr_strbuf *out, uint32_t point, char quote)
{
    if (point == (uint32_t)quote || point == '\\')
        azr_strbuf_printf(out, "\\%c", (char)point);
    else if (point == '\n')
        azr_strbuf_puts(out, "\\n");
    else if (point == '\r')
        azr_strbuf_puts(out, "\\r");
    else if (point == '\t')
        azr_strbuf_puts(out, "\\t");
    else if (point < 0x100)
        azr_strbuf_printf(out, "\\x%02x", point);
    else if (point < 0x10000)
        azr_strbuf_printf(out, "\\u%04x", point);
    else
        azr_strbuf_printf(out, "\\U%08x", point);
}

static void print_quoted(azr_strbuf *out, const azr_literal *literal)
{
    bool is_bytes = literal->kind == AZR_LITERAL_BYTES;
    const char *text = literal->text;
    bool single = memchr(text, '\'', literal->size) != NULL;
    char quote = single && memchr(text, '"', literal->size) == NULL ? '"' : '\'';
    azr_strbuf_printf(out, "%s%c", is_bytes ? "b" : "", quote);
    for (size_t i = 0, n; i < literal->size; i += n) {
        uint32_t point = (unsigned char)text[i];
        n = is_bytes ? 1 : decode(text + i, &point);
        bool plain = is_bytes ? point >= 0x20 && point < 0x7F : is_printable(point);
        if (plain && point != (uint32_t)quote && point != '\\')
            azr_strbuf_append(out, text + i, n);
        else
            print_escaped(out, point, quote);
    }
    azr_strbuf_append(out, &quote, 1);
}

/* --- containers ------------------------------------------------------------------------------- */

static void print(azr_strbuf *out, const azr_literal *literal);

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Members sorted by their texts: one text for equal sets, whatever order made them. */
static void print_members(azr_strbuf *out, const azr_literal *literal)
{
    char **texts = azr_alloc(literal->n_items, sizeof *texts);
    for (size_t i = 0; i < literal->n_items; i++)
        texts[i] = azr_literal_print(literal->items[i]);
    qsort(texts, literal->n_items, sizeof *texts, compare_texts);
    for (size_t i = 0; i < literal->n_items; i++) {
        azr_strbuf_printf(out, "%s%s", i > 0 ? ", " : "", texts[i]);
        azr_free(texts[i]);
    }
    azr_free(texts);
}

static void print_items(azr_strbuf *out, const azr_literal *literal)
{
    for (size_t i = 0; i < literal->n_items; i++) {
        if (i > 0)
            azr_strbuf_puts(out, ", ");
        print(out, literal->items[i]);
    }
}

static void print_pairs(azr_strbuf *out, const azr_literal *literal)
{
    for (size_t i = 0; i + 1 < literal->n_items; i += 2) {
        if (i > 0)
            azr_strbuf_puts(out, ", ");
        print(out, literal->items[i]);
        azr_strbuf_puts(out, ": ");
        print(out, literal->items[i + 1]);
    }
}

static void print_arguments(azr_strbuf *out, const azr_literal *literal)
{
    for (size_t i = 0; i < literal->n_items; i++) {
        if (i > 0)
            azr_strbuf_puts(out, ", ");
        if (i >= literal->n_positional) {
            azr_strbuf_append(out, literal->items[i]->text, literal->items[i]->size);
            azr_strbuf_puts(out, "=");
            i++;
        }
        print(out, literal->items[i]);
    }
}

static void print_complex(azr_strbuf *out, const azr_literal *literal)
{
    char real[40], imaginary[40];
    azr_literal__print_double(literal->real, false, real);
    azr_literal__print_double(literal->imaginary, false, imaginary);
    bool has_sign = imaginary[0] == '-';
    if (literal->real == 0.0 && !signbit(literal->real))
        azr_strbuf_printf(out, "%sj", imaginary);
    else
        azr_strbuf_printf(out, "(%s%s%sj)", real, has_sign ? "" : "+", imaginary);
}

static void print(azr_strbuf *out, const azr_literal *literal)
{
    char number[40];
    switch (literal->kind) {
    case AZR_LITERAL_NONE:
        azr_strbuf_puts(out, "None");
        break;
    case AZR_LITERAL_BOOL:
        azr_strbuf_puts(out, literal->real != 0.0 ? "True" : "False");
        break;
    case AZR_LITERAL_INT:
        azr_strbuf_append(out, literal->text, literal->size);
        break;
    case AZR_LITERAL_FLOAT:
        azr_literal__print_double(literal->real, true, number);
        azr_strbuf_puts(out, number);
        break;
    case AZR_LITERAL_COMPLEX:
        print_complex(out, literal);
        break;
    case AZR_LITERAL_STR:
    case AZR_LITERAL_BYTES:
        print_quoted(out, literal);
        break;
    case AZR_LITERAL_LIST:
        azr_strbuf_puts(out, "[");
        print_items(out, literal);
        azr_strbuf_puts(out, "]");
        break;
    case AZR_LITERAL_TUPLE:
        azr_strbuf_puts(out, "(");
        print_items(out, literal);
        azr_strbuf_puts(out, literal->n_items == 1 ? ",)" : ")");
        break;
    case AZR_LITERAL_SET:
    case AZR_LITERAL_FROZENSET:
        if (literal->kind == AZR_LITERAL_FROZENSET || literal->n_items == 0)
            azr_strbuf_printf(out, "%s(", azr_literal_type(literal));
        azr_strbuf_puts(out, literal->n_items > 0 ? "{" : "");
        print_members(out, literal);
        azr_strbuf_puts(out, literal->n_items > 0 ? "}" : "");
        if (literal->kind == AZR_LITERAL_FROZENSET || literal->n_items == 0)
            azr_strbuf_puts(out, ")");
        break;
    case AZR_LITERAL_DICT:
        azr_strbuf_puts(out, "{");
        print_pairs(out, literal);
        azr_strbuf_puts(out, "}");
        break;
    case AZR_LITERAL_ARGUMENTS:
        print_arguments(out, literal);
        break;
    }
}

char *azr_literal_print(const azr_literal *literal)
{
    azr_strbuf out = {0};
    print(&out, literal);
    return azr_strbuf_steal(&out);
}
