/* maths_lex.c: from the text of an answer to tokens: plain and LaTeX notation become one. */
#include "eval/maths_tree.h"

#include <string.h>

typedef struct lexer {
    azr_arena *arena;
    const char *at;
    azr_maths_commas commas;
    azr_maths_token *tokens;
    int n;
    int depth; /* open ( [ and \{ */
    bool failed;
} lexer;

static void emit(lexer *l, azr_maths_token_kind kind, const char *text, size_t size)
{
    if (l->n >= AZR_MATHS_MAX_TOKENS - 1) {
        l->failed = true;
        return;
    }
    l->tokens[l->n++] = (azr_maths_token){kind, azr_arena_text(l->arena, text, size)};
}

static void emit_text(lexer *l, azr_maths_token_kind kind, const char *text)
{
    emit(l, kind, text, strlen(text));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool contains(const char *const *names, size_t n, const char *name, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
            return true;
    return false;
}

#define ONE_OF(names, name, size) contains(names, sizeof(names) / sizeof((names)[0]), name, size)

/* --- numbers ---------------------------------------------------------------------------------- */

/* Bytes of what groups thousands at s, 0 when nothing does: "," or "{,}" or ",\!" or "\,", before
 * three digits and no fourth. */
static size_t thousands_comma(const lexer *l, const char *s)
{
    size_t size = 0;
    if (strncmp(s, "{,}", 3) == 0 || strncmp(s, ",\\!", 3) == 0)
        size = 3;
    else if (s[0] == '\\' && s[1] == ',')
        size = 2;
    else if (s[0] == ',' && l->commas == AZR_MATHS_THOUSANDS && l->depth == 0)
        size = 1;
    if (size == 0 || !is_digit(s[size]) || !is_digit(s[size + 1]) || !is_digit(s[size + 2]) ||
        is_digit(s[size + 3]))
        return 0;
    return size;
}

static void lex_number(lexer *l)
{
    char digits[AZR_MATHS_MAX_BYTES];
    size_t n = 0, n_group = 0;
    bool point = false, grouped = false;
    for (;;) {
        size_t comma;
        if (is_digit(*l->at)) {
            digits[n++] = *l->at++;
            n_group++;
        } else if (*l->at == '.' && !point &&
                   (is_digit(l->at[1]) || strncmp(l->at + 1, "\\overline", 9) == 0)) {
            point = true;
            digits[n++] = *l->at++;
        } else if (!point && n_group > 0 && (grouped ? n_group == 3 : n_group <= 3) &&
                   (comma = thousands_comma(l, l->at)) > 0) {
            l->at += comma;
            grouped = true;
            n_group = 0;
        } else {
            break;
        }
    }
    /* A point behind the digits ends a sentence. */
    if (*l->at == '.')
        l->at++;
    emit(l, AZR_MATHS_T_NUMBER, digits, n);
}

/* --- words ------------------------------------------------------------------------------------ */

static const char *const functions[] = {
    "sin",    "cos",  "tan",  "cot",  "sec", "csc", "arcsin", "arccos", "arctan",
    "arccot", "sinh", "cosh", "tanh", "log", "ln",  "exp",    "lg",     "max",
    "min",    "gcd",  "lcm",  "det",  "deg", "arg", "Re",     "Im",
};

bool azr_maths__is_function(const char *name)
{
    return ONE_OF(functions, name, strlen(name));
}

/* Words; one letter is a symbol, but m, s and the like behind a number are units. */
static void emit_words(lexer *l, const char *text, size_t size)
{
    bool is_unit = l->n > 0 && l->tokens[l->n - 1].kind == AZR_MATHS_T_NUMBER;
    while (size > 0 && (*text == ' ' || *text == '~')) {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '.' || text[size - 1] == ','))
        size--;
    if (size == 0)
        return;
    is_unit = is_unit && strchr("ieabcnxyz", *text) == NULL;
    if ((size == 3 && memcmp(text, "and", 3) == 0) || (size == 2 && memcmp(text, "or", 2) == 0))
        emit_text(l, AZR_MATHS_T_SIGN, ",");
    else if (size == 1 && is_letter(*text) && !is_unit)
        emit(l, AZR_MATHS_T_LETTER, text, 1);
    else
        emit(l, AZR_MATHS_T_TEXT, text, size);
}

/* Letters without a backslash: a function, a constant, words, or symbols side by side. */
static void lex_letters(lexer *l)
{
    static const char *const infinities[] = {"inf", "infinity", "oo", "Infinity", "infty"};
    static const char *const units[] = {"cm", "mm", "km", "kg", "mg", "ft", "mph", "lb", "lbs"};
    static const char *const words[] = {"and", "or",  "yes", "no",  "all", "odd",
                                        "one", "two", "six", "ten", "not", "none"};
    const char *start = l->at;
    while (is_letter(*l->at))
        l->at++;
    size_t size = (size_t)(l->at - start);
    if (ONE_OF(functions, start, size) || (size == 4 && memcmp(start, "sqrt", 4) == 0)) {
        emit(l, AZR_MATHS_T_COMMAND, start, size);
    } else if (size == 2 && memcmp(start, "pi", 2) == 0) {
        emit(l, AZR_MATHS_T_LETTER, start, size);
    } else if (ONE_OF(infinities, start, size)) {
        emit_text(l, AZR_MATHS_T_COMMAND, "infty");
    } else if (ONE_OF(units, start, size)) {
        emit(l, AZR_MATHS_T_TEXT, start, size);
    } else if (size <= 3 && !ONE_OF(words, start, size)) {
        for (size_t i = 0; i < size; i++)
            emit(l, AZR_MATHS_T_LETTER, start + i, 1);
    } else {
        /* Words go on over single spaces. */
        while (l->at[0] == ' ' && is_letter(l->at[1]) && size > 3)
            for (l->at++; is_letter(*l->at); l->at++)
                ;
        emit_words(l, start, (size_t)(l->at - start));
    }
}

/* --- commands --------------------------------------------------------------------------------- */

/* At "{": the bytes up to the bracket that matches; NULL when none does. */
static const char *group_end(const char *s)
{
    int depth = 0;
    for (; *s != '\0'; s++) {
        if (*s == '\\' && s[1] != '\0') {
            s++;
        } else if (*s == '{') {
            depth++;
        } else if (*s == '}' && --depth == 0) {
            return s;
        }
    }
    return NULL;
}

static void lex_words_group(lexer *l)
{
    while (*l->at == ' ')
        l->at++;
    const char *end = *l->at == '{' ? group_end(l->at) : NULL;
    if (end == NULL) {
        l->failed = true;
        return;
    }
    emit_words(l, l->at + 1, (size_t)(end - l->at - 1));
    l->at = end + 1;
}

/* \begin{pmatrix} and the like: the environment's name behind "begin" or "end". */
static void lex_environment(lexer *l, bool begin)
{
    static const char *const matrices[] = {"pmatrix", "bmatrix", "matrix",
                                           "Bmatrix", "array",   "smallmatrix"};
    const char *end = *l->at == '{' ? strchr(l->at, '}') : NULL;
    if (end == NULL || !ONE_OF(matrices, l->at + 1, (size_t)(end - l->at - 1))) {
        l->failed = true;
        return;
    }
    bool is_array = strncmp(l->at, "{array}", 7) == 0;
    l->at = end + 1;
    if (begin && is_array && *l->at == '{') { /* columns */
        end = strchr(l->at, '}');
        l->at = end == NULL ? l->at : end + 1;
    }
    emit_text(l, AZR_MATHS_T_COMMAND, begin ? "begin" : "end");
}

/* Commands that mean one of our tokens, or nothing (to == NULL). */
typedef struct alias {
    const char *from;
    azr_maths_token_kind kind;
    const char *to;
} alias;

static const alias aliases[] = {
    {"left", AZR_MATHS_T_END, NULL},
    {"right", AZR_MATHS_T_END, NULL},
    {"big", AZR_MATHS_T_END, NULL},
    {"Big", AZR_MATHS_T_END, NULL},
    {"bigl", AZR_MATHS_T_END, NULL},
    {"bigr", AZR_MATHS_T_END, NULL},
    {"Bigl", AZR_MATHS_T_END, NULL},
    {"Bigr", AZR_MATHS_T_END, NULL},
    {"displaystyle", AZR_MATHS_T_END, NULL},
    {"quad", AZR_MATHS_T_END, NULL},
    {"qquad", AZR_MATHS_T_END, NULL},
    {"limits", AZR_MATHS_T_END, NULL},
    {"circ", AZR_MATHS_T_COMMAND, "degree"},
    {"degree", AZR_MATHS_T_COMMAND, "degree"},
    {"dfrac", AZR_MATHS_T_COMMAND, "frac"},
    {"tfrac", AZR_MATHS_T_COMMAND, "frac"},
    {"cfrac", AZR_MATHS_T_COMMAND, "frac"},
    {"frac", AZR_MATHS_T_COMMAND, "frac"},
    {"sqrt", AZR_MATHS_T_COMMAND, "sqrt"},
    {"binom", AZR_MATHS_T_COMMAND, "binom"},
    {"dbinom", AZR_MATHS_T_COMMAND, "binom"},
    {"tbinom", AZR_MATHS_T_COMMAND, "binom"},
    {"overline", AZR_MATHS_T_COMMAND, "overline"},
    {"lfloor", AZR_MATHS_T_COMMAND, "lfloor"},
    {"rfloor", AZR_MATHS_T_COMMAND, "rfloor"},
    {"lceil", AZR_MATHS_T_COMMAND, "lceil"},
    {"rceil", AZR_MATHS_T_COMMAND, "rceil"},
    {"infty", AZR_MATHS_T_COMMAND, "infty"},
    {"cup", AZR_MATHS_T_COMMAND, "cup"},
    {"in", AZR_MATHS_T_COMMAND, "in"},
    {"pm", AZR_MATHS_T_COMMAND, "pm"},
    {"mp", AZR_MATHS_T_COMMAND, "pm"},
    {"emptyset", AZR_MATHS_T_COMMAND, "emptyset"},
    {"varnothing", AZR_MATHS_T_COMMAND, "emptyset"},
    {"lvert", AZR_MATHS_T_SIGN, "|"},
    {"rvert", AZR_MATHS_T_SIGN, "|"},
    {"vert", AZR_MATHS_T_SIGN, "|"},
    {"mid", AZR_MATHS_T_SIGN, "|"},
    {"cdot", AZR_MATHS_T_SIGN, "*"},
    {"times", AZR_MATHS_T_SIGN, "*"},
    {"ast", AZR_MATHS_T_SIGN, "*"},
    {"div", AZR_MATHS_T_SIGN, "/"},
    {"lbrace", AZR_MATHS_T_COMMAND, "{"},
    {"rbrace", AZR_MATHS_T_COMMAND, "}"},
    {"langle", AZR_MATHS_T_SIGN, "("},
    {"rangle", AZR_MATHS_T_SIGN, ")"},
    {"lbrack", AZR_MATHS_T_SIGN, "["},
    {"rbrack", AZR_MATHS_T_SIGN, "]"},
    {"lt", AZR_MATHS_T_SIGN, "<"},
    {"gt", AZR_MATHS_T_SIGN, ">"},
    {"le", AZR_MATHS_T_COMMAND, "le"},
    {"leq", AZR_MATHS_T_COMMAND, "le"},
    {"leqslant", AZR_MATHS_T_COMMAND, "le"},
    {"ge", AZR_MATHS_T_COMMAND, "ge"},
    {"geq", AZR_MATHS_T_COMMAND, "ge"},
    {"geqslant", AZR_MATHS_T_COMMAND, "ge"},
    {"ne", AZR_MATHS_T_COMMAND, "ne"},
    {"neq", AZR_MATHS_T_COMMAND, "ne"},
    {"backslash", AZR_MATHS_T_COMMAND, "setminus"},
    {"setminus", AZR_MATHS_T_COMMAND, "setminus"},
};

static const char *const letters[] = {
    "alpha",  "beta",    "gamma", "delta", "epsilon", "varepsilon", "zeta",  "eta",    "theta",
    "iota",   "kappa",   "mu",    "nu",    "xi",      "pi",         "rho",   "phi",    "sigma",
    "tau",    "upsilon", "chi",   "psi",   "omega",   "Gamma",      "Delta", "lambda", "Lambda",
    "varphi", "Omega",   "Phi",   "Theta", "Sigma",   "Psi",        "ell",
};

static const char *const word_groups[] = {
    "text", "textbf", "textit",     "textrm", "mathrm",  "mathbf",      "mbox",
    "hbox", "mathit", "textnormal", "mathbb", "mathcal", "operatorname"};

static void lex_named_command(lexer *l, const char *name, size_t size)
{
    static const char *const transparent[] = {"boxed", "fbox", "mathstrut", "phantom"};
    if (ONE_OF(word_groups, name, size)) {
        lex_words_group(l);
    } else if (size == 5 && memcmp(name, "begin", 5) == 0) {
        lex_environment(l, true);
    } else if (size == 3 && memcmp(name, "end", 3) == 0) {
        lex_environment(l, false);
    } else if (ONE_OF(letters, name, size)) {
        emit(l, AZR_MATHS_T_LETTER, name, size);
    } else if (ONE_OF(functions, name, size)) {
        emit(l, AZR_MATHS_T_COMMAND, name, size);
    } else if (!ONE_OF(transparent, name, size)) {
        l->failed = true;
    }
}

static void lex_command(lexer *l)
{
    const char *name = ++l->at;
    while (is_letter(*l->at))
        l->at++;
    size_t size = (size_t)(l->at - name);
    if (size == 0) { /* one character */
        char c = *l->at;
        if (c != '\0')
            l->at++;
        if (c == '{' || c == '}') {
            l->depth += c == '{' ? 1 : -1;
            emit(l, AZR_MATHS_T_COMMAND, &c, 1);
        } else if (c == '\\') {
            emit_text(l, AZR_MATHS_T_COMMAND, "row");
        } else if (c == '%' || c == '|') {
            emit(l, AZR_MATHS_T_SIGN, &c, 1);
        } else if (strchr("!,;: $()[]", c) == NULL) {
            l->failed = true; /* the end too: strchr finds it, and nothing follows */
        }
        return;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strlen(aliases[i].from) == size && memcmp(aliases[i].from, name, size) == 0) {
            if (aliases[i].to != NULL)
                emit_text(l, aliases[i].kind, aliases[i].to);
            else if (*l->at == '.' && (strncmp(name, "left", 4) == 0 || name[0] == 'r'))
                l->at++; /* \left. and \right. are no brackets */
            return;
        }
    }
    lex_named_command(l, name, size);
}

/* --- characters beyond ASCII ------------------------------------------------------------------ */

typedef struct character {
    const char *utf8;
    azr_maths_token_kind kind;
    const char *to; /* NULL: nothing */
} character;

static const character characters[] = {
    {"\xc2\xa0", AZR_MATHS_T_END, NULL},     /* no-break space */
    {"\xe2\x80\xaf", AZR_MATHS_T_END, NULL}, /* narrow no-break space */
    {"\xe2\x88\x92", AZR_MATHS_T_SIGN, "-"}, /* minus */
    {"\xe2\x80\x93", AZR_MATHS_T_SIGN, "-"}, /* en dash */
    {"\xc3\x97", AZR_MATHS_T_SIGN, "*"},     /* times */
    {"\xc2\xb7", AZR_MATHS_T_SIGN, "*"},     /* middle dot */
    {"\xe2\x8b\x85", AZR_MATHS_T_SIGN, "*"}, /* dot operator */
    {"\xc3\xb7", AZR_MATHS_T_SIGN, "/"},     /* division */
    {"\xe2\x88\x9e", AZR_MATHS_T_COMMAND, "infty"},
    {"\xcf\x80", AZR_MATHS_T_LETTER, "pi"},
    {"\xce\xb8", AZR_MATHS_T_LETTER, "theta"},
    {"\xe2\x88\x9a", AZR_MATHS_T_COMMAND, "sqrt"},
    {"\xc2\xb0", AZR_MATHS_T_COMMAND, "degree"},
    {"\xc2\xb1", AZR_MATHS_T_COMMAND, "pm"},
    {"\xe2\x89\xa4", AZR_MATHS_T_COMMAND, "le"},
    {"\xe2\x89\xa5", AZR_MATHS_T_COMMAND, "ge"},
    {"\xe2\x89\xa0", AZR_MATHS_T_COMMAND, "ne"},
    {"\xe2\x88\xaa", AZR_MATHS_T_COMMAND, "cup"},
    {"\xe2\x88\x88", AZR_MATHS_T_COMMAND, "in"},
    {"\xe2\x88\x85", AZR_MATHS_T_COMMAND, "emptyset"},
};

static void emit_power(lexer *l, const char *exponent)
{
    emit_text(l, AZR_MATHS_T_SIGN, "^");
    emit_text(l, AZR_MATHS_T_NUMBER, exponent);
}

static void lex_character(lexer *l)
{
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        size_t size = strlen(characters[i].utf8);
        if (strncmp(l->at, characters[i].utf8, size) == 0) {
            l->at += size;
            if (characters[i].to != NULL)
                emit_text(l, characters[i].kind, characters[i].to);
            return;
        }
    }
    if (strncmp(l->at, "\xc2\xb2", 2) == 0) {
        emit_power(l, "2");
        l->at += 2;
    } else if (strncmp(l->at, "\xc2\xb3", 2) == 0) {
        emit_power(l, "3");
        l->at += 2;
    } else {
        l->failed = true;
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static void lex_sign(lexer *l)
{
    char c = *l->at;
    if (c == '<' && l->at[1] == '=') {
        emit_text(l, AZR_MATHS_T_COMMAND, "le");
        l->at += 2;
    } else if (c == '>' && l->at[1] == '=') {
        emit_text(l, AZR_MATHS_T_COMMAND, "ge");
        l->at += 2;
    } else if (c == '*' && l->at[1] == '*') {
        emit_text(l, AZR_MATHS_T_SIGN, "^");
        l->at += 2;
    } else {
        l->depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
        emit(l, AZR_MATHS_T_SIGN, &c, 1);
        l->at++;
    }
}

bool azr_maths__lex(azr_arena *arena, const char *text, azr_maths_commas commas,
                    azr_maths_token **out_tokens, int *out_n)
{
    if (strlen(text) >= AZR_MATHS_MAX_BYTES)
        return false;
    lexer l = {.arena = arena, .at = text, .commas = commas};
    l.tokens = azr_arena_alloc(arena, AZR_MATHS_MAX_TOKENS, sizeof *l.tokens);
    while (*l.at != '\0' && !l.failed) {
        char c = *l.at;
        if (strchr(" \t\r\n$~.", c) != NULL && !(c == '.' && is_digit(l.at[1])))
            l.at++;
        else if (is_digit(c) || c == '.')
            lex_number(&l);
        else if (is_letter(c))
            lex_letters(&l);
        else if (c == '\\')
            lex_command(&l);
        else if ((c & 0x80) != 0)
            lex_character(&l);
        else if (strchr("+-*/^_=<>()[]{},;|!%&':", c) != NULL)
            lex_sign(&l);
        else
            l.failed = true;
    }
    /* What separates at the end separates nothing. */
    while (l.n > 0 && l.tokens[l.n - 1].kind == AZR_MATHS_T_SIGN &&
           strchr(",;:", l.tokens[l.n - 1].text[0]) != NULL)
        l.n--;
    l.tokens[l.n] = (azr_maths_token){AZR_MATHS_T_END, ""};
    *out_tokens = l.tokens;
    *out_n = l.n;
    return !l.failed;
}
