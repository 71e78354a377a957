/* cmd.h: what the files of app/ share: the commands, and how a command reads its options.
 *
 * A command is a function over its own argc and argv (argv[0] is the command's name). It fills a
 * table of azr_option, calls azr_options_parse, works, prints to the standard output, and returns a
 * status; main.c prints "azr: <sentence>" for an error and chooses the exit code. Adding a command:
 * write cmd_<name>.c, declare its azr_command below, name it in main.c's table. */
#ifndef AZR_APP_CMD_H
#define AZR_APP_CMD_H

#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct azr_command {
    const char *name;
    const char *summary; /* one line for `azr --help` */
    azr_status (*run)(int argc, char **argv, azr_error *error);
} azr_command;

/* --- options ---------------------------------------------------------------------------------- */

typedef enum azr_option_type {
    AZR_OPTION_FLAG,    /* bool *: true when given */
    AZR_OPTION_TEXT,    /* const char **: points into argv; NULL or the default before */
    AZR_OPTION_TEXTS,   /* azr_option_texts *: may be given again and again */
    AZR_OPTION_INTEGER, /* int64_t * */
    AZR_OPTION_NUMBER,  /* double * */
} azr_option_type;

/* The texts of an option that may be repeated. */
enum { AZR_OPTION_MAX_TEXTS = 64 };
typedef struct azr_option_texts {
    const char *texts[AZR_OPTION_MAX_TEXTS + 1]; /* NULL-terminated */
    size_t n;
} azr_option_texts;

typedef struct azr_option {
    const char *name; /* long form without "--" */
    char letter;      /* short form, 0 when there is none */
    azr_option_type type;
    void *value;          /* what the type says; holds the default when parsing starts */
    const char *argument; /* what stands for the value in --help, with the unit: "TOKENS" */
    const char *help;     /* defaults of numbers and texts are added by --help itself */
    double min, max;      /* of INTEGER and NUMBER, inclusive */
} azr_option;

typedef struct azr_usage {
    const char *synopsis; /* "azr score -m MODEL (--text TEXT | --tokens 1,2,3) [--json]" */
    const char *about;    /* a paragraph, ends with a line feed */
    const azr_option *options;
    size_t n_options;
    const char **operands; /* receives arguments that are no options; NULL when there are none */
    size_t max_operands;
    size_t *n_operands;
} azr_usage;

/* Reads argv[1..]. Accepts --name VALUE, --name=VALUE, -x VALUE, -xVALUE, and -- before operands.
 * --help (or -h) prints the help to the standard output and sets *out_help: the command then
 * returns AZR_OK at once. Errors name the option, and for an unknown one the nearest. */
azr_status azr_options_parse(const azr_usage *usage, int argc, char **argv, bool *out_help,
                             azr_error *error);

/* --- commands, each in its cmd_<name>.c ------------------------------------------------------- */

extern const azr_command azr_cmd_info, azr_cmd_generate, azr_cmd_score, azr_cmd_propose,
    azr_cmd_solve, azr_cmd_train, azr_cmd_exec, azr_cmd_bench, azr_cmd_eval, azr_cmd_export;

#endif
