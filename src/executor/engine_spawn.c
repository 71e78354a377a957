/* engine_spawn.c: a server that stays cold: each run gets walls and an interpreter of its own, from
 * nothing. Slow, and so plain that other engines are held against it. */
#include "executor/child.h"
#include "executor/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for the child; -1: it cannot be waited for. */
static int wait_for(pid_t pid, struct rusage *out_usage)
{
    int status = -1;
    while (wait4(pid, &status, 0, out_usage) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

/* Enters the namespaces and goes on in a new first process of the PID namespace; the one that was
 * there before waits and ends. False: walls->ready says why not. */
static bool enter(azr_exec__walls *walls, bool rehearse)
{
    bool inside;
    if (!azr_exec__walls_enter(walls, rehearse, &inside))
        return false;
    /* Both the namespaces and the loss of root reset it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (!inside)
        return true;
    struct rusage usage;
    pid_t pid = fork();
    if (pid != 0)
        _exit(pid > 0 && wait_for(pid, &usage) == 0 ? 0 : 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return true;
}

/* In a child of the server: everything a warm server does at its start, then one run. */
static _Noreturn void run_once(const azr_exec__walls *trial, int request_fd, int record_fd,
                               azr_exec__report *report)
{
    static azr_exec__walls walls; /* large */
    struct rusage usage;
    walls = (azr_exec__walls){.flavour = trial->flavour, .without = trial->without};
    close(AZR_EXEC__CONTROL_FD);
    if (!enter(&walls, false) || !azr_exec__walls_close(&walls) ||
        (trial->ready.layers & ~walls.ready.layers) != 0)
        _exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        munmap(report, sizeof *report);
        azr_exec__child_run(&walls, request_fd, record_fd);
    }
    int status = pid > 0 ? wait_for(pid, &usage) : -1;
    if (status == -1)
        _exit(1);
    azr_exec__report_write(report, status, &usage);
    _exit(0);
}

static pid_t start_run(const azr_exec__walls *walls, int request_fd, int record_fd,
                       azr_exec__report **out_report)
{
    azr_exec__report *report =
        mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        run_once(walls, request_fd, record_fd, report);
    }
    if (pid < 0)
        munmap(report, sizeof *report);
    else
        *out_report = report;
    return pid;
}

/* Tries in a child what each run will do, and takes over what it found. */
static bool try_walls(azr_exec__walls *walls)
{
    typedef struct trial {
        bool ok;
        azr_exec__notice ready;
    } trial;
    trial *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static const char died[] = "the trial of an interpreter died";
    struct rusage usage;
    memcpy(walls->ready.text, died, sizeof died);
    if (shared == MAP_FAILED)
        return false;
    shared->ready = walls->ready;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        bool ok = enter(walls, true) && azr_exec__walls_close(walls);
        shared->ready = walls->ready;
        shared->ok = ok;
        _exit(0);
    }
    bool ok = pid > 0 && wait_for(pid, &usage) == 0 && shared->ok;
    walls->ready = shared->ready;
    munmap(shared, sizeof *shared);
    return ok;
}

static _Noreturn void serve(azr_exec__walls *walls)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!try_walls(walls))
        azr_exec__server_fail(walls);
    azr_exec__serve(&azr_exec__engine_spawn, walls);
}

const azr_exec__engine azr_exec__engine_spawn = {
    .name = "spawn", .by_name_only = true, .serve = serve, .start_run = start_run};
