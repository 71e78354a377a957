/* literal_parse.c: the grammar of Python literals and of argument lists: brackets, signs, sums that
 * make complex numbers, names. Accepts what ast.literal_eval accepts (but for \N{...} and
 * Ellipsis), and also what repr prints: inf, nan, frozenset({...}). */
#include "executor/literal_parser.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

/* What a value was written as decides where it may stand next to a sign. */
typedef enum value_form {
    FORM_NUMBER, /* int, float or imaginary without sign */
    FORM_SIGNED, /* the same with one sign */
    FORM_OTHER,
} value_form;

static const azr_literal *parse_value(azr_literal_parser *p, value_form *out_form);

/* --- the parser's tools ----------------------------------------------------------------------- */

void *azr_literal__fail(azr_literal_parser *p, const char *expected)
{
    p->status = AZR_ERROR_INPUT;
    azr_error_set(p->error, p->status, "byte %zu of the literal: expected %s", p->at, expected);
    return NULL;
}

void *azr_literal__exceed(azr_literal_parser *p, const char *limit)
{
    p->status = AZR_ERROR_LIMIT;
    azr_error_set(p->error, p->status, "byte %zu of the literal: the limit is %s", p->at, limit);
    return NULL;
}

azr_literal *azr_literal__node(azr_literal_parser *p, azr_literal_kind kind)
{
    if (++p->n_nodes > p->max_nodes)
        return azr_literal__exceed(p, p->max_nodes == AZR_LITERAL_MAX_NODES ? "262144 values"
                                                                            : "so many values");
    azr_literal *node = azr_arena_alloc(p->arena, 1, sizeof *node);
    node->kind = kind;
    node->hashable =
        kind != AZR_LITERAL_LIST && kind != AZR_LITERAL_SET && kind != AZR_LITERAL_DICT;
    return node;
}

bool azr_literal__is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80) != 0;
}

void azr_literal__skip(azr_literal_parser *p)
{
    for (;;) {
        char c = azr_literal__peek(p, 0);
        if (c == ' ' || c == '\t' || c == '\f' || (p->depth > 0 && (c == '\n' || c == '\r'))) {
            p->at++;
        } else if (c == '#') {
            while (p->at < p->size && p->text[p->at] != '\n' && p->text[p->at] != '\r')
                p->at++;
        } else if (c == '\\' && azr_literal__peek(p, 1) == '\n' && p->at + 2 < p->size) {
            p->at += 2;
        } else if (c == '\\' && azr_literal__peek(p, 1) == '\r' &&
                   azr_literal__peek(p, 2) == '\n' && p->at + 3 < p->size) {
            p->at += 3;
        } else {
            return;
        }
    }
}

/* Behind an opening bracket. */
static bool open_bracket(azr_literal_parser *p)
{
    if (++p->depth > AZR_LITERAL_MAX_DEPTH) {
        azr_literal__exceed(p, "100 brackets inside each other");
        return false;
    }
    azr_literal__skip(p);
    return true;
}

/* Takes the closing bracket when it is here. */
static bool close_bracket(azr_literal_parser *p, char bracket)
{
    if (azr_literal__peek(p, 0) != bracket)
        return false;
    p->at++;
    p->depth--;
    return true;
}

static void push(azr_literal_parser *p, const azr_literal *node)
{
    if (p->n_pending == p->capacity) {
        p->capacity = p->capacity > 0 ? 2 * p->capacity : 64;
        p->pending = azr_realloc(p->pending, p->capacity, sizeof(azr_literal *));
    }
    p->pending[p->n_pending++] = node;
}

/* --- containers ------------------------------------------------------------------------------- */

/* Moves the pending nodes from i_first on into the node as its items. */
static void take_items(azr_literal_parser *p, azr_literal *node, size_t i_first)
{
    size_t n = p->n_pending - i_first;
    node->items = azr_arena_alloc(p->arena, n, sizeof(azr_literal *));
    node->n_items = n;
    for (size_t i = 0; i < n; i++) {
        node->items[i] = p->pending[i_first + i];
        node->has_nan = node->has_nan || node->items[i]->has_nan;
        node->hashable = node->hashable && node->items[i]->hashable;
    }
    p->n_pending = i_first;
    if (node->kind == AZR_LITERAL_SET)
        azr_literal__finish_set(node);
}

/* The same for pairs: key, value, key, value, ... */
static void take_entries(azr_literal_parser *p, azr_literal *node, size_t i_first)
{
    size_t n = (p->n_pending - i_first) / 2;
    node->entries = azr_arena_alloc(p->arena, n, sizeof(azr_literal_entry));
    node->n_entries = n;
    for (size_t i = 0; i < n; i++) {
        const azr_literal *key = p->pending[i_first + 2 * i];
        const azr_literal *value = p->pending[i_first + 2 * i + 1];
        node->entries[i] = (azr_literal_entry){key, value, i};
        node->has_nan = node->has_nan || key->has_nan || value->has_nan;
    }
    p->n_pending = i_first;
    azr_literal__finish_dict(node, p->arena);
}

static bool push_hashable(azr_literal_parser *p, const char *what)
{
    const azr_literal *value = parse_value(p, &(value_form){0});
    if (value == NULL)
        return false;
    if (!value->hashable)
        return azr_literal__fail(p, what);
    push(p, value);
    return true;
}

/* Values up to the closing bracket; a comma may stand behind the last. Members from i_first on are
 * pending already. */
static const azr_literal *list_or_set(azr_literal_parser *p, azr_literal_kind kind, size_t i_first)
{
    char closing = kind == AZR_LITERAL_LIST ? ']' : '}';
    while (!close_bracket(p, closing)) {
        if (kind == AZR_LITERAL_SET) {
            if (!push_hashable(p, "a hashable member of the set before this"))
                return NULL;
        } else {
            const azr_literal *value = parse_value(p, &(value_form){0});
            if (value == NULL)
                return NULL;
            push(p, value);
        }
        azr_literal__skip(p);
        if (azr_literal__peek(p, 0) == ',') {
            p->at++;
            azr_literal__skip(p);
        } else if (azr_literal__peek(p, 0) != closing) {
            return azr_literal__fail(p, kind == AZR_LITERAL_LIST ? "',' or ']'" : "',' or '}'");
        }
    }
    azr_literal *node = azr_literal__node(p, kind);
    if (node != NULL)
        take_items(p, node, i_first);
    return node;
}

/* Behind the brace; the first key is pending already and a colon is here, or the brace closes. */
static const azr_literal *dict(azr_literal_parser *p, size_t i_first)
{
    while (!close_bracket(p, '}')) {
        if ((p->n_pending - i_first) % 2 == 0 &&
            !push_hashable(p, "a hashable key of the dict before this"))
            return NULL;
        azr_literal__skip(p);
        if (azr_literal__peek(p, 0) != ':')
            return azr_literal__fail(p, "':'");
        p->at++;
        azr_literal__skip(p);
        const azr_literal *value = parse_value(p, &(value_form){0});
        if (value == NULL)
            return NULL;
        push(p, value);
        azr_literal__skip(p);
        if (azr_literal__peek(p, 0) == ',') {
            p->at++;
            azr_literal__skip(p);
        } else if (azr_literal__peek(p, 0) != '}') {
            return azr_literal__fail(p, "',' or '}'");
        }
    }
    azr_literal *node = azr_literal__node(p, AZR_LITERAL_DICT);
    if (node != NULL)
        take_entries(p, node, i_first);
    return node;
}

static const azr_literal *braces(azr_literal_parser *p)
{
    p->at++;
    size_t i_first = p->n_pending;
    if (!open_bracket(p))
        return NULL;
    if (azr_literal__peek(p, 0) == '}')
        return dict(p, i_first);
    const azr_literal *first = parse_value(p, &(value_form){0});
    if (first == NULL)
        return NULL;
    azr_literal__skip(p);
    if (azr_literal__peek(p, 0) == ':') {
        if (!first->hashable)
            return azr_literal__fail(p, "a hashable key of the dict before this");
        push(p, first);
        return dict(p, i_first);
    }
    if (!first->hashable)
        return azr_literal__fail(p, "a hashable member of the set before this");
    push(p, first);
    if (azr_literal__peek(p, 0) == ',') {
        p->at++;
        azr_literal__skip(p);
    } else if (azr_literal__peek(p, 0) != '}') {
        return azr_literal__fail(p, "',', ':' or '}'");
    }
    return list_or_set(p, AZR_LITERAL_SET, i_first);
}

/* Commas and values behind the first value of a tuple, up to the closing bracket (or, without
 * brackets, up to where no value begins). */
static const azr_literal *tuple(azr_literal_parser *p, const azr_literal *first, bool bracketed)
{
    size_t i_first = p->n_pending;
    if (first != NULL)
        push(p, first);
    while (azr_literal__peek(p, 0) == ',') {
        p->at++;
        azr_literal__skip(p);
        char c = azr_literal__peek(p, 0);
        if (bracketed ? c == ')' : c == '\0' || c == '\n' || c == '\r')
            break;
        const azr_literal *value = parse_value(p, &(value_form){0});
        if (value == NULL)
            return NULL;
        push(p, value);
        azr_literal__skip(p);
    }
    if (bracketed && !close_bracket(p, ')'))
        return azr_literal__fail(p, "',' or ')'");
    azr_literal *node = azr_literal__node(p, AZR_LITERAL_TUPLE);
    if (node != NULL)
        take_items(p, node, i_first);
    return node;
}

static const azr_literal *parentheses(azr_literal_parser *p, value_form *out_form)
{
    p->at++;
    if (!open_bracket(p))
        return NULL;
    if (azr_literal__peek(p, 0) == ')') {
        *out_form = FORM_OTHER;
        return tuple(p, NULL, true);
    }
    const azr_literal *value = parse_value(p, out_form);
    if (value == NULL)
        return NULL;
    azr_literal__skip(p);
    if (azr_literal__peek(p, 0) == ',') {
        *out_form = FORM_OTHER;
        return tuple(p, value, true);
    }
    if (!close_bracket(p, ')'))
        return azr_literal__fail(p, "',' or ')'");
    return value;
}

/* --- names ------------------------------------------------------------------------------------ */

/* set(), frozenset(), frozenset({...}): behind the name. */
static const azr_literal *set_call(azr_literal_parser *p, azr_literal_kind kind)
{
    azr_literal__skip(p);
    if (azr_literal__peek(p, 0) != '(')
        return azr_literal__fail(p, "'('");
    p->at++;
    if (!open_bracket(p))
        return NULL;
    azr_literal *node = azr_literal__node(p, kind);
    if (node == NULL)
        return NULL;
    if (kind == AZR_LITERAL_FROZENSET && azr_literal__peek(p, 0) == '{') {
        const azr_literal *set = braces(p);
        if (set == NULL)
            return NULL;
        if (set->kind != AZR_LITERAL_SET)
            return azr_literal__fail(p, "a set before this");
        node->items = set->items;
        node->n_items = set->n_items;
        node->has_nan = set->has_nan;
        azr_literal__skip(p);
        if (azr_literal__peek(p, 0) == ',') {
            p->at++;
            azr_literal__skip(p);
        }
    }
    if (!close_bracket(p, ')'))
        return azr_literal__fail(p, "')'");
    return node;
}

static const azr_literal *named_number(azr_literal_parser *p, double value, bool is_imaginary)
{
    azr_literal *node =
        azr_literal__node(p, is_imaginary ? AZR_LITERAL_COMPLEX : AZR_LITERAL_FLOAT);
    if (node == NULL)
        return NULL;
    if (is_imaginary)
        node->imag = value;
    else
        node->real = value;
    node->has_nan = isnan(value);
    return node;
}

static const azr_literal *boolean(azr_literal_parser *p, bool value)
{
    azr_literal *node = azr_literal__node(p, AZR_LITERAL_BOOL);
    if (node == NULL)
        return NULL;
    node->bytes = value ? "1" : "0";
    node->size = 1;
    node->real = value ? 1 : 0;
    return node;
}

static size_t name_size(const azr_literal_parser *p)
{
    size_t size = 0;
    while (azr_literal__is_name(azr_literal__peek(p, size)))
        size++;
    return size;
}

static const azr_literal *name(azr_literal_parser *p, value_form *out_form)
{
    static const char *const names[] = {"None", "True", "False", "set",  "frozenset",
                                        "inf",  "nan",  "infj",  "nanj", NULL};
    size_t size = name_size(p), i = 0;
    while (names[i] != NULL &&
           (strlen(names[i]) != size || memcmp(names[i], p->text + p->at, size) != 0))
        i++;
    if (names[i] == NULL)
        return azr_literal__fail(p, "a literal");
    p->at += size;
    *out_form = i >= 5 ? FORM_NUMBER : FORM_OTHER;
    switch (i) {
    case 0:
        return azr_literal__node(p, AZR_LITERAL_NONE);
    case 1:
    case 2:
        return boolean(p, i == 1);
    case 3:
    case 4:
        return set_call(p, i == 3 ? AZR_LITERAL_SET : AZR_LITERAL_FROZENSET);
    default:
        return named_number(p, i % 2 == 1 ? (double)INFINITY : (double)NAN, i >= 7);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

static const azr_literal *primary(azr_literal_parser *p, value_form *out_form)
{
    char c = azr_literal__peek(p, 0);
    *out_form = FORM_OTHER;
    if (azr_literal__at_string(p))
        return azr_literal__string(p);
    if (azr_literal__is_digit(c, 10) ||
        (c == '.' && azr_literal__is_digit(azr_literal__peek(p, 1), 10))) {
        *out_form = FORM_NUMBER;
        return azr_literal__number(p);
    }
    if (c == '[') {
        p->at++;
        return open_bracket(p) ? list_or_set(p, AZR_LITERAL_LIST, p->n_pending) : NULL;
    }
    if (c == '{')
        return braces(p);
    if (c == '(')
        return parentheses(p, out_form);
    if (azr_literal__is_name(c))
        return name(p, out_form);
    return azr_literal__fail(p, "a literal");
}

static const azr_literal *negated(azr_literal_parser *p, const azr_literal *number)
{
    azr_literal *node = azr_literal__node(p, number->kind);
    if (node == NULL)
        return NULL;
    bool is_zero = number->kind == AZR_LITERAL_INT && number->bytes[0] == '0';
    *node = *number;
    node->negative = number->kind == AZR_LITERAL_INT && !is_zero;
    if (number->kind == AZR_LITERAL_COMPLEX)
        node->imag = 0.0 - number->imag;
    else if (!is_zero)
        node->real = -number->real;
    return node;
}

static const azr_literal *signed_value(azr_literal_parser *p, value_form *out_form)
{
    char c = azr_literal__peek(p, 0);
    if (c != '+' && c != '-')
        return primary(p, out_form);
    p->at++;
    azr_literal__skip(p);
    size_t at = p->at;
    const azr_literal *value = primary(p, out_form);
    if (value == NULL)
        return NULL;
    if (*out_form != FORM_NUMBER) {
        p->at = at;
        return azr_literal__fail(p, "a number without sign");
    }
    *out_form = FORM_SIGNED;
    return c == '-' ? negated(p, value) : value;
}

/* A signed real number, + or -, an imaginary number: Python adds real + complex. Zeros of complex
 * numbers lose their sign: Python's own repr of them does not read back as it was. */
static const azr_literal *parse_value(azr_literal_parser *p, value_form *out_form)
{
    const azr_literal *left = signed_value(p, out_form);
    if (left == NULL)
        return NULL;
    if (*out_form == FORM_OTHER || left->kind == AZR_LITERAL_COMPLEX)
        return left;
    azr_literal__skip(p);
    char c = azr_literal__peek(p, 0);
    if (c != '+' && c != '-')
        return left;
    p->at++;
    azr_literal__skip(p);
    size_t at = p->at;
    value_form right_form;
    const azr_literal *right = primary(p, &right_form);
    if (right == NULL)
        return NULL;
    if (right_form != FORM_NUMBER || right->kind != AZR_LITERAL_COMPLEX) {
        p->at = at;
        return azr_literal__fail(p, "an imaginary number");
    }
    if (left->kind == AZR_LITERAL_INT && isinf(left->real))
        return azr_literal__fail(p, "a real part that fits a float before this");
    azr_literal *sum = azr_literal__node(p, AZR_LITERAL_COMPLEX);
    if (sum == NULL)
        return NULL;
    sum->real = left->real + 0.0;
    sum->imag = c == '-' ? 0.0 - right->imag : right->imag;
    sum->has_nan = isnan(sum->real) || isnan(sum->imag);
    *out_form = FORM_OTHER;
    return sum;
}

/* --- whole texts ------------------------------------------------------------------------------ */

size_t azr_literal__utf8_size(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char c = s[0];
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > size)
        return 0;
    for (size_t k = 1; k < n; k++)
        if ((s[k] & 0xc0) != 0x80)
            return 0;
    bool is_bad = (c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) ||
                  (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f);
    return is_bad ? 0 : n;
}

/* NUL ends a text for CPython, and what is not UTF-8 is no text. */
static bool is_text(const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        n = azr_literal__utf8_size(text + i, size - i);
        if (n == 0 || text[i] == '\0')
            return false;
    }
    return true;
}

static azr_status begin(azr_literal_parser *p, const char *text, size_t size, size_t max_bytes,
                        azr_error *error)
{
    *p = (azr_literal_parser){
        .text = text, .size = size, .max_nodes = AZR_LITERAL_MAX_NODES, .error = error};
    if (size > max_bytes)
        return azr_error_set(error, AZR_ERROR_LIMIT, "the literal has %zu bytes, the limit is %zu",
                             size, max_bytes);
    if (!is_text(text, size))
        return azr_error_set(error, AZR_ERROR_INPUT, "the literal is no UTF-8 text without NUL");
    p->arena = azr_arena_create();
    return AZR_OK;
}

/* Hands the arena to the root, or ends it. The error is set when root is NULL. */
static azr_status finish(azr_literal_parser *p, const azr_literal *root, azr_literal **out)
{
    azr_strbuf_deinit(&p->scratch);
    azr_free(p->pending);
    if (root == NULL) {
        azr_arena_destroy(p->arena);
        return p->status;
    }
    azr_literal *owner = azr_arena_alloc(p->arena, 1, sizeof *owner);
    *owner = *root;
    owner->arena = p->arena;
    *out = owner;
    return AZR_OK;
}

/* White space of all kinds, as if inside brackets. */
static void skip_lines(azr_literal_parser *p)
{
    p->depth++;
    azr_literal__skip(p);
    p->depth--;
}

azr_status azr_literal__parse_within(const char *text, size_t size, size_t max_bytes,
                                     size_t max_nodes, azr_literal **out, azr_error *error)
{
    azr_literal_parser p;
    *out = NULL;
    azr_status status = begin(&p, text, size, max_bytes, error);
    if (status != AZR_OK)
        return status;
    p.max_nodes = max_nodes;
    skip_lines(&p);
    const azr_literal *root = parse_value(&p, &(value_form){0});
    if (root != NULL) {
        azr_literal__skip(&p);
        if (azr_literal__peek(&p, 0) == ',')
            root = tuple(&p, root, false);
    }
    if (root != NULL) {
        skip_lines(&p);
        if (p.at < p.size)
            root = azr_literal__fail(&p, "the end of the literal");
    }
    return finish(&p, root, out);
}

azr_status azr_literal_parse(const char *text, size_t size, azr_literal **out, azr_error *error)
{
    return azr_literal__parse_within(text, size, AZR_LITERAL_MAX_BYTES, AZR_LITERAL_MAX_NODES, out,
                                     error);
}

static bool is_keyword(const char *text, size_t size)
{
    static const char *const words[] = {
        "None",  "True",     "False", "and",    "as",   "assert", "async",  "await",    "break",
        "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
        "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
        "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
    for (size_t i = 0; i < AZR_COUNT(words); i++)
        if (strlen(words[i]) == size && memcmp(words[i], text, size) == 0)
            return true;
    return false;
}

/* The size of a keyword argument's name here, 0 when there is none. */
static size_t keyword_size(azr_literal_parser *p)
{
    size_t start = p->at, size = name_size(p);
    for (size_t i = 0; i < size; i++)
        if (p->text[p->at + i] & 0x80)
            return 0;
    if (size == 0 || azr_literal__is_digit(p->text[p->at], 10) || is_keyword(p->text + p->at, size))
        return 0;
    p->at += size;
    azr_literal__skip(p);
    bool is_keyword_argument = azr_literal__peek(p, 0) == '=' && azr_literal__peek(p, 1) != '=';
    p->at = start;
    return is_keyword_argument ? size : 0;
}

/* One argument; keywords, as name and value, wait in *keywords until the positional ones are
 * taken. */
static bool argument(azr_literal_parser *p, azr_literal *node, size_t i_first)
{
    size_t size = keyword_size(p);
    if (size > 0) {
        if (node->items == NULL)
            take_items(p, node, i_first);
        azr_literal *key = azr_literal__node(p, AZR_LITERAL_STR);
        if (key == NULL)
            return false;
        key->bytes = azr_arena_text(p->arena, p->text + p->at, size);
        key->size = size;
        push(p, key);
        p->at += size;
        azr_literal__skip(p);
        p->at++; /* = */
        azr_literal__skip(p);
    } else if (node->items != NULL) {
        return azr_literal__fail(p, "a keyword argument");
    }
    const azr_literal *value = parse_value(p, &(value_form){0});
    if (value == NULL)
        return false;
    push(p, value);
    azr_literal__skip(p);
    return true;
}

static const azr_literal *arguments(azr_literal_parser *p)
{
    azr_literal *node = azr_literal__node(p, AZR_LITERAL_ARGUMENTS);
    azr_literal__skip(p);
    while (p->at < p->size) {
        if (!argument(p, node, 0))
            return NULL;
        if (p->at == p->size)
            break;
        if (azr_literal__peek(p, 0) != ',')
            return azr_literal__fail(p, "','");
        p->at++;
        azr_literal__skip(p);
    }
    if (node->items == NULL)
        take_items(p, node, 0);
    size_t n_keywords = p->n_pending / 2;
    take_entries(p, node, 0);
    if (node->n_entries != n_keywords)
        return azr_literal__fail(p, "each keyword argument only once before this");
    return node;
}

azr_status azr_arguments_parse(const char *text, size_t size, azr_literal **out, azr_error *error)
{
    azr_literal_parser p;
    *out = NULL;
    azr_status status = begin(&p, text, size, AZR_LITERAL_MAX_BYTES, error);
    if (status != AZR_OK)
        return status;
    p.depth = 1;
    return finish(&p, arguments(&p), out);
}

void azr_literal_destroy(azr_literal *literal)
{
    if (literal != NULL)
        azr_arena_destroy(literal->arena);
}

size_t azr_arguments_count(const azr_literal *literal)
{
    return literal->n_items + literal->n_entries;
}

const char *azr_literal_type(const azr_literal *literal)
{
    static const char *const names[] = {"NoneType",  "bool",  "int",      "float", "complex",
                                        "str",       "bytes", "list",     "tuple", "set",
                                        "frozenset", "dict",  "arguments"};
    return names[literal->kind];
}
