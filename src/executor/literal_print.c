/* literal_print.c: literals as Python's repr prints them, sets sorted by the text of their members
 * (CPython's own order depends on hash seeds and addresses). */
#include "executor/literal_node.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- floats ----------------------------------------------------------------------------------- */

/* Of a power of two the gap below is half the gap above: then the shortest text that reads back can
 * be the neighbour above the nearest one. Steps the last digit of "d.ddde+xx" up; false when it is
 * a 9, which does not occur at a shortest text. */
static bool step_up(char *text)
{
    char *last = strchr(text, 'e') - 1;
    if (*last == '9' || *last == '.')
        return false;
    (*last)++;
    return true;
}

/* The shortest digits that read back as x > 0, as "d.ddde+xx". */
static void shortest(double x, char text[32])
{
    int exponent;
    bool is_power = frexp(x, &exponent) == 0.5;
    bool is_normal = x >= 2.2250738585072014e-308;
    for (int n = is_normal ? 15 : 1; n <= 17; n++) {
        snprintf(text, 32, "%.*e", n - 1, x);
        if (strtod(text, NULL) == x)
            return;
        if (is_power && step_up(text) && strtod(text, NULL) == x)
            return;
    }
    snprintf(text, 32, "%.16e", x);
}

/* repr's 'r' format; point: ".0" behind whole numbers, as floats have it and complex parts not. */
static void print_real(azr_strbuf *out, double x, bool point)
{
    if (isnan(x)) {
        azr_strbuf_puts(out, "nan");
        return;
    }
    if (signbit(x))
        azr_strbuf_puts(out, "-");
    x = fabs(x);
    if (isinf(x)) {
        azr_strbuf_puts(out, "inf");
        return;
    }
    char text[32] = "0e+00", digits[32];
    if (x > 0)
        shortest(x, text);
    char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10), n = 0;
    for (const char *c = text; c < e; c++)
        if (*c != '.')
            digits[n++] = *c;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (exponent < -4 || exponent >= 16) {
        azr_strbuf_append(out, digits, 1);
        if (n > 1) {
            azr_strbuf_puts(out, ".");
            azr_strbuf_append(out, digits + 1, (size_t)n - 1);
        }
        azr_strbuf_printf(out, "e%+03d", exponent);
        return;
    }
    if (exponent < 0) {
        azr_strbuf_puts(out, "0.");
        azr_strbuf_append(out, "0000", (size_t)(-exponent - 1));
        azr_strbuf_append(out, digits, (size_t)n);
        return;
    }
    int n_whole = exponent + 1;
    azr_strbuf_append(out, digits, (size_t)(n < n_whole ? n : n_whole));
    for (int i = n; i < n_whole; i++)
        azr_strbuf_puts(out, "0");
    if (n > n_whole) {
        azr_strbuf_puts(out, ".");
        azr_strbuf_append(out, digits + n_whole, (size_t)(n - n_whole));
    } else if (point) {
        azr_strbuf_puts(out, ".0");
    }
}

void azr_literal__print_float(azr_strbuf *out, double x)
{
    print_real(out, x, true);
}

void azr_literal__print_complex(azr_strbuf *out, double real, double imag)
{
    if (real == 0 && !signbit(real)) {
        print_real(out, imag, false);
        azr_strbuf_puts(out, "j");
        return;
    }
    azr_strbuf_puts(out, "(");
    print_real(out, real, false);
    if (isnan(imag) || !signbit(imag))
        azr_strbuf_puts(out, "+");
    print_real(out, imag, false);
    azr_strbuf_puts(out, "j)");
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Python prefers ' and takes " when there is a ' and no " inside. */
static char choose_quote(const char *bytes, size_t size)
{
    bool has_single = size > 0 && memchr(bytes, '\'', size) != NULL;
    bool has_double = size > 0 && memchr(bytes, '"', size) != NULL;
    return has_single && !has_double ? '"' : '\'';
}

/* What both kinds write alike; false: the caller's own rule holds. */
static bool print_common(azr_strbuf *out, uint32_t c, char quote)
{
    if (c == (uint32_t)quote || c == '\\')
        azr_strbuf_printf(out, "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        azr_strbuf_puts(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    else if (c < 0x20 || c == 0x7f)
        azr_strbuf_printf(out, "\\x%02x", c);
    else if (c < 0x7f)
        azr_strbuf_append(out, &(char){(char)c}, 1);
    else
        return false;
    return true;
}

/* The code point at s and its size; surrogates are three bytes like others. */
static uint32_t decode(const unsigned char *s, size_t *out_size)
{
    if (s[0] < 0x80) {
        *out_size = 1;
        return s[0];
    }
    if (s[0] < 0xe0) {
        *out_size = 2;
        return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
    }
    if (s[0] < 0xf0) {
        *out_size = 3;
        return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    }
    *out_size = 4;
    return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 |
           (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
}

void azr_literal__print_code_point(azr_strbuf *out, uint32_t c, char quote)
{
    if (print_common(out, c, quote))
        return;
    if (azr_literal__printable(c))
        azr_literal__append_utf8(out, c);
    else
        azr_strbuf_printf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

void azr_literal__print_str(azr_strbuf *out, const char *utf8, size_t size)
{
    char quote = choose_quote(utf8, size);
    azr_strbuf_append(out, &quote, 1);
    for (size_t i = 0, n; i < size; i += n)
        azr_literal__print_code_point(out, decode((const unsigned char *)utf8 + i, &n), quote);
    azr_strbuf_append(out, &quote, 1);
}

void azr_literal__print_bytes(azr_strbuf *out, const char *bytes, size_t size)
{
    char quote = choose_quote(bytes, size);
    azr_strbuf_puts(out, "b");
    azr_strbuf_append(out, &quote, 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (!print_common(out, c, quote))
            azr_strbuf_printf(out, "\\x%02x", c);
    }
    azr_strbuf_append(out, &quote, 1);
}

/* --- containers ------------------------------------------------------------------------------- */

static void print_items(azr_strbuf *out, const azr_literal *x)
{
    for (size_t i = 0; i < x->n_items; i++) {
        if (i > 0)
            azr_strbuf_puts(out, ", ");
        azr_literal__print(out, x->items[i]);
    }
}

typedef struct member_text {
    const char *text;
    size_t start, size;
} member_text;

static int compare_texts(const void *a, const void *b)
{
    const member_text *x = a, *y = b;
    size_t n = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text + x->start, y->text + y->start, n);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static void print_set(azr_strbuf *out, const azr_literal *x)
{
    bool frozen = x->kind == AZR_LITERAL_FROZENSET;
    if (x->n_items == 0) {
        azr_strbuf_puts(out, frozen ? "frozenset()" : "set()");
        return;
    }
    azr_strbuf texts = {0};
    member_text *members = azr_alloc(x->n_items, sizeof *members);
    for (size_t i = 0; i < x->n_items; i++) {
        members[i].start = texts.size;
        azr_literal__print(&texts, x->items[i]);
        members[i].size = texts.size - members[i].start;
    }
    for (size_t i = 0; i < x->n_items; i++)
        members[i].text = texts.data;
    qsort(members, x->n_items, sizeof *members, compare_texts);
    azr_strbuf_puts(out, frozen ? "frozenset({" : "{");
    for (size_t i = 0; i < x->n_items; i++) {
        if (i > 0)
            azr_strbuf_puts(out, ", ");
        azr_strbuf_append(out, texts.data + members[i].start, members[i].size);
    }
    azr_strbuf_puts(out, frozen ? "})" : "}");
    azr_free(members);
    azr_strbuf_deinit(&texts);
}

static void print_dict(azr_strbuf *out, const azr_literal *x)
{
    azr_strbuf_puts(out, "{");
    for (size_t i = 0; i < x->n_entries; i++) {
        if (i > 0)
            azr_strbuf_puts(out, ", ");
        azr_literal__print(out, x->entries[i].key);
        azr_strbuf_puts(out, ": ");
        azr_literal__print(out, x->entries[i].value);
    }
    azr_strbuf_puts(out, "}");
}

static void print_arguments(azr_strbuf *out, const azr_literal *x)
{
    print_items(out, x);
    for (size_t i = 0; i < x->n_entries; i++) {
        if (i > 0 || x->n_items > 0)
            azr_strbuf_puts(out, ", ");
        azr_strbuf_append(out, x->entries[i].key->bytes, x->entries[i].key->size);
        azr_strbuf_puts(out, "=");
        azr_literal__print(out, x->entries[i].value);
    }
}

void azr_literal__print(azr_strbuf *out, const azr_literal *x)
{
    switch (x->kind) {
    case AZR_LITERAL_NONE:
        azr_strbuf_puts(out, "None");
        break;
    case AZR_LITERAL_BOOL:
        azr_strbuf_puts(out, x->real != 0 ? "True" : "False");
        break;
    case AZR_LITERAL_INT:
        azr_strbuf_puts(out, x->negative ? "-" : "");
        azr_strbuf_append(out, x->bytes, x->size);
        break;
    case AZR_LITERAL_FLOAT:
        azr_literal__print_float(out, x->real);
        break;
    case AZR_LITERAL_COMPLEX:
        azr_literal__print_complex(out, x->real, x->imag);
        break;
    case AZR_LITERAL_STR:
        azr_literal__print_str(out, x->bytes, x->size);
        break;
    case AZR_LITERAL_BYTES:
        azr_literal__print_bytes(out, x->bytes, x->size);
        break;
    case AZR_LITERAL_LIST:
        azr_strbuf_puts(out, "[");
        print_items(out, x);
        azr_strbuf_puts(out, "]");
        break;
    case AZR_LITERAL_TUPLE:
        azr_strbuf_puts(out, "(");
        print_items(out, x);
        azr_strbuf_puts(out, x->n_items == 1 ? ",)" : ")");
        break;
    case AZR_LITERAL_SET:
    case AZR_LITERAL_FROZENSET:
        print_set(out, x);
        break;
    case AZR_LITERAL_DICT:
        print_dict(out, x);
        break;
    case AZR_LITERAL_ARGUMENTS:
        print_arguments(out, x);
        break;
    }
}

char *azr_literal_print(const azr_literal *literal)
{
    azr_strbuf out = {0};
    azr_literal__print(&out, literal);
    azr_strbuf_puts(&out, "");
    return azr_strbuf_steal(&out);
}
