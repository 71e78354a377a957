/* eval.h: how good is a model? Runs a benchmark's items through it, has the answers judged (by the
 * sandbox where they are programs), keeps every sample with its verdict in a results file, and says
 * the rates with their error bars. Never trains, never changes a model. */
#ifndef AZR_EVAL_H
#define AZR_EVAL_H

#include "azr/executor.h"
#include "azr/model.h"
#include "azr/rl.h"
#include "azr/status.h"
#include "azr/tasks.h"
#include "azr/tokenizer.h"

#include "base/clock.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- what is asked ---------------------------------------------------------------------------- */

/* "cruxeval-o, cruxeval-i, humaneval, ...": for messages and help. */
const char *azr_eval_suite_names(void);

/* All texts are borrowed until azr_eval_open returns. */
typedef struct azr_eval_options {
    const char *suite;
    const char *data;          /* .jsonl or .jsonl.gz of items; for "tasks" also a run.db */
    const char *template;      /* NULL or "": the suite's own */
    const char *task_template; /* in its place where items are asked by a template of tasks */
    int64_t limit;             /* the first so many items; 0: all */
    const char *kind;          /* tasks: only this kind; NULL or "": all */
    int64_t after_step; /* tasks: only rows of later steps, which a checkpoint of that step never
                           saw; -1: all */
    int64_t n_samples;  /* of each item, at least 1 */
    int64_t max_tokens; /* of a completion; 0: the suite's own */
    double temperature; /* 0: greedy */
    double top_p;
    int64_t top_k;
    uint64_t seed;
    const char *const *stops; /* besides the template's own; NULL-terminated, may be NULL */
    const char *model;        /* who answers: kept with the results, told when they are compared */
} azr_eval_options;

/* 1 sample, greedy, everything else as the suite has it. */
azr_eval_options azr_eval_default_options(void);

/* --- an evaluation ---------------------------------------------------------------------------- */

/* The items of a suite, and a results file (SQLite) with what has been sampled and judged. */
typedef struct azr_eval azr_eval;

/* Reads the items and opens or creates the results file; path ":memory:" keeps nothing. A results
 * file of other settings (or of other data) is refused, naming the difference; one of the same is
 * gone on with. Errors name file, line and field. */
azr_status azr_eval_open(const azr_eval_options *options, const char *path, azr_eval **out_eval,
                         azr_error *error);
void azr_eval_close(azr_eval *eval);
size_t azr_eval_n_items(const azr_eval *eval);
/* The task that an item is, its texts as the benchmark writes them; NULL in suites of anything
 * else.
 */
const azr_task *azr_eval_task(const azr_eval *eval, size_t item);
size_t azr_eval_n_missing(const azr_eval *eval); /* samples that are still to be made */
/* Tokens of the longest prompt with its completion, for planning the cache. */
azr_status azr_eval_longest(azr_eval *eval, const azr_tokenizer *tokenizer, size_t *out_n_tokens,
                            azr_error *error);

/* Samples what is missing, the whole set in one rollout, and has it judged: the sandbox works while
 * the model goes on writing. A sample depends on seed, item and index alone, so an evaluation that
 * was killed and goes on ends in the same results. rollout: streams, kv_tokens; the rest is set
 * here. AZR_ERROR_INTERRUPTED on azr_stop_requested; what is finished is kept. */
azr_status azr_eval_generate(azr_eval *eval, azr_model *model, const azr_tokenizer *tokenizer,
                             azr_executor *executor, const azr_rollout_options *rollout,
                             const azr_progress *progress, azr_error *error);
/* Judges given answers instead: one JSON object a line, {"task_id", "solution"} (a whole program,
 * or the answer) or {"task_id", "completion"} (what a model would have written behind the prompt).
 * Several lines of one task_id are its samples in order: as many as n_samples for every item that
 * the file names; items that it does not name are not counted. */
azr_status azr_eval_read_solutions(azr_eval *eval, const char *path, azr_error *error);
/* Judges the benchmark's own answers. AZR_ERROR_UNSUPPORTED where an item has none. */
azr_status azr_eval_take_canonical(azr_eval *eval, azr_error *error);
/* Judges what has no verdict yet. */
azr_status azr_eval_judge(azr_eval *eval, azr_executor *executor, const azr_progress *progress,
                          azr_error *error);

/* --- results ---------------------------------------------------------------------------------- */

typedef enum azr_eval_verdict {
    AZR_EVAL_RIGHT,
    AZR_EVAL_WRONG,
    AZR_EVAL_UNDECIDED, /* a maths answer nobody could decide on: counted apart, never as right */
    AZR_N_EVAL_VERDICTS,
} azr_eval_verdict;
const char *azr_eval_verdict_name(azr_eval_verdict verdict); /* "right", "wrong", "undecided" */

typedef struct azr_interval {
    double low, high; /* 95 % */
} azr_interval;

/* Of the items that have all their samples. */
typedef struct azr_eval_rate {
    int64_t k; /* pass@k: one of k samples is right */
    double rate;
    azr_interval interval; /* one sample an item: Wilson; else bootstrap over items */
} azr_eval_rate;

enum { AZR_EVAL_MAX_RATES = 8 };

typedef struct azr_eval_summary {
    size_t n_items, n_samples;              /* judged items; samples of each */
    size_t n_verdicts[AZR_N_EVAL_VERDICTS]; /* samples */
    size_t n_cut;                           /* samples that ended at max_tokens */
    size_t n_answered;                      /* samples with something that can be an answer */
    size_t n_no_value; /* answers whose run gave no value; of those judged since it was opened */
    size_t n_rates;
    azr_eval_rate rates[AZR_EVAL_MAX_RATES]; /* k = 1, and 5, 10, 25, 50, 100 up to n_samples */
    int64_t n_tokens;                        /* of all completions */
} azr_eval_summary;

void azr_eval_summarize(const azr_eval *eval, azr_eval_summary *out_summary);

/* One line an item and sample, in order: {"id", "sample", "prompt", "completion", "answer",
 * "verdict", "why", ...}. The file is replaced whole. */
azr_status azr_eval_write_jsonl(azr_eval *eval, const char *path, azr_error *error);
/* EvalPlus's form: {"task_id", "solution"}. Only for suites of programs. */
azr_status azr_eval_write_evalplus(azr_eval *eval, const char *path, azr_error *error);
bool azr_eval_has_programs(const azr_eval *eval);
/* Rewrites the finished results file such that equal evaluations are equal files, to the byte. */
azr_status azr_eval_finish(azr_eval *eval, azr_error *error);

/* --- two results files ------------------------------------------------------------------------ */

typedef struct azr_eval_change {
    char *id;
    double a, b; /* share of right samples */
} azr_eval_change;

/* B against A, on the items that both have. */
typedef struct azr_eval_comparison {
    char *name_a, *name_b; /* suite and model */
    size_t n_items;
    double rate_a, rate_b;
    double difference; /* rate_b - rate_a */
    azr_interval interval;
    size_t n_better, n_worse; /* items at which B is right more often, less often */
    double p;                 /* McNemar's exact test, two-sided */
    azr_eval_change *changes;
    size_t n_changes;
} azr_eval_comparison;

/* AZR_ERROR_INPUT when the files are of different suites or have no item in common. */
azr_status azr_eval_compare(const char *path_a, const char *path_b,
                            azr_eval_comparison *out_comparison, azr_error *error);
void azr_eval_comparison_deinit(azr_eval_comparison *comparison);

#endif
