/* analysis.h: what programs look like, found out in the sandbox: their complexity by three measures
 * and their syntax tree as text. Private to train/. */
#ifndef AZR_TRAIN_ANALYSIS_H
#define AZR_TRAIN_ANALYSIS_H

#include "azr/executor.h"
#include "azr/rl.h"

/* Of one program; all 0 and no tree when it does not parse or was too much for the sandbox. */
typedef struct azr_program_shape {
    char *program;         /* owned */
    double cognitive;      /* cognitive complexity, sum over functions */
    double cyclomatic;     /* McCabe's number of the function that has most */
    double effort, volume; /* Halstead's, of the whole program */
    char *tree;            /* indented JSON of the syntax tree, cut at AZR_ANALYSIS_TREE_BYTES;
                              owned, may be NULL */
    size_t tree_bytes;
} azr_program_shape;

enum { AZR_ANALYSIS_TREE_BYTES = 32768 };

/* Programs analysed so far, each once. Start from {0}. */
typedef struct azr_analysis {
    azr_program_shape *shapes; /* sorted by program */
    size_t n, capacity;
} azr_analysis;

/* Analyses the n programs that are not known yet; duplicates are fine. AZR_ERROR_INTERNAL when the
 * sandbox fails. */
azr_status azr_analysis_run(azr_analysis *analysis, azr_executor *executor,
                            const char *const *programs, size_t n, azr_error *error);
/* NULL when the program was not given to azr_analysis_run. */
const azr_program_shape *azr_analysis_find(const azr_analysis *analysis, const char *program);
void azr_analysis_deinit(azr_analysis *analysis);

/* 0 to 1: how far apart two syntax trees are, 1 less difflib's ratio of their texts; 0 when one has
 * no tree. */
double azr_shape_distance(const azr_program_shape *a, const azr_program_shape *b);
/* 0 to 1, three digits: half Halstead's effort (of 10000), three tenths McCabe's number (of 10),
 * two tenths Halstead's volume (of 500), as the reference implementation mixes them. */
double azr_shape_halstead(const azr_program_shape *shape);

#endif
