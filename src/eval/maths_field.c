/* maths_field.c: exact arithmetic on quotients of polynomials; see maths_field.h. */
#include "eval/maths_field.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

typedef azr_maths_field field;
typedef azr_maths_term term;
typedef azr_maths_polynomial polynomial;
typedef azr_maths_quotient quotient;
typedef azr_maths_rational rational;

/* WORK in terms handled; taking a root counts as so many. */
enum { MAX_POWER = 1000, MAX_WORK = 1 << 20, ROOT_WORK = 1 << 12 };

/* --- rationals -------------------------------------------------------------------------------- */

static __int128 magnitude(__int128 x)
{
    return x < 0 ? -x : x;
}

static __int128 greatest_divisor(__int128 a, __int128 b)
{
    a = magnitude(a);
    b = magnitude(b);
    while (b != 0) {
        __int128 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

rational azr_maths__ratio(field *f, __int128 numerator, __int128 denominator)
{
    /* Half of the range, so that a sign change cannot overflow. */
    const __int128 limit = (__int128)1 << 126;
    if (denominator == 0 || numerator >= limit || numerator <= -limit || denominator >= limit ||
        denominator <= -limit) {
        f->failed = true;
        return (rational){0, 1};
    }
    __int128 divisor = greatest_divisor(numerator, denominator);
    if (denominator < 0)
        divisor = -divisor;
    return (rational){numerator / divisor, denominator / divisor};
}

static __int128 times(field *f, __int128 a, __int128 b)
{
    __int128 product;
    if (__builtin_mul_overflow(a, b, &product)) {
        f->failed = true;
        return 1;
    }
    return product;
}

static rational add_rational(field *f, rational a, rational b)
{
    __int128 sum;
    if (__builtin_add_overflow(times(f, a.numerator, b.denominator),
                               times(f, b.numerator, a.denominator), &sum)) {
        f->failed = true;
        sum = 0;
    }
    return azr_maths__ratio(f, sum, times(f, a.denominator, b.denominator));
}

static rational multiply_rational(field *f, rational a, rational b)
{
    return azr_maths__ratio(f, times(f, a.numerator, b.numerator),
                            times(f, a.denominator, b.denominator));
}

/* --- polynomials ------------------------------------------------------------------------------ */

static int order_terms(const term *a, const term *b)
{
    for (int i = 0; i < AZR_MATHS_MAX_ATOMS; i++)
        if (a->powers[i] != b->powers[i])
            return a->powers[i] > b->powers[i] ? -1 : 1;
    return 0;
}

static polynomial constant(field *f, rational value)
{
    if (value.numerator == 0)
        return (polynomial){NULL, 0};
    term *one = azr_arena_alloc(f->arena, 1, sizeof *one);
    one->coefficient = value;
    return (polynomial){one, 1};
}

static polynomial add(field *f, polynomial a, polynomial b)
{
    f->work += a.n_terms + b.n_terms;
    if (f->failed || f->work > MAX_WORK) {
        f->failed = true;
        return (polynomial){NULL, 0};
    }
    term *terms = azr_arena_alloc(f->arena, (size_t)a.n_terms + (size_t)b.n_terms, sizeof *terms);
    int n = 0, i = 0, k = 0;
    while (i < a.n_terms || k < b.n_terms) {
        int order = i == a.n_terms   ? 1
                    : k == b.n_terms ? -1
                                     : order_terms(&a.terms[i], &b.terms[k]);
        if (order < 0) {
            terms[n++] = a.terms[i++];
        } else if (order > 0) {
            terms[n++] = b.terms[k++];
        } else {
            terms[n] = a.terms[i];
            terms[n].coefficient =
                add_rational(f, a.terms[i++].coefficient, b.terms[k++].coefficient);
            n += terms[n].coefficient.numerator != 0;
        }
    }
    if (n > AZR_MATHS_MAX_TERMS) {
        f->failed = true;
        n = 0;
    }
    return (polynomial){terms, n};
}

/* The product of two terms with roots squared away. */
static term multiply_terms(field *f, const term *a, const term *b)
{
    term product = {.coefficient = multiply_rational(f, a->coefficient, b->coefficient)};
    for (int i = 0; i < f->n_atoms; i++) {
        int power = a->powers[i] + b->powers[i];
        if (f->atoms[i].kind == AZR_MATHS_ROOT && power >= 2) {
            rational square = {f->atoms[i].square, 1};
            product.coefficient = multiply_rational(f, product.coefficient, square);
            power -= 2;
        }
        if (power > MAX_POWER)
            f->failed = true;
        product.powers[i] = (int16_t)(power > MAX_POWER ? MAX_POWER : power);
    }
    return product;
}

static polynomial multiply(field *f, polynomial a, polynomial b)
{
    polynomial sum = {NULL, 0};
    for (int i = 0; i < a.n_terms && !f->failed; i++) {
        /* One row need not stay in order: roots come back from their squares. */
        for (int k = 0; k < b.n_terms && !f->failed; k++) {
            term *one = azr_arena_alloc(f->arena, 1, sizeof *one);
            *one = multiply_terms(f, &a.terms[i], &b.terms[k]);
            sum = add(f, sum, (polynomial){one, 1});
        }
    }
    return sum;
}

/* --- quotients -------------------------------------------------------------------------------- */

quotient azr_maths__rational(field *f, rational value)
{
    return (quotient){constant(f, value), constant(f, (rational){1, 1})};
}

quotient azr_maths__integer(field *f, __int128 value)
{
    return azr_maths__rational(f, azr_maths__ratio(f, value, 1));
}

/* An atom's place in the table. */
static int find_atom(field *f, azr_maths_atom_kind kind, const char *name, int64_t square)
{
    f->used_opaque |= kind == AZR_MATHS_OPAQUE;
    for (int i = 0; i < f->n_atoms; i++) {
        const azr_maths_atom *atom = &f->atoms[i];
        if (atom->kind == kind && atom->square == square &&
            (kind == AZR_MATHS_ROOT || strcmp(atom->name, name) == 0))
            return i;
    }
    if (f->n_atoms == AZR_MATHS_MAX_ATOMS) {
        f->failed = true;
        return 0;
    }
    azr_maths_atom *atom = &f->atoms[f->n_atoms];
    *atom = (azr_maths_atom){.kind = kind, .square = square};
    if (name != NULL)
        atom->name = azr_arena_text(f->arena, name, strlen(name));
    return f->n_atoms++;
}

static quotient atom_value(field *f, int i_atom)
{
    term *one = azr_arena_alloc(f->arena, 1, sizeof *one);
    one->coefficient = (rational){1, 1};
    one->powers[i_atom] = 1;
    return (quotient){{one, 1}, constant(f, (rational){1, 1})};
}

quotient azr_maths__atom(field *f, azr_maths_atom_kind kind, const char *name)
{
    AZR_CHECK(kind != AZR_MATHS_ROOT);
    return atom_value(f, find_atom(f, kind, name, 0));
}

quotient azr_maths__add(field *f, quotient a, quotient b)
{
    if (f->failed)
        return a;
    return (quotient){add(f, multiply(f, a.over, b.under), multiply(f, b.over, a.under)),
                      multiply(f, a.under, b.under)};
}

/* A constant denominator is moved into the numerator. */
static quotient simplify(field *f, quotient a)
{
    rational value;
    if (f->failed || a.under.n_terms != 1 ||
        !azr_maths__is_rational((quotient){a.under, constant(f, (rational){1, 1})}, &value))
        return a;
    rational inverse = azr_maths__ratio(f, value.denominator, value.numerator);
    return (quotient){multiply(f, a.over, constant(f, inverse)), constant(f, (rational){1, 1})};
}

quotient azr_maths__multiply(field *f, quotient a, quotient b)
{
    if (f->failed)
        return a;
    return simplify(f, (quotient){multiply(f, a.over, b.over), multiply(f, a.under, b.under)});
}

quotient azr_maths__divide(field *f, quotient a, quotient b)
{
    if (b.over.n_terms == 0)
        f->failed = true;
    if (f->failed)
        return a;
    return simplify(f, (quotient){multiply(f, a.over, b.under), multiply(f, a.under, b.over)});
}

quotient azr_maths__power(field *f, quotient a, int exponent)
{
    quotient power = azr_maths__integer(f, 1);
    if (exponent > MAX_POWER || exponent < -MAX_POWER)
        f->failed = true;
    int n = exponent < 0 ? -exponent : exponent;
    for (quotient square = a; n > 0 && !f->failed; n /= 2) {
        if (n % 2 == 1)
            power = azr_maths__multiply(f, power, square);
        if (n > 1)
            square = azr_maths__multiply(f, square, square);
    }
    return exponent < 0 ? azr_maths__divide(f, azr_maths__integer(f, 1), power) : power;
}

/* --- roots ------------------------------------------------------------------------------------ */

bool azr_maths__is_rational(quotient a, rational *out)
{
    static const int16_t none[AZR_MATHS_MAX_ATOMS];
    if (a.over.n_terms > 1 || a.under.n_terms != 1 ||
        memcmp(a.under.terms[0].powers, none, sizeof none) != 0 ||
        (a.over.n_terms == 1 && memcmp(a.over.terms[0].powers, none, sizeof none) != 0))
        return false;
    /* simplify left 1 below, or the caller asks about a denominator alone. */
    rational under = a.under.terms[0].coefficient;
    if (under.numerator != 1 || under.denominator != 1)
        return false;
    *out = a.over.n_terms == 0 ? (rational){0, 1} : a.over.terms[0].coefficient;
    return true;
}

/* value = outside^n * inside with inside free of n-th powers of the primes below 2^17. */
static bool take_out_powers(__int128 value, int n, __int128 *outside, __int128 *inside)
{
    if (value <= 0 || value > (__int128)1 << 50)
        return false;
    *outside = *inside = 1;
    for (__int128 p = 2; p * p <= value && p < (1 << 17); p++) {
        int count = 0;
        for (; value % p == 0; value /= p)
            count++;
        for (int i = 0; i < count / n; i++)
            *outside *= p;
        for (int i = 0; i < count % n; i++)
            *inside *= p;
    }
    /* What is left is a prime, or has two prime factors above 2^17. */
    if (value > (__int128)1 << 34)
        return false;
    *inside *= value;
    return true;
}

/* The square root of a product of different primes. */
static quotient root_of_square_free(field *f, __int128 value)
{
    quotient product = azr_maths__integer(f, 1);
    for (__int128 p = 2; value > 1; p++) {
        if (p * p > value)
            p = value;
        if (value % p != 0)
            continue;
        int i_atom = find_atom(f, AZR_MATHS_ROOT, NULL, (int64_t)p);
        product = azr_maths__multiply(f, product, atom_value(f, i_atom));
        value /= p;
    }
    return product;
}

/* sqrt(a/b) = sqrt(ab)/b. */
quotient azr_maths__square_root(field *f, quotient a)
{
    rational value;
    __int128 outside, inside;
    f->work += ROOT_WORK;
    if (f->failed)
        return a;
    if (!azr_maths__is_rational(a, &value))
        return azr_maths__apply(f, "sqrt", a);
    if (value.numerator == 0)
        return a;
    if (!take_out_powers(times(f, magnitude(value.numerator), value.denominator), 2, &outside,
                         &inside))
        return azr_maths__apply(f, "sqrt", a);
    quotient root = azr_maths__rational(f, azr_maths__ratio(f, outside, value.denominator));
    root = azr_maths__multiply(f, root, root_of_square_free(f, inside));
    if (value.numerator < 0)
        root = azr_maths__multiply(f, root, atom_value(f, find_atom(f, AZR_MATHS_ROOT, NULL, -1)));
    return root;
}

quotient azr_maths__root(field *f, quotient a, int n)
{
    char name[32];
    snprintf(name, sizeof name, "root%d", n);
    rational value;
    f->work += ROOT_WORK;
    __int128 outside_over, inside_over, outside_under, inside_under;
    if (f->failed || !azr_maths__is_rational(a, &value) || (value.numerator < 0 && n % 2 == 0) ||
        !take_out_powers(magnitude(value.numerator), n, &outside_over, &inside_over) ||
        !take_out_powers(value.denominator, n, &outside_under, &inside_under))
        return azr_maths__apply(f, name, a);
    if (value.numerator < 0)
        outside_over = -outside_over;
    quotient outside = azr_maths__rational(f, azr_maths__ratio(f, outside_over, outside_under));
    if (inside_over == 1 && inside_under == 1)
        return outside;
    quotient inside = azr_maths__rational(f, azr_maths__ratio(f, inside_over, inside_under));
    return azr_maths__multiply(f, outside, azr_maths__apply(f, name, inside));
}

/* --- names for what is opaque ----------------------------------------------------------------- */

static void print_integer(azr_strbuf *out, __int128 value)
{
    azr_strbuf_printf(out, "%s%llx.%llx", value < 0 ? "-" : "",
                      (unsigned long long)(magnitude(value) >> 64),
                      (unsigned long long)magnitude(value));
}

static void print_polynomial(azr_strbuf *out, polynomial p)
{
    for (int i = 0; i < p.n_terms; i++) {
        print_integer(out, p.terms[i].coefficient.numerator);
        azr_strbuf_puts(out, "/");
        print_integer(out, p.terms[i].coefficient.denominator);
        for (int k = 0; k < AZR_MATHS_MAX_ATOMS; k++)
            if (p.terms[i].powers[k] != 0)
                azr_strbuf_printf(out, "*%d^%d", k, p.terms[i].powers[k]);
        azr_strbuf_puts(out, "+");
    }
}

quotient azr_maths__apply(field *f, const char *name, quotient a)
{
    azr_strbuf text = {0};
    azr_strbuf_printf(&text, "%s(", name);
    print_polynomial(&text, a.over);
    azr_strbuf_puts(&text, ":");
    print_polynomial(&text, a.under);
    azr_strbuf_puts(&text, ")");
    quotient value = azr_maths__atom(f, AZR_MATHS_OPAQUE, azr_strbuf_text(&text));
    azr_strbuf_deinit(&text);
    return value;
}

/* --- comparing -------------------------------------------------------------------------------- */

bool azr_maths__same(field *f, quotient a, quotient b)
{
    quotient minus = azr_maths__multiply(f, b, azr_maths__integer(f, -1));
    return azr_maths__add(f, a, minus).over.n_terms == 0 && !f->failed;
}

bool azr_maths__proportional(field *f, quotient a, quotient b)
{
    if (f->failed || a.over.n_terms == 0 || b.over.n_terms == 0)
        return a.over.n_terms == b.over.n_terms && !f->failed;
    quotient left = azr_maths__multiply(f, a, azr_maths__rational(f, b.over.terms[0].coefficient));
    quotient right = azr_maths__multiply(f, b, azr_maths__rational(f, a.over.terms[0].coefficient));
    return azr_maths__same(f, left, right);
}
