/* python_places.c: reads a program's places. */
#include "tasks/python_places.h"

#include "base/memory.h"

#include <string.h>

bool azr_place_is(const azr_place *p, const char *text)
{
    return azr_python_token_is(&p->token, text);
}

bool azr_place_is_keyword(const azr_place *p, const char *text)
{
    return p->token.kind == AZR_PYTHON_KEYWORD && azr_place_is(p, text);
}

bool azr_place_is_operator(const azr_place *p, const char *text)
{
    return p->token.kind == AZR_PYTHON_OPERATOR && azr_place_is(p, text);
}

bool azr_place_is_layout(const azr_place *p)
{
    return p->token.kind == AZR_PYTHON_NEWLINE || p->token.kind == AZR_PYTHON_INDENT ||
           p->token.kind == AZR_PYTHON_DEDENT || p->token.kind == AZR_PYTHON_END;
}

static azr_place *append(azr_places *list)
{
    if (list->n == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 256;
        list->all = azr_realloc(list->all, list->capacity, sizeof *list->all);
    }
    return &list->all[list->n++];
}

/* All tokens, END last. Free list->all. */
void azr_places_read(const char *program, azr_places *list)
{
    enum { MAX_OPEN = 256 };
    size_t open[MAX_OPEN], statement = 0;
    int indent = 0, depth = 0;
    bool begins = true;
    azr_python_tokens tokens;
    azr_python_tokens_init(&tokens, program);
    for (;;) {
        azr_python_token token = azr_python_tokens_next(&tokens);
        azr_place *p = append(list);
        *p = (azr_place){.token = token, .open = AZR_NO_PLACE};
        if (token.kind == AZR_PYTHON_INDENT)
            indent++;
        else if (token.kind == AZR_PYTHON_DEDENT)
            indent--;
        else if (token.kind == AZR_PYTHON_NEWLINE)
            depth = 0;
        bool closes = token.kind == AZR_PYTHON_OPERATOR && strchr(")]}", token.text[0]) != NULL;
        if (closes && depth > 0)
            depth--;
        p->begins = begins && !azr_place_is_layout(p);
        if (p->begins)
            statement = list->n - 1;
        p->indent = indent;
        p->depth = depth;
        p->statement = statement;
        p->open = depth > 0 && depth <= MAX_OPEN ? open[depth - 1] : AZR_NO_PLACE;
        if (token.kind == AZR_PYTHON_OPERATOR && strchr("([{", token.text[0]) != NULL) {
            if (depth < MAX_OPEN)
                open[depth] = list->n - 1;
            depth++;
        }
        begins = azr_place_is_layout(p) || (depth == 0 && azr_place_is_operator(p, ";"));
        if (token.kind == AZR_PYTHON_END)
            return;
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static const azr_place before_all = {.token = {AZR_PYTHON_NEWLINE, "", 0}};

const azr_place *azr_places_previous(const azr_places *list, size_t i)
{
    return i > 0 ? &list->all[i - 1] : &before_all;
}

/* The END token is never asked for what follows it. */
const azr_place *azr_places_next(const azr_places *list, size_t i)
{
    return &list->all[i + 1];
}

/* A name of its own, not that of an attribute. */
bool azr_places_is_name(const azr_places *list, size_t i)
{
    return list->all[i].token.kind == AZR_PYTHON_NAME &&
           !azr_place_is_operator(azr_places_previous(list, i), ".");
}

/* Is this the first token of a line, and not behind a semicolon? */
bool azr_places_starts_line(const azr_places *list, size_t i)
{
    return list->all[i].begins && azr_place_is_layout(azr_places_previous(list, i));
}

/* Is the statement at i, at the left margin, `def NAME`? */
bool azr_places_defines(const azr_places *list, size_t i, const char *name)
{
    const azr_place *p = &list->all[i];
    return p->begins && p->indent == 0 && azr_place_is_keyword(p, "def") &&
           azr_place_is(azr_places_next(list, i), name);
}

/* The index behind the statement that begins at i, and behind its block. */
size_t azr_places_end_of_statement(const azr_places *list, size_t i)
{
    size_t end = i + 1;
    int indent = list->all[i].indent;
    while (list->all[end].token.kind != AZR_PYTHON_END &&
           !(azr_places_starts_line(list, end) && list->all[end].indent <= indent))
        end++;
    return end;
}
