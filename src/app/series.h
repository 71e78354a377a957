/* series.h: the numbers of a run over its steps, from metrics.jsonl. */
#ifndef AZR_APP_SERIES_H
#define AZR_APP_SERIES_H

#include "azr/status.h"

#include "base/strbuf.h"

#include <jansson.h>

typedef struct azr_series {
    json_t *steps; /* a list of objects, one a step, in order */
    size_t n;
} azr_series;

/* Lines of one step become one object. A missing file has no steps; a line that is cut short is
 * left out. */
azr_status azr_series_read(const char *path, azr_series *out_series, azr_error *error);
void azr_series_deinit(azr_series *series);
/* The steps that say a number of that name; deinit it too. */
azr_series azr_series_with(const azr_series *series, const char *name);
/* The number of that name in step i of the list; NaN when it was not said. */
double azr_series_at(const azr_series *series, size_t i, const char *name);
double azr_series_last(const azr_series *series, const char *name);
/* Over all steps that say it. */
double azr_series_sum(const azr_series *series, const char *name);
/* Appends the numbers as at most `width` bars of eight heights, each the mean of its share of the
 * steps since the number is there, from `low` to `high`; low = high: from the least mean to the
 * greatest. A dot where nothing was said. */
void azr_series_bars(const azr_series *series, const char *name, size_t width, double low,
                     double high, azr_strbuf *out);
/* How many bars that is. */
size_t azr_series_n_bars(const azr_series *series, const char *name, size_t width);

#endif
