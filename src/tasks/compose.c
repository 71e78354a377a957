/* compose.c: programs made of others: f under another name as part of a program, and whether a
 * program uses the parts that it was given. Read as tokens, in C: nothing is run. Where tokens
 * cannot tell, the answer is no. */
#include "azr/program.h"

#include "tasks/python_places.h"
#include "tasks/text.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* g_<number>? *out_k: the number, AZR_NO_PLACE when no part is called so: too large, or with zeros
 * in front. */
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
        *out_k = AZR_NO_PLACE;
    return true;
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
static bool is_part_statement(const azr_places *list, size_t i)
{
    const azr_place *p = &list->all[i];
    if (azr_place_is_keyword(p, "import"))
        return true;
    if (azr_place_is_keyword(p, "from"))
        return !azr_place_is(azr_places_next(list, i), "__future__");
    /* A docstring. */
    if (p->token.kind == AZR_PYTHON_STRING)
        return azr_place_is_layout(azr_places_next(list, i));
    return azr_places_defines(list, i, "f");
}

/* Can this use of the name f be given another name? */
static bool can_rename(const azr_places *list, size_t i)
{
    const azr_place *p = &list->all[i], *first = &list->all[p->statement];
    bool named = p->depth > 0 && azr_place_is_operator(azr_places_next(list, i), "=");
    return !named && !azr_place_is_keyword(first, "import") && !azr_place_is_keyword(first, "from");
}

static bool is_part(const azr_places *list)
{
    size_t n_functions = 0, k;
    for (size_t i = 0; i < list->n; i++) {
        const azr_place *p = &list->all[i];
        if (p->begins && p->indent == 0) {
            n_functions += azr_places_defines(list, i, "f");
            if (!is_part_statement(list, i))
                return false;
        }
        if (p->token.kind == AZR_PYTHON_STRING && hides_f(&p->token))
            return false;
        if (azr_places_is_name(list, i) &&
            (is_part_name(&p->token, &k) || (azr_place_is(p, "f") && !can_rename(list, i))))
            return false;
    }
    return n_functions == 1;
}

bool azr_program_as_part(const char *program, size_t k, azr_strbuf *out)
{
    azr_places list = {0};
    azr_places_read(program, &list);
    bool good = is_part(&list);
    const char *from = program;
    azr_strbuf text = {0};
    for (size_t i = 0; good && out != NULL && i < list.n; i++) {
        const azr_python_token *token = &list.all[i].token;
        if (!azr_places_is_name(&list, i) || !azr_python_token_is(token, "f"))
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
    azr_places list = {0};
    azr_places_read(program, &list);
    const char *from = program;
    for (size_t i = 0; i < list.n; i++) {
        const azr_place *p = &list.all[i];
        size_t k;
        if (!p->begins || p->indent > 0 || !azr_place_is_keyword(p, "def") ||
            !is_part_name(&azr_places_next(&list, i)->token, &k))
            continue;
        azr_strbuf_append(out, from, (size_t)(p->token.text - from));
        from = list.all[azr_places_end_of_statement(&list, i)].token.text;
    }
    azr_strbuf_puts(out, from);
    azr_free(list.all);
}

bool azr_program_part_text(const char *program, size_t k, azr_strbuf *out)
{
    char name[32];
    azr_places list = {0};
    bool found = false;
    snprintf(name, sizeof name, "g_%zu", k);
    azr_places_read(program, &list);
    for (size_t i = 0; !found && i < list.n; i++) {
        found = azr_places_defines(&list, i, name);
        if (!found)
            continue;
        const char *from = list.all[i].token.text;
        const char *to = list.all[azr_places_end_of_statement(&list, i)].token.text;
        azr_tasks__append_program((azr_span){from, (size_t)(to - from)}, out);
    }
    azr_free(list.all);
    return found;
}

/* --- does a program use its parts? ------------------------------------------------------------ */

/* Between for and in, or behind lambda up to its colon? */
static bool is_target(const azr_places *list, size_t i)
{
    for (size_t j = i; j-- > list->all[i].statement;) {
        const azr_place *p = &list->all[j];
        if (azr_place_is_keyword(p, "for") || azr_place_is_keyword(p, "lambda"))
            return true;
        if (azr_place_is_keyword(p, "in") || azr_place_is_operator(p, ":"))
            return false;
    }
    return false;
}

/* =, +=, :=, ... but no comparison. */
static bool assigns(const azr_place *p)
{
    const azr_python_token *token = &p->token;
    return token->kind == AZR_PYTHON_OPERATOR && token->text[token->size - 1] == '=' &&
           !azr_place_is(p, "==") && !azr_place_is(p, "!=") && !azr_place_is(p, "<=") &&
           !azr_place_is(p, ">=");
}

/* Left of an assignment in the same statement, outside of brackets? */
static bool is_assigned(const azr_places *list, size_t i)
{
    for (size_t j = i + 1; !azr_place_is_layout(&list->all[j]) && !list->all[j].begins; j++)
        if (list->all[j].depth == 0 && assigns(&list->all[j]))
            return true;
    return false;
}

/* Is the name at i bound by what stands around it? Generous: all names of a target, of parameters,
 * of an import count. What is not bound after all fails when it is run. */
static bool is_bound_here(const azr_places *list, size_t i)
{
    static const char *const binders[] = {"as", "def", "class", "global"};
    const azr_place *p = &list->all[i], *first = &list->all[p->statement];
    for (size_t j = 0; j < AZR_COUNT(binders); j++)
        if (azr_place_is_keyword(azr_places_previous(list, i), binders[j]))
            return true;
    bool import = azr_place_is_keyword(first, "import") || azr_place_is_keyword(first, "from");
    bool pattern = first->token.kind == AZR_PYTHON_NAME && azr_place_is(first, "case");
    bool parameter = p->open != AZR_NO_PLACE && p->open >= 2 &&
                     azr_place_is_keyword(&list->all[p->open - 2], "def");
    return import || pattern || parameter ||
           azr_place_is_operator(azr_places_next(list, i), ":=") || is_target(list, i) ||
           is_assigned(list, i);
}

/* The names that are bound somewhere in the program, once for each place that binds. Free all.
 */
static azr_python_token *bound_names(const azr_places *list, size_t *out_n)
{
    azr_python_token *names = azr_alloc(list->n, sizeof *names);
    *out_n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (azr_places_is_name(list, i) && is_bound_here(list, i))
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
static bool is_bare_argument(const azr_places *list, size_t i)
{
    const azr_place *p = &list->all[i], *before = azr_places_previous(list, i),
                    *after = azr_places_next(list, i);
    size_t k;
    return p->open != AZR_NO_PLACE && p->open > 0 &&
           azr_place_is_operator(&list->all[p->open], "(") &&
           azr_places_is_name(list, p->open - 1) &&
           is_part_name(&list->all[p->open - 1].token, &k) &&
           (azr_place_is_operator(before, "(") || azr_place_is_operator(before, ",") ||
            azr_place_is_operator(before, "=")) &&
           (azr_place_is_operator(after, ")") || azr_place_is_operator(after, ","));
}

/* Is the part's name at i a plain call of it? */
static bool is_call(const azr_places *list, size_t i)
{
    const azr_place *before = azr_places_previous(list, i);
    return azr_place_is_operator(azr_places_next(list, i), "(") &&
           !azr_place_is_keyword(before, "def") && !azr_place_is_keyword(before, "class");
}

bool azr_program_uses_parts(const char *program, size_t n)
{
    azr_places list = {0};
    azr_places_read(program, &list);
    bool *called = azr_alloc(n, sizeof *called);
    bool good = true, in_f = false;
    size_t n_bound = 0;
    azr_python_token *bound = bound_names(&list, &n_bound);
    for (size_t i = 0; good && i < list.n; i++) {
        const azr_place *p = &list.all[i];
        size_t k;
        if (azr_places_starts_line(&list, i) && p->indent == 0) {
            in_f = azr_places_defines(&list, i, "f");
            if (in_f) /* the last f is the one that is called */
                memset(called, 0, n * sizeof *called);
        }
        if (!azr_places_is_name(&list, i))
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

static bool is_plain(const azr_place *p)
{
    static const char *const others[] = {",", "=", "*", "-", "None", "True", "False"};
    for (size_t i = 0; i < AZR_COUNT(others); i++)
        if (azr_place_is(p, others[i]))
            return true;
    return p->token.kind == AZR_PYTHON_NAME || p->token.kind == AZR_PYTHON_NUMBER ||
           p->token.kind == AZR_PYTHON_STRING;
}

/* A call of a part for names and constants, and nothing behind it? */
static bool is_plain_call(const azr_places *list, size_t i)
{
    size_t k, at = i + 2;
    if (!azr_places_is_name(list, i) || !is_part_name(&list->all[i].token, &k) || !is_call(list, i))
        return false;
    while (list->all[at].depth > list->all[i].depth && is_plain(&list->all[at]))
        at++;
    return azr_place_is_operator(&list->all[at], ")") &&
           list->all[at].depth == list->all[i].depth &&
           azr_place_is_layout(azr_places_next(list, at));
}

/* The index of the first token of a function's body, docstring aside; i is its def. */
static size_t body_of(const azr_places *list, size_t i, size_t end)
{
    while (i < end && !(list->all[i].depth == 0 && azr_place_is_operator(&list->all[i], ":")))
        i++;
    do
        i++;
    while (i < end && azr_place_is_layout(&list->all[i]));
    if (i < end && list->all[i].token.kind == AZR_PYTHON_STRING)
        do
            i++;
        while (i < end && azr_place_is_layout(&list->all[i]));
    return i;
}

bool azr_program_adds_nothing(const char *program)
{
    azr_places list = {0};
    azr_places_read(program, &list);
    bool nothing = false;
    for (size_t i = 0; i < list.n; i++) {
        if (!azr_places_defines(&list, i, "f"))
            continue;
        size_t end = azr_places_end_of_statement(&list, i), at = body_of(&list, i, end);
        nothing = at + 1 < end && azr_place_is_keyword(&list.all[at], "return") &&
                  is_plain_call(&list, at + 1);
    }
    azr_free(list.all);
    return nothing;
}
