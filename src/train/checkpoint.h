/* checkpoint.h: a run's state at the end of a step, written whole or not at all. Private to train/.
 *
 * checkpoints/step-000010/ holds model.safetensors, config.json, tokenizer.json (transformers loads
 * the folder as it is), optimizer.safetensors (not at opt_step 0), state.json and, written last,
 * DONE. It is made under the name step-000010.tmp, synced and renamed. */
#ifndef AZR_TRAIN_CHECKPOINT_H
#define AZR_TRAIN_CHECKPOINT_H

#include "azr/model.h"
#include "azr/tokenizer.h"
#include "azr/train.h"

#include "train/trainer.h"

typedef struct azr_checkpoint_state {
    int64_t step, opt_step;
    uint64_t seed;
    uint64_t buffer_hash; /* of the task rows, azr_buffer_hash */
    azr_learn_state learn;
} azr_checkpoint_state;

azr_status azr_checkpoint_save(const char *run, const azr_checkpoint_state *state,
                               const azr_model *model, const azr_tokenizer *tokenizer,
                               const azr_optimizer *optimizer, azr_error *error);
azr_status azr_checkpoint_read_state(const char *folder, azr_checkpoint_state *out_state,
                                     azr_error *error);
/* Removes all but the newest `keep` (1 or more) whole checkpoints, and what was left half made.
 * *out_oldest: the step of the oldest that stays; untouched when there is none. */
azr_status azr_checkpoint_prune(const char *run, int64_t keep, int64_t *out_oldest,
                                azr_error *error);

#endif
