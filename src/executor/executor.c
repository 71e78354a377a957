/* executor.c: the client side: jobs to runs, runs to two fork servers, replies to jobs. A server
 * that dies is started again and gets its runs once more. */
#include "azr/executor.h"

#include "executor/server.h"
#include "executor/wire.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N_FLAVOURS = 2, MAX_TRIES = 4, MAX_PROGRAM = 1 << 20 };

/* One input of a job under one flavour. */
typedef struct run_slot {
    bool done;
    int tries;
    azr_exec_run result;
} run_slot;

typedef struct job {
    char *program;
    size_t program_size;
    char **arguments; /* canonical; NULL: BAD_INPUT */
    size_t n_inputs;
    bool check_determinism;
    int flavour; /* when only one */
    azr_exec_limits limits;
    run_slot *slots[N_FLAVOURS];
    size_t n_open; /* runs not answered */
} job;

struct azr_executor {
    azr_executor_options options;
    azr_server servers[N_FLAVOURS];
    azr_strbuf in[N_FLAVOURS], out[N_FLAVOURS];
    job **jobs; /* by ticket - 1; NULL when waited for */
    size_t n_jobs, capacity;
};

/* A run id says all about a run. */
static uint64_t run_id(size_t i_job, size_t input)
{
    return (uint64_t)i_job << 24 | input;
}

const char *azr_exec_status_name(azr_exec_status status)
{
    static const char *const names[] = {
        "ok",      "exception", "timeout_cpu", "timeout_wall", "memory",           "crash",
        "policy",  "no_result", "too_large",   "not_literal",  "nondeterministic", "bad_input",
        "internal"};
    return names[status];
}

azr_exec_limits azr_exec_default_limits(void)
{
    return (azr_exec_limits){1000, 5000, 256, 16384};
}

azr_executor_options azr_executor_default_options(void)
{
    return (azr_executor_options){.engine = "fork", .required = AZR_EXEC_LEVEL_SECCOMP};
}

static void run_deinit(azr_exec_run *run)
{
    azr_free(run->value);
    azr_free(run->type);
    azr_free(run->exception);
    azr_free(run->message);
    *run = (azr_exec_run){0};
}

void azr_exec_reply_deinit(azr_exec_reply *reply)
{
    for (size_t i = 0; i < reply->n_runs; i++)
        run_deinit(&reply->runs[i]);
    azr_free(reply->runs);
    *reply = (azr_exec_reply){0};
}

static void job_destroy(job *j)
{
    for (int f = 0; f < N_FLAVOURS; f++) {
        for (size_t i = 0; j->slots[f] != NULL && i < j->n_inputs; i++)
            run_deinit(&j->slots[f][i].result);
        azr_free(j->slots[f]);
    }
    for (size_t i = 0; i < j->n_inputs; i++)
        azr_free(j->arguments[i]);
    azr_free(j->arguments);
    azr_free(j->program);
    azr_free(j);
}

/* --- servers ---------------------------------------------------------------------------------- */

static const char *level_name(azr_exec_level level)
{
    static const char *const names[] = {"limits", "seccomp", "namespaces"};
    return names[level];
}

static azr_status start_server(azr_executor *executor, int flavour, azr_error *error)
{
    azr_server *server = &executor->servers[flavour];
    int n_workers = (executor->options.n_workers + N_FLAVOURS - 1) / N_FLAVOURS;
    azr_status status = azr_server_start(flavour, n_workers, server, error);
    if (status != AZR_OK)
        return status;
    const azr_isolation *isolation = &server->hello.isolation;
    if (isolation->level >= executor->options.required)
        return AZR_OK;
    const char *why =
        !isolation->seccomp ? isolation->why_no_seccomp : isolation->why_no_namespaces;
    status = azr_error_set(
        error, AZR_ERROR_UNSUPPORTED, "the sandbox reaches level %s here, %s is required: %s",
        level_name(isolation->level), level_name(executor->options.required), why);
    azr_server_stop(server);
    return status;
}

azr_status azr_executor_create(const azr_executor_options *options, azr_executor **out_executor,
                               azr_error *error)
{
    *out_executor = NULL;
    if (strcmp(options->engine, "fork") != 0)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "unknown sandbox engine '%.64s': there is fork", options->engine);
    azr_executor *executor = azr_alloc(1, sizeof *executor);
    executor->options = *options;
    executor->options.engine = "fork";
    for (int f = 0; f < N_FLAVOURS; f++)
        executor->servers[f].socket = -1;
    if (executor->options.n_workers <= 0)
        executor->options.n_workers = (int)sysconf(_SC_NPROCESSORS_ONLN);
    azr_status status = AZR_OK;
    for (int f = 0; status == AZR_OK && f < N_FLAVOURS; f++)
        status = start_server(executor, f, error);
    if (status != AZR_OK) {
        azr_executor_destroy(executor);
        return status;
    }
    *out_executor = executor;
    return AZR_OK;
}

void azr_executor_destroy(azr_executor *executor)
{
    if (executor == NULL)
        return;
    for (int f = 0; f < N_FLAVOURS; f++) {
        azr_server_stop(&executor->servers[f]);
        azr_strbuf_deinit(&executor->in[f]);
        azr_strbuf_deinit(&executor->out[f]);
    }
    for (size_t i = 0; i < executor->n_jobs; i++)
        if (executor->jobs[i] != NULL)
            job_destroy(executor->jobs[i]);
    azr_free(executor->jobs);
    azr_free(executor);
}

azr_exec_level azr_executor_level(const azr_executor *executor)
{
    return executor->servers[0].hello.isolation.level;
}

azr_status azr_executor_probe(azr_executor *executor, FILE *out, azr_error *error)
{
    const azr_isolation *isolation = &executor->servers[0].hello.isolation;
    (void)error;
    fprintf(out, "level       %s\n", level_name(isolation->level));
    fprintf(
        out,
        "limits      active: own process, CPU and wall timers, memory, no files, no children\n");
    fprintf(out, "seccomp     %s\n", isolation->seccomp ? "active" : isolation->why_no_seccomp);
    fprintf(out, "namespaces  %s\n",
            isolation->namespaces ? "active: pid, mount, net, ipc, uts; empty read-only root"
                                  : isolation->why_no_namespaces);
    return AZR_OK;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void put_run(azr_executor *executor, int flavour, size_t i_job, size_t input)
{
    const job *j = executor->jobs[i_job];
    const azr_wire_request request = {.id = run_id(i_job, input),
                                      .limits = j->limits,
                                      .program = j->program,
                                      .program_size = j->program_size,
                                      .arguments = j->arguments[input],
                                      .arguments_size = strlen(j->arguments[input])};
    azr_wire_put_request(&executor->out[flavour], &request);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325U;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001B3U;
    return hash;
}

static job *make_job(const azr_exec_job *from)
{
    job *j = azr_alloc(1, sizeof *j);
    j->program_size = strlen(from->program);
    j->program = azr_copy_text(from->program, j->program_size);
    j->n_inputs = from->n_inputs;
    j->check_determinism = from->check_determinism;
    /* By the program, so that a program meets the same flavour in every run of azr. */
    j->flavour = (int)(hash_text(from->program) >> 20 & 1);
    j->limits = from->limits;
    j->arguments = azr_alloc(from->n_inputs, sizeof *j->arguments);
    for (int f = 0; f < N_FLAVOURS; f++)
        j->slots[f] = azr_alloc(from->n_inputs, sizeof *j->slots[f]);
    for (size_t i = 0; i < from->n_inputs; i++) {
        azr_literal *arguments = NULL;
        azr_error reason = {0};
        if (azr_arguments_parse(from->inputs[i], strlen(from->inputs[i]), &arguments, &reason) ==
            AZR_OK)
            j->arguments[i] = azr_literal_print(arguments);
        for (int f = 0; arguments == NULL && f < N_FLAVOURS; f++)
            j->slots[f][i] =
                (run_slot){.done = true,
                           .result = {.status = AZR_EXEC_BAD_INPUT,
                                      .message = azr_copy_text(reason.text, strlen(reason.text))}};
        azr_literal_destroy(arguments);
    }
    return j;
}

azr_status azr_executor_submit(azr_executor *executor, const azr_exec_job *job_in,
                               uint64_t *out_ticket, azr_error *error)
{
    if (strlen(job_in->program) > MAX_PROGRAM || job_in->n_inputs >= 1 << 20)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "a job of %zu bytes of program and %zu inputs, the limits are %d and "
                             "2^20",
                             strlen(job_in->program), job_in->n_inputs, MAX_PROGRAM);
    if (executor->n_jobs == executor->capacity) {
        executor->capacity = executor->capacity > 0 ? 2 * executor->capacity : 64;
        executor->jobs = azr_realloc(executor->jobs, executor->capacity, sizeof *executor->jobs);
    }
    size_t i_job = executor->n_jobs++;
    job *j = executor->jobs[i_job] = make_job(job_in);
    for (int f = 0; f < N_FLAVOURS; f++) {
        if (!j->check_determinism && f != j->flavour)
            continue;
        for (size_t i = 0; i < j->n_inputs; i++) {
            if (j->slots[f][i].done)
                continue;
            put_run(executor, f, i_job, i);
            j->n_open++;
        }
    }
    *out_ticket = i_job + 1;
    azr_executor_poll(executor);
    return AZR_OK;
}

/* --- receiving -------------------------------------------------------------------------------- */

static char *copy_or_null(const azr_wire_reply *reply, int i)
{
    return reply->texts[i] != NULL ? azr_copy_text(reply->texts[i], reply->sizes[i]) : NULL;
}

/* A value counts when it reads as a literal; it is kept in canonical form. */
static void take_reply(azr_exec_run *run, const azr_wire_reply *reply)
{
    *run = (azr_exec_run){.status = reply->status,
                          .type = copy_or_null(reply, 1),
                          .exception = copy_or_null(reply, 2),
                          .message = copy_or_null(reply, 3),
                          .cpu_us = reply->cpu_us,
                          .wall_us = reply->wall_us};
    if (reply->status != AZR_EXEC_OK)
        return;
    azr_literal *value = NULL;
    if (reply->texts[0] == NULL ||
        azr_literal_parse(reply->texts[0], reply->sizes[0], &value, NULL) != AZR_OK)
        run->status = AZR_EXEC_NOT_LITERAL;
    else
        run->value = azr_literal_print(value);
    azr_literal_destroy(value);
}

static void deliver(azr_executor *executor, int flavour, const azr_wire_reply *reply)
{
    size_t i_job = (size_t)(reply->id >> 24), input = reply->id & 0xFFFFFF;
    job *j = i_job < executor->n_jobs ? executor->jobs[i_job] : NULL;
    if (j == NULL || input >= j->n_inputs || j->slots[flavour][input].done)
        return;
    run_slot *slot = &j->slots[flavour][input];
    if (reply->status == AZR_EXEC_INTERNAL && ++slot->tries < MAX_TRIES) {
        put_run(executor, flavour, i_job, input);
        return;
    }
    take_reply(&slot->result, reply);
    slot->done = true;
    j->n_open--;
}

static bool take_frames(azr_executor *executor, int flavour)
{
    azr_strbuf *in = &executor->in[flavour];
    size_t at = 0, size = 0;
    azr_wire_reply reply;
    while ((size = azr_wire_frame_size(azr_strbuf_text(in) + at, in->size - at)) != 0) {
        if (size == (size_t)-1 || !azr_wire_get_reply(in->data + at, size, &reply))
            return false;
        deliver(executor, flavour, &reply);
        at += size;
    }
    if (at > 0) {
        memmove(in->data, in->data + at, in->size - at);
        in->size -= at;
    }
    return true;
}

/* The server is gone: a new one gets every run that has no answer; a run that was there too often
 * when it died is given up. */
static void restart(azr_executor *executor, int flavour)
{
    azr_error error = {0};
    azr_server_stop(&executor->servers[flavour]);
    azr_strbuf_reset(&executor->in[flavour]);
    azr_strbuf_reset(&executor->out[flavour]);
    bool alive = start_server(executor, flavour, &error) == AZR_OK;
    for (size_t k = 0; k < executor->n_jobs; k++) {
        job *j = executor->jobs[k];
        if (j == NULL || (!j->check_determinism && j->flavour != flavour))
            continue;
        for (size_t i = 0; i < j->n_inputs; i++) {
            run_slot *slot = &j->slots[flavour][i];
            if (slot->done)
                continue;
            if (alive && ++slot->tries < 64) {
                put_run(executor, flavour, k, i);
                continue;
            }
            const azr_wire_reply failed = {.id = run_id(k, i), .status = AZR_EXEC_INTERNAL};
            slot->tries = MAX_TRIES;
            deliver(executor, flavour, &failed);
        }
    }
}

/* Moves bytes both ways; waits up to timeout_ms for the first of them. */
static void pump(azr_executor *executor, int timeout_ms)
{
    struct pollfd fds[N_FLAVOURS];
    for (int f = 0; f < N_FLAVOURS; f++)
        fds[f] =
            (struct pollfd){.fd = executor->servers[f].socket,
                            .events = (short)(POLLIN | (executor->out[f].size > 0 ? POLLOUT : 0))};
    if (poll(fds, N_FLAVOURS, timeout_ms) <= 0)
        return;
    for (int f = 0; f < N_FLAVOURS; f++) {
        char bytes[1 << 16];
        azr_strbuf *out = &executor->out[f];
        bool good = true;
        if (fds[f].revents & (POLLIN | POLLHUP | POLLERR)) {
            ssize_t n = recv(fds[f].fd, bytes, sizeof bytes, MSG_DONTWAIT);
            if (n > 0)
                azr_strbuf_append(&executor->in[f], bytes, (size_t)n);
            good = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
            good = good && take_frames(executor, f);
        }
        if (good && out->size > 0 && (fds[f].revents & POLLOUT)) {
            ssize_t n = send(fds[f].fd, out->data, out->size, MSG_DONTWAIT | MSG_NOSIGNAL);
            good = n > 0 || errno == EAGAIN || errno == EINTR;
            if (n > 0) {
                memmove(out->data, out->data + n, out->size - (size_t)n);
                out->size -= (size_t)n;
            }
        }
        if (!good)
            restart(executor, f);
    }
}

void azr_executor_poll(azr_executor *executor)
{
    pump(executor, 0);
}

/* Both flavours must tell the same. */
static void merge_flavours(azr_exec_run *a, azr_exec_run *b)
{
    bool same = a->status == b->status;
    if (same && a->status == AZR_EXEC_OK)
        same = strcmp(a->value, b->value) == 0;
    if (same && a->status == AZR_EXEC_EXCEPTION)
        same =
            a->exception != NULL && b->exception != NULL && strcmp(a->exception, b->exception) == 0;
    if (b->cpu_us > a->cpu_us)
        a->cpu_us = b->cpu_us;
    if (b->wall_us > a->wall_us)
        a->wall_us = b->wall_us;
    if (same)
        return;
    /* What failed in one only says more than that they differ, unless both gave values. */
    azr_exec_status status = a->status == AZR_EXEC_INTERNAL || b->status == AZR_EXEC_INTERNAL
                                 ? AZR_EXEC_INTERNAL
                                 : AZR_EXEC_NONDETERMINISTIC;
    azr_exec_run merged = {.status = status, .cpu_us = a->cpu_us, .wall_us = a->wall_us};
    run_deinit(a);
    *a = merged;
}

azr_status azr_executor_wait(azr_executor *executor, uint64_t ticket, azr_exec_reply *out_reply,
                             azr_error *error)
{
    AZR_CHECK(ticket > 0 && ticket <= executor->n_jobs && executor->jobs[ticket - 1] != NULL);
    job *j = executor->jobs[ticket - 1];
    while (j->n_open > 0)
        pump(executor, 1000);
    *out_reply = (azr_exec_reply){.runs = azr_alloc(j->n_inputs, sizeof *out_reply->runs),
                                  .n_runs = j->n_inputs};
    azr_status status = AZR_OK;
    int first = j->check_determinism ? 0 : j->flavour;
    for (size_t i = 0; i < j->n_inputs; i++) {
        if (j->check_determinism)
            merge_flavours(&j->slots[0][i].result, &j->slots[1][i].result);
        out_reply->runs[i] = j->slots[first][i].result;
        j->slots[first][i].result = (azr_exec_run){0};
        if (out_reply->runs[i].status == AZR_EXEC_INTERNAL)
            status = azr_error_set(error, AZR_ERROR_INTERNAL,
                                   "the sandbox failed on a run, %d tries over", MAX_TRIES);
    }
    job_destroy(j);
    executor->jobs[ticket - 1] = NULL;
    if (status != AZR_OK)
        azr_exec_reply_deinit(out_reply);
    return status;
}

azr_status azr_executor_run(azr_executor *executor, const azr_exec_job *job_in,
                            azr_exec_reply *out_reply, azr_error *error)
{
    uint64_t ticket = 0;
    azr_status status = azr_executor_submit(executor, job_in, &ticket, error);
    return status == AZR_OK ? azr_executor_wait(executor, ticket, out_reply, error) : status;
}
