/* trainer.c: opens and closes a run, and the loop over steps. */
#include "train/trainer.h"

#include "train/checkpoint.h"
#include "train/report.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

/* --- opening ---------------------------------------------------------------------------------- */

static azr_status start_executor(azr_trainer *trainer, azr_error *error)
{
    const azr_config *config = &trainer->config;
    azr_executor_options options = azr_executor_default_options();
    options.engine = config->exec_engine;
    options.n_workers = (int)config->exec_workers;
    options.required = strcmp(config->exec_require, "limits") == 0       ? AZR_EXEC_LEVEL_LIMITS
                       : strcmp(config->exec_require, "namespaces") == 0 ? AZR_EXEC_LEVEL_NAMESPACES
                                                                         : AZR_EXEC_LEVEL_SECCOMP;
    trainer->limits = (azr_exec_limits){.cpu_ms = (int)config->exec_cpu_ms,
                                        .wall_ms = (int)config->exec_wall_ms,
                                        .memory_mb = (int)config->exec_memory_mb,
                                        .result_bytes = (int)config->exec_result_bytes};
    return azr_executor_create(&options, &trainer->executor, error);
}

static void read_kinds(azr_trainer *trainer)
{
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        trainer->kinds[kind] = strstr(trainer->config.kinds, azr_kind_name((azr_kind)kind)) != NULL;
}

/* The frozen model that kl_coef measures the distance from: always the same file, whichever
 * checkpoint the run goes on from. */
static azr_status open_reference(azr_trainer *trainer, azr_error *error)
{
    const azr_config *config = &trainer->config;
    const char *path = config->reference_model[0] != '\0' ? config->reference_model : config->model;
    azr_progress_printf(&trainer->progress, "loading %s as reference", path);
    azr_status status = azr_model_open(path, (azr_dtype)config->dtype, &trainer->reference, error);
    if (status == AZR_OK)
        azr_model_set_kv_dtype(trainer->reference, (azr_kv_dtype)config->kv_dtype);
    if (status == AZR_OK && azr_model_get_shape(trainer->reference)->n_vocab !=
                                azr_model_get_shape(trainer->model)->n_vocab)
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "reference_model %s has %" PRId64 " tokens, the model %" PRId64,
                               path, azr_model_get_shape(trainer->reference)->n_vocab,
                               azr_model_get_shape(trainer->model)->n_vocab);
    return status;
}

static azr_status open_model(azr_trainer *trainer, const char *folder, azr_error *error)
{
    bool recompute = false;
    azr_progress_printf(&trainer->progress, "loading %s", folder);
    azr_status status = azr_train__plan_recompute(&trainer->config, &recompute, error);
    if (status == AZR_OK)
        status = azr_tokenizer_open(folder, &trainer->tokenizer, error);
    if (status == AZR_OK)
        status = azr_model_open(folder, (azr_dtype)trainer->config.dtype, &trainer->model, error);
    if (status == AZR_OK)
        azr_model_set_kv_dtype(trainer->model, (azr_kv_dtype)trainer->config.kv_dtype);
    if (status == AZR_OK &&
        azr_tokenizer_size(trainer->tokenizer) > azr_model_get_shape(trainer->model)->n_vocab)
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "%s: the tokenizer has %d tokens, the model only %" PRId64, folder,
                               (int)azr_tokenizer_size(trainer->tokenizer),
                               azr_model_get_shape(trainer->model)->n_vocab);
    if (status == AZR_OK)
        status = azr_template_check(trainer->template, trainer->tokenizer, folder, error);
    if (status == AZR_OK)
        status = azr_model_check(trainer->model, error);
    if (status == AZR_OK)
        azr_model_set_recompute(trainer->model, recompute);
    if (status == AZR_OK)
        status = azr_model_enable_training(trainer->model, error);
    if (status == AZR_OK)
        status = azr_optimizer_init(&trainer->optimizer, trainer->model, error);
    if (status == AZR_OK && trainer->config.kl_coef > 0.0)
        status = open_reference(trainer, error);
    return status;
}

/* Takes the run back to its newest checkpoint: weights, moments, and no row or line after it.
 * Without a checkpoint (a run that was killed while it seeded) it starts over. */
static azr_status go_back(azr_trainer *trainer, azr_error *error)
{
    azr_checkpoint_state state = {.step = -1};
    int64_t step = 0;
    char *folder = azr_checkpoint_newest(trainer->directory.path, &step, NULL);
    azr_status status = AZR_OK;
    if (folder != NULL)
        status = azr_checkpoint_read_state(folder, &state, error);
    if (status == AZR_OK)
        status = azr_buffer_forget_after(trainer->buffer, state.step, error);
    if (status == AZR_OK)
        status = azr_metrics_cut(trainer->metrics_path, state.step, error);
    if (status == AZR_OK)
        status = open_model(trainer, folder != NULL ? folder : trainer->config.model, error);
    uint64_t hash = 0;
    if (status == AZR_OK && folder != NULL)
        status = azr_buffer_hash(trainer->buffer, &hash, error);
    if (status == AZR_OK && folder != NULL && hash != state.buffer_hash)
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "%s/run.db does not hold the tasks that %s was written with",
                               trainer->directory.path, folder);
    if (status == AZR_OK && state.opt_step > 0)
        status = azr_optimizer_load(&trainer->optimizer, trainer->model, folder, error);
    if (status == AZR_OK) {
        trainer->optimizer.opt_step = state.opt_step;
        if (folder != NULL)
            trainer->learn_state = state.learn;
        trainer->step = trainer->last_kept = state.step;
    }
    azr_free(folder);
    return status;
}

static azr_status open_run(azr_trainer *trainer, bool resume, azr_error *error)
{
    azr_status status =
        azr_run_directory_open(&trainer->config, resume, &trainer->directory, error);
    if (status != AZR_OK)
        return status;
    trainer->metrics_path = azr_path_join(trainer->directory.path, "metrics.jsonl");
    char *path = azr_path_join(trainer->directory.path, "run.db");
    status = azr_buffer_open(path, &trainer->buffer, error);
    azr_free(path);
    if (status == AZR_OK && resume)
        status = azr_train__check_stored_start(trainer, error);
    if (status != AZR_OK)
        return status;
    return resume ? go_back(trainer, error) : open_model(trainer, trainer->config.model, error);
}

azr_status azr_trainer_create(const azr_config *config, bool resume, const azr_progress *progress,
                              azr_trainer **out_trainer, azr_error *error)
{
    azr_trainer *trainer = azr_alloc(1, sizeof *trainer);
    trainer->directory.lock = -1;
    trainer->step = trainer->last_kept = -1;
    if (progress != NULL)
        trainer->progress = *progress;
    azr_config_copy(&trainer->config, config);
    trainer->learn_state.entropy_coef = config->entropy_coef;
    azr_status status = azr_template_find(trainer->config.template, &trainer->template, error);
    if (status == AZR_OK)
        status = start_executor(trainer, error);
    read_kinds(trainer);
    /* Before the folder of the run is made: a bad file leaves nothing behind. */
    if (status == AZR_OK)
        status = azr_train__check_evaluation(config, &trainer->held_out, error);
    if (status == AZR_OK && !resume && config->tasks[0] != '\0')
        status = azr_train__load_start_tasks(trainer, error);
    if (status == AZR_OK)
        status = open_run(trainer, resume, error);
    if (status != AZR_OK) {
        azr_trainer_destroy(trainer);
        trainer = NULL;
    }
    *out_trainer = trainer;
    return status;
}

void azr_trainer_destroy(azr_trainer *trainer)
{
    if (trainer == NULL)
        return;
    azr_buffer_close(trainer->buffer);
    azr_executor_destroy(trainer->executor);
    azr_optimizer_deinit(&trainer->optimizer);
    azr_model_destroy(trainer->model);
    azr_model_destroy(trainer->reference);
    azr_answer_counts_deinit(&trainer->inputs);
    azr_answer_counts_deinit(&trainer->outputs);
    azr_answer_counts_deinit(&trainer->errors);
    azr_tokenizer_destroy(trainer->tokenizer);
    azr_metrics_deinit(&trainer->metrics);
    azr_start_tasks_deinit(&trainer->start_tasks);
    azr_held_out_deinit(&trainer->held_out);
    azr_run_directory_close(&trainer->directory);
    azr_free(trainer->metrics_path);
    azr_config_deinit(&trainer->config);
    azr_free(trainer);
}

const char *azr_trainer_directory(const azr_trainer *trainer)
{
    return trainer->directory.path;
}

/* --- a step ----------------------------------------------------------------------------------- */

/* A task that no solver's prompt has room for was solved by nobody, whatever the form of
 * learnability makes of that. */
static double value_of_task(const azr_config *config, const azr_proposal_try *try)
{
    const azr_proposer_rules rules = {.learnability = (azr_learnability)config->learnability,
                                      .zero_reward = config->propose_zero_reward,
                                      .combine = (azr_combine)config->intrinsic_combine};
    bool valid = try->verdict == AZR_VERDICT_VALID;
    if (valid && try->n_attempts == 0)
        return try->refusal != AZR_REFUSAL_NONE ? config->refused_reward
                                                : config->propose_zero_reward;
    double rate = try->n_attempts > 0 ? try->success / (double)try->n_attempts : 0.0;
    double terms[AZR_N_INTRINSIC];
    size_t n_terms = azr_train__terms(config, try, terms);
    return azr_reward_proposer(&rules, valid, rate, terms, n_terms);
}

static void reward_proposals(const azr_trainer *trainer, azr_proposals *proposals)
{
    const azr_config *config = &trainer->config;
    for (size_t i = 0; i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        azr_train__judge_success(config, try);
        try->reward =
            value_of_task(config, try) -
            azr_train__length_cost(config, try->sample->n_tokens, config->max_response_tokens);
    }
}

/* The proposals when proposing is learnt, and the answers: estimates only when they are reused. */
static azr_episode *collect_episodes(const azr_trainer *trainer, const azr_proposals *proposals,
                                     const azr_solutions *solutions, size_t *out_n)
{
    azr_episode *episodes = azr_alloc(proposals->n_tries + solutions->n_tries, sizeof *episodes);
    size_t n = 0;
    for (size_t i = 0; trainer->config.train_propose && i < proposals->n_tries; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        const azr_proposer_prompt *prompt = &proposals->prompts[try->prompt];
        episodes[n++] = (azr_episode){.role = AZR_ROLE_PROPOSER,
                                      .kind = prompt->request.kind,
                                      .prompt = prompt->tokens,
                                      .n_prompt = prompt->n_tokens,
                                      .sample = try->sample,
                                      .reward = try->reward};
    }
    for (size_t i = 0; i < solutions->n_tries; i++) {
        const azr_attempt_try *try = &solutions->tries[i];
        const azr_solver_prompt *prompt = &solutions->prompts[try->prompt];
        if (azr_train__learns_from(trainer, prompt))
            episodes[n++] = (azr_episode){.role = AZR_ROLE_SOLVER,
                                          .kind = prompt->task->kind,
                                          .prompt = prompt->tokens,
                                          .n_prompt = prompt->n_tokens,
                                          .sample = try->sample,
                                          .reward = try->reward};
    }
    *out_n = n;
    return episodes;
}

static azr_status store_step(azr_trainer *trainer, int64_t step, azr_proposals *proposals,
                             const azr_solutions *solutions, double started, azr_error *error)
{
    azr_status status = azr_buffer_begin(trainer->buffer, error);
    if (status != AZR_OK)
        return status;
    status = azr_train__store_proposals(trainer, step, "propose", proposals, error);
    if (status == AZR_OK)
        status = azr_train__store_solutions(trainer, step, solutions, error);
    azr_report_step(trainer, step, proposals, solutions);
    double seconds = azr_clock_seconds() - started;
    azr_metrics_add(&trainer->metrics, seconds, "timing_s/step");
    azr_metrics_add(&trainer->metrics, (double)trainer->n_tokens / seconds, "tokens_per_s/step");
    azr_metrics_add(&trainer->metrics, (double)trainer->n_tokens, "tokens");
    if (status == AZR_OK)
        status = azr_metrics_store(&trainer->metrics, trainer->buffer, step, error);
    if (status == AZR_OK)
        status = azr_buffer_commit(trainer->buffer, error);
    else
        azr_buffer_rollback(trainer->buffer, NULL);
    if (status == AZR_OK)
        status = azr_metrics_append(&trainer->metrics, trainer->metrics_path, step, error);
    return status;
}

void azr_train__count_runs(azr_trainer *trainer, const azr_exec_reply *reply)
{
    for (size_t i = 0; i < reply->n_runs; i++)
        trainer->n_runs[reply->runs[i].status]++;
}

/* Where a phase began. */
typedef struct phase_start {
    double seconds;
    int64_t n_tokens;
} phase_start;

/* Says what the phase took but for `other` seconds, and begins the next. */
static void end_phase(azr_trainer *trainer, phase_start *start, const char *phase, double other)
{
    double seconds = azr_clock_seconds() - start->seconds - other;
    int64_t n_tokens = trainer->n_tokens - start->n_tokens;
    azr_metrics_add(&trainer->metrics, seconds, "timing_s/%s", phase);
    if (n_tokens > 0) {
        azr_metrics_add(&trainer->metrics, (double)n_tokens, "tokens/%s", phase);
        azr_metrics_add(&trainer->metrics, 1000.0 * seconds / (double)n_tokens,
                        "timing_per_token_ms/%s", phase);
    }
    *start = (phase_start){azr_clock_seconds(), trainer->n_tokens};
}

static azr_status run_step(azr_trainer *trainer, int64_t step, azr_error *error)
{
    azr_proposals proposals = {0};
    azr_solutions solutions = {0};
    azr_propose_plan plan = {.step = step, .label = "propose"};
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        plan.n_proposals[kind] = trainer->kinds[kind] && step > trainer->config.pretrain_pred_steps
                                     ? (size_t)trainer->config.batch_size
                                     : 0;
    azr_metrics_reset(&trainer->metrics);
    trainer->n_tokens = 0;
    trainer->verify_seconds = 0.0;
    memset(trainer->n_runs, 0, sizeof trainer->n_runs);
    double started = azr_clock_seconds();
    phase_start phase = {.seconds = started};
    azr_status status = azr_train__count_answers(trainer, error);
    if (status == AZR_OK)
        status = azr_train__propose(trainer, &plan, &proposals, error);
    double verify_seconds = trainer->verify_seconds;
    end_phase(trainer, &phase, "propose", verify_seconds);
    if (status == AZR_OK)
        status = azr_train__solve(trainer, step, &proposals, &solutions, error);
    end_phase(trainer, &phase, "solve", trainer->verify_seconds - verify_seconds);
    if (status == AZR_OK)
        status = azr_train__measure(trainer, &proposals, error);
    end_phase(trainer, &phase, "reward_fn", -trainer->verify_seconds);
    if (status == AZR_OK) {
        size_t n = 0;
        reward_proposals(trainer, &proposals);
        azr_episode *episodes = collect_episodes(trainer, &proposals, &solutions, &n);
        status = azr_train__learn(trainer, step, episodes, n, error);
        azr_free(episodes);
    }
    end_phase(trainer, &phase, "update_actor", 0.0);
    if (status == AZR_OK)
        status = store_step(trainer, step, &proposals, &solutions, started, error);
    azr_proposals_deinit(&proposals);
    azr_solutions_deinit(&solutions);
    return status;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Drops old checkpoints, and the rows that none of those left can come back to. */
static azr_status drop_old(azr_trainer *trainer, azr_error *error)
{
    int64_t oldest = 0, first_attempts = 0;
    azr_status status = azr_checkpoint_prune(trainer->directory.path,
                                             trainer->config.keep_checkpoints, &oldest, error);
    if (trainer->config.keep_attempts > 0)
        first_attempts = trainer->step - trainer->config.keep_attempts + 1;
    if (status == AZR_OK)
        status = azr_buffer_drop_before(trainer->buffer, oldest, first_attempts, error);
    return status;
}

static azr_status keep_checkpoint(azr_trainer *trainer, azr_error *error)
{
    azr_checkpoint_state state = {.step = trainer->step,
                                  .opt_step = trainer->optimizer.opt_step,
                                  .seed = (uint64_t)trainer->config.seed,
                                  .learn = trainer->learn_state};
    double started = azr_clock_seconds();
    azr_status status = azr_buffer_hash(trainer->buffer, &state.buffer_hash, error);
    if (status == AZR_OK)
        status = azr_checkpoint_save(trainer->directory.path, &state, trainer->model,
                                     trainer->tokenizer, &trainer->optimizer, error);
    if (status == AZR_OK)
        status = drop_old(trainer, error);
    if (status != AZR_OK)
        return status;
    double seconds = azr_clock_seconds() - started;
    trainer->last_kept = trainer->step;
    azr_progress_printf(&trainer->progress, "checkpoint of step %" PRId64 " written in %.1f s",
                        trainer->step, seconds);
    azr_metrics_reset(&trainer->metrics);
    azr_metrics_add(&trainer->metrics, seconds, "timing_s/save_checkpoint");
    return azr_metrics_append(&trainer->metrics, trainer->metrics_path, trainer->step, error);
}

azr_status azr_trainer_run(azr_trainer *trainer, azr_error *error)
{
    const azr_config *config = &trainer->config;
    azr_status status = AZR_OK;
    if (trainer->step < 0) {
        status = azr_train__seed(trainer, error);
        if (status != AZR_OK)
            return status;
        trainer->step = 0;
        status = azr_train__evaluate(trainer, error);
        if (status == AZR_OK || status == AZR_ERROR_INTERRUPTED)
            status = keep_checkpoint(trainer, error);
    } else {
        /* The evaluation of this step may be what was interrupted. */
        status = azr_train__evaluate(trainer, error);
    }
    while (status == AZR_OK && trainer->step < config->total_steps && !azr_stop_requested()) {
        status = run_step(trainer, trainer->step + 1, error);
        if (status != AZR_OK)
            break;
        trainer->step++;
        azr_report_print(trainer, trainer->step);
        status = azr_train__evaluate(trainer, error);
        if (status == AZR_OK && trainer->step % config->checkpoint_every == 0)
            status = keep_checkpoint(trainer, error);
    }
    bool stopped = status == AZR_ERROR_INTERRUPTED || (status == AZR_OK && azr_stop_requested());
    /* An interrupted step left no rows and no change of weights, an interrupted evaluation no
     * numbers: the state is that of trainer->step. */
    if ((status == AZR_OK || stopped) && trainer->last_kept < trainer->step)
        status = keep_checkpoint(trainer, error);
    if ((status == AZR_OK || status == AZR_ERROR_INTERRUPTED) && stopped)
        status = azr_error_set(error, AZR_ERROR_INTERRUPTED,
                               "stopped after step %" PRId64 "; go on with --resume --run %s",
                               trainer->step, trainer->directory.path);
    return status;
}
