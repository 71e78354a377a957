/* maths_field.h: exact arithmetic for comparing answers: quotients of polynomials with rational
 * coefficients over atoms. An atom is a square root of a prime, i, a symbol (pi and e are symbols),
 * or an opaque value such as sin(x), known only by its name. The roots' and i's powers are reduced,
 * so that without opaque atoms two quotients a/b and c/d are equal exactly when ad - bc has no
 * terms. */
#ifndef AZR_EVAL_MATHS_FIELD_H
#define AZR_EVAL_MATHS_FIELD_H

#include "base/memory.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

enum { AZR_MATHS_MAX_ATOMS = 16, AZR_MATHS_MAX_TERMS = 256 };

typedef enum azr_maths_atom_kind {
    AZR_MATHS_SYMBOL,
    AZR_MATHS_ROOT, /* square root of a prime, or i for the "prime" -1 */
    AZR_MATHS_OPAQUE,
} azr_maths_atom_kind;

typedef struct azr_maths_atom {
    azr_maths_atom_kind kind;
    int64_t square; /* ROOT: its square */
    char *name;     /* others */
} azr_maths_atom;

typedef struct azr_maths_rational {
    __int128 numerator, denominator; /* lowest terms, denominator > 0 */
} azr_maths_rational;

typedef struct azr_maths_term {
    azr_maths_rational coefficient; /* never 0 */
    int16_t powers[AZR_MATHS_MAX_ATOMS];
} azr_maths_term;

/* Terms in descending order of powers; n_terms == 0 is zero. */
typedef struct azr_maths_polynomial {
    const azr_maths_term *terms;
    int n_terms;
} azr_maths_polynomial;

typedef struct azr_maths_quotient {
    azr_maths_polynomial over, under; /* under is never zero */
} azr_maths_quotient;

/* One comparison's atoms and memory. Once an operation has gone over a limit (128-bit numbers,
 * terms, atoms, work) or divided by zero, failed is set and all later results mean nothing. */
typedef struct azr_maths_field {
    azr_arena *arena;
    azr_maths_atom atoms[AZR_MATHS_MAX_ATOMS];
    int n_atoms;
    long work;
    bool failed, used_opaque;
} azr_maths_field;

azr_maths_quotient azr_maths__integer(azr_maths_field *field, __int128 value);
azr_maths_quotient azr_maths__rational(azr_maths_field *field, azr_maths_rational value);
azr_maths_quotient azr_maths__atom(azr_maths_field *field, azr_maths_atom_kind kind,
                                   const char *name);
azr_maths_quotient azr_maths__add(azr_maths_field *field, azr_maths_quotient a,
                                  azr_maths_quotient b);
azr_maths_quotient azr_maths__multiply(azr_maths_field *field, azr_maths_quotient a,
                                       azr_maths_quotient b);
azr_maths_quotient azr_maths__divide(azr_maths_field *field, azr_maths_quotient a,
                                     azr_maths_quotient b);
azr_maths_quotient azr_maths__power(azr_maths_field *field, azr_maths_quotient a, int exponent);
/* The principal square root; a rational gives products of roots of primes, all else is opaque. */
azr_maths_quotient azr_maths__square_root(azr_maths_field *field, azr_maths_quotient a);
/* The real n-th root, n > 2: of rationals with n-th powers taken out, all else opaque. */
azr_maths_quotient azr_maths__root(azr_maths_field *field, azr_maths_quotient a, int n);
/* name(a) as an opaque atom. */
azr_maths_quotient azr_maths__apply(azr_maths_field *field, const char *name, azr_maths_quotient a);

/* a - b == 0 for every value of the atoms. */
bool azr_maths__same(azr_maths_field *field, azr_maths_quotient a, azr_maths_quotient b);
/* a == c b for a rational number c that is not 0: the equations a = 0 and b = 0 say the same. */
bool azr_maths__proportional(azr_maths_field *field, azr_maths_quotient a, azr_maths_quotient b);
/* Is a a rational number? */
bool azr_maths__is_rational(azr_maths_quotient a, azr_maths_rational *out);
/* x as a rational in lowest terms; sets failed on overflow or den == 0. */
azr_maths_rational azr_maths__ratio(azr_maths_field *field, __int128 numerator,
                                    __int128 denominator);

#endif
