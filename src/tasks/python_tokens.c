/* python_tokens.c: Python's lexical analysis, as far as programs that CPython compiles need it:
 * joined lines, indentation, strings, numbers, names, operators. */
#include "tasks/python_tokens.h"

#include <string.h>

#include "base/check.h"

static const char *const keywords[] = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",
};

/* Longest first. */
static const char *const operators[] = {
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==",
    "!=",  "->",  "+=",  "-=",  "*=",  "/=", "%=", "&=", "|=", "^=", "@=", ":=",
};

void azr_python_tokens_init(azr_python_tokens *tokens, const char *program)
{
    *tokens = (azr_python_tokens){.text = program, .size = strlen(program), .at_line_start = true};
}

bool azr_python_token_is(const azr_python_token *token, const char *text)
{
    return strlen(text) == token->size && memcmp(token->text, text, token->size) == 0;
}

static char peek(const azr_python_tokens *t, size_t ahead)
{
    return t->at + ahead < t->size ? t->text[t->at + ahead] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}

static azr_python_token take(azr_python_tokens *t, azr_python_token_kind kind, size_t size)
{
    azr_python_token token = {kind, t->text + t->at, size};
    t->at += size;
    return token;
}

static size_t end_of_line(const azr_python_tokens *t)
{
    return strcspn(t->text + t->at, "\r\n");
}

/* Over a line's end: \n, \r\n or \r. */
static void skip_line_end(azr_python_tokens *t)
{
    if (peek(t, 0) == '\r' && peek(t, 1) == '\n')
        t->at++;
    t->at++;
}

/* --- layout ----------------------------------------------------------------------------------- */

static size_t indent_here(const azr_python_tokens *t)
{
    return t->n_indents > 0 ? t->indents[t->n_indents - 1] : 0;
}

/* Blanks at the start of a line; tabs go to the next multiple of eight. */
static size_t take_indent(azr_python_tokens *t)
{
    size_t column = 0;
    for (char c; (c = peek(t, 0)) == ' ' || c == '\t' || c == '\f'; t->at++)
        column = c == ' ' ? column + 1 : c == '\t' ? (column / 8 + 1) * 8 : 0;
    return column;
}

/* Goes to the next line that holds anything. True when its indentation makes a token. */
static bool start_line(azr_python_tokens *t, azr_python_token *out_token)
{
    size_t column = take_indent(t);
    while (t->at < t->size && strchr("#\r\n", peek(t, 0)) != NULL && peek(t, 0) != '\0') {
        t->at += end_of_line(t);
        if (t->at < t->size)
            skip_line_end(t);
        column = take_indent(t);
    }
    t->at_line_start = false;
    t->line_has_token = false;
    if (t->at >= t->size)
        column = 0;
    if (column > indent_here(t) && t->n_indents < AZR_PYTHON_MAX_INDENTS) {
        t->indents[t->n_indents++] = column;
        *out_token = (azr_python_token){AZR_PYTHON_INDENT, t->text + t->at, 0};
        return true;
    }
    while (column < indent_here(t)) {
        t->n_indents--;
        t->n_dedents++;
    }
    return false;
}

/* Blanks, comments and joined lines inside a line. */
static void skip_blanks(azr_python_tokens *t)
{
    for (;;) {
        char c = peek(t, 0);
        if (t->at >= t->size)
            return;
        if (c == ' ' || c == '\t' || c == '\f' || (t->depth > 0 && (c == '\n' || c == '\r'))) {
            t->at++;
        } else if (c == '#') {
            t->at += end_of_line(t);
        } else if (c == '\\' && (peek(t, 1) == '\n' || peek(t, 1) == '\r')) {
            t->at++;
            skip_line_end(t);
        } else {
            return;
        }
    }
}

/* --- strings, numbers, names ------------------------------------------------------------------ */

/* Letters of a string's prefix at this place; the quote follows. 0 with *out_is false: no string.
 */
static size_t prefix_size(const azr_python_tokens *t, bool *out_is)
{
    size_t n = 0;
    while (n < 3 && peek(t, n) != '\0' && strchr("rRbBuUfF", peek(t, n)) != NULL)
        n++;
    *out_is = peek(t, n) == '\'' || peek(t, n) == '"';
    return n;
}

/* The whole string; one that does not end goes to its line's, or the text's, end. */
static azr_python_token take_string(azr_python_tokens *t, size_t n_prefix)
{
    const char *text = t->text + t->at;
    size_t left = t->size - t->at, at = n_prefix;
    char quote = text[at];
    bool triple = left - at >= 3 && text[at + 1] == quote && text[at + 2] == quote;
    at += triple ? 3 : 1;
    while (at < left) {
        if (text[at] == '\\' && at + 1 < left) {
            at += 2;
        } else if (!triple && (text[at] == '\n' || text[at] == '\r')) {
            break;
        } else if (text[at] == quote && (!triple || (left - at >= 3 && text[at + 1] == quote &&
                                                     text[at + 2] == quote))) {
            at += triple ? 3 : 1;
            break;
        } else {
            at++;
        }
    }
    return take(t, AZR_PYTHON_STRING, at < left ? at : left);
}

static size_t number_size(const azr_python_tokens *t)
{
    size_t n = 0;
    bool hex = peek(t, 0) == '0' && (peek(t, 1) == 'x' || peek(t, 1) == 'X');
    for (;; n++) {
        char c = peek(t, n);
        bool sign = (c == '+' || c == '-') && !hex && n > 0 &&
                    (peek(t, n - 1) == 'e' || peek(t, n - 1) == 'E');
        bool part = is_digit(c) || c == '.' || (is_letter(c) && (c & 0x80) == 0) || sign;
        /* "1if a else b" and "1or 2" are legal; "0or 1" too, but not worth a rule. */
        bool word = !hex && is_letter(c) && c != '_' && strchr("eEjJxXoObBaAcCdDfF", c) == NULL;
        if (!part || word)
            return n;
    }
}

static azr_python_token take_name(azr_python_tokens *t)
{
    size_t n = 0;
    while (is_letter(peek(t, n)) || is_digit(peek(t, n)))
        n++;
    azr_python_token token = take(t, AZR_PYTHON_NAME, n);
    for (size_t i = 0; i < AZR_COUNT(keywords); i++)
        if (azr_python_token_is(&token, keywords[i]))
            token.kind = AZR_PYTHON_KEYWORD;
    return token;
}

static azr_python_token take_operator(azr_python_tokens *t)
{
    char c = peek(t, 0);
    if (strchr("([{", c) != NULL && c != '\0')
        t->depth++;
    else if (strchr(")]}", c) != NULL && c != '\0' && t->depth > 0)
        t->depth--;
    for (size_t i = 0; i < AZR_COUNT(operators); i++) {
        size_t n = strlen(operators[i]);
        if (t->size - t->at >= n && memcmp(t->text + t->at, operators[i], n) == 0)
            return take(t, AZR_PYTHON_OPERATOR, n);
    }
    return take(t, AZR_PYTHON_OPERATOR, 1);
}

azr_python_token azr_python_tokens_next(azr_python_tokens *t)
{
    azr_python_token token;
    for (;;) {
        if (t->at_line_start && t->n_dedents == 0 && start_line(t, &token))
            return token;
        if (t->n_dedents > 0) {
            t->n_dedents--;
            return (azr_python_token){AZR_PYTHON_DEDENT, t->text + t->at, 0};
        }
        skip_blanks(t);
        if (t->at < t->size && peek(t, 0) != '\n' && peek(t, 0) != '\r')
            break;
        bool had = t->line_has_token, end = t->at >= t->size;
        t->line_has_token = false;
        t->at_line_start = !end || t->n_indents > 0;
        if (!end)
            skip_line_end(t);
        if (had)
            return (azr_python_token){AZR_PYTHON_NEWLINE, t->text + t->at, 0};
        if (end && t->n_indents == 0)
            return (azr_python_token){AZR_PYTHON_END, t->text + t->at, 0};
    }
    t->line_has_token = true;
    bool is_string;
    size_t n_prefix = prefix_size(t, &is_string);
    if (is_string)
        return take_string(t, n_prefix);
    char c = peek(t, 0);
    if (is_digit(c) || (c == '.' && is_digit(peek(t, 1))))
        return take(t, AZR_PYTHON_NUMBER, number_size(t));
    return is_letter(c) ? take_name(t) : take_operator(t);
}
