/* maths.h: is this mathematical answer the reference answer? Both are short texts as models and
 * answer keys write them: plain or LaTeX numbers, fractions, roots, polynomials, tuples, intervals,
 * sets, matrices, equations, units, words. */
#ifndef AZR_EVAL_MATHS_H
#define AZR_EVAL_MATHS_H

typedef enum azr_maths_verdict {
    AZR_MATHS_DIFFERENT,
    AZR_MATHS_EQUAL,
    AZR_MATHS_UNDECIDED, /* neither shown equal nor shown different: never counts as right */
} azr_maths_verdict;

/* EQUAL only by exact arithmetic (rationals, square roots, i, pi, symbols as independent of each
 * other) or because both say the same; DIFFERENT by exact arithmetic, or because the values differ
 * at some point by more than rounding explains; UNDECIDED for all else: what cannot be read (longer
 * than 4,096 bytes, unknown notation) or is equal as far as numbers show but not by the rules.
 * Lists are compared without order, tuples with. Neither text may be NULL. */
azr_maths_verdict azr_maths_compare(const char *answer, const char *reference);

/* The answer inside a worked solution: the last \boxed{...} or \fbox{...}; else what follows the
 * last "####"; else what follows the last "answer is" or "answer:" up to the end of its sentence;
 * else the last number. NULL when there is none. Free with azr_free. */
char *azr_maths_extract(const char *solution);

#endif
