/* series.c: metrics.jsonl as columns of numbers, and as rows of bars. */
#include "app/series.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { AZR_SERIES_MAX_BYTES = 1 << 28 };

/* A line of the step that the last one was of (an evaluation, a checkpoint) says more of it. */
static void add_line(azr_series *series, json_t *line)
{
    size_t n = json_array_size(series->steps);
    json_t *last = n > 0 ? json_array_get(series->steps, n - 1) : NULL;
    json_t *step = json_object_get(line, "step");
    if (json_is_integer(step) && json_equal(step, json_object_get(last, "step")))
        json_object_update(last, line);
    else
        json_array_append(series->steps, line);
}

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
            add_line(out_series, object);
        json_decref(object);
    }
    out_series->n = json_array_size(out_series->steps);
    azr_free(text);
    return status;
}

azr_series azr_series_with(const azr_series *series, const char *name)
{
    azr_series part = {.steps = json_array()};
    for (size_t i = 0; i < series->n; i++)
        if (!isnan(azr_series_at(series, i, name)))
            json_array_append(part.steps, json_array_get(series->steps, i));
    part.n = json_array_size(part.steps);
    return part;
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

/* The steps that a row of bars is made of. */
typedef struct bar_steps {
    const azr_series *series;
    const char *name;
    size_t first, n;
} bar_steps;

/* From the first step that has the number: step 0 has those of an evaluation alone. */
static bar_steps find_steps(const azr_series *series, const char *name)
{
    size_t first = 0;
    while (first < series->n && json_object_get(json_array_get(series->steps, first), name) == NULL)
        first++;
    return (bar_steps){series, name, first, series->n - first};
}

size_t azr_series_n_bars(const azr_series *series, const char *name, size_t width)
{
    size_t n = find_steps(series, name).n;
    return n < width ? n : width;
}

/* The mean over the steps of cell i of n; NaN when none says it. */
static double cell_mean(const bar_steps *steps, size_t i, size_t n)
{
    double sum = 0.0, n_said = 0.0;
    for (size_t k = i * steps->n / n; k < (i + 1) * steps->n / n; k++) {
        double value = azr_series_at(steps->series, steps->first + k, steps->name);
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
    const bar_steps steps = find_steps(series, name);
    size_t n = azr_series_n_bars(series, name, width);
    if (low == high) {
        low = INFINITY;
        high = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            double mean = cell_mean(&steps, i, n);
            low = fmin(low, mean); /* of a number and NaN the number */
            high = fmax(high, mean);
        }
    }
    for (size_t i = 0; i < n; i++) {
        double mean = cell_mean(&steps, i, n);
        if (isnan(mean)) {
            azr_strbuf_puts(out, "·");
            continue;
        }
        double share = high > low ? (mean - low) / (high - low) : 0.0;
        int bar = (int)(share * N_BARS);
        azr_strbuf_puts(out, bars[bar < 0 ? 0 : bar >= N_BARS ? N_BARS - 1 : bar]);
    }
}
