/* imports.h: the import statements of a program, read as tokens. Private to tasks/. */
#ifndef AZR_TASKS_IMPORTS_H
#define AZR_TASKS_IMPORTS_H

#include "tasks/python_places.h"
#include "tasks/text.h"

/* The next import statement at the left margin from token *i on, however many lines it has; *i
 * moves behind it. False: there is none. */
bool azr_tasks__next_import(const azr_places *list, size_t *i, azr_span *out_statement);
/* Appends all of them, each with a line feed. */
void azr_tasks__append_imports(const char *program, azr_strbuf *out);
/* Appends `program` with the imports of the program `of` before it: only imports from __future__,
 * which nothing may stand before, keep their place. */
void azr_tasks__append_with_imports(const char *of, const char *program, azr_strbuf *out);

#endif
