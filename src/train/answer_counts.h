/* answer_counts.h: how often each input and each output stands among the stored tasks, by type: the
 * more often, the less diverse is another one. Private to train/. */
#ifndef AZR_TRAIN_ANSWER_COUNTS_H
#define AZR_TRAIN_ANSWER_COUNTS_H

#include "azr/buffer.h"

typedef struct azr_answer_entry {
    char *text; /* NULL: free place */
    size_t type;
    int64_t count;
} azr_answer_entry;

typedef struct azr_answer_type {
    char name[24]; /* Python's name; several arguments are a tuple, what is no literal a str */
    int64_t n_distinct, n;
} azr_answer_type;

/* Start from {0}. */
typedef struct azr_answer_counts {
    azr_answer_entry *entries; /* open addressing, a power of two of places */
    size_t n_entries, n_places;
    azr_answer_type *types; /* in order of first sight */
    size_t n_types;
    int64_t n;
} azr_answer_counts;

void azr_answer_counts_add(azr_answer_counts *counts, const char *text);
/* 0 to 1. Flat: 1 less the share of the text among all; hierarchical: the mean of 1 less the share
 * of its type and 1 less its share inside of the type. 1 for what was never seen (hierarchical: of
 * an unseen type). */
double azr_answer_counts_diversity(const azr_answer_counts *counts, bool hierarchical,
                                   const char *text);
void azr_answer_counts_deinit(azr_answer_counts *counts);

#endif
