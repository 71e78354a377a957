/* filter.c: the seccomp filter of a run, made with libseccomp. */
#include "executor/filter.h"

#include "base/check.h"
#include "base/memory.h"
#include "executor/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What CPython needs to compute and to end: memory without new executable pages, clocks, signal
 * frames, uncontended locks. */
static const int allowed[] = {
    SCMP_SYS(exit_group),      SCMP_SYS(exit),         SCMP_SYS(brk),
    SCMP_SYS(munmap),          SCMP_SYS(futex),        SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),    SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(rt_sigreturn),    SCMP_SYS(sigaltstack),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sched_yield),     SCMP_SYS(madvise),      SCMP_SYS(mremap),
    SCMP_SYS(restart_syscall),
};

/* No library does these by itself. */
static const int fatal[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(bpf),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(mount),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(pivot_root),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
};

/* What two processes need to talk. */
static int add_pair_rules(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                                 SCMP_A0(SCMP_CMP_EQ, AZR_EXEC__PAIR_READ_FD));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                 SCMP_A0(SCMP_CMP_EQ, AZR_EXEC__PAIR_WRITE_FD));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(close), 1,
                                 SCMP_A0(SCMP_CMP_EQ, AZR_EXEC__PAIR_WRITE_FD));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(wait4), 0);
    return error;
}

static int add_rules(scmp_filter_ctx filter, uint64_t pair)
{
    int error = 0;
    for (size_t i = 0; i < AZR_COUNT(allowed) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < AZR_COUNT(fatal) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                 SCMP_A0(SCMP_CMP_EQ, AZR_EXEC__RECORD_FD));
    /* Anonymous memory only, and never executable. */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                 SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    if (error == 0 && pair != 0)
        error = add_pair_rules(filter);
    return error;
}

/* A run in a recycled worker has all the memory it will get, and no descriptor. */
static const int allowed_recycled[] = {
    SCMP_SYS(exit_group),
    SCMP_SYS(exit),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall),
};

/* What the keeper does, and the first steps of a run, with the cookie in the fifth argument. */
static const int allowed_keeper[] = {
    SCMP_SYS(clone),       SCMP_SYS(wait4),        SCMP_SYS(read),
    SCMP_SYS(write),       SCMP_SYS(prctl),        SCMP_SYS(madvise),
    SCMP_SYS(close_range), SCMP_SYS(timer_create), SCMP_SYS(timer_settime),
};

static int add_recycle_rules(scmp_filter_ctx filter, uint64_t cookie)
{
    int error = 0;
    for (size_t i = 0; i < AZR_COUNT(allowed_recycled) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_recycled[i], 0);
    for (size_t i = 0; i < AZR_COUNT(fatal) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
    for (size_t i = 0; i < AZR_COUNT(allowed_keeper) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_keeper[i], 1,
                                 SCMP_A4(SCMP_CMP_EQ, cookie));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    return error;
}

/* The filter as instructions, by way of a memory file: libseccomp writes to descriptors only. */
static bool export_filter(scmp_filter_ctx source, azr_exec__filter *filter)
{
    struct stat info;
    int fd = memfd_create("filter", MFD_CLOEXEC);
    bool ok = fd >= 0 && seccomp_export_bpf(source, fd) == 0 && fstat(fd, &info) == 0 &&
              info.st_size > 0 && info.st_size % (off_t)sizeof(struct sock_filter) == 0;
    if (ok) {
        size_t n = (size_t)info.st_size / sizeof(struct sock_filter);
        filter->program.len = (unsigned short)n;
        filter->program.filter = azr_alloc(n, sizeof(struct sock_filter));
        ok = pread(fd, filter->program.filter, (size_t)info.st_size, 0) == info.st_size;
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool init(azr_exec__filter *filter, int (*add)(scmp_filter_ctx, uint64_t), uint64_t number,
                 char *reason, size_t reason_bytes)
{
    *filter = (azr_exec__filter){0};
    scmp_filter_ctx source = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = source == NULL
                    ? -ENOMEM
                    : seccomp_attr_set(source, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (error == 0)
        error = seccomp_attr_set(source, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
    if (error == 0)
        error = add(source, number);
    bool ok = error == 0 && export_filter(source, filter);
    if (!ok)
        snprintf(reason, reason_bytes, "the filter cannot be built: %s",
                 strerror(error != 0 ? -error : errno));
    seccomp_release(source);
    return ok;
}

bool azr_exec__filter_init(azr_exec__filter *filter, bool pair, char *reason, size_t reason_bytes)
{
    return init(filter, add_rules, pair, reason, reason_bytes);
}

bool azr_exec__filter_init_recycle(azr_exec__filter *filter, uint64_t cookie, char *reason,
                                   size_t reason_bytes)
{
    return init(filter, add_recycle_rules, cookie, reason, reason_bytes);
}

void azr_exec__filter_deinit(azr_exec__filter *filter)
{
    azr_free(filter->program.filter);
    *filter = (azr_exec__filter){0};
}

bool azr_exec__filter_load(const azr_exec__filter *filter)
{
    struct sock_fprog program = filter->program;
    return prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, &program, 0, 0) == 0;
}

bool azr_exec__filter_check(const azr_exec__filter *filter, char *reason, size_t reason_bytes)
{
    pid_t child = fork();
    if (child == 0) {
        if (!azr_exec__filter_load(filter))
            _exit(2);
        errno = 0;
        bool holds = syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY) == -1 && errno == EPERM;
        errno = 0;
        holds = holds && syscall(SYS_getppid) == -1 && errno == EPERM;
        _exit(holds ? 0 : 3);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        snprintf(reason, reason_bytes, "the filter cannot be tried: %s", strerror(errno));
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(reason, reason_bytes, "%s",
                 WIFEXITED(status) && WEXITSTATUS(status) == 2
                     ? "the kernel refuses the filter"
                     : "the kernel loads the filter but does not keep to it");
        return false;
    }
    return true;
}
