#include "train/run_directory.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Options that may change when a run goes on: they change no result. */
static const char *const free_keys[] = {
    "run",          "threads",          "total_steps",  "checkpoint_every",
    "model",        "keep_checkpoints", "streams",      "kv_tokens",
    "exec_workers", "memory_limit_mb",  "exec_require", "exec_wall_ms",
    "eval_every",   "eval_sets",        "eval_limit",   "eval_max_tokens",
    "exec_engine",
};

static bool is_free(const char *line, size_t key_size)
{
    for (size_t i = 0; i < AZR_COUNT(free_keys); i++)
        if (strlen(free_keys[i]) == key_size && memcmp(free_keys[i], line, key_size) == 0)
            return true;
    return false;
}

/* "key: value", without the comment behind it. */
static size_t assignment_size(const char *line)
{
    size_t n = strcspn(line, "\n");
    for (size_t i = 0; i + 1 < n; i++)
        if (line[i] == ' ' && line[i + 1] == '#')
            n = i;
    while (n > 0 && line[n - 1] == ' ')
        n--;
    return n;
}

/* Both are printed by azr_config_print: the same keys in the same order. */
static azr_status compare_configs(const azr_config *now, const azr_config *stored, const char *path,
                                  azr_error *error)
{
    char *a = azr_config_print(now), *b = azr_config_print(stored);
    azr_status status = AZR_OK;
    const char *x = a, *y = b;
    while (status == AZR_OK && *x != '\0' && *y != '\0') {
        size_t n_x = assignment_size(x), n_y = assignment_size(y), key = strcspn(x, ":");
        if (x[0] != '#' && key < n_x && !is_free(x, key) && (n_x != n_y || memcmp(x, y, n_x) != 0))
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "%s says '%.*s', this start '%.*s': a run cannot change that on "
                                   "its way",
                                   path, (int)n_y, y, (int)n_x, x);
        x += strcspn(x, "\n");
        y += strcspn(y, "\n");
        x += *x == '\n';
        y += *y == '\n';
    }
    azr_free(a);
    azr_free(b);
    return status;
}

static azr_status check_config(const char *path, const azr_config *config, azr_error *error)
{
    azr_config stored;
    azr_config_init(&stored);
    azr_status status = azr_config_load(&stored, path, error);
    if (status == AZR_OK)
        status = compare_configs(config, &stored, path, error);
    azr_config_deinit(&stored);
    return status;
}

/* A start that was killed before it wrote config.yaml leaves at most these: no run yet. */
static bool is_remains(const char *name)
{
    static const char *const names[] = {".", "..", "lock", "config.yaml.tmp"};
    for (size_t i = 0; i < AZR_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    bool empty = true;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
        if (!is_remains(entry->d_name))
            empty = false;
    if (directory != NULL)
        closedir(directory);
    return empty;
}

static char *default_path(void)
{
    time_t now = time(NULL);
    struct tm parts;
    char text[64];
    localtime_r(&now, &parts);
    strftime(text, sizeof text, "runs/%Y-%m-%d-%H%M%S", &parts);
    return azr_copy_text(text, strlen(text));
}

static azr_status lock(azr_run_directory *directory, azr_error *error)
{
    char *path = azr_path_join(directory->path, "lock");
    azr_status status = AZR_OK;
    directory->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (directory->lock < 0)
        status = azr_error_set(error, AZR_ERROR_IO, "cannot create %s: %s", path, strerror(errno));
    else if (flock(directory->lock, LOCK_EX | LOCK_NB) != 0)
        status =
            azr_error_set(error, AZR_ERROR_INPUT, "another azr is training in %s", directory->path);
    azr_free(path);
    return status;
}

static azr_status start_new(const azr_config *config, azr_run_directory *directory,
                            azr_error *error)
{
    if (azr_directory_exists(directory->path) && !is_empty(directory->path))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s exists already: go on with --resume, or name another folder",
                             directory->path);
    azr_status status = azr_directory_create(directory->path, error);
    if (status == AZR_OK)
        status = lock(directory, error);
    char *text = azr_config_print(config), *path = azr_path_join(directory->path, "config.yaml");
    if (status == AZR_OK)
        status = azr_file_write(path, text, strlen(text), error);
    azr_free(text);
    azr_free(path);
    return status;
}

static azr_status go_on(const azr_config *config, azr_run_directory *directory, azr_error *error)
{
    char *path = azr_path_join(directory->path, "config.yaml");
    azr_status status = AZR_OK;
    if (!azr_file_exists(path))
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s holds no run: there is no config.yaml",
                               directory->path);
    if (status == AZR_OK)
        status = check_config(path, config, error);
    if (status == AZR_OK)
        status = lock(directory, error);
    azr_free(path);
    return status;
}

azr_status azr_run_directory_open(const azr_config *config, bool resume,
                                  azr_run_directory *out_directory, azr_error *error)
{
    *out_directory = (azr_run_directory){.lock = -1};
    out_directory->path =
        config->run[0] != '\0' ? azr_copy_text(config->run, strlen(config->run)) : default_path();
    azr_status status =
        resume ? go_on(config, out_directory, error) : start_new(config, out_directory, error);
    if (status != AZR_OK)
        azr_run_directory_close(out_directory);
    return status;
}

void azr_run_directory_close(azr_run_directory *directory)
{
    if (directory->path == NULL)
        return;
    if (directory->lock >= 0)
        close(directory->lock);
    azr_free(directory->path);
    *directory = (azr_run_directory){.lock = -1};
}
