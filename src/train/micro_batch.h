/* micro_batch.h: from episodes to rows of tokens, and from rows to what goes forward and backward
 * together. Private to train/. */
#ifndef AZR_TRAIN_MICRO_BATCH_H
#define AZR_TRAIN_MICRO_BATCH_H

#include "train/trainer.h"

/* An episode's prompt and response in one. */
typedef struct azr_row {
    azr_sequence sequence;
    int32_t *tokens;
    azr_episode *episode;
} azr_row;

/* n rows, sorted by tokens so that equal beginnings lie side by side. */
azr_row *azr_rows_create(azr_episode *const *episodes, size_t n);
void azr_rows_destroy(azr_row *rows, size_t n);
/* How many rows from `first` on go together without passing max_tokens: at least one. */
size_t azr_rows_together(const azr_row *rows, size_t n, size_t first, size_t max_tokens);
/* Response tokens of n rows. */
size_t azr_rows_count_targets(const azr_row *rows, size_t n);

/* Rows as one forest, and an array element for each of their response tokens, row after row. */
typedef struct azr_micro_batch {
    azr_forest forest;
    azr_batch batch;
    azr_target *targets;
    float *logprobs, *entropies, *dlogprobs, *dentropies; /* room for the model's answers */
} azr_micro_batch;

void azr_micro_batch_init(azr_micro_batch *m, const azr_row *rows, size_t n, float temperature);
void azr_micro_batch_deinit(azr_micro_batch *m);

#endif
