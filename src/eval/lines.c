/* lines.c: reads benchmark files, plain or gzipped, and finds fields in a line of JSON. */
#include "eval/lines.h"

#include "base/memory.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

azr_status azr_eval__read_file(const char *path, char **out_text, size_t *out_size,
                               azr_error *error)
{
    enum { CHUNK = 1 << 16 };
    *out_text = NULL;
    gzFile file = gzopen(path, "rb");
    if (file == NULL)
        return azr_error_set(error, AZR_ERROR_IO, "cannot open %s: %s", path, strerror(errno));
    azr_status status = AZR_OK;
    azr_strbuf text = {0};
    char *chunk = azr_alloc(CHUNK, 1);
    int n = 0;
    errno = 0;
    while ((n = gzread(file, chunk, CHUNK)) > 0) {
        azr_strbuf_append(&text, chunk, (size_t)n);
        if (text.size > AZR_EVAL_MAX_FILE_BYTES) {
            status = azr_error_set(error, AZR_ERROR_LIMIT, "%s: holds more than %d MiB", path,
                                   AZR_EVAL_MAX_FILE_BYTES >> 20);
            break;
        }
    }
    int code = Z_OK;
    const char *why = gzerror(file, &code);
    if (status == AZR_OK && (n < 0 || code != Z_OK))
        status =
            code == Z_ERRNO
                ? azr_error_set(error, AZR_ERROR_IO, "cannot read %s: %s", path, strerror(errno))
                : azr_error_set(error, AZR_ERROR_INPUT, "%s: is cut or damaged: %s", path, why);
    gzclose(file);
    azr_free(chunk);
    *out_size = text.size;
    if (status == AZR_OK && text.size == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s: is empty", path);
    if (status == AZR_OK)
        *out_text = azr_strbuf_steal(&text);
    azr_strbuf_deinit(&text);
    return status;
}

int azr_eval__next_line(azr_eval_cursor *cursor, azr_eval_line *line)
{
    while (cursor->at < cursor->size) {
        const char *start = cursor->text + cursor->at;
        const char *end = memchr(start, '\n', cursor->size - cursor->at);
        size_t size = end != NULL ? (size_t)(end - start) : cursor->size - cursor->at;
        cursor->at += size + (end != NULL);
        line->number++;
        line->text = start;
        line->size = size;
        for (size_t i = 0; i < size; i++)
            if (strchr(" \t\r", start[i]) == NULL || start[i] == '\0')
                return 1;
    }
    return 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

static size_t skip_blanks(const char *text, size_t size, size_t at)
{
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
        at++;
    return at;
}

/* Behind the string that begins at `at`; size when it has no end. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < size ? at + 1 : size;
}

/* Behind the value that begins at `at`: up to the comma or bracket that ends it. */
static size_t skip_value(const char *text, size_t size, size_t at)
{
    size_t depth = 0;
    while (at < size) {
        char c = text[at];
        if (c == '"') {
            at = skip_string(text, size, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return at;
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        at++;
    }
    return size;
}

const char *azr_eval__field(const azr_eval_line *line, const char *name, size_t *out_size)
{
    const char *text = line->text;
    size_t size = line->size, n_name = strlen(name);
    size_t at = skip_blanks(text, size, 0);
    if (at == size || text[at] != '{')
        return NULL;
    for (at++;;) {
        size_t key = skip_blanks(text, size, at);
        if (key == size || text[key] != '"')
            return NULL;
        size_t colon = skip_string(text, size, key), end_key = colon;
        colon = skip_blanks(text, size, colon);
        if (colon == size || text[colon] != ':')
            return NULL;
        size_t value = skip_blanks(text, size, colon + 1);
        size_t end = skip_value(text, size, value);
        if (end == size)
            return NULL;
        if (end_key - key == n_name + 2 && memcmp(text + key + 1, name, n_name) == 0) {
            *out_size = end - value;
            return text + value;
        }
        if (text[end] != ',')
            return NULL;
        at = end + 1;
    }
}

azr_status azr_eval__text_field(const azr_eval_line *line, const char *name, char **out_text,
                                azr_error *error)
{
    size_t size = 0;
    const char *raw = azr_eval__field(line, name, &size);
    *out_text = NULL;
    json_error_t why;
    json_t *value = raw != NULL ? json_loadb(raw, size, JSON_DECODE_ANY, &why) : NULL;
    if (json_is_string(value))
        *out_text = azr_copy_text(json_string_value(value), json_string_length(value));
    json_decref(value);
    if (*out_text == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s, line %zu: its field %s %s", line->path,
                             line->number, name, raw == NULL ? "is missing" : "is no text");
    return AZR_OK;
}

azr_status azr_eval__either_field(const azr_eval_line *line, const char *name, const char *other,
                                  char **out_text, azr_error *error)
{
    size_t size = 0;
    bool has =
        azr_eval__field(line, name, &size) != NULL || azr_eval__field(line, other, &size) == NULL;
    return azr_eval__text_field(line, has ? name : other, out_text, error);
}

void azr_eval__python_text(const char *text, size_t size, azr_strbuf *out)
{
    azr_strbuf_puts(out, "'");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\'' || c == '\\')
            azr_strbuf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            azr_strbuf_printf(out, "\\x%02x", c);
        else
            azr_strbuf_append(out, text + i, 1);
    }
    azr_strbuf_puts(out, "'");
}
