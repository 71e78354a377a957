/* solve.c: the solver's half of a step: this step's tasks several times each (how hard are they?),
 * and a batch of tasks to learn from. */
#include "train/trainer.h"

#include "base/memory.h"

/* Sequence numbers of a step's random numbers: proposers count from 0. */
enum { FIRST_SOLVER_SEQUENCE = 1 << 24 };

/* --- which tasks ------------------------------------------------------------------------------ */

static void add_prompt(azr_solutions *solutions, const azr_task *task, int64_t task_id,
                       azr_proposal_try *proposed, size_t n_samples)
{
    solutions->prompts[solutions->n_prompts++] = (azr_solver_prompt){.task = task,
                                                                     .task_id = task_id,
                                                                     .origin = proposed,
                                                                     .proposed = proposed,
                                                                     .n_samples = n_samples};
}

static void add_estimates(const azr_trainer *trainer, azr_proposals *proposals,
                          azr_solutions *solutions)
{
    for (size_t i = 0; i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        if (azr_train__admitted(try))
            add_prompt(solutions, &try->task, 0, try, (size_t)trainer->config.estimate_samples);
    }
}

/* Valid tasks of this step to learn from, at most n; returns how many. They need no further answers
 * when their estimates are learnt from. */
static size_t add_new_tasks(const azr_trainer *trainer, azr_kind kind,
                            const azr_proposals *proposals, size_t n, azr_solutions *solutions)
{
    size_t n_added = 0;
    for (size_t i = 0; i < proposals->n_tries && n_added < n; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        if (!azr_train__admitted(try) || try->task.kind != kind)
            continue;
        n_added++;
        if (trainer->config.reuse_estimates)
            continue;
        add_prompt(solutions, &try->task, 0, NULL, (size_t)trainer->config.solver_samples);
        solutions->prompts[solutions->n_prompts - 1].origin = try;
    }
    return n_added;
}

/* Three kinds stand in a row: a fourth one moves the random numbers of none. */
static uint32_t sequence_of(azr_kind kind, uint32_t part)
{
    uint32_t row = (uint32_t)kind / 3, place = (uint32_t)kind % 3;
    return 6 * row + 3 * part + place;
}

/* Draws behind what was drawn already, as many as there are, at most n. part tells apart the random
 * numbers of the draws of one kind. */
static azr_status draw_some(azr_trainer *trainer, int64_t step, azr_kind kind, uint32_t part,
                            const azr_draw_from *from, size_t n, azr_solutions *solutions,
                            azr_error *error)
{
    const azr_rng_key key = {.seed = (uint64_t)trainer->config.seed,
                             .purpose = AZR_RNG_SOLVER_TASKS,
                             .step = (uint32_t)step,
                             .sequence = sequence_of(kind, part)};
    size_t n_drawn = 0;
    azr_status status =
        azr_buffer_draw_from(trainer->buffer, kind, from, &key, n,
                             solutions->drawn + solutions->n_drawn, &n_drawn, error);
    solutions->n_drawn += n_drawn;
    return status;
}

/* Draws n stored tasks (fewer when there are fewer), mixed as the config asks. */
static azr_status draw_tasks(azr_trainer *trainer, int64_t step, azr_kind kind, size_t n,
                             azr_solutions *solutions, azr_error *error)
{
    const azr_config *config = &trainer->config;
    const azr_draw_from recent = {.first_step = step - config->window};
    const azr_draw_from by_step = {.weight = AZR_DRAW_STEP, .again = true};
    const azr_draw_from any = {.weight = config->curriculum ? AZR_DRAW_SUCCESS : AZR_DRAW_EQUAL};
    size_t before = solutions->n_drawn;
    azr_status status = AZR_OK;
    if (config->solver_mix == AZR_SOLVER_MIX_MAX_NEW)
        status = draw_some(trainer, step, kind, 1, &recent, n, solutions, error);
    else if (config->solver_mix == AZR_SOLVER_MIX_HALF_NEW)
        status = draw_some(trainer, step, kind, 1, &recent, n / 2, solutions, error);
    else if (config->solver_mix == AZR_SOLVER_MIX_STEP)
        status = draw_some(trainer, step, kind, 1, &by_step, n, solutions, error);
    size_t left = n - (solutions->n_drawn - before);
    if (status == AZR_OK && left > 0)
        status = draw_some(trainer, step, kind, 0, &any, left, solutions, error);
    return status;
}

/* batch_size tasks of a kind to learn from: valid ones of this step first unless the config mixes
 * otherwise, the rest from the store. */
static azr_status add_training(azr_trainer *trainer, int64_t step, azr_kind kind,
                               const azr_proposals *proposals, azr_solutions *solutions,
                               azr_error *error)
{
    size_t left = (size_t)trainer->config.batch_size;
    if (trainer->config.solver_mix == AZR_SOLVER_MIX_NEW)
        left -= add_new_tasks(trainer, kind, proposals, left, solutions);
    const azr_stored_task *drawn = solutions->drawn + solutions->n_drawn;
    size_t before = solutions->n_drawn;
    azr_status status = draw_tasks(trainer, step, kind, left, solutions, error);
    size_t n_drawn = solutions->n_drawn - before;
    /* A store with fewer tasks than that gives each of them more than once. */
    for (size_t i = 0; status == AZR_OK && n_drawn > 0 && i < left; i++)
        add_prompt(solutions, &drawn[i % n_drawn].task, drawn[i % n_drawn].id, NULL,
                   (size_t)trainer->config.solver_samples);
    return status;
}

static azr_status write_prompts(azr_trainer *trainer, azr_solutions *solutions, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < solutions->n_prompts; i++) {
        azr_solver_prompt *prompt = &solutions->prompts[i];
        azr_strbuf text = {0};
        azr_template_solve(trainer->template, prompt->task, trainer->config.exec_cpu_ms, &text);
        prompt->text = azr_strbuf_steal(&text);
        status =
            azr_train__encode(trainer, prompt->text, &prompt->tokens, &prompt->n_tokens, error);
        prompt->fits = (int64_t)prompt->n_tokens <= trainer->config.max_prompt_tokens;
        if (prompt->fits)
            solutions->n_tries += prompt->n_samples;
    }
    return status;
}

/* --- completions ------------------------------------------------------------------------------ */

typedef struct solve_context {
    azr_trainer *trainer;
    azr_solutions *solutions;
    const size_t *prompt_of; /* of each request */
    const size_t *first_try; /* of each request */
    azr_status status;
    azr_error *error;
} solve_context;

static void on_finish(void *context, const azr_sample *sample)
{
    solve_context *c = context;
    azr_attempt_try *try = &c->solutions->tries[c->first_try[sample->request] + sample->index];
    try->prompt = c->prompt_of[sample->request];
    try->sample = sample;
    const azr_task *task = c->solutions->prompts[try->prompt].task;
    azr_template_parse_answer(c->trainer->template, task, sample->text, sample->text_size,
                              sample->end, &try->answer);
    try->answer.all_pairs = c->trainer->config.induction_check == AZR_INDUCTION_CHECK_ALL;
    try->answer.constructors = c->trainer->config.allow_constructors;
    azr_exec_job job;
    const char **inputs = azr_alloc(task->n_pairs, sizeof *inputs);
    if (c->status == AZR_OK &&
        azr_answer_job(task, &try->answer, c->trainer->limits, inputs, &job)) {
        c->status = azr_executor_submit(c->trainer->executor, &job, &try->ticket, c->error);
        try->submitted = c->status == AZR_OK;
        azr_executor_poll(c->trainer->executor);
    }
    azr_free(inputs);
}

static int64_t answer_limit(const azr_config *config, azr_kind kind)
{
    return kind == AZR_KIND_INDUCTION ? config->max_response_tokens : config->max_answer_tokens;
}

static azr_rollout_request request_of(const azr_trainer *trainer, int64_t step,
                                      const azr_solver_prompt *prompt, size_t first_try)
{
    const azr_config *config = &trainer->config;
    azr_kind kind = prompt->task->kind;
    return (azr_rollout_request){.tokens = prompt->tokens,
                                 .n_tokens = prompt->n_tokens,
                                 .stops =
                                     azr_template_stops(trainer->template, AZR_ROLE_SOLVER, kind),
                                 .n_samples = prompt->n_samples,
                                 .max_tokens = (size_t)answer_limit(config, kind),
                                 .temperature = (float)config->temperature,
                                 .top_p = (float)config->top_p,
                                 .top_k = (int32_t)config->top_k,
                                 .key = {.seed = (uint64_t)config->seed,
                                         .purpose = AZR_RNG_SAMPLE,
                                         .step = (uint32_t)step,
                                         .sequence = FIRST_SOLVER_SEQUENCE + (uint32_t)first_try}};
}

static azr_status sample_answers(azr_trainer *trainer, int64_t step, azr_solutions *solutions,
                                 azr_error *error)
{
    size_t n = solutions->n_prompts, n_requests = 0, n_tries = 0;
    azr_rollout_request *requests = azr_alloc(n, sizeof *requests);
    size_t *prompt_of = azr_alloc(n, sizeof *prompt_of);
    size_t *first_try = azr_alloc(n, sizeof *first_try);
    for (size_t i = 0; i < n; i++) {
        if (!solutions->prompts[i].fits)
            continue;
        prompt_of[n_requests] = i;
        first_try[n_requests] = n_tries;
        requests[n_requests++] = request_of(trainer, step, &solutions->prompts[i], n_tries);
        n_tries += solutions->prompts[i].n_samples;
    }
    solutions->tries = azr_alloc(n_tries, sizeof *solutions->tries);
    solve_context context = {trainer, solutions, prompt_of, first_try, AZR_OK, error};
    const azr_rollout_options options = {.streams = trainer->config.streams,
                                         .kv_tokens = trainer->config.kv_tokens,
                                         .on_finish = on_finish,
                                         .context = &context,
                                         .progress = &trainer->progress,
                                         .label = "solve"};
    azr_status status = azr_rollout_run(trainer->model, trainer->tokenizer, requests, n_requests,
                                        &options, &solutions->rollout, error);
    azr_free(first_try);
    azr_free(prompt_of);
    azr_free(requests);
    trainer->n_tokens +=
        solutions->rollout.n_computed_prompt_tokens + solutions->rollout.n_response_tokens;
    return status != AZR_OK ? status : context.status;
}

static azr_status judge_answers(azr_trainer *trainer, azr_solutions *solutions, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < solutions->n_tries; i++) {
        azr_attempt_try *try = &solutions->tries[i];
        const azr_solver_prompt *prompt = &solutions->prompts[try->prompt];
        azr_exec_reply reply = {0};
        if (try->submitted)
            status = azr_executor_wait(trainer->executor, try->ticket, &reply, error);
        if (status != AZR_OK)
            break;
        azr_train__count_runs(trainer, &reply);
        try->verdict = azr_answer_judge(prompt->task, &try->answer, try->submitted ? &reply : NULL,
                                        &try->accuracy, &try->detail);
        azr_exec_reply_deinit(&reply);
        if (try->verdict == AZR_VERDICT_INTERNAL)
            status = azr_error_set(error, AZR_ERROR_INTERNAL, "the sandbox failed on an answer: %s",
                                   azr_strbuf_text(&try->detail));
        try->success = azr_solver_success(prompt->task->kind, try->verdict, try->accuracy,
                                          (azr_induction_reward)trainer->config.induction_reward);
        try->reward = azr_reward_solver(try->verdict, try->success) -
                      azr_train__length_cost(&trainer->config, try->sample->n_tokens,
                                             answer_limit(&trainer->config, prompt->task->kind));
        if (prompt->proposed != NULL) {
            prompt->proposed->n_attempts++;
            prompt->proposed->success += try->success;
            prompt->proposed->n_correct += try->verdict == AZR_VERDICT_CORRECT;
        }
    }
    return status;
}

azr_status azr_train__solve(azr_trainer *trainer, int64_t step, azr_proposals *proposals,
                            azr_solutions *out_solutions, azr_error *error)
{
    size_t n_batch = (size_t)trainer->config.batch_size * AZR_N_KINDS;
    *out_solutions = (azr_solutions){0};
    out_solutions->prompts =
        azr_alloc(proposals->n_tries + n_batch, sizeof *out_solutions->prompts);
    out_solutions->drawn = azr_alloc(n_batch, sizeof *out_solutions->drawn);
    add_estimates(trainer, proposals, out_solutions);
    azr_status status = AZR_OK;
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++)
        if (trainer->kinds[kind])
            status = add_training(trainer, step, (azr_kind)kind, proposals, out_solutions, error);
    if (status == AZR_OK)
        status = write_prompts(trainer, out_solutions, error);
    if (status == AZR_OK)
        status = sample_answers(trainer, step, out_solutions, error);
    if (status == AZR_OK)
        status = judge_answers(trainer, out_solutions, error);
    if (status != AZR_OK)
        azr_solutions_deinit(out_solutions);
    return status;
}

double azr_train__length_cost(const azr_config *config, size_t n_tokens, int64_t max_tokens)
{
    return config->length_cost * (double)n_tokens / (double)max_tokens;
}

bool azr_train__learns_from(const azr_trainer *trainer, const azr_solver_prompt *prompt)
{
    return prompt->proposed == NULL || trainer->config.reuse_estimates;
}

void azr_solutions_deinit(azr_solutions *solutions)
{
    for (size_t i = 0; solutions->tries != NULL && i < solutions->n_tries; i++) {
        azr_answer_deinit(&solutions->tries[i].answer);
        azr_strbuf_deinit(&solutions->tries[i].detail);
    }
    for (size_t i = 0; i < solutions->n_prompts; i++) {
        azr_free(solutions->prompts[i].text);
        azr_free(solutions->prompts[i].tokens);
    }
    for (size_t i = 0; i < solutions->n_drawn; i++)
        azr_stored_task_deinit(&solutions->drawn[i]);
    azr_free(solutions->tries);
    azr_free(solutions->prompts);
    azr_free(solutions->drawn);
    azr_rollout_deinit(&solutions->rollout);
    *solutions = (azr_solutions){0};
}
