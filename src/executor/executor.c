/* executor.c: the room's door: jobs in, tickets out, replies back. */
#include "azr/executor.h"

#include "base/check.h"
#include "base/memory.h"
#include "executor/arguments.h"
#include "executor/hub.h"
#include "executor/literal_node.h"
#include "executor/recycle.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- names and defaults -------------------------------------------------------------------------
 */

const char *azr_exec_status_name(azr_exec_status status)
{
    static const char *const names[AZR_N_EXEC_STATUSES] = {
        [AZR_EXEC_OK] = "ok",
        [AZR_EXEC_EXCEPTION] = "exception",
        [AZR_EXEC_TIMEOUT_CPU] = "timeout_cpu",
        [AZR_EXEC_TIMEOUT_WALL] = "timeout_wall",
        [AZR_EXEC_MEMORY] = "memory",
        [AZR_EXEC_CRASH] = "crash",
        [AZR_EXEC_POLICY] = "policy",
        [AZR_EXEC_NO_RESULT] = "no_result",
        [AZR_EXEC_TOO_LARGE] = "too_large",
        [AZR_EXEC_NOT_LITERAL] = "not_literal",
        [AZR_EXEC_NONDETERMINISTIC] = "nondeterministic",
        [AZR_EXEC_BAD_INPUT] = "bad_input",
        [AZR_EXEC_INTERNAL] = "internal",
    };
    AZR_CHECK((unsigned)status < AZR_N_EXEC_STATUSES);
    return names[status];
}

azr_exec_limits azr_exec_default_limits(void)
{
    return (azr_exec_limits){
        .cpu_ms = 1000, .wall_ms = 5000, .memory_mb = 256, .result_bytes = 16 << 10};
}

azr_executor_options azr_executor_default_options(void)
{
    return (azr_executor_options){
        .engine = "auto", .n_workers = 0, .required = AZR_EXEC_LEVEL_SECCOMP};
}

azr_exec_limits azr_exec_evaluation_limits(void)
{
    return (azr_exec_limits){.cpu_ms = 10000,
                             .wall_ms = 60000,
                             .memory_mb = 1024,
                             .result_bytes = AZR_LITERAL_MAX_BYTES};
}

char *azr_exec_run_text(const azr_exec_run *run, size_t *out_bytes)
{
    azr_literal *value = NULL;
    char *text = NULL;
    *out_bytes = 0;
    if (run->value != NULL &&
        azr_literal_parse(run->value, strlen(run->value), &value, NULL) == AZR_OK &&
        value->kind == AZR_LITERAL_STR) {
        text = azr_copy_text(value->bytes, value->size);
        *out_bytes = value->size;
    }
    azr_literal_destroy(value);
    return text;
}

void azr_exec_reply_deinit(azr_exec_reply *reply)
{
    for (size_t i = 0; i < reply->n_runs; i++)
        azr_exec__run_deinit(&reply->runs[i]);
    azr_free(reply->runs);
    *reply = (azr_exec_reply){0};
}

/* --- start and end ------------------------------------------------------------------------------
 */

static int count_cores(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    return CPU_COUNT(&cores);
}

static azr_exec_level level_of(const azr_exec__server *server)
{
    if (!(server->ready.layers & AZR_EXEC__LAYER_SECCOMP))
        return AZR_EXEC_LEVEL_LIMITS;
    return server->ready.layers & AZR_EXEC__LAYER_NAMESPACES ? AZR_EXEC_LEVEL_NAMESPACES
                                                             : AZR_EXEC_LEVEL_SECCOMP;
}

azr_exec_level azr_executor_level(const azr_executor *executor)
{
    azr_exec_level least = AZR_EXEC_LEVEL_NAMESPACES;
    for (int f = 0; f < AZR_EXEC__N_FLAVOURS; f++) {
        azr_exec_level level = level_of(&executor->servers[f]);
        if (level < least)
            least = level;
    }
    return least;
}

/* Waits until all servers are ready, or one never will be; with the lock held. */
static azr_status wait_for_servers(azr_executor *executor, azr_error *error)
{
    for (int f = 0; f < AZR_EXEC__N_FLAVOURS; f++) {
        const azr_exec__server *server = &executor->servers[f];
        while (server->state == AZR_EXEC__SERVER_STARTING)
            pthread_cond_wait(&executor->changed, &executor->lock);
        if (server->state == AZR_EXEC__SERVER_BROKEN)
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                 "the sandbox for Python programs does not start: %s",
                                 server->ready.text);
    }
    return AZR_OK;
}

static azr_status check_level(const azr_executor *executor, azr_exec_level required,
                              azr_error *error)
{
    if (azr_executor_level(executor) >= required)
        return AZR_OK;
    for (int f = 0; f < AZR_EXEC__N_FLAVOURS; f++) {
        const azr_exec__notice *ready = &executor->servers[f].ready;
        if (!(ready->layers & AZR_EXEC__LAYER_SECCOMP))
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                 "the sandbox has no system-call filter (seccomp): %s",
                                 ready->seccomp);
        if (required == AZR_EXEC_LEVEL_NAMESPACES && !(ready->layers & AZR_EXEC__LAYER_NAMESPACES))
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "the sandbox has no namespaces: %s",
                                 ready->namespaces);
    }
    return AZR_ERROR_UNSUPPORTED;
}

/* The hub's thread takes no signals: they are the application's. */
static int start_thread(azr_executor *executor)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&executor->thread, NULL, azr_exec__hub_main, executor);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

const char *azr_executor_engine(const azr_executor *executor)
{
    return executor->engine->name;
}

/* One engine, with no other to fall back on. */
static azr_status create(const azr_exec__engine *engine, const azr_executor_options *options,
                         azr_executor **out_executor, azr_error *error)
{
    *out_executor = NULL;
    const char *without = getenv("AZR_EXECUTOR_DISABLE");
    if (without == NULL)
        without = "";
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return azr_error_set(error, AZR_ERROR_IO, "eventfd: %s", strerror(errno));
    azr_executor *executor = azr_alloc(1, sizeof *executor);
    executor->wake_fd = wake_fd;
    executor->without = azr_copy_text(without, strlen(without));
    executor->engine = engine;
    executor->n_workers = options->n_workers > 0 ? options->n_workers : count_cores();
    if (executor->n_workers > AZR_EXEC__MAX_WORKERS)
        executor->n_workers = AZR_EXEC__MAX_WORKERS;
    executor->first_ticket = 1;
    for (int i = 0; i < AZR_EXEC__MAX_WORKERS; i++)
        executor->slots[i].record_fd = -1;
    for (int f = 0; f < AZR_EXEC__N_SERVERS; f++)
        executor->servers[f] = (azr_exec__server){
            .fd = -1,
            .state = f < AZR_EXEC__N_FLAVOURS ? AZR_EXEC__SERVER_STARTING : AZR_EXEC__SERVER_IDLE};
    pthread_mutex_init(&executor->lock, NULL);
    pthread_cond_init(&executor->changed, NULL);
    bool ok = engine != &azr_exec__engine_recycle || azr_exec__recycle_start(executor);
    int failure = ok ? start_thread(executor) : EAGAIN;
    if (failure != 0) {
        executor->stop = true;
        azr_executor_destroy(executor);
        return azr_error_set(error, AZR_ERROR_IO, "the sandbox's thread does not start: %s",
                             strerror(failure));
    }
    pthread_mutex_lock(&executor->lock);
    azr_status status = wait_for_servers(executor, error);
    if (status == AZR_OK)
        status = check_level(executor, options->required, error);
    pthread_mutex_unlock(&executor->lock);
    if (status != AZR_OK) {
        azr_executor_destroy(executor);
        return status;
    }
    *out_executor = executor;
    return AZR_OK;
}

azr_status azr_executor_create(const azr_executor_options *options, azr_executor **out_executor,
                               azr_error *error)
{
    const char *name = options->engine != NULL ? options->engine : "auto";
    const azr_exec__engine *engine;
    bool any = strcmp(name, "auto") == 0;
    azr_status status = AZR_ERROR_UNSUPPORTED;
    azr_error last = {0}, passed_over = {0};
    *out_executor = NULL;
    if (options->n_workers < 0 || options->n_workers > AZR_EXEC__MAX_WORKERS)
        return azr_error_set(error, AZR_ERROR_INPUT, "the sandbox can have 0 to %d workers, not %d",
                             AZR_EXEC__MAX_WORKERS, options->n_workers);
    for (size_t i = 0; (engine = azr_exec__engine_at(i)) != NULL && status != AZR_OK; i++) {
        if (any ? engine->by_name_only : strcmp(engine->name, name) != 0)
            continue;
        passed_over = last;
        status = create(engine, options, out_executor, &last);
    }
    if (*out_executor != NULL)
        (*out_executor)->passed_over = passed_over;
    if (status != AZR_OK && last.text[0] == '\0')
        return azr_error_set(
            error, AZR_ERROR_INPUT,
            "unknown engine '%.32s' of the sandbox: use auto, recycle, fork or spawn", name);
    if (status != AZR_OK && error != NULL)
        *error = last;
    return status;
}

static void wake(azr_executor *executor)
{
    uint64_t one = 1;
    (void)!write(executor->wake_fd, &one, sizeof one);
}

void azr_executor_destroy(azr_executor *executor)
{
    if (executor == NULL)
        return;
    azr_exec__recycle_stop(executor);
    if (!executor->stop) { /* else the thread never was */
        pthread_mutex_lock(&executor->lock);
        executor->stop = true;
        pthread_mutex_unlock(&executor->lock);
        wake(executor);
        pthread_join(executor->thread, NULL);
    }
    for (size_t i = 0; i < executor->n_jobs; i++)
        azr_exec__job_destroy(executor->jobs[i]);
    azr_free(executor->jobs);
    azr_free(executor->without);
    close(executor->wake_fd);
    pthread_cond_destroy(&executor->changed);
    pthread_mutex_destroy(&executor->lock);
    azr_free(executor);
}

azr_status azr_executor_probe(azr_executor *executor, FILE *out, azr_error *error)
{
    pthread_mutex_lock(&executor->lock);
    fprintf(out, "engine %s\n", executor->engine->name);
    if (executor->passed_over.text[0] != '\0')
        fprintf(out, "  a faster one is missing: %s\n", executor->passed_over.text);
    for (int f = 0; f < AZR_EXEC__N_FLAVOURS; f++) {
        const azr_exec__notice *ready = &executor->servers[f].ready;
        fprintf(out, "flavour %c\n", 'A' + f);
        fprintf(out, "  interpreter  active: %s, engine %s\n", ready->text, executor->engine->name);
        if (executor->recycle != NULL) {
            char text[256];
            azr_exec__recycle_describe(executor, (azr_exec__flavour)f, text, sizeof text);
            fprintf(out, "  recycling    active: %s\n", text);
        }
        fprintf(out, "  limits       active: address space, CPU timer, wall clock, no files, no "
                     "processes\n");
        fprintf(out, "  seccomp      %s: %s\n",
                ready->layers & AZR_EXEC__LAYER_SECCOMP ? "active" : "missing", ready->seccomp);
        fprintf(out, "  namespaces   %s: %s\n",
                ready->layers & AZR_EXEC__LAYER_NAMESPACES ? "active" : "missing",
                ready->namespaces);
    }
    pthread_mutex_unlock(&executor->lock);
    if (fflush(out) != 0)
        return azr_error_set(error, AZR_ERROR_IO, "the probe cannot be written: %s",
                             strerror(errno));
    return AZR_OK;
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

static azr_status check_limits(const azr_exec_limits *limits, azr_error *error)
{
    enum { MAX_MS = 3600 * 1000, MAX_MB = 1 << 20 };
    if (limits->cpu_ms < 1 || limits->cpu_ms > MAX_MS || limits->wall_ms < 1 ||
        limits->wall_ms > MAX_MS)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "time limits of a run must be from 1 to %d ms, not %d and %d", MAX_MS,
                             limits->cpu_ms, limits->wall_ms);
    if (limits->memory_mb < 1 || limits->memory_mb > MAX_MB)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "the memory limit of a run must be from 1 to %d MB, not %d", MAX_MB,
                             limits->memory_mb);
    if (limits->result_bytes < 1 || limits->result_bytes > AZR_LITERAL_MAX_BYTES)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "the limit of a result must be from 1 to %d bytes, not %d",
                             AZR_LITERAL_MAX_BYTES, limits->result_bytes);
    return AZR_OK;
}

static void refuse_input(azr_exec__job *job, size_t i, const char *why)
{
    job->runs[i] =
        (azr_exec_run){.status = AZR_EXEC_BAD_INPUT, .message = azr_copy_text(why, strlen(why))};
}

/* Reads the input; BAD_INPUT is known at once. */
static bool encode_input(azr_exec__job *job, size_t i, const char *input)
{
    azr_literal *arguments = NULL;
    azr_error why = {0};
    size_t size = strlen(input);
    if (job->kind != AZR_EXEC_CALL || job->allow_constructors) {
        if (size <= AZR_EXEC__MAX_INPUT_BYTES)
            azr_strbuf_append(&job->arguments[i], input, size);
        else
            refuse_input(job, i, "the input is too long");
        return size <= AZR_EXEC__MAX_INPUT_BYTES;
    }
    if (azr_arguments_parse(input, size, &arguments, &why) != AZR_OK) {
        refuse_input(job, i, why.text);
        return false;
    }
    azr_exec__arguments_encode(arguments, &job->arguments[i]);
    azr_literal_destroy(arguments);
    return true;
}

static uint64_t keep_job(azr_executor *executor, azr_exec__job *job)
{
    size_t n_gone = 0;
    while (n_gone < executor->n_jobs && executor->jobs[n_gone] == NULL)
        n_gone++;
    if (executor->n_jobs == executor->jobs_capacity && n_gone < executor->n_jobs / 2 + 1) {
        executor->jobs_capacity = executor->jobs_capacity > 0 ? 2 * executor->jobs_capacity : 64;
        executor->jobs =
            azr_realloc(executor->jobs, executor->jobs_capacity, sizeof(azr_exec__job *));
    } else if (executor->n_jobs == executor->jobs_capacity) {
        executor->n_jobs -= n_gone;
        executor->first_ticket += n_gone;
        memmove(executor->jobs, executor->jobs + n_gone,
                executor->n_jobs * sizeof(azr_exec__job *));
    }
    executor->jobs[executor->n_jobs++] = job;
    return executor->first_ticket + executor->n_jobs - 1;
}

static azr_status check_job(const azr_exec_job *job, azr_error *error)
{
    enum { MAX_PROGRAM_BYTES = 1 << 20, MAX_FUNCTION_BYTES = 256 };
    azr_status status = check_limits(&job->limits, error);
    if (status != AZR_OK)
        return status;
    if (strlen(job->program) > MAX_PROGRAM_BYTES)
        return azr_error_set(error, AZR_ERROR_LIMIT, "the program has %zu bytes, the limit is %d",
                             strlen(job->program), MAX_PROGRAM_BYTES);
    if (job->function != NULL && strlen(job->function) > MAX_FUNCTION_BYTES)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "the function's name has %zu bytes, the limit is %d",
                             strlen(job->function), MAX_FUNCTION_BYTES);
    if (job->check_determinism && (job->kind != AZR_EXEC_CALL || job->wide_modules))
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "determinism is checked for calls with the usual modules only");
    return AZR_OK;
}

/* All but the inputs. */
static azr_exec__job *copy_job(const azr_exec_job *job)
{
    azr_exec__job *copy = azr_alloc(1, sizeof *copy);
    const char *function = job->function != NULL        ? job->function
                           : job->kind == AZR_EXEC_CALL ? "f"
                                                        : "";
    copy->kind = job->kind;
    copy->allow_constructors = job->kind == AZR_EXEC_CALL && job->allow_constructors;
    copy->first_flavour = job->kind != AZR_EXEC_CALL || job->wide_modules ? AZR_EXEC__FLAVOUR_WIDE
                                                                          : AZR_EXEC__FLAVOUR_A;
    copy->program_bytes = strlen(job->program);
    copy->program = azr_copy_text(job->program, copy->program_bytes);
    copy->function_bytes = strlen(function);
    copy->function = azr_copy_text(function, copy->function_bytes);
    copy->limits = job->limits;
    copy->check_determinism = job->check_determinism;
    copy->check_headroom = job->check_headroom;
    copy->share_process =
        job->kind == AZR_EXEC_CALL && job->share_process && !job->check_determinism;
    copy->n_inputs = job->n_inputs;
    copy->arguments = azr_alloc(job->n_inputs, sizeof *copy->arguments);
    copy->runs = azr_alloc(job->n_inputs, sizeof *copy->runs);
    return copy;
}

azr_status azr_executor_submit(azr_executor *executor, const azr_exec_job *job,
                               uint64_t *out_ticket, azr_error *error)
{
    azr_status status = check_job(job, error);
    if (status != AZR_OK)
        return status;
    azr_exec__job *copy = copy_job(job);
    bool *good = azr_alloc(job->n_inputs, sizeof *good);
    for (size_t i = 0; i < job->n_inputs; i++)
        good[i] = encode_input(copy, i, job->inputs[i]);
    pthread_mutex_lock(&executor->lock);
    *out_ticket = keep_job(executor, copy);
    for (size_t i = 0; i < job->n_inputs; i++) {
        if (!good[i])
            continue;
        azr_exec__try *what = azr_alloc(1, sizeof *what);
        *what = (azr_exec__try){.job = copy, .i_input = i, .flavour = copy->first_flavour};
        azr_exec__hub_queue(executor, what, false);
        copy->n_left++;
    }
    /* Supervisors of recycled workers are awake already. */
    bool is_hubs = executor->recycle == NULL || copy->first_flavour >= AZR_EXEC__N_FLAVOURS;
    pthread_mutex_unlock(&executor->lock);
    azr_free(good);
    if (is_hubs)
        wake(executor);
    return AZR_OK;
}

void azr_executor_poll(azr_executor *executor)
{
    (void)executor; /* the hub's thread moves replies by itself */
}

azr_status azr_executor_wait(azr_executor *executor, uint64_t ticket, azr_exec_reply *out_reply,
                             azr_error *error)
{
    *out_reply = (azr_exec_reply){0};
    pthread_mutex_lock(&executor->lock);
    AZR_CHECK(ticket >= executor->first_ticket);
    AZR_CHECK(ticket - executor->first_ticket < executor->n_jobs);
    azr_exec__job *job = executor->jobs[ticket - executor->first_ticket];
    AZR_CHECK(job != NULL);
    job->n_waiting++;
    while (job->n_left > 0)
        pthread_cond_wait(&executor->changed, &executor->lock);
    job->n_waiting--;
    executor->jobs[ticket - executor->first_ticket] = NULL;
    pthread_mutex_unlock(&executor->lock);
    azr_status status = AZR_OK;
    for (size_t i = 0; i < job->n_inputs && status == AZR_OK; i++)
        if (job->runs[i].status == AZR_EXEC_INTERNAL)
            status = azr_error_set(
                error, AZR_ERROR_INTERNAL, "the sandbox failed %d times on one run: %s",
                AZR_EXEC__MAX_TRIES, job->runs[i].message != NULL ? job->runs[i].message : "");
    if (status == AZR_OK) {
        *out_reply = (azr_exec_reply){.runs = job->runs, .n_runs = job->n_inputs};
        job->runs = azr_alloc(job->n_inputs, sizeof *job->runs);
    }
    azr_exec__job_destroy(job);
    return status;
}

azr_status azr_executor_run(azr_executor *executor, const azr_exec_job *job,
                            azr_exec_reply *out_reply, azr_error *error)
{
    uint64_t ticket = 0;
    azr_status status = azr_executor_submit(executor, job, &ticket, error);
    return status == AZR_OK ? azr_executor_wait(executor, ticket, out_reply, error) : status;
}
