/* maths_parse.c: from tokens to the tree of an answer.
 *
 *     list     relation (, relation)*
 *     relation union (= < > union)*
 *     union    sum (cup sum)*
 *     sum      +-product ((+ - pm) product)*
 *     product  power ((* / or nothing) power)*        a number before \frac is a mixed number
 *     power    primary (^ exponent | ! | % | degree | unit)*
 *     primary  number | symbol | words | frac | sqrt | function | brackets | matrix | |sum|  */
#include "eval/maths_tree.h"

#include <string.h>

typedef azr_maths_node node;

typedef struct parser {
    azr_maths_field *field;
    const azr_maths_token *tokens;
    int at, depth;
    bool failed, inside_bars;
} parser;

enum { MAX_ITEMS = 256 };

/* Items of a node being read. */
typedef struct item_list {
    const node *items[MAX_ITEMS];
    int n;
} item_list;

static const node *parse_list(parser *p);
static const node *parse_sum(parser *p);
static const node *parse_power(parser *p);

/* --- tools ------------------------------------------------------------------------------------ */

static const node *fail(parser *p)
{
    p->failed = true;
    return NULL;
}

static bool at(const parser *p, azr_maths_token_kind kind, const char *text)
{
    const azr_maths_token *token = &p->tokens[p->at];
    return token->kind == kind && strcmp(token->text, text) == 0;
}

static bool at_sign(const parser *p, const char *sign)
{
    return at(p, AZR_MATHS_T_SIGN, sign);
}

static bool at_command(const parser *p, const char *name)
{
    return at(p, AZR_MATHS_T_COMMAND, name);
}

static bool take_sign(parser *p, const char *sign)
{
    bool is = at_sign(p, sign);
    p->at += is;
    return is;
}

static bool take_command(parser *p, const char *name)
{
    bool is = at_command(p, name);
    p->at += is;
    return is;
}

static void append(parser *p, item_list *list, const node *item)
{
    if (item == NULL || list->n == MAX_ITEMS)
        p->failed = true;
    else
        list->items[list->n++] = item;
}

const node **azr_maths__items(azr_arena *arena, int n)
{
    return azr_arena_alloc(arena, (size_t)n, sizeof(void *));
}

static node *new_node(parser *p, azr_maths_kind kind, const item_list *list)
{
    if (p->failed)
        return NULL;
    node *made = azr_arena_alloc(p->field->arena, 1, sizeof *made);
    made->kind = kind;
    if (list != NULL && list->n > 0) {
        made->items = azr_maths__items(p->field->arena, list->n);
        for (int i = 0; i < list->n; i++)
            made->items[i] = list->items[i];
        made->n_items = list->n;
    }
    return made;
}

static node *node_of_two(parser *p, azr_maths_kind kind, const node *a, const node *b)
{
    if (a == NULL || b == NULL)
        p->failed = true;
    if (p->failed)
        return NULL;
    node *made = azr_arena_alloc(p->field->arena, 1, sizeof *made);
    made->kind = kind;
    made->items = azr_maths__items(p->field->arena, 2);
    made->items[0] = a;
    made->items[1] = b;
    made->n_items = 2;
    return made;
}

static node *node_of_one(parser *p, azr_maths_kind kind, const node *a)
{
    node *made = node_of_two(p, kind, a, a);
    if (made != NULL)
        made->n_items = 1;
    return made;
}

static const node *name_node(parser *p, const char *name)
{
    node *made = new_node(p, AZR_MATHS_NAME, NULL);
    if (made != NULL)
        made->text = name;
    return made;
}

static const node *integer_node(parser *p, int value)
{
    node *made = new_node(p, AZR_MATHS_NUMBER, NULL);
    if (made != NULL)
        made->value = azr_maths__ratio(p->field, value, 1);
    return made;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* digits[.digits] with n_repeating more digits that repeat for ever. */
static const node *decimal_node(parser *p, const char *digits, const char *repeating)
{
    __int128 value = 0, scale = 1;
    bool point = false, overflow = false;
    for (const char *c = digits; *c != '\0'; c++) {
        if (*c == '.') {
            point = true;
            continue;
        }
        overflow |= __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, *c - '0', &value);
        if (point)
            overflow |= __builtin_mul_overflow(scale, 10, &scale);
    }
    /* 0.a(b) = (ab - a) / (10^n - 1) / 10^m */
    __int128 period = 1, whole = value;
    for (const char *c = repeating; *c != '\0'; c++)
        overflow |= __builtin_mul_overflow(period, 10, &period) ||
                    __builtin_mul_overflow(whole, 10, &whole) ||
                    __builtin_add_overflow(whole, *c - '0', &whole);
    if (period > 1) {
        value = whole - value;
        overflow |= __builtin_mul_overflow(scale, period - 1, &scale);
    }
    node *made = new_node(p, AZR_MATHS_NUMBER, NULL);
    if (made == NULL)
        return NULL;
    if (overflow)
        p->field->failed = true;
    else
        made->value = azr_maths__ratio(p->field, value, scale);
    made->text = digits;
    return made;
}

/* Behind a number: 0.1\overline{6}, 1011_2, or nothing. */
static const node *parse_number(parser *p)
{
    const char *digits = p->tokens[p->at++].text;
    if (strchr(digits, '.') != NULL && at_command(p, "overline")) {
        const azr_maths_token *ahead = &p->tokens[p->at + 1];
        if (ahead->kind == AZR_MATHS_T_SIGN && ahead->text[0] == '{' &&
            ahead[1].kind == AZR_MATHS_T_NUMBER && strchr(ahead[1].text, '.') == NULL &&
            ahead[2].kind == AZR_MATHS_T_SIGN && ahead[2].text[0] == '}') {
            p->at += 4;
            return decimal_node(p, digits, ahead[1].text);
        }
        return fail(p);
    }
    if (take_sign(p, "_")) {
        bool group = take_sign(p, "{");
        if (p->tokens[p->at].kind != AZR_MATHS_T_NUMBER)
            return fail(p);
        const node *base = decimal_node(p, p->tokens[p->at++].text, "");
        if (group && !take_sign(p, "}"))
            return fail(p);
        node *based = node_of_one(p, AZR_MATHS_BASED, base);
        if (based != NULL)
            based->text = digits;
        return based;
    }
    return decimal_node(p, digits, "");
}

/* --- primaries -------------------------------------------------------------------------------- */

/* A group {...}, or one token as LaTeX takes it. */
static const node *parse_argument(parser *p)
{
    if (take_sign(p, "{")) {
        const node *inner = parse_list(p);
        return take_sign(p, "}") ? inner : fail(p);
    }
    /* \frac12: one digit each. Longer numbers are left to the plain notation. */
    return parse_power(p);
}

static const node *parse_fraction(parser *p)
{
    const azr_maths_token *token = &p->tokens[p->at];
    if (token->kind == AZR_MATHS_T_NUMBER && strlen(token->text) == 2 && token->text[0] != '.' &&
        token->text[1] != '.') { /* \frac12 */
        p->at++;
        return node_of_two(p, AZR_MATHS_FRACTION, integer_node(p, token->text[0] - '0'),
                           integer_node(p, token->text[1] - '0'));
    }
    const node *over = parse_argument(p);
    return node_of_two(p, AZR_MATHS_FRACTION, over, p->failed ? NULL : parse_argument(p));
}

static const node *parse_square_root(parser *p)
{
    const node *degree = NULL;
    if (take_sign(p, "[")) {
        degree = parse_sum(p);
        if (!take_sign(p, "]"))
            return fail(p);
    } else {
        degree = integer_node(p, 2);
    }
    return node_of_two(p, AZR_MATHS_NTH_ROOT, p->failed ? NULL : parse_argument(p), degree);
}

/* The subscript's tokens behind a symbol, joined to its name. */
static const node *parse_symbol(parser *p)
{
    azr_strbuf name = {0};
    azr_strbuf_puts(&name, p->tokens[p->at++].text);
    if (take_sign(p, "_")) {
        azr_strbuf_puts(&name, "_");
        if (take_sign(p, "{")) {
            while (!at_sign(p, "}") && p->tokens[p->at].kind != AZR_MATHS_T_END)
                azr_strbuf_puts(&name, p->tokens[p->at++].text);
            if (!take_sign(p, "}"))
                p->failed = true;
        } else if (p->tokens[p->at].kind != AZR_MATHS_T_END) {
            azr_strbuf_puts(&name, p->tokens[p->at++].text);
        }
    }
    while (take_sign(p, "'"))
        azr_strbuf_puts(&name, "'");
    const node *made =
        name_node(p, azr_arena_text(p->field->arena, azr_strbuf_text(&name), name.size));
    azr_strbuf_deinit(&name);
    return made;
}

static const node *function_node(parser *p, const char *name, const node *argument,
                                 const node *second)
{
    node *made = second == NULL ? node_of_one(p, AZR_MATHS_FUNCTION, argument)
                                : node_of_two(p, AZR_MATHS_FUNCTION, argument, second);
    if (made != NULL)
        made->text = name;
    return made;
}

/* \sin^2 x, \log_2(8), \sin 2x: the argument is a bracket or the product that follows. */
static const node *parse_function(parser *p)
{
    const char *name = p->tokens[p->at++].text;
    const node *base = NULL, *exponent = NULL;
    for (int i = 0; i < 2; i++) {
        if (base == NULL && take_sign(p, "_"))
            base = parse_argument(p);
        else if (exponent == NULL && take_sign(p, "^"))
            exponent = parse_argument(p);
    }
    item_list factors = {.n = 0};
    if (at_sign(p, "(") || at_sign(p, "{")) {
        append(p, &factors, parse_power(p));
    } else {
        while (!p->failed && (p->tokens[p->at].kind == AZR_MATHS_T_NUMBER ||
                              p->tokens[p->at].kind == AZR_MATHS_T_LETTER ||
                              at_command(p, "frac") || at_command(p, "sqrt")))
            append(p, &factors, parse_power(p));
    }
    if (factors.n == 0)
        return fail(p);
    const node *argument =
        factors.n == 1 ? factors.items[0] : new_node(p, AZR_MATHS_PRODUCT, &factors);
    const node *value = function_node(p, name, argument, base);
    return exponent == NULL ? value : node_of_two(p, AZR_MATHS_POWER, value, exponent);
}

/* Between brackets: one value is grouped by () and [], several make a tuple or an interval. */
static const node *parse_brackets(parser *p)
{
    char open = p->tokens[p->at++].text[0];
    item_list items = {.n = 0};
    do
        append(p, &items, parse_sum(p));
    while (!p->failed && (take_sign(p, ",") || take_sign(p, ";")));
    char close = at_sign(p, ")") ? ')' : at_sign(p, "]") ? ']' : '\0';
    if (close == '\0' || p->failed)
        return fail(p);
    p->at++;
    if (items.n == 1)
        return items.items[0];
    node *tuple = new_node(p, AZR_MATHS_TUPLE, &items);
    if (tuple != NULL) {
        tuple->open = open;
        tuple->close = close;
    }
    return tuple;
}

static const node *parse_set(parser *p)
{
    item_list items = {.n = 0};
    p->at++;
    if (!at_command(p, "}"))
        do
            append(p, &items, parse_sum(p));
        while (!p->failed && (take_sign(p, ",") || take_sign(p, ";")));
    return take_command(p, "}") ? new_node(p, AZR_MATHS_SET, &items) : fail(p);
}

static const node *parse_matrix(parser *p)
{
    item_list items = {.n = 0};
    int n_columns = 0, n_in_row = 0;
    p->at++;
    while (!p->failed && !take_command(p, "end")) {
        append(p, &items, parse_sum(p));
        n_in_row++;
        if (take_sign(p, "&"))
            continue;
        if (n_columns != 0 && n_in_row != n_columns)
            return fail(p);
        n_columns = n_in_row;
        n_in_row = 0;
        if (!take_command(p, "row") && !at_command(p, "end"))
            return fail(p);
    }
    node *matrix = new_node(p, AZR_MATHS_MATRIX, &items);
    if (matrix != NULL)
        matrix->n_columns = n_columns;
    return matrix;
}

static const node *parse_between(parser *p, const char *name, const char *closing)
{
    p->at++;
    const node *inner = parse_sum(p);
    return take_command(p, closing) ? function_node(p, name, inner, NULL) : fail(p);
}

static const node *parse_bars(parser *p)
{
    p->at++;
    p->inside_bars = true;
    const node *inner = parse_sum(p);
    p->inside_bars = false;
    return take_sign(p, "|") ? function_node(p, "abs", inner, NULL) : fail(p);
}

static const node *parse_command(parser *p)
{
    const char *name = p->tokens[p->at].text;
    if (azr_maths__is_function(name))
        return parse_function(p);
    if (take_command(p, "frac"))
        return parse_fraction(p);
    if (take_command(p, "sqrt"))
        return parse_square_root(p);
    if (take_command(p, "infty"))
        return name_node(p, "infinity");
    if (take_command(p, "emptyset"))
        return new_node(p, AZR_MATHS_SET, NULL);
    if (at_command(p, "{"))
        return parse_set(p);
    if (at_command(p, "begin"))
        return parse_matrix(p);
    if (at_command(p, "lfloor"))
        return parse_between(p, "floor", "rfloor");
    if (at_command(p, "lceil"))
        return parse_between(p, "ceil", "rceil");
    if (take_command(p, "binom")) {
        const node *n = parse_argument(p);
        return function_node(p, "binom", n, p->failed ? NULL : parse_argument(p));
    }
    if (take_command(p, "overline"))
        return function_node(p, "overline", parse_argument(p), NULL);
    return fail(p);
}

static const node *parse_primary(parser *p)
{
    const azr_maths_token *token = &p->tokens[p->at];
    switch (token->kind) {
    case AZR_MATHS_T_NUMBER:
        return parse_number(p);
    case AZR_MATHS_T_LETTER:
        return parse_symbol(p);
    case AZR_MATHS_T_TEXT: {
        node *words = new_node(p, AZR_MATHS_WORDS, NULL);
        p->at++;
        if (words != NULL)
            words->text = token->text;
        return words;
    }
    case AZR_MATHS_T_COMMAND:
        return parse_command(p);
    case AZR_MATHS_T_SIGN:
        if (at_sign(p, "(") || at_sign(p, "["))
            return parse_brackets(p);
        if (at_sign(p, "{"))
            return parse_argument(p);
        if (at_sign(p, "|") && !p->inside_bars)
            return parse_bars(p);
        return fail(p);
    default:
        return fail(p);
    }
}

/* --- what stands behind and between ----------------------------------------------------------- */

static node *unit_node(parser *p, const node *value, const char *unit)
{
    node *made = node_of_one(p, AZR_MATHS_UNIT, value);
    if (made != NULL)
        made->text = unit;
    return made;
}

/* Behind "^": degrees say nothing about the value. */
static bool take_degree(parser *p)
{
    if (take_command(p, "degree"))
        return true;
    const azr_maths_token *ahead = &p->tokens[p->at];
    if (at_sign(p, "{") && ahead[1].kind == AZR_MATHS_T_COMMAND &&
        strcmp(ahead[1].text, "degree") == 0 && ahead[2].kind == AZR_MATHS_T_SIGN &&
        ahead[2].text[0] == '}') {
        p->at += 3;
        return true;
    }
    return false;
}

static const node *parse_exponent(parser *p)
{
    if (take_sign(p, "-"))
        return node_of_one(p, AZR_MATHS_NEGATIVE, parse_power(p));
    if (at_sign(p, "{"))
        return parse_argument(p);
    return parse_primary(p);
}

static const node *parse_power(parser *p)
{
    if (++p->depth > AZR_MATHS_MAX_DEPTH || p->failed)
        return fail(p);
    const node *value = parse_primary(p);
    while (!p->failed) {
        if (take_sign(p, "^")) {
            if (!take_degree(p))
                value = node_of_two(p, AZR_MATHS_POWER, value, parse_exponent(p));
        } else if (take_sign(p, "!")) {
            value = function_node(p, "factorial", value, NULL);
        } else if (take_sign(p, "%")) {
            value = unit_node(p, value, "%");
        } else if (p->tokens[p->at].kind == AZR_MATHS_T_TEXT && value->kind != AZR_MATHS_WORDS) {
            value = unit_node(p, value, p->tokens[p->at++].text);
        } else if (!take_command(p, "degree")) {
            break;
        }
    }
    p->depth--;
    return value;
}

/* Could a factor begin here without a sign before it? */
static bool at_factor(const parser *p)
{
    const azr_maths_token *token = &p->tokens[p->at];
    if (token->kind == AZR_MATHS_T_LETTER || token->kind == AZR_MATHS_T_NUMBER)
        return true;
    if (token->kind == AZR_MATHS_T_SIGN)
        return strchr("({[", token->text[0]) != NULL || (token->text[0] == '|' && !p->inside_bars);
    static const char *const starts[] = {"frac",  "sqrt", "infty", "binom",   "lfloor",
                                         "lceil", "{",    "begin", "overline"};
    if (token->kind != AZR_MATHS_T_COMMAND)
        return false;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strcmp(token->text, starts[i]) == 0)
            return true;
    return azr_maths__is_function(token->text);
}

static bool is_integer(const node *value)
{
    return value != NULL && value->kind == AZR_MATHS_NUMBER && value->value.denominator == 1;
}

/* 3\frac{1}{2} and 3 1/2 are sums. */
static const node *parse_mixed(parser *p, const node *whole)
{
    int start = p->at;
    if (take_command(p, "frac")) {
        const node *part = parse_fraction(p);
        if (!p->failed && is_integer(part->items[0]) && is_integer(part->items[1]))
            return node_of_two(p, AZR_MATHS_SUM, whole, part);
    } else {
        const azr_maths_token *ahead = &p->tokens[p->at];
        if (ahead[0].kind == AZR_MATHS_T_NUMBER && ahead[1].kind == AZR_MATHS_T_SIGN &&
            ahead[1].text[0] == '/' && ahead[2].kind == AZR_MATHS_T_NUMBER) {
            const node *over = parse_number(p);
            p->at++;
            const node *part = node_of_two(p, AZR_MATHS_FRACTION, over, parse_number(p));
            return node_of_two(p, AZR_MATHS_SUM, whole, part);
        }
    }
    p->at = start;
    return whole;
}

static const node *parse_product(parser *p)
{
    const node *value = parse_power(p);
    if (p->failed)
        return NULL;
    if (p->tokens[p->at - 1].kind == AZR_MATHS_T_NUMBER && is_integer(value))
        value = parse_mixed(p, value);
    bool after_number = p->tokens[p->at - 1].kind == AZR_MATHS_T_NUMBER;
    while (!p->failed) {
        bool divides = take_sign(p, "/") || take_sign(p, ":");
        if (!divides && !take_sign(p, "*")) {
            if (!at_factor(p))
                break;
            if (after_number && p->tokens[p->at].kind == AZR_MATHS_T_NUMBER)
                return fail(p); /* two numbers side by side */
        }
        value =
            node_of_two(p, divides ? AZR_MATHS_FRACTION : AZR_MATHS_PRODUCT, value, parse_power(p));
        after_number = p->tokens[p->at - 1].kind == AZR_MATHS_T_NUMBER;
    }
    return value;
}

static const node *parse_sum(parser *p)
{
    if (++p->depth > AZR_MATHS_MAX_DEPTH)
        return fail(p);
    const node *value = NULL;
    if (take_sign(p, "-")) {
        value = node_of_one(p, AZR_MATHS_NEGATIVE, parse_product(p));
    } else if (take_command(p, "pm")) {
        const node *zero = integer_node(p, 0);
        value = node_of_two(p, AZR_MATHS_PLUS_MINUS, zero, parse_product(p));
    } else {
        take_sign(p, "+");
        value = parse_product(p);
    }
    while (!p->failed) {
        if (take_sign(p, "+"))
            value = node_of_two(p, AZR_MATHS_SUM, value, parse_product(p));
        else if (take_sign(p, "-"))
            value = node_of_two(p, AZR_MATHS_SUM, value,
                                node_of_one(p, AZR_MATHS_NEGATIVE, parse_product(p)));
        else if (take_command(p, "pm"))
            value = node_of_two(p, AZR_MATHS_PLUS_MINUS, value, parse_product(p));
        else
            break;
    }
    p->depth--;
    return value;
}

static const node *parse_union(parser *p)
{
    item_list items = {.n = 0};
    do
        append(p, &items, parse_sum(p));
    while (!p->failed && take_command(p, "cup"));
    return items.n == 1 && !p->failed ? items.items[0] : new_node(p, AZR_MATHS_UNION, &items);
}

/* The sign at this place as one character, '\0' when none relates. */
static char relation_sign(parser *p)
{
    static const struct {
        const char *text;
        azr_maths_token_kind kind;
        char sign;
    } signs[] = {
        {"=", AZR_MATHS_T_SIGN, '='},     {"<", AZR_MATHS_T_SIGN, '<'},
        {">", AZR_MATHS_T_SIGN, '>'},     {"le", AZR_MATHS_T_COMMAND, 'L'},
        {"ge", AZR_MATHS_T_COMMAND, 'G'}, {"ne", AZR_MATHS_T_COMMAND, 'N'},
        {"in", AZR_MATHS_T_COMMAND, '='},
    };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (at(p, signs[i].kind, signs[i].text)) {
            p->at++;
            return signs[i].sign;
        }
    }
    return '\0';
}

static const node *parse_relation(parser *p)
{
    item_list items = {.n = 0};
    char signs[MAX_ITEMS];
    append(p, &items, parse_union(p));
    for (char sign; !p->failed && (sign = relation_sign(p)) != '\0';) {
        signs[items.n - 1] = sign;
        append(p, &items, parse_union(p));
    }
    if (p->failed || items.n == 1)
        return p->failed ? NULL : items.items[0];
    node *relation = new_node(p, AZR_MATHS_RELATION, &items);
    relation->text = azr_arena_text(p->field->arena, signs, (size_t)items.n - 1);
    return relation;
}

static const node *parse_list(parser *p)
{
    if (++p->depth > AZR_MATHS_MAX_DEPTH)
        return fail(p);
    item_list items = {.n = 0};
    do {
        append(p, &items, parse_relation(p));
        bool separated = false;
        while (take_sign(p, ",") || take_sign(p, ";"))
            separated = true;
        if (!separated)
            break;
    } while (!p->failed);
    p->depth--;
    if (p->failed || items.n == 1)
        return p->failed ? NULL : items.items[0];
    return new_node(p, AZR_MATHS_LIST, &items);
}

const node *azr_maths__parse(azr_maths_field *field, const azr_maths_token *tokens)
{
    parser p = {.field = field, .tokens = tokens};
    const node *root = parse_list(&p);
    return p.failed || tokens[p.at].kind != AZR_MATHS_T_END ? NULL : root;
}
