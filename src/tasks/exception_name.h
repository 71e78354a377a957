/* exception_name.h: the answers of the error kind: class names of exceptions, or NoError. Private
 * to tasks/. */
#ifndef AZR_TASKS_EXCEPTION_NAME_H
#define AZR_TASKS_EXCEPTION_NAME_H

#include "tasks/text.h"

#include "azr/tasks.h"

/* A name of at most AZR_TASK_MAX_EXCEPTION_BYTES letters, digits and underscores of ASCII? */
bool azr_tasks__is_exception_name(const char *text, size_t size);
/* Equal but for case, as the reference implementation compares them? */
bool azr_tasks__same_exception(const char *a, const char *b);
/* What a solver wrote: its first word without quotes around it, without a module before the name
 * and without what follows ':' or '('. NO_ANSWER when that is no name. Every template's
 * parse_answer may hand over to this. */
void azr_tasks__read_exception(azr_span text, azr_answer *answer);
/* The name that a run ended with, azr_free, NoError when it gave a value; or why it makes no task.
 * Syntax errors do not: the program does not even begin. */
azr_verdict azr_tasks__exception_of_run(const azr_exec_run *run, char **out_name,
                                        azr_strbuf *detail);

/* Does the program use one of the keywords (a set of AZR_KEYWORD_...)? */
bool azr_tasks__uses_keywords(const char *program, unsigned keywords);

#endif
