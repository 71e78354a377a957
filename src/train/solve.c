/* solve.c: the solver's half of a step: this step's tasks several times each (how hard are they?),
 * and a batch of tasks to learn from. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/memory.h"

/* Sequence numbers of a step's random numbers: proposers count from 0. */
enum { FIRST_SOLVER_SEQUENCE = 1 << 24 };

/* --- which tasks ------------------------------------------------------------------------------ */

/* Draws in place of tasks whose prompts were too long, before tasks come up again instead. */
enum { MAX_REFILLS = 8 };

/* The tasks of one kind that a step learns from, being chosen. */
typedef struct choice {
    azr_trainer *trainer;
    azr_solutions *solutions;
    int64_t step;
    azr_kind kind;
    size_t n_missing;   /* of batch_size */
    size_t first;       /* prompt of this kind, */
    size_t first_drawn; /* of a task from the store */
    bool exhausted;     /* the last draw gave all that there is */
    size_t n_unfit;     /* of the last draw: too long, or chosen before */
} choice;

/* Adds the prompt unless it is too long. */
static azr_status add_prompt(azr_trainer *trainer, azr_solutions *solutions,
                             azr_solver_prompt prompt, bool *out_fits, azr_error *error)
{
    azr_strbuf text = {0};
    azr_template_solve(trainer->template, prompt.task, trainer->config.exec_cpu_ms, &text);
    prompt.text = azr_strbuf_steal(&text);
    azr_status status =
        azr_train__encode(trainer, prompt.text, &prompt.tokens, &prompt.n_tokens, error);
    *out_fits = status == AZR_OK && (int64_t)prompt.n_tokens <= trainer->config.max_prompt_tokens;
    if (*out_fits) {
        solutions->n_tries += prompt.n_samples;
        solutions->prompts[solutions->n_prompts++] = prompt;
    } else {
        azr_free(prompt.text);
        azr_free(prompt.tokens);
    }
    return status;
}

static azr_status add_estimates(azr_trainer *trainer, azr_proposals *proposals,
                                azr_solutions *solutions, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        const azr_solver_prompt prompt = {.task = &try->task,
                                          .origin = try,
                                          .proposed = try,
                                          .n_samples = (size_t)trainer->config.estimate_samples};
        if (azr_train__admitted(try))
            status = add_prompt(trainer, solutions, prompt, &try->has_room, error);
    }
    return status;
}

/* One more task to learn from, unless its prompt is too long. */
static azr_status choose(choice *c, const azr_task *task, int64_t task_id,
                         const azr_proposal_try *origin, bool *out_fits, azr_error *error)
{
    const azr_solver_prompt prompt = {.task = task,
                                      .task_id = task_id,
                                      .origin = origin,
                                      .n_samples = (size_t)c->trainer->config.solver_samples};
    azr_status status = add_prompt(c->trainer, c->solutions, prompt, out_fits, error);
    c->n_missing -= *out_fits;
    return status;
}

/* Valid tasks of this step. They need no further answers when their estimates are learnt from. */
static azr_status choose_new(choice *c, const azr_proposals *proposals, azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries && c->n_missing > 0; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        bool fits = try->has_room;
        if (!azr_train__admitted(try) || try->task.kind != c->kind || !fits)
            continue;
        if (c->trainer->config.reuse_estimates)
            c->n_missing--;
        else
            status = choose(c, &try->task, 0, try, &fits, error);
    }
    return status;
}

static bool is_chosen(const choice *c, int64_t task_id)
{
    for (size_t i = c->first_drawn; i < c->solutions->n_prompts; i++)
        if (c->solutions->prompts[i].task_id == task_id)
            return true;
    return false;
}

/* Three kinds stand in a row: a fourth one moves the random numbers of none. */
static uint32_t sequence_of(azr_kind kind, uint32_t part)
{
    uint32_t row = (uint32_t)kind / 3, place = (uint32_t)kind % 3;
    return 6 * row + 3 * part + place;
}

/* How a draw from the store differs from the others of a step. */
typedef struct draw {
    azr_draw_from from;
    uint32_t part;   /* tells apart the random numbers of the draws of one kind, */
    uint32_t refill; /* and of those that follow them */
    size_t n, skip;  /* that many, of a longer list all but the first */
    int64_t step;    /* whose random numbers: several may share a list */
} draw;

/* Draws tasks, as many as there are, and chooses those that fit. A refill chooses nothing twice. */
static azr_status choose_drawn(choice *c, const draw *d, azr_error *error)
{
    const azr_rng_key key = {.seed = (uint64_t)c->trainer->config.seed,
                             .purpose = AZR_RNG_SOLVER_TASKS,
                             .step = (uint32_t)d->step,
                             .sequence = 64 * d->refill + sequence_of(c->kind, d->part)};
    azr_solutions *solutions = c->solutions;
    size_t n_drawn = 0, n = d->skip + d->n;
    azr_stored_task *drawn = azr_alloc(n, sizeof *drawn);
    azr_status status = azr_buffer_draw_from(c->trainer->buffer, c->kind, &d->from, &key, n, drawn,
                                             &n_drawn, error);
    c->exhausted = n_drawn < n;
    c->n_unfit = 0;
    for (size_t i = 0; i < n_drawn; i++) {
        azr_stored_task *kept = &solutions->drawn[solutions->n_drawn];
        bool wanted = status == AZR_OK && i >= d->skip && c->n_missing > 0, fits = false;
        *kept = drawn[i];
        if (wanted && (d->refill == 0 || !is_chosen(c, kept->id)))
            status = choose(c, &kept->task, kept->id, NULL, &fits, error);
        c->n_unfit += wanted && !fits;
        if (fits)
            solutions->n_drawn++;
        else
            azr_stored_task_deinit(kept);
    }
    azr_free(drawn);
    return status;
}

int64_t azr_train__prepared_at(const azr_config *config, int64_t step)
{
    return step > 0 ? step - (step - 1) % config->prepare_every : 0;
}

/* Stored tasks, mixed as the config asks. Steps that are prepared together share one list of the
 * newest tasks, each the next part of it. */
static azr_status choose_stored(choice *c, azr_error *error)
{
    const azr_config *config = &c->trainer->config;
    const int64_t prepared = azr_train__prepared_at(config, c->step);
    const size_t n_before = (size_t)(c->step - prepared);
    draw recent = {.from = {.first_step = prepared - config->window, .before_step = prepared},
                   .part = 1,
                   .n = c->n_missing,
                   .step = prepared};
    const draw by_step = {.from = {.before_step = prepared, .weight = AZR_DRAW_STEP, .again = true},
                          .part = 1,
                          .n = c->n_missing,
                          .step = c->step};
    draw any = {.from = {.before_step = prepared,
                         .weight = config->curriculum ? AZR_DRAW_SUCCESS : AZR_DRAW_EQUAL},
                .step = c->step};
    azr_status status = AZR_OK;
    if (config->solver_mix == AZR_SOLVER_MIX_HALF_NEW)
        recent.n /= 2;
    recent.skip = n_before * recent.n;
    if (config->solver_mix == AZR_SOLVER_MIX_MAX_NEW ||
        config->solver_mix == AZR_SOLVER_MIX_HALF_NEW)
        status = choose_drawn(c, &recent, error);
    else if (config->solver_mix == AZR_SOLVER_MIX_STEP)
        status = choose_drawn(c, &by_step, error);
    c->exhausted = false;
    for (any.n = c->n_missing; status == AZR_OK && c->n_missing > 0; any.n = c->n_missing) {
        status = choose_drawn(c, &any, error);
        if (c->exhausted || c->n_unfit == 0 || any.refill++ == MAX_REFILLS)
            break;
    }
    return status;
}

/* What is still missing comes up again: stored tasks, or this step's where none of those fit. */
static azr_status choose_again(choice *c, azr_error *error)
{
    azr_status status = AZR_OK;
    const size_t end = c->solutions->n_prompts;
    const size_t first = c->first_drawn < end ? c->first_drawn : c->first;
    for (size_t i = 0; status == AZR_OK && first < end && c->n_missing > 0; i++) {
        const azr_solver_prompt *old = &c->solutions->prompts[first + i % (end - first)];
        bool fits = false;
        status = choose(c, old->task, old->task_id, old->origin, &fits, error);
    }
    c->solutions->n_dropped[c->kind] = c->n_missing;
    return status;
}

/* batch_size tasks of a kind to learn from: valid ones of this step first unless the config mixes
 * otherwise, the rest from the store. A store with fewer tasks than that gives each of them more
 * than once. Only tasks whose prompts are short enough count. */
static azr_status add_training(azr_trainer *trainer, int64_t step, azr_kind kind,
                               const azr_proposals *proposals, azr_solutions *solutions,
                               azr_error *error)
{
    choice c = {.trainer = trainer,
                .solutions = solutions,
                .step = step,
                .kind = kind,
                .n_missing = (size_t)trainer->config.batch_size,
                .first = solutions->n_prompts};
    azr_status status = AZR_OK;
    if (trainer->config.solver_mix == AZR_SOLVER_MIX_NEW)
        status = choose_new(&c, proposals, error);
    c.first_drawn = solutions->n_prompts;
    if (status == AZR_OK && c.n_missing > 0)
        status = choose_stored(&c, error);
    return status == AZR_OK ? choose_again(&c, error) : status;
}

/* --- completions ------------------------------------------------------------------------------ */

typedef struct solve_context {
    azr_trainer *trainer;
    azr_solutions *solutions;
    const size_t *first_try; /* of each prompt */
    azr_status status;
    azr_error *error;
} solve_context;

static void on_finish(void *context, const azr_sample *sample)
{
    solve_context *c = context;
    azr_attempt_try *try = &c->solutions->tries[c->first_try[sample->request] + sample->index];
    try->prompt = sample->request;
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
    size_t n = solutions->n_prompts, n_tries = 0;
    azr_rollout_request *requests = azr_alloc(n, sizeof *requests);
    size_t *first_try = azr_alloc(n, sizeof *first_try);
    for (size_t i = 0; i < n; i++) {
        first_try[i] = n_tries;
        requests[i] = request_of(trainer, step, &solutions->prompts[i], n_tries);
        n_tries += solutions->prompts[i].n_samples;
    }
    solutions->tries = azr_alloc(n_tries, sizeof *solutions->tries);
    solve_context context = {trainer, solutions, first_try, AZR_OK, error};
    const azr_rollout_options options = {.streams = trainer->config.streams,
                                         .kv_tokens = trainer->config.kv_tokens,
                                         .on_finish = on_finish,
                                         .context = &context,
                                         .progress = &trainer->progress,
                                         .label = "solve"};
    azr_status status = azr_rollout_run(trainer->model, trainer->tokenizer, requests, n, &options,
                                        &solutions->rollout, error);
    azr_free(first_try);
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
    out_solutions->drawn = azr_alloc(n_batch + 1, sizeof *out_solutions->drawn);
    azr_status status = add_estimates(trainer, proposals, out_solutions, error);
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++)
        if (trainer->kinds[kind])
            status = add_training(trainer, step, (azr_kind)kind, proposals, out_solutions, error);
    if (status == AZR_OK)
        status = sample_answers(trainer, step, out_solutions, error);
    double started = azr_clock_seconds();
    if (status == AZR_OK)
        status = judge_answers(trainer, out_solutions, error);
    trainer->verify_seconds += azr_clock_seconds() - started;
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
