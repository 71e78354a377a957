/* recycle_start.c: starts a recycled worker and takes its image over; ends it. */
#include "executor/recycle.h"
#include "executor/recycle_worker.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "executor/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int start_ms = 60000;

/* What is handed to the new process. */
typedef struct beginning {
    int window_fd, command_fd, report_fd, control_fd;
} beginning;

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool spawn_process(azr_exec__worker *w, const char *without, const beginning *b)
{
    char name[32], letter[2] = {(char)('A' + w->flavour), '\0'}, engine[] = "recycle";
    snprintf(name, sizeof name, "%s", azr_exec__server_name);
    char *copy = azr_copy_text(without, strlen(without));
    char *argv[] = {name, engine, letter, copy, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_adddup2(&actions, b->control_fd, AZR_EXEC__CONTROL_FD);
    int error = posix_spawn(&w->pid, "/proc/self/exe", &actions, &attributes, argv,
                            azr_exec__worker_environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    azr_free(copy);
    if (error != 0)
        w->pid = 0;
    errno = error;
    return error == 0;
}

/* The cookie, the filter that knows it, and the hot pages, where the worker will find them. */
static bool write_start(azr_exec__worker *w, const azr_exec__hot *hot, char *reason,
                        size_t reason_bytes)
{
    azr_exec__filter filter = {0};
    azr_exec__start *start = (azr_exec__start *)(void *)(w->window + AZR_EXEC__INPUT_OFFSET);
    uint64_t cookie = 0;
    if (getrandom(&cookie, sizeof cookie, 0) != (ssize_t)sizeof cookie) {
        snprintf(reason, reason_bytes, "getrandom: %s", strerror(errno));
        return false;
    }
    if (!azr_exec__filter_init_recycle(&filter, cookie, reason, reason_bytes))
        return false;
    start->cookie = cookie;
    start->n_hot = hot != NULL ? hot->n : 0;
    if (hot != NULL)
        memcpy(start->hot, hot->pages, hot->n * sizeof hot->pages[0]);
    size_t at = (sizeof *start + start->n_hot * sizeof start->hot[0] + 15) & ~(size_t)15;
    size_t bytes = filter.program.len * sizeof filter.program.filter[0];
    start->program.len = filter.program.len;
    start->program.filter = azr_exec__at(azr_exec__window_address + AZR_EXEC__INPUT_OFFSET + at);
    memcpy((char *)start + at, filter.program.filter, bytes);
    w->input_bytes = at + bytes;
    azr_exec__filter_deinit(&filter);
    return true;
}

static bool open_window(azr_exec__worker *w, beginning *b)
{
    int command[2], report[2], control[2];
    b->window_fd = memfd_create("azr-window", MFD_CLOEXEC);
    if (b->window_fd < 0 || ftruncate(b->window_fd, AZR_EXEC__WINDOW_BYTES) != 0)
        return false;
    w->window =
        mmap(NULL, AZR_EXEC__WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, b->window_fd, 0);
    if (w->window == MAP_FAILED) {
        w->window = NULL;
        return false;
    }
    if (pipe2(command, O_CLOEXEC) != 0)
        return false;
    b->command_fd = command[0];
    w->command_fd = command[1];
    if (pipe2(report, O_CLOEXEC) != 0)
        return false;
    w->report_fd = report[0];
    b->report_fd = report[1];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        return false;
    w->control_fd = control[0];
    b->control_fd = control[1];
    return true;
}

static bool send_start(const azr_exec__worker *w, const beginning *b)
{
    int fds[3] = {b->window_fd, b->command_fd, b->report_fd};
    char byte = 'S';
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(header), fds, sizeof fds);
    return sendmsg(w->control_fd, &message, MSG_NOSIGNAL) == 1;
}

/* One message from the worker's start: its descriptors, or its notice. False: it is dead, or late.
 */
static bool receive(azr_exec__worker *w, double deadline, azr_exec__notice *notice, bool *out_fds)
{
    int fds[AZR_EXEC__N_WORKER_FDS];
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec part = {notice, sizeof *notice};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct pollfd poll_fd = {.fd = w->control_fd, .events = POLLIN};
    int n_ready;
    do {
        double left = deadline - azr_clock_seconds();
        n_ready = left > 0 ? poll(&poll_fd, 1, (int)(left * 1e3) + 1) : 0;
    } while (n_ready < 0 && errno == EINTR);
    if (n_ready <= 0)
        return false;
    ssize_t n = recvmsg(w->control_fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *out_fds = header != NULL && header->cmsg_type == SCM_RIGHTS &&
               header->cmsg_len == CMSG_LEN(sizeof fds);
    if (*out_fds) {
        memcpy(fds, CMSG_DATA(header), sizeof fds);
        w->image_fd = fds[AZR_EXEC__IMAGE_FD];
        w->pagemap_fd = fds[AZR_EXEC__PAGEMAP_FD];
        w->memory_fd = fds[AZR_EXEC__MEMORY_FD];
        int64_t pid = 0;
        memcpy(&pid, notice, sizeof pid);
        w->keeper_pid = (pid_t)pid;
        return n == (ssize_t)sizeof pid;
    }
    return n == (ssize_t)sizeof *notice;
}

static bool wait_for_notice(azr_exec__worker *w, azr_exec__notice *notice)
{
    double deadline = azr_clock_seconds() + start_ms * 1e-3;
    bool fds = true;
    while (fds) {
        if (!receive(w, deadline, notice, &fds)) {
            *notice = (azr_exec__notice){.type = AZR_EXEC__NOT_STARTED};
            snprintf(notice->text, sizeof notice->text, "recycling: a new worker died");
            return false;
        }
    }
    notice->text[sizeof notice->text - 1] = '\0';
    notice->namespaces[sizeof notice->namespaces - 1] = '\0';
    notice->seccomp[sizeof notice->seccomp - 1] = '\0';
    return notice->type == AZR_EXEC__READY && w->image_fd >= 0;
}

/* The table of the image, which the worker's own start wrote: no program has run yet. */
static bool take_table(azr_exec__worker *w)
{
    const azr_exec__image *image =
        (const azr_exec__image *)(const void *)(w->window + AZR_EXEC__RECORD_OFFSET);
    struct stat info;
    if (image->n_stretches == 0 || image->n_stretches > AZR_EXEC__MAX_STRETCHES ||
        fstat(w->image_fd, &info) != 0 || (uint64_t)info.st_size != image->file_bytes)
        return false;
    w->n_stretches = image->n_stretches;
    w->image_bytes = image->file_bytes;
    w->stretches = azr_alloc(w->n_stretches, sizeof *w->stretches);
    memcpy(w->stretches, image->stretches, w->n_stretches * sizeof *w->stretches);
    w->image = mmap(NULL, w->image_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->image_fd, 0);
    if (w->image == MAP_FAILED)
        w->image = NULL;
    return w->image != NULL;
}

static void take_hot(azr_exec__worker *w, const azr_exec__hot *hot)
{
    size_t n = 0;
    w->hot_runs = azr_alloc(hot != NULL ? hot->n : 0, sizeof *w->hot_runs);
    for (uint32_t i = 0; hot != NULL && i < hot->n; i++) {
        uint64_t start = (uint64_t)hot->pages[i] * AZR_EXEC__PAGE;
        if (start >= w->image_bytes)
            break;
        if (w->n_hot_runs > 0 && w->hot_runs[w->n_hot_runs - 1].end == start)
            w->hot_runs[w->n_hot_runs - 1].end += AZR_EXEC__PAGE;
        else
            w->hot_runs[w->n_hot_runs++] = (azr_exec__range){start, start + AZR_EXEC__PAGE};
        n++;
    }
    w->n_hot_pages = n;
    w->pristine = azr_alloc(n, AZR_EXEC__PAGE);
    char *to = w->pristine;
    for (size_t i = 0; i < w->n_hot_runs; i++) {
        size_t bytes = w->hot_runs[i].end - w->hot_runs[i].start;
        memcpy(to, w->image + w->hot_runs[i].start, bytes);
        to += bytes;
    }
}

void azr_exec__worker_destroy(azr_exec__worker *w)
{
    if (w == NULL)
        return;
    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close_fd(&w->control_fd);
    close_fd(&w->command_fd);
    close_fd(&w->report_fd);
    close_fd(&w->image_fd);
    close_fd(&w->pagemap_fd);
    close_fd(&w->memory_fd);
    if (w->window != NULL)
        munmap(w->window, AZR_EXEC__WINDOW_BYTES);
    if (w->image != NULL)
        munmap(w->image, w->image_bytes);
    azr_free(w->pristine);
    azr_free(w->hot_runs);
    azr_free(w->stretches);
    azr_free(w->counts);
    azr_free(w);
}

void azr_exec__worker_pin(const azr_exec__worker *w, int core)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    sched_setaffinity(w->keeper_pid, sizeof one, &one);
}

azr_exec__worker *azr_exec__worker_start(azr_exec__flavour flavour, const char *without,
                                         const azr_exec__hot *hot, azr_exec__notice *notice,
                                         bool *out_broken)
{
    azr_exec__worker *w = azr_alloc(1, sizeof *w);
    if (hot != NULL && hot->n == 0)
        hot = NULL;
    beginning b = {-1, -1, -1, -1};
    w->flavour = flavour;
    w->control_fd = w->command_fd = w->report_fd = -1;
    w->image_fd = w->pagemap_fd = w->memory_fd = -1;
    *notice = (azr_exec__notice){.type = AZR_EXEC__NOT_STARTED};
    *out_broken = false;
    char *text = notice->text;
    bool ok = open_window(w, &b);
    if (!ok)
        snprintf(text, sizeof notice->text, "recycling: %s", strerror(errno));
    ok = ok && write_start(w, hot, text, sizeof notice->text);
    if (ok && !spawn_process(w, without, &b)) {
        snprintf(text, sizeof notice->text, "/proc/self/exe cannot be run: %s", strerror(errno));
        ok = false;
    }
    close_fd(&b.control_fd);
    ok = ok && send_start(w, &b);
    close_fd(&b.window_fd);
    close_fd(&b.command_fd);
    close_fd(&b.report_fd);
    if (ok) {
        ok = wait_for_notice(w, notice);
        *out_broken = notice->type == AZR_EXEC__FAILED;
    }
    w->ready = *notice;
    w->has_scan = !azr_exec__lists(without, "pagemap_scan");
    if (ok && !(take_table(w) && azr_exec__worker_settle(w, start_ms))) {
        snprintf(text, sizeof notice->text, "recycling: a new worker is not as it should be");
        ok = false;
    }
    if (ok)
        take_hot(w, hot);
    w->counts = ok ? azr_alloc(w->image_bytes / AZR_EXEC__PAGE, sizeof *w->counts) : NULL;
    if (!ok) {
        azr_exec__worker_destroy(w);
        w = NULL;
    }
    return w;
}
