/* series.c: metrics.jsonl as columns of numbers, and as rows of bars. */
#include "app/series.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { AZR_SERIES_MAX_BYTES = 1 << 28 };

azr_status azr_series_read(const char *path, azr_series *out_series, azr_error *error)
{
    *out_series = (azr_series){.steps = json_array()};
    if (!azr_file_exists(path))
        return AZR_OK;
    char *text = NULL;
    size_t size = 0;
    azr_status status = azr_file_read(path, AZR_SERIES_MAX_BYTES, &text, &size, error);
    for (size_t start = 0; status == AZR_OK && start < size;) {
        const char *line = text + start, *end = memchr(line, '\n', size - start);
        size_t length = end != NULL ? (size_t)(end - line) : size - start;
        start += length + 1;
        json_t *object = json_loadb(line, length, 0, NULL);
        if (json_is_object(object))
            json_array_append(out_series->steps, object);
        json_decref(object);
    }
    out_series->n = json_array_size(out_series->steps);
    azr_free(text);
    return status;
}

void azr_series_deinit(azr_series *series)
{
    json_decref(series->steps);
    *series = (azr_series){0};
}

double azr_series_at(const azr_series *series, size_t i, const char *name)
{
    const json_t *value = json_object_get(json_array_get(series->steps, i), name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

double azr_series_last(const azr_series *series, const char *name)
{
    return series->n > 0 ? azr_series_at(series, series->n - 1, name) : NAN;
}

double azr_series_sum(const azr_series *series, const char *name)
{
    double sum = 0.0;
    for (size_t i = 0; i < series->n; i++) {
        double value = azr_series_at(series, i, name);
        sum += isnan(value) ? 0.0 : value;
    }
    return sum;
}

/* The mean over the steps of cell i of n; NaN when none says it. */
static double cell_mean(const azr_series *series, const char *name, size_t i, size_t n)
{
    double sum = 0.0, n_said = 0.0;
    for (size_t k = i * series->n / n; k < (i + 1) * series->n / n; k++) {
        double value = azr_series_at(series, k, name);
        if (isnan(value))
            continue;
        sum += value;
        n_said += 1.0;
    }
    return n_said > 0.0 ? sum / n_said : NAN;
}

void azr_series_bars(const azr_series *series, const char *name, size_t width, double low,
                     double high, azr_strbuf *out)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    enum { N_BARS = sizeof bars / sizeof *bars };
    size_t n = series->n < width ? series->n : width;
    if (low == high) {
        low = INFINITY;
        high = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            double mean = cell_mean(series, name, i, n);
            low = fmin(low, mean); /* of a number and NaN the number */
            high = fmax(high, mean);
        }
    }
    for (size_t i = 0; i < n; i++) {
        double mean = cell_mean(series, name, i, n);
        if (isnan(mean)) {
            azr_strbuf_puts(out, "·");
            continue;
        }
        double share = high > low ? (mean - low) / (high - low) : 0.0;
        int bar = (int)(share * N_BARS);
        azr_strbuf_puts(out, bars[bar < 0 ? 0 : bar >= N_BARS ? N_BARS - 1 : bar]);
    }
}
