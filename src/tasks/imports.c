/* imports.c: finds import statements. What only looks like one, in a text or a comment, is none. */
#include "tasks/imports.h"

#include "base/memory.h"

/* Index of the last token of the statement that begins at i. */
static size_t last_of(const azr_places *list, size_t i)
{
    for (;; i++) {
        const azr_place *next = azr_places_next(list, i);
        if (azr_place_is_layout(next) || (next->depth == 0 && azr_place_is_operator(next, ";")))
            return i;
    }
}

bool azr_tasks__next_import(const azr_places *list, size_t *i, azr_span *out_statement)
{
    for (; *i < list->n; ++*i) {
        const azr_place *p = &list->all[*i];
        if (!p->begins || p->indent > 0 ||
            !(azr_place_is_keyword(p, "import") || azr_place_is_keyword(p, "from")))
            continue;
        size_t last = last_of(list, *i);
        const azr_python_token *token = &list->all[last].token;
        *out_statement =
            (azr_span){p->token.text, (size_t)(token->text + token->size - p->token.text)};
        *i = last + 1;
        return true;
    }
    return false;
}

void azr_tasks__append_imports(const char *program, azr_strbuf *out)
{
    azr_places list = {0};
    azr_span statement;
    size_t i = 0;
    azr_places_read(program, &list);
    while (azr_tasks__next_import(&list, &i, &statement)) {
        azr_strbuf_append(out, statement.text, statement.size);
        azr_strbuf_puts(out, "\n");
    }
    azr_free(list.all);
}

/* Where other imports may begin: behind the last import from __future__. */
static const char *behind_future(const char *program)
{
    azr_places list = {0};
    azr_span statement;
    size_t i = 0;
    const char *behind = program;
    azr_places_read(program, &list);
    while (azr_tasks__next_import(&list, &i, &statement)) {
        const azr_place *module = &list.all[list.all[i - 1].statement + 1];
        if (azr_place_is(module, "__future__") && azr_place_is_layout(&list.all[i]))
            behind = statement.text + statement.size;
    }
    azr_free(list.all);
    return behind;
}

void azr_tasks__append_with_imports(const char *of, const char *program, azr_strbuf *out)
{
    azr_strbuf imports = {0};
    azr_tasks__append_imports(of, &imports);
    const char *rest = imports.size > 0 ? behind_future(program) : program;
    azr_strbuf_append(out, program, (size_t)(rest - program));
    if (rest > program)
        azr_strbuf_puts(out, "\n");
    azr_strbuf_append(out, imports.data, imports.size);
    azr_strbuf_puts(out, rest);
    azr_strbuf_deinit(&imports);
}
