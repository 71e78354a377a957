/* optimizer.h: AdamW over the model's one block of weights, with clipping by global norm. Private
 * to train/. */
#ifndef AZR_TRAIN_OPTIMIZER_H
#define AZR_TRAIN_OPTIMIZER_H

#include "azr/config.h"
#include "azr/model.h"

typedef struct azr_optimizer {
    float *m, *v;     /* moments, laid out as the model's weights */
    int64_t opt_step; /* updates made so far */
} azr_optimizer;

azr_status azr_optimizer_init(azr_optimizer *optimizer, const azr_model *model, azr_error *error);
void azr_optimizer_deinit(azr_optimizer *optimizer);
/* One update from the model's gradients, which are 0 afterwards; refreshes the model. learning_rate
 * stands in for config's, which is its peak. The gradient
 * is scaled by grad_clip / (norm + 1e-6) when its norm is greater (torch's clip_grad_norm_). A norm
 * that is not finite is AZR_ERROR_NUMERIC naming the first tensor; nothing is changed then. */
azr_status azr_optimizer_update(azr_optimizer *optimizer, azr_model *model,
                                const azr_config *config, double learning_rate,
                                double *out_grad_norm, azr_error *error);
/* optimizer.safetensors in the folder: "m.<parameter>" and "v.<parameter>", f32. */
azr_status azr_optimizer_save(const azr_optimizer *optimizer, const azr_model *model,
                              const char *folder, azr_error *error);
azr_status azr_optimizer_load(azr_optimizer *optimizer, const azr_model *model, const char *folder,
                              azr_error *error);

#endif
