/* process.c: fork, exec, and files for the two outputs, so that no pipe can fill up. */
#include "process.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *azr_test_binary(void)
{
    const char *path = getenv("AZR_BINARY");
    return path != NULL ? path : "build/azr";
}

static char *read_all(FILE *file)
{
    size_t size = 0, capacity = 4096;
    char *text = azr_alloc(capacity, 1);
    rewind(file);
    for (size_t n; (n = fread(text + size, 1, capacity - size - 1, file)) > 0;) {
        size += n;
        if (capacity - size - 1 == 0)
            text = azr_realloc(text, capacity *= 2, 1);
    }
    text[size] = '\0';
    fclose(file);
    return text;
}

azr_test_process azr_test_process_run(const char *const *argv, const char *out_path)
{
    FILE *out = out_path != NULL ? fopen(out_path, "r+") : tmpfile();
    FILE *err = tmpfile();
    AZR_CHECK(out != NULL && err != NULL);
    fflush(NULL);
    pid_t pid = fork();
    AZR_CHECK(pid >= 0);
    if (pid == 0) {
        int in = open("/dev/null", O_RDONLY);
        if (in < 0 || dup2(in, 0) < 0 || dup2(fileno(out), 1) < 0 || dup2(fileno(err), 2) < 0)
            _exit(125);
        alarm(AZR_TEST_PROCESS_SECONDS);
        execvp(argv[0], (char *const *)argv);
        _exit(126);
    }
    int status;
    AZR_CHECK(waitpid(pid, &status, 0) == pid);
    azr_test_process process = {.code = WIFEXITED(status) ? WEXITSTATUS(status)
                                                          : 128 + WTERMSIG(status)};
    process.err = read_all(err);
    if (out_path == NULL) {
        process.out = read_all(out);
    } else {
        fclose(out);
        process.out = azr_copy_text("", 0);
    }
    return process;
}

void azr_test_process_deinit(azr_test_process *process)
{
    azr_free(process->out);
    azr_free(process->err);
    *process = (azr_test_process){0};
}

/* --- processes below --------------------------------------------------------------------------
 */

/* The parent of a process, 0 when it is gone. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *behind_name = strrchr(text, ')');
    int parent = 0;
    if (behind_name == NULL || sscanf(behind_name, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

/* Processes below pid, at any depth; the nearest ones first. */
size_t azr_test_descendants(pid_t pid, pid_t *out, size_t max)
{
    size_t n = 0, n_done = 0;
    for (pid_t of = pid; of != 0; of = n_done < n ? out[n_done++] : 0) {
        DIR *proc = opendir("/proc");
        for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
            pid_t candidate = (pid_t)strtol(entry->d_name, NULL, 10);
            if (candidate > 0 && parent_of(candidate) == of && n < max)
                out[n++] = candidate;
        }
        if (proc != NULL)
            closedir(proc);
    }
    return n;
}
