/* server.c: the fork server's own process: reads requests, forks children under their limits,
 * collects their records, answers. It never looks inside a program, and takes from a child nothing
 * but bytes. */
#include "executor/server.h"

#include "executor/python_run.h"
#include "executor/wire.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORKERS = 64, EXIT_CONFINE = 97 };

typedef struct child {
    pid_t pid; /* 0: free place */
    int pipe;
    uint64_t id;
    azr_exec_limits limits;
    double started;
    azr_strbuf record;
} child;

typedef struct loop {
    int socket, n_workers;
    azr_isolation isolation;
    azr_strbuf in, out;
    size_t in_at; /* bytes of in that are dealt with */
    child children[MAX_WORKERS];
} loop;

/* --- children --------------------------------------------------------------------------------- */

_Noreturn static void child_main(const loop *l, const azr_wire_request *request, int result)
{
    azr_strbuf record = {0};
    azr_python__after_fork();
    azr_isolation__confine(&l->isolation, &request->limits, result);
    azr_python__run(request, &record);
    for (size_t done = 0; done < record.size;) {
        ssize_t n = write(3, record.data + done, record.size - done);
        if (n <= 0)
            _exit(1);
        done += (size_t)n;
    }
    _exit(0);
}

static void reply_failed(loop *l, uint64_t id, azr_exec_status status, const char *message)
{
    azr_wire_reply reply = {.id = id, .status = status};
    reply.texts[3] = message;
    reply.sizes[3] = strlen(message);
    azr_wire_put_reply(&l->out, &reply);
}

static void start_child(loop *l, child *place, const azr_wire_request *request)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        reply_failed(l, request->id, AZR_EXEC_INTERNAL, "no pipe");
        return;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        child_main(l, request, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        reply_failed(l, request->id, AZR_EXEC_INTERNAL, "fork failed");
        return;
    }
    *place = (child){.pid = pid,
                     .pipe = ends[0],
                     .id = request->id,
                     .limits = request->limits,
                     .started = azr_clock_seconds()};
}

static int64_t microseconds(const struct timeval *t)
{
    return (int64_t)t->tv_sec * 1000000 + t->tv_usec;
}

static azr_exec_status status_of_signal(const child *c, int number, int64_t cpu_us, int64_t wall_us)
{
    if (number == SIGSYS)
        return AZR_EXEC_POLICY;
    if (number == SIGXCPU)
        return AZR_EXEC_TIMEOUT_CPU;
    if (number == SIGKILL && cpu_us >= (int64_t)c->limits.cpu_ms * 900)
        return AZR_EXEC_TIMEOUT_CPU;
    if (number == SIGKILL && wall_us >= (int64_t)c->limits.wall_ms * 900)
        return AZR_EXEC_TIMEOUT_WALL;
    return AZR_EXEC_CRASH;
}

/* The child is gone: its record counts only when it is one whole frame of this run, and the child
 * ended as it should. */
static void finish_child(loop *l, child *c, int status, const struct rusage *usage)
{
    azr_wire_reply reply = {0};
    char message[64];
    int64_t cpu_us = microseconds(&usage->ru_utime) + microseconds(&usage->ru_stime);
    int64_t wall_us = (int64_t)((azr_clock_seconds() - c->started) * 1e6);
    bool whole =
        WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
        azr_wire_frame_size(azr_strbuf_text(&c->record), c->record.size) == c->record.size &&
        azr_wire_get_reply(azr_strbuf_text(&c->record), c->record.size, &reply) &&
        reply.id == c->id;
    if (!whole) {
        reply = (azr_wire_reply){.id = c->id, .status = AZR_EXEC_NO_RESULT};
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFINE)
            reply.status = AZR_EXEC_INTERNAL;
        if (WIFSIGNALED(status)) {
            reply.status = status_of_signal(c, WTERMSIG(status), cpu_us, wall_us);
            snprintf(message, sizeof message, "killed by signal %d", WTERMSIG(status));
            reply.texts[3] = message;
            reply.sizes[3] = strlen(message);
        }
    }
    reply.cpu_us = cpu_us;
    reply.wall_us = wall_us;
    azr_wire_put_reply(&l->out, &reply);
    close(c->pipe);
    azr_strbuf_deinit(&c->record);
    *c = (child){0};
}

static void read_record(child *c)
{
    char bytes[1 << 16];
    ssize_t n;
    while ((n = read(c->pipe, bytes, sizeof bytes)) > 0) {
        if (c->record.size + (size_t)n > AZR_WIRE_MAX_FRAME) {
            kill(c->pid, SIGKILL);
            return;
        }
        azr_strbuf_append(&c->record, bytes, (size_t)n);
    }
}

static void reap(loop *l)
{
    struct rusage usage;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        for (int i = 0; i < l->n_workers; i++) {
            if (l->children[i].pid != pid)
                continue;
            read_record(&l->children[i]);
            finish_child(l, &l->children[i], status, &usage);
            break;
        }
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static child *free_place(loop *l)
{
    for (int i = 0; i < l->n_workers; i++)
        if (l->children[i].pid == 0)
            return &l->children[i];
    return NULL;
}

static void start_children(loop *l)
{
    child *place;
    while ((place = free_place(l)) != NULL) {
        size_t size =
            azr_wire_frame_size(azr_strbuf_text(&l->in) + l->in_at, l->in.size - l->in_at);
        azr_wire_request request;
        if (size == 0)
            break;
        if (size == (size_t)-1 || !azr_wire_get_request(l->in.data + l->in_at, size, &request))
            _exit(1);
        start_child(l, place, &request);
        l->in_at += size;
    }
    if (l->in_at > 0 && (l->in_at == l->in.size || l->in_at > 1 << 20)) {
        memmove(l->in.data, l->in.data + l->in_at, l->in.size - l->in_at);
        l->in.size -= l->in_at;
        l->in_at = 0;
    }
}

static void read_requests(loop *l)
{
    char bytes[1 << 16];
    ssize_t n = recv(l->socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        _exit(0); /* azr is gone: the children go with this process */
    if (n > 0)
        azr_strbuf_append(&l->in, bytes, (size_t)n);
}

static void write_replies(loop *l)
{
    ssize_t n = send(l->socket, l->out.data, l->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0)
        return;
    memmove(l->out.data, l->out.data + n, l->out.size - (size_t)n);
    l->out.size -= (size_t)n;
}

static void on_child(int number)
{
    (void)number;
}

_Noreturn static void serve(loop *l)
{
    struct sigaction action = {.sa_handler = on_child};
    sigset_t blocked, open;
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    sigdelset(&open, SIGCHLD);
    for (;;) {
        struct pollfd fds[MAX_WORKERS + 1] = {{.fd = l->socket}};
        fds[0].events = (short)(POLLIN | (l->out.size > 0 ? POLLOUT : 0));
        int n_fds = 1;
        for (int i = 0; i < l->n_workers; i++)
            if (l->children[i].pid != 0)
                fds[n_fds++] = (struct pollfd){.fd = l->children[i].pipe, .events = POLLIN};
        ppoll(fds, (nfds_t)n_fds, NULL, &open);
        if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
            read_requests(l);
        for (int i = 0; i < l->n_workers; i++)
            if (l->children[i].pid != 0)
                read_record(&l->children[i]);
        reap(l);
        start_children(l);
        if (l->out.size > 0)
            write_replies(l);
    }
}

/* --- start ------------------------------------------------------------------------------------ */

_Noreturn static void server_main(int socket, int flavour, int n_workers, azr_isolation isolation)
{
    static loop l;
    azr_server_hello hello = {0};
    azr_error error = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    const char *disabled = getenv("AZR_EXECUTOR_DISABLE");
    if (disabled != NULL && strstr(disabled, "python") != NULL)
        hello.status = azr_error_set(&error, AZR_ERROR_UNSUPPORTED,
                                     "the embedded Python is switched off by AZR_EXECUTOR_DISABLE");
    else
        hello.status = azr_python__start(flavour, &error);
    l = (loop){.socket = socket, .n_workers = n_workers, .isolation = isolation};
    azr_isolation__prepare_filter(&l.isolation);
    azr_isolation__enter_rest(&l.isolation);
    clearenv();
    hello.isolation = l.isolation;
    snprintf(hello.text, sizeof hello.text, "%.399s", error.text);
    if (send(socket, &hello, sizeof hello, MSG_NOSIGNAL) != sizeof hello || hello.status != AZR_OK)
        _exit(1);
    serve(&l);
}

/* Closes what the server inherited and does not need: it must hold no file of azr. */
static void close_all_but(int socket)
{
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < (limit > 0 && limit < 65536 ? (int)limit : 65536); fd++)
        if (fd != socket)
            close(fd);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
}

azr_status azr_server_start(int flavour, int n_workers, azr_server *out_server, azr_error *error)
{
    int ends[2];
    *out_server = (azr_server){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return azr_error_set(error, AZR_ERROR_IO, "no socket for the sandbox: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close_all_but(ends[1]);
        azr_isolation isolation = {0};
        azr_isolation__enter_pid(&isolation);
        pid_t inner = fork();
        if (inner == 0)
            server_main(ends[1], flavour, n_workers < MAX_WORKERS ? n_workers : MAX_WORKERS,
                        isolation);
        /* The outer process stands for the server: it ends with it, and is killed for it. */
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        close(ends[1]);
        int status;
        while (inner > 0 && waitpid(inner, &status, 0) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    close(ends[1]);
    out_server->pid = pid;
    out_server->socket = ends[0];
    if (pid < 0 || recv(ends[0], &out_server->hello, sizeof out_server->hello, MSG_WAITALL) !=
                       (ssize_t)sizeof out_server->hello) {
        azr_server_stop(out_server);
        return azr_error_set(error, AZR_ERROR_INTERNAL, "the sandbox's server died while starting");
    }
    if (out_server->hello.status == AZR_OK)
        return AZR_OK;
    azr_status status =
        azr_error_set(error, out_server->hello.status, "%s", out_server->hello.text);
    azr_server_stop(out_server);
    return status;
}

void azr_server_stop(azr_server *server)
{
    if (server->socket >= 0)
        close(server->socket);
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    *server = (azr_server){.socket = -1};
}
