/* clean.h: what is done to a proposer's program before it is judged, and what refuses it. Private
 * to tasks/. */
#ifndef AZR_TASKS_CLEAN_H
#define AZR_TASKS_CLEAN_H

#include "azr/tasks.h"

/* Changes *program (azr_alloc'ed) as the rules ask. VALID, or SEVERAL_FUNCTIONS, HAS_TESTS,
 * FORBIDDEN: then it is as it was but for f's name. */
azr_verdict azr_tasks__clean_program(const azr_program_rules *rules, char **program);

#endif
