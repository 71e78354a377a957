#include "train/checkpoint.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AZR_STATE_FORMAT = 2, AZR_STATE_MAX_BYTES = 1 << 16 };

/* --- writing ---------------------------------------------------------------------------------- */

static azr_status write_state(const char *folder, const azr_checkpoint_state *state,
                              azr_error *error)
{
    azr_strbuf text = {0};
    azr_strbuf_printf(&text,
                      "{\"format\": %d, \"step\": %" PRId64 ", \"opt_step\": %" PRId64
                      ", \"seed\": %" PRIu64 ", \"buffer_hash\": \"%016" PRIx64
                      "\", \"entropy_coef\": %.17g, \"running\": [",
                      AZR_STATE_FORMAT, state->step, state->opt_step, state->seed,
                      state->buffer_hash, state->learn.entropy_coef);
    for (size_t i = 0; i < AZR_N_GROUPS; i++) {
        const azr_running *running = &state->learn.running[i];
        azr_strbuf_printf(&text, "%s[%.17g, %.17g, %.17g]", i > 0 ? ", " : "", running->weight,
                          running->sum, running->squares);
    }
    azr_strbuf_puts(&text, "]}\n");
    char *path = azr_path_join(folder, "state.json");
    azr_status status = azr_file_write(path, text.data, text.size, error);
    azr_free(path);
    azr_strbuf_deinit(&text);
    return status;
}

static azr_status fill_folder(const char *folder, const azr_checkpoint_state *state,
                              const azr_model *model, const azr_tokenizer *tokenizer,
                              const azr_optimizer *optimizer, azr_error *error)
{
    azr_status status = azr_model_save(model, folder, error);
    if (status == AZR_OK)
        status = azr_tokenizer_save(tokenizer, folder, error);
    if (status == AZR_OK && state->opt_step > 0)
        status = azr_optimizer_save(optimizer, model, folder, error);
    if (status == AZR_OK)
        status = write_state(folder, state, error);
    if (status == AZR_OK)
        status = azr_directory_sync(folder, error);
    char *done = azr_path_join(folder, "DONE");
    if (status == AZR_OK)
        status = azr_file_write(done, "", 0, error);
    azr_free(done);
    return status;
}

/* `latest`: a text with the newest checkpoint's path inside the run. */
static azr_status write_latest(const char *run, int64_t step, azr_error *error)
{
    char text[64];
    int n = snprintf(text, sizeof text, "checkpoints/step-%06" PRId64 "\n", step);
    char *path = azr_path_join(run, "latest");
    azr_status status = azr_file_write(path, text, (size_t)n, error);
    azr_free(path);
    return status;
}

azr_status azr_checkpoint_save(const char *run, const azr_checkpoint_state *state,
                               const azr_model *model, const azr_tokenizer *tokenizer,
                               const azr_optimizer *optimizer, azr_error *error)
{
    char *parent = azr_path_join(run, "checkpoints");
    azr_strbuf folder = {0}, temporary = {0};
    azr_strbuf_printf(&folder, "%s/step-%06" PRId64, parent, state->step);
    azr_strbuf_printf(&temporary, "%s.tmp", folder.data);
    azr_status status = azr_directory_remove(temporary.data, error);
    if (status == AZR_OK)
        status = azr_directory_create(temporary.data, error);
    if (status == AZR_OK)
        status = fill_folder(temporary.data, state, model, tokenizer, optimizer, error);
    /* The same step again (a run resumed before it): the new folder is as good as the old one. */
    if (status == AZR_OK)
        status = azr_directory_remove(folder.data, error);
    if (status == AZR_OK && rename(temporary.data, folder.data) != 0)
        status = azr_error_set(error, AZR_ERROR_IO, "cannot rename %s: %s", temporary.data,
                               strerror(errno));
    if (status == AZR_OK)
        status = azr_directory_sync(parent, error);
    if (status == AZR_OK)
        status = write_latest(run, state->step, error);
    if (status != AZR_OK) {
        azr_directory_remove(temporary.data, NULL);
        azr_error_prefix(error, "the checkpoint of step %" PRId64 " was not written", state->step);
    }
    azr_strbuf_deinit(&folder);
    azr_strbuf_deinit(&temporary);
    azr_free(parent);
    return status;
}

/* --- finding ---------------------------------------------------------------------------------- */

typedef struct step_list {
    int64_t *steps;
    size_t n;
} step_list;

static int compare_steps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Steps of the whole checkpoints in the folder, newest first; removes half-made ones when asked. */
static step_list list_steps(const char *parent, bool remove_partial)
{
    step_list list = {0};
    DIR *directory = opendir(parent);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, "step-", 5) != 0)
            continue;
        char *path = azr_path_join(parent, entry->d_name);
        char *done = azr_path_join(path, "DONE");
        char *end;
        long long step = strtoll(entry->d_name + 5, &end, 10);
        if (end != entry->d_name + 5 && *end == '\0' && step >= 0 && azr_file_exists(done)) {
            list.steps = azr_realloc(list.steps, list.n + 1, sizeof *list.steps);
            list.steps[list.n++] = step;
        } else if (remove_partial) {
            azr_directory_remove(path, NULL);
        }
        azr_free(done);
        azr_free(path);
    }
    if (directory != NULL)
        closedir(directory);
    if (list.n > 0)
        qsort(list.steps, list.n, sizeof *list.steps, compare_steps);
    return list;
}

static char *folder_of(const char *parent, int64_t step)
{
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "%s/step-%06" PRId64, parent, step);
    return azr_strbuf_steal(&path);
}

char *azr_checkpoint_newest(const char *run, int64_t *out_step, azr_error *error)
{
    char *parent = azr_path_join(run, "checkpoints"), *path = NULL;
    step_list list = list_steps(parent, false);
    if (list.n > 0) {
        *out_step = list.steps[0];
        path = folder_of(parent, list.steps[0]);
    } else {
        azr_error_set(error, AZR_ERROR_INPUT, "%s holds no whole checkpoint", run);
    }
    azr_free(list.steps);
    azr_free(parent);
    return path;
}

azr_status azr_checkpoint_prune(const char *run, int64_t keep, int64_t *out_oldest,
                                azr_error *error)
{
    char *parent = azr_path_join(run, "checkpoints");
    step_list list = list_steps(parent, true);
    azr_status status = AZR_OK;
    if (list.n > 0)
        *out_oldest = list.steps[(size_t)keep < list.n ? (size_t)keep - 1 : list.n - 1];
    for (size_t i = (size_t)keep; status == AZR_OK && i < list.n; i++) {
        char *folder = folder_of(parent, list.steps[i]);
        char *done = azr_path_join(folder, "DONE");
        /* First the mark: a removal that is cut short leaves no folder that looks whole. */
        if (unlink(done) != 0)
            status =
                azr_error_set(error, AZR_ERROR_IO, "cannot remove %s: %s", done, strerror(errno));
        else
            status = azr_directory_remove(folder, error);
        azr_free(done);
        azr_free(folder);
    }
    azr_free(list.steps);
    azr_free(parent);
    return status;
}

/* The sums of each group; false when they are no such thing. Who knew fewer kinds wrote those of
 * the first ones. */
static bool read_running(const json_t *list, azr_learn_state *learn)
{
    enum { N_GROUPS_OF_THREE = 3 * AZR_N_ROLES };
    size_t n = json_array_size(list);
    bool good = n == AZR_N_GROUPS || n == N_GROUPS_OF_THREE;
    for (size_t i = 0; good && i < n; i++) {
        azr_running *running = &learn->running[i];
        good = json_unpack(json_array_get(list, i), "[F, F, F]", &running->weight, &running->sum,
                           &running->squares) == 0;
    }
    return good;
}

azr_status azr_checkpoint_read_state(const char *folder, azr_checkpoint_state *out_state,
                                     azr_error *error)
{
    char *path = azr_path_join(folder, "state.json"), *text = NULL;
    azr_status status = azr_file_read(path, AZR_STATE_MAX_BYTES, &text, NULL, error);
    if (status == AZR_OK) {
        json_int_t format = 0, step = 0, opt_step = 0, seed = 0;
        const char *hash = NULL;
        azr_learn_state learn = {0};
        json_t *object = json_loads(text, 0, NULL), *running = NULL;
        if (object == NULL ||
            json_unpack(object, "{s:I, s:I, s:I, s:I, s:s, s:F, s:o}", "format", &format, "step",
                        &step, "opt_step", &opt_step, "seed", &seed, "buffer_hash", &hash,
                        "entropy_coef", &learn.entropy_coef, "running", &running) != 0 ||
            !read_running(running, &learn))
            status = azr_error_set(error, AZR_ERROR_INPUT, "%s is no checkpoint state", path);
        else if (format != AZR_STATE_FORMAT)
            status = azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                   "%s has format %lld, this azr knows format %d", path,
                                   (long long)format, AZR_STATE_FORMAT);
        else
            *out_state = (azr_checkpoint_state){.step = step,
                                                .opt_step = opt_step,
                                                .seed = (uint64_t)seed,
                                                .buffer_hash = strtoull(hash, NULL, 16),
                                                .learn = learn};
        json_decref(object);
    }
    azr_free(text);
    azr_free(path);
    return status;
}
