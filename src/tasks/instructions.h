/* instructions.h: what the templates azr and chat tell a model to do, in words. Private to tasks/.
 */
#ifndef AZR_TASKS_INSTRUCTIONS_H
#define AZR_TASKS_INSTRUCTIONS_H

#include "azr/tasks.h"

/* brief: for models that follow a few lines better than a page. Both ask for the same blocks.
 * cpu_ms: of one run, 0: not said. */
void azr_tasks__instruct_proposer(const azr_proposal_request *request, bool brief, azr_strbuf *out);
void azr_tasks__instruct_solver(const azr_task *task, bool brief, int64_t cpu_ms, azr_strbuf *out);

#endif
