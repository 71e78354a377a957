/* cmd_train.c: azr train: a run of self-play, new or resumed. */
#include "app/engine.h"

#include "azr/tasks.h"
#include "azr/train.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

typedef struct train_options {
    const char *config_path, *run, *model;
    int64_t threads; /* -1: as the config says */
    azr_option_texts assignments;
    bool resume, dry_run;
} train_options;

/* key = value, unless text is NULL. */
static azr_status override(azr_config *config, const char *key, const char *text, azr_error *error)
{
    if (text == NULL)
        return AZR_OK;
    azr_strbuf assignment = {0};
    azr_strbuf_printf(&assignment, "%s=%s", key, text);
    azr_status status = azr_config_set(config, assignment.data, error);
    azr_strbuf_deinit(&assignment);
    return status;
}

/* The file of --config, or the run's own when it is resumed; then --set; then the short options. */
static azr_status read_config(const train_options *options, azr_config *config, azr_error *error)
{
    azr_status status = AZR_OK;
    if (options->config_path != NULL) {
        status = azr_config_load(config, options->config_path, error);
    } else if (options->resume && options->run != NULL) {
        char *path = azr_path_join(options->run, "config.yaml");
        status = azr_config_load(config, path, error);
        azr_free(path);
    } else {
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "train needs --config FILE, or --resume with --run DIR");
    }
    for (size_t i = 0; status == AZR_OK && i < options->assignments.n; i++)
        status = azr_config_set(config, options->assignments.texts[i], error);
    if (status == AZR_OK)
        status = override(config, "model", options->model, error);
    if (status == AZR_OK)
        status = override(config, "run", options->run, error);
    if (status == AZR_OK && options->threads >= 0)
        config->threads = options->threads;
    if (status == AZR_OK)
        status = azr_config_validate(config, error);
    if (status == AZR_OK && options->resume && config->run[0] == '\0')
        status = azr_error_set(error, AZR_ERROR_INPUT, "--resume needs --run DIR");
    const azr_template *template;
    if (status == AZR_OK)
        status = azr_template_find(config->template, &template, error);
    return status;
}

static void print_line(void *context, const char *text)
{
    (void)context;
    printf("%s\n", text);
    fflush(stdout);
}

/* Where the run lies and what to look at next: the rest of its steps, or ten more. */
static void print_end(const char *directory, int64_t total_steps)
{
    int64_t step = 0;
    azr_error ignored;
    char *checkpoint = azr_checkpoint_newest(directory, &step, &ignored);
    printf("\nThe run lies in %s\n", directory);
    printf("  azr info %s\n", directory);
    if (checkpoint != NULL) {
        printf("  azr generate -m %s -p 'def f('\n", checkpoint);
        printf("  azr propose -m %s --kind deduction\n", checkpoint);
    }
    printf("  azr train --resume --run %s", directory);
    if (step >= total_steps)
        printf(" --set total_steps=%lld", (long long)step + 10);
    printf("\n  every number of every step: %s/metrics.jsonl; tasks and attempts: %s/run.db\n",
           directory, directory);
    azr_free(checkpoint);
}

static azr_status work(const train_options *options, azr_error *error)
{
    azr_config config;
    azr_config_init(&config);
    azr_trainer *trainer = NULL;
    azr_status status = read_config(options, &config, error);
    if (status == AZR_OK)
        status = azr_engine_start(&config, error);
    if (status == AZR_OK)
        status = azr_train_plan(&config, stdout, error);
    fflush(stdout);
    if (status != AZR_OK || options->dry_run)
        goto done;
    azr_progress progress = {.line = print_line};
    status = azr_trainer_create(&config, options->resume, &progress, &trainer, error);
    if (status != AZR_OK)
        goto done;
    status = azr_trainer_run(trainer, error);
    if (status == AZR_OK || status == AZR_ERROR_INTERRUPTED)
        print_end(azr_trainer_directory(trainer), config.total_steps);
done:
    azr_trainer_destroy(trainer);
    azr_config_deinit(&config);
    return status;
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    train_options options = {.threads = -1};
    const azr_option rows[] = {
        {.name = "config",
         .type = AZR_OPTION_TEXT,
         .value = &options.config_path,
         .argument = "FILE",
         .help = "YAML file of the keys below"},
        {.name = "set",
         .type = AZR_OPTION_TEXTS,
         .value = &options.assignments,
         .argument = "KEY=VALUE",
         .help = "any key, over what the file says"},
        {.name = "run",
         .type = AZR_OPTION_TEXT,
         .value = &options.run,
         .argument = "DIR",
         .help = "folder of the run; a new one for each run"},
        {.name = "resume",
         .type = AZR_OPTION_FLAG,
         .value = &options.resume,
         .help = "go on from the run's newest checkpoint (its own config when no --config)"},
        {.name = "dry-run",
         .type = AZR_OPTION_FLAG,
         .value = &options.dry_run,
         .help = "print the memory plan and stop: nothing is written"},
        {.name = "model",
         .letter = 'm',
         .type = AZR_OPTION_TEXT,
         .value = &options.model,
         .argument = "PATH",
         .help = "as --set model=PATH"},
        {.name = "threads",
         .letter = 't',
         .type = AZR_OPTION_INTEGER,
         .value = &options.threads,
         .argument = "N",
         .help = "threads; 0: one for each core; -1: as the config says",
         .min = -1,
         .max = 1024},
    };
    const azr_usage usage = {
        .synopsis = "azr train --config FILE [--set KEY=VALUE ...] [--run DIR] [--resume] "
                    "[--dry-run]",
        .about =
            "Trains a model by self-play: it proposes tasks, solves them, and learns from the\n"
            "verdicts of a Python sandbox. Ctrl-C writes a checkpoint and stops.\n",
        .options = rows,
        .n_options = AZR_COUNT(rows),
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && help) {
        printf("\n");
        azr_config_help(stdout);
    } else if (status == AZR_OK) {
        status = work(&options, error);
    }
    return status;
}

const azr_command azr_cmd_train = {
    .name = "train", .summary = "a run of self-play, new or resumed", .run = run};
