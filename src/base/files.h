/* files.h: whole files in, whole files out. */
#ifndef AZR_BASE_FILES_H
#define AZR_BASE_FILES_H

#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file mapped read-only. */
typedef struct azr_file_map {
    const uint8_t *bytes; /* NULL for an empty file */
    size_t size;
} azr_file_map;

azr_status azr_file_map_open(const char *path, azr_file_map *out_map, azr_error *error);
void azr_file_map_close(azr_file_map *map);

/* Reads a whole file of at most max_bytes; *out_text is NUL-terminated, free with azr_free. */
azr_status azr_file_read(const char *path, size_t max_bytes, char **out_text, size_t *out_size,
                         azr_error *error);
/* Writes under a temporary name in the same directory, fsyncs, renames, fsyncs the directory:
 * afterwards the file is whole, or as it was. */
azr_status azr_file_write(const char *path, const void *bytes, size_t size, azr_error *error);
bool azr_file_exists(const char *path);
bool azr_directory_exists(const char *path);
/* Creates the directory and its parents; fine when it is there already. */
azr_status azr_directory_create(const char *path, azr_error *error);
/* fsync of a directory, so that renames in it survive a crash. */
azr_status azr_directory_sync(const char *path, azr_error *error);
/* Removes a directory with all below it; missing is fine. */
azr_status azr_directory_remove(const char *path, azr_error *error);
/* "<a>/<b>", free with azr_free. */
char *azr_path_join(const char *a, const char *b);

#endif
