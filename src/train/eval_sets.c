/* eval_sets.c: the sets of an evaluation, and that no run starts from what it is evaluated on. */
#include "train/eval_sets.h"

#include "azr/program.h"

#include "base/files.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void azr_eval_set_deinit(azr_eval_set *set)
{
    azr_free(set->suite);
    azr_free(set->file);
}

bool azr_eval_set_next(const char **list, azr_eval_set *out_set)
{
    size_t size = strcspn(*list, ",");
    if (size == 0)
        return false;
    size_t name = strcspn(*list, "=,");
    const char *file = *list + name + (name < size);
    *out_set = (azr_eval_set){azr_copy_text(*list, name),
                              azr_copy_text(file, (size_t)(*list + size - file))};
    *list += size + ((*list)[size] == ',');
    return true;
}

azr_status azr_eval_set_open(const azr_config *config, const azr_eval_set *set, int64_t limit,
                             azr_eval **out_eval, azr_error *error)
{
    azr_eval_options options = azr_eval_default_options();
    options.suite = set->suite;
    options.data = set->file;
    options.task_template = config->template;
    options.limit = limit;
    options.max_tokens = config->eval_max_tokens;
    options.seed = (uint64_t)config->seed;
    azr_status status = azr_eval_open(&options, ":memory:", out_eval, error);
    return status == AZR_OK ? AZR_OK : azr_error_prefix(error, "eval_sets");
}

/* --- what is held out ------------------------------------------------------------------------- */

/* A program with its arguments. */
typedef struct azr_held_out_question {
    uint64_t hash;
    size_t file; /* index */
} question;

/* Of the normalised program, then of arguments in their canonical form; those that are no literals
 * count as they are written. */
static uint64_t hash_program(const char *program)
{
    azr_strbuf normal = {0}, shape = {0};
    azr_program_normalise(program, &normal, &shape);
    uint64_t hash = azr_hash_text(AZR_HASH_START, azr_strbuf_text(&normal));
    azr_strbuf_deinit(&normal);
    azr_strbuf_deinit(&shape);
    return hash;
}

static uint64_t hash_question(uint64_t program, const char *input)
{
    azr_literal *literal = NULL;
    if (azr_arguments_parse(input, strlen(input), &literal, NULL) != AZR_OK)
        return azr_hash_text(program, input);
    char *canonical = azr_literal_print(literal);
    uint64_t hash = azr_hash_text(program, canonical);
    azr_free(canonical);
    azr_literal_destroy(literal);
    return hash;
}

static void hold(azr_held_out *held, const azr_task *task)
{
    uint64_t program = hash_program(task->program);
    for (size_t i = 0; i < task->n_pairs; i++) {
        if (held->n == held->capacity) {
            held->capacity = held->capacity > 0 ? 2 * held->capacity : 256;
            held->questions = azr_realloc(held->questions, held->capacity, sizeof(question));
        }
        held->questions[held->n++] =
            (question){hash_question(program, task->inputs[i]), held->n_files - 1};
    }
}

static int compare_questions(const void *a, const void *b)
{
    const question *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Under whatever names: links are the same file. */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static azr_status check_file(const azr_config *config, const azr_eval_set *set, azr_error *error)
{
    const char *tasks = config->tasks;
    char *store = azr_path_join(tasks, "run.db"); /* where tasks is the folder of a run */
    bool same = tasks[0] != '\0' && (same_file(tasks, set->file) || same_file(store, set->file));
    azr_free(store);
    if (!same)
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "tasks and eval_sets both name %s: evaluation sets are never trained on",
                         set->file);
}

static azr_status hold_set(const azr_config *config, const azr_eval_set *set, azr_held_out *held,
                           azr_error *error)
{
    azr_eval *eval = NULL;
    azr_status status = check_file(config, set, error);
    if (status == AZR_OK)
        status = azr_eval_set_open(config, set, 0, &eval, error);
    if (status != AZR_OK)
        return status;
    held->files = azr_realloc(held->files, held->n_files + 1, sizeof *held->files);
    held->files[held->n_files++] = azr_copy_text(set->file, strlen(set->file));
    for (size_t i = 0; i < azr_eval_n_items(eval); i++)
        if (azr_eval_task(eval, i) != NULL)
            hold(held, azr_eval_task(eval, i));
    azr_eval_close(eval);
    return AZR_OK;
}

/* What every run begins with is no secret. */
static void release_identities(azr_held_out *held)
{
    for (int kind = 0; held->n > 0 && kind < AZR_N_KINDS; kind++) {
        azr_task identity;
        azr_task_identity((azr_kind)kind, &identity);
        uint64_t program = hash_program(identity.program);
        for (size_t i = 0; i < identity.n_pairs; i++) {
            uint64_t hash = hash_question(program, identity.inputs[i]);
            for (size_t k = held->n; k-- > 0;)
                if (held->questions[k].hash == hash)
                    held->questions[k] = held->questions[--held->n];
        }
        azr_task_deinit(&identity);
    }
}

azr_status azr_held_out_read(const azr_config *config, azr_held_out *out_held, azr_error *error)
{
    const char *list = config->eval_sets;
    azr_eval_set set;
    azr_status status = AZR_OK;
    *out_held = (azr_held_out){0};
    while (status == AZR_OK && config->eval_every > 0 && azr_eval_set_next(&list, &set)) {
        status = hold_set(config, &set, out_held, error);
        azr_eval_set_deinit(&set);
    }
    release_identities(out_held);
    if (out_held->n > 0)
        qsort(out_held->questions, out_held->n, sizeof *out_held->questions, compare_questions);
    return status;
}

void azr_held_out_deinit(azr_held_out *held)
{
    for (size_t i = 0; i < held->n_files; i++)
        azr_free(held->files[i]);
    azr_free(held->files);
    azr_free(held->questions);
    *held = (azr_held_out){0};
}

const char *azr_held_out_find(const azr_held_out *held, const azr_task *task)
{
    uint64_t program = held->n > 0 ? hash_program(task->program) : 0;
    for (size_t i = 0; held->n > 0 && i < task->n_pairs; i++) {
        const question wanted = {.hash = hash_question(program, task->inputs[i])};
        const question *found =
            bsearch(&wanted, held->questions, held->n, sizeof *held->questions, compare_questions);
        if (found != NULL)
            return held->files[found->file];
    }
    return NULL;
}
