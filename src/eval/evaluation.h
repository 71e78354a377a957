/* evaluation.h: an evaluation under way: items, the state of every sample, the results file.
 * Private to eval/. */
#ifndef AZR_EVAL_EVALUATION_H
#define AZR_EVAL_EVALUATION_H

#include "eval/results.h"
#include "eval/suite.h"

typedef enum azr_eval_state {
    AZR_EVAL_MISSING,
    AZR_EVAL_ANSWERED, /* sampled or given, no verdict yet */
    AZR_EVAL_JUDGED,
} azr_eval_state;

typedef struct azr_eval_sample {
    azr_eval_state state;
    azr_eval_verdict verdict;
    char *completion; /* NULL: the answer was given */
    size_t completion_size;
    char *answer; /* NULL: the completion holds none */
    const char *stop;
    int64_t n_tokens;
    bool submitted;
    bool no_value; /* it was run and gave none */
    uint64_t ticket;
} azr_eval_sample;

struct azr_eval {
    const azr_eval_suite *suite;
    azr_eval_way way;
    int64_t max_tokens;
    size_t n_samples;
    float temperature, top_p;
    int32_t top_k;
    uint64_t seed;
    char **stops; /* the user's, NULL-terminated */
    azr_eval_item *items;
    size_t n_items;
    azr_eval_sample *samples; /* by item, then sample */
    char **prompts;           /* by item: what was, or is to be, asked; NULL: not known yet */
    azr_eval_results results;
};

/* Keeps the sample's row in the results file. why may be NULL. */
azr_status azr_eval__keep(azr_eval *eval, size_t at, const char *why, azr_error *error);
/* Forgets what was sampled and judged, here and in the file. */
azr_status azr_eval__forget(azr_eval *eval, azr_error *error);
void azr_eval__sample_deinit(azr_eval_sample *sample);

#endif
