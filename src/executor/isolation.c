#include "executor/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534, EXIT_SETUP = 97 };

static void explain(char out[200], const char *what)
{
    snprintf(out, 200, "%s: %s", what, strerror(errno));
}

static bool is_disabled(const char *layer)
{
    const char *disabled = getenv("AZR_EXECUTOR_DISABLE");
    return disabled != NULL && strstr(disabled, layer) != NULL;
}

/* --- namespaces ------------------------------------------------------------------------------- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

static bool map_ids(uid_t uid, gid_t gid)
{
    char users[64], groups[64];
    snprintf(users, sizeof users, "%d %u 1\n", NOBODY, uid);
    snprintf(groups, sizeof groups, "%d %u 1\n", NOBODY, gid);
    return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", users) &&
           write_file("/proc/self/gid_map", groups);
}

void azr_isolation__enter_pid(azr_isolation *isolation)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (is_disabled("namespaces")) {
        snprintf(isolation->why_no_namespaces, 200, "switched off by AZR_EXECUTOR_DISABLE");
        return;
    }
    if (uid != 0 && unshare(CLONE_NEWUSER) != 0)
        explain(isolation->why_no_namespaces, "user namespace");
    else if (uid != 0 && !map_ids(uid, gid))
        explain(isolation->why_no_namespaces, "user id map");
    else if (unshare(CLONE_NEWPID) != 0)
        explain(isolation->why_no_namespaces, "pid namespace");
    else
        isolation->namespaces = true;
}

/* An empty tmpfs of one page, read-only, becomes the whole file system. */
static bool empty_root(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555") ==
               0 &&
           chdir("/tmp") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
           umount2(".", MNT_DETACH) == 0 && chdir("/") == 0 &&
           mount(NULL, "/", NULL,
                 MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

static void drop_privileges(void)
{
    if (geteuid() == 0) {
        syscall(SYS_setgroups, 0, NULL);
        syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY);
        syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY);
    }
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    syscall(SYS_capset, &head, none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void azr_isolation__enter_rest(azr_isolation *isolation)
{
    if (isolation->namespaces) {
        isolation->namespaces = false;
        if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
            explain(isolation->why_no_namespaces, "mount, net, ipc and uts namespaces");
        else if (!empty_root())
            explain(isolation->why_no_namespaces, "empty root");
        else
            isolation->namespaces = true;
    }
    drop_privileges();
    isolation->level = !isolation->seccomp      ? AZR_EXEC_LEVEL_LIMITS
                       : !isolation->namespaces ? AZR_EXEC_LEVEL_SECCOMP
                                                : AZR_EXEC_LEVEL_NAMESPACES;
}

/* --- the filter ------------------------------------------------------------------------------- */

/* What a computing interpreter needs. Everything else fails with EPERM; what no honest program asks
 * for at all kills. */
static const int plain_calls[] = {
    SCMP_SYS(exit),          SCMP_SYS(exit_group), SCMP_SYS(brk),          SCMP_SYS(munmap),
    SCMP_SYS(mremap),        SCMP_SYS(madvise),    SCMP_SYS(rt_sigreturn), SCMP_SYS(futex),
    SCMP_SYS(clock_gettime), SCMP_SYS(getpid),     SCMP_SYS(gettid),       SCMP_SYS(sched_yield),
};
static const int fatal_calls[] = {
    SCMP_SYS(execve),           SCMP_SYS(execveat),          SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),   SCMP_SYS(userfaultfd),       SCMP_SYS(perf_event_open),
    SCMP_SYS(keyctl),
};

static int add_rules(scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof plain_calls / sizeof *plain_calls; i++)
        failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain_calls[i], 0);
    for (size_t i = 0; i < sizeof fatal_calls / sizeof *fatal_calls; i++)
        failed |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, fatal_calls[i], 0);
    struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    struct scmp_arg_cmp with_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC);
    failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_exec);
    failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &no_exec);
    failed |=
        seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(mprotect), 1, &with_exec);
    /* The record goes out through descriptor 3 and no other. */
    struct scmp_arg_cmp to_result = SCMP_A0(SCMP_CMP_EQ, 3);
    failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, &to_result);
    return failed;
}

static scmp_filter_ctx make_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter != NULL && add_rules(filter) != 0) {
        seccomp_release(filter);
        filter = NULL;
    }
    return filter;
}

/* Whether a filter can be loaded at all: tried in a child, for good. */
static bool try_filter(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        scmp_filter_ctx filter = make_filter();
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(filter != NULL && seccomp_load(filter) == 0 ? 0 : EXIT_SETUP);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void azr_isolation__prepare_filter(azr_isolation *isolation)
{
    if (is_disabled("seccomp"))
        snprintf(isolation->why_no_seccomp, 200, "switched off by AZR_EXECUTOR_DISABLE");
    else if (!try_filter())
        snprintf(isolation->why_no_seccomp, 200, "the kernel takes no system-call filter");
    else
        isolation->seccomp = true;
}

/* --- a run's own limits ----------------------------------------------------------------------- */

static bool limit(int resource, rlim_t value)
{
    struct rlimit both = {value, value};
    return setrlimit(resource, &both) == 0;
}

/* A timer of the kernel that kills: nothing in the process can hold it up. */
static bool kill_after(clockid_t clock, int ms)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {ms / 1000, (long)(ms % 1000) * 1000000}};
    timer_t timer;
    return timer_create(clock, &event, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0;
}

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[64] = "";
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0)
            pages = strtoul(text, NULL, 10);
        close(fd);
    }
    return (rlim_t)pages * 4096;
}

void azr_isolation__confine(const azr_isolation *isolation, const azr_exec_limits *limits,
                            int result_fd)
{
    static rlim_t warm;
    if (warm == 0)
        warm = address_space() > 0 ? address_space() : (rlim_t)512 << 20;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    bool good = dup2(result_fd, 3) == 3 && syscall(SYS_close_range, 4, ~0U, 0) == 0;
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    good = good && kill_after(CLOCK_PROCESS_CPUTIME_ID, limits->cpu_ms) &&
           kill_after(CLOCK_MONOTONIC, limits->wall_ms);
    good = good && limit(RLIMIT_AS, warm + ((rlim_t)limits->memory_mb << 20)) &&
           limit(RLIMIT_CPU, (rlim_t)(limits->cpu_ms / 1000 + 2)) && limit(RLIMIT_FSIZE, 1 << 20) &&
           limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, 4) &&
           limit(RLIMIT_MEMLOCK, 0) && limit(RLIMIT_MSGQUEUE, 0);
    if (good && isolation->seccomp) {
        scmp_filter_ctx filter = make_filter();
        good = filter != NULL && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               seccomp_load(filter) == 0;
    }
    if (!good)
        _exit(EXIT_SETUP);
}
