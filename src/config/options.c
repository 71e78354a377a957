/* options.c: the one table of options. Adding an option is a field in azr_config and a row here. */
#include "config/option.h"

#include "base/check.h"

/* The largest integer that a double holds exactly with all below it: ranges are kept as doubles. */
#define LARGEST 9007199254740991.0

#define FIELD(name) #name, .offset = offsetof(azr_config, name)
#define INTEGER(name, default_, min_, max_, unit_, help_)                                 \
    {                                                                                     \
        FIELD(name), .kind = AZR_OPTION_IS_INTEGER, .initial = (default_), .min = (min_), \
                     .max = (max_), .unit = (unit_), .help = (help_)                      \
    }
#define NUMBER(name, default_, min_, max_, unit_, help_)                                 \
    {                                                                                    \
        FIELD(name), .kind = AZR_OPTION_IS_NUMBER, .initial = (default_), .min = (min_), \
                     .max = (max_), .unit = (unit_), .help = (help_)                     \
    }
#define CHOICE(name, default_, help_, ...)                                 \
    {                                                                      \
        FIELD(name), .kind = AZR_OPTION_IS_CHOICE, .initial = (default_),  \
                     .choices = {__VA_ARGS__}, .unit = "", .help = (help_) \
    }
#define SWITCH(name, default_, help_)                                                 \
    {                                                                                 \
        FIELD(name), .kind = AZR_OPTION_IS_SWITCH, .initial = (default_), .unit = "", \
                     .help = (help_)                                                  \
    }
#define TEXT(name, default_, help_)                                                 \
    {                                                                               \
        FIELD(name), .kind = AZR_OPTION_IS_TEXT, .initial = (default_), .unit = "", \
                     .help = (help_)                                                \
    }

const azr_config_option azr_config__options[] = {
    /* what runs, and where */
    TEXT(model, "", "folder or file of the model to start from; required"),
    TEXT(run, "", "folder of the run; empty: runs/<date>-<time>"),
    INTEGER(seed, "1", 0, LARGEST, "", "of everything that is drawn; same seed, same run"),
    INTEGER(threads, "0", 0, 1024, "threads", "0: one for each core"),
    CHOICE(dtype, "auto", "what matrix products multiply in; auto: bf16 where the CPU has it",
           "auto", "f32", "bf16"),
    CHOICE(kv_dtype, "f16", "what keys and values are rounded to, in rollout and training alike",
           "f16", "f32"),
    INTEGER(memory_limit_mb, "0", 0, 1e9, "MB", "refuse a plan above this; 0: what is free"),

    /* tasks */
    TEXT(template, "transcript", "how the model is asked: transcript, azr or chat"),
    {FIELD(kinds), .kind = AZR_OPTION_IS_LIST, .initial = "deduction,abduction,induction",
     .unit = "", .help = "kinds of task, a list: these, and error (what does a call raise?)"},
    {FIELD(error_banned), .kind = AZR_OPTION_IS_LIST, .initial = "raise", .unit = "",
     .help = "keywords that programs of error tasks may not use, of raise, assert, try, except"},
    TEXT(tasks, "",
         "tasks to start from: JSONL, or the folder of a run; empty: the model makes its own"),
    INTEGER(total_steps, "100", 0, 1e9, "steps",
            "training ends after this many; 0: make the first tasks and stop"),
    INTEGER(batch_size, "16", 1, 32768, "prompts", "of each role and kind in a step"),
    INTEGER(seed_tasks, "64", 1, 1e6, "tasks", "triplets to make before step 1"),
    INTEGER(seed_rounds, "20", 1, 4096, "rounds",
            "rollouts after which seeding makes do with what is there"),
    NUMBER(composite_chance, "0", 0, 1, "",
           "share of proposer prompts that give stored functions f has to call; not induction's"),
    INTEGER(composite_start_step, "1", 1, 1e9, "steps", "first that has such prompts"),
    INTEGER(composite_min, "1", 1, 16, "functions", "that such a prompt gives at least"),
    INTEGER(composite_max, "1", 1, 16, "functions", "that such a prompt gives at most"),
    INTEGER(composite_max_from, "1", 1, 1e9, "steps", "from which composite_max grows"),
    INTEGER(composite_max_every, "0", 0, 1e9, "steps",
            "after which composite_max grows by one, again and again; 0: it stays"),
    INTEGER(composite_max_last, "3", 1, 16, "functions", "up to which composite_max grows"),
    INTEGER(composite_chance_from, "1", 1, 1e9, "steps", "from which composite_chance grows"),
    INTEGER(composite_chance_every, "0", 0, 1e9, "steps",
            "after which composite_chance grows, again and again; 0: it stays"),
    NUMBER(composite_chance_by, "0.01", 0, 1, "", "what composite_chance grows by"),
    NUMBER(composite_chance_last, "0.8", 0, 1, "", "up to which composite_chance grows"),
    SWITCH(composite_own_code, "true",
           "rate the complexity and distance of what was written alone, without given functions"),
    CHOICE(
        entry_function, "f",
        "which function of a proposal is called f: the one that is; the first or the last at the "
        "margin; or those where none is",
        "f", "first", "last", "f_or_first", "f_or_last"),
    CHOICE(remove_comments, "never",
           "take comments, docstrings and empty lines out of proposed programs", "never", "seeds",
           "always"),
    CHOICE(remove_globals, "never",
           "leave only imports, functions and classes at the margin of proposed programs", "never",
           "seeds", "always"),
    CHOICE(remove_prints, "never", "take calls of print out of proposed programs", "never", "seeds",
           "always"),
    CHOICE(program_block, "first",
           "which of a proposal's programs is meant, where the template reads blocks and there are "
           "several",
           "first", "last"),
    SWITCH(allow_constructors, "false",
           "arguments may be calls of constructors too, as set() or Counter('abc'): proposers' and "
           "those of abduction's answers"),
    SWITCH(reject_several_functions, "false",
           "refuse a proposed program with more than one def, methods counted"),
    SWITCH(
        reject_tests, "false",
        "refuse a proposed program that looks as if it tested itself: asserts, calls of f at the "
        "margin, names like expected, comments on tests and examples"),
    {FIELD(banned_imports), .kind = AZR_OPTION_IS_LIST, .initial = "", .unit = "",
     .help = "names that imports of proposed programs may not have; the sandbox has a list of what "
             "they may import besides"},
    INTEGER(references, "6", 0, 64, "tasks", "stored tasks shown to a proposer (K)"),
    CHOICE(reference_sampling, "uniform",
           "all stored tasks alike, or in proportion to their step plus one", "uniform", "step"),
    CHOICE(
        solver_mix, "new",
        "tasks to learn from: this step's first (new); those of the last steps first (max_new), or "
        "for one half (half_new); all alike (uniform); in proportion to their step (step); the "
        "rest uniformly",
        "new", "max_new", "half_new", "uniform", "step"),
    INTEGER(window, "1", 0, 1e9, "steps", "back that max_new and half_new take for new"),
    INTEGER(prepare_every, "1", 1, 1e9, "steps",
            "whose prompts show, and ask, what the store held before the first of them"),
    SWITCH(curriculum, "false",
           "stored tasks that some answers got right and some wrong come up more often"),
    INTEGER(pretrain_pred_steps, "0", 0, 1e9, "steps", "at the start that only learn to solve"),
    INTEGER(estimate_samples, "8", 1, 256, "samples",
            "answers from which a new task's success rate is estimated (G)"),
    SWITCH(reuse_estimates, "false",
           "learn from those answers too, in place of further ones to the same tasks"),
    INTEGER(solver_samples, "1", 1, 256, "samples",
            "answers to each task that is learnt from and not estimated"),
    INTEGER(proposals_per_prompt, "1", 1, 256, "proposals",
            "that share one prompt and its references"),
    INTEGER(induction_inputs, "6", 2, 32, "inputs",
            "of an induction task: half given, half hidden (N)"),
    INTEGER(buffer_cap, "16384", 0, 1e9, "tasks",
            "of each kind in the store, the oldest go first; 0: no limit"),
    INTEGER(keep_attempts, "0", 0, 1e9, "steps",
            "whose attempts stay in run.db, the newest; 0: all"),

    /* the gate: which valid tasks are estimated, learnt from and stored */
    SWITCH(refuse_repeated, "false",
           "refuse a task that is stored already or was proposed before in the same step"),
    SWITCH(novelty, "false", "refuse a task that is common among those stored"),
    INTEGER(novelty_same, "1", 0, 1e9, "tasks",
            "with the same program, layout and comments aside, and the same arguments are too "
            "many; 0: never"),
    INTEGER(novelty_like, "4", 0, 1e9, "tasks",
            "with the same program, names and constants aside too, and the same types of outputs "
            "are too many; 0: never"),
    INTEGER(novelty_memory, "4096", 0, 1e9, "tasks",
            "of each kind, the newest, that these are counted among; 0: all in the store"),
    SWITCH(interest, "false",
           "refuse a task that gives the same for other inputs, gives back an argument, only calls "
           "a function it was given, or is solved by every sample"),
    CHOICE(task_filter, "all",
           "what is stored: all; not what every sample solved; nor what none did", "all", "non_one",
           "non_extremes"),
    NUMBER(refused_reward, "-0.5", -1, 1, "",
           "proposer's reward for a valid task that is refused before it is tried"),

    /* rollout */
    INTEGER(max_prompt_tokens, "1024", 16, 1e6, "tokens", "longest prompt"),
    INTEGER(max_response_tokens, "128", 1, 1e6, "tokens", "longest response of any kind"),
    INTEGER(max_answer_tokens, "64", 1, 1e6, "tokens",
            "longest answer of a deduction or abduction solver"),
    NUMBER(temperature, "1.0", 0.01, 100, "", "logits are divided by it"),
    NUMBER(top_p, "1.0", 0.01, 1, "", "share of probability that is drawn from; 1: all"),
    INTEGER(top_k, "0", 0, 1e6, "tokens", "likeliest tokens that are drawn from; 0: all"),
    INTEGER(streams, "64", 1, 4096, "sequences", "decoded together at most"),
    INTEGER(kv_tokens, "0", 0, 1e9, "tokens",
            "of key-value cache; 0: as many as one rollout can need"),

    /* learning */
    SWITCH(train_propose, "true",
           "learn from proposals too; false: propose, but learn to solve only"),
    CHOICE(advantage, "token", "TRR++ whitens rewards over tokens or over sequences", "token",
           "sequence"),
    CHOICE(
        learnability, "one_minus",
        "proposer's reward from the success rate a: 1 - a but 0 at a = 0; 1 - a always; 4a(1 - a)",
        "one_minus", "inverse", "variance"),
    CHOICE(induction_reward, "binary",
           "right on all pairs; the share of right ones; or right when one of them is", "binary",
           "accuracy", "if_one_correct"),
    CHOICE(induction_check, "hidden", "pairs that a program is judged on", "hidden", "all"),
    NUMBER(complexity_coef, "0", 0, 100, "", "weight of a program's cognitive complexity / 15"),
    NUMBER(complexity_max, "0.5", 0, 100, "", "most that this term gives"),
    NUMBER(edit_distance_coef, "0", 0, 100, "",
           "weight of its syntax tree's mean distance from the references'"),
    NUMBER(edit_distance_max, "0.5", 0, 100, "", "most that this term gives"),
    NUMBER(halstead_coef, "0", 0, 100, "", "weight of Halstead's and McCabe's measures"),
    NUMBER(halstead_max, "0.5", 0, 100, "", "most that this term gives"),
    NUMBER(answer_diversity_coef, "0", 0, 100, "",
           "weight of how rare the answer is: output of deduction, input of abduction"),
    NUMBER(answer_diversity_max, "0.5", 0, 100, "", "most that this term gives"),
    NUMBER(input_diversity_coef, "0", 0, 100, "",
           "weight of how rare the inputs of an induction task are"),
    NUMBER(input_diversity_max, "0.5", 0, 100, "", "most that this term gives"),
    NUMBER(output_diversity_coef, "0", 0, 100, "",
           "weight of how rare the outputs of an induction task are"),
    NUMBER(output_diversity_max, "0.5", 0, 100, "", "most that this term gives"),
    CHOICE(answer_diversity_form, "flat",
           "rare among all; or by the mean of its type's rarity and its own inside of the type",
           "flat", "hierarchical"),
    CHOICE(intrinsic_combine, "sum",
           "learnability L with these terms: L + sum; L x product; L + product; L x sum", "sum",
           "multiply", "sum_multiply", "multiply_sum"),
    SWITCH(intrinsic_metrics, "false", "measure all of these, rewarded or not"),
    NUMBER(length_cost, "0", 0, 10, "",
           "reward lost by a response of the full length, in proportion by a shorter one"),
    NUMBER(propose_zero_reward, "-0.5", -1, 1, "",
           "proposer's reward when nobody or everybody solves its task"),
    NUMBER(learning_rate, "1e-6", 0, 1, "", "of AdamW"),
    NUMBER(weight_decay, "0.01", 0, 1, "", "of AdamW, decoupled"),
    NUMBER(adam_beta1, "0.9", 0, 0.999999, "", "decay of the first moment"),
    NUMBER(adam_beta2, "0.999", 0, 0.999999, "", "decay of the second moment"),
    NUMBER(adam_eps, "1e-8", 1e-30, 1, "", "added to the root of the second moment"),
    NUMBER(grad_clip, "1.0", 0, 1e6, "", "largest global gradient norm; 0: no limit"),
    CHOICE(learning_rate_schedule, "constant", "how the learning rate falls after the warm-up",
           "constant", "linear", "cosine"),
    INTEGER(warmup_steps, "0", 0, 1e9, "steps", "over which the learning rate rises from 0"),
    INTEGER(decay_steps, "0", 0, 1e9, "steps",
            "at which linear and cosine have come down; warm-up counted"),
    NUMBER(learning_rate_min, "0", 0, 1, "", "share of learning_rate that linear and cosine leave"),
    INTEGER(epochs, "1", 1, 100, "epochs", "of a step's sequences"),
    INTEGER(mini_batches, "1", 1, 10000, "updates", "of the weights in an epoch"),
    NUMBER(clip_low, "0.2", 0, 1, "", "ratios below 1 - this are clipped"),
    NUMBER(clip_high, "0.2", 0, 100, "", "ratios above 1 + this are clipped"),
    NUMBER(dual_clip, "0", 0, 1000, "",
           "ratio at which the loss of a bad token ends, above 1; 0: nowhere"),
    CHOICE(loss_mean, "token",
           "over all tokens; over the means of sequences; or over the means of micro-batches",
           "token", "sequence", "micro_batch"),
    NUMBER(proposer_weight, "1", 0, 1000, "", "of the proposer's advantages"),
    NUMBER(solver_weight, "1", 0, 1000, "", "of the solver's advantages"),
    NUMBER(running_decay, "0", 0, 0.9999, "",
           "small groups are whitened over past steps too, each weighing this times the next; "
           "0: off"),
    INTEGER(running_below, "16", 1, 1e9, "sequences", "a group with fewer is small"),
    NUMBER(entropy_coef, "0.001", 0, 10, "", "weight of the entropy bonus, at the start"),
    NUMBER(entropy_target, "0", 0, 100, "nats",
           "a token's mean entropy that entropy_coef is steered to; 0: entropy_coef stays"),
    NUMBER(entropy_rate, "0.001", 0, 10, "",
           "what entropy_coef changes by in a step for each nat that is lacking"),
    NUMBER(entropy_coef_max, "0.1", 0, 10, "", "how far entropy_coef is steered"),
    NUMBER(kl_coef, "0", 0, 100, "",
           "weight of the distance from a frozen model, which takes memory; 0: off"),
    CHOICE(kl_place, "loss", "where that distance counts", "loss", "reward"),
    CHOICE(kl_estimator, "k3", "how it is measured on one token", "k1", "abs", "k2", "k3"),
    TEXT(reference_model, "", "folder or file of the frozen model; empty: model"),
    INTEGER(micro_batch_tokens, "2048", 16, 1e8, "tokens", "that go forward and backward together"),
    CHOICE(recompute, "auto",
           "keep each layer's input only and make the rest again for backward: less memory, "
           "a quarter slower, the same bits; auto: where memory is short",
           "auto", "false", "true"),

    /* the run */
    INTEGER(checkpoint_every, "10", 1, 1e9, "steps", "between checkpoints"),
    INTEGER(keep_checkpoints, "2", 1, 1e6, "checkpoints", "the newest that stay on disk"),
    INTEGER(eval_every, "0", 0, 1e9, "steps", "between evaluations, one before the first; 0: off"),
    {FIELD(eval_sets), .kind = AZR_OPTION_IS_LIST, .initial = "", .unit = "",
     .help = "what to evaluate on, a list of suite=file: cruxeval-o=crux.jsonl"},
    INTEGER(eval_limit, "64", 0, 1e9, "items", "the first of each set; 0: all"),
    INTEGER(eval_max_tokens, "0", 0, 1e6, "tokens", "of a completion; 0: as the suite needs"),

    /* the sandbox */
    INTEGER(exec_workers, "0", 0, 1024, "processes", "programs run at once; 0: one for each core"),
    INTEGER(exec_cpu_ms, "1000", 10, 600000, "ms", "CPU time of one run of a program"),
    INTEGER(exec_wall_ms, "5000", 10, 600000, "ms", "wall time of one run of a program"),
    INTEGER(exec_memory_mb, "256", 16, 65536, "MB", "memory of one run of a program"),
    INTEGER(exec_result_bytes, "2000", 16, 1 << 20, "bytes", "longest result of a program"),
    {FIELD(exec_engine), .kind = AZR_OPTION_IS_TEXT, .initial = "auto",
     .choices = {"auto", "recycle", "fork", "spawn"}, .unit = "",
     .help = "how a run gets a clean interpreter; auto: the fastest that works here"},
    {FIELD(exec_require), .kind = AZR_OPTION_IS_TEXT, .initial = "seccomp",
     .choices = {"limits", "seccomp", "namespaces"}, .unit = "",
     .help = "weakest protection that is accepted; the strongest there is gets used"},
};

const size_t azr_config__n_options = AZR_COUNT(azr_config__options);
