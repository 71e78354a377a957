/* hub.h: the thread that hands queued runs to the servers, watches clocks, collects what came of
 * them, and starts a server again when one dies. Private to executor/. */
#ifndef AZR_EXECUTOR_HUB_H
#define AZR_EXECUTOR_HUB_H

#include "azr/executor.h"
#include "base/strbuf.h"
#include "executor/protocol.h"
#include "executor/python.h"
#include "executor/server.h"

#include <pthread.h>
#include <sys/types.h>

enum {
    AZR_EXEC__MAX_WORKERS = 64,
    AZR_EXEC__MAX_INPUT_BYTES = 64 << 20, /* of a script or test */
    AZR_EXEC__MAX_TRIES = 4, /* of a run whose program began, when the sandbox itself fails */
    /* Of a run whose program never began: what ends servers says nothing about it, so only a run
     * that never gets through at all is given up. */
    AZR_EXEC__MAX_BEGINNINGS = 200,
    /* Starts of a server that do not get it ready. The first tell what this machine can do; later
     * ones may be killed by whatever killed the server before, and are given up only when they have
     * failed for a while, too. */
    AZR_EXEC__MAX_FIRST_STARTS = 3,
    AZR_EXEC__MAX_STARTS = 30,
};

typedef struct azr_exec__job {
    azr_exec_kind kind;
    bool allow_constructors, share_process;
    azr_exec__flavour first_flavour;
    char *program, *function;
    size_t program_bytes, function_bytes;
    azr_exec_limits limits;
    bool check_determinism, check_headroom;
    size_t n_inputs, n_left;
    size_t n_waiting;      /* threads that wait for it: to wake one is dear */
    azr_strbuf *arguments; /* one for each input: encoded for calls of literals, else its text */
    azr_exec_run *runs;
} azr_exec__job;

/* One try of one input under one flavour: queued, then in a slot. */
typedef struct azr_exec__try {
    struct azr_exec__try *next;
    azr_exec__job *job;
    size_t i_input;
    azr_exec__flavour flavour;
    int n_tries;      /* that failed after the program began */
    int n_beginnings; /* that failed before */
    bool was_late;    /* over the wall limit, once */
    bool is_slow;     /* used up its first slice of CPU time: of the slow lane from then on */
    double taken_at;  /* off the queue of the slow lane */
} azr_exec__try;

/* Two lanes, so that endless loops hold up nobody: a run gets a small slice of CPU time at first.
 * One that needs more is stopped, and begins again in the slow lane, with all of its limit. What
 * comes of a run does not depend on the lane. */
typedef enum azr_exec__lane {
    AZR_EXEC__FAST,
    AZR_EXEC__SLOW,
    AZR_EXEC__N_LANES,
} azr_exec__lane;

typedef struct azr_exec__queue {
    azr_exec__try *first, *last;
} azr_exec__queue;

/* The slow runs of one kind of workers. */
typedef struct azr_exec__slow_runs {
    int n;          /* in flight */
    double ended;   /* when the last of them ended, */
    double seconds; /* which took so long */
} azr_exec__slow_runs;

/* A run in flight. */
typedef struct azr_exec__slot {
    azr_exec__try *what; /* NULL: free */
    uint64_t id;
    int record_fd;
    azr_strbuf record; /* what came out of the pipe so far */
    bool overflow;
    bool has_begun; /* the program: until then nothing that happens is its doing */
    bool killed;    /* by us, for the wall clock or an overflow */
    /* start: when the program began, until then when the request was sent. The wall clock of the
     * limits runs from the beginning only: getting there is the sandbox's business. */
    double start, deadline;
} azr_exec__slot;

typedef enum azr_exec__server_state {
    AZR_EXEC__SERVER_IDLE, /* nobody has needed it yet */
    AZR_EXEC__SERVER_STARTING,
    AZR_EXEC__SERVER_READY,
    AZR_EXEC__SERVER_BROKEN, /* will not be started again; ready.text says why */
} azr_exec__server_state;

typedef struct azr_exec__server {
    azr_exec__server_state state;
    pid_t pid; /* 0: none */
    int fd;
    int n_starts;           /* since it was ready for the last time */
    double failing_from;    /* when the first of them failed; 0: none did */
    double deadline;        /* of a start; with pid 0: when to start */
    azr_exec__notice ready; /* of the first start that succeeded */
    bool was_ready;
} azr_exec__server;

struct azr_executor {
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    pthread_t thread;
    int wake_fd; /* eventfd: something was queued, or stop */
    bool stop;
    char *without; /* AZR_EXECUTOR_DISABLE */
    const azr_exec__engine *engine;
    azr_error passed_over; /* why a faster engine was not to be had; empty: none was tried */
    struct azr_exec__recycle *recycle; /* its supervisors; NULL with other engines */
    azr_exec__server servers[AZR_EXEC__N_SERVERS];
    int n_workers;
    azr_exec__slot slots[AZR_EXEC__MAX_WORKERS];
    uint64_t next_run;
    azr_exec__queue queues[AZR_EXEC__N_LANES];
    azr_exec__slow_runs slow[2]; /* in the hub's slots; in recycled workers */
    /* Jobs by ticket - first_ticket; NULL once they were handed out. */
    azr_exec__job **jobs;
    size_t n_jobs, jobs_capacity;
    uint64_t first_ticket;
};

void *azr_exec__hub_main(void *executor);
azr_exec__run_header azr_exec__request_header(const azr_exec__try *what);
/* One try has its outcome, which is consumed: the next try, the other flavour, or the input is
 * done. The try is not the caller's any more. */
void azr_exec__hub_end(azr_executor *executor, azr_exec__try *what, azr_exec_run *outcome);
void azr_exec__job_destroy(azr_exec__job *job);

/* queue.c, with the lock held: into the lane of the try. */
void azr_exec__hub_queue(azr_executor *executor, azr_exec__try *what, bool in_front);
/* The next queued try that serves says yes to, off the queue; NULL when there is none.
 * Afterwards azr_exec__hub_end, or azr_exec__hub_untake. */
typedef bool azr_exec__serves(azr_executor *executor, const azr_exec__try *what, void *argument);
azr_exec__try *azr_exec__hub_take(azr_executor *executor, azr_exec__serves *serves, void *argument);
/* One more queued try of the job whose program has not begun yet, for the same process; or NULL. */
azr_exec__try *azr_exec__hub_take_fresh(azr_executor *executor, azr_exec__job *job);
/* Back into the queue, in front: its program has not begun. */
void azr_exec__hub_untake(azr_executor *executor, azr_exec__try *what);
/* A try that was taken is no longer in flight. */
void azr_exec__hub_left_lane(azr_executor *executor, const azr_exec__try *what);
/* Has the flavour recycled workers, which their supervisors look after? */
bool azr_exec__is_recycled(const azr_executor *executor, azr_exec__flavour flavour);
/* The CPU time that the try gets in its lane. */
int azr_exec__try_cpu_ms(const azr_exec__try *what);

/* outcome.c: what a run came to. wait_status and cpu_us are from the server, the slot's record from
 * hostile code. INTERNAL: try again. */
void azr_exec__outcome(const azr_exec__slot *slot, int wait_status, int64_t cpu_us,
                       azr_exec_run *out_run);
/* Merges the outcome under another flavour into that under A; other is consumed. */
void azr_exec__compare_flavours(azr_exec_run *a, azr_exec_run *b);
void azr_exec__run_deinit(azr_exec_run *run);

/* spawn.c: starts a server; false when the system refuses. */
bool azr_exec__server_spawn(azr_executor *executor, azr_exec__flavour flavour);
void azr_exec__server_end(azr_exec__server *server);

#endif
