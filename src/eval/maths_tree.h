/* maths_tree.h: a mathematical answer as it is read: tokens, then a tree. */
#ifndef AZR_EVAL_MATHS_TREE_H
#define AZR_EVAL_MATHS_TREE_H

#include "eval/maths_field.h"

#include <complex.h>

enum {
    AZR_MATHS_MAX_BYTES = 4096,
    AZR_MATHS_MAX_TOKENS = 2048,
    AZR_MATHS_MAX_DEPTH = 48,
};

typedef enum azr_maths_token_kind {
    AZR_MATHS_T_END,
    AZR_MATHS_T_NUMBER,  /* text: digits with at most one point */
    AZR_MATHS_T_LETTER,  /* text: one letter, or the name of a Greek one */
    AZR_MATHS_T_TEXT,    /* text: words */
    AZR_MATHS_T_COMMAND, /* text: a name without backslash: frac, sqrt, sin, cup, infty, ... */
    AZR_MATHS_T_SIGN,    /* text: one character of + - * / ^ _ = < > ( ) [ ] { } , ; | ! % & ' : */
} azr_maths_token_kind;

typedef struct azr_maths_token {
    azr_maths_token_kind kind;
    const char *text;
} azr_maths_token;

typedef enum azr_maths_kind {
    AZR_MATHS_NUMBER,   /* value */
    AZR_MATHS_NAME,     /* text: a symbol; "pi", "e", "i" and "infinity" have their meaning */
    AZR_MATHS_SUM,      /* items */
    AZR_MATHS_NEGATIVE, /* items[0] */
    AZR_MATHS_PRODUCT,  /* items */
    AZR_MATHS_FRACTION, /* items[0] / items[1] */
    AZR_MATHS_POWER,    /* items[0] ^ items[1] */
    AZR_MATHS_NTH_ROOT, /* the items[1]-th root of items[0] */
    AZR_MATHS_FUNCTION, /* text, of items: sin, log (of items[0] to the base items[1]), abs, ... */
    AZR_MATHS_PLUS_MINUS, /* items[0] +- items[1] */
    AZR_MATHS_TUPLE,      /* items between open and close: ( [ ] ) */
    AZR_MATHS_SET,        /* items, without order */
    AZR_MATHS_LIST,       /* items, without order, not bracketed */
    AZR_MATHS_UNION,      /* items, without order */
    AZR_MATHS_MATRIX,     /* items row by row, n_columns */
    AZR_MATHS_RELATION,   /* items with signs between them: n_items - 1 of = < > L G N */
    AZR_MATHS_BASED,      /* text: digits; items[0]: the base */
    AZR_MATHS_WORDS,      /* text */
    AZR_MATHS_UNIT,       /* items[0] with unit text behind it ("%" for per cent) */
} azr_maths_kind;

typedef struct azr_maths_node {
    azr_maths_kind kind;
    azr_maths_rational value;
    const char *text;
    const struct azr_maths_node **items;
    int n_items, n_columns;
    char open, close;
} azr_maths_node;

/* How a comma between digits is read: 1,234 is a number or a list. */
typedef enum azr_maths_commas { AZR_MATHS_THOUSANDS, AZR_MATHS_SEPARATORS } azr_maths_commas;

/* Reads text into at most AZR_MATHS_MAX_TOKENS tokens, spacing and sizes dropped, the last one END.
 * False for what has no meaning here (unknown command, byte). The tokens lie in arena. */
bool azr_maths__lex(azr_arena *arena, const char *text, azr_maths_commas commas,
                    azr_maths_token **out_tokens, int *out_n);
/* The tokens as a tree; NULL when they are none. */
const azr_maths_node *azr_maths__parse(azr_maths_field *field, const azr_maths_token *tokens);

/* Room for the items of a node. */
const azr_maths_node **azr_maths__items(azr_arena *arena, int n);

/* Does the command name a function of one argument (sin, ln, ...)? */
bool azr_maths__is_function(const char *name);

/* The exact value of a scalar; false when the node is none or the field has failed. */
bool azr_maths__evaluate(azr_maths_field *field, const azr_maths_node *node,
                         azr_maths_quotient *out);
/* The value of a scalar at the i_point-th choice of symbols, in long double; false when the node is
 * no scalar or the value is not finite. */
bool azr_maths__sample(const azr_maths_node *node, int i_point, long double complex *out);

#endif
