/* run_directory.h: the folder of a run: who may use it, and what is kept in it. Private to train/.
 */
#ifndef AZR_TRAIN_RUN_DIRECTORY_H
#define AZR_TRAIN_RUN_DIRECTORY_H

#include "azr/config.h"
#include "azr/status.h"

#include <stdbool.h>

typedef struct azr_run_directory {
    char *path;
    int lock; /* descriptor of the locked file, -1: none */
} azr_run_directory;

/* New run: makes config.run (or runs/<date>-<time> when it is "") and stores config.yaml; the
 * folder may not hold anything yet. resume: config.yaml must be there and agree with config in
 * every option that shapes results. Locks the folder against other trainers. */
azr_status azr_run_directory_open(const azr_config *config, bool resume,
                                  azr_run_directory *out_directory, azr_error *error);
void azr_run_directory_close(azr_run_directory *directory);

#endif
