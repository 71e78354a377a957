/* propose.c: the proposer's half of a step: references, prompts, completions, validation. */
#include "train/trainer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

azr_status azr_train__encode(azr_trainer *trainer, const char *text, int32_t **out_tokens,
                             size_t *out_n, azr_error *error)
{
    return azr_template_encode(trainer->template, trainer->tokenizer, text, strlen(text),
                               out_tokens, out_n, error);
}

/* --- prompts ---------------------------------------------------------------------------------- */

static void prompt_deinit(azr_proposer_prompt *prompt)
{
    for (size_t i = 0; i < prompt->n_shown; i++)
        azr_stored_task_deinit(&prompt->shown[i]);
    azr_free(prompt->shown);
    azr_free(prompt->references);
    for (size_t i = 0; i < prompt->n_parts; i++)
        azr_part_deinit(&prompt->parts[i]);
    azr_free(prompt->parts);
    azr_free(prompt->text);
    azr_free(prompt->tokens);
    *prompt = (azr_proposer_prompt){0};
}

azr_draw_from azr_train__reference_draw(const azr_config *config, int64_t step)
{
    return (azr_draw_from){.before_step = azr_train__prepared_at(config, step),
                           .weight = config->reference_sampling == AZR_REFERENCE_SAMPLING_STEP
                                         ? AZR_DRAW_STEP_FROM_ONE
                                         : AZR_DRAW_EQUAL};
}

/* Draws what the prompt shows: K triplets; or one induction task, and the program of this try. */
static azr_status draw_references(azr_trainer *trainer, const azr_rng_key *key, uint32_t n_tried,
                                  azr_proposer_prompt *prompt, azr_error *error)
{
    azr_kind kind = prompt->request.kind;
    size_t n = kind == AZR_KIND_INDUCTION ? 1 : (size_t)trainer->config.references, n_drawn = 0;
    prompt->shown = azr_alloc(n + 1, sizeof *prompt->shown);
    prompt->references = azr_alloc(n + 1, sizeof(const azr_task *));
    azr_rng_key draw = *key;
    draw.purpose = AZR_RNG_REFERENCES;
    const azr_draw_from from = azr_train__reference_draw(&trainer->config, key->step);
    azr_status status = azr_buffer_draw_from(trainer->buffer, kind, &from, &draw, n, prompt->shown,
                                             &n_drawn, error);
    prompt->n_shown = n_drawn;
    for (size_t i = 0; i < n_drawn; i++)
        prompt->references[i] = &prompt->shown[i].task;
    prompt->request.references = prompt->references;
    prompt->request.n_references = n_drawn;
    if (status != AZR_OK || kind != AZR_KIND_INDUCTION)
        return status;
    bool found = false;
    draw.purpose = AZR_RNG_PROGRAMS + (n_tried << 16);
    status = azr_buffer_draw_program(trainer->buffer, &from, &draw, &prompt->shown[n_drawn], &found,
                                     error);
    if (status == AZR_OK && found) {
        prompt->request.program = prompt->shown[n_drawn].task.program;
        prompt->n_shown++;
    }
    return status;
}

/* Writes the prompt; shows fewer references, then no functions, until it fits. False when it cannot
 * fit. */
static azr_status write_prompt(azr_trainer *trainer, azr_proposer_prompt *prompt, bool *out_fits,
                               azr_error *error)
{
    azr_status status = AZR_OK;
    *out_fits = false;
    while (status == AZR_OK && !*out_fits) {
        azr_strbuf text = {0};
        azr_template_propose(trainer->template, &prompt->request, &text);
        azr_free(prompt->text);
        azr_free(prompt->tokens);
        prompt->tokens = NULL;
        prompt->text = azr_strbuf_steal(&text);
        status =
            azr_train__encode(trainer, prompt->text, &prompt->tokens, &prompt->n_tokens, error);
        *out_fits = (int64_t)prompt->n_tokens <= trainer->config.max_prompt_tokens;
        azr_proposal_request *request = &prompt->request;
        if (*out_fits || (request->n_references == 0 && request->n_parts == 0))
            break;
        if (request->n_references > 0)
            request->n_references--;
        else
            request->n_parts = 0;
    }
    return status;
}

/* The prompt of one key; one that does not fit whatever is left out, which an induction proposer's
 * may not with a long program, is tried with other programs. */
static azr_status make_prompt(azr_trainer *trainer, const azr_propose_plan *plan, azr_kind kind,
                              const azr_rng_key *key, azr_proposer_prompt *prompt, bool *out_fits,
                              azr_error *error)
{
    enum { MAX_TRIES = 16 };
    const uint32_t n_tries = kind == AZR_KIND_INDUCTION ? MAX_TRIES : 1;
    azr_status status = AZR_OK;
    *out_fits = false;
    for (uint32_t i = 0; status == AZR_OK && !*out_fits && i < n_tries; i++) {
        *prompt = (azr_proposer_prompt){
            .request = {.kind = kind,
                        .n_inputs = (size_t)trainer->config.induction_inputs,
                        .cpu_ms = trainer->config.exec_cpu_ms,
                        .banned = kind == AZR_KIND_ERROR
                                      ? azr_keywords_parse(trainer->config.error_banned)
                                      : 0}};
        prompt->rules = azr_program_rules_of(&trainer->config, plan->step == 0);
        prompt->request.rules = &prompt->rules;
        status = draw_references(trainer, key, i, prompt, error);
        if (status == AZR_OK)
            status = azr_train__draw_parts(trainer, key, prompt, error);
        bool usable = kind != AZR_KIND_INDUCTION || prompt->request.program != NULL;
        if (status == AZR_OK && usable)
            status = write_prompt(trainer, prompt, out_fits, error);
        if (status != AZR_OK || !*out_fits)
            prompt_deinit(prompt);
    }
    return status;
}

/* The prompts of one kind. What could not be made short enough is replaced by prompts that were,
 * once more. */
static azr_status make_kind(azr_trainer *trainer, const azr_propose_plan *plan, azr_kind kind,
                            azr_rng_key *key, azr_proposals *proposals, azr_error *error)
{
    const size_t group = (size_t)trainer->config.proposals_per_prompt, first = proposals->n_prompts;
    size_t left = plan->n_proposals[kind], n_unfit = 0;
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < (left + group - 1) / group; i++) {
        azr_proposer_prompt *prompt = &proposals->prompts[proposals->n_prompts];
        bool fits = false;
        status = make_prompt(trainer, plan, kind, key, prompt, &fits, error);
        prompt->sequence = key->sequence++;
        proposals->n_prompts += fits;
        n_unfit += !fits;
    }
    const size_t n_fit = proposals->n_prompts - first;
    for (size_t i = 0; status == AZR_OK && n_fit > 0 && i < n_unfit; i++) {
        azr_rng_key again = *key;
        bool fits = false;
        again.sequence = proposals->prompts[first + i % n_fit].sequence;
        status = make_prompt(trainer, plan, kind, &again, &proposals->prompts[proposals->n_prompts],
                             &fits, error);
        proposals->n_prompts += fits;
    }
    for (size_t i = first; i < proposals->n_prompts; i++) {
        proposals->prompts[i].n_samples = left < group ? left : group;
        left -= proposals->prompts[i].n_samples;
        proposals->n_tries += proposals->prompts[i].n_samples;
    }
    proposals->n_dropped[kind] = (left + group - 1) / group;
    return status;
}

static azr_status make_prompts(azr_trainer *trainer, const azr_propose_plan *plan,
                               azr_proposals *proposals, azr_error *error)
{
    size_t group = (size_t)trainer->config.proposals_per_prompt, capacity = 1;
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        capacity += (plan->n_proposals[kind] + group - 1) / group;
    proposals->prompts = azr_alloc(capacity, sizeof *proposals->prompts);
    azr_rng_key key = {.seed = (uint64_t)trainer->config.seed,
                       .step = (uint32_t)plan->step,
                       .sequence = plan->first_sequence};
    azr_status status = AZR_OK;
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++)
        status = make_kind(trainer, plan, (azr_kind)kind, &key, proposals, error);
    return status;
}

/* --- completions ------------------------------------------------------------------------------ */

typedef struct propose_context {
    azr_trainer *trainer;
    azr_proposals *proposals;
    size_t *first_try; /* of each prompt */
    azr_status status;
    azr_error *error;
} propose_context;

/* A finished completion is parsed, and its program runs while others still decode. */
static void on_finish(void *context, const azr_sample *sample)
{
    propose_context *c = context;
    azr_proposer_prompt *prompt = &c->proposals->prompts[sample->request];
    azr_proposal_try *try = &c->proposals->tries[c->first_try[sample->request] + sample->index];
    try->prompt = sample->request;
    try->sample = sample;
    azr_template_parse_proposal(c->trainer->template, &prompt->request, sample->text,
                                sample->text_size, sample->end, &try->proposal);
    try->verdict = try->proposal.verdict;
    if (try->verdict != AZR_VERDICT_VALID || c->status != AZR_OK)
        return;
    azr_exec_job job = azr_proposal_job(&try->proposal, c->trainer->limits);
    c->status = azr_executor_submit(c->trainer->executor, &job, &try->ticket, c->error);
    try->submitted = c->status == AZR_OK;
    azr_executor_poll(c->trainer->executor);
}

static azr_status sample_proposals(azr_trainer *trainer, const azr_propose_plan *plan,
                                   azr_proposals *proposals, azr_error *error)
{
    size_t n = proposals->n_prompts, n_tries = 0;
    azr_rollout_request *requests = azr_alloc(n, sizeof *requests);
    size_t *first_try = azr_alloc(n, sizeof *first_try);
    for (size_t i = 0; i < n; i++) {
        const azr_proposer_prompt *prompt = &proposals->prompts[i];
        first_try[i] = n_tries;
        requests[i] = (azr_rollout_request){
            .tokens = prompt->tokens,
            .n_tokens = prompt->n_tokens,
            .stops = azr_template_stops(trainer->template, AZR_ROLE_PROPOSER, prompt->request.kind),
            .n_samples = prompt->n_samples,
            .max_tokens = (size_t)trainer->config.max_response_tokens,
            .temperature = (float)trainer->config.temperature,
            .top_p = (float)trainer->config.top_p,
            .top_k = (int32_t)trainer->config.top_k,
            .key = {.seed = (uint64_t)trainer->config.seed,
                    .purpose = AZR_RNG_SAMPLE,
                    .step = (uint32_t)plan->step,
                    .sequence = plan->first_sequence + (uint32_t)n_tries}};
        n_tries += prompt->n_samples;
    }
    proposals->tries = azr_alloc(n_tries, sizeof *proposals->tries);
    propose_context context = {trainer, proposals, first_try, AZR_OK, error};
    const azr_rollout_options options = {.streams = trainer->config.streams,
                                         .kv_tokens = trainer->config.kv_tokens,
                                         .on_finish = on_finish,
                                         .context = &context,
                                         .progress = &trainer->progress,
                                         .label = plan->label};
    azr_status status = azr_rollout_run(trainer->model, trainer->tokenizer, requests, n, &options,
                                        &proposals->rollout, error);
    azr_free(first_try);
    azr_free(requests);
    trainer->n_tokens +=
        proposals->rollout.n_computed_prompt_tokens + proposals->rollout.n_response_tokens;
    return status != AZR_OK ? status : context.status;
}

static azr_status judge_proposals(azr_trainer *trainer, azr_proposals *proposals, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        if (!try->submitted)
            continue;
        azr_exec_reply reply = {0};
        status = azr_executor_wait(trainer->executor, try->ticket, &reply, error);
        if (status == AZR_OK) {
            azr_train__count_runs(trainer, &reply);
            for (size_t run = 0; run < reply.n_runs; run++)
                try->cpu_us += reply.runs[run].cpu_us;
            try->verdict = azr_proposal_judge(&try->proposal, &reply, trainer->limits, &try->task,
                                              &try->detail);
            if (try->verdict == AZR_VERDICT_INTERNAL)
                status =
                    azr_error_set(error, AZR_ERROR_INTERNAL, "the sandbox failed on a proposal: %s",
                                  azr_strbuf_text(&try->detail));
        }
        azr_exec_reply_deinit(&reply);
    }
    return status;
}

azr_status azr_train__propose(azr_trainer *trainer, const azr_propose_plan *plan,
                              azr_proposals *out_proposals, azr_error *error)
{
    *out_proposals = (azr_proposals){0};
    azr_status status = make_prompts(trainer, plan, out_proposals, error);
    if (status == AZR_OK)
        status = sample_proposals(trainer, plan, out_proposals, error);
    double started = azr_clock_seconds();
    if (status == AZR_OK)
        status = judge_proposals(trainer, out_proposals, error);
    if (status == AZR_OK)
        status = azr_train__admit(trainer, out_proposals, error);
    trainer->verify_seconds += azr_clock_seconds() - started;
    if (status != AZR_OK)
        azr_proposals_deinit(out_proposals);
    return status;
}

void azr_proposals_deinit(azr_proposals *proposals)
{
    for (size_t i = 0; proposals->tries != NULL && i < proposals->n_tries; i++) {
        azr_proposal_deinit(&proposals->tries[i].proposal);
        azr_task_deinit(&proposals->tries[i].task);
        azr_strbuf_deinit(&proposals->tries[i].detail);
    }
    for (size_t i = 0; i < proposals->n_prompts; i++)
        prompt_deinit(&proposals->prompts[i]);
    azr_free(proposals->tries);
    azr_free(proposals->prompts);
    azr_rollout_deinit(&proposals->rollout);
    *proposals = (azr_proposals){0};
}
