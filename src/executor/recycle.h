/* recycle.h: recycled workers as their supervisor sees them. A worker keeps its warm interpreter
 * for all its runs: after each the supervisor, a thread of azr's process, brings its memory back to
 * what it was. Private to executor/. */
#ifndef AZR_EXECUTOR_RECYCLE_H
#define AZR_EXECUTOR_RECYCLE_H

#include "executor/filter.h"
#include "executor/hub.h"
#include "executor/recycle_window.h"

enum { AZR_EXEC__MAX_HOT = 4096, AZR_EXEC__MAX_IGNORED = 64 };

/* Pages of the image in rising order, that a worker shares with its file: they are copied back
 * after each run, and cost no page fault. */
typedef struct azr_exec__hot {
    uint32_t n;
    uint32_t pages[AZR_EXEC__MAX_HOT];
    uint64_t image_bytes; /* of the image they are of */
} azr_exec__hot;

typedef struct azr_exec__range {
    uint64_t start, end;
} azr_exec__range;

typedef struct azr_exec__worker {
    azr_exec__flavour flavour;
    azr_exec__notice ready;
    pid_t pid;        /* of its outermost process */
    pid_t keeper_pid; /* for its core only */
    int control_fd, command_fd, report_fd, image_fd, pagemap_fd, memory_fd;
    bool has_scan;             /* the kernel has PAGEMAP_SCAN */
    char *window;              /* AZR_EXEC__WINDOW_BYTES, shared with the worker */
    char *image;               /* the image file, shared */
    char *pristine;            /* its hot pages as they should be, packed */
    azr_exec__range *hot_runs; /* offsets in the image */
    size_t n_hot_runs, n_hot_pages;
    uint64_t n_stretches, image_bytes;
    azr_exec__stretch *stretches;                   /* rising */
    azr_exec__range ignored[AZR_EXEC__MAX_IGNORED]; /* pages that are nobody's: the kernel's */
    size_t n_ignored;
    azr_exec__drop drops[AZR_EXEC__MAX_DROPS]; /* to be dropped before the next run */
    size_t n_drops;
    size_t input_bytes; /* of the window, that must be wiped */
    size_t max_record_bytes;
    uint16_t *counts;           /* runs that wrote to a page of the image that is not hot */
    uint32_t n_runs, n_faulted; /* since the counts were taken; runs with page faults */
    uint64_t n_unchecked;       /* runs since all pages were compared */
} azr_exec__worker;

/* Starts a worker and waits until it is sealed (seconds). NULL: notice->text says why, and
 * *out_broken whether another start would end likewise. The worker runs on the cores of the thread
 * that calls this, and dies with it. */
azr_exec__worker *azr_exec__worker_start(azr_exec__flavour flavour, const char *without,
                                         const azr_exec__hot *hot, azr_exec__notice *notice,
                                         bool *out_broken);
/* Of worker_start: waits until the filter is loaded, wipes what the start needed, drops what the
 * start wrote. */
bool azr_exec__worker_settle(azr_exec__worker *worker, int wait_ms);
void azr_exec__worker_destroy(azr_exec__worker *worker);
/* From now on it runs on that core only, where the system allows it. */
void azr_exec__worker_pin(const azr_exec__worker *worker, int core);

/* How a run ended, as far as the worker can tell. */
typedef enum azr_exec__ran {
    AZR_EXEC__RAN,
    AZR_EXEC__RAN_LATE,  /* over wall_ms: the worker has been killed */
    AZR_EXEC__RAN_BROKEN /* the worker is of no use any more */
} azr_exec__ran;

typedef struct azr_exec__ended {
    int wait_status;
    int64_t cpu_us;
    long n_faults;
    size_t n_records;
    azr_strbuf records[AZR_EXEC__MAX_REQUESTS]; /* the caller's */
} azr_exec__ended;

/* Writes requests into the window. texts: program, function (each with its NUL), arguments. False
 * when there is no room for one more. */
void azr_exec__worker_begin(azr_exec__worker *worker, int cpu_ms);
bool azr_exec__worker_add(azr_exec__worker *worker, const azr_exec__run_header *header,
                          const char *texts[3]);
/* Runs what was added. */
azr_exec__ran azr_exec__worker_run(azr_exec__worker *worker, int wall_ms,
                                   azr_exec__ended *out_ended);
/* Brings all memory back and counts written pages. Without faults nothing else than hot pages can
 * have changed; always_scan looks all the same. False: the worker is of no use any more. */
bool azr_exec__worker_restore(azr_exec__worker *worker, long n_faults, bool always_scan);
/* Compares every page with the image. False: one differs, *out_address says where. */
bool azr_exec__worker_check(azr_exec__worker *worker, uint64_t *out_address);

/* Adds the pages that at least n_least counted runs wrote to. False: no new ones. */
bool azr_exec__hot_learn(azr_exec__hot *hot, const azr_exec__worker *worker, uint32_t n_least);

/* --- all workers of an executor (recycle_supervisor.c) --------------------------------------- */

/* Starts the supervisors: one thread for each of the executor's workers, and one that starts
 * workers. The states of the executor's servers say how that goes. False: no threads. */
bool azr_exec__recycle_start(azr_executor *executor);
/* Ends runs, workers and threads; may be called without start. */
void azr_exec__recycle_stop(azr_executor *executor);
/* With the lock held: something was queued. */
void azr_exec__recycle_wake(azr_executor *executor);
/* With the lock held: a line for the probe. */
void azr_exec__recycle_describe(const azr_executor *executor, azr_exec__flavour flavour, char *text,
                                size_t text_bytes);

#endif
