/* chat_template_parse.c: a chat template's source as a tree. Recursive descent on the characters;
 * a node that would be deeper than AZR_CHAT_MAX_DEPTH is refused, so all recursion is bounded. */
#include "tokenizer/chat_template.h"

#include "base/check.h"

#include <string.h>

typedef struct reader {
    azr_chat_run *run;
    const char *at, *end;
    size_t nesting;    /* of calls of this file's functions */
    azr_chat_span tag; /* the keyword at which a body ended */
    bool line_starts;  /* the last tag took the line feed behind it */
} reader;

static azr_chat_node *expression(reader *r);

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool failed(const reader *r)
{
    return r->run->status != AZR_OK;
}

static void wrong(reader *r, const char *wanted)
{
    size_t size = (size_t)(r->end - r->at);
    azr_chat__fail(r->run, AZR_ERROR_INPUT, "%s is missing at '%.*s'", wanted,
                   (int)(size < 24 ? size : 24), r->at);
}

static void advance(reader *r, size_t n)
{
    for (; n > 0; n--)
        r->run->line += *r->at++ == '\n';
}

static void skip_space(reader *r)
{
    while (r->at < r->end && is_space(*r->at))
        advance(r, 1);
}

static bool starts(const reader *r, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(r->end - r->at) >= n && memcmp(r->at, text, n) == 0;
}

static bool at_tag_end(const reader *r)
{
    return starts(r, "-%}") || starts(r, "-}}") || starts(r, "+%}") || starts(r, "%}") ||
           starts(r, "}}");
}

static bool accept(reader *r, const char *operator)
{
    skip_space(r);
    if (failed(r) || !starts(r, operator) || (at_tag_end(r) && operator[0] != '}'))
        return false;
    advance(r, strlen(operator));
    return true;
}

static void expect(reader *r, const char *operator)
{
    if (!accept(r, operator))
        wrong(r, operator);
}

static azr_chat_span peek_word(reader *r)
{
    skip_space(r);
    azr_chat_span word = {r->at, 0};
    if (failed(r) || r->at == r->end || (*r->at >= '0' && *r->at <= '9'))
        return word;
    while (r->at + word.size < r->end && is_word(r->at[word.size]))
        word.size++;
    return word;
}

static bool accept_word(reader *r, const char *wanted)
{
    azr_chat_span word = peek_word(r);
    if (!azr_chat__is(word, wanted))
        return false;
    advance(r, word.size);
    return true;
}

static azr_chat_span expect_name(reader *r)
{
    azr_chat_span word = peek_word(r);
    if (word.size == 0)
        wrong(r, "a name");
    else
        advance(r, word.size);
    return word;
}

static size_t depth_of(const azr_chat_node *list)
{
    size_t depth = 0;
    for (; list != NULL; list = list->next)
        depth = list->depth > depth ? list->depth : depth;
    return depth;
}

/* Call when the children are complete: measures them. */
static azr_chat_node *close_node(reader *r, azr_chat_node *node)
{
    azr_chat_node *const children[] = {node->a, node->b, node->c, node->d};
    for (size_t i = 0; i < AZR_COUNT(children); i++) {
        size_t depth = depth_of(children[i]);
        node->depth = depth > node->depth ? depth : node->depth;
    }
    if (++node->depth > AZR_CHAT_MAX_DEPTH)
        azr_chat__fail(r->run, AZR_ERROR_LIMIT, "nested more than %d deep", AZR_CHAT_MAX_DEPTH);
    return node;
}

static azr_chat_node *new_node(reader *r, azr_chat_kind kind, azr_chat_node *a, azr_chat_node *b)
{
    azr_chat_node *node = azr_arena_alloc(r->run->arena, 1, sizeof *node);
    *node = (azr_chat_node){.kind = kind, .line = r->run->line, .a = a, .b = b};
    return close_node(r, node);
}

static azr_chat_node *constant(reader *r, azr_chat_value value)
{
    azr_chat_node *node = new_node(r, AZR_CHAT_CONSTANT, NULL, NULL);
    node->value = value;
    return node;
}

/* --- expressions ------------------------------------------------------------------------------ */

static azr_chat_node *string(reader *r)
{
    char quote = *r->at;
    const char *start = r->at + 1, *stop = start;
    while (stop < r->end && *stop != quote)
        stop += *stop == '\\' && stop + 1 < r->end ? 2 : 1;
    if (stop >= r->end) {
        wrong(r, "the end of a string");
        return constant(r, (azr_chat_value){0});
    }
    char *text = azr_arena_alloc(r->run->arena, (size_t)(stop - start) + 1, 1);
    size_t n = 0;
    for (const char *p = start; p < stop; p++) {
        static const char from[] = "nrt\\'\"", to[] = "\n\r\t\\'\"";
        const char *found = *p == '\\' && p[1] != '\0' ? strchr(from, p[1]) : NULL;
        if (*p == '\\' && found == NULL)
            azr_chat__fail(r->run, AZR_ERROR_UNSUPPORTED, "the escape '\\%c' is not known", p[1]);
        text[n++] = found != NULL ? to[found - from] : *p;
        p += *p == '\\';
    }
    advance(r, (size_t)(stop - r->at) + 1);
    return constant(r, azr_chat__text(text, n));
}

static azr_chat_node *number(reader *r)
{
    int64_t value = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; advance(r, 1))
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *r->at - '0', &value))
            azr_chat__fail(r->run, AZR_ERROR_LIMIT, "a number is too large");
    if (r->at < r->end && (*r->at == '.' || is_word(*r->at)))
        azr_chat__fail(r->run, AZR_ERROR_UNSUPPORTED, "only whole numbers are known");
    return constant(r, azr_chat__int(value));
}

/* Elements up to `close`; of a map, keys and values in turn; of a call, named ones too. */
static azr_chat_node *elements(reader *r, const char *close, azr_chat_kind kind)
{
    azr_chat_node *first = NULL, **link = &first;
    while (!failed(r) && !accept(r, close)) {
        azr_chat_span name = peek_word(r);
        const char *behind = name.text + name.size;
        while (behind < r->end && is_space(*behind))
            behind++;
        bool named = kind == AZR_CHAT_CALL && name.size > 0 && behind + 1 < r->end &&
                     *behind == '=' && behind[1] != '=';
        if (named)
            advance(r, (size_t)(behind - r->at) + 1);
        azr_chat_node *node = expression(r);
        /* A node may stand in one list only: constants are new ones each. */
        node->second = named ? name : node->second;
        *link = node;
        link = &node->next;
        if (kind == AZR_CHAT_MAKE_MAP) {
            expect(r, ":");
            *link = expression(r);
            link = &(*link)->next;
        }
        if (!accept(r, ",")) {
            expect(r, close);
            break;
        }
    }
    return first;
}

static azr_chat_node *parenthesis(reader *r)
{
    azr_chat_node *inner = expression(r);
    if (accept(r, ",")) {
        inner->next = elements(r, ")", AZR_CHAT_MAKE_LIST);
        return new_node(r, AZR_CHAT_MAKE_LIST, inner, NULL);
    }
    expect(r, ")");
    return inner;
}

static azr_chat_node *word(reader *r)
{
    static const char *const names[] = {"true", "True", "false", "False", "none", "None"};
    azr_chat_span name = expect_name(r);
    for (size_t i = 0; i < AZR_COUNT(names); i++)
        if (azr_chat__is(name, names[i]))
            return constant(r, i < 4 ? azr_chat__bool(i < 2)
                                     : (azr_chat_value){.type = AZR_CHAT_NONE});
    azr_chat_node *node = new_node(r, AZR_CHAT_NAME, NULL, NULL);
    node->name = name;
    return node;
}

static azr_chat_node *primary(reader *r)
{
    skip_space(r);
    if (failed(r) || r->at == r->end) {
        wrong(r, "an expression");
        return constant(r, (azr_chat_value){0});
    }
    if (*r->at == '\'' || *r->at == '"')
        return string(r);
    if (*r->at >= '0' && *r->at <= '9')
        return number(r);
    if (accept(r, "("))
        return parenthesis(r);
    if (accept(r, "["))
        return new_node(r, AZR_CHAT_MAKE_LIST, elements(r, "]", AZR_CHAT_MAKE_LIST), NULL);
    if (accept(r, "{"))
        return new_node(r, AZR_CHAT_MAKE_MAP, elements(r, "}", AZR_CHAT_MAKE_MAP), NULL);
    return word(r);
}

static bool at_bound(reader *r)
{
    skip_space(r);
    return starts(r, ":") || starts(r, "]");
}

static azr_chat_node *subscript(reader *r, azr_chat_node *object)
{
    azr_chat_node *bounds[3] = {NULL, NULL, NULL};
    bool slice = false;
    for (int i = 0; i < 3; i++) {
        if (!at_bound(r))
            bounds[i] = expression(r);
        if (i == 2 || !accept(r, ":"))
            break;
        slice = true;
    }
    expect(r, "]");
    if (!slice && bounds[0] == NULL)
        wrong(r, "an index");
    azr_chat_node *node = new_node(r, slice ? AZR_CHAT_SLICE : AZR_CHAT_INDEX, object, bounds[0]);
    node->c = bounds[1];
    node->d = bounds[2];
    return close_node(r, node);
}

static azr_chat_node *test(reader *r, azr_chat_node *value)
{
    bool negated = accept_word(r, "not");
    azr_chat_node *node = new_node(r, AZR_CHAT_TEST, value, NULL);
    node->name = expect_name(r);
    if (accept(r, "("))
        azr_chat__fail(r->run, AZR_ERROR_UNSUPPORTED, "the test '%.*s' with arguments is not known",
                       (int)node->name.size, node->name.text);
    return negated ? new_node(r, AZR_CHAT_NOT, node, NULL) : node;
}

static azr_chat_node *filter(reader *r, azr_chat_node *value)
{
    azr_chat_node *node = new_node(r, AZR_CHAT_FILTER, value, NULL);
    node->name = expect_name(r);
    if (accept(r, "("))
        node->b = elements(r, ")", AZR_CHAT_CALL);
    return close_node(r, node);
}

/* What may follow a value directly. Filters bind more tightly than operators. */
static azr_chat_node *suffixes(reader *r, azr_chat_node *node)
{
    while (!failed(r)) {
        if (accept(r, ".")) {
            node = new_node(r, AZR_CHAT_ATTRIBUTE, node, NULL);
            node->name = expect_name(r);
        } else if (accept(r, "[")) {
            node = subscript(r, node);
        } else if (accept(r, "(")) {
            node = new_node(r, AZR_CHAT_CALL, node, elements(r, ")", AZR_CHAT_CALL));
        } else {
            break;
        }
    }
    return node;
}

/* filters: what follows belongs to this value, not to one before which a sign stands. */
static azr_chat_node *unary(reader *r, bool filters)
{
    azr_chat_node *node;
    if (++r->nesting > AZR_CHAT_MAX_DEPTH)
        azr_chat__fail(r->run, AZR_ERROR_LIMIT, "nested more than %d deep", AZR_CHAT_MAX_DEPTH);
    if (accept(r, "-"))
        node = new_node(r, AZR_CHAT_NEGATE, unary(r, false), NULL);
    else
        node = suffixes(r, primary(r));
    while (filters && !failed(r)) {
        if (accept(r, "|"))
            node = suffixes(r, filter(r, node));
        else if (accept_word(r, "is"))
            node = test(r, node);
        else
            break;
    }
    r->nesting--;
    return node;
}

static azr_chat_node *binary(reader *r, azr_chat_node *a, azr_chat_node *b, const char *operator)
{
    azr_chat_node *node = new_node(r, AZR_CHAT_BINARY, a, b);
    node->name = (azr_chat_span){operator, strlen(operator)};
    return node;
}

/* The operators from loosely to tightly binding, words and signs; "not" stands between. */
static const char *const levels[][8] = {
    {"or"},     {"and"}, {"==", "!=", "<=", ">=", "<", ">", "in", "not in"},
    {"+", "-"}, {"~"},   {"*", "//", "%"},
};

static const char *operator_at(reader *r, size_t level)
{
    for (size_t i = 0; i < AZR_COUNT(levels[level]) && levels[level][i] != NULL; i++) {
        const char *name = levels[level][i];
        const char *before = r->at;
        size_t line = r->run->line;
        bool found = is_word(name[0]) ? strcmp(name, "not in") == 0
                                            ? accept_word(r, "not") && accept_word(r, "in")
                                            : accept_word(r, name)
                                      : accept(r, name);
        if (found)
            return name;
        r->at = before;
        r->run->line = line;
    }
    return NULL;
}

static azr_chat_node *operation(reader *r, size_t level)
{
    enum { NOT_LEVEL = 2 };
    if (level == AZR_COUNT(levels))
        return unary(r, true);
    if (level == NOT_LEVEL && accept_word(r, "not")) {
        if (++r->nesting > AZR_CHAT_MAX_DEPTH)
            azr_chat__fail(r->run, AZR_ERROR_LIMIT, "nested more than %d deep", AZR_CHAT_MAX_DEPTH);
        azr_chat_node *negated = new_node(r, AZR_CHAT_NOT, operation(r, level), NULL);
        r->nesting--;
        return negated;
    }
    azr_chat_node *node = operation(r, level + 1);
    const char *operator;
    while (!failed(r) && (operator= operator_at(r, level)) != NULL)
        node = binary(r, node, operation(r, level + 1), operator);
    return node;
}

static azr_chat_node *expression(reader *r)
{
    if (++r->nesting > AZR_CHAT_MAX_DEPTH)
        azr_chat__fail(r->run, AZR_ERROR_LIMIT, "nested more than %d deep", AZR_CHAT_MAX_DEPTH);
    azr_chat_node *node = failed(r) ? constant(r, (azr_chat_value){0}) : operation(r, 0);
    if (!failed(r) && accept_word(r, "if")) {
        azr_chat_node *condition = operation(r, 0);
        azr_chat_node *other = accept_word(r, "else") ? expression(r) : NULL;
        node = new_node(r, AZR_CHAT_CHOOSE, condition, node);
        node->c = other;
        close_node(r, node);
    }
    r->nesting--;
    return node;
}

/* --- statements ------------------------------------------------------------------------------- */

static azr_chat_node *body(reader *r);

/* Takes the end of a tag and the white space that goes with it. */
static void end_tag(reader *r, const char *end)
{
    skip_space(r);
    bool strips = starts(r, "-"), keeps = starts(r, "+");
    if (strips || keeps)
        advance(r, 1);
    r->line_starts = false;
    if (failed(r) || !starts(r, end)) {
        wrong(r, end);
        return;
    }
    advance(r, strlen(end));
    const char *start = r->at;
    if (strips)
        skip_space(r);
    else if (!keeps && end[0] != '}' && r->at < r->end && *r->at == '\n')
        advance(r, 1);
    r->line_starts = r->at > start && r->at[-1] == '\n';
}

static void require_end(reader *r, const char *keyword)
{
    if (!failed(r) && !azr_chat__is(r->tag, keyword))
        wrong(r, keyword);
    else
        end_tag(r, "%}");
}

/* Behind "if" or "elif". */
static azr_chat_node *if_statement(reader *r)
{
    azr_chat_node *node = new_node(r, AZR_CHAT_IF, expression(r), NULL);
    end_tag(r, "%}");
    node->b = body(r);
    if (azr_chat__is(r->tag, "elif")) {
        if (++r->nesting > AZR_CHAT_MAX_DEPTH)
            azr_chat__fail(r->run, AZR_ERROR_LIMIT, "nested more than %d deep", AZR_CHAT_MAX_DEPTH);
        node->c = failed(r) ? NULL : if_statement(r);
        r->nesting--;
        return close_node(r, node);
    }
    if (azr_chat__is(r->tag, "else")) {
        end_tag(r, "%}");
        node->c = body(r);
    }
    require_end(r, "endif");
    return close_node(r, node);
}

static azr_chat_node *for_statement(reader *r)
{
    azr_chat_node *node = new_node(r, AZR_CHAT_FOR, NULL, NULL);
    node->name = expect_name(r);
    if (accept(r, ","))
        node->second = expect_name(r);
    if (!accept_word(r, "in"))
        wrong(r, "in");
    node->a = operation(r, 0);
    if (accept_word(r, "if"))
        node->d = expression(r);
    if (azr_chat__is(peek_word(r), "recursive"))
        azr_chat__fail(r->run, AZR_ERROR_UNSUPPORTED, "'recursive' is not known");
    end_tag(r, "%}");
    node->b = body(r);
    if (azr_chat__is(r->tag, "else")) {
        end_tag(r, "%}");
        node->c = body(r);
    }
    require_end(r, "endfor");
    return close_node(r, node);
}

static azr_chat_node *set_statement(reader *r)
{
    azr_chat_node *node = new_node(r, AZR_CHAT_SET, NULL, NULL);
    node->name = expect_name(r);
    if (accept(r, "."))
        node->second = expect_name(r);
    if (!failed(r) && !accept(r, "="))
        azr_chat__fail(r->run, AZR_ERROR_UNSUPPORTED, "'set' without '=' is not known");
    node->a = expression(r);
    end_tag(r, "%}");
    return close_node(r, node);
}

/* NULL: the tag ends a body, and is in r->tag. */
static azr_chat_node *statement(reader *r)
{
    static const char *const ends[] = {"elif", "else", "endif", "endfor", "endgeneration"};
    r->tag = expect_name(r);
    for (size_t i = 0; i < AZR_COUNT(ends); i++)
        if (azr_chat__is(r->tag, ends[i]))
            return NULL;
    if (azr_chat__is(r->tag, "if"))
        return if_statement(r);
    if (azr_chat__is(r->tag, "for"))
        return for_statement(r);
    if (azr_chat__is(r->tag, "set"))
        return set_statement(r);
    if (azr_chat__is(r->tag, "generation")) { /* marks what a model says: the text is the same */
        azr_chat_node *node = new_node(r, AZR_CHAT_IF, constant(r, azr_chat__bool(true)), NULL);
        end_tag(r, "%}");
        node->b = body(r);
        require_end(r, "endgeneration");
        return close_node(r, node);
    }
    azr_chat__fail(r->run, AZR_ERROR_UNSUPPORTED, "the statement '%.*s' is not known",
                   (int)(r->tag.size < 64 ? r->tag.size : 64), r->tag.text);
    return NULL;
}

/* The text up to the next tag, without the white space that the tag takes away. */
static azr_chat_node *text_before_tag(reader *r)
{
    const char *start = r->at, *stop = start;
    while (stop + 1 < r->end && !(stop[0] == '{' && strchr("{%#", stop[1]) != NULL))
        stop++;
    bool tag = stop + 1 < r->end;
    stop = tag ? stop : r->end;
    size_t whole = (size_t)(stop - start);
    if (tag && stop + 2 < r->end && stop[2] == '-') {
        while (stop > start && is_space(stop[-1]))
            stop--;
    } else if (tag && stop[1] != '{' && !(stop + 2 < r->end && stop[2] == '+')) {
        const char *line = stop;
        while (line > start && is_space(line[-1]) && line[-1] != '\n')
            line--;
        if (line > start ? line[-1] == '\n' : r->line_starts)
            stop = line;
    }
    azr_chat_node *node = new_node(r, AZR_CHAT_DATA, NULL, NULL);
    node->name = (azr_chat_span){start, (size_t)(stop - start)};
    advance(r, whole);
    return node;
}

static void comment(reader *r)
{
    while (!failed(r) && !starts(r, "#}") && !starts(r, "-#}") && !starts(r, "+#}")) {
        if (r->at == r->end)
            wrong(r, "#}");
        else
            advance(r, 1);
    }
    end_tag(r, "#}");
}

/* Statements up to a tag that ends them, or the end of the source (r->tag is empty then). */
static azr_chat_node *body(reader *r)
{
    azr_chat_node *first = NULL, **link = &first;
    r->tag = (azr_chat_span){"", 0};
    if (++r->nesting > AZR_CHAT_MAX_DEPTH)
        azr_chat__fail(r->run, AZR_ERROR_LIMIT, "nested more than %d deep", AZR_CHAT_MAX_DEPTH);
    while (!failed(r)) {
        azr_chat_node *node = *link = text_before_tag(r);
        link = &node->next;
        r->tag = (azr_chat_span){"", 0};
        if (r->at == r->end)
            break;
        char kind = r->at[1];
        advance(r, 2);
        if (starts(r, "-") || (kind != '{' && starts(r, "+")))
            advance(r, 1);
        if (kind == '#') {
            comment(r);
        } else if (kind == '{') {
            *link = new_node(r, AZR_CHAT_OUTPUT, expression(r), NULL);
            link = &(*link)->next;
            end_tag(r, "}}");
        } else {
            *link = statement(r);
            if (*link == NULL)
                break;
            link = &(*link)->next;
        }
    }
    r->nesting--;
    return first;
}

azr_chat_node *azr_chat__parse(azr_chat_run *run, azr_chat_span source)
{
    reader r = {
        .run = run, .at = source.text, .end = source.text + source.size, .line_starts = true};
    run->line = 1;
    azr_chat_node *statements = body(&r);
    if (run->status == AZR_OK && r.tag.size > 0)
        azr_chat__fail(run, AZR_ERROR_INPUT, "'%.*s' has no beginning",
                       (int)(r.tag.size < 64 ? r.tag.size : 64), r.tag.text);
    return statements;
}
