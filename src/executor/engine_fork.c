/* engine_fork.c: a server that makes an interpreter warm behind walls once, and forks it for each
 * run. */
#include "executor/child.h"
#include "executor/server.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start_run(const azr_exec__walls *walls, int request_fd, int record_fd,
                       azr_exec__report **out_report)
{
    pid_t pid = fork();
    *out_report = NULL;
    if (pid == 0)
        azr_exec__child_run(walls, request_fd, record_fd);
    return pid;
}

static _Noreturn void serve(azr_exec__walls *walls)
{
    bool inside;
    if (!azr_exec__walls_enter(walls, true, &inside))
        azr_exec__server_fail(walls);
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
    } else {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
    if (!azr_exec__walls_close(walls))
        azr_exec__server_fail(walls);
    /* Joins the heap's free pieces now: else each run would do it anew, on copies of its pages. */
    malloc_trim(0);
    azr_exec__serve(&azr_exec__engine_fork, walls);
}

const azr_exec__engine azr_exec__engine_fork = {
    .name = "fork", .serve = serve, .start_run = start_run};
