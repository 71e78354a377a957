/* server.c: what all servers do: take requests, have a process run each, bury it, say how it ended.
 */
#include "executor/server.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const char azr_exec__server_name[] = "azr-executor";

enum { MAX_RUNNING = 256 };

typedef struct running {
    uint64_t run;
    pid_t pid;
    azr_exec__report *report; /* NULL: the process itself ran the program */
} running;

typedef struct server {
    const azr_exec__engine *engine;
    azr_exec__walls *walls;
    running children[MAX_RUNNING];
    int n_children;
} server;

static void send_notice(const azr_exec__notice *notice)
{
    if (send(AZR_EXEC__CONTROL_FD, notice, sizeof *notice, MSG_NOSIGNAL) != sizeof *notice)
        _exit(1); /* nobody listens any more */
}

static void start_run(server *s, uint64_t run, int request_fd, int record_fd)
{
    running child = {.run = run, .pid = -1};
    if (s->n_children < MAX_RUNNING)
        child.pid = s->engine->start_run(s->walls, request_fd, record_fd, &child.report);
    if (child.pid > 0)
        s->children[s->n_children++] = child;
    else
        send_notice(&(azr_exec__notice){.type = AZR_EXEC__NOT_STARTED, .run = run});
}

static void kill_run(const server *s, uint64_t run)
{
    for (int i = 0; i < s->n_children; i++)
        if (s->children[i].run == run)
            kill(s->children[i].pid, SIGKILL);
}

/* Receives one request with its descriptors; false at the end of the hub. */
static bool receive(server *s)
{
    azr_exec__request request = {0};
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec part = {&request, sizeof request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(AZR_EXEC__CONTROL_FD, &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR)
        return true;
    if (n != (ssize_t)sizeof request)
        return false;
    int fds[2] = {-1, -1};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof fds))
        memcpy(fds, CMSG_DATA(header), sizeof fds);
    if (request.type == AZR_EXEC__RUN && fds[1] >= 0)
        start_run(s, request.run, fds[0], fds[1]);
    else if (request.type == AZR_EXEC__KILL)
        kill_run(s, request.run);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return true;
}

static int64_t cpu_us_of(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * (int64_t)1000000 +
           usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
}

void azr_exec__report_write(azr_exec__report *report, int wait_status, const struct rusage *usage)
{
    report->wait_status = wait_status;
    report->cpu_us = cpu_us_of(usage);
    report->is_written = true;
}

static void ended(const running *child, int status, const struct rusage *usage)
{
    azr_exec__notice notice = {.type = AZR_EXEC__ENDED,
                               .run = child->run,
                               .wait_status = status,
                               .cpu_us = cpu_us_of(usage)};
    if (child->report != NULL) {
        /* Without a report the processes around the program were killed. */
        notice.wait_status = child->report->is_written ? child->report->wait_status : SIGKILL;
        notice.cpu_us = child->report->is_written ? child->report->cpu_us : 0;
        munmap(child->report, sizeof *child->report);
    }
    send_notice(&notice);
}

/* Collects the dead. What is no child of ours (a run's own child, left behind where no filter
 * forbids it) is only buried. */
static void reap(server *s)
{
    int status;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        kill(-pid, SIGKILL); /* its process group, should there be one */
        for (int i = 0; i < s->n_children; i++) {
            if (s->children[i].pid != pid)
                continue;
            ended(&s->children[i], status, &usage);
            s->children[i] = s->children[--s->n_children];
            break;
        }
    }
}

_Noreturn void azr_exec__serve(const azr_exec__engine *engine, azr_exec__walls *walls)
{
    static server the_server; /* large; the process has one */
    server *s = &the_server;
    s->engine = engine;
    s->walls = walls;
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        _exit(1);
    send_notice(&s->walls->ready);
    struct pollfd fds[2] = {{.fd = AZR_EXEC__CONTROL_FD, .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (fds[1].revents) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0)
                continue;
            reap(s);
        }
        if (fds[0].revents && !receive(s)) {
            for (int i = 0; i < s->n_children; i++)
                kill(s->children[i].pid, SIGKILL);
            _exit(0);
        }
    }
}

/* --- start --------------------------------------------------------------------------------------
 */

_Noreturn void azr_exec__server_fail(azr_exec__walls *walls)
{
    walls->ready.type = AZR_EXEC__FAILED;
    send_notice(&walls->ready);
    _exit(1);
}

/* The fastest first. */
static const azr_exec__engine *const engines[] = {&azr_exec__engine_recycle, &azr_exec__engine_fork,
                                                  &azr_exec__engine_spawn};

const azr_exec__engine *azr_exec__engine_at(size_t i)
{
    return i < AZR_COUNT(engines) ? engines[i] : NULL;
}

static void quiet_signals(void)
{
    static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGTSTP, SIGTTOU, SIGTTIN};
    for (size_t i = 0; i < AZR_COUNT(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_SETMASK, &chld, NULL);
}

/* Runs before main in every program that azr's library is part of, and goes on only in a server. */
__attribute__((constructor)) static void enter_server(int argc, char **argv, char **environment)
{
    if (argc != AZR_EXEC__SERVER_ARGC || strcmp(argv[0], azr_exec__server_name) != 0 ||
        argv[2][0] < 'A' || argv[2][0] >= 'A' + AZR_EXEC__N_SERVERS)
        return;
    (void)environment;
    clearenv();
    prctl(PR_SET_NAME, azr_exec__server_name, 0, 0, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    syscall(SYS_close_range, AZR_EXEC__CONTROL_FD + 1, ~0u, 0);
    fcntl(AZR_EXEC__CONTROL_FD, F_SETFD, FD_CLOEXEC);
    quiet_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    static azr_exec__walls walls; /* large; the process has one */
    walls.flavour = (azr_exec__flavour)(argv[2][0] - 'A');
    walls.without = argv[3];
    walls.ready.type = AZR_EXEC__READY;
    for (size_t i = 0; i < AZR_COUNT(engines); i++)
        if (strcmp(argv[1], engines[i]->name) == 0)
            engines[i]->serve(&walls);
    _exit(1);
}
