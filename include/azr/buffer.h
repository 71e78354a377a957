/* buffer.h: the durable store of a run, run.db (SQLite): tasks, attempts, steps, evaluations. The
 * only thing beside the weights that the next step learns from. All rows of a step are written in
 * one transaction; rows carry the step, so that a resumed run can drop what came after its
 * checkpoint. */
#ifndef AZR_BUFFER_H
#define AZR_BUFFER_H

#include "azr/status.h"
#include "azr/tasks.h"

#include "base/rng.h"

#include <stdint.h>

typedef struct azr_buffer azr_buffer;

/* A stored task with what is known of it. */
typedef struct azr_stored_task {
    int64_t id;   /* 1, 2, ... in order of storing, over all kinds */
    int64_t step; /* global step that made it; 0: seed */
    azr_task task;
    double reward;                 /* proposer's */
    int64_t n_attempts, n_correct; /* estimate's solver samples; 0 of 0 for seeds */
    int64_t cpu_us; /* CPU time of the runs that made it a task; for storing, not read back */
} azr_stored_task;

void azr_stored_task_deinit(azr_stored_task *task);

/* Opens or creates; ":memory:" for tests. One writer at a time: a second one is refused, also of
 * another process. Errors name the file; a newer schema, and a database of somebody else, are
 * refused untouched. After a kill at any moment the file holds whole transactions only. */
azr_status azr_buffer_open(const char *path, azr_buffer **out_buffer, azr_error *error);
/* The same, without ever writing (azr info, azr view). */
azr_status azr_buffer_open_read_only(const char *path, azr_buffer **out_buffer, azr_error *error);
void azr_buffer_close(azr_buffer *buffer);

azr_status azr_buffer_begin(azr_buffer *buffer, azr_error *error);
azr_status azr_buffer_commit(azr_buffer *buffer, azr_error *error);
azr_status azr_buffer_rollback(azr_buffer *buffer, azr_error *error);
/* Deletes all rows of steps after `step`: a resumed run starts from what its checkpoint knew, and
 * gives the same ids again. A transaction of its own, or part of the one that is open. */
azr_status azr_buffer_forget_after(azr_buffer *buffer, int64_t step, azr_error *error);

/* Deletes tasks that had left the ring of their kind by the end of `step`, and attempts of steps
 * before first_attempts. Nothing that is drawn, counted, hashed or found changes by it, nor what
 * forget_after(step), or of a later step, leaves. A transaction of its own. */
azr_status azr_buffer_drop_before(azr_buffer *buffer, int64_t step, int64_t first_attempts,
                                  azr_error *error);

/* Stores a task (task->id is set: the greatest id there is, plus one) in the ring of its kind,
 * which holds the newest cap tasks: above that the oldest leaves, and is neither drawn nor found
 * any more (its row stays until drop_before, so that forget_after can bring it back). The cap given
 * with the newest task of a kind is in force. 0: no cap. Without azr_buffer_begin a transaction of
 * its own. */
azr_status azr_buffer_add_task(azr_buffer *buffer, azr_stored_task *task, int64_t cap,
                               azr_error *error);
/* Tasks in the ring of a kind. step -1: of all steps; else of that step only. */
azr_status azr_buffer_count(azr_buffer *buffer, azr_kind kind, int64_t step, int64_t *out_n,
                            azr_error *error);
/* Is the same question in its ring: kind, program but for blanks at line ends and empty lines,
 * inputs, message? */
azr_status azr_buffer_has(azr_buffer *buffer, const azr_task *task, bool *out_has,
                          azr_error *error);
/* --- the gate: which valid tasks are worth storing -------------------------------------------- */

typedef enum azr_refusal {
    AZR_REFUSAL_NONE,
    AZR_REFUSAL_REPEATED,     /* the same question is in its ring, or came before in this batch */
    AZR_REFUSAL_KNOWN,        /* too many with the same normalised program and the same arguments */
    AZR_REFUSAL_COMMON,       /* too many with the same shape of program and types of outputs */
    AZR_REFUSAL_CONSTANT,     /* another input gives the same output */
    AZR_REFUSAL_UNCHANGED,    /* gives back an argument as it is */
    AZR_REFUSAL_ADDS_NOTHING, /* gives back what a function it was given returns */
    AZR_REFUSAL_ALL_RIGHT,    /* all samples solved it */
    AZR_REFUSAL_NONE_RIGHT,   /* no sample solved it */
    AZR_N_REFUSALS
} azr_refusal;
const char *azr_refusal_name(azr_refusal refusal);     /* "repeated", ... */
const char *azr_refusal_sentence(azr_refusal refusal); /* for people */

typedef struct azr_gate_rules {
    bool repeated;          /* refuse what is REPEATED */
    bool novelty;           /* refuse what is KNOWN or COMMON */
    int64_t n_same, n_like; /* so many are too many; 0: never too many */
    int64_t memory;         /* that many of the newest tasks in the ring of a kind count; 0: all */
} azr_gate_rules;

/* How common a task is, whether the rules ask for it or not: the same question, and among the tasks
 * in memory and those the gate let through before. */
typedef struct azr_commonness {
    bool repeated;
    int64_t n_same, n_like;
} azr_commonness;

/* Looks at the tasks of one batch, one after the other; borrows the buffer. */
typedef struct azr_gate azr_gate;
azr_gate *azr_gate_create(azr_buffer *buffer, const azr_gate_rules *rules);
void azr_gate_destroy(azr_gate *gate);
/* Compares the task with the ring of its kind and with what came before; *out_refusal one of NONE,
 * REPEATED, KNOWN, COMMON. What is let through is remembered by the gate, not stored. */
azr_status azr_gate_admit(azr_gate *gate, const azr_task *task, azr_refusal *out_refusal,
                          azr_commonness *out_commonness, azr_error *error);

/* Draws n distinct tasks of a kind uniformly without replacement (all, when fewer are there), in
 * the order drawn, from those that can be drawn; rng positions start at 0. A function of key and
 * stored rows alone. out_tasks: caller's array of n; *out_n how many were filled (deinit each). */
azr_status azr_buffer_draw(azr_buffer *buffer, azr_kind kind, const azr_rng_key *key, size_t n,
                           azr_stored_task *out_tasks, size_t *out_n, azr_error *error);

/* How likely a task comes up, in proportion. */
typedef enum azr_draw_weight {
    AZR_DRAW_EQUAL,
    AZR_DRAW_STEP,          /* its step: seeds never */
    AZR_DRAW_STEP_FROM_ONE, /* its step + 1 */
    AZR_DRAW_SUCCESS, /* 0.1 + 4 a (1 - a), a its stored success rate, 1/2 where nobody tried */
} azr_draw_weight;

typedef struct azr_draw_from {
    int64_t first_step;  /* tasks of this step and later ones */
    int64_t before_step; /* and of earlier steps than this one; 0: however late */
    azr_draw_weight weight;
    bool again; /* what was drawn may come up again */
} azr_draw_from;

/* As azr_buffer_draw, by weight. None when no task has a chance. */
azr_status azr_buffer_draw_from(azr_buffer *buffer, azr_kind kind, const azr_draw_from *from,
                                const azr_rng_key *key, size_t n, azr_stored_task *out_tasks,
                                size_t *out_n, azr_error *error);
/* Draws one program for an induction proposer from deduction and abduction tasks. A program that
 * both have, or one has with many arguments, has one chance: that of its newest row of those. */
azr_status azr_buffer_draw_program(azr_buffer *buffer, const azr_draw_from *from,
                                   const azr_rng_key *key, azr_stored_task *out_task,
                                   bool *out_found, azr_error *error);
/* The same for n programs (all, when fewer are there) that can be parts of others
 * (azr_program_as_part), without replacement. out_tasks: caller's array of n. */
azr_status azr_buffer_draw_parts(azr_buffer *buffer, const azr_draw_from *from,
                                 const azr_rng_key *key, size_t n, azr_stored_task *out_tasks,
                                 size_t *out_n, azr_error *error);

/* One sampled completion with its verdict, for people to read later. */
typedef struct azr_attempt {
    int64_t step;
    azr_role role;
    azr_kind kind;
    int64_t task_id;     /* 0: none (a refused proposal) */
    const char *purpose; /* "seed", "propose", "estimate", "solve" */
    const char *prompt, *completion;
    azr_verdict verdict;
    const char *detail; /* may be NULL */
    double reward;
    int64_t n_tokens;
} azr_attempt;
azr_status azr_buffer_add_attempt(azr_buffer *buffer, const azr_attempt *attempt, azr_error *error);

/* One number of one step: name as in metrics.jsonl. */
azr_status azr_buffer_add_metric(azr_buffer *buffer, int64_t step, const char *name, double value,
                                 azr_error *error);
/* Was a number of this name said of the step? */
azr_status azr_buffer_has_metric(azr_buffer *buffer, int64_t step, const char *name,
                                 bool *out_found, azr_error *error);
/* The newest step that has metrics, 0 when none. */
azr_status azr_buffer_last_step(azr_buffer *buffer, int64_t *out_step, azr_error *error);
/* Shows the tasks in all rings in order of id; see must not use the buffer. */
azr_status azr_buffer_each(azr_buffer *buffer,
                           void (*see)(void *context, const azr_stored_task *row), void *context,
                           azr_error *error);
/* 64-bit FNV-1a hash over the tasks in all rings in order of id: equal tasks, equal hash. */
azr_status azr_buffer_hash(azr_buffer *buffer, uint64_t *out_hash, azr_error *error);

#endif
