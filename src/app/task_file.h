/* task_file.h: tasks that a user hands over in a file. */
#ifndef AZR_APP_TASK_FILE_H
#define AZR_APP_TASK_FILE_H

#include "azr/tasks.h"

#include "app/json.h"

typedef struct azr_task_list {
    azr_task *tasks;
    size_t n;
} azr_task_list;

/* One task as JSON on each line; empty lines are skipped. Errors name file and line. */
azr_status azr_task_file_read(const char *path, azr_task_list *out_list, azr_error *error);
void azr_task_list_deinit(azr_task_list *list);

/* Adds the task's program, input and output (induction: inputs, outputs, message) to the object. */
void azr_task_describe(const azr_task *task, json_t *object);
/* Adds verdict and reason (the verdict's sentence, and detail when there is any). */
void azr_verdict_describe(azr_verdict verdict, const char *detail, json_t *object);

#endif
