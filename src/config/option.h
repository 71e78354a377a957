/* option.h: config/'s own: the row of the table of options. */
#ifndef AZR_CONFIG_OPTION_H
#define AZR_CONFIG_OPTION_H

#include "azr/config.h"

#include <stddef.h>

typedef enum azr_option_kind {
    AZR_OPTION_IS_INTEGER, /* int64_t */
    AZR_OPTION_IS_NUMBER,  /* double */
    AZR_OPTION_IS_TEXT,    /* char *, owned */
    AZR_OPTION_IS_LIST,    /* char *, owned: words with commas between; a YAML list is joined so */
    AZR_OPTION_IS_CHOICE,  /* an enum whose values count the choices from 0 */
    AZR_OPTION_IS_SWITCH,  /* bool: true or false */
} azr_option_kind;

enum { AZR_CONFIG_MAX_CHOICES = 6 };

typedef struct azr_config_option {
    const char *name;
    azr_option_kind kind;
    size_t offset;                               /* of the field in azr_config */
    const char *initial;                         /* the default, as it would be written in a file */
    double min, max;                             /* of integers and numbers, inclusive */
    const char *choices[AZR_CONFIG_MAX_CHOICES]; /* of CHOICE, and of TEXT that is no free text */
    const char *unit;                            /* "" when a bare number */
    const char *help;
} azr_config_option;

extern const azr_config_option azr_config__options[];
extern const size_t azr_config__n_options;

/* NULL with *error naming the nearest known key. */
const azr_config_option *azr_config__find(const char *name, azr_error *error);
/* Reads `text` (size bytes) into the option's field; *error names key and range. */
azr_status azr_config__assign(azr_config *config, const azr_config_option *option, const char *text,
                              size_t size, azr_error *error);

#endif
