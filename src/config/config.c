/* config.c: an azr_config by its table of options: defaults, assignment, checks, print, help. */
#include "azr/config.h"

#include "config/option.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "base/strbuf.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* --- fields ----------------------------------------------------------------------------------- */

static int64_t *integer_of(const azr_config *config, const azr_config_option *option)
{
    return (int64_t *)((char *)config + option->offset);
}

static double *number_of(const azr_config *config, const azr_config_option *option)
{
    return (double *)((char *)config + option->offset);
}

static char **text_of(const azr_config *config, const azr_config_option *option)
{
    return (char **)((char *)config + option->offset);
}

/* Enums are stored as unsigned int or int: the same size, and choices count from 0. */
_Static_assert(sizeof(azr_advantage) == sizeof(int) && sizeof(azr_config_dtype) == sizeof(int),
               "choices are read and written as int");
static int *choice_of(const azr_config *config, const azr_config_option *option)
{
    return (int *)((char *)config + option->offset);
}

static bool owns_text(const azr_config_option *option)
{
    return option->kind == AZR_OPTION_IS_TEXT || option->kind == AZR_OPTION_IS_LIST;
}

static bool *switch_of(const azr_config *config, const azr_config_option *option)
{
    return (bool *)((char *)config + option->offset);
}

/* --- assignment ------------------------------------------------------------------------------- */

const azr_config_option *azr_config__find(const char *name, azr_error *error)
{
    azr_nearest nearest = {.wanted = name};
    for (size_t i = 0; i < azr_config__n_options; i++) {
        const azr_config_option *option = &azr_config__options[i];
        if (strcmp(option->name, name) == 0)
            return option;
        azr_nearest_offer(&nearest, option->name);
    }
    azr_error_set(error, AZR_ERROR_INPUT, "unknown key '%.64s': did you mean '%s'?", name,
                  nearest.name);
    return NULL;
}

static azr_status range_error(const azr_config_option *option, const char *text, azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_INPUT, "%s must be from %.16g to %.16g%s%s, not %.64s",
                         option->name, option->min, option->max, option->unit[0] != '\0' ? " " : "",
                         option->unit, text);
}

static azr_status assign_integer(azr_config *config, const azr_config_option *option,
                                 const char *text, azr_error *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0')
        return azr_error_set(error, AZR_ERROR_INPUT, "%s must be a whole number, not '%.64s'",
                             option->name, text);
    if (errno != 0 || (double)value < option->min || (double)value > option->max)
        return range_error(option, text, error);
    *integer_of(config, option) = value;
    return AZR_OK;
}

static azr_status assign_number(azr_config *config, const azr_config_option *option,
                                const char *text, azr_error *error)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || isnan(value))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s must be a number, not '%.64s'",
                             option->name, text);
    if (value < option->min || value > option->max)
        return range_error(option, text, error);
    *number_of(config, option) = value;
    return AZR_OK;
}

/* The index of the choice; -1 with *error listing the choices. */
static int find_choice(const azr_config_option *option, const char *text, azr_error *error)
{
    azr_strbuf names = {0};
    for (int i = 0; i < AZR_CONFIG_MAX_CHOICES && option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            azr_strbuf_deinit(&names);
            return i;
        }
        azr_strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", option->choices[i]);
    }
    azr_error_set(error, AZR_ERROR_INPUT, "%s must be one of %s, not '%.64s'", option->name,
                  azr_strbuf_text(&names), text);
    azr_strbuf_deinit(&names);
    return -1;
}

/* Printed configs must be YAML, and YAML is UTF-8. */
static bool is_utf8(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                              (utf8proc_ssize_t)(size - i), &point);
        if (n <= 0)
            return false;
        i += (size_t)n;
    }
    return true;
}

static azr_status assign_text(azr_config *config, const azr_config_option *option, const char *text,
                              size_t size, azr_error *error)
{
    if (!is_utf8(text, size))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s is not UTF-8", option->name);
    if (option->choices[0] != NULL && find_choice(option, text, error) < 0)
        return AZR_ERROR_INPUT;
    char **field = text_of(config, option);
    azr_free(*field);
    *field = azr_copy_text(text, size);
    return AZR_OK;
}

static azr_status assign_switch(azr_config *config, const azr_config_option *option,
                                const char *text, azr_error *error)
{
    bool on = strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s must be true or false, not '%.64s'",
                             option->name, text);
    *switch_of(config, option) = on;
    return AZR_OK;
}

azr_status azr_config__assign(azr_config *config, const azr_config_option *option, const char *text,
                              size_t size, azr_error *error)
{
    if (memchr(text, '\0', size) != NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s holds a NUL byte", option->name);
    switch (option->kind) {
    case AZR_OPTION_IS_INTEGER:
        return assign_integer(config, option, text, error);
    case AZR_OPTION_IS_NUMBER:
        return assign_number(config, option, text, error);
    case AZR_OPTION_IS_TEXT:
    case AZR_OPTION_IS_LIST:
        return assign_text(config, option, text, size, error);
    case AZR_OPTION_IS_CHOICE: {
        int choice = find_choice(option, text, error);
        if (choice < 0)
            return AZR_ERROR_INPUT;
        *choice_of(config, option) = choice;
        return AZR_OK;
    }
    case AZR_OPTION_IS_SWITCH:
        return assign_switch(config, option, text, error);
    }
    AZR_CHECK(!"a kind of option");
    return AZR_ERROR_INTERNAL;
}

void azr_config_init(azr_config *config)
{
    *config = (azr_config){0};
    for (size_t i = 0; i < azr_config__n_options; i++) {
        const azr_config_option *option = &azr_config__options[i];
        AZR_CHECK(azr_config__assign(config, option, option->initial, strlen(option->initial),
                                     NULL) == AZR_OK);
    }
}

void azr_config_copy(azr_config *to, const azr_config *from)
{
    *to = *from;
    for (size_t i = 0; i < azr_config__n_options; i++) {
        const azr_config_option *option = &azr_config__options[i];
        if (owns_text(option))
            *text_of(to, option) =
                azr_copy_text(*text_of(from, option), strlen(*text_of(from, option)));
    }
}

void azr_config_deinit(azr_config *config)
{
    for (size_t i = 0; i < azr_config__n_options; i++)
        if (owns_text(&azr_config__options[i]))
            azr_free(*text_of(config, &azr_config__options[i]));
    *config = (azr_config){0};
}

azr_status azr_config_set(azr_config *config, const char *assignment, azr_error *error)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "--set needs key=value, not '%.64s'",
                             assignment);
    char *name = azr_copy_text(assignment, (size_t)(equals - assignment));
    const azr_config_option *option = azr_config__find(name, error);
    azr_free(name);
    azr_status status = AZR_ERROR_INPUT;
    if (option != NULL)
        status = azr_config__assign(config, option, equals + 1, strlen(equals + 1), error);
    return status == AZR_OK ? AZR_OK : azr_error_prefix(error, "--set");
}

/* --- checks over several options -------------------------------------------------------------- */

/* The words that a list may hold. */
typedef struct word_list {
    const char *option, *sentence; /* the words as a sentence has them */
    const char *known[5];          /* NULL at the end */
} word_list;

static const word_list kinds_list = {"kinds",
                                     "deduction, abduction, induction and error",
                                     {"deduction", "abduction", "induction", "error"}};
static const word_list keywords_list = {
    "error_banned", "raise, assert, try and except", {"raise", "assert", "try", "except"}};

/* Every word is known, and none stands twice. */
static azr_status check_words(const word_list *list, const char *words, azr_error *error)
{
    unsigned seen = 0;
    for (const char *word = words;;) {
        size_t size = strcspn(word, ","), i = 0;
        while (list->known[i] != NULL &&
               (strlen(list->known[i]) != size || strncmp(list->known[i], word, size) != 0))
            i++;
        if (list->known[i] == NULL)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s must be a list of %s: '%.*s' is none of them", list->option,
                                 list->sentence, (int)(size < 64 ? size : 64), word);
        if (seen & 1U << i)
            return azr_error_set(error, AZR_ERROR_INPUT, "%s names %s twice", list->option,
                                 list->known[i]);
        seen |= 1U << i;
        if (word[size] == '\0')
            return AZR_OK;
        word += size + 1;
    }
}

static azr_status check_learning(const azr_config *config, azr_error *error)
{
    if (config->learning_rate_schedule != AZR_SCHEDULE_CONSTANT && config->decay_steps == 0)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "learning_rate_schedule needs decay_steps: the step at which the "
                             "learning rate has come down");
    if (config->decay_steps > 0 && config->decay_steps <= config->warmup_steps)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "decay_steps (%lld) must be above warmup_steps (%lld)",
                             (long long)config->decay_steps, (long long)config->warmup_steps);
    if (config->dual_clip > 0.0 && config->dual_clip <= 1.0)
        return azr_error_set(error, AZR_ERROR_INPUT, "dual_clip must be 0 or above 1, not %g",
                             config->dual_clip);
    if (config->entropy_target > 0.0 && config->entropy_coef > config->entropy_coef_max)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "entropy_coef (%g) must not be above entropy_coef_max (%g)",
                             config->entropy_coef, config->entropy_coef_max);
    return AZR_OK;
}

azr_status azr_config_validate(const azr_config *config, azr_error *error)
{
    if (config->model[0] == '\0')
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "no model given: set model to a folder or a .gguf file");
    azr_status status = check_words(&kinds_list, config->kinds, error);
    if (status == AZR_OK && config->error_banned[0] != '\0')
        status = check_words(&keywords_list, config->error_banned, error);
    if (status != AZR_OK)
        return status;
    if (config->max_answer_tokens > config->max_response_tokens)
        return azr_error_set(
            error, AZR_ERROR_INPUT,
            "max_answer_tokens (%lld) must not be above max_response_tokens (%lld)",
            (long long)config->max_answer_tokens, (long long)config->max_response_tokens);
    if (config->proposals_per_prompt > config->batch_size)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "proposals_per_prompt (%lld) must not be above batch_size (%lld)",
                             (long long)config->proposals_per_prompt,
                             (long long)config->batch_size);
    if (config->composite_min > config->composite_max)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "composite_min (%lld) must not be above composite_max (%lld)",
                             (long long)config->composite_min, (long long)config->composite_max);
    azr_status learning = check_learning(config, error);
    if (learning != AZR_OK)
        return learning;
    if (config->exec_cpu_ms > config->exec_wall_ms)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "exec_cpu_ms (%lld) must not be above exec_wall_ms (%lld)",
                             (long long)config->exec_cpu_ms, (long long)config->exec_wall_ms);
    return AZR_OK;
}

/* --- print ------------------------------------------------------------------------------------ */

/* The shortest of the usual forms that reads back as the same double. */
static void print_number(azr_strbuf *out, double value)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    azr_strbuf_puts(out, text);
}

/* A double-quoted YAML scalar: control bytes escaped, all else as it is. */
static void print_text(azr_strbuf *out, const char *text)
{
    azr_strbuf_puts(out, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte == '"' || byte == '\\')
            azr_strbuf_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            azr_strbuf_printf(out, "\\x%02x", byte);
        else
            azr_strbuf_append(out, p, 1);
    }
    azr_strbuf_puts(out, "\"");
}

static void print_value(azr_strbuf *out, const azr_config *config, const azr_config_option *option)
{
    switch (option->kind) {
    case AZR_OPTION_IS_INTEGER:
        azr_strbuf_printf(out, "%lld", (long long)*integer_of(config, option));
        break;
    case AZR_OPTION_IS_NUMBER:
        print_number(out, *number_of(config, option));
        break;
    case AZR_OPTION_IS_TEXT:
    case AZR_OPTION_IS_LIST:
        print_text(out, *text_of(config, option));
        break;
    case AZR_OPTION_IS_CHOICE:
        azr_strbuf_puts(out, option->choices[*choice_of(config, option)]);
        break;
    case AZR_OPTION_IS_SWITCH:
        azr_strbuf_puts(out, *switch_of(config, option) ? "true" : "false");
        break;
    }
}

/* "1 to 64 tasks", "auto | f32 | bf16", "" for free text. */
static void print_range(azr_strbuf *out, const azr_config_option *option)
{
    if (option->kind == AZR_OPTION_IS_INTEGER || option->kind == AZR_OPTION_IS_NUMBER)
        azr_strbuf_printf(out, "%.16g to %.16g%s%s", option->min, option->max,
                          option->unit[0] != '\0' ? " " : "", option->unit);
    if (option->kind == AZR_OPTION_IS_SWITCH)
        azr_strbuf_puts(out, "true | false");
    for (int i = 0; i < AZR_CONFIG_MAX_CHOICES && option->choices[i] != NULL; i++)
        azr_strbuf_printf(out, "%s%s", i > 0 ? " | " : "", option->choices[i]);
}

char *azr_config_print(const azr_config *config)
{
    azr_strbuf out = {0};
    for (size_t i = 0; i < azr_config__n_options; i++) {
        const azr_config_option *option = &azr_config__options[i];
        size_t start = out.size;
        azr_strbuf_printf(&out, "%s: ", option->name);
        print_value(&out, config, option);
        int width = (int)(out.size - start);
        azr_strbuf_printf(&out, "%*s # %s", width < 34 ? 34 - width : 0, "", option->help);
        azr_strbuf range = {0};
        print_range(&range, option);
        if (range.size > 0)
            azr_strbuf_printf(&out, " (%s)", range.data);
        azr_strbuf_deinit(&range);
        azr_strbuf_puts(&out, "\n");
    }
    return azr_strbuf_steal(&out);
}

void azr_config_help(FILE *out)
{
    fprintf(out, "%-21s %-12s %-28s %s\n", "key", "default", "range", "what it is");
    for (size_t i = 0; i < azr_config__n_options; i++) {
        const azr_config_option *option = &azr_config__options[i];
        azr_strbuf range = {0};
        print_range(&range, option);
        fprintf(out, "%-21s %-12s %-28s %s\n", option->name,
                option->initial[0] != '\0' ? option->initial : "-", azr_strbuf_text(&range),
                option->help);
        azr_strbuf_deinit(&range);
    }
}
