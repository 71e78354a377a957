/* compose.c: programs made of others: f under another name as part of a program, and whether a
 * program uses the parts that it was given. Read as tokens, in C: nothing is run. Where tokens
 * cannot tell, the answer is no. */
#include "azr/program.h"

#include "tasks/python_tokens.h"
#include "tasks/text.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdint.h>
#include <string.h>

/* A token and where it stands. */
typedef struct place {
    azr_python_token token;
    int indent, depth; /* blocks and brackets around it */
    bool begins;       /* the first token of a statement */
    size_t statement;  /* index of that one */
    size_t open;       /* index of the innermost open bracket around it, NONE */
} place;

typedef struct places {
    place *all;
    size_t n, capacity;
} places;

#define NONE SIZE_MAX

static bool is(const place *p, const char *text)
{
    return azr_python_token_is(&p->token, text);
}

static bool is_keyword(const place *p, const char *text)
{
    return p->token.kind == AZR_PYTHON_KEYWORD && is(p, text);
}

static bool is_operator(const place *p, const char *text)
{
    return p->token.kind == AZR_PYTHON_OPERATOR && is(p, text);
}

static bool is_layout(const place *p)
{
    return p->token.kind == AZR_PYTHON_NEWLINE || p->token.kind == AZR_PYTHON_INDENT ||
           p->token.kind == AZR_PYTHON_DEDENT || p->token.kind == AZR_PYTHON_END;
}

static place *append(places *list)
{
    if (list->n == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 256;
        list->all = azr_realloc(list->all, list->capacity, sizeof *list->all);
    }
    return &list->all[list->n++];
}

/* All tokens, END last. Free list->all. */
static void read_places(const char *program, places *list)
{
    enum { MAX_OPEN = 256 };
    size_t open[MAX_OPEN], statement = 0;
    int indent = 0, depth = 0;
    bool begins = true;
    azr_python_tokens tokens;
    azr_python_tokens_init(&tokens, program);
    for (;;) {
        azr_python_token token = azr_python_tokens_next(&tokens);
        place *p = append(list);
        *p = (place){.token = token, .open = NONE};
        if (token.kind == AZR_PYTHON_INDENT)
            indent++;
        else if (token.kind == AZR_PYTHON_DEDENT)
            indent--;
        else if (token.kind == AZR_PYTHON_NEWLINE)
            depth = 0;
        bool closes = token.kind == AZR_PYTHON_OPERATOR && strchr(")]}", token.text[0]) != NULL;
        if (closes && depth > 0)
            depth--;
        p->begins = begins && !is_layout(p);
        if (p->begins)
            statement = list->n - 1;
        p->indent = indent;
        p->depth = depth;
        p->statement = statement;
        p->open = depth > 0 && depth <= MAX_OPEN ? open[depth - 1] : NONE;
        if (token.kind == AZR_PYTHON_OPERATOR && strchr("([{", token.text[0]) != NULL) {
            if (depth < MAX_OPEN)
                open[depth] = list->n - 1;
            depth++;
        }
        begins = is_layout(p) || (depth == 0 && is_operator(p, ";"));
        if (token.kind == AZR_PYTHON_END)
            return;
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static const place before_all = {.token = {AZR_PYTHON_NEWLINE, "", 0}};

static const place *previous(const places *list, size_t i)
{
    return i > 0 ? &list->all[i - 1] : &before_all;
}

/* The END token is never asked for what follows it. */
static const place *next(const places *list, size_t i)
{
    return &list->all[i + 1];
}

/* A name of its own, not that of an attribute. */
static bool is_name(const places *list, size_t i)
{
    return list->all[i].token.kind == AZR_PYTHON_NAME && !is_operator(previous(list, i), ".");
}

/* g_<number>? *out_k: the number, NONE when no part is called so: too large, or with zeros in
 * front. */
static bool is_part_name(const azr_python_token *token, size_t *out_k)
{
    enum { MAX_DIGITS = 6 };
    if (token->size < 3 || memcmp(token->text, "g_", 2) != 0)
        return false;
    *out_k = 0;
    for (size_t i = 2; i < token->size; i++) {
        char c = token->text[i];
        if (c < '0' || c > '9')
            return false;
        if (i < 2 + MAX_DIGITS)
            *out_k = 10 * *out_k + (size_t)(c - '0');
    }
    if (token->size > 2 + MAX_DIGITS || (token->size > 3 && token->text[2] == '0'))
        *out_k = NONE;
    return true;
}

/* Is this the first token of a line, and not behind a semicolon? */
static bool starts_line(const places *list, size_t i)
{
    return list->all[i].begins && is_layout(previous(list, i));
}

/* Is the statement at i, at the left margin, `def NAME`? */
static bool defines(const places *list, size_t i, const char *name)
{
    const place *p = &list->all[i];
    return p->begins && p->indent == 0 && is_keyword(p, "def") && is(next(list, i), name);
}

/* The index behind the statement that begins at i, and behind its block. */
static size_t end_of_statement(const places *list, size_t i)
{
    size_t end = i + 1;
    int indent = list->all[i].indent;
    while (list->all[end].token.kind != AZR_PYTHON_END &&
           !(starts_line(list, end) && list->all[end].indent <= indent))
        end++;
    return end;
}

/* --- a program as part of another ------------------------------------------------------------- */

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80) != 0;
}

/* An f-string in which the word f stands: what it means there is not for tokens to say. */
static bool hides_f(const azr_python_token *token)
{
    size_t quote = strcspn(token->text, "'\"");
    bool formatted = false;
    for (size_t i = 0; i < quote && i < token->size; i++)
        formatted = formatted || token->text[i] == 'f' || token->text[i] == 'F';
    for (size_t i = quote + 1; formatted && i < token->size; i++) {
        bool alone = !is_word_byte(token->text[i - 1]) &&
                     (i + 1 >= token->size || !is_word_byte(token->text[i + 1]));
        if (token->text[i] == 'f' && alone)
            return true;
    }
    return false;
}

/* May this statement stand at the left margin of a part? */
static bool is_part_statement(const places *list, size_t i)
{
    const place *p = &list->all[i];
    if (is_keyword(p, "import"))
        return true;
    if (is_keyword(p, "from"))
        return !is(next(list, i), "__future__");
    /* A docstring. */
    if (p->token.kind == AZR_PYTHON_STRING)
        return is_layout(next(list, i));
    return defines(list, i, "f");
}

/* Can this use of the name f be given another name? */
static bool can_rename(const places *list, size_t i)
{
    const place *p = &list->all[i], *first = &list->all[p->statement];
    bool named = p->depth > 0 && is_operator(next(list, i), "=");
    return !named && !is_keyword(first, "import") && !is_keyword(first, "from");
}

static bool is_part(const places *list)
{
    size_t n_functions = 0, k;
    for (size_t i = 0; i < list->n; i++) {
        const place *p = &list->all[i];
        if (p->begins && p->indent == 0) {
            n_functions += defines(list, i, "f");
            if (!is_part_statement(list, i))
                return false;
        }
        if (p->token.kind == AZR_PYTHON_STRING && hides_f(&p->token))
            return false;
        if (is_name(list, i) &&
            (is_part_name(&p->token, &k) || (is(p, "f") && !can_rename(list, i))))
            return false;
    }
    return n_functions == 1;
}

bool azr_program_as_part(const char *program, size_t k, azr_strbuf *out)
{
    places list = {0};
    read_places(program, &list);
    bool good = is_part(&list);
    const char *from = program;
    azr_strbuf text = {0};
    for (size_t i = 0; good && out != NULL && i < list.n; i++) {
        const azr_python_token *token = &list.all[i].token;
        if (!is_name(&list, i) || !azr_python_token_is(token, "f"))
            continue;
        azr_strbuf_append(&text, from, (size_t)(token->text - from));
        azr_strbuf_printf(&text, "g_%zu", k);
        from = token->text + token->size;
    }
    if (good && out != NULL) {
        azr_strbuf_puts(&text, from);
        azr_tasks__append_program((azr_span){azr_strbuf_text(&text), text.size}, out);
    }
    azr_strbuf_deinit(&text);
    azr_free(list.all);
    return good;
}

void azr_program_own_text(const char *program, azr_strbuf *out)
{
    places list = {0};
    read_places(program, &list);
    const char *from = program;
    for (size_t i = 0; i < list.n; i++) {
        const place *p = &list.all[i];
        size_t k;
        if (!p->begins || p->indent > 0 || !is_keyword(p, "def") ||
            !is_part_name(&next(&list, i)->token, &k))
            continue;
        azr_strbuf_append(out, from, (size_t)(p->token.text - from));
        from = list.all[end_of_statement(&list, i)].token.text;
    }
    azr_strbuf_puts(out, from);
    azr_free(list.all);
}

/* --- does a program use its parts? ------------------------------------------------------------ */

/* Between for and in, or behind lambda up to its colon? */
static bool is_target(const places *list, size_t i)
{
    for (size_t j = i; j-- > list->all[i].statement;) {
        const place *p = &list->all[j];
        if (is_keyword(p, "for") || is_keyword(p, "lambda"))
            return true;
        if (is_keyword(p, "in") || is_operator(p, ":"))
            return false;
    }
    return false;
}

/* =, +=, :=, ... but no comparison. */
static bool assigns(const place *p)
{
    const azr_python_token *token = &p->token;
    return token->kind == AZR_PYTHON_OPERATOR && token->text[token->size - 1] == '=' &&
           !is(p, "==") && !is(p, "!=") && !is(p, "<=") && !is(p, ">=");
}

/* Left of an assignment in the same statement, outside of brackets? */
static bool is_assigned(const places *list, size_t i)
{
    for (size_t j = i + 1; !is_layout(&list->all[j]) && !list->all[j].begins; j++)
        if (list->all[j].depth == 0 && assigns(&list->all[j]))
            return true;
    return false;
}

/* Is the name at i bound by what stands around it? Generous: all names of a target, of parameters,
 * of an import count. What is not bound after all fails when it is run. */
static bool is_bound_here(const places *list, size_t i)
{
    static const char *const binders[] = {"as", "def", "class", "global"};
    const place *p = &list->all[i], *first = &list->all[p->statement];
    for (size_t j = 0; j < AZR_COUNT(binders); j++)
        if (is_keyword(previous(list, i), binders[j]))
            return true;
    bool import = is_keyword(first, "import") || is_keyword(first, "from");
    bool pattern = first->token.kind == AZR_PYTHON_NAME && is(first, "case");
    bool parameter = p->open != NONE && p->open >= 2 && is_keyword(&list->all[p->open - 2], "def");
    return import || pattern || parameter || is_operator(next(list, i), ":=") ||
           is_target(list, i) || is_assigned(list, i);
}

/* The names that are bound somewhere in the program, once for each place that binds. Free all. */
static azr_python_token *bound_names(const places *list, size_t *out_n)
{
    azr_python_token *names = azr_alloc(list->n, sizeof *names);
    *out_n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (is_name(list, i) && is_bound_here(list, i))
            names[(*out_n)++] = list->all[i].token;
    return names;
}

static bool is_one_of(const azr_python_token *name, const azr_python_token *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].size == name->size && memcmp(names[i].text, name->text, name->size) == 0)
            return true;
    return false;
}

/* Is the name at i all of an argument in a call of a part? */
static bool is_bare_argument(const places *list, size_t i)
{
    const place *p = &list->all[i], *before = previous(list, i), *after = next(list, i);
    size_t k;
    return p->open != NONE && p->open > 0 && is_operator(&list->all[p->open], "(") &&
           is_name(list, p->open - 1) && is_part_name(&list->all[p->open - 1].token, &k) &&
           (is_operator(before, "(") || is_operator(before, ",") || is_operator(before, "=")) &&
           (is_operator(after, ")") || is_operator(after, ","));
}

/* Is the part's name at i a plain call of it? */
static bool is_call(const places *list, size_t i)
{
    const place *before = previous(list, i);
    return is_operator(next(list, i), "(") && !is_keyword(before, "def") &&
           !is_keyword(before, "class");
}

bool azr_program_uses_parts(const char *program, size_t n)
{
    places list = {0};
    read_places(program, &list);
    bool *called = azr_alloc(n, sizeof *called);
    bool good = true, in_f = false;
    size_t n_bound = 0;
    azr_python_token *bound = bound_names(&list, &n_bound);
    for (size_t i = 0; good && i < list.n; i++) {
        const place *p = &list.all[i];
        size_t k;
        if (starts_line(&list, i) && p->indent == 0) {
            in_f = defines(&list, i, "f");
            if (in_f) /* the last f is the one that is called */
                memset(called, 0, n * sizeof *called);
        }
        if (!is_name(&list, i))
            continue;
        if (is_part_name(&p->token, &k)) {
            good = k < n && is_call(&list, i);
            if (good && in_f)
                called[k] = true;
        } else if (is_bare_argument(&list, i)) {
            good = is_one_of(&p->token, bound, n_bound);
        }
    }
    for (size_t k = 0; k < n; k++)
        good = good && called[k];
    azr_free(bound);
    azr_free(called);
    azr_free(list.all);
    return good;
}

static bool is_plain(const place *p)
{
    static const char *const others[] = {",", "=", "*", "-", "None", "True", "False"};
    for (size_t i = 0; i < AZR_COUNT(others); i++)
        if (is(p, others[i]))
            return true;
    return p->token.kind == AZR_PYTHON_NAME || p->token.kind == AZR_PYTHON_NUMBER ||
           p->token.kind == AZR_PYTHON_STRING;
}

/* A call of a part for names and constants, and nothing behind it? */
static bool is_plain_call(const places *list, size_t i)
{
    size_t k, at = i + 2;
    if (!is_name(list, i) || !is_part_name(&list->all[i].token, &k) || !is_call(list, i))
        return false;
    while (list->all[at].depth > list->all[i].depth && is_plain(&list->all[at]))
        at++;
    return is_operator(&list->all[at], ")") && list->all[at].depth == list->all[i].depth &&
           is_layout(next(list, at));
}

/* The index of the first token of a function's body, docstring aside; i is its def. */
static size_t body_of(const places *list, size_t i, size_t end)
{
    while (i < end && !(list->all[i].depth == 0 && is_operator(&list->all[i], ":")))
        i++;
    do
        i++;
    while (i < end && is_layout(&list->all[i]));
    if (i < end && list->all[i].token.kind == AZR_PYTHON_STRING)
        do
            i++;
        while (i < end && is_layout(&list->all[i]));
    return i;
}

bool azr_program_adds_nothing(const char *program)
{
    places list = {0};
    read_places(program, &list);
    bool nothing = false;
    for (size_t i = 0; i < list.n; i++) {
        if (!defines(&list, i, "f"))
            continue;
        size_t end = end_of_statement(&list, i), at = body_of(&list, i, end);
        nothing =
            at + 1 < end && is_keyword(&list.all[at], "return") && is_plain_call(&list, at + 1);
    }
    azr_free(list.all);
    return nothing;
}
