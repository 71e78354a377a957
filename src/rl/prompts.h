/* prompts.h: the prompts of a rollout as a forest in the KV cache: what is computed, who still
 * needs it, what may go. Private to rl/. */
#ifndef AZR_RL_PROMPTS_H
#define AZR_RL_PROMPTS_H

#include "azr/rl.h"

/* A segment of the forest. A sample is at it when its prompt goes through it. */
typedef struct azr_rl__prompt {
    bool is_open;       /* in the cache, or about to be computed */
    int32_t kv_segment; /* -1 until its parent is complete: a segment with children cannot grow */
    int32_t n_done;     /* its first tokens that are computed */
    size_t n_running;   /* samples at it that decode */
    size_t n_waiting;   /* samples at it that are to come */
    size_t n_ending;    /* samples whose prompt ends here and that have no token yet */
    float *state;       /* of its last token, while n_ending > 0 */
} azr_rl__prompt;

typedef struct azr_rl__prompts {
    azr_kv *kv; /* borrowed; set before anything is opened */
    int64_t d_model;
    azr_forest forest;
    azr_rl__prompt *nodes;
    int32_t *end_of; /* [n_requests] node where the prompt ends */
    size_t *order;   /* [n_requests] requests in the forest's order */
    int64_t n_computed_tokens;
} azr_rl__prompts;

/* All samples of all requests wait. */
void azr_rl__prompts_plant(azr_rl__prompts *prompts, int64_t d_model,
                           const azr_rollout_request *requests, size_t n_requests);
void azr_rl__prompts_deinit(azr_rl__prompts *prompts);
/* Pages of n tokens. */
int64_t azr_rl__pages_of(int64_t n_tokens);
/* Pages of the segments from the root to node: all of them, or those not in the cache. */
int64_t azr_rl__prompts_pages(const azr_rl__prompts *prompts, int32_t node, bool missing_only);
/* A waiting sample whose prompt ends at node runs: its segments are wanted. */
void azr_rl__prompts_enter(azr_rl__prompts *prompts, int32_t node);
/* It has ended, or (waits) goes back to the waiting ones. Segments that no sample needs any more
 * are released. */
void azr_rl__prompts_leave(azr_rl__prompts *prompts, int32_t node, bool waits);
/* Releases the segments at which no sample runs. */
void azr_rl__prompts_drop_idle(azr_rl__prompts *prompts);
/* Computes all segments that are wanted; the caller sees to it that pages suffice. */
azr_status azr_rl__prompts_compute(azr_rl__prompts *prompts, azr_error *error);
/* A sample takes its first step: the state [d_model] of its prompt's last token. */
void azr_rl__prompts_take_state(azr_rl__prompts *prompts, int32_t node, float *state);

#endif
