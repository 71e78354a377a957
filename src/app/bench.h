/* bench.h: what the files of azr bench share: options, the measured limit, results. */
#ifndef AZR_APP_BENCH_H
#define AZR_APP_BENCH_H

#include "app/engine.h"

typedef struct bench_options {
    azr_settings settings;
    int64_t n_streams, n_prompt, n_new; /* decode; lengths also of forests */
    int64_t n_sequences, n_tokens;      /* train: without shared beginnings */
    int64_t n_prompts, n_answers;       /* train: a forest; 0: none */
    int64_t n_repeats;
    const char *tasks; /* step: a file of tasks, NULL: built-in ones */
    bool unshared, json;
} bench_options;

/* One kind of matrix of the model, y = x Wᵀ with W [n_out, n_in]. */
typedef struct bench_matrix {
    const char *name;
    int64_t n_out, n_in, n_layers, n_rows; /* n_rows: of the measured product */
    double gflops;
} bench_matrix;

enum { BENCH_MATRICES = 5, BENCH_PARTS = 4, BENCH_RESULTS = 4 };

typedef struct bench_limit {
    bench_matrix matrices[BENCH_MATRICES];
    const char *dtype, *kv_dtype;             /* of products; of keys and values */
    double layer_parameters, head_parameters; /* touched by a token */
    double gflops;                            /* of a token's products, LM head included */
} bench_limit;

/* What was done, and how long it took. */
typedef struct bench_result {
    const char *name;
    double n_tokens, work, seconds; /* work: GFLOP of matrix products in all */
    const char *counted;            /* what of the LM head is in it */
    /* Seconds of its parts, as far as they have names. */
    struct {
        const char *name;
        double seconds;
    } parts[BENCH_PARTS];
} bench_result;

typedef struct bench_results {
    bench_result results[BENCH_RESULTS];
    size_t n;
    double sharing; /* how many times as fast sharing made training; 0: not measured */
    size_t planned_bytes, peak_bytes; /* of training; 0: not measured */
    bool recompute;
    double n_response_tokens; /* of a step; 0: not measured */
} bench_results;

/* Keeps the better figures when measured again. */
azr_status azr_bench__measure_limit(const azr_model_shape *shape, azr_dtype dtype, int repeats,
                                    bench_limit *limit, azr_error *error);
void azr_bench__print_limit(const bench_limit *limit, bool json);
void azr_bench__print_result(const bench_limit *limit, const bench_result *result, bool json);

/* n tokens of the vocabulary, a function of n_vocab and the stream alone. */
void azr_bench__fill_tokens(int64_t n, int64_t n_vocab, uint32_t stream, int32_t *tokens);
/* AZR_ERROR_INTERRUPTED when the user asked to stop. */
azr_status azr_bench__go_on(azr_error *error);

/* A sequence to learn: tokens from n_given on are targets. tokens are borrowed. */
typedef struct bench_sequence {
    const int32_t *tokens;
    size_t n_tokens, n_given;
} bench_sequence;

/* What goes forward and backward together. */
typedef struct bench_pass {
    azr_forest forest;
    azr_target *targets;
    azr_batch batch;
    float *logprobs, *dlogprobs;
} bench_pass;

typedef struct bench_passes {
    bench_pass *passes;
    size_t n;
    double n_tokens, n_head_rows; /* rows of the layers and of the LM head */
} bench_passes;

/* Cuts sequences into passes of at most max_tokens tokens (but at least one sequence each). share:
 * common beginnings of neighbours are computed once. dlogprobs are those of the mean over all
 * targets. */
azr_status azr_bench__passes_create(const bench_sequence *sequences, size_t n, bool share,
                                    float temperature, size_t max_tokens, bench_passes *out_passes,
                                    azr_error *error);
void azr_bench__passes_destroy(bench_passes *passes);
/* Tokens of the largest pass. */
int64_t azr_bench__passes_room(const bench_passes *passes);
/* GFLOP of the matrix products of learning from them. */
double azr_bench__passes_work(const bench_passes *passes, const bench_limit *limit);

/* azr bench exec: the whole command, which knows no model. */
azr_status azr_bench__exec(int argc, char **argv, azr_error *error);

azr_status azr_bench__decode(const bench_options *o, azr_model *model, const bench_limit *limit,
                             bench_results *out, azr_error *error);
azr_status azr_bench__train(const bench_options *o, azr_model *model, const bench_limit *limit,
                            bench_results *out, azr_error *error);

azr_status azr_bench__step(const bench_options *o, const bench_limit *limit, bench_results *out,
                           azr_error *error);
/* Clips, moves the weights by AdamW (moments: m, then v), packs them. */
void azr_bench__update(azr_model *model, float *moments, int64_t opt_step);

#endif
