#include "base/files.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static azr_status io_error(azr_error *error, const char *verb, const char *path)
{
    return azr_error_set(error, AZR_ERROR_IO, "cannot %s %s: %s", verb, path, strerror(errno));
}

/* Opens a regular file for reading; -1 with the reason in *error otherwise. */
static int open_regular(const char *path, struct stat *status, azr_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (fd < 0) {
        io_error(error, "open", path);
        return -1;
    }
    if (fstat(fd, status) != 0 || !S_ISREG(status->st_mode)) {
        azr_error_set(error, AZR_ERROR_INPUT, "%s is not a regular file", path);
        close(fd);
        return -1;
    }
    return fd;
}

azr_status azr_file_map_open(const char *path, azr_file_map *out_map, azr_error *error)
{
    *out_map = (azr_file_map){0};
    struct stat status;
    int fd = open_regular(path, &status, error);
    if (fd < 0)
        return error != NULL ? error->status : AZR_ERROR_IO;
    if (status.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            close(fd);
            return io_error(error, "map", path);
        }
        out_map->bytes = bytes;
        out_map->size = (size_t)status.st_size;
    }
    close(fd);
    return AZR_OK;
}

void azr_file_map_close(azr_file_map *map)
{
    if (map->bytes != NULL)
        munmap((void *)map->bytes, map->size);
    *map = (azr_file_map){0};
}

azr_status azr_file_read(const char *path, size_t max_bytes, char **out_text, size_t *out_size,
                         azr_error *error)
{
    struct stat status;
    int fd = open_regular(path, &status, error);
    if (fd < 0)
        return error != NULL ? error->status : AZR_ERROR_IO;
    size_t size = (size_t)status.st_size;
    if (size > max_bytes) {
        close(fd);
        return azr_error_set(error, AZR_ERROR_LIMIT, "%s has %zu bytes, the limit is %zu", path,
                             size, max_bytes);
    }
    char *text = azr_try_alloc(size + 1, 1);
    if (text == NULL) {
        close(fd);
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the %zu bytes of %s", size,
                             path);
    }
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, text + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            azr_free(text);
            close(fd);
            return n < 0 ? io_error(error, "read", path)
                         : azr_error_set(error, AZR_ERROR_IO, "%s shrank while being read", path);
        }
        have += (size_t)n;
    }
    close(fd);
    *out_text = text;
    if (out_size != NULL)
        *out_size = size;
    return AZR_OK;
}

static azr_status write_all(int fd, const char *path, const char *bytes, size_t size,
                            azr_error *error)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(error, "write", path);
        done += (size_t)n;
    }
    return fsync(fd) == 0 ? AZR_OK : io_error(error, "sync", path);
}

static azr_status sync_parent(const char *path, azr_error *error)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? azr_copy_text(".", 1)
                                 : azr_copy_text(path, slash == path ? 1 : (size_t)(slash - path));
    azr_status status = azr_directory_sync(parent, error);
    azr_free(parent);
    return status;
}

azr_status azr_file_write(const char *path, const void *bytes, size_t size, azr_error *error)
{
    azr_strbuf temporary = {0};
    azr_strbuf_printf(&temporary, "%s.tmp", path);
    int fd = open(temporary.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    azr_status status = AZR_OK;
    if (fd < 0) {
        status = io_error(error, "create", temporary.data);
    } else {
        status = write_all(fd, temporary.data, bytes, size, error);
        close(fd);
        if (status == AZR_OK && rename(temporary.data, path) != 0)
            status = io_error(error, "rename to", path);
        if (status == AZR_OK)
            status = sync_parent(path, error);
        else
            unlink(temporary.data);
    }
    azr_strbuf_deinit(&temporary);
    return status;
}

bool azr_file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool azr_directory_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

azr_status azr_directory_create(const char *path, azr_error *error)
{
    char *copy = azr_copy_text(path, strlen(path));
    azr_status status = AZR_OK;
    for (char *p = copy + 1; status == AZR_OK && copy[0] != '\0'; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char saved = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && !azr_directory_exists(copy))
            status = io_error(error, "create directory", copy);
        *p = saved;
        if (saved == '\0')
            break;
    }
    azr_free(copy);
    return status;
}

azr_status azr_directory_sync(const char *path, azr_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(error, "open directory", path);
    int failed = fsync(fd);
    close(fd);
    return failed == 0 ? AZR_OK : io_error(error, "sync directory", path);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

azr_status azr_directory_remove(const char *path, azr_error *error)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return io_error(error, "remove", path);
    return AZR_OK;
}

char *azr_path_join(const char *a, const char *b)
{
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "%s/%s", a, b);
    return azr_strbuf_steal(&path);
}
