/* options.c: reads a command's arguments by its table of options, and prints that table as help. */
#include "app/cmd.h"

#include "base/check.h"
#include "base/nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- help ------------------------------------------------------------------------------------- */

static void print_default(const azr_option *option)
{
    switch (option->type) {
    case AZR_OPTION_FLAG:
        break;
    case AZR_OPTION_TEXT: {
        const char *text = *(const char **)option->value;
        if (text != NULL)
            printf(" (default %s)", text);
        break;
    }
    case AZR_OPTION_TEXTS:
        printf(" (may be repeated)");
        break;
    case AZR_OPTION_INTEGER:
        printf(" (default %lld)", (long long)*(int64_t *)option->value);
        break;
    case AZR_OPTION_NUMBER:
        printf(" (default %g)", *(double *)option->value);
        break;
    }
}

static void print_help(const azr_usage *usage)
{
    printf("%s\n\n%s\n", usage->synopsis, usage->about);
    for (size_t i = 0; i < usage->n_options; i++) {
        const azr_option *option = &usage->options[i];
        char left[80];
        char letter[4] = "   ";
        if (option->letter != 0)
            snprintf(letter, sizeof letter, "-%c,", option->letter);
        snprintf(left, sizeof left, "  %s --%s %s", letter, option->name,
                 option->argument != NULL ? option->argument : "");
        printf("%-30s %s", left, option->help);
        print_default(option);
        printf("\n");
    }
    printf("  -h, --help                   this text\n");
}

/* --- values ----------------------------------------------------------------------------------- */

static azr_status range_error(const azr_option *option, const char *text, azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_INPUT, "option --%s must be from %.15g to %.15g, not %s",
                         option->name, option->min, option->max, text);
}

static azr_status read_integer(const azr_option *option, const char *text, azr_error *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0')
        return azr_error_set(error, AZR_ERROR_INPUT, "option --%s needs a whole number, not '%s'",
                             option->name, text);
    if (errno != 0 || (double)value < option->min || (double)value > option->max)
        return range_error(option, text, error);
    *(int64_t *)option->value = value;
    return AZR_OK;
}

static azr_status read_number(const azr_option *option, const char *text, azr_error *error)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || isnan(value))
        return azr_error_set(error, AZR_ERROR_INPUT, "option --%s needs a number, not '%s'",
                             option->name, text);
    if (value < option->min || value > option->max)
        return range_error(option, text, error);
    *(double *)option->value = value;
    return AZR_OK;
}

static azr_status read_value(const azr_option *option, const char *text, azr_error *error)
{
    switch (option->type) {
    case AZR_OPTION_FLAG:
        *(bool *)option->value = true;
        return AZR_OK;
    case AZR_OPTION_TEXT:
        *(const char **)option->value = text;
        return AZR_OK;
    case AZR_OPTION_TEXTS: {
        azr_option_texts *texts = option->value;
        if (texts->n == AZR_OPTION_MAX_TEXTS)
            return azr_error_set(error, AZR_ERROR_LIMIT,
                                 "option --%s may be given %d times at most", option->name,
                                 AZR_OPTION_MAX_TEXTS);
        texts->texts[texts->n++] = text;
        return AZR_OK;
    }
    case AZR_OPTION_INTEGER:
        return read_integer(option, text, error);
    case AZR_OPTION_NUMBER:
        return read_number(option, text, error);
    }
    AZR_CHECK(!"an option type");
    return AZR_ERROR_INTERNAL;
}

/* --- arguments -------------------------------------------------------------------------------- */

static const azr_option *find_long(const azr_usage *usage, const char *name, size_t size,
                                   azr_error *error)
{
    for (size_t i = 0; i < usage->n_options; i++)
        if (strlen(usage->options[i].name) == size &&
            strncmp(usage->options[i].name, name, size) == 0)
            return &usage->options[i];
    char wanted[AZR_NEAREST_MAX_NAME + 1] = {0};
    memcpy(wanted, name, size < AZR_NEAREST_MAX_NAME ? size : AZR_NEAREST_MAX_NAME);
    azr_nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < usage->n_options; i++)
        azr_nearest_offer(&nearest, usage->options[i].name);
    azr_nearest_offer(&nearest, "help");
    azr_error_set(error, AZR_ERROR_INPUT, "unknown option --%s: did you mean --%s?", wanted,
                  nearest.name);
    return NULL;
}

static const azr_option *find_letter(const azr_usage *usage, char letter, azr_error *error)
{
    for (size_t i = 0; i < usage->n_options; i++)
        if (usage->options[i].letter == letter)
            return &usage->options[i];
    azr_error_set(error, AZR_ERROR_INPUT, "unknown option -%c: --help lists the options", letter);
    return NULL;
}

/* Reads the option at argv[*i] and its value, which may be the next argument. */
static azr_status read_option(const azr_usage *usage, int argc, char **argv, int *i,
                              azr_error *error)
{
    const char *text = argv[*i];
    const azr_option *option;
    const char *value = NULL;
    if (text[1] == '-') {
        size_t size = strcspn(text + 2, "=");
        option = find_long(usage, text + 2, size, error);
        if (text[2 + size] == '=')
            value = text + 2 + size + 1;
    } else {
        option = find_letter(usage, text[1], error);
        if (text[2] != '\0')
            value = text + 2;
    }
    if (option == NULL)
        return AZR_ERROR_INPUT;
    if (option->type == AZR_OPTION_FLAG) {
        if (value != NULL)
            return azr_error_set(error, AZR_ERROR_INPUT, "option --%s takes no value",
                                 option->name);
    } else if (value == NULL) {
        if (*i + 1 == argc)
            return azr_error_set(error, AZR_ERROR_INPUT, "option --%s needs %s", option->name,
                                 option->argument);
        value = argv[++*i];
    }
    return read_value(option, value, error);
}

azr_status azr_options_parse(const azr_usage *usage, int argc, char **argv, bool *out_help,
                             azr_error *error)
{
    bool options_end = false;
    *out_help = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (options_end || text[0] != '-' || text[1] == '\0') {
            if (usage->operands == NULL || *usage->n_operands == usage->max_operands)
                return azr_error_set(error, AZR_ERROR_INPUT, "unexpected argument '%s': usage: %s",
                                     text, usage->synopsis);
            usage->operands[(*usage->n_operands)++] = text;
        } else if (strcmp(text, "--") == 0) {
            options_end = true;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            *out_help = true;
            print_help(usage);
            return AZR_OK;
        } else {
            azr_status status = read_option(usage, argc, argv, &i, error);
            if (status != AZR_OK)
                return status;
        }
    }
    return AZR_OK;
}
