/* literal_number.c: reads Python's numbers. Integers become exact decimal digits. */
#include "executor/literal_parser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool azr_literal__is_digit(char c, int base)
{
    if (c >= '0' && c <= '9')
        return c - '0' < base;
    return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

static int digit_value(char c)
{
    if (c <= '9')
        return c - '0';
    return (c | 0x20) - 'a' + 10;
}

/* Appends digits to scratch, dropping the single underscores between them. False when there is not
 * one digit, or an underscore without a digit behind it. */
static bool read_digits(azr_literal_parser *p, int base)
{
    if (!azr_literal__is_digit(azr_literal__peek(p, 0), base))
        return false;
    for (;;) {
        size_t start = p->at;
        while (azr_literal__is_digit(azr_literal__peek(p, 0), base))
            p->at++;
        azr_strbuf_append(&p->scratch, p->text + start, p->at - start);
        if (azr_literal__peek(p, 0) != '_')
            return true;
        p->at++;
        if (!azr_literal__is_digit(azr_literal__peek(p, 0), base))
            return false;
    }
}

/* --- integers --------------------------------------------------------------------------------- */

static azr_literal *integer(azr_literal_parser *p, const char *digits, size_t size)
{
    while (size > 1 && digits[0] == '0') {
        digits++;
        size--;
    }
    if (size > AZR_LITERAL_MAX_DIGITS)
        return azr_literal__exceed(p, "an integer of 4300 digits");
    azr_literal *node = azr_literal__node(p, AZR_LITERAL_INT);
    if (node == NULL)
        return NULL;
    node->bytes = azr_arena_text(p->arena, digits, size);
    node->size = size;
    node->real = strtod(node->bytes, NULL);
    return node;
}

/* From base 2, 8 or 16 to decimal by limbs of 18 digits. The count of digits is bounded before, so
 * that the square of it is small. */
static azr_literal *based_integer(azr_literal_parser *p, int base)
{
    enum { MAX_BITS = 14285, LIMB_DIGITS = 18, MAX_LIMBS = MAX_BITS / 59 + 2 };
    const uint64_t limb_base = 1000000000000000000u;
    int bits_per_digit = base == 16 ? 4 : base == 8 ? 3 : 1;
    p->at += 2;
    if (azr_literal__peek(p, 0) == '_')
        p->at++;
    azr_strbuf_reset(&p->scratch);
    if (!read_digits(p, base) || azr_literal__is_name(azr_literal__peek(p, 0)))
        return azr_literal__fail(p, "a digit");
    const char *digits = p->scratch.data;
    size_t size = p->scratch.size;
    while (size > 1 && digits[0] == '0') {
        digits++;
        size--;
    }
    if (size > MAX_BITS / (size_t)bits_per_digit + 1)
        return azr_literal__exceed(p, "an integer of 4300 digits");
    uint64_t limbs[MAX_LIMBS] = {0};
    size_t n_limbs = 1;
    for (size_t i = 0; i < size; i++) {
        uint64_t carry = (uint64_t)digit_value(digits[i]);
        for (size_t k = 0; k < n_limbs; k++) {
            /* < 16 * 10^18 + 16: fits */
            uint64_t value = limbs[k] * (uint64_t)base + carry;
            limbs[k] = value % limb_base;
            carry = value / limb_base;
        }
        if (carry > 0)
            limbs[n_limbs++] = carry;
    }
    char decimal[MAX_LIMBS * LIMB_DIGITS];
    for (size_t k = 0; k < n_limbs; k++) {
        uint64_t limb = limbs[n_limbs - 1 - k];
        for (size_t i = LIMB_DIGITS; i-- > 0; limb /= 10)
            decimal[k * LIMB_DIGITS + i] = (char)('0' + limb % 10);
    }
    return integer(p, decimal, n_limbs * LIMB_DIGITS);
}

/* --- all numbers ------------------------------------------------------------------------------ */

/* Fraction and exponent. False when the text is no number; *out_real says whether either was there.
 */
static bool read_fraction(azr_literal_parser *p, bool *out_real)
{
    *out_real = false;
    if (azr_literal__peek(p, 0) == '.') {
        *out_real = true;
        p->at++;
        azr_strbuf_puts(&p->scratch, ".");
        if (azr_literal__is_digit(azr_literal__peek(p, 0), 10) && !read_digits(p, 10))
            return false;
    }
    if ((azr_literal__peek(p, 0) | 0x20) == 'e') {
        *out_real = true;
        p->at++;
        azr_strbuf_puts(&p->scratch, "e");
        if (azr_literal__peek(p, 0) == '+' || azr_literal__peek(p, 0) == '-')
            azr_strbuf_append(&p->scratch, p->text + p->at++, 1);
        if (!read_digits(p, 10))
            return false;
    }
    return true;
}

azr_literal *azr_literal__number(azr_literal_parser *p)
{
    char second = (char)(azr_literal__peek(p, 1) | 0x20);
    if (azr_literal__peek(p, 0) == '0' && (second == 'x' || second == 'o' || second == 'b'))
        return based_integer(p, second == 'x' ? 16 : second == 'o' ? 8 : 2);
    azr_strbuf_reset(&p->scratch);
    bool is_real = false;
    if ((azr_literal__peek(p, 0) != '.' && !read_digits(p, 10)) || !read_fraction(p, &is_real))
        return azr_literal__fail(p, "a digit");
    bool is_imaginary = (azr_literal__peek(p, 0) | 0x20) == 'j';
    if (is_imaginary)
        p->at++;
    if (azr_literal__is_name(azr_literal__peek(p, 0)))
        return azr_literal__fail(p, "the end of the number");
    const char *digits = p->scratch.data;
    if (!is_real && !is_imaginary) {
        if (digits[0] == '0' && strspn(digits, "0") != p->scratch.size)
            return azr_literal__fail(p, "an integer without leading zeros");
        return integer(p, digits, p->scratch.size);
    }
    azr_literal *node =
        azr_literal__node(p, is_imaginary ? AZR_LITERAL_COMPLEX : AZR_LITERAL_FLOAT);
    if (node == NULL)
        return NULL;
    double value = strtod(digits, NULL);
    if (is_imaginary)
        node->imag = value;
    else
        node->real = value;
    return node;
}
