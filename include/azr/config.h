/* config.h: every option of azr, in one table: name, type, range, default, unit, help. A key of the
 * YAML file, an argument of --set and a field of azr_config are the same thing. */
#ifndef AZR_CONFIG_H
#define AZR_CONFIG_H

#include "azr/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum azr_config_dtype {
    AZR_CONFIG_DTYPE_AUTO,
    AZR_CONFIG_DTYPE_F32,
    AZR_CONFIG_DTYPE_BF16
} azr_config_dtype; /* same order as azr_dtype */
typedef enum azr_config_kv_dtype {
    AZR_CONFIG_KV_F16,
    AZR_CONFIG_KV_F32
} azr_config_kv_dtype; /* same order as azr_kv_dtype */
typedef enum azr_recompute {
    AZR_RECOMPUTE_AUTO,
    AZR_RECOMPUTE_FALSE,
    AZR_RECOMPUTE_TRUE
} azr_recompute;
typedef enum azr_advantage { AZR_ADVANTAGE_TOKEN, AZR_ADVANTAGE_SEQUENCE } azr_advantage;
typedef enum azr_loss_mean {
    AZR_LOSS_MEAN_TOKEN,
    AZR_LOSS_MEAN_SEQUENCE,
    AZR_LOSS_MEAN_MICRO_BATCH
} azr_loss_mean;
typedef enum azr_config_kl {
    AZR_CONFIG_KL_K1,
    AZR_CONFIG_KL_ABS,
    AZR_CONFIG_KL_K2,
    AZR_CONFIG_KL_K3
} azr_config_kl; /* same order as azr_kl_estimator */
typedef enum azr_kl_place { AZR_KL_IN_LOSS, AZR_KL_IN_REWARD } azr_kl_place;
typedef enum azr_schedule {
    AZR_SCHEDULE_CONSTANT,
    AZR_SCHEDULE_LINEAR,
    AZR_SCHEDULE_COSINE
} azr_schedule;

typedef enum azr_reference_sampling {
    AZR_REFERENCE_SAMPLING_UNIFORM,
    AZR_REFERENCE_SAMPLING_STEP
} azr_reference_sampling;
typedef enum azr_solver_mix {
    AZR_SOLVER_MIX_NEW,
    AZR_SOLVER_MIX_MAX_NEW,
    AZR_SOLVER_MIX_HALF_NEW,
    AZR_SOLVER_MIX_UNIFORM,
    AZR_SOLVER_MIX_STEP
} azr_solver_mix;

typedef enum azr_clean_up {
    AZR_CLEAN_UP_NEVER,
    AZR_CLEAN_UP_SEEDS,
    AZR_CLEAN_UP_ALWAYS
} azr_clean_up;
typedef enum azr_entry_function {
    AZR_ENTRY_FUNCTION_F,
    AZR_ENTRY_FUNCTION_FIRST,
    AZR_ENTRY_FUNCTION_LAST,
    AZR_ENTRY_FUNCTION_F_OR_FIRST,
    AZR_ENTRY_FUNCTION_F_OR_LAST
} azr_entry_function; /* same order as azr_function_choice */

typedef enum azr_program_block {
    AZR_PROGRAM_BLOCK_FIRST,
    AZR_PROGRAM_BLOCK_LAST
} azr_program_block;

typedef enum azr_task_filter {
    AZR_TASK_FILTER_ALL,
    AZR_TASK_FILTER_NON_ONE,
    AZR_TASK_FILTER_NON_EXTREMES
} azr_task_filter;

typedef enum azr_config_learnability {
    AZR_CONFIG_LEARNABILITY_ONE_MINUS,
    AZR_CONFIG_LEARNABILITY_INVERSE,
    AZR_CONFIG_LEARNABILITY_VARIANCE
} azr_config_learnability; /* same order as azr_learnability */
typedef enum azr_config_induction_reward {
    AZR_CONFIG_INDUCTION_REWARD_BINARY,
    AZR_CONFIG_INDUCTION_REWARD_ACCURACY,
    AZR_CONFIG_INDUCTION_REWARD_IF_ONE_CORRECT
} azr_config_induction_reward; /* same order as azr_induction_reward */
typedef enum azr_induction_check {
    AZR_INDUCTION_CHECK_HIDDEN,
    AZR_INDUCTION_CHECK_ALL
} azr_induction_check;
typedef enum azr_config_combine {
    AZR_CONFIG_COMBINE_SUM,
    AZR_CONFIG_COMBINE_MULTIPLY,
    AZR_CONFIG_COMBINE_SUM_MULTIPLY,
    AZR_CONFIG_COMBINE_MULTIPLY_SUM
} azr_config_combine; /* same order as azr_combine */
typedef enum azr_diversity { AZR_DIVERSITY_FLAT, AZR_DIVERSITY_HIERARCHICAL } azr_diversity;

/* Texts are owned by the config. The comment gives the default. Fields stand in the order of the
 * table of options; there is one config in a process. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
typedef struct azr_config {
    char *model;                  /* folder or file; required */
    char *tasks;                  /* JSONL of tasks to start from, "" = the model makes its own */
    char *run;                    /* run directory, "" = runs/<date>-<time> */
    int64_t seed;                 /* 1 */
    int64_t threads;              /* 0 = one per core */
    azr_config_dtype dtype;       /* auto */
    azr_config_kv_dtype kv_dtype; /* f16 */
    char *template;               /* "transcript" */
    char *kinds;                  /* "deduction,abduction,induction"; error is the fourth */
    char *error_banned;           /* "raise": keywords that programs of error tasks may not use */
    int64_t total_steps;          /* 100 */
    int64_t batch_size;           /* 16: prompts of each role and kind */
    int64_t seed_tasks;           /* 64: triplets to make before step 1; the induction store gets
                                          as many tries */
    int64_t seed_rounds; /* 20: rollout rounds after which seeding makes do with what is there */
    double composite_chance;      /* 0 = off: of a proposer prompt that gives functions to call */
    int64_t composite_start_step; /* 1 */
    int64_t composite_min, composite_max; /* 1 1: functions that it gives */
    int64_t composite_max_from, composite_max_every, composite_max_last; /* 1 0 = off 3 */
    int64_t composite_chance_from, composite_chance_every;               /* 1 0 = off */
    double composite_chance_by, composite_chance_last;                   /* 0.01 0.8 */
    bool composite_own_code;           /* true: given functions are left out of intrinsic rewards */
    int64_t references;                /* 6 (K) */
    azr_entry_function entry_function; /* f */
    azr_clean_up remove_comments, remove_globals, remove_prints; /* never */
    azr_program_block program_block;                             /* first */
    bool allow_constructors;                                     /* false */
    bool reject_several_functions, reject_tests;                 /* false false */
    char *banned_imports;                      /* "": words that no import of a proposal may have */
    azr_reference_sampling reference_sampling; /* uniform */
    azr_solver_mix solver_mix;                 /* new */
    int64_t window;                            /* 1: steps that max_new and half_new call new */
    int64_t prepare_every;        /* 1: steps whose prompts are drawn from one state of the store */
    bool curriculum;              /* false: stored tasks of middling success come up more often */
    int64_t pretrain_pred_steps;  /* 0: first steps in which nothing is proposed */
    int64_t estimate_samples;     /* 8 (G) */
    bool reuse_estimates;         /* false: estimates are learnt from, as answers to their tasks */
    int64_t solver_samples;       /* 1: answers to each other task that is learnt from */
    int64_t proposals_per_prompt; /* 1 */
    int64_t induction_inputs;     /* 6 (N): half given, half hidden */
    int64_t max_prompt_tokens;    /* 1024 */
    int64_t max_response_tokens;  /* 128: any response */
    int64_t max_answer_tokens;    /* 64: solver's answer in deduction and abduction */
    double temperature;           /* 1.0 */
    double top_p;                 /* 1.0 */
    int64_t top_k;                /* 0 = off */
    bool train_propose;           /* true: proposals are learnt from */
    azr_advantage advantage;      /* token */
    azr_config_learnability learnability;         /* one_minus */
    azr_config_induction_reward induction_reward; /* binary */
    azr_induction_check induction_check;          /* hidden */
    double length_cost;                           /* 0 */
    double complexity_coef, complexity_max;       /* 0 0.5 */
    double edit_distance_coef, edit_distance_max;
    double halstead_coef, halstead_max;
    double answer_diversity_coef, answer_diversity_max;
    double input_diversity_coef, input_diversity_max;
    double output_diversity_coef, output_diversity_max;
    azr_diversity answer_diversity_form;  /* flat */
    azr_config_combine intrinsic_combine; /* sum */
    bool intrinsic_metrics;               /* false: logged though not rewarded */
    bool refuse_repeated;                 /* false: repeats of stored tasks and inside a batch */
    bool novelty;                         /* false: what is common already is refused */
    int64_t novelty_same;                 /* 1: equal but for writing; 0 = never too many */
    int64_t novelty_like;        /* 4: equal but for names and constants; 0 = never too many */
    int64_t novelty_memory;      /* 4096 newest tasks of a kind; 0 = all in the ring */
    bool interest;               /* false: tasks that ignore or return their input, or that all
                                    solve, are refused */
    azr_task_filter task_filter; /* all */
    double refused_reward;       /* -0.5: proposer's reward for a task refused at the gate */
    double propose_zero_reward;  /* -0.5: proposer's reward when nobody or everybody solves */
    double learning_rate;        /* 1e-6 */
    double weight_decay;         /* 0.01 */
    double adam_beta1, adam_beta2, adam_eps; /* 0.9 0.999 1e-8 */
    double grad_clip;                        /* 1.0 */
    azr_schedule learning_rate_schedule;     /* constant */
    int64_t warmup_steps;                    /* 0 */
    int64_t decay_steps;                     /* 0; needed by linear and cosine */
    double learning_rate_min;                /* 0: share of learning_rate that is left */
    int64_t epochs, mini_batches;            /* 1 1: updates a step are their product */
    double clip_low, clip_high, dual_clip;   /* 0.2 0.2 0 = off */
    azr_loss_mean loss_mean;                 /* token */
    double proposer_weight, solver_weight;   /* 1 1: of the advantages of a role */
    double running_decay;                    /* 0 = off: whitening over past steps too */
    int64_t running_below;                   /* 16: for groups of fewer sequences than that */
    double entropy_coef;                     /* 0.001 */
    double entropy_target;                   /* 0 = off: nats that entropy_coef is steered to */
    double entropy_rate;                     /* 0.001: change of the coefficient per nat and step */
    double entropy_coef_max;                 /* 0.1 */
    double kl_coef;                          /* 0 = off: of the distance from a frozen model */
    azr_kl_place kl_place;                   /* loss */
    azr_config_kl kl_estimator;              /* k3 */
    char *reference_model;                   /* "" = model */
    int64_t checkpoint_every;                /* 10 steps */
    int64_t keep_checkpoints;                /* 2 */
    int64_t eval_every;                      /* 0 = off */
    char *eval_sets;                         /* "": "suite=file,suite=file" */
    int64_t eval_limit, eval_max_tokens;     /* 64 items of each; 0 = the suite's own */
    int64_t buffer_cap;                      /* 16384 tasks of each kind; the oldest go first */
    int64_t keep_attempts;                   /* 0 = all: steps whose attempts stay in run.db */
    int64_t streams;                         /* 64: sequences decoded together */
    int64_t kv_tokens;          /* 0 = as many as one rollout can need; tokens of KV cache */
    int64_t micro_batch_tokens; /* 2048: tokens that go forward and backward together */
    azr_recompute recompute;    /* auto */
    int64_t memory_limit_mb;    /* 0 = what is free */
    int64_t exec_workers;       /* 0 = one per core */
    int64_t exec_cpu_ms, exec_wall_ms, exec_memory_mb, exec_result_bytes; /* 1000 5000 256 2000 */
    char *exec_engine;  /* "auto": auto | fork | spawn */
    char *exec_require; /* "seccomp": limits | seccomp | namespaces */
} azr_config;

/* All defaults. */
void azr_config_init(azr_config *config);
void azr_config_deinit(azr_config *config);
/* A config with texts of its own; to is uninitialised before. */
void azr_config_copy(azr_config *to, const azr_config *from);
/* Reads a YAML file (a flat map) over what is there. Errors: file, line, key; an unknown key names
 * the nearest known one; a value out of range names the range. */
azr_status azr_config_load(azr_config *config, const char *path, azr_error *error);
/* "key=value", as after --set. */
azr_status azr_config_set(azr_config *config, const char *assignment, azr_error *error);
/* What no single option can see: model given, kinds known, seed_tasks >= 1 ... */
azr_status azr_config_validate(const azr_config *config, azr_error *error);
/* The whole config as YAML with a comment on each line; azr_config_load reads it back. Caller frees
 * with azr_free. */
char *azr_config_print(const azr_config *config);
/* The table for --help: name, default, range, unit, what it does. */
void azr_config_help(FILE *out);

#endif
