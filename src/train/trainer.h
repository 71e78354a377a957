/* trainer.h: what the phases of a step share. Private to train/. */
#ifndef AZR_TRAIN_TRAINER_H
#define AZR_TRAIN_TRAINER_H

#include "azr/buffer.h"
#include "azr/config.h"
#include "azr/executor.h"
#include "azr/model.h"
#include "azr/rl.h"
#include "azr/tasks.h"
#include "azr/tokenizer.h"
#include "azr/train.h"

#include "train/answer_counts.h"
#include "train/eval_sets.h"
#include "train/metrics.h"
#include "train/optimizer.h"
#include "train/run_directory.h"

/* What learning remembers from step to step beside weights and moments; kept in checkpoints. */
typedef struct azr_learn_state {
    azr_running running[AZR_N_GROUPS];
    double entropy_coef; /* of the next step */
} azr_learn_state;

/* Tasks to start from, checked, until they are stored. */
typedef struct azr_start_tasks {
    azr_task *tasks;
    size_t n, capacity;
    bool loaded;
} azr_start_tasks;
void azr_start_tasks_deinit(azr_start_tasks *list);

struct azr_trainer {
    azr_config config;
    azr_progress progress;
    azr_run_directory directory;
    azr_executor *executor;
    azr_model *model;
    azr_model *reference; /* frozen; NULL unless kl_coef > 0 */
    azr_tokenizer *tokenizer;
    azr_buffer *buffer;
    const azr_template *template;
    azr_start_tasks start_tasks;
    azr_held_out held_out; /* no task to start from may be one of those */
    azr_exec_limits limits;
    bool kinds[AZR_N_KINDS]; /* which kinds take part */
    azr_optimizer optimizer;
    azr_learn_state learn_state;
    azr_answer_counts inputs, outputs; /* of the tasks stored before this step */
    azr_answer_counts errors;          /* in place of outputs: of the error tasks */
    azr_metrics metrics;
    int64_t step;      /* last finished; -1: not seeded yet */
    int64_t last_kept; /* step of the newest checkpoint, -1: none */
    char *metrics_path;
    int64_t n_tokens;                    /* through the model in this step, for tokens/s */
    int64_t n_runs[AZR_N_EXEC_STATUSES]; /* of programs in this step, by how they ended */
    double verify_seconds; /* of this step in which nothing was done but wait for verdicts */
};

/* Counts a reply's runs in n_runs. */
void azr_train__count_runs(azr_trainer *trainer, const azr_exec_reply *reply);

/* plan.c: whether activations are made again: as the config says, and for auto whether the plan
 * fits only so. */
azr_status azr_train__plan_recompute(const azr_config *config, bool *out_recompute,
                                     azr_error *error);

/* plan.c: tokens of KV cache that the largest rollout takes: every prompt, and all streams at their
 * longest. */
int64_t azr_train__kv_tokens(const azr_config *config);

/* --- evaluate --------------------------------------------------------------------------------- */

/* Are the sets there, and readable? What they hold is held out. */
azr_status azr_train__check_evaluation(const azr_config *config, azr_held_out *out_held,
                                       azr_error *error);
/* Where the finished step is one to evaluate after and was not yet: stores "val/<suite>/..." among
 * its numbers. Changes nothing else. */
azr_status azr_train__evaluate(azr_trainer *trainer, azr_error *error);

/* --- propose ---------------------------------------------------------------------------------- */

/* A proposer's prompt and what it was made from. */
typedef struct azr_proposer_prompt {
    azr_proposal_request request;
    azr_stored_task *shown; /* references, then the program's task */
    size_t n_shown;
    const azr_task **references;
    azr_program_rules rules; /* request.rules */
    azr_part *parts;         /* functions to call, request.parts */
    size_t n_parts;
    char *text;
    int32_t *tokens;
    size_t n_tokens, n_samples;
    uint32_t sequence; /* of the random numbers that it was drawn with */
} azr_proposer_prompt;

/* What a proposal is worth beside its difficulty. The first four are of deduction and abduction,
 * the last two of induction. */
typedef enum azr_intrinsic {
    AZR_INTRINSIC_COMPLEXITY,       /* cognitive complexity / 15 */
    AZR_INTRINSIC_EDIT_DISTANCE,    /* mean distance of syntax trees from the references */
    AZR_INTRINSIC_HALSTEAD,         /* azr_shape_halstead */
    AZR_INTRINSIC_ANSWER_DIVERSITY, /* of what a solver is asked for: input or output */
    AZR_INTRINSIC_INPUT_DIVERSITY,  /* mean over the inputs */
    AZR_INTRINSIC_OUTPUT_DIVERSITY, /* mean over the outputs */
    AZR_N_INTRINSIC,
} azr_intrinsic;

/* One completion of it, and what became of it. */
typedef struct azr_proposal_try {
    size_t prompt;
    const azr_sample *sample;
    azr_proposal proposal;
    uint64_t ticket;
    bool submitted;
    azr_verdict verdict;
    azr_strbuf detail;
    azr_task task;             /* when VALID */
    int64_t cpu_us;            /* of the runs that made it a task */
    azr_refusal refusal;       /* why a valid task is not stored */
    bool has_room;             /* of an admitted task: a solver's prompt of it is not too long */
    azr_commonness commonness; /* of a valid task that the gate looked at */
    size_t n_attempts, n_correct;
    double success;                    /* sum over the attempts, each 0 to 1 */
    double intrinsic[AZR_N_INTRINSIC]; /* of a valid one; only those that are asked for */
    double reward;
    int64_t task_id; /* when stored */
} azr_proposal_try;

/* What to propose: n_proposals[kind] completions. */
typedef struct azr_propose_plan {
    int64_t step;
    size_t n_proposals[AZR_N_KINDS];
    uint32_t first_sequence; /* of the random numbers; distinct for each call of a step */
    const char *label;
} azr_propose_plan;

typedef struct azr_proposals {
    azr_proposer_prompt *prompts;
    size_t n_prompts;
    azr_proposal_try *tries;
    size_t n_tries;
    size_t n_dropped[AZR_N_KINDS]; /* prompts that could not be made short enough */
    azr_rollout rollout;
} azr_proposals;

/* From which stored tasks a proposer's references, programs and given functions are drawn. */
azr_draw_from azr_train__reference_draw(const azr_config *config, int64_t step);
/* Draws references, samples, validates in the sandbox. AZR_ERROR_INTERNAL when the sandbox fails.
 */
azr_status azr_train__propose(azr_trainer *trainer, const azr_propose_plan *plan,
                              azr_proposals *out_proposals, azr_error *error);
void azr_proposals_deinit(azr_proposals *proposals);

/* --- composites: functions that a proposer is given to call ----------------------------------- */

/* The options with that name as they are in a step: they may grow. */
double azr_train__composite_chance(const azr_config *config, int64_t step);
int64_t azr_train__composite_max(const azr_config *config, int64_t step);
/* Draws whether a prompt gives functions, how many, and which; sets its parts. key: purpose aside.
 */
azr_status azr_train__draw_parts(azr_trainer *trainer, const azr_rng_key *key,
                                 azr_proposer_prompt *prompt, azr_error *error);
/* What the intrinsic rewards look at of a program; azr_free. */
char *azr_train__rated_text(const azr_config *config, const char *program);
/* Chance and greatest number of the step, and what became of its composites; nothing when off. */
void azr_train__report_composites(azr_trainer *trainer, int64_t step,
                                  const azr_proposals *proposals);

/* --- admit ------------------------------------------------------------------------------------ */

/* Looks at every valid task: what is refused is not estimated, not learnt from and not stored.
 * AZR_ERROR_INTERNAL when the sandbox fails. */
azr_status azr_train__admit(azr_trainer *trainer, azr_proposals *proposals, azr_error *error);
azr_gate_rules azr_train__gate_rules(const azr_config *config);
/* Refuses, once its difficulty is known, a task that everybody, or nobody, solved. */
void azr_train__judge_success(const azr_config *config, azr_proposal_try *try);
/* A valid task that nothing was found against. */
bool azr_train__admitted(const azr_proposal_try *try);

/* --- solve ------------------------------------------------------------------------------------ */

/* A task to solve n_samples times. */
typedef struct azr_solver_prompt {
    const azr_task *task;
    int64_t task_id;                /* 0: not stored yet */
    const azr_proposal_try *origin; /* this step's proposal that the task is of, or NULL */
    azr_proposal_try *proposed; /* this step's proposal whose difficulty is estimated, or NULL */
    char *text;
    int32_t *tokens;
    size_t n_tokens, n_samples;
} azr_solver_prompt;

typedef struct azr_attempt_try {
    size_t prompt;
    const azr_sample *sample;
    azr_answer answer;
    uint64_t ticket;
    bool submitted;
    azr_verdict verdict;
    azr_strbuf detail;
    double accuracy, success, reward;
} azr_attempt_try;

typedef struct azr_solutions {
    azr_solver_prompt *prompts;
    size_t n_prompts;
    azr_attempt_try *tries;
    size_t n_tries;
    azr_stored_task *drawn; /* tasks from the store */
    size_t n_drawn;
    size_t n_dropped[AZR_N_KINDS]; /* prompts missing from batch_size: no task is short enough */
    azr_rollout rollout;
} azr_solutions;

/* The first of the steps whose prompts are drawn from one state of the store; of a seed's: 0. */
int64_t azr_train__prepared_at(const azr_config *config, int64_t step);
/* Solves this step's valid tasks estimate_samples times each and sets their n_attempts and
 * n_correct; solves batch_size tasks of each kind solver_samples times for training: this step's
 * first (with reuse_estimates their estimates are those answers), the rest drawn from the store. */
azr_status azr_train__solve(azr_trainer *trainer, int64_t step, azr_proposals *proposals,
                            azr_solutions *out_solutions, azr_error *error);
void azr_solutions_deinit(azr_solutions *solutions);
/* What a response of so many tokens pays of its reward, of at most max_tokens. */
double azr_train__length_cost(const azr_config *config, size_t n_tokens, int64_t max_tokens);
/* Whether answers to the prompt are learnt from, or tell only how hard a task is. */
bool azr_train__learns_from(const azr_trainer *trainer, const azr_solver_prompt *prompt);

/* --- intrinsic rewards ------------------------------------------------------------------------ */

/* Whether that value is rewarded or logged for proposals of the kind. */
bool azr_train__has_intrinsic(const azr_config *config, azr_kind kind, azr_intrinsic which);
/* Fills the values of valid proposals that are asked for; the sandbox looks at their programs. */
azr_status azr_train__measure(azr_trainer *trainer, azr_proposals *proposals, azr_error *error);
/* The terms of a proposal's reward; returns how many there are. */
size_t azr_train__terms(const azr_config *config, const azr_proposal_try *try,
                        double terms[AZR_N_INTRINSIC]);
/* Counts the inputs and outputs of all stored tasks. */
azr_status azr_train__count_answers(azr_trainer *trainer, azr_error *error);

/* --- learn ------------------------------------------------------------------------------------ */

/* A sequence to learn from. */
typedef struct azr_episode {
    azr_role role;
    azr_kind kind;
    const int32_t *prompt;
    size_t n_prompt;
    const azr_sample *sample;
    double reward;
    /* Of each response token; owned by azr_train__learn and there only while it runs. */
    float *advantages;
    float *reference_logprobs; /* NULL unless kl_coef > 0 */
    double *returns;           /* NULL unless kl_coef > 0 and kl_place is reward */
} azr_episode;

/* Fills the advantages of every episode: whitened in each group by itself, with the state's
 * running sums (which it moves on) where the config asks for them, times the weight of the role. */
void azr_train__whiten(const azr_config *config, azr_learn_state *state, azr_episode *episodes,
                       size_t n);
/* Of step 1, 2, ...: warm-up, then the schedule. */
double azr_train__learning_rate(const azr_config *config, int64_t step);
/* The coefficient after a step whose tokens had that mean entropy: moved towards what brings
 * entropy_target, within 0 and entropy_coef_max. */
double azr_train__steer_entropy(const azr_config *config, double coef, double entropy);
/* Advantages by group, policy gradient over mini-batches and micro-batches, an optimizer step
 * for each mini-batch; adds metrics. Nothing of the state changes when it fails. */
azr_status azr_train__learn(azr_trainer *trainer, int64_t step, azr_episode *episodes, size_t n,
                            azr_error *error);

/* --- seeding ---------------------------------------------------------------------------------- */

/* The first sequence number of a rollout's random numbers: of that round (triplets, errors), or
 * after that many tries (induction). None comes up twice, within the ranges of the options. */
uint32_t azr_train__seed_sequence(azr_kind kind, int64_t round, int64_t n_tried);
/* Fills an empty store: identity tasks, then config.tasks or proposals of the untrained model. */
azr_status azr_train__seed(azr_trainer *trainer, azr_error *error);
/* Reads config.tasks (JSONL, the folder of a run, or its run.db) and checks every task in the
 * sandbox; rows that do not hold are named and left out. Errors name file and line: what is no task
 * at all, rows of evaluation sets, questions of eval_sets, a file without one good row. */
azr_status azr_train__load_start_tasks(azr_trainer *trainer, azr_error *error);
/* Refuses to go on with a run that started from what it is now to be evaluated on. */
azr_status azr_train__check_stored_start(azr_trainer *trainer, azr_error *error);
/* Stores them, and reads them before if that was not done. */
azr_status azr_train__add_start_tasks(azr_trainer *trainer, azr_error *error);

/* --- storing ---------------------------------------------------------------------------------- */

/* Stores a proposal's task (unless it is there already) and its attempt row. */
azr_status azr_train__store_proposals(azr_trainer *trainer, int64_t step, const char *purpose,
                                      azr_proposals *proposals, azr_error *error);
azr_status azr_train__store_solutions(azr_trainer *trainer, int64_t step,
                                      const azr_solutions *solutions, azr_error *error);

/* Text to tokens, special tokens as plain text; the model's own first token where it has one. */
azr_status azr_train__encode(azr_trainer *trainer, const char *text, int32_t **out_tokens,
                             size_t *out_n, azr_error *error);

#endif
