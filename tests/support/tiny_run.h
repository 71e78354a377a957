/* tiny_run.h: training runs of a tiny made-up model through the real program. The model's
 * vocabulary has whole proposals and answers as tokens, so that chance alone makes valid tasks,
 * right answers and wrong ones. */
#ifndef AZR_TEST_TINY_RUN_H
#define AZR_TEST_TINY_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct tiny_run {
    char folder[64];  /* holds model/, config.yaml and the runs */
    unsigned seconds; /* that a run may take; 600 */
} tiny_run;

/* A new folder below TMPDIR with a model and a configuration. */
void tiny_run_create(tiny_run *tiny);
/* The same with further tokens, as JSON writes texts; NULL at the end. */
void tiny_run_create_with(tiny_run *tiny, const char *const *more_pieces);
void tiny_run_remove(tiny_run *tiny);
/* "<folder>/<name>", free with azr_free. */
char *tiny_run_path(const tiny_run *tiny, const char *name);
/* Starts azr train on the run called name; sets: up to 24 assignments, NULL at the end, may be
 * NULL.
 */
pid_t tiny_run_start(const tiny_run *tiny, const char *name, bool resume, const char *const *sets);
/* Waits for it; 0 when it succeeded. What it printed lies in <folder>/log. */
int tiny_run_wait(pid_t pid);
/* Both; fails the test with what was printed unless it succeeds. */
void tiny_run_train(const tiny_run *tiny, const char *name, bool resume, const char *const *sets);
/* Both; fails the test unless it exits with 1 and prints part. */
void tiny_run_refused(const tiny_run *tiny, const char *name, bool resume, const char *const *sets,
                      const char *part);
/* Fails the test unless both runs' checkpoints of the step are the same bytes: model, optimizer,
 * tokenizer and state, which has the hash of the task rows; and their metrics but for times. */
void tiny_run_equal(const tiny_run *tiny, const char *a, const char *b, int64_t step);
/* The first column of the first row that the query gives on the run's run.db; fails the test when
 * there is none. */
double tiny_run_query(const tiny_run *tiny, const char *name, const char *sql);
/* A number of a step from run.db, NaN when it was not said. */
double tiny_run_metric(const tiny_run *tiny, const char *name, int64_t step, const char *metric);

#endif
