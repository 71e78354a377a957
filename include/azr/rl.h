/* rl.h: the stages between the model and the gradient: rollout, reward, advantage, policy loss. One
 * float per token each way: rollout reads a log-probability per response token, policy_loss gives
 * back d(loss)/d(log-probability) per token. No logits, no layers. */
#ifndef AZR_RL_H
#define AZR_RL_H

#include "azr/model.h"
#include "azr/status.h"
#include "azr/tasks.h"
#include "azr/tokenizer.h"

#include "base/clock.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- rollout ---------------------------------------------------------------------------------- */

typedef enum azr_stop { AZR_STOP_EOS, AZR_STOP_LIMIT, AZR_STOP_STRING } azr_stop;
const char *azr_stop_name(azr_stop stop); /* "eos", "limit", "string" */

/* Ask for n_samples completions of one prompt. All borrowed until the rollout is over. */
typedef struct azr_rollout_request {
    const int32_t *tokens;
    size_t n_tokens;          /* at least 1 */
    const char *const *stops; /* NULL-terminated, may be NULL */
    size_t n_samples;
    size_t max_tokens; /* of a response */
    float temperature, top_p;
    int32_t top_k;
    azr_rng_key key; /* sample i uses sequence key.sequence + i; position = token index */
} azr_rollout_request;

/* A completion. Owned by the rollout. */
typedef struct azr_sample {
    size_t request, index;
    int32_t *tokens; /* every sampled token, the one that completed the stop included */
    float *logprobs; /* of each token, at the rollout's temperature */
    float *entropies;
    size_t n_tokens;
    char *text; /* decoded, cut before the stop string and without special tokens */
    size_t text_size;
    azr_stop stop;
    const char *end; /* the stop string (the request's); "" with EOS, NULL with LIMIT */
} azr_sample;

typedef struct azr_rollout {
    azr_sample *samples; /* by request, then index */
    size_t n_samples;
    int64_t n_prompt_tokens, n_computed_prompt_tokens; /* as given, and after sharing prefixes */
    int64_t n_response_tokens;
    int64_t n_recomputed_tokens; /* of responses: what a full cache made compute again */
    double seconds;
} azr_rollout;

typedef struct azr_rollout_options {
    int64_t streams;   /* sequences decoded together at most */
    int64_t kv_tokens; /* of cache; 0: as many as can be needed. Too small a cache makes sequences
                          wait and some be computed again, never fail, as long as the longest one
                          fits */
    /* Called as soon as a sample is finished, while others still decode (may be NULL). */
    void (*on_finish)(void *context, const azr_sample *sample);
    void *context;
    const azr_progress *progress; /* a line now and then: label, how far, tokens/s */
    const char *label;
} azr_rollout_options;

/* Generates everything asked for. Prompts that begin alike are computed once. Samples do not depend
 * on scheduling, streams, kv_tokens or threads, to the bit. AZR_ERROR_INTERRUPTED on
 * azr_stop_requested. */
azr_status azr_rollout_run(azr_model *model, const azr_tokenizer *tokenizer,
                           const azr_rollout_request *requests, size_t n_requests,
                           const azr_rollout_options *options, azr_rollout *out_rollout,
                           azr_error *error);
void azr_rollout_deinit(azr_rollout *rollout);

/* Token sequences (prompt + response) to a batch of segments that shares common beginnings: the
 * same forest for rollout and training. */
typedef struct azr_forest {
    azr_segment *segments;
    size_t n_segments;
    /* Where token t of sequence s lies: walk with azr_forest_find. */
    struct azr_forest_path *paths;
    size_t n_sequences;
    int64_t n_tokens; /* after sharing */
} azr_forest;

typedef struct azr_sequence {
    const int32_t *tokens;
    size_t n_tokens;
} azr_sequence;

/* tokens are borrowed. Equal beginnings become shared segments; the order of sequences is kept. */
void azr_forest_build(const azr_sequence *sequences, size_t n, azr_forest *out_forest);
azr_target azr_forest_find(const azr_forest *forest, size_t sequence, size_t index);
void azr_forest_deinit(azr_forest *forest);

/* A prompt's tokens, in the model's chat format where the template is for chat; azr_free. Special
 * tokens in the text are text. */
azr_status azr_template_encode(const azr_template *template, const azr_tokenizer *tokenizer,
                               const char *text, size_t size, int32_t **out_tokens, size_t *out_n,
                               azr_error *error);
/* Whether the tokenizer gives every prompt of the template back byte by byte: a vocabulary that
 * lacks a byte would train on other text than it was asked with. AZR_ERROR_INPUT names the model.
 */
azr_status azr_template_check(const azr_template *template, const azr_tokenizer *tokenizer,
                              const char *model, azr_error *error);

/* --- reward (paper eq. 4 to 6; reference code's decision tables) ------------------------------ */

/* How much a task teaches, from the solver's mean success a on it. */
typedef enum azr_learnability {
    AZR_LEARNABILITY_ONE_MINUS, /* 1 - a, 0 where nobody solves it */
    AZR_LEARNABILITY_INVERSE,   /* 1 - a, also where nobody solves it */
    AZR_LEARNABILITY_VARIANCE,  /* 4 a (1 - a): most where half of the answers are right */
} azr_learnability;

double azr_learnability_of(azr_learnability form, double success_rate);

/* How further terms join learnability L. */
typedef enum azr_combine {
    AZR_COMBINE_SUM,          /* L + sum of terms */
    AZR_COMBINE_MULTIPLY,     /* L x product of terms */
    AZR_COMBINE_SUM_MULTIPLY, /* L + product of terms */
    AZR_COMBINE_MULTIPLY_SUM, /* L x sum of terms */
} azr_combine;

typedef struct azr_proposer_rules {
    azr_learnability learnability;
    double zero_reward; /* of a valid task without learnability: -0.5 in the reference code, 0 in
                           the paper */
    azr_combine combine;
} azr_proposer_rules;

/* Invalid or badly formed: -1. No learnability: zero_reward. Else learnability with the terms,
 * which may be none. */
double azr_reward_proposer(const azr_proposer_rules *rules, bool valid, double success_rate,
                           const double *terms, size_t n_terms);
/* A further term: coef x value, at most max. */
double azr_reward_term(double coef, double value, double max);

/* 0 to 1: Python's difflib ratio of two texts of bytes. Time grows with n_a x n_b / 100 and memory
 * with n_b. */
double azr_text_similarity(const char *a, size_t n_a, const char *b, size_t n_b);

/* What a program that is right on a share of the pairs is worth. */
typedef enum azr_induction_reward {
    AZR_INDUCTION_REWARD_BINARY,         /* right on all of them, or wrong */
    AZR_INDUCTION_REWARD_ACCURACY,       /* the share; wrong when it is 0 */
    AZR_INDUCTION_REWARD_IF_ONE_CORRECT, /* right on one of them is right */
} azr_induction_reward;

/* 0 to 1: what the answer counts for when a task's success rate is estimated. accuracy: of
 * azr_answer_judge. */
double azr_solver_success(azr_kind kind, azr_verdict verdict, double accuracy,
                          azr_induction_reward form);
/* success above 0: that much; well formed and wrong -0.5; badly formed -1. */
double azr_reward_solver(azr_verdict verdict, double success);

/* --- advantage: TRR++ (paper eq. 8) ----------------------------------------------------------- */

enum { AZR_N_GROUPS = AZR_N_KINDS * AZR_N_ROLES };
size_t azr_group(azr_role role, azr_kind kind); /* 0 .. AZR_N_GROUPS - 1 */

/* Whitens the rewards of ONE group. n sequences with reward and length in tokens; token form:
 * mean and variance weighted by length, variance times M / (M - 1) with M the sum of lengths;
 * sequence form: over sequences, with n / (n - 1). advantages[i] = (r - mean) / sqrt(var + 1e-8),
 * the same for each token of the sequence. All rewards equal, or fewer than 2: exactly 0. */
void azr_advantage_whiten(bool by_token, size_t n, const double *rewards, const size_t *lengths,
                          double *advantages);

/* Sums of a group over past steps, each step's weighing decay times the next one's. */
typedef struct azr_running {
    double weight, sum, squares; /* of weights, weight x reward, weight x reward squared */
} azr_running;

/* Adds a step's rewards to the sums of its group. */
void azr_running_add(azr_running *running, bool by_token, double decay, size_t n,
                     const double *rewards, const size_t *lengths);
/* As azr_advantage_whiten, with mean and variance of the sums: a small group has a baseline even
 * when its own rewards are all equal. All rewards ever seen equal: exactly 0. */
void azr_running_whiten(const azr_running *running, size_t n, const double *rewards,
                        double *advantages);

/* --- policy loss ------------------------------------------------------------------------------ */

/* Of d = logprob - reference logprob, estimators of the divergence from a frozen reference
 * (Schulman, "Approximating KL divergence", 2020). Their means: K1 and K3 the divergence itself;
 * ABS and K2 grow with it. d is kept within +-20. */
typedef enum azr_kl_estimator {
    AZR_KL_K1,  /* d */
    AZR_KL_ABS, /* |d| */
    AZR_KL_K2,  /* d^2 / 2 */
    AZR_KL_K3,  /* exp(-d) - 1 + d */
} azr_kl_estimator;

/* *out_slope (may be NULL): its derivative by logprob. */
double azr_kl_estimate(azr_kl_estimator estimator, double logprob, double reference_logprob,
                       double *out_slope);

typedef struct azr_policy_loss {
    double clip_low, clip_high; /* 0.2, 0.2 */
    double dual_clip; /* 0: off; > 1: the loss of a token with A < 0 ends at -A times it */
    double entropy_coef;
    double kl_coef; /* 0: off; > 0: reference_logprobs are needed */
    azr_kl_estimator kl_estimator;
} azr_policy_loss;

/* Response tokens, all arrays [n]. */
typedef struct azr_policy_tokens {
    size_t n;
    const float *logprobs, *old_logprobs, *entropies, *advantages;
    const float *reference_logprobs; /* may be NULL when kl_coef is 0 */
    const float *weights;            /* of each token in the means; over one optimizer step: 1 */
} azr_policy_tokens;

/* Weighted sums: add micro-batches up. */
typedef struct azr_policy_stats {
    double loss, pg_loss, entropy, kl;
    double ratio_clipped; /* weight of tokens whose ratio was clipped */
    double dual_clipped;  /* weight of tokens at which the dual clip ended the loss */
    double old_kl;        /* old_logprob - logprob: how far the updates of this step have gone */
    double mismatch;      /* max |logprob - old_logprob| */
} azr_policy_stats;

/* L = sum over tokens of weight x (pg - entropy_coef x entropy + kl_coef x kl), with
 * pg = max(-A ratio, -A clip(ratio, 1 - clip_low, 1 + clip_high)) and, for A < 0 and dual_clip c,
 * min(that, -A c); ratio = exp(logprob - old_logprob). (PPO: Schulman et al. 2017, arXiv
 * 1707.06347; dual clip: Ye et al. 2020, arXiv 1912.09729.) Fills dlogprobs and dentropies [n]
 * ("="), adds to *stats. */
void azr_policy_loss_backward(const azr_policy_loss *loss, const azr_policy_tokens *tokens,
                              float *dlogprobs, float *dentropies, azr_policy_stats *stats);

#endif
