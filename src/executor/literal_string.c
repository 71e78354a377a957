/* literal_string.c: reads Python's string and bytes literals: prefixes, three quotes, escapes,
 * adjacent literals. */
#include "executor/literal_parser.h"

#include <string.h>

typedef struct string_form {
    bool is_bytes, is_raw;
    size_t prefix_size;
} string_form;

/* False when no string literal begins here. */
static bool read_form(const azr_literal_parser *p, string_form *out)
{
    *out = (string_form){0};
    bool unicode = false;
    for (;;) {
        char c = azr_literal__peek(p, out->prefix_size);
        if (c == '\'' || c == '"')
            return true;
        c = (char)(c | 0x20);
        if (c == 'b' && !out->is_bytes && !unicode)
            out->is_bytes = true;
        else if (c == 'r' && !out->is_raw && !unicode)
            out->is_raw = true;
        else if (c == 'u' && out->prefix_size == 0)
            unicode = true;
        else
            return false;
        out->prefix_size++;
    }
}

bool azr_literal__at_string(const azr_literal_parser *p)
{
    string_form form;
    return read_form(p, &form);
}

void azr_literal__append_utf8(azr_strbuf *out, uint32_t c)
{
    char utf8[4];
    size_t n;
    if (c < 0x80) {
        utf8[0] = (char)c;
        n = 1;
    } else if (c < 0x800) {
        utf8[0] = (char)(0xc0 | c >> 6);
        utf8[1] = (char)(0x80 | (c & 0x3f));
        n = 2;
    } else if (c < 0x10000) {
        utf8[0] = (char)(0xe0 | c >> 12);
        utf8[1] = (char)(0x80 | (c >> 6 & 0x3f));
        utf8[2] = (char)(0x80 | (c & 0x3f));
        n = 3;
    } else {
        utf8[0] = (char)(0xf0 | c >> 18);
        utf8[1] = (char)(0x80 | (c >> 12 & 0x3f));
        utf8[2] = (char)(0x80 | (c >> 6 & 0x3f));
        utf8[3] = (char)(0x80 | (c & 0x3f));
        n = 4;
    }
    azr_strbuf_append(out, utf8, n);
}

static void append_value(azr_strbuf *out, uint32_t value, bool is_bytes)
{
    if (is_bytes)
        azr_strbuf_append(out, &(char){(char)(value & 0xff)}, 1);
    else
        azr_literal__append_utf8(out, value);
}

/* Exactly n hexadecimal digits; false when there are fewer. */
static bool read_hex(azr_literal_parser *p, int n, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        char c = azr_literal__peek(p, 0);
        if (!azr_literal__is_digit(c, 16))
            return false;
        *out = *out << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        p->at++;
    }
    return true;
}

static bool read_octal(azr_literal_parser *p, azr_strbuf *out, bool is_bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < 3 && azr_literal__is_digit(azr_literal__peek(p, 0), 8); i++)
        value = value << 3 | (uint32_t)(p->text[p->at++] - '0');
    append_value(out, value, is_bytes);
    return true;
}

/* Behind a backslash, not raw. */
static bool read_escape(azr_literal_parser *p, azr_strbuf *out, bool is_bytes)
{
    static const char letters[] = "\\'\"abfnrtv";
    static const char values[] = "\\'\"\a\b\f\n\r\t\v";
    char c = azr_literal__peek(p, 0);
    const char *known = c != '\0' ? strchr(letters, c) : NULL;
    uint32_t value;
    if (known != NULL) {
        azr_strbuf_append(out, values + (known - letters), 1);
        p->at++;
        return true;
    }
    if (azr_literal__is_digit(c, 8))
        return read_octal(p, out, is_bytes);
    if (c == '\n' || c == '\r') {
        p->at += c == '\r' && azr_literal__peek(p, 1) == '\n' ? 2 : 1;
        return true;
    }
    int n_hex = c == 'x' ? 2 : is_bytes ? 0 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (n_hex > 0) {
        p->at++;
        if (!read_hex(p, n_hex, &value))
            return azr_literal__fail(p, "a hexadecimal digit of the escape");
        if (value > 0x10ffff)
            return azr_literal__fail(p, "an escape of at most \\U0010ffff");
        append_value(out, value, is_bytes);
        return true;
    }
    if (c == 'N' && !is_bytes)
        return azr_literal__fail(p, "an escape other than \\N{...}");
    /* Unknown: Python keeps the backslash, and the byte behind it comes by itself. */
    azr_strbuf_puts(out, "\\");
    return true;
}

/* Raw: the backslash stays, and so does a quote behind it. */
static void read_raw_backslash(azr_literal_parser *p, azr_strbuf *out)
{
    azr_strbuf_puts(out, "\\");
    char c = azr_literal__peek(p, 0);
    if (c == '\\' || c == '\'' || c == '"') {
        azr_strbuf_append(out, &c, 1);
        p->at++;
    } else if (c == '\n' || c == '\r') {
        azr_strbuf_puts(out, "\n");
        p->at += c == '\r' && azr_literal__peek(p, 1) == '\n' ? 2 : 1;
    }
}

static bool at_end_quote(const azr_literal_parser *p, char quote, bool three)
{
    return azr_literal__peek(p, 0) == quote &&
           (!three || (azr_literal__peek(p, 1) == quote && azr_literal__peek(p, 2) == quote));
}

static bool read_one(azr_literal_parser *p, const string_form *form, azr_strbuf *out)
{
    p->at += form->prefix_size;
    char quote = azr_literal__peek(p, 0);
    bool three = azr_literal__peek(p, 1) == quote && azr_literal__peek(p, 2) == quote;
    p->at += three ? 3 : 1;
    while (!at_end_quote(p, quote, three)) {
        char c = azr_literal__peek(p, 0);
        if (c == '\0' || (!three && (c == '\n' || c == '\r')))
            return azr_literal__fail(p, "the end of the string");
        if (form->is_bytes && (c & 0x80))
            return azr_literal__fail(p, "an ASCII character");
        p->at++;
        if (c == '\\') {
            if (form->is_raw)
                read_raw_backslash(p, out);
            else if (!read_escape(p, out, form->is_bytes))
                return false;
        } else if (c == '\r') { /* Python reads all line ends as \n */
            if (azr_literal__peek(p, 0) == '\n')
                p->at++;
            azr_strbuf_puts(out, "\n");
        } else {
            azr_strbuf_append(out, &c, 1);
        }
    }
    p->at += three ? 3 : 1;
    return true;
}

azr_literal *azr_literal__string(azr_literal_parser *p)
{
    azr_strbuf bytes = {0};
    azr_literal *node = NULL;
    string_form form, first;
    bool ok = read_form(p, &first);
    form = first;
    while (ok) {
        ok = read_one(p, &form, &bytes);
        if (!ok)
            goto done;
        azr_literal__skip(p);
        if (!read_form(p, &form))
            break;
        if (form.is_bytes != first.is_bytes) {
            azr_literal__fail(p, "strings and bytes apart");
            goto done;
        }
    }
    node = azr_literal__node(p, first.is_bytes ? AZR_LITERAL_BYTES : AZR_LITERAL_STR);
    if (node != NULL) {
        node->bytes = azr_arena_text(p->arena, azr_strbuf_text(&bytes), bytes.size);
        node->size = bytes.size;
    }
done:
    azr_strbuf_deinit(&bytes);
    return node;
}
