/* recycle_worker.c: how a process becomes a recycled worker: walls, interpreter, image, keeper. */
#include "executor/recycle_worker.h"

#include "base/memory.h"
#include "executor/recycle_keeper.h"
#include "executor/recycle_region.h"
#include "executor/server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct worker {
    azr_exec__walls *walls;
    bool inside; /* of namespaces */
    int window_fd, command_fd, report_fd;
    int image_fd, pagemap_fd, memory_fd, maps_fd;
    char *window, *stack;
} worker;

static _Noreturn void fail(worker *w, const char *what)
{
    char *text = w->walls->ready.text;
    if (what != NULL)
        snprintf(text, sizeof w->walls->ready.text, "recycling: %s: %s", what, strerror(errno));
    azr_exec__server_fail(w->walls);
}

/* Functions of libraries are looked up when the worker starts: else each run would do it anew,
 * since what it writes down about that is taken back. */
char *const azr_exec__worker_environment[] = {(char[]){"LD_BIND_NOW=1"}, NULL};

/* --- addresses ----------------------------------------------------------------------------------
 */

/* Flavour A gives the values: all its workers have the same addresses, so that not even a program
 * that prints them tells workers apart. Starts this program again when that is how it gets there.
 * The others' are random, and so is A's where the kernel refuses. */
static void fix_addresses(const azr_exec__walls *walls)
{
    int now = personality(0xffffffff);
    if (walls->flavour != AZR_EXEC__FLAVOUR_A || now == -1 || (now & ADDR_NO_RANDOMIZE) ||
        personality((unsigned long)now | ADDR_NO_RANDOMIZE) == -1)
        return;
    char name[32], letter[2] = {(char)('A' + walls->flavour), '\0'}, engine[] = "recycle";
    snprintf(name, sizeof name, "%s", azr_exec__server_name);
    char *without = azr_copy_text(walls->without, strlen(walls->without));
    char *argv[] = {name, engine, letter, without, NULL};
    fcntl(AZR_EXEC__CONTROL_FD, F_SETFD, 0);
    execve("/proc/self/exe", argv, azr_exec__worker_environment);
    azr_free(without);
    fcntl(AZR_EXEC__CONTROL_FD, F_SETFD, FD_CLOEXEC);
}

/* --- descriptors --------------------------------------------------------------------------------
 */

static bool receive_start(worker *w)
{
    int fds[3] = {-1, -1, -1};
    char byte;
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(AZR_EXEC__CONTROL_FD, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (n != 1 || header == NULL || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof fds))
        return false;
    memcpy(fds, CMSG_DATA(header), sizeof fds);
    w->window_fd = fds[0];
    w->command_fd = fds[1];
    w->report_fd = fds[2];
    return true;
}

static bool send_fds(const worker *w)
{
    int fds[AZR_EXEC__N_WORKER_FDS] = {[AZR_EXEC__IMAGE_FD] = w->image_fd,
                                       [AZR_EXEC__PAGEMAP_FD] = w->pagemap_fd,
                                       [AZR_EXEC__MEMORY_FD] = w->memory_fd};
    /* The process's number as /proc has it: outside of the new namespace. */
    char self[32] = {0};
    if (readlink("/proc/self", self, sizeof self - 1) <= 0)
        return false;
    int64_t pid = strtoll(self, NULL, 10);
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec part = {&pid, sizeof pid};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(header), fds, sizeof fds);
    return sendmsg(AZR_EXEC__CONTROL_FD, &message, MSG_NOSIGNAL) == (ssize_t)sizeof pid;
}

/* The worker's own memory as files: whoever holds them may read it without further permission. */
static bool open_own(worker *w)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* else /proc/self is root's */
    w->image_fd = memfd_create("azr-image", MFD_CLOEXEC);
    w->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    w->memory_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    w->maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    return w->image_fd >= 0 && w->pagemap_fd >= 0 && w->memory_fd >= 0 && w->maps_fd >= 0;
}

/* --- memory -------------------------------------------------------------------------------------
 */

static bool map_window(worker *w)
{
    char *at = azr_exec__at(azr_exec__window_address);
    enum { READ_BYTES = AZR_EXEC__WINDOW_BYTES - AZR_EXEC__DROPS_OFFSET, USUAL_BYTES = 256 << 10 };
    w->window = mmap(at, AZR_EXEC__DROPS_OFFSET, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, w->window_fd, 0);
    if (w->window != at ||
        mmap(at + AZR_EXEC__DROPS_OFFSET, READ_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
             w->window_fd, AZR_EXEC__DROPS_OFFSET) == MAP_FAILED)
        return false;
    for (size_t i = AZR_EXEC__DROPS_OFFSET; i < USUAL_BYTES; i += AZR_EXEC__PAGE)
        (void)*(volatile char *)(at + i); /* so that usual requests cost no fault */
    return true;
}

static bool map_own(worker *w)
{
    azr_exec__flavour flavour = w->walls->flavour;
    char *at = azr_exec__at(azr_exec__flavour_address(azr_exec__stack_address, flavour));
    w->stack = mmap(at, AZR_EXEC__STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    uint64_t region = azr_exec__flavour_address(azr_exec__region_address, flavour);
    return w->stack == at && azr_exec__region_start(azr_exec__at(region), azr_exec__region_bytes);
}

/* The C library's own heap cannot grow in a run: it gets some room now. */
static void reserve_heap(void)
{
    enum { ROOM = 1 << 20 };
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_ARENA_MAX, 1);
    azr_free(azr_try_alloc(ROOM, 1));
}

/* --- the last walls -----------------------------------------------------------------------------
 */

/* Denies all of the file system once more, where the kernel has Landlock; says what there is. */
static void add_landlock(worker *w)
{
    struct {
        uint64_t fs, net, scoped;
    } rules = {0};
    azr_exec__notice *r = &w->walls->ready;
    size_t used = strlen(r->seccomp);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    rules.fs = version >= 5 ? 0xffff : version >= 3 ? 0x7fff : version == 2 ? 0x3fff : 0x1fff;
    rules.net = version >= 4 ? 3 : 0;
    rules.scoped = version >= 6 ? 3 : 0;
    size_t bytes = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int fd = version < 1 ? -1 : (int)syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
    bool ok = fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    if (fd >= 0)
        close(fd);
    if (ok)
        snprintf(r->seccomp + used, sizeof r->seccomp - used, "; Landlock %ld denies all files",
                 version);
    else
        snprintf(r->seccomp + used, sizeof r->seccomp - used, "; no Landlock");
}

static bool set_limit(int resource, rlim_t value)
{
    struct rlimit limit = {value, value};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool set_limits(const worker *w)
{
    /* The process outside, the keeper and a run: a run's own child is one too many. Without a user
     * namespace the limit would count all processes of the user; then only the cookie holds. */
    return (!w->inside || set_limit(RLIMIT_NPROC, 3)) && set_limit(RLIMIT_CORE, 0) &&
           set_limit(RLIMIT_MEMLOCK, 0) && set_limit(RLIMIT_MSGQUEUE, 0) &&
           set_limit(RLIMIT_NOFILE, 64) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* The kernel writes to this area of the thread when it likes to. */
static bool leave_rseq(void)
{
    if (__rseq_size == 0)
        return true;
    char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
    return syscall(SYS_rseq, area, 32, 1 /* unregister */, 0x53053053) == 0;
}

static bool seal_image(worker *w)
{
    azr_exec__image *image = (azr_exec__image *)(void *)(w->window + AZR_EXEC__RECORD_OFFSET);
    const azr_exec__start *start =
        (const azr_exec__start *)(const void *)(w->window + AZR_EXEC__INPUT_OFFSET);
    azr_exec__seal seal = {
        .image_fd = w->image_fd,
        .maps_fd = w->maps_fd,
        .pagemap_fd = w->pagemap_fd,
        .region = azr_exec__flavour_address(azr_exec__region_address, w->walls->flavour),
        .region_top = (uint64_t)(uintptr_t)azr_exec__region_top(),
        .stack = (uint64_t)(uintptr_t)w->stack,
        .hot = start->hot,
        .n_hot = start->n_hot};
    char *text = w->walls->ready.text;
    char reason[sizeof w->walls->ready.text / 2];
    bool ok = azr_exec__image_seal(&seal, image, reason, sizeof reason);
    if (!ok)
        memcpy(text, reason, sizeof reason);
    return ok;
}

/* --- start --------------------------------------------------------------------------------------
 */

/* Into the namespaces, as the first process of the PID namespace when there is one. */
static void enter(worker *w)
{
    if (!azr_exec__walls_enter(w->walls, true, &w->inside))
        fail(w, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (!w->inside) {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        return;
    }
    pid_t pid = fork();
    if (pid != 0) {
        syscall(SYS_close_range, 0, ~0u, 0);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        _exit(1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static _Noreturn void serve(azr_exec__walls *walls)
{
    static worker w;
    w.walls = walls;
#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__)
    snprintf(walls->ready.text, sizeof walls->ready.text,
             "recycling is made for x86-64 without sanitizers");
    fail(&w, NULL);
#endif
    fix_addresses(walls);
    if (!receive_start(&w) || !map_window(&w))
        fail(&w, "shared memory");
    enter(&w);
    if (!open_own(&w))
        fail(&w, "/proc/self");
    if (!send_fds(&w) || !map_own(&w))
        fail(&w, "memory at fixed addresses");
    if (!azr_exec__walls_close(walls))
        fail(&w, NULL);
    if (!(walls->ready.layers & AZR_EXEC__LAYER_SECCOMP)) {
        memcpy(walls->ready.text, walls->ready.seccomp, sizeof walls->ready.seccomp);
        fail(&w, NULL);
    }
    snprintf(walls->ready.seccomp, sizeof walls->ready.seccomp,
             "loaded in the keeper, whose own system calls need a secret number");
    add_landlock(&w);
    reserve_heap();
    if (!set_limits(&w))
        fail(&w, "limits");
    azr_exec__recycle_child_prepare(walls->flavour);
    if (azr_exec__recycle_test_hook != NULL)
        azr_exec__recycle_test_hook();
    azr_exec__region_burn();
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (!leave_rseq())
        fail(&w, "rseq");
    if (!seal_image(&w))
        fail(&w, NULL);
    if (!set_limit(RLIMIT_FSIZE, 0)) /* the image had to be written */
        fail(&w, "limits");
    if (send(AZR_EXEC__CONTROL_FD, &walls->ready, sizeof walls->ready, MSG_NOSIGNAL) !=
            sizeof walls->ready ||
        dup2(w.command_fd, AZR_EXEC__COMMAND_FD) < 0 || dup2(w.report_fd, AZR_EXEC__REPORT_FD) < 0)
        _exit(1);
    syscall(SYS_close_range, 2, ~0u, 0);
    azr_exec__keeper(w.window, w.stack + AZR_EXEC__STACK_BYTES, azr_exec__recycle_child);
}

const azr_exec__engine azr_exec__engine_recycle = {
    .name = "recycle", .only_calls = true, .serve = serve};
