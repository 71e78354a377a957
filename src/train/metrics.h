/* metrics.h: the numbers of one step, in the order they were said. Private to train/. */
#ifndef AZR_TRAIN_METRICS_H
#define AZR_TRAIN_METRICS_H

#include "azr/buffer.h"
#include "azr/status.h"

typedef struct azr_metric {
    char name[96];
    double value;
} azr_metric;

typedef struct azr_metrics {
    azr_metric *rows;
    size_t n, capacity;
} azr_metrics;

void azr_metrics_reset(azr_metrics *metrics);
void azr_metrics_deinit(azr_metrics *metrics);
/* Says a number; a name is formatted. */
void azr_metrics_add(azr_metrics *metrics, double value, const char *name_format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value said under that name, or NaN. */
double azr_metrics_get(const azr_metrics *metrics, const char *name);
/* All rows of a step into run.db. Names that begin with "timing_" or "tokens_per_s/" are left out:
 * rows of equal runs are equal. */
azr_status azr_metrics_store(const azr_metrics *metrics, azr_buffer *buffer, int64_t step,
                             azr_error *error);
/* Appends one JSON line {"step": ..., "name": value, ...} to a file. */
azr_status azr_metrics_append(const azr_metrics *metrics, const char *path, int64_t step,
                              azr_error *error);
/* Keeps the whole lines of steps up to `step`; a missing file is fine. */
azr_status azr_metrics_cut(const char *path, int64_t step, azr_error *error);

#endif
