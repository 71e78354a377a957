#include "train/metrics.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { AZR_METRICS_MAX_BYTES = 1 << 30 };

void azr_metrics_reset(azr_metrics *metrics)
{
    metrics->n = 0;
}

void azr_metrics_deinit(azr_metrics *metrics)
{
    azr_free(metrics->rows);
    *metrics = (azr_metrics){0};
}

void azr_metrics_add(azr_metrics *metrics, double value, const char *name_format, ...)
{
    if (metrics->n == metrics->capacity) {
        metrics->capacity = metrics->capacity > 0 ? 2 * metrics->capacity : 64;
        metrics->rows = azr_realloc(metrics->rows, metrics->capacity, sizeof *metrics->rows);
    }
    azr_metric *row = &metrics->rows[metrics->n++];
    va_list args;
    va_start(args, name_format);
    vsnprintf(row->name, sizeof row->name, name_format, args);
    va_end(args);
    row->value = value;
}

double azr_metrics_get(const azr_metrics *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->n; i++)
        if (strcmp(metrics->rows[i].name, name) == 0)
            return metrics->rows[i].value;
    return NAN;
}

static bool depends_on_time(const char *name)
{
    return strncmp(name, "timing_", 7) == 0 || strncmp(name, "tokens_per_s/", 13) == 0;
}

azr_status azr_metrics_store(const azr_metrics *metrics, azr_buffer *buffer, int64_t step,
                             azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < metrics->n; i++)
        if (!depends_on_time(metrics->rows[i].name))
            status = azr_buffer_add_metric(buffer, step, metrics->rows[i].name,
                                           metrics->rows[i].value, error);
    return status;
}

azr_status azr_metrics_append(const azr_metrics *metrics, const char *path, int64_t step,
                              azr_error *error)
{
    json_t *object = json_object();
    json_object_set_new(object, "step", json_integer(step));
    for (size_t i = 0; i < metrics->n; i++) {
        double value = metrics->rows[i].value;
        json_object_set_new(object, metrics->rows[i].name,
                            isfinite(value) ? json_real(value) : json_null());
    }
    char *text = json_dumps(object, JSON_REAL_PRECISION(9));
    json_decref(object);
    azr_strbuf line = {0};
    azr_strbuf_printf(&line, "%s\n", text);
    free(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    ssize_t n = fd >= 0 ? write(fd, line.data, line.size) : -1;
    azr_status status = AZR_OK;
    if (n != (ssize_t)line.size)
        status = azr_error_set(error, AZR_ERROR_IO, "cannot append to %s: %s", path,
                               n < 0 ? strerror(errno) : "the disk is full");
    if (fd >= 0)
        close(fd);
    azr_strbuf_deinit(&line);
    return status;
}

/* The step that a line of metrics tells of; -1 when it is no such line. */
static int64_t step_of_line(const char *line, size_t size)
{
    json_t *object = json_loadb(line, size, 0, NULL);
    json_t *step = json_object_get(object, "step");
    int64_t value = json_is_integer(step) ? json_integer_value(step) : -1;
    json_decref(object);
    return value;
}

azr_status azr_metrics_cut(const char *path, int64_t step, azr_error *error)
{
    if (!azr_file_exists(path))
        return AZR_OK;
    char *text = NULL;
    size_t size = 0;
    azr_status status = azr_file_read(path, AZR_METRICS_MAX_BYTES, &text, &size, error);
    if (status != AZR_OK)
        return status;
    azr_strbuf kept = {0};
    for (char *line = text, *end; (end = memchr(line, '\n', size - (size_t)(line - text))) != NULL;
         line = end + 1) {
        int64_t at = step_of_line(line, (size_t)(end - line));
        if (at >= 0 && at <= step)
            azr_strbuf_append(&kept, line, (size_t)(end - line) + 1);
    }
    if (kept.size != size)
        status = azr_file_write(path, azr_strbuf_text(&kept), kept.size, error);
    azr_strbuf_deinit(&kept);
    azr_free(text);
    return status;
}
