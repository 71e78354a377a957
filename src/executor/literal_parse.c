/* literal_parse.c: Python literals and argument lists, by recursive descent under limits. */
#include "executor/literal_text.h"

#include "base/check.h"
#include "base/memory.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- small steps ------------------------------------------------------------------------------ */

static char peek(const azr_literal_cursor *c)
{
    return c->at < c->size ? c->text[c->at] : '\0';
}

/* Blanks, and inside brackets line feeds and comments. */
static void skip_blanks(azr_literal_cursor *c)
{
    while (c->at < c->size) {
        char byte = c->text[c->at];
        if (byte == ' ' || byte == '\t' || byte == '\f' ||
            (c->depth > 0 && (byte == '\n' || byte == '\r'))) {
            c->at++;
        } else if (byte == '#') {
            while (c->at < c->size && c->text[c->at] != '\n')
                c->at++;
        } else {
            break;
        }
    }
}

static bool skip_byte(azr_literal_cursor *c, char byte)
{
    skip_blanks(c);
    if (peek(c) != byte || c->at >= c->size)
        return false;
    c->at++;
    skip_blanks(c);
    return true;
}

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

/* Takes the word when it stands here whole. */
static bool skip_word(azr_literal_cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (c->size - c->at < n || memcmp(c->text + c->at, word, n) != 0 ||
        (c->at + n < c->size && is_word_byte(c->text[c->at + n])))
        return false;
    c->at += n;
    return true;
}

static azr_literal *parse_value(azr_literal_cursor *c);

/* --- atoms ------------------------------------------------------------------------------------ */

/* One or more string tokens side by side. */
static azr_literal *parse_strings(azr_literal_cursor *c)
{
    azr_strbuf text = {0};
    azr_literal *literal = NULL;
    bool bytes = false, first = true;
    while (azr_literal__at_string(c)) {
        bool is_bytes;
        if (!azr_literal__read_string(c, &text, &is_bytes))
            goto done;
        if (!first && is_bytes != bytes) {
            azr_literal__expected(c, "strings of one kind");
            goto done;
        }
        bytes = is_bytes;
        first = false;
        skip_blanks(c);
    }
    literal = azr_literal__create(bytes ? AZR_LITERAL_BYTES : AZR_LITERAL_STR);
    azr_literal__set_text(literal, azr_strbuf_text(&text), text.size);
done:
    azr_strbuf_deinit(&text);
    return literal;
}

static azr_literal *make_number(azr_literal_kind kind, double value)
{
    azr_literal *literal = azr_literal__create(kind);
    literal->real = value;
    return literal;
}

/* An unsigned number, inf or nan. */
static azr_literal *parse_unsigned(azr_literal_cursor *c)
{
    if (skip_word(c, "inf"))
        return make_number(AZR_LITERAL_FLOAT, INFINITY);
    if (skip_word(c, "nan"))
        return make_number(AZR_LITERAL_FLOAT, NAN);
    if (isdigit((unsigned char)peek(c)) || peek(c) == '.')
        return azr_literal__read_number(c);
    /* infj and nanj, as repr prints complex numbers. */
    if (skip_word(c, "infj") || skip_word(c, "nanj")) {
        azr_literal *literal = azr_literal__create(AZR_LITERAL_COMPLEX);
        literal->imaginary = c->text[c->at - 4] == 'i' ? INFINITY : NAN;
        return literal;
    }
    return azr_literal__expected(c, "a number");
}

static void negate(azr_literal *number)
{
    if (number->kind == AZR_LITERAL_INT) {
        if (strcmp(number->text, "0") == 0)
            return;
        azr_strbuf text = {0};
        azr_strbuf_printf(&text, "-%s", number->text);
        azr_literal__set_text(number, text.data, text.size);
        azr_strbuf_deinit(&text);
        return;
    }
    number->real = -number->real;
    number->imaginary = -number->imaginary;
}

static azr_literal *parse_signed(azr_literal_cursor *c)
{
    char sign = peek(c);
    if (sign == '+' || sign == '-') {
        c->at++;
        skip_blanks(c);
    }
    azr_literal *number = parse_unsigned(c);
    if (number != NULL && sign == '-')
        negate(number);
    return number;
}

static double real_value(const azr_literal *number)
{
    return number->kind == AZR_LITERAL_INT ? strtod(number->text, NULL) : number->real;
}

/* A number, or a real part and an imaginary part. */
static azr_literal *parse_number(azr_literal_cursor *c)
{
    azr_literal *number = parse_signed(c);
    if (number == NULL)
        return NULL;
    skip_blanks(c);
    char sign = peek(c);
    if (sign != '+' && sign != '-')
        return number;
    if (number->kind == AZR_LITERAL_COMPLEX) {
        azr_literal_destroy(number);
        return azr_literal__expected(c, "one real and one imaginary part");
    }
    c->at++;
    skip_blanks(c);
    azr_literal *sum = parse_unsigned(c);
    if (sum != NULL && sum->kind != AZR_LITERAL_COMPLEX) {
        azr_literal_destroy(sum);
        sum = azr_literal__expected(c, "an imaginary part");
    }
    if (sum != NULL) {
        sum->real = real_value(number);
        sum->imaginary = sign == '-' ? -sum->imaginary : sum->imaginary;
    }
    azr_literal_destroy(number);
    return sum;
}

/* --- containers ------------------------------------------------------------------------------- */

static azr_literal *drop(azr_literal *literal)
{
    azr_literal_destroy(literal);
    return NULL;
}

/* Opens a bracket: one level deeper, with its limit. */
static bool open_bracket(azr_literal_cursor *c, char bracket)
{
    if (c->depth >= AZR_LITERAL_MAX_DEPTH) {
        azr_error_set(c->error, AZR_ERROR_LIMIT, "brackets nest deeper than %d at byte %zu",
                      AZR_LITERAL_MAX_DEPTH, c->at);
        return false;
    }
    c->depth++;
    AZR_CHECK(skip_byte(c, bracket));
    return true;
}

static bool close_bracket(azr_literal_cursor *c, char bracket)
{
    skip_blanks(c);
    if (peek(c) != bracket)
        return false;
    c->at++;
    c->depth--;
    skip_blanks(c);
    return true;
}

static azr_literal *parse_list(azr_literal_cursor *c)
{
    if (!open_bracket(c, '['))
        return NULL;
    azr_literal *list = azr_literal__create(AZR_LITERAL_LIST);
    while (!close_bracket(c, ']')) {
        if (list->n_items > 0 && !skip_byte(c, ','))
            return azr_literal__expected(c, "',' or ']'"), drop(list);
        if (list->n_items > 0 && close_bracket(c, ']'))
            break;
        azr_literal *item = parse_value(c);
        if (item == NULL)
            return drop(list);
        azr_literal__append(list, item);
    }
    return list;
}

/* (), (x) which is x, (x,), (x, y). */
static azr_literal *parse_round(azr_literal_cursor *c)
{
    if (!open_bracket(c, '('))
        return NULL;
    azr_literal *tuple = azr_literal__create(AZR_LITERAL_TUPLE);
    bool comma = false;
    while (!close_bracket(c, ')')) {
        if (tuple->n_items > 0 && !skip_byte(c, ','))
            return azr_literal__expected(c, "',' or ')'"), drop(tuple);
        comma = comma || tuple->n_items > 0;
        if (tuple->n_items > 0 && close_bracket(c, ')'))
            break;
        azr_literal *item = parse_value(c);
        if (item == NULL)
            return drop(tuple);
        azr_literal__append(tuple, item);
    }
    if (tuple->n_items != 1 || comma)
        return tuple;
    azr_literal *item = tuple->items[0];
    tuple->n_items = 0;
    azr_literal_destroy(tuple);
    return item;
}

static azr_literal *parse_key(azr_literal_cursor *c)
{
    azr_literal *key = parse_value(c);
    if (key != NULL && !azr_literal__is_hashable(key)) {
        azr_literal_destroy(key);
        return azr_literal__expected(c, "a hashable value");
    }
    return key;
}

/* {}, {k: v}, {x}. */
static azr_literal *parse_braces(azr_literal_cursor *c)
{
    if (!open_bracket(c, '{'))
        return NULL;
    azr_literal *all = azr_literal__create(AZR_LITERAL_DICT);
    while (!close_bracket(c, '}')) {
        if (all->n_items > 0 && !skip_byte(c, ','))
            return azr_literal__expected(c, "',' or '}'"), drop(all);
        if (all->n_items > 0 && close_bracket(c, '}'))
            break;
        azr_literal *key = parse_key(c);
        if (key == NULL)
            return drop(all);
        bool first = all->n_items == 0;
        azr_literal__append(all, key);
        if (first && peek(c) != ':')
            all->kind = AZR_LITERAL_SET;
        if (all->kind == AZR_LITERAL_SET)
            continue;
        azr_literal *value = skip_byte(c, ':') ? parse_value(c) : azr_literal__expected(c, "':'");
        if (value == NULL)
            return drop(all);
        azr_literal__append(all, value);
    }
    azr_literal__hash(all);
    azr_literal__drop_duplicates(all);
    return all;
}

/* set() and frozenset(...), as repr prints them. */
static azr_literal *parse_set_call(azr_literal_cursor *c, bool frozen)
{
    skip_blanks(c);
    if (peek(c) != '(')
        return azr_literal__expected(c, "'('");
    if (!open_bracket(c, '('))
        return NULL;
    azr_literal *set = NULL;
    if (frozen && peek(c) == '{') {
        set = parse_braces(c);
        if (set != NULL && set->kind != AZR_LITERAL_SET && set->n_items > 0) {
            azr_literal_destroy(set);
            return azr_literal__expected(c, "a set");
        }
        if (set == NULL)
            return NULL;
    } else {
        set = azr_literal__create(AZR_LITERAL_SET);
    }
    if (!close_bracket(c, ')')) {
        azr_literal_destroy(set);
        return azr_literal__expected(c, "')'");
    }
    set->kind = frozen ? AZR_LITERAL_FROZENSET : AZR_LITERAL_SET;
    return set;
}

static azr_literal *parse_value(azr_literal_cursor *c)
{
    skip_blanks(c);
    azr_literal *value = NULL;
    if (azr_literal__at_string(c))
        value = parse_strings(c);
    else if (peek(c) == '[')
        value = parse_list(c);
    else if (peek(c) == '(')
        value = parse_round(c);
    else if (peek(c) == '{')
        value = parse_braces(c);
    else if (skip_word(c, "None"))
        value = azr_literal__create(AZR_LITERAL_NONE);
    else if (skip_word(c, "True"))
        value = make_number(AZR_LITERAL_BOOL, 1.0);
    else if (skip_word(c, "False"))
        value = make_number(AZR_LITERAL_BOOL, 0.0);
    else if (skip_word(c, "set"))
        value = parse_set_call(c, false);
    else if (skip_word(c, "frozenset"))
        value = parse_set_call(c, true);
    else if (isdigit((unsigned char)peek(c)) || strchr("+-.in", peek(c)) != NULL)
        value = c->at < c->size ? parse_number(c) : azr_literal__expected(c, "a value");
    else
        value = azr_literal__expected(c, "a literal value");
    skip_blanks(c);
    return value;
}

/* --- the doors -------------------------------------------------------------------------------- */

static azr_status open_cursor(azr_literal_cursor *c, const char *text, size_t size,
                              azr_error *error)
{
    if (size > AZR_LITERAL_MAX_BYTES)
        return azr_error_set(error, AZR_ERROR_LIMIT, "a literal of %zu bytes, the limit is %d",
                             size, AZR_LITERAL_MAX_BYTES);
    *c = (azr_literal_cursor){.text = azr_copy_text(text, size), .size = size, .error = error};
    return AZR_OK;
}

/* Behind the value nothing may stand but blanks, line feeds and comments. */
static azr_literal *finish(azr_literal_cursor *c, azr_literal *value)
{
    if (value != NULL) {
        c->depth = 1;
        skip_blanks(c);
        if (c->at < c->size) {
            azr_literal__expected(c, "the end of the text");
            value = drop(value);
        }
    }
    if (value != NULL)
        azr_literal__hash(value);
    azr_free((char *)(uintptr_t)c->text);
    return value;
}

static azr_status status_of(const azr_literal *value, const azr_error *error)
{
    if (value != NULL)
        return AZR_OK;
    return error != NULL && error->status != AZR_OK ? error->status : AZR_ERROR_INPUT;
}

azr_status azr_literal_parse(const char *text, size_t size, azr_literal **out, azr_error *error)
{
    azr_literal_cursor c;
    *out = NULL;
    azr_status status = open_cursor(&c, text, size, error);
    if (status != AZR_OK)
        return status;
    azr_literal *value = parse_value(&c);
    /* 1, 2 is a tuple. */
    if (value != NULL && peek(&c) == ',') {
        azr_literal *tuple = azr_literal__create(AZR_LITERAL_TUPLE);
        azr_literal__append(tuple, value);
        while (tuple != NULL && skip_byte(&c, ',') && c.at < c.size && peek(&c) != '\n') {
            azr_literal *item = parse_value(&c);
            if (item == NULL)
                tuple = drop(tuple);
            else
                azr_literal__append(tuple, item);
        }
        value = tuple;
    }
    *out = finish(&c, value);
    return status_of(*out, error);
}

/* name= at the cursor; false when there is none. */
static bool read_name(azr_literal_cursor *c, azr_literal **out_name)
{
    size_t end = c->at;
    if (isdigit((unsigned char)peek(c)))
        return false;
    while (end < c->size && is_word_byte(c->text[end]))
        end++;
    size_t equals = end;
    while (equals < c->size && (c->text[equals] == ' ' || c->text[equals] == '\t'))
        equals++;
    if (end == c->at || equals >= c->size || c->text[equals] != '=' ||
        (equals + 1 < c->size && c->text[equals + 1] == '='))
        return false;
    *out_name = azr_literal__create(AZR_LITERAL_STR);
    azr_literal__set_text(*out_name, c->text + c->at, end - c->at);
    c->at = equals + 1;
    return true;
}

static bool is_repeated(const azr_literal *arguments, const azr_literal *name)
{
    for (size_t i = arguments->n_positional; i < arguments->n_items; i += 2)
        if (strcmp(arguments->items[i]->text, name->text) == 0)
            return true;
    return false;
}

static bool parse_argument(azr_literal_cursor *c, azr_literal *arguments)
{
    azr_literal *name = NULL;
    skip_blanks(c);
    bool named = read_name(c, &name);
    if (!named && arguments->n_items > arguments->n_positional)
        return azr_literal__expected(c, "name=value behind the named arguments") != NULL;
    if (named && is_repeated(arguments, name)) {
        azr_literal_destroy(name);
        return azr_literal__expected(c, "another argument name") != NULL;
    }
    if (named)
        azr_literal__append(arguments, name);
    azr_literal *value = parse_value(c);
    if (value == NULL) {
        /* Keep pairs whole for whoever walks the list. */
        if (named)
            azr_literal_destroy(arguments->items[--arguments->n_items]);
        return false;
    }
    azr_literal__append(arguments, value);
    arguments->n_positional += !named;
    return true;
}

azr_status azr_arguments_parse(const char *text, size_t size, azr_literal **out, azr_error *error)
{
    azr_literal_cursor c;
    *out = NULL;
    azr_status status = open_cursor(&c, text, size, error);
    if (status != AZR_OK)
        return status;
    c.depth = 1; /* as between the brackets of the call */
    azr_literal *arguments = azr_literal__create(AZR_LITERAL_ARGUMENTS);
    skip_blanks(&c);
    while (c.at < c.size) {
        if (!parse_argument(&c, arguments)) {
            arguments = drop(arguments);
            break;
        }
        skip_blanks(&c);
        if (c.at < c.size && !skip_byte(&c, ','))
            break;
    }
    *out = finish(&c, arguments);
    return status_of(*out, error);
}
