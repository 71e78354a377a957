/* yaml.c: reads a config file: YAML, a flat map of scalars (and lists of words), by libyaml's
 * events, so that every error can say its line. */
#include "azr/config.h"

#include "config/option.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <string.h>
#include <yaml.h>

enum { AZR_CONFIG_MAX_BYTES = 1 << 20 };

typedef struct reader {
    azr_config *config;
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    const char *path;
    azr_error *error;
    bool *seen; /* by option: a key that stands twice is an error */
} reader;

static size_t line_of(const reader *r)
{
    return r->event.start_mark.line + 1;
}

static azr_status refuse(reader *r, const char *what)
{
    return azr_error_set(r->error, AZR_ERROR_INPUT, "%s:%zu: %s", r->path, line_of(r), what);
}

static azr_status next_event(reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        size_t line = r->parser.problem_mark.line + 1;
        return azr_error_set(r->error, AZR_ERROR_INPUT, "%s:%zu: no YAML: %s", r->path, line,
                             r->parser.problem != NULL ? r->parser.problem : "unreadable");
    }
    r->have_event = true;
    return AZR_OK;
}

/* The event is the start of a list: joins its scalars with commas, stops at its end. */
static azr_status read_list(reader *r, azr_strbuf *out)
{
    for (;;) {
        azr_status status = next_event(r);
        if (status != AZR_OK)
            return status;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return AZR_OK;
        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, "a list may hold words only");
        if (out->size > 0)
            azr_strbuf_puts(out, ",");
        azr_strbuf_append(out, (const char *)r->event.data.scalar.value,
                          r->event.data.scalar.length);
    }
}

/* The event is the value of `option`. */
static azr_status read_value(reader *r, const azr_config_option *option)
{
    size_t line = line_of(r);
    azr_strbuf text = {0};
    azr_status status = AZR_OK;
    if (r->event.type == YAML_SCALAR_EVENT)
        azr_strbuf_append(&text, (const char *)r->event.data.scalar.value,
                          r->event.data.scalar.length);
    else if (r->event.type == YAML_SEQUENCE_START_EVENT && option->kind == AZR_OPTION_IS_LIST)
        status = read_list(r, &text);
    else
        status = azr_error_set(r->error, AZR_ERROR_INPUT, "%s:%zu: %s must be a single value",
                               r->path, line, option->name);
    if (status == AZR_OK) {
        status = azr_config__assign(r->config, option, azr_strbuf_text(&text), text.size, r->error);
        if (status != AZR_OK)
            azr_error_prefix(r->error, "%s:%zu", r->path, line);
    }
    azr_strbuf_deinit(&text);
    return status;
}

/* The event is a key. */
static azr_status read_entry(reader *r)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, "a key must be a single word");
    const azr_config_option *option =
        azr_config__find((const char *)r->event.data.scalar.value, r->error);
    if (option == NULL)
        return azr_error_prefix(r->error, "%s:%zu", r->path, line_of(r));
    bool *seen = &r->seen[option - azr_config__options];
    if (*seen)
        return azr_error_set(r->error, AZR_ERROR_INPUT, "%s:%zu: key %s stands twice", r->path,
                             line_of(r), option->name);
    *seen = true;
    azr_status status = next_event(r);
    return status == AZR_OK ? read_value(r, option) : status;
}

/* stream = [ document = map ]. An empty file leaves everything as it is. */
static azr_status read_stream(reader *r)
{
    azr_status status = next_event(r);
    if (status == AZR_OK)
        status = next_event(r);
    if (status != AZR_OK || r->event.type == YAML_STREAM_END_EVENT)
        return status;
    status = next_event(r);
    if (status != AZR_OK)
        return status;
    if (r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0)
        return AZR_OK;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return refuse(r, "must be a map of 'key: value' lines");
    for (;;) {
        status = next_event(r);
        if (status != AZR_OK)
            return status;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        status = read_entry(r);
        if (status != AZR_OK)
            return status;
    }
    status = next_event(r);
    if (status == AZR_OK)
        status = next_event(r);
    if (status == AZR_OK && r->event.type != YAML_STREAM_END_EVENT)
        return refuse(r, "a second document in one file");
    return status;
}

azr_status azr_config_load(azr_config *config, const char *path, azr_error *error)
{
    char *text = NULL;
    size_t size = 0;
    azr_status status = azr_file_read(path, AZR_CONFIG_MAX_BYTES, &text, &size, error);
    if (status != AZR_OK)
        return status;
    azr_error ignored;
    reader r = {.config = config, .path = path, .error = error != NULL ? error : &ignored};
    if (!yaml_parser_initialize(&r.parser)) {
        status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory to read %s", path);
        goto done;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    r.seen = azr_alloc(azr_config__n_options, sizeof *r.seen);
    status = read_stream(&r);
    if (r.have_event)
        yaml_event_delete(&r.event);
    azr_free(r.seen);
    yaml_parser_delete(&r.parser);
done:
    azr_free(text);
    return status;
}
