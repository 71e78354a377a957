/* server.h: a server is this program started once more (/proc/self/exe) with arguments that lead
 * into server.c before main: a process without azr's memory, threads or environment, with an
 * address layout of its own. What it does for a run is its engine's. */
#ifndef AZR_EXECUTOR_SERVER_H
#define AZR_EXECUTOR_SERVER_H

#include "executor/walls.h"

#include <sys/resource.h>
#include <sys/types.h>

/* argv[0] of a server; then the engine, the flavour ("A", ...) and what to do without (a list as in
 * AZR_EXECUTOR_DISABLE, may be empty). The control socket is AZR_EXEC__CONTROL_FD. */
extern const char azr_exec__server_name[];
enum { AZR_EXEC__SERVER_ARGC = 4 };

/* In shared memory: how a program's process ended, when a child of the server waited for it and not
 * the server itself. Never mapped where the program runs. */
typedef struct azr_exec__report {
    bool is_written;
    int wait_status;
    int64_t cpu_us;
} azr_exec__report;

void azr_exec__report_write(azr_exec__report *report, int wait_status, const struct rusage *usage);

typedef struct azr_exec__engine {
    const char *name;
    /* Runs calls of functions only, with the narrow list of modules: other jobs get servers of the
     * fork engine beside it. */
    bool only_calls;
    bool by_name_only; /* "auto" never takes it */
    /* In a fresh process with walls->flavour and ->without set: serves until the hub is gone. */
    void (*serve)(azr_exec__walls *walls); /* never comes back */
    /* For azr_exec__serve: a process that will run the request; -1 when there can be none. An
     * engine may hand over a mapped *out_report, which the server unmaps. */
    pid_t (*start_run)(const azr_exec__walls *walls, int request_fd, int record_fd,
                       azr_exec__report **out_report);
} azr_exec__engine;

extern const azr_exec__engine azr_exec__engine_recycle, azr_exec__engine_fork,
    azr_exec__engine_spawn;
/* All engines, the fastest first; NULL behind the last. */
const azr_exec__engine *azr_exec__engine_at(size_t i);

/* Says walls->ready, then handles requests by the engine's start_run. */
_Noreturn void azr_exec__serve(const azr_exec__engine *engine, azr_exec__walls *walls);
/* Says that this machine cannot serve; walls->ready.text: why. */
_Noreturn void azr_exec__server_fail(azr_exec__walls *walls);

#endif
