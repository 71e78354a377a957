/* claim.h: tasks that somebody else wrote down: read as they are, then checked by running them.
 * Part of the tasks room. */
#ifndef AZR_CLAIM_H
#define AZR_CLAIM_H

#include "azr/tasks.h"

/* A task as a file has it: its inputs and outputs are texts that may be anything. Owns them. */
typedef struct azr_task_claim {
    azr_kind kind;
    bool any_triplet; /* the file does not say of which kind: deduction and abduction alike */
    char *program;    /* with its imports; has a function f */
    size_t n_pairs;
    char **inputs, **outputs;
    char *message; /* induction: one line; else NULL */
} azr_task_claim;

void azr_task_claim_deinit(azr_task_claim *claim);
/* One line of JSON with the fields that azr_task_from_json knows. AZR_ERROR_UNSUPPORTED for a row
 * of an evaluation set, which is recognised by its fields: those are never trained on. */
azr_status azr_task_claim_read(const char *line, size_t size, azr_task_claim *out_claim,
                               azr_error *error);

/* The task as a line of the reference implementation's files, its kind besides, which that does not
 * read; azr_free. azr_task_claim_read reads it back. */
char *azr_task_to_reference_json(const azr_task *task);

/* The texts that are no literals, as calls of constructors or of f, are evaluated in the sandbox,
 * before the task is. Fills the job of that run and returns how many texts it has: with 0 nothing
 * has to run. program and *out_inputs (azr_free each of them, and the list) must outlive the job's
 * submission. */
size_t azr_task_claim_job(const azr_task_claim *claim, azr_exec_limits limits, azr_strbuf *program,
                          char ***out_inputs, azr_exec_job *out_job);
/* Turns inputs and outputs into canonical literals; false with a detail when one is no plain value.
 * reply: of that job, NULL when nothing had to run. */
bool azr_task_claim_resolve(azr_task_claim *claim, const azr_exec_reply *reply, azr_strbuf *detail);
/* The proposal whose validation makes the claim a task; borrows from it. */
azr_proposal azr_task_claim_proposal(const azr_task_claim *claim);
/* Are the outputs of the validated task those that were claimed? Else false with a detail. */
bool azr_task_claim_holds(const azr_task_claim *claim, const azr_task *task, azr_strbuf *detail);

#endif
