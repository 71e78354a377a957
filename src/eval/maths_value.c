/* maths_value.c: what a tree is worth: exactly, and at sample points. */
#include "eval/maths_tree.h"

#include <math.h>
#include <string.h>

typedef azr_maths_node node;
typedef azr_maths_field field;
typedef azr_maths_quotient quotient;
typedef azr_maths_rational rational;
typedef long double complex number;

/* --- exactly ---------------------------------------------------------------------------------- */

static bool evaluate_factorial(field *f, quotient n, quotient *out)
{
    rational value;
    if (!azr_maths__is_rational(n, &value) || value.denominator != 1 || value.numerator < 0 ||
        value.numerator > 33)
        return false;
    __int128 product = 1;
    for (__int128 i = 2; i <= value.numerator; i++)
        product *= i;
    *out = azr_maths__integer(f, product);
    return true;
}

static bool evaluate_binomial(field *f, quotient n, quotient k, quotient *out)
{
    rational from, take;
    if (!azr_maths__is_rational(n, &from) || !azr_maths__is_rational(k, &take) ||
        from.denominator != 1 || take.denominator != 1 || take.numerator < 0 ||
        take.numerator > from.numerator || from.numerator > 100)
        return false;
    __int128 count = 1;
    for (__int128 i = 1; i <= take.numerator; i++) {
        if (__builtin_mul_overflow(count, from.numerator - take.numerator + i, &count))
            return false;
        count /= i;
    }
    *out = azr_maths__integer(f, count);
    return true;
}

static __int128 round_down(rational value)
{
    __int128 whole = value.numerator / value.denominator;
    return whole * value.denominator > value.numerator ? whole - 1 : whole;
}

static bool evaluate_function(field *f, const node *n, quotient *out)
{
    quotient argument = {{0}, {0}}, second = azr_maths__integer(f, 0);
    rational value;
    if (!azr_maths__evaluate(f, n->items[0], &argument) ||
        (n->n_items > 1 && !azr_maths__evaluate(f, n->items[1], &second)))
        return false;
    bool known = azr_maths__is_rational(argument, &value);
    if (strcmp(n->text, "factorial") == 0 && evaluate_factorial(f, argument, out))
        return true;
    if (strcmp(n->text, "binom") == 0)
        return evaluate_binomial(f, argument, second, out);
    if (known && strcmp(n->text, "abs") == 0) {
        rational size = {value.numerator < 0 ? -value.numerator : value.numerator,
                         value.denominator};
        *out = azr_maths__rational(f, size);
        return true;
    }
    if (known && strcmp(n->text, "floor") == 0) {
        *out = azr_maths__integer(f, round_down(value));
        return true;
    }
    if (known && strcmp(n->text, "ceil") == 0) {
        rational minus = {-value.numerator, value.denominator};
        *out = azr_maths__integer(f, -round_down(minus));
        return true;
    }
    *out = azr_maths__apply(f, n->text, argument);
    if (n->n_items > 1) { /* log to a base: ln a / ln b */
        if (strcmp(n->text, "log") != 0)
            return false;
        *out = azr_maths__divide(f, azr_maths__apply(f, "ln", argument),
                                 azr_maths__apply(f, "ln", second));
    }
    return true;
}

static bool evaluate_power(field *f, const node *n, quotient *out)
{
    quotient base = {{0}, {0}}, exponent = {{0}, {0}};
    rational value;
    if (!azr_maths__evaluate(f, n->items[0], &base) ||
        !azr_maths__evaluate(f, n->items[1], &exponent))
        return false;
    if (azr_maths__is_rational(exponent, &value) && value.numerator > -1000 &&
        value.numerator < 1000 && value.denominator <= 64) {
        quotient power = base;
        if (value.denominator == 2)
            power = azr_maths__square_root(f, base);
        else if (value.denominator > 2)
            power = azr_maths__root(f, base, (int)value.denominator);
        *out = azr_maths__power(f, power, (int)value.numerator);
        return true;
    }
    /* a^b with any other b: one opaque value; a and b both belong to its name. */
    *out = azr_maths__apply(f, "power",
                            azr_maths__add(f, azr_maths__apply(f, "base", base), exponent));
    return true;
}

static bool evaluate_root(field *f, const node *n, quotient *out)
{
    quotient inside = {{0}, {0}}, degree = {{0}, {0}};
    rational value;
    if (!azr_maths__evaluate(f, n->items[0], &inside) ||
        !azr_maths__evaluate(f, n->items[1], &degree) || !azr_maths__is_rational(degree, &value) ||
        value.denominator != 1 || value.numerator < 2 || value.numerator > 64)
        return false;
    *out = value.numerator == 2 ? azr_maths__square_root(f, inside)
                                : azr_maths__root(f, inside, (int)value.numerator);
    return true;
}

static bool evaluate_name(field *f, const char *name, quotient *out)
{
    if (strcmp(name, "infinity") == 0)
        return false;
    *out = strcmp(name, "i") == 0 ? azr_maths__square_root(f, azr_maths__integer(f, -1))
                                  : azr_maths__atom(f, AZR_MATHS_SYMBOL, name);
    return true;
}

bool azr_maths__evaluate(field *f, const node *n, quotient *out)
{
    quotient a = {{0}, {0}}, b = {{0}, {0}};
    switch (n->kind) {
    case AZR_MATHS_NUMBER:
        *out = azr_maths__rational(f, n->value);
        return !f->failed;
    case AZR_MATHS_NAME:
        return evaluate_name(f, n->text, out) && !f->failed;
    case AZR_MATHS_NEGATIVE:
        if (!azr_maths__evaluate(f, n->items[0], &a))
            return false;
        *out = azr_maths__multiply(f, a, azr_maths__integer(f, -1));
        return !f->failed;
    case AZR_MATHS_SUM:
    case AZR_MATHS_PRODUCT:
    case AZR_MATHS_FRACTION:
        if (!azr_maths__evaluate(f, n->items[0], &a))
            return false;
        for (int i = 1; i < n->n_items; i++, a = *out) {
            if (!azr_maths__evaluate(f, n->items[i], &b))
                return false;
            *out = n->kind == AZR_MATHS_SUM       ? azr_maths__add(f, a, b)
                   : n->kind == AZR_MATHS_PRODUCT ? azr_maths__multiply(f, a, b)
                                                  : azr_maths__divide(f, a, b);
        }
        return !f->failed;
    case AZR_MATHS_POWER:
        return evaluate_power(f, n, out) && !f->failed;
    case AZR_MATHS_NTH_ROOT:
        return evaluate_root(f, n, out) && !f->failed;
    case AZR_MATHS_FUNCTION:
        return evaluate_function(f, n, out) && !f->failed;
    default:
        return false;
    }
}

/* --- at a point ------------------------------------------------------------------------------- */

/* A symbol's value: the same for the same name, and no number that occurs in answers. */
static number symbol_value(const char *name, int i_point)
{
    if (strcmp(name, "pi") == 0)
        return acosl(-1.0L);
    if (strcmp(name, "e") == 0)
        return expl(1.0L);
    if (strcmp(name, "i") == 0)
        return (number)_Complex_I;
    if (strcmp(name, "infinity") == 0)
        return HUGE_VALL;
    uint64_t hash = 0xcbf29ce484222325u + (uint64_t)i_point; /* FNV-1a */
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return 0.5L + (long double)(hash >> 11) / (long double)(1ull << 53) * 3.0L;
}

static bool sample_function(const node *n, int i_point, number *out)
{
    static const struct {
        const char *name;
        long double complex (*function)(long double complex);
    } functions[] = {
        {"sin", csinl},     {"cos", ccosl},     {"tan", ctanl},   {"arcsin", casinl},
        {"arccos", cacosl}, {"arctan", catanl}, {"sinh", csinhl}, {"cosh", ccoshl},
        {"tanh", ctanhl},   {"exp", cexpl},     {"ln", clogl},
    };
    number x, base;
    if (!azr_maths__sample(n->items[0], i_point, &x))
        return false;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(n->text, functions[i].name) == 0 && n->n_items == 1) {
            *out = functions[i].function(x);
            return true;
        }
    }
    if (strcmp(n->text, "log") == 0 && n->n_items == 2) {
        if (!azr_maths__sample(n->items[1], i_point, &base))
            return false;
        *out = clogl(x) / clogl(base);
        return true;
    }
    if (strcmp(n->text, "abs") == 0)
        *out = cabsl(x);
    else if (strcmp(n->text, "cot") == 0)
        *out = 1 / ctanl(x);
    else if (strcmp(n->text, "sec") == 0)
        *out = 1 / ccosl(x);
    else if (strcmp(n->text, "csc") == 0)
        *out = 1 / csinl(x);
    else if (strcmp(n->text, "floor") == 0)
        *out = floorl(creall(x));
    else if (strcmp(n->text, "ceil") == 0)
        *out = ceill(creall(x));
    else if (strcmp(n->text, "factorial") == 0)
        *out = tgammal(creall(x) + 1);
    else
        return false; /* log without a base may mean either */
    return true;
}

/* The real root where there is one, as school has it. */
static number root(number x, long double degree)
{
    bool odd = degree == floorl(degree) && fmodl(degree, 2) == 1;
    if (cimagl(x) == 0 && creall(x) < 0 && odd)
        return -powl(-creall(x), 1 / degree);
    return cpowl(x, 1 / degree);
}

bool azr_maths__sample(const node *n, int i_point, number *out)
{
    number a = 0, b = 0;
    bool binary = n->n_items == 2 && n->kind != AZR_MATHS_FUNCTION;
    if (n->n_items > 0 && n->kind <= AZR_MATHS_NTH_ROOT &&
        (!azr_maths__sample(n->items[0], i_point, &a) ||
         (binary && !azr_maths__sample(n->items[1], i_point, &b))))
        return false;
    switch (n->kind) {
    case AZR_MATHS_NUMBER:
        *out = (long double)n->value.numerator / (long double)n->value.denominator;
        break;
    case AZR_MATHS_NAME:
        *out = symbol_value(n->text, i_point);
        break;
    case AZR_MATHS_NEGATIVE:
        *out = -a;
        break;
    case AZR_MATHS_SUM:
        *out = a + b;
        break;
    case AZR_MATHS_PRODUCT:
        *out = a * b;
        for (int i = 2; i < n->n_items; i++) {
            if (!azr_maths__sample(n->items[i], i_point, &b))
                return false;
            *out *= b;
        }
        break;
    case AZR_MATHS_FRACTION:
        *out = a / b;
        break;
    case AZR_MATHS_POWER:
        *out = cpowl(a, b);
        break;
    case AZR_MATHS_NTH_ROOT:
        *out = root(a, creall(b));
        break;
    case AZR_MATHS_FUNCTION:
        if (!sample_function(n, i_point, out))
            return false;
        break;
    default:
        return false;
    }
    return isfinite(creall(*out)) && isfinite(cimagl(*out));
}
