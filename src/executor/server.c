/* server.c: the fork engine's server. It puts itself behind walls, makes CPython warm, then forks a
 * child for each run; the child closes the last doors (limits, timer, filter) before it looks at
 * the program. */
#include "executor/server.h"

#include "base/check.h"
#include "base/memory.h"
#include "executor/filter.h"
#include "executor/isolation.h"
#include "executor/protocol.h"
#include "executor/python.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char azr_exec__server_name[] = "azr-executor";

enum { MAX_RUNNING = 256 };

typedef struct running {
    uint64_t run;
    pid_t pid;
} running;

typedef struct server {
    azr_exec__flavour flavour;
    azr_exec__notice ready;
    azr_exec__filter filter;
    size_t image_bytes; /* address space of the warm interpreter */
    running children[MAX_RUNNING];
    int n_children;
} server;

/* --- the child that runs a program --------------------------------------------------------------
 */

static bool set_limit(int resource, uint64_t value)
{
    struct rlimit limit = {value, value}, old;
    if (getrlimit((__rlimit_resource_t)resource, &old) == 0 && old.rlim_max < limit.rlim_max)
        limit.rlim_cur = limit.rlim_max = old.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool set_limits(const server *s, const azr_exec__run_header *header, size_t reserve_bytes)
{
    uint64_t space = s->image_bytes + reserve_bytes + header->memory_bytes;
    uint64_t cpu_seconds = header->cpu_ms / 1000 + 2; /* behind the timer, should that fail */
    return set_limit(RLIMIT_AS, space) && set_limit(RLIMIT_CPU, cpu_seconds) &&
           set_limit(RLIMIT_NPROC, 0) && set_limit(RLIMIT_FSIZE, 0) && set_limit(RLIMIT_CORE, 0) &&
           set_limit(RLIMIT_MEMLOCK, 0) && set_limit(RLIMIT_MSGQUEUE, 0) &&
           set_limit(RLIMIT_STACK, 8 << 20);
}

/* SIGKILL when the process has used its CPU time: nothing in it can stop that. */
static bool set_timer(uint32_t cpu_ms)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec limit = {.it_value = {.tv_sec = (time_t)(cpu_ms / 1000),
                                            .tv_nsec = (long)(cpu_ms % 1000) * 1000000}};
    timer_t timer;
    return timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0 &&
           timer_settime(timer, 0, &limit, NULL) == 0;
}

/* The request's memory file. NULL when it is not whole. */
static const azr_exec__run_header *map_request(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || (size_t)info.st_size <= sizeof(azr_exec__run_header))
        return NULL;
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const azr_exec__run_header *header = map;
    if (map == MAP_FAILED || header->magic != AZR_EXEC__MAGIC || header->cpu_ms == 0 ||
        sizeof *header + header->program_bytes + 1 + header->arguments_bytes !=
            (size_t)info.st_size ||
        ((const char *)(header + 1))[header->program_bytes] != '\0')
        return NULL;
    return header;
}

static bool write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(AZR_EXEC__RECORD_FD, bytes, size);
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* Everything that must hold before the program is touched; false: it is not. */
static bool close_doors(const server *s, const azr_exec__run_header *header, int record_fd,
                        size_t reserve_bytes)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
           dup2(record_fd, AZR_EXEC__RECORD_FD) == AZR_EXEC__RECORD_FD &&
           syscall(SYS_close_range, 0, AZR_EXEC__RECORD_FD - 1, 0) == 0 &&
           syscall(SYS_close_range, AZR_EXEC__RECORD_FD + 1, ~0u, 0) == 0 &&
           set_limits(s, header, reserve_bytes) && set_timer(header->cpu_ms) &&
           sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
           (!(s->ready.layers & AZR_EXEC__LAYER_SECCOMP) || azr_exec__filter_load(&s->filter));
}

static _Noreturn void run_child(const server *s, int request_fd, int record_fd)
{
    const azr_exec__run_header *header = map_request(request_fd);
    if (header == NULL)
        _exit(1);
    /* Both buffers are there before memory is limited. */
    size_t text_bytes = 5 * (size_t)header->result_bytes + AZR_EXEC__TEXT_RESERVE;
    size_t record_bytes = header->result_bytes + AZR_EXEC__RECORD_OVERHEAD + 64;
    azr_strbuf text = {azr_try_alloc(text_bytes, 1), 0, text_bytes};
    azr_strbuf out = {azr_try_alloc(record_bytes, 1), 0, record_bytes};
    if (text.data == NULL || out.data == NULL)
        _exit(1);
    const char *program = (const char *)(header + 1);
    azr_exec__call call = {.program = program,
                           .arguments = program + header->program_bytes + 1,
                           .arguments_bytes = header->arguments_bytes,
                           .result_bytes = header->result_bytes};
    if (!close_doors(s, header, record_fd, text_bytes + record_bytes + (1 << 20)))
        _exit(1);
    azr_exec__record record;
    if (!write_all(&(char){AZR_EXEC__STARTED}, 1))
        _exit(1);
    azr_exec__python_call(&call, &text, &record);
    azr_exec__record_write(&record, &out);
    _exit(write_all(out.data, out.size) ? 0 : 1);
}

/* --- serving ------------------------------------------------------------------------------------
 */

static void send_notice(const azr_exec__notice *notice)
{
    if (send(AZR_EXEC__CONTROL_FD, notice, sizeof *notice, MSG_NOSIGNAL) != sizeof *notice)
        _exit(1); /* nobody listens any more */
}

static void start_run(server *s, uint64_t run, int request_fd, int record_fd)
{
    pid_t pid = s->n_children < MAX_RUNNING ? fork() : -1;
    if (pid == 0)
        run_child(s, request_fd, record_fd);
    if (pid > 0)
        s->children[s->n_children++] = (running){run, pid};
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
            int64_t cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * (int64_t)1000000 +
                             usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
            send_notice(&(azr_exec__notice){.type = AZR_EXEC__ENDED,
                                            .run = s->children[i].run,
                                            .wait_status = status,
                                            .cpu_us = cpu_us});
            s->children[i] = s->children[--s->n_children];
            break;
        }
    }
}

static _Noreturn void serve(server *s)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        _exit(1);
    send_notice(&s->ready);
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

/* Is the word in a list with commas? */
static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size == n && memcmp(at, word, n) == 0)
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static size_t address_space_bytes(void)
{
    char text[64] = {0};
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    return n > 0 ? strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static _Noreturn void fail(server *s)
{
    s->ready.type = AZR_EXEC__FAILED;
    send_notice(&s->ready);
    _exit(1);
}

/* In the process that will serve: inside the namespaces, before the walls are closed. */
static void warm_up(server *s, const char *without)
{
    azr_exec__notice *r = &s->ready;
    char reason[sizeof r->text] = "";
    if (lists(without, "python")) {
        snprintf(r->text, sizeof r->text, "CPython is disabled by AZR_EXECUTOR_DISABLE");
        fail(s);
    }
    if (!azr_exec__python_start(s->flavour, r->text, reason, sizeof reason)) {
        memcpy(r->text, reason, sizeof reason);
        fail(s);
    }
    s->image_bytes = address_space_bytes();
    if (s->image_bytes == 0) {
        snprintf(r->text, sizeof r->text, "/proc/self/statm cannot be read");
        fail(s);
    }
    if ((r->layers & AZR_EXEC__LAYER_NAMESPACES) &&
        !azr_exec__empty_root(r->namespaces, sizeof r->namespaces))
        r->layers &= ~(uint32_t)AZR_EXEC__LAYER_NAMESPACES;
    if (!azr_exec__drop_privileges() || geteuid() == 0) {
        snprintf(r->text, sizeof r->text, "privileges cannot be given up");
        fail(s);
    }
    if (lists(without, "seccomp"))
        snprintf(r->seccomp, sizeof r->seccomp, "disabled by AZR_EXECUTOR_DISABLE");
    else if (azr_exec__filter_init(&s->filter, r->seccomp, sizeof r->seccomp) &&
             azr_exec__filter_check(&s->filter, r->seccomp, sizeof r->seccomp))
        r->layers |= AZR_EXEC__LAYER_SECCOMP;
    if (r->layers & AZR_EXEC__LAYER_SECCOMP)
        snprintf(r->seccomp, sizeof r->seccomp,
                 "%d instructions, loaded in each child before the program is read",
                 s->filter.program.len);
    if (r->layers & AZR_EXEC__LAYER_NAMESPACES)
        snprintf(r->namespaces, sizeof r->namespaces,
                 "user, PID, mount, network, IPC and UTS; the root is empty and read-only");
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

static _Noreturn void fork_server(azr_exec__flavour flavour, const char *without)
{
    static server s; /* large; the process has one */
    s.flavour = flavour;
    s.ready.type = AZR_EXEC__READY;
    bool inside = false;
    if (lists(without, "namespaces"))
        snprintf(s.ready.namespaces, sizeof s.ready.namespaces, "disabled by AZR_EXECUTOR_DISABLE");
    else if (azr_exec__try_namespaces(s.ready.namespaces, sizeof s.ready.namespaces))
        inside = azr_exec__enter_namespaces(s.ready.namespaces, sizeof s.ready.namespaces);
    if (!inside && !azr_exec__leave_root()) {
        snprintf(s.ready.text, sizeof s.ready.text, "root cannot become user %d", AZR_EXEC__UID);
        fail(&s);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (inside) {
        /* The first process of the new PID namespace: with it, all of the namespace dies. */
        pid_t pid = fork();
        if (pid != 0) {
            close(AZR_EXEC__CONTROL_FD);
            int status = 1;
            while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
            _exit(1);
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        s.ready.layers |= AZR_EXEC__LAYER_NAMESPACES;
    } else {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
    warm_up(&s, without);
    serve(&s);
}

/* Runs before main in every program that azr's library is part of, and goes on only in a server. */
__attribute__((constructor)) static void enter_server(int argc, char **argv, char **environment)
{
    if (argc != AZR_EXEC__SERVER_ARGC || strcmp(argv[0], azr_exec__server_name) != 0 ||
        strcmp(argv[1], "fork") != 0 || argv[2][0] < 'A' ||
        argv[2][0] >= 'A' + AZR_EXEC__N_FLAVOURS)
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
    fork_server((azr_exec__flavour)(argv[2][0] - 'A'), argv[3]);
}
