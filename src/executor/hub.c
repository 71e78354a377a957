/* hub.c: the event loop between the queue and the servers. */
#include "executor/hub.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "executor/recycle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Backstops for what hangs; a machine that is only slow must not run into them. */
static const double start_seconds = 60;   /* a server that is not ready then is started again */
static const double begin_seconds = 60;   /* a program that has not begun then is tried again */
static const double kill_seconds = 30;    /* a server that has not buried a killed run then ends */
static const double failing_seconds = 30; /* a server that failed to start for so long stays dead */
static const double pause_seconds = 0.02; /* before a server is started again: times the failures */

void azr_exec__job_destroy(azr_exec__job *job)
{
    if (job == NULL)
        return;
    for (size_t i = 0; i < job->n_inputs; i++) {
        azr_strbuf_deinit(&job->arguments[i]);
        azr_exec__run_deinit(&job->runs[i]);
    }
    azr_free(job->arguments);
    azr_free(job->runs);
    azr_free(job->program);
    azr_free(job->function);
    azr_free(job);
}

/* --- ends ---------------------------------------------------------------------------------------
 */

/* One try has its outcome: the next try, the other flavour, or the input is done. */
void azr_exec__hub_end(azr_executor *executor, azr_exec__try *what, azr_exec_run *outcome)
{
    azr_exec__job *job = what->job;
    azr_exec_run *run = &job->runs[what->i_input];
    azr_exec__hub_left_lane(executor, what);
    if (outcome->status == AZR_EXEC_TIMEOUT_CPU &&
        azr_exec__try_cpu_ms(what) < job->limits.cpu_ms) {
        what->is_slow = true;
        what->n_tries = what->n_beginnings = 0;
        azr_exec__run_deinit(outcome);
        azr_exec__hub_queue(executor, what, false);
        return;
    }
    if (outcome->status == AZR_EXEC_INTERNAL && what->n_tries < AZR_EXEC__MAX_TRIES &&
        what->n_beginnings < AZR_EXEC__MAX_BEGINNINGS &&
        executor->servers[what->flavour].state != AZR_EXEC__SERVER_BROKEN) {
        azr_exec__run_deinit(outcome);
        azr_exec__hub_queue(executor, what, true);
        return;
    }
    /* A machine that was suspended, or has other work, lets the clock run on: only who is late
     * twice is late. */
    if (outcome->status == AZR_EXEC_TIMEOUT_WALL && !what->was_late) {
        what->was_late = true;
        azr_exec__run_deinit(outcome);
        azr_exec__hub_queue(executor, what, true);
        return;
    }
    if (what->flavour == job->first_flavour)
        *run = *outcome;
    else
        azr_exec__compare_flavours(run, outcome);
    if (job->check_determinism && what->flavour + 1 < AZR_EXEC__N_FLAVOURS &&
        (run->status == AZR_EXEC_OK || run->status == AZR_EXEC_EXCEPTION)) {
        what->flavour++;
        what->n_tries = what->n_beginnings = 0;
        what->was_late = false;
        azr_exec__hub_queue(executor, what, true);
        return;
    }
    azr_free(what);
    if (--job->n_left == 0 && job->n_waiting > 0)
        pthread_cond_broadcast(&executor->changed);
}

static void end_internal(azr_executor *executor, azr_exec__try *what, const char *reason)
{
    azr_exec_run outcome = {.status = AZR_EXEC_INTERNAL,
                            .message = azr_copy_text(reason, strlen(reason))};
    azr_exec__hub_end(executor, what, &outcome);
}

/* Ends the run in the slot, which counts as a try of its program or as a beginning. */
static azr_exec__try *free_slot(azr_exec__slot *slot)
{
    azr_exec__try *what = slot->what;
    if (what != NULL && slot->has_begun)
        what->n_tries++;
    else if (what != NULL)
        what->n_beginnings++;
    if (slot->record_fd >= 0)
        close(slot->record_fd);
    azr_strbuf_deinit(&slot->record);
    *slot = (azr_exec__slot){.record_fd = -1};
    return what;
}

/* --- servers ------------------------------------------------------------------------------------
 */

/* for_good: a start tells that others would fail likewise. Only the first start can tell that: once
 * a server was ready, whatever a later one lacks (a helper of its start may have been killed) it is
 * tried again for a while. */
static void server_failed(azr_executor *executor, azr_exec__flavour flavour, bool for_good)
{
    azr_exec__server *server = &executor->servers[flavour];
    double now = azr_clock_seconds();
    azr_exec__server_end(server);
    if (server->state == AZR_EXEC__SERVER_READY) {
        server->n_starts = 0;
        server->failing_from = 0;
    } else if (server->failing_from == 0) {
        server->failing_from = now;
    }
    server->deadline = now + server->n_starts * pause_seconds;
    if (!server->was_ready && flavour < AZR_EXEC__N_FLAVOURS)
        for_good = for_good || server->n_starts >= AZR_EXEC__MAX_FIRST_STARTS;
    else
        for_good = server->n_starts >= AZR_EXEC__MAX_STARTS &&
                   now - server->failing_from >= failing_seconds;
    server->state = for_good ? AZR_EXEC__SERVER_BROKEN : AZR_EXEC__SERVER_STARTING;
    if (for_good && server->ready.text[0] == '\0')
        snprintf(server->ready.text, sizeof server->ready.text, "its process dies at once");
    for (int i = 0; i < executor->n_workers; i++)
        if (executor->slots[i].what != NULL && executor->slots[i].what->flavour == flavour)
            end_internal(executor, free_slot(&executor->slots[i]), "the server of the run died");
    pthread_cond_broadcast(&executor->changed);
}

static void start_server(azr_executor *executor, azr_exec__flavour flavour)
{
    azr_exec__server *server = &executor->servers[flavour];
    server->n_starts++;
    server->deadline = azr_clock_seconds() + start_seconds;
    if (!azr_exec__server_spawn(executor, flavour))
        server_failed(executor, flavour, false);
}

static void server_ready(azr_executor *executor, azr_exec__flavour flavour,
                         const azr_exec__notice *notice)
{
    azr_exec__server *server = &executor->servers[flavour];
    /* A server that starts later than others may not have less than they have. */
    const azr_exec__server *first =
        server->was_ready || flavour < AZR_EXEC__N_FLAVOURS ? server : &executor->servers[0];
    if (first->was_ready && (first->ready.layers & ~notice->layers) != 0) {
        /* The processes that try out what the kernel allows can be killed too: start again. */
        snprintf(server->ready.text, sizeof server->ready.text,
                 "a new server has less protection than the one that died");
        server_failed(executor, flavour, false);
        return;
    }
    server->ready = *notice;
    server->was_ready = true;
    server->state = AZR_EXEC__SERVER_READY;
    pthread_cond_broadcast(&executor->changed);
}

static azr_exec__slot *find_slot(azr_executor *executor, azr_exec__flavour flavour, uint64_t id)
{
    for (int i = 0; i < executor->n_workers; i++) {
        azr_exec__slot *slot = &executor->slots[i];
        if (slot->what != NULL && slot->id == id && slot->what->flavour == flavour)
            return slot;
    }
    return NULL;
}

static bool send_request(const azr_exec__server *server, azr_exec__request_type type, uint64_t id,
                         const int fds[2])
{
    azr_exec__request request = {.type = type, .n_fds = fds != NULL ? 2 : 0, .run = id};
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec part = {&request, sizeof request};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds != NULL) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(header), fds, 2 * sizeof(int));
    }
    return sendmsg(server->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof request;
}

/* --- records ------------------------------------------------------------------------------------
 */

static void kill_run(azr_executor *executor, azr_exec__slot *slot)
{
    slot->killed = true;
    slot->deadline = azr_clock_seconds() + kill_seconds;
    /* When the request does not get through, that deadline ends the server. */
    (void)send_request(&executor->servers[slot->what->flavour], AZR_EXEC__KILL, slot->id, NULL);
}

/* Takes what is in the pipe now; closes it at its end. */
static void read_record(azr_executor *executor, azr_exec__slot *slot)
{
    char bytes[65536];
    size_t max = 2 + (size_t)slot->what->job->limits.result_bytes + AZR_EXEC__RECORD_OVERHEAD;
    for (;;) {
        ssize_t n = read(slot->record_fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(slot->record_fd);
            slot->record_fd = -1;
            return;
        }
        if (slot->record.size + (size_t)n <= max) {
            azr_strbuf_append(&slot->record, bytes, (size_t)n);
            if (!slot->has_begun && slot->record.data[0] == AZR_EXEC__STARTED && !slot->killed) {
                slot->has_begun = true;
                slot->start = azr_clock_seconds();
                slot->deadline = slot->start + slot->what->job->limits.wall_ms * 1e-3;
            }
        } else if (!slot->overflow) {
            slot->overflow = true;
            kill_run(executor, slot);
            return;
        }
        if (slot->overflow && slot->killed && n < (ssize_t)sizeof bytes)
            return;
    }
}

static void run_ended(azr_executor *executor, azr_exec__flavour flavour,
                      const azr_exec__notice *notice)
{
    azr_exec__slot *slot = find_slot(executor, flavour, notice->run);
    if (slot == NULL)
        return;
    if (notice->type == AZR_EXEC__NOT_STARTED) {
        end_internal(executor, free_slot(slot), "the server cannot fork");
        return;
    }
    if (slot->record_fd >= 0)
        read_record(executor, slot);
    azr_exec_run outcome;
    azr_exec__outcome(slot, notice->wait_status, notice->cpu_us, &outcome);
    azr_exec__hub_end(executor, free_slot(slot), &outcome);
}

static void read_notices(azr_executor *executor, azr_exec__flavour flavour)
{
    azr_exec__server *server = &executor->servers[flavour];
    azr_exec__notice notice;
    while (server->fd >= 0) {
        ssize_t n = recv(server->fd, &notice, sizeof notice, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n != (ssize_t)sizeof notice) {
            server_failed(executor, flavour, false);
            return;
        }
        notice.text[sizeof notice.text - 1] = '\0';
        notice.namespaces[sizeof notice.namespaces - 1] = '\0';
        notice.seccomp[sizeof notice.seccomp - 1] = '\0';
        if (notice.type == AZR_EXEC__READY) {
            server_ready(executor, flavour, &notice);
        } else if (notice.type == AZR_EXEC__FAILED) {
            memcpy(server->ready.text, notice.text, sizeof notice.text);
            server_failed(executor, flavour, !server->was_ready && flavour < AZR_EXEC__N_FLAVOURS);
        } else {
            run_ended(executor, flavour, &notice);
        }
    }
}

/* --- beginnings ---------------------------------------------------------------------------------
 */

azr_exec__run_header azr_exec__request_header(const azr_exec__try *what)
{
    enum { HEADROOM = 4 };
    const azr_exec__job *job = what->job;
    uint64_t memory_bytes = (uint64_t)job->limits.memory_mb << 20;
    bool is_checked = job->check_headroom && what->flavour != job->first_flavour;
    return (azr_exec__run_header){.magic = AZR_EXEC__MAGIC,
                                  .cpu_ms = (uint32_t)azr_exec__try_cpu_ms(what),
                                  .memory_bytes =
                                      is_checked ? memory_bytes / HEADROOM : memory_bytes,
                                  .result_bytes = (uint32_t)job->limits.result_bytes,
                                  .kind = (uint16_t)job->kind,
                                  .flags = job->allow_constructors ? AZR_EXEC__CONSTRUCTORS : 0,
                                  .program_bytes = (uint32_t)job->program_bytes,
                                  .function_bytes = (uint32_t)job->function_bytes,
                                  .arguments_bytes = (uint32_t)job->arguments[what->i_input].size};
}

static bool write_request(int fd, const azr_exec__try *what)
{
    const azr_exec__job *job = what->job;
    const azr_strbuf *arguments = &job->arguments[what->i_input];
    azr_exec__run_header header = azr_exec__request_header(what);
    size_t program_bytes = job->program_bytes + 1, function_bytes = job->function_bytes + 1;
    return write(fd, &header, sizeof header) == (ssize_t)sizeof header &&
           write(fd, job->program, program_bytes) == (ssize_t)program_bytes &&
           write(fd, job->function, function_bytes) == (ssize_t)function_bytes &&
           write(fd, arguments->data, arguments->size) == (ssize_t)arguments->size;
}

typedef enum begun { BEGUN, REFUSED /* by the system */, SERVER_GONE } begun;

static begun begin_run(azr_executor *executor, azr_exec__slot *slot, azr_exec__try *what)
{
    int fds[2] = {-1, -1}, record[2] = {-1, -1};
    fds[0] = memfd_create("azr-run", MFD_CLOEXEC);
    bool ok = fds[0] >= 0 && write_request(fds[0], what) && pipe2(record, O_CLOEXEC) == 0 &&
              fcntl(record[0], F_SETFL, O_NONBLOCK) == 0;
    fds[1] = record[1];
    uint64_t id = executor->next_run++;
    bool sent = ok && send_request(&executor->servers[what->flavour], AZR_EXEC__RUN, id, fds);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (!sent) {
        if (record[0] >= 0)
            close(record[0]);
        return ok ? SERVER_GONE : REFUSED;
    }
    double now = azr_clock_seconds();
    *slot = (azr_exec__slot){.what = what,
                             .id = id,
                             .record_fd = record[0],
                             .start = now,
                             .deadline = now + begin_seconds};
    return BEGUN;
}

/* Can the try's server take it? Those of a broken server end here. */
static bool serves(azr_executor *executor, const azr_exec__try *what, void *argument)
{
    (void)argument;
    return !azr_exec__is_recycled(executor, what->flavour) &&
           executor->servers[what->flavour].state != AZR_EXEC__SERVER_STARTING;
}

static void begin_runs(azr_executor *executor)
{
    for (int i = 0; i < executor->n_workers; i++) {
        azr_exec__slot *slot = &executor->slots[i];
        if (slot->what != NULL)
            continue;
        azr_exec__try *what = azr_exec__hub_take(executor, serves, NULL);
        if (what == NULL)
            return;
        const azr_exec__server *server = &executor->servers[what->flavour];
        begun outcome = BEGUN;
        if (server->state == AZR_EXEC__SERVER_BROKEN)
            end_internal(executor, what, server->ready.text);
        else
            outcome = begin_run(executor, slot, what);
        if (outcome == REFUSED) {
            what->n_tries++;
            end_internal(executor, what, "the system has no file descriptors or memory for a run");
        }
        if (outcome == SERVER_GONE) {
            /* Dead, though its end has not been read yet. This try has not begun: it waits for the
             * next server and counts no failure. */
            azr_exec__hub_untake(executor, what);
            server_failed(executor, what->flavour, false);
        }
        if (slot->what == NULL)
            i--; /* the slot is free for another */
    }
}

/* --- the loop -----------------------------------------------------------------------------------
 */

static void check_deadlines(azr_executor *executor)
{
    double now = azr_clock_seconds();
    for (int i = 0; i < executor->n_workers; i++) {
        azr_exec__slot *slot = &executor->slots[i];
        if (slot->what == NULL || now < slot->deadline)
            continue;
        if (slot->killed)
            server_failed(executor, slot->what->flavour, false);
        else
            kill_run(executor, slot);
    }
    for (int f = 0; f < AZR_EXEC__N_SERVERS; f++) {
        azr_exec__server *server = &executor->servers[f];
        if (server->state != AZR_EXEC__SERVER_STARTING ||
            azr_exec__is_recycled(executor, (azr_exec__flavour)f))
            continue;
        if (server->pid != 0 && now >= server->deadline)
            server_failed(executor, (azr_exec__flavour)f, false);
        if (server->pid == 0 && server->state == AZR_EXEC__SERVER_STARTING &&
            now >= server->deadline)
            start_server(executor, (azr_exec__flavour)f);
    }
}

static int poll_ms(const azr_executor *executor)
{
    double now = azr_clock_seconds(), first = now + 3600;
    for (int i = 0; i < executor->n_workers; i++)
        if (executor->slots[i].what != NULL && executor->slots[i].deadline < first)
            first = executor->slots[i].deadline;
    for (int f = 0; f < AZR_EXEC__N_SERVERS; f++) {
        const azr_exec__server *server = &executor->servers[f];
        if (server->state == AZR_EXEC__SERVER_STARTING && server->deadline < first &&
            !azr_exec__is_recycled(executor, (azr_exec__flavour)f))
            first = server->deadline;
    }
    return first <= now ? 0 : (int)((first - now) * 1e3) + 1;
}

/* Sleeps until something happened, without the lock. */
static void sleep_and_read(azr_executor *executor)
{
    enum { FIRST_SLOT = 1 + AZR_EXEC__N_SERVERS };
    struct pollfd fds[FIRST_SLOT + AZR_EXEC__MAX_WORKERS];
    uint64_t ids[AZR_EXEC__MAX_WORKERS] = {0}, count;
    fds[0] = (struct pollfd){.fd = executor->wake_fd, .events = POLLIN};
    for (int f = 0; f < AZR_EXEC__N_SERVERS; f++)
        fds[1 + f] = (struct pollfd){.fd = executor->servers[f].fd, .events = POLLIN};
    for (int i = 0; i < executor->n_workers; i++) {
        const azr_exec__slot *slot = &executor->slots[i];
        ids[i] = slot->id;
        fds[FIRST_SLOT + i] = (struct pollfd){
            .fd = slot->what != NULL && !slot->overflow ? slot->record_fd : -1, .events = POLLIN};
    }
    int ms = poll_ms(executor);
    nfds_t n_fds = FIRST_SLOT + (nfds_t)executor->n_workers;
    pthread_mutex_unlock(&executor->lock);
    int n = poll(fds, n_fds, ms);
    pthread_mutex_lock(&executor->lock);
    if (n <= 0)
        return;
    if (fds[0].revents)
        (void)!read(executor->wake_fd, &count, sizeof count);
    for (int i = 0; i < executor->n_workers; i++) {
        azr_exec__slot *slot = &executor->slots[i];
        if (fds[FIRST_SLOT + i].revents && slot->what != NULL && slot->id == ids[i] &&
            slot->record_fd >= 0)
            read_record(executor, slot);
    }
    for (int f = 0; f < AZR_EXEC__N_SERVERS; f++)
        if (fds[1 + f].revents && executor->servers[f].fd == fds[1 + f].fd)
            read_notices(executor, (azr_exec__flavour)f);
}

void *azr_exec__hub_main(void *argument)
{
    azr_executor *executor = argument;
    pthread_mutex_lock(&executor->lock);
    while (!executor->stop) {
        check_deadlines(executor);
        begin_runs(executor);
        sleep_and_read(executor);
    }
    for (int f = 0; f < AZR_EXEC__N_SERVERS; f++)
        azr_exec__server_end(&executor->servers[f]);
    for (int i = 0; i < executor->n_workers; i++)
        azr_free(free_slot(&executor->slots[i]));
    for (int lane = 0; lane < AZR_EXEC__N_LANES; lane++) {
        for (azr_exec__try *what = executor->queues[lane].first, *next; what != NULL; what = next) {
            next = what->next;
            azr_free(what);
        }
        executor->queues[lane] = (azr_exec__queue){0};
    }
    pthread_mutex_unlock(&executor->lock);
    return NULL;
}
