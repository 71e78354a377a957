/* recycle_training.h: innocent programs that show a new image which of its pages runs write to. */
#ifndef AZR_EXECUTOR_RECYCLE_TRAINING_H
#define AZR_EXECUTOR_RECYCLE_TRAINING_H

#include <stddef.h>

/* Each defines f(). NULL behind the last. */
extern const char *const azr_exec__training[];

#endif
