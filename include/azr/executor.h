/* executor.h: runs untrusted Python programs under limits and says what happened. It does not know
 * why a program is run, and it never sees an expected answer.
 *
 * A job is one program and a list of inputs. Each input is a fresh run of its own, which gives back
 * a status and the canonical text of a value. */
#ifndef AZR_EXECUTOR_H
#define AZR_EXECUTOR_H

#include "azr/literal.h"
#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum azr_exec_status {
    AZR_EXEC_OK,        /* value holds the canonical literal */
    AZR_EXEC_EXCEPTION, /* syntax error, no f, or the program raised: exception, message */
    AZR_EXEC_TIMEOUT_CPU,
    AZR_EXEC_TIMEOUT_WALL,
    AZR_EXEC_MEMORY,
    AZR_EXEC_CRASH,            /* killed by a signal: message names it */
    AZR_EXEC_POLICY,           /* forbidden system call */
    AZR_EXEC_NO_RESULT,        /* ended without a complete record (os._exit) */
    AZR_EXEC_TOO_LARGE,        /* result over the cap; never cut */
    AZR_EXEC_NOT_LITERAL,      /* value is no plain literal of exact built-in types */
    AZR_EXEC_NONDETERMINISTIC, /* the flavours disagree */
    AZR_EXEC_BAD_INPUT,        /* the argument text is no literal argument list */
    AZR_EXEC_INTERNAL, /* the sandbox itself failed, also when tried again: never a reward */
    AZR_N_EXEC_STATUSES,
} azr_exec_status;

const char *azr_exec_status_name(azr_exec_status status); /* "ok", "timeout_cpu", ... */

/* What a job does with its program and an input. */
typedef enum azr_exec_kind {
    /* The input is an argument list as text; the value is what function(<input>) returns. Inputs
     * are parsed here, in C, as Python literals before anything runs; they are never pasted into
     * code. */
    AZR_EXEC_CALL,
    /* The program is a script (__name__ is "__main__"), the input its standard input as it is; the
     * value is what it printed, a str. OK also after sys.exit() or sys.exit(0). Another exit code
     * is EXCEPTION SystemExit; os._exit is NO_RESULT, whatever was printed. */
    AZR_EXEC_SCRIPT,
    /* The input is the text of a test: asserts that call functions of the program by name. When the
     * text defines check, check(<function>) is called at its end (HumanEval); else the text itself
     * asserts (MBPP). OK with the value True only when all of it was run to its end and nothing was
     * raised; else EXCEPTION (AssertionError, or what the program raised), or the status with which
     * the program's process ended.
     *
     * The test and the values it expects never share a process with the program: the test runs in
     * an interpreter of its own and calls the program in another by messages. Plain values, the
     * standard library's containers and numbers come across as copies; everything else stays with
     * the program and is only pointed at, equal to nothing but itself. So ending early, printing,
     * patching assert or builtins, or objects that claim to be equal to everything pass no test:
     * only returning the right values does.
     *
     * Names that the text defines, builtins and modules are the test's own, but for <function>,
     * which is the program's always. So put helpers of the task (HumanEval's prompt with the
     * function's empty body, say) before the test: then they are not the program's to change. */
    AZR_EXEC_TESTS,
} azr_exec_kind;

typedef struct azr_exec_limits {
    int cpu_ms;       /* CPU time of one run */
    int wall_ms;      /* wall time of one run, from its start; over it twice is TIMEOUT_WALL */
    int memory_mb;    /* of one run beyond the warm interpreter's; "recycle" has 1 GiB at most */
    int result_bytes; /* cap on the canonical text of a value */
} azr_exec_limits;

azr_exec_limits azr_exec_default_limits(void); /* 1000 ms, 5000 ms, 256 MB, 16 KiB */
/* For evaluation programs: 10 s, 60 s, 1024 MB, 1 MiB. */
azr_exec_limits azr_exec_evaluation_limits(void);

typedef struct azr_exec_job {
    azr_exec_kind kind;
    const char *program; /* NUL-terminated UTF-8 */
    const char *const *inputs;
    size_t n_inputs;
    const char *function; /* what CALL calls and TESTS tests; NULL: f in CALL, none in TESTS */
    /* CALL: besides literals, arguments may be calls of constructors: set(), frozenset(...),
     * Counter(...) and their like. They are evaluated in the sandbox, before the program is read;
     * a text that is no such list is BAD_INPUT. */
    bool allow_constructors;
    /* Programs may import what programs for evaluation need besides (sys, random, time, ...);
     * always so for SCRIPT and TESTS. Runs in a server of its own, without check_determinism. */
    bool wide_modules;
    /* CALL: the inputs may run one after another in one process, each with the program's globals
     * made anew: faster with "recycle" (others take no notice). A program that changes the modules
     * it imports then hands that on to its next input: for programs whose values are only compared
     * with known ones, not for values that are to be kept. Without check_determinism only. */
    bool share_process;
    bool check_determinism; /* run under more flavours (order of sets, hash seed, addresses, random
                               seed, clock) and compare: a difference is NONDETERMINISTIC. Values
                               are compared, so dicts that differ in order only are the same */
    /* With check_determinism: the other flavours get a quarter of the memory. A program that has
     * a value with all of it and not with that has MEMORY: its later runs could go either way. */
    bool check_headroom;
    azr_exec_limits limits;
} azr_exec_job;

typedef struct azr_exec_run {
    azr_exec_status status;
    char *value;     /* canonical literal text when OK, else NULL */
    char *type;      /* Python type name of the value when known, else NULL */
    char *exception; /* class name when EXCEPTION, else NULL */
    char *message;   /* capped at 500 bytes, or NULL */
    int64_t cpu_us, wall_us;
} azr_exec_run;

typedef struct azr_exec_reply {
    azr_exec_run *runs; /* one for each input, in order */
    size_t n_runs;
} azr_exec_reply;

void azr_exec_reply_deinit(azr_exec_reply *reply);

/* The text of a value that is a str (what a SCRIPT printed), UTF-8 (lone surrogates in three bytes
 * each); NULL when the value is another. *out_bytes: its size, there may be NUL in it. Free with
 * azr_free. */
char *azr_exec_run_text(const azr_exec_run *run, size_t *out_bytes);

/* Levels of protection, weakest first. */
typedef enum azr_exec_level {
    AZR_EXEC_LEVEL_LIMITS,     /* separate process and rlimits only: refused unless asked for */
    AZR_EXEC_LEVEL_SECCOMP,    /* + system-call filter, no_new_privs */
    AZR_EXEC_LEVEL_NAMESPACES, /* + user, pid, mount, net, ipc, uts namespaces, empty root */
} azr_exec_level;

typedef struct azr_executor_options {
    /* How a run gets a clean interpreter; replies are the same:
     * "recycle": one for many, whose memory is brought back from outside after each run.
     * "fork": a copy of a warm one (fork).
     * "spawn": a new one, started for the run behind walls of its own: slow; for comparison.
     * "auto": the fastest that this machine allows at the required level. */
    const char *engine;
    int n_workers;           /* runs at once; 0: one per core */
    azr_exec_level required; /* fail when the machine cannot give it */
} azr_executor_options;

azr_executor_options azr_executor_default_options(void);

typedef struct azr_executor azr_executor;

/* Starts the warm servers (this program once more, by /proc/self/exe: they share no memory with it)
 * and a thread that talks to them. Fails closed: a layer that `required` asks for and the machine
 * lacks is AZR_ERROR_UNSUPPORTED naming the layer and the reason; no Python likewise. The
 * environment variable AZR_EXECUTOR_DISABLE, a list of seccomp, namespaces, python, takes layers
 * away, for tests: with fewer layers less is reached, never more allowed. */
azr_status azr_executor_create(const azr_executor_options *options, azr_executor **out_executor,
                               azr_error *error);
void azr_executor_destroy(azr_executor *executor);
azr_exec_level azr_executor_level(const azr_executor *executor);
const char *azr_executor_engine(const azr_executor *executor); /* the engine in use, never "auto" */
/* One line for each layer: active or why not. */
azr_status azr_executor_probe(azr_executor *executor, FILE *out, azr_error *error);

/* Queues a job (copied) and returns its ticket at once; runs go on in the background, in other
 * processes, while the caller computes. Replies do not depend on timing or order (a program near a
 * limit aside). */
azr_status azr_executor_submit(azr_executor *executor, const azr_exec_job *job,
                               uint64_t *out_ticket, azr_error *error);
/* Moves replies that are ready; never blocks. Optional: wait does it too. */
void azr_executor_poll(azr_executor *executor);
/* Blocks until the job is done; *out_reply is the caller's (deinit). AZR_ERROR_INTERNAL when the
 * sandbox failed more often than it is retried. Each ticket once. */
azr_status azr_executor_wait(azr_executor *executor, uint64_t ticket, azr_exec_reply *out_reply,
                             azr_error *error);
/* submit and wait. */
azr_status azr_executor_run(azr_executor *executor, const azr_exec_job *job,
                            azr_exec_reply *out_reply, azr_error *error);

#endif
