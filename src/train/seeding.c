/* seeding.c: the first tasks: the identity function, then what the untrained model proposes from
 * it. Triplets are stored for deduction and abduction alike, as the reference implementation does.
 */
#include "train/trainer.h"

#include "base/check.h"

#include <inttypes.h>

/* Sequence numbers of step 0: each round of seeding has a range of its own, as many as one may have
 * proposals; those of induction stand one behind the other. */
enum { SEQUENCES_A_ROUND = 1 << 16, FIRST_INDUCTION = 1 << 28, FIRST_ERROR = 1 << 29 };

uint32_t azr_train__seed_sequence(azr_kind kind, int64_t round, int64_t n_tried)
{
    AZR_CHECK(round >= 0 && round < FIRST_INDUCTION / SEQUENCES_A_ROUND);
    AZR_CHECK(n_tried >= 0 && n_tried < FIRST_ERROR - FIRST_INDUCTION);
    if (kind == AZR_KIND_INDUCTION)
        return (uint32_t)(FIRST_INDUCTION + n_tried);
    return (uint32_t)((kind == AZR_KIND_ERROR ? FIRST_ERROR : 0) + round * SEQUENCES_A_ROUND);
}

static azr_status add_identity(azr_trainer *trainer, azr_kind kind, azr_error *error)
{
    azr_stored_task row = {0};
    azr_task_identity(kind, &row.task);
    azr_status status =
        azr_buffer_add_task(trainer->buffer, &row, trainer->config.buffer_cap, error);
    azr_stored_task_deinit(&row);
    return status;
}

/* A triplet found for one kind serves the other too, unless it is too common there. */
static azr_status copy_to_other_kind(azr_trainer *trainer, const azr_task *task, azr_error *error)
{
    azr_stored_task row = {0};
    const azr_gate_rules rules = azr_train__gate_rules(&trainer->config);
    azr_gate *gate = azr_gate_create(trainer->buffer, &rules);
    azr_refusal refusal = AZR_REFUSAL_NONE;
    azr_commonness commonness = {0};
    azr_task_copy(&row.task, task);
    row.task.kind = task->kind == AZR_KIND_DEDUCTION ? AZR_KIND_ABDUCTION : AZR_KIND_DEDUCTION;
    azr_status status = azr_gate_admit(gate, &row.task, &refusal, &commonness, error);
    if (status == AZR_OK && refusal == AZR_REFUSAL_NONE && !commonness.repeated)
        status = azr_buffer_add_task(trainer->buffer, &row, trainer->config.buffer_cap, error);
    azr_gate_destroy(gate);
    azr_stored_task_deinit(&row);
    return status;
}

/* One round: propose, store what is valid, all rows in one transaction. */
static azr_status seed_round(azr_trainer *trainer, const azr_propose_plan *plan, azr_error *error)
{
    azr_proposals proposals;
    azr_status status = azr_train__propose(trainer, plan, &proposals, error);
    if (status != AZR_OK)
        return status;
    status = azr_buffer_begin(trainer->buffer, error);
    if (status == AZR_OK) {
        status = azr_train__store_proposals(trainer, 0, "seed", &proposals, error);
        for (size_t i = 0; status == AZR_OK && i < proposals.n_tries; i++) {
            const azr_proposal_try *try = &proposals.tries[i];
            bool triplet =
                try->task.kind == AZR_KIND_DEDUCTION || try->task.kind == AZR_KIND_ABDUCTION;
            if (try->task_id > 0 && triplet)
                status = copy_to_other_kind(trainer, &try->task, error);
        }
        if (status == AZR_OK)
            status = azr_buffer_commit(trainer->buffer, error);
        else
            azr_buffer_rollback(trainer->buffer, NULL);
    }
    azr_proposals_deinit(&proposals);
    return status;
}

/* Rounds of proposals until there are seed_tasks of the kind: triplets (deduction and abduction
 * together) or error tasks. */
static azr_status seed_rounds(azr_trainer *trainer, azr_kind kind, azr_error *error)
{
    const azr_config *config = &trainer->config;
    bool triplets = kind == AZR_KIND_DEDUCTION;
    int64_t n = 0;
    azr_status status = azr_buffer_count(trainer->buffer, kind, -1, &n, error);
    for (int64_t round = 0;
         status == AZR_OK && n < config->seed_tasks && round < config->seed_rounds; round++) {
        azr_propose_plan plan = {.first_sequence = azr_train__seed_sequence(kind, round, 0),
                                 .label = triplets ? "seed triplets" : "seed errors"};
        plan.n_proposals[kind] = (size_t)config->batch_size;
        if (triplets)
            plan.n_proposals[AZR_KIND_ABDUCTION] = (size_t)config->batch_size;
        status = seed_round(trainer, &plan, error);
        if (status == AZR_OK)
            status = azr_buffer_count(trainer->buffer, kind, -1, &n, error);
        azr_progress_printf(&trainer->progress,
                            "seeding, round %" PRId64 " of at most %" PRId64 ": %" PRId64
                            " of %" PRId64 " %s",
                            round + 1, config->seed_rounds, n, config->seed_tasks,
                            triplets ? "triplets" : "error tasks");
    }
    return status;
}

/* As many tries as there shall be triplets, or until the store has that many. */
static azr_status seed_induction(azr_trainer *trainer, azr_error *error)
{
    const azr_config *config = &trainer->config;
    int64_t n = 0, n_tried = 0;
    azr_status status = azr_buffer_count(trainer->buffer, AZR_KIND_INDUCTION, -1, &n, error);
    while (status == AZR_OK && n < config->seed_tasks && n_tried < config->seed_tasks) {
        int64_t left = config->seed_tasks - n_tried;
        int64_t n_now = left < 2 * config->batch_size ? left : 2 * config->batch_size;
        azr_propose_plan plan = {.first_sequence =
                                     azr_train__seed_sequence(AZR_KIND_INDUCTION, 0, n_tried),
                                 .label = "seed induction"};
        plan.n_proposals[AZR_KIND_INDUCTION] = (size_t)n_now;
        n_tried += n_now;
        status = seed_round(trainer, &plan, error);
        if (status == AZR_OK)
            status = azr_buffer_count(trainer->buffer, AZR_KIND_INDUCTION, -1, &n, error);
        azr_progress_printf(&trainer->progress,
                            "seeding: %" PRId64 " induction tasks after %" PRId64 " tries", n,
                            n_tried);
    }
    return status;
}

azr_status azr_train__seed(azr_trainer *trainer, azr_error *error)
{
    azr_status status = azr_buffer_begin(trainer->buffer, error);
    if (status != AZR_OK)
        return status;
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++)
        if (kind != AZR_KIND_ERROR || trainer->kinds[kind])
            status = add_identity(trainer, (azr_kind)kind, error);
    bool given = trainer->config.tasks[0] != '\0';
    if (status == AZR_OK && given)
        status = azr_train__add_start_tasks(trainer, error);
    if (status == AZR_OK)
        status = azr_buffer_commit(trainer->buffer, error);
    else
        azr_buffer_rollback(trainer->buffer, NULL);
    if (status == AZR_OK && !given)
        status = seed_rounds(trainer, AZR_KIND_DEDUCTION, error);
    if (status == AZR_OK && !given && trainer->kinds[AZR_KIND_INDUCTION])
        status = seed_induction(trainer, error);
    if (status == AZR_OK && !given && trainer->kinds[AZR_KIND_ERROR])
        status = seed_rounds(trainer, AZR_KIND_ERROR, error);
    return status;
}
