/* train.h: the loop: seed, then propose, solve, learn, store, step after step. */
#ifndef AZR_TRAIN_H
#define AZR_TRAIN_H

#include "azr/config.h"
#include "azr/status.h"

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct azr_trainer azr_trainer;

/* What memory a run needs, printed as a table before anything is allocated. Refuses with
 * AZR_ERROR_MEMORY when it does not fit into memory_limit_mb or what is free. */
azr_status azr_train_plan(const azr_config *config, FILE *out, azr_error *error);

/* Opens a run: resume false: the run directory must not exist yet (or be empty); true: it must, and
 * the newest whole checkpoint is loaded, rows and metric lines after it dropped. Starts the
 * executor first, then the model. Never writes over another run. */
azr_status azr_trainer_create(const azr_config *config, bool resume, const azr_progress *progress,
                              azr_trainer **out_trainer, azr_error *error);
void azr_trainer_destroy(azr_trainer *trainer);
/* Seeds (when the store is empty) and trains up to config.total_steps, checkpointing on the way, at
 * the end and when the user asks to stop (then AZR_ERROR_INTERRUPTED after the checkpoint is
 * whole). */
azr_status azr_trainer_run(azr_trainer *trainer, azr_error *error);
const char *azr_trainer_directory(const azr_trainer *trainer);

/* The newest folder checkpoints/step-* of a run that has its DONE; free with azr_free; NULL with
 * *error when there is none. *out_step: its step. */
char *azr_checkpoint_newest(const char *run, int64_t *out_step, azr_error *error);

#endif
