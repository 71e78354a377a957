/* store.c: what a step leaves in run.db: accepted tasks and every attempt with its verdict. */
#include "train/trainer.h"

static azr_status add_attempt(azr_trainer *trainer, azr_attempt *attempt, const azr_sample *sample,
                              const azr_strbuf *detail, azr_error *error)
{
    attempt->completion = sample->text;
    attempt->detail = azr_strbuf_text(detail);
    attempt->n_tokens = (int64_t)sample->n_tokens;
    return azr_buffer_add_attempt(trainer->buffer, attempt, error);
}

/* A refused task is not stored, one that is there already not twice, and one that no prompt of a
 * solver has room for not at all. */
static azr_status store_task(azr_trainer *trainer, int64_t step, azr_proposal_try *try,
                             azr_error *error)
{
    bool has = false;
    if (!azr_train__admitted(try) || (step > 0 && try->n_attempts == 0))
        return AZR_OK;
    azr_status status = azr_buffer_has(trainer->buffer, &try->task, &has, error);
    if (status != AZR_OK || has)
        return status;
    azr_stored_task row = {.step = step,
                           .task = try->task, /* borrowed */
                           .reward = try->reward,
                           .n_attempts = (int64_t)try->n_attempts,
                           .n_correct = (int64_t)try->n_correct,
                           .cpu_us = try->cpu_us};
    status = azr_buffer_add_task(trainer->buffer, &row, trainer->config.buffer_cap, error);
    try->task_id = row.id;
    return status;
}

azr_status azr_train__store_proposals(azr_trainer *trainer, int64_t step, const char *purpose,
                                      azr_proposals *proposals, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        const azr_proposer_prompt *prompt = &proposals->prompts[try->prompt];
        status = store_task(trainer, step, try, error);
        azr_attempt attempt = {.step = step,
                               .role = AZR_ROLE_PROPOSER,
                               .kind = prompt->request.kind,
                               .task_id = try->task_id,
                               .purpose = purpose,
                               .prompt = prompt->text,
                               .verdict = try->verdict,
                               .reward = try->reward};
        if (status == AZR_OK)
            status = add_attempt(trainer, &attempt, try->sample, &try->detail, error);
    }
    return status;
}

azr_status azr_train__store_solutions(azr_trainer *trainer, int64_t step,
                                      const azr_solutions *solutions, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < solutions->n_tries; i++) {
        const azr_attempt_try *try = &solutions->tries[i];
        const azr_solver_prompt *prompt = &solutions->prompts[try->prompt];
        azr_attempt attempt = {.step = step,
                               .role = AZR_ROLE_SOLVER,
                               .kind = prompt->task->kind,
                               .task_id = prompt->origin != NULL ? prompt->origin->task_id
                                                                 : prompt->task_id,
                               .purpose = prompt->proposed != NULL ? "estimate" : "solve",
                               .prompt = prompt->text,
                               .verdict = try->verdict,
                               .reward = try->reward};
        status = add_attempt(trainer, &attempt, try->sample, &try->detail, error);
    }
    return status;
}
