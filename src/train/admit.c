/* admit.c: which of a step's valid tasks are worth an estimate and a place in the store. In the
 * order of the proposals, so that a resumed run admits the same. */
#include "train/trainer.h"

#include "azr/program.h"

#include "base/memory.h"

#include <string.h>

/* --- interest: does the output hang on the input? --------------------------------------------- */

/* A task run on other inputs of the same types. */
typedef struct probe {
    azr_literal *arguments, *output; /* of the task */
    char *inputs[AZR_N_VARIANTS];
    size_t n_inputs;
    uint64_t ticket;
} probe;

static azr_literal *parse(const char *text)
{
    azr_literal *literal = NULL;
    azr_literal_parse(text, strlen(text), &literal, NULL);
    return literal;
}

static azr_literal *parse_arguments(const char *text)
{
    azr_literal *literal = NULL;
    azr_arguments_parse(text, strlen(text), &literal, NULL);
    return literal;
}

static void probe_deinit(probe *p)
{
    azr_literal_destroy(p->arguments);
    azr_literal_destroy(p->output);
    for (size_t i = 0; i < p->n_inputs; i++)
        azr_free(p->inputs[i]);
}

/* Starts the runs, if there is another input to try. */
static azr_status probe_start(azr_trainer *trainer, const azr_task *task, probe *p,
                              azr_error *error)
{
    p->arguments = parse_arguments(task->inputs[0]);
    p->output = parse(task->outputs[0]);
    for (unsigned i = 0; p->arguments != NULL && i < AZR_N_VARIANTS; i++) {
        char *input = azr_arguments_vary(p->arguments, i);
        if (input != NULL && strcmp(input, task->inputs[0]) != 0)
            p->inputs[p->n_inputs++] = input;
        else
            azr_free(input);
    }
    if (p->n_inputs == 0)
        return AZR_OK;
    const azr_exec_job job = {.program = task->program,
                              .inputs = (const char *const *)p->inputs,
                              .n_inputs = p->n_inputs,
                              .limits = trainer->limits};
    return azr_executor_submit(trainer->executor, &job, &p->ticket, error);
}

/* What the outputs for these inputs say of a task: all alike, or one argument each time. */
typedef struct interest {
    const azr_literal *output; /* of the task: all are compared with it */
    size_t n_runs;
    bool constant;
    uint64_t unchanged; /* bit i: each output was argument i */
} interest;

static void interest_begin(interest *found, const azr_literal *arguments, const azr_literal *output)
{
    *found = (interest){.output = output, .n_runs = 1, .constant = true};
    for (size_t i = 0; i < azr_arguments_count(arguments) && i < 64; i++)
        if (azr_arguments_have(arguments, i, output))
            found->unchanged |= UINT64_C(1) << i;
}

static void interest_add(interest *found, const char *input, const char *output)
{
    azr_literal *arguments = parse_arguments(input), *value = parse(output);
    if (arguments != NULL && value != NULL) {
        found->n_runs++;
        found->constant = found->constant && azr_literal_equal(value, found->output);
        for (size_t i = 0; i < 64 && found->unchanged >> i != 0; i++)
            if (i >= azr_arguments_count(arguments) || !azr_arguments_have(arguments, i, value))
                found->unchanged &= ~(UINT64_C(1) << i);
    }
    azr_literal_destroy(value);
    azr_literal_destroy(arguments);
}

/* One run alone says nothing, unless there is nothing that could be varied. */
static azr_refusal interest_end(const interest *found, size_t n_arguments)
{
    if (n_arguments == 0)
        return AZR_REFUSAL_CONSTANT;
    if (found->n_runs > 1 && found->unchanged != 0)
        return AZR_REFUSAL_UNCHANGED;
    return found->n_runs > 2 && found->constant ? AZR_REFUSAL_CONSTANT : AZR_REFUSAL_NONE;
}

/* Inputs on which the program fails say nothing. */
static azr_status probe_end(azr_trainer *trainer, const probe *p, azr_refusal *out_refusal,
                            azr_error *error)
{
    if (p->arguments == NULL || p->output == NULL)
        return AZR_OK;
    azr_exec_reply reply = {0};
    azr_status status = AZR_OK;
    if (p->n_inputs > 0)
        status = azr_executor_wait(trainer->executor, p->ticket, &reply, error);
    azr_train__count_runs(trainer, &reply);
    interest found;
    interest_begin(&found, p->arguments, p->output);
    for (size_t i = 0; i < reply.n_runs && i < p->n_inputs; i++)
        if (reply.runs[i].status == AZR_EXEC_OK && reply.runs[i].value != NULL)
            interest_add(&found, p->inputs[i], reply.runs[i].value);
    *out_refusal = interest_end(&found, azr_arguments_count(p->arguments));
    azr_exec_reply_deinit(&reply);
    return status;
}

/* The same for an error task, whose output is the name of an exception: other inputs that end as
 * the task did, and in the same value where they have one, say that the input does not matter. */
static azr_status probe_error_end(azr_trainer *trainer, const azr_task *task, const probe *p,
                                  azr_refusal *out_refusal, azr_error *error)
{
    azr_exec_reply reply = {0};
    if (p->arguments == NULL)
        return AZR_OK;
    azr_status status = AZR_OK;
    if (p->n_inputs > 0)
        status = azr_executor_wait(trainer->executor, p->ticket, &reply, error);
    azr_train__count_runs(trainer, &reply);
    size_t n_runs = 0, n_same = 0;
    const char *value = NULL;
    for (size_t i = 0; i < reply.n_runs && i < p->n_inputs; i++) {
        const azr_exec_run *run = &reply.runs[i];
        if (run->status == AZR_EXEC_EXCEPTION && run->exception != NULL) {
            n_runs++;
            n_same += strcmp(run->exception, task->outputs[0]) == 0;
        } else if (run->status == AZR_EXEC_OK && run->value != NULL) {
            value = value != NULL ? value : run->value;
            n_runs++;
            n_same +=
                strcmp(task->outputs[0], azr_task_no_error) == 0 && strcmp(value, run->value) == 0;
        }
    }
    if (azr_arguments_count(p->arguments) == 0 || (n_runs > 1 && n_same == n_runs))
        *out_refusal = AZR_REFUSAL_CONSTANT;
    azr_exec_reply_deinit(&reply);
    return status;
}

/* An induction task has inputs enough of its own. */
static azr_refusal interest_of_pairs(const azr_task *task)
{
    azr_literal *arguments = parse_arguments(task->inputs[0]), *output = parse(task->outputs[0]);
    azr_refusal refusal = AZR_REFUSAL_NONE;
    if (arguments != NULL && output != NULL) {
        interest found;
        interest_begin(&found, arguments, output);
        for (size_t i = 1; i < task->n_pairs; i++)
            interest_add(&found, task->inputs[i], task->outputs[i]);
        refusal = interest_end(&found, azr_arguments_count(arguments));
    }
    azr_literal_destroy(output);
    azr_literal_destroy(arguments);
    return refusal;
}

/* Every program that is to be tried runs at once. */
static azr_status check_interest(azr_trainer *trainer, azr_proposals *proposals, azr_error *error)
{
    azr_status status = AZR_OK;
    probe *probes = azr_alloc(proposals->n_tries, sizeof *probes);
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        if (azr_train__admitted(try) && proposals->prompts[try->prompt].request.n_parts > 0 &&
            azr_program_adds_nothing(try->task.program))
            try->refusal = AZR_REFUSAL_ADDS_NOTHING;
        if (azr_train__admitted(try) && try->task.kind == AZR_KIND_INDUCTION)
            try->refusal = interest_of_pairs(&try->task);
        else if (azr_train__admitted(try))
            status = probe_start(trainer, &try->task, &probes[i], error);
    }
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        if (!azr_train__admitted(try))
            continue;
        status = try->task.kind == AZR_KIND_ERROR
                     ? probe_error_end(trainer, &try->task, &probes[i], &try->refusal, error)
                     : probe_end(trainer, &probes[i], &try->refusal, error);
    }
    for (size_t i = 0; i < proposals->n_tries; i++)
        probe_deinit(&probes[i]);
    azr_free(probes);
    return status;
}

/* --- the whole gate --------------------------------------------------------------------------- */

azr_gate_rules azr_train__gate_rules(const azr_config *config)
{
    return (azr_gate_rules){.repeated = config->refuse_repeated,
                            .novelty = config->novelty,
                            .n_same = config->novelty_same,
                            .n_like = config->novelty_like,
                            .memory = config->novelty_memory};
}

azr_status azr_train__admit(azr_trainer *trainer, azr_proposals *proposals, azr_error *error)
{
    const azr_gate_rules rules = azr_train__gate_rules(&trainer->config);
    azr_status status = AZR_OK;
    if (trainer->config.interest)
        status = check_interest(trainer, proposals, error);
    azr_gate *gate = azr_gate_create(trainer->buffer, &rules);
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        if (azr_train__admitted(try))
            status = azr_gate_admit(gate, &try->task, &try->refusal, &try->commonness, error);
    }
    azr_gate_destroy(gate);
    return status;
}

void azr_train__judge_success(const azr_config *config, azr_proposal_try *try)
{
    if (!azr_train__admitted(try) || try->n_attempts == 0)
        return;
    bool all = try->success >= (double)try->n_attempts, none = try->success <= 0.0;
    if (all && (config->interest || config->task_filter != AZR_TASK_FILTER_ALL))
        try->refusal = AZR_REFUSAL_ALL_RIGHT;
    else if (none && config->task_filter == AZR_TASK_FILTER_NON_EXTREMES)
        try->refusal = AZR_REFUSAL_NONE_RIGHT;
}

bool azr_train__admitted(const azr_proposal_try *try)
{
    return try->verdict == AZR_VERDICT_VALID && try->refusal == AZR_REFUSAL_NONE;
}
