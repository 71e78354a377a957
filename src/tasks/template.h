/* template.h: a way of asking is a struct of functions; template.c holds the table of them. */
#ifndef AZR_TASKS_TEMPLATE_H
#define AZR_TASKS_TEMPLATE_H

#include "tasks/text.h"

#include "azr/tasks.h"

/* Each as the function azr_template_<name> of azr/tasks.h says. Parsers fill a struct whose kind is
 * set and whose verdict is the good one; completions end before the first of `ends` and are text
 * (UTF-8, no control characters). */
struct azr_template {
    const char *name;
    bool is_chat; /* prompts are messages of a user, in the model's chat format. A reply is a
                     message too: one that a limit cut off is none */
    void (*propose)(const azr_proposal_request *request, azr_strbuf *out);
    void (*solve)(const azr_task *task, int64_t cpu_ms, azr_strbuf *out);
    const char *const *(*stops)(azr_role role, azr_kind kind);
    /* Where reading ends at the latest, whatever sampling stopped at; NULL-terminated. */
    const char *const *(*ends)(azr_role role, azr_kind kind);
    /* The one of them that a reply must have ended with, NULL: any may, or none. */
    const char *closing;
    void (*parse_proposal)(const azr_proposal_request *request, azr_span completion,
                           azr_proposal *out_proposal);
    void (*parse_answer)(const azr_task *task, azr_span completion, azr_answer *out_answer);
};

extern const azr_template azr_tasks__transcript, azr_tasks__azr, azr_tasks__chat;

/* For the parsers of all templates. */

/* The canonical text of an argument list, *out_text (azr_free), or why not: BAD_LITERAL, TOO_LONG.
 */
azr_verdict azr_tasks__canonical_arguments(const char *text, size_t size, char **out_text);
/* The proposal's program: cleaned by its rules, checked for a function f and its size. `program` is
 * taken over. */
void azr_tasks__set_program(azr_proposal *proposal, char *program);
/* One of the calls of an induction proposal, as written. Equal calls count once. */
typedef struct azr_call_list {
    char **inputs; /* canonical, or as written when bad */
    azr_verdict *verdicts;
    size_t n, capacity;
} azr_call_list;
void azr_tasks__add_call(azr_call_list *list, const char *text, size_t size);
/* The last n_wanted distinct calls become the proposal's inputs, or its verdict says why not. */
void azr_tasks__take_calls(azr_call_list *list, size_t n_wanted, azr_proposal *proposal);
void azr_tasks__call_list_deinit(azr_call_list *list);

#endif
