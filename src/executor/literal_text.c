#include "executor/literal_text.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

azr_literal *azr_literal__expected(azr_literal_cursor *c, const char *what)
{
    azr_error_set(c->error, AZR_ERROR_INPUT, "expected %s at byte %zu", what, c->at);
    return NULL;
}

static char peek(const azr_literal_cursor *c, size_t ahead)
{
    return c->at + ahead < c->size ? c->text[c->at + ahead] : '\0';
}

/* --- strings ---------------------------------------------------------------------------------- */

typedef struct string_form {
    size_t n_prefix;
    bool raw, bytes, triple;
    char quote;
} string_form;

/* Prefixes r, b, u, br, rb in any case, then a quote. */
static bool read_form(const azr_literal_cursor *c, string_form *form)
{
    *form = (string_form){0};
    bool unicode = false;
    for (; form->n_prefix < 3; form->n_prefix++) {
        char p = (char)tolower((unsigned char)peek(c, form->n_prefix));
        if (p == 'r' && !form->raw && !unicode)
            form->raw = true;
        else if (p == 'b' && !form->bytes && !unicode)
            form->bytes = true;
        else if (p == 'u' && form->n_prefix == 0)
            unicode = true;
        else
            break;
    }
    form->quote = peek(c, form->n_prefix);
    if (form->quote != '\'' && form->quote != '"')
        return false;
    form->triple =
        peek(c, form->n_prefix + 1) == form->quote && peek(c, form->n_prefix + 2) == form->quote;
    return true;
}

bool azr_literal__at_string(const azr_literal_cursor *c)
{
    string_form form;
    return read_form(c, &form);
}

static void append_point(azr_strbuf *out, uint32_t p)
{
    char bytes[4];
    size_t n;
    if (p < 0x80) {
        bytes[0] = (char)p;
        n = 1;
    } else if (p < 0x800) {
        bytes[0] = (char)(0xC0 | p >> 6);
        n = 2;
    } else if (p < 0x10000) {
        bytes[0] = (char)(0xE0 | p >> 12);
        n = 3;
    } else {
        bytes[0] = (char)(0xF0 | p >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        bytes[i] = (char)(0x80 | ((p >> (6 * (n - 1 - i))) & 0x3F));
    azr_strbuf_append(out, bytes, n);
}

/* n hexadecimal digits behind the cursor; false when they are not there. */
static bool read_hex(azr_literal_cursor *c, size_t n, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        char digit = peek(c, i);
        if (!isxdigit((unsigned char)digit))
            return false;
        *value = *value << 4 | (uint32_t)(isdigit((unsigned char)digit)
                                              ? digit - '0'
                                              : tolower((unsigned char)digit) - 'a' + 10);
    }
    c->at += n;
    return true;
}

static void append_value(azr_strbuf *out, const string_form *form, uint32_t value)
{
    char byte = (char)value;
    if (form->bytes)
        azr_strbuf_append(out, &byte, 1);
    else
        append_point(out, value);
}

/* Behind a backslash: escapes of one letter. '\0' when the letter is none. */
static char simple_escape(char letter)
{
    static const char letters[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    const char *found = letter != '\0' ? strchr(letters, letter) : NULL;
    return found != NULL ? values[found - letters] : '\0';
}

static bool read_escape(azr_literal_cursor *c, const string_form *form, azr_strbuf *out)
{
    char letter = peek(c, 0);
    uint32_t value = 0;
    c->at++;
    if (letter == '\n')
        return true;
    if (simple_escape(letter) != '\0') {
        append_value(out, form, (unsigned char)simple_escape(letter));
        return true;
    }
    if (letter >= '0' && letter <= '7') {
        value = (uint32_t)(letter - '0');
        for (int i = 0; i < 2 && peek(c, 0) >= '0' && peek(c, 0) <= '7'; i++)
            value = value * 8 + (uint32_t)(c->text[c->at++] - '0');
        append_value(out, form, value);
        return true;
    }
    if (letter == 'x') {
        if (!read_hex(c, 2, &value))
            return azr_literal__expected(c, "two hexadecimal digits") != NULL;
        append_value(out, form, value);
        return true;
    }
    if (!form->bytes && (letter == 'u' || letter == 'U')) {
        if (!read_hex(c, letter == 'u' ? 4 : 8, &value) || value > 0x10FFFF)
            return azr_literal__expected(c, "a code point in hexadecimal digits") != NULL;
        append_point(out, value);
        return true;
    }
    if (!form->bytes && letter == 'N')
        return azr_literal__expected(c, "a string without \\N{...}") != NULL;
    c->at--;
    azr_strbuf_append(out, "\\", 1);
    return true;
}

bool azr_literal__read_string(azr_literal_cursor *c, azr_strbuf *out, bool *out_bytes)
{
    string_form form;
    read_form(c, &form);
    *out_bytes = form.bytes;
    c->at += form.n_prefix + (form.triple ? 3 : 1);
    while (c->at < c->size) {
        char byte = c->text[c->at];
        if (byte == form.quote &&
            (!form.triple || (peek(c, 1) == form.quote && peek(c, 2) == form.quote))) {
            c->at += form.triple ? 3 : 1;
            return true;
        }
        if (byte == '\n' && !form.triple)
            break;
        if (byte == '\0' || (form.bytes && (unsigned char)byte >= 0x80))
            return azr_literal__expected(c, "an ASCII character") != NULL;
        c->at++;
        if (byte != '\\') {
            azr_strbuf_append(out, &byte, 1);
        } else if (form.raw) {
            azr_strbuf_append(out, &byte, 1);
            if (c->at < c->size)
                azr_strbuf_append(out, &c->text[c->at++], 1);
        } else if (!read_escape(c, &form, out)) {
            return false;
        }
    }
    return azr_literal__expected(c, "the end of the string") != NULL;
}

/* --- numbers ---------------------------------------------------------------------------------- */

typedef bool digit_test(char c);

static bool is_decimal(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(char c)
{
    return isxdigit((unsigned char)c) != 0;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static bool is_binary(char c)
{
    return c == '0' || c == '1';
}

/* Digits with single underscores between them; false when an underscore stands wrong. */
static bool read_digits(azr_literal_cursor *c, digit_test *test, azr_strbuf *out)
{
    size_t n = 0;
    while (test(peek(c, 0)) || (peek(c, 0) == '_' && n > 0)) {
        if (peek(c, 0) == '_') {
            c->at++;
            if (!test(peek(c, 0)))
                return false;
        }
        azr_strbuf_append(out, &c->text[c->at++], 1);
        n++;
    }
    return true;
}

static azr_literal *make_int(azr_literal_cursor *c, const char *digits, size_t n)
{
    while (n > 1 && digits[0] == '0') {
        digits++;
        n--;
    }
    if (n > AZR_LITERAL_MAX_DIGITS)
        return azr_literal__expected(c, "an integer of at most 4300 digits");
    azr_literal *literal = azr_literal__create(AZR_LITERAL_INT);
    azr_literal__set_text(literal, digits, n);
    return literal;
}

/* Digits of base 2, 8 or 16 to decimal, in limbs of nine decimal digits. */
static azr_literal *convert_base(azr_literal_cursor *c, const azr_strbuf *digits, uint32_t base)
{
    enum { MAX_LIMBS = AZR_LITERAL_MAX_DIGITS / 9 + 2, LIMB = 1000000000 };
    uint32_t limbs[MAX_LIMBS] = {0};
    size_t n = 1;
    for (size_t i = 0; i < digits->size; i++) {
        char d = digits->data[i];
        uint64_t carry =
            is_decimal(d) ? (uint64_t)(d - '0') : (uint64_t)(tolower((unsigned char)d) - 'a' + 10);
        for (size_t k = 0; k < n; k++) {
            carry += (uint64_t)limbs[k] * base;
            limbs[k] = (uint32_t)(carry % LIMB);
            carry /= LIMB;
        }
        if (carry > 0 && n == MAX_LIMBS)
            return azr_literal__expected(c, "an integer of at most 4300 digits");
        if (carry > 0)
            limbs[n++] = (uint32_t)carry;
    }
    azr_strbuf text = {0};
    azr_strbuf_printf(&text, "%u", limbs[n - 1]);
    for (size_t k = n - 1; k > 0; k--)
        azr_strbuf_printf(&text, "%09u", limbs[k - 1]);
    azr_literal *literal = make_int(c, text.data, text.size);
    azr_strbuf_deinit(&text);
    return literal;
}

static azr_literal *read_based(azr_literal_cursor *c, uint32_t base, digit_test *test)
{
    azr_strbuf digits = {0};
    azr_literal *literal = NULL;
    c->at += 2;
    if (peek(c, 0) == '_')
        c->at++;
    if (!read_digits(c, test, &digits) || digits.size == 0)
        azr_literal__expected(c, "digits");
    else
        literal = convert_base(c, &digits, base);
    azr_strbuf_deinit(&digits);
    return literal;
}

static bool read_exponent(azr_literal_cursor *c, azr_strbuf *out, bool *is_float)
{
    if (peek(c, 0) != 'e' && peek(c, 0) != 'E')
        return true;
    size_t sign = peek(c, 1) == '+' || peek(c, 1) == '-';
    if (!is_decimal(peek(c, 1 + sign)))
        return true;
    azr_strbuf_append(out, &c->text[c->at], 1 + sign);
    c->at += 1 + sign;
    *is_float = true;
    return read_digits(c, is_decimal, out);
}

static azr_literal *finish_decimal(azr_literal_cursor *c, const azr_strbuf *digits, bool is_float)
{
    bool imaginary = peek(c, 0) == 'j' || peek(c, 0) == 'J';
    if (!imaginary && !is_float) {
        bool zeros = strspn(digits->data, "0") == digits->size;
        if (digits->data[0] == '0' && !zeros)
            return azr_literal__expected(c, "a number without leading zeros");
        return make_int(c, digits->data, digits->size);
    }
    azr_literal *literal = azr_literal__create(imaginary ? AZR_LITERAL_COMPLEX : AZR_LITERAL_FLOAT);
    double value = strtod(digits->data, NULL);
    if (imaginary) {
        literal->imaginary = value;
        c->at++;
    } else {
        literal->real = value;
    }
    return literal;
}

azr_literal *azr_literal__read_number(azr_literal_cursor *c)
{
    char second = (char)tolower((unsigned char)peek(c, 1));
    azr_literal *literal = NULL;
    if (peek(c, 0) == '0' && second == 'x') {
        literal = read_based(c, 16, is_hexadecimal);
    } else if (peek(c, 0) == '0' && second == 'o') {
        literal = read_based(c, 8, is_octal);
    } else if (peek(c, 0) == '0' && second == 'b') {
        literal = read_based(c, 2, is_binary);
    } else {
        azr_strbuf digits = {0};
        bool is_float = false, good = read_digits(c, is_decimal, &digits);
        if (good && peek(c, 0) == '.') {
            azr_strbuf_append(&digits, ".", 1);
            c->at++;
            is_float = true;
            good = read_digits(c, is_decimal, &digits);
        }
        good = good && digits.size > (is_float ? 1U : 0U) && read_exponent(c, &digits, &is_float);
        literal =
            good ? finish_decimal(c, &digits, is_float) : azr_literal__expected(c, "a number");
        azr_strbuf_deinit(&digits);
    }
    /* 1abc and 1_ are no numbers. */
    if (literal != NULL && (isalnum((unsigned char)peek(c, 0)) || peek(c, 0) == '_')) {
        azr_literal_destroy(literal);
        literal = azr_literal__expected(c, "the end of the number");
    }
    return literal;
}
