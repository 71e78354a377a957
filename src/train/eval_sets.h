/* eval_sets.h: the option eval_sets: which files are evaluated on. Private to train/. */
#ifndef AZR_TRAIN_EVAL_SETS_H
#define AZR_TRAIN_EVAL_SETS_H

#include "azr/config.h"
#include "azr/eval.h"
#include "azr/tasks.h"

#include <stdbool.h>

/* "suite=file" of the list. */
typedef struct azr_eval_set {
    char *suite, *file;
} azr_eval_set;

void azr_eval_set_deinit(azr_eval_set *set);
/* Moves *list behind the next set; false at the end. */
bool azr_eval_set_next(const char **list, azr_eval_set *out_set);
/* The first `limit` items of it (0: all), as they are asked in training. Errors name eval_sets. */
azr_status azr_eval_set_open(const azr_config *config, const azr_eval_set *set, int64_t limit,
                             azr_eval **out_eval, azr_error *error);

/* Questions of all sets whose items are tasks: those that no run may start from. */
typedef struct azr_held_out {
    struct azr_held_out_question *questions; /* sorted */
    size_t n, capacity;
    char **files;
    size_t n_files;
} azr_held_out;

/* None when nothing is evaluated. AZR_ERROR_UNSUPPORTED when config.tasks is one of the files. */
azr_status azr_held_out_read(const azr_config *config, azr_held_out *out_held, azr_error *error);
void azr_held_out_deinit(azr_held_out *held);
/* The file that has a task's program, layout and comments aside, with one of its arguments; NULL:
 * none. */
const char *azr_held_out_find(const azr_held_out *held, const azr_task *task);

#endif
