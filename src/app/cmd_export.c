/* cmd_export.c: azr export: a run's model as a folder, or its tasks as a file, for other programs.
 */
#include "app/cmd.h"

#include "azr/buffer.h"
#include "azr/claim.h"
#include "azr/train.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct export_options {
    const char *run, *to, *kind_name;
    bool any_kind;
    azr_kind kind;
} export_options;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* --- tasks ------------------------------------------------------------------------------------ */

typedef struct task_lines {
    const export_options *options;
    azr_strbuf text;
    int64_t n;
} task_lines;

static void add_line(void *context, const azr_stored_task *stored)
{
    task_lines *lines = context;
    if (!lines->options->any_kind && stored->task.kind != lines->options->kind)
        return;
    char *line = azr_task_to_reference_json(&stored->task);
    azr_strbuf_printf(&lines->text, "%s\n", line);
    azr_free(line);
    lines->n++;
}

static azr_status export_tasks(const export_options *options, azr_error *error)
{
    char *path = azr_path_join(options->run, "run.db");
    azr_buffer *buffer = NULL;
    task_lines lines = {.options = options};
    azr_status status = azr_buffer_open_read_only(path, &buffer, error);
    if (status == AZR_OK)
        status = azr_buffer_each(buffer, add_line, &lines, error);
    if (status == AZR_OK)
        status = azr_file_write(options->to, azr_strbuf_text(&lines.text), lines.text.size, error);
    if (status == AZR_OK)
        printf("%" PRId64 " tasks of %s are in %s\n", lines.n, options->run, options->to);
    azr_buffer_close(buffer);
    azr_strbuf_deinit(&lines.text);
    azr_free(path);
    return status;
}

/* --- a model ---------------------------------------------------------------------------------- */

/* What only azr reads stays behind. */
static bool is_for_others(const char *name)
{
    static const char *const own[] = {"optimizer.safetensors", "state.json", "DONE"};
    for (size_t i = 0; i < AZR_COUNT(own); i++)
        if (strcmp(name, own[i]) == 0)
            return false;
    return name[0] != '.';
}

static azr_status copy_file(const char *from, const char *to, const char *name, azr_error *error)
{
    char *source = azr_path_join(from, name), *target = azr_path_join(to, name);
    azr_file_map map;
    azr_status status = azr_file_map_open(source, &map, error);
    if (status == AZR_OK) {
        status = azr_file_write(target, map.bytes, map.size, error);
        azr_file_map_close(&map);
    }
    azr_free(source);
    azr_free(target);
    return status;
}

static azr_status copy_files(const char *from, const char *to, azr_error *error)
{
    DIR *directory = opendir(from);
    if (directory == NULL)
        return azr_error_set(error, AZR_ERROR_IO, "cannot read %s: %s", from, strerror(errno));
    azr_status status = AZR_OK;
    for (struct dirent *entry; status == AZR_OK && (entry = readdir(directory)) != NULL;)
        if (is_for_others(entry->d_name))
            status = copy_file(from, to, entry->d_name, error);
    closedir(directory);
    return status;
}

/* Whole, or not there: the folder gets its name last. */
static azr_status export_model(const export_options *options, azr_error *error)
{
    int64_t step = 0;
    char *checkpoint = azr_checkpoint_newest(options->run, &step, error);
    if (checkpoint == NULL)
        return error->status;
    azr_strbuf half = {0};
    azr_strbuf_printf(&half, "%s.half", options->to);
    azr_status status = azr_directory_remove(half.data, error);
    if (status == AZR_OK)
        status = azr_directory_create(half.data, error);
    if (status == AZR_OK)
        status = copy_files(checkpoint, half.data, error);
    if (status == AZR_OK && rename(half.data, options->to) != 0)
        status =
            azr_error_set(error, AZR_ERROR_IO, "cannot name %s: %s", options->to, strerror(errno));
    if (status == AZR_OK)
        printf("the model of %s after step %" PRId64 " is in %s\n", options->run, step,
               options->to);
    else
        azr_directory_remove(half.data, NULL);
    azr_strbuf_deinit(&half);
    azr_free(checkpoint);
    return status;
}

static azr_status work(export_options *options, azr_error *error)
{
    options->any_kind = options->kind_name == NULL;
    if (options->run == NULL || options->to == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "export needs a run, and --to DIR or FILE.jsonl");
    if (!options->any_kind && !azr_kind_parse(options->kind_name, &options->kind))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "option --kind must be deduction, abduction, induction or error, not "
                             "'%.64s'",
                             options->kind_name);
    if (!azr_directory_exists(options->run))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s is no folder of a run", options->run);
    if (azr_file_exists(options->to) || azr_directory_exists(options->to))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s exists already", options->to);
    if (ends_with(options->to, ".jsonl"))
        return export_tasks(options, error);
    if (ends_with(options->to, ".gguf"))
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: GGUF files are read and not written; --to DIR gives a folder "
                             "that converters of GGUF take",
                             options->to);
    if (!options->any_kind)
        return azr_error_set(error, AZR_ERROR_INPUT, "option --kind goes with --to FILE.jsonl");
    return export_model(options, error);
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    export_options options = {0};
    size_t n = 0;
    const azr_option rows[] = {
        {.name = "to",
         .type = AZR_OPTION_TEXT,
         .value = &options.to,
         .argument = "PATH",
         .help = "a new folder: the newest checkpoint as transformers reads it; FILE.jsonl: the "
                 "tasks, as the reference implementation writes them"},
        {.name = "kind",
         .type = AZR_OPTION_TEXT,
         .value = &options.kind_name,
         .argument = "KIND",
         .help = "tasks of this kind only: deduction, abduction, induction or error"},
    };
    const azr_usage usage = {
        .synopsis = "azr export RUN --to DIR|FILE.jsonl [--kind KIND]",
        .about = "Hands a run over to other programs: its newest model without what only training\n"
                 "needs, or its tasks, which --set tasks=FILE.jsonl reads too.\n",
        .options = rows,
        .n_options = AZR_COUNT(rows),
        .operands = &options.run,
        .max_operands = 1,
        .n_operands = &n,
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    return status != AZR_OK || help ? status : work(&options, error);
}

const azr_command azr_cmd_export = {
    .name = "export", .summary = "a run's model or tasks for other programs", .run = run};
