#include "formats/weights_file.h"

#include "base/check.h"
#include "base/memory.h"
#include "formats/gguf_metadata.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

static azr_status no_memory(const char *path, azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to open %s", path);
}

/* --- parts and tensors ------------------------------------------------------------------------ */

azr_status azr_formats__add_parts(azr_weights_file *file, size_t n_parts, azr_error *error)
{
    AZR_CHECK(file->parts == NULL);
    file->parts = azr_try_alloc(n_parts, sizeof *file->parts);
    if (file->parts == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu model files", n_parts);
    file->n_parts = n_parts;
    return AZR_OK;
}

azr_status azr_formats__add_tensors(azr_weights_file *file, size_t n, const char *path,
                                    azr_error *error)
{
    if (n > AZR_FORMATS__MAX_TENSORS || file->n_tensors + n > AZR_FORMATS__MAX_TENSORS)
        return azr_error_set(error, AZR_ERROR_LIMIT, "%s: %zu tensors, the limit is %d", path,
                             file->n_tensors + n, AZR_FORMATS__MAX_TENSORS);
    azr_tensor *tensors = azr_try_alloc(file->n_tensors + n, sizeof *tensors);
    if (tensors == NULL)
        return no_memory(path, error);
    if (file->n_tensors > 0)
        memcpy(tensors, file->tensors, file->n_tensors * sizeof *tensors);
    azr_free(file->tensors);
    file->tensors = tensors;
    return AZR_OK;
}

azr_status azr_formats__index_names(azr_weights_file *file, azr_error *error)
{
    if (file->names.texts != NULL)
        return AZR_OK;
    if (!azr_formats__names_init(&file->names, file->n_tensors))
        return no_memory(azr_weights_path(file), error);
    for (size_t i = 0; i < file->n_tensors; i++)
        if (azr_formats__names_put(&file->names, file->tensors[i].name) != i)
            return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor %s is there twice",
                                 azr_weights_path(file), file->tensors[i].name);
    return AZR_OK;
}

/* --- which format ----------------------------------------------------------------------------- */

static bool begins_with(const azr_file_map *map, const char *text, size_t size)
{
    return map->size >= size && memcmp(map->bytes, text, size) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* Files that people point at by mistake, by how they begin. */
static const struct {
    const char *begin;
    const char *what;
} mistakes[] = {
    {"PK\003\004", "an archive (of PyTorch, if it ends in .bin or .pt): convert it to safetensors"},
    {"version https://git-lfs", "a Git LFS pointer: fetch the file itself with git lfs pull"},
};

/* Reads a part whose bytes are there, by what they are. */
static azr_status read_part(azr_weights_file *file, size_t i_part, azr_error *error)
{
    const azr_formats__part *part = &file->parts[i_part];
    const azr_file_map *map = &part->map;
    if (map->size == 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s is empty", part->path);
    if (begins_with(map, "GGUF", 4))
        return azr_formats__gguf_read(file, i_part, error);
    for (size_t i = 0; i < AZR_COUNT(mistakes); i++)
        if (begins_with(map, mistakes[i].begin, strlen(mistakes[i].begin)))
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "%s is %s", part->path,
                                 mistakes[i].what);
    /* safetensors has no magic: its header begins behind its size. */
    if (ends_with(part->path, ".safetensors") || (map->size > 8 && map->bytes[8] == '{'))
        return azr_formats__safetensors_read(file, i_part, error);
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s is neither a GGUF nor a safetensors file (it begins like neither)",
                         part->path);
}

azr_status azr_formats__open_part(azr_weights_file *file, size_t i_part, azr_error *error)
{
    azr_formats__part *part = &file->parts[i_part];
    azr_status status = azr_file_map_open(part->path, &part->map, error);
    part->is_mapped = true;
    return status == AZR_OK ? read_part(file, i_part, error) : status;
}

/* --- finding the files ------------------------------------------------------------------------ */

static azr_status open_single(azr_weights_file *file, const char *path, azr_error *error)
{
    AZR_CHECK(path != NULL);
    azr_status status = azr_formats__add_parts(file, 1, error);
    if (status != AZR_OK)
        return status;
    file->parts[0].path = azr_copy_text(path, strlen(path));
    return azr_formats__open_part(file, 0, error);
}

/* The only file of folder that ends in .gguf, as a path to free; an error when none or several. */
static azr_status find_gguf(const char *folder, char **out_path, azr_error *error)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return azr_error_set(error, AZR_ERROR_IO, "cannot read folder %s: %s", folder,
                             strerror(errno));
    azr_status status = AZR_OK;
    char *found = NULL;
    for (struct dirent *entry; status == AZR_OK && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.' || !ends_with(entry->d_name, ".gguf"))
            continue;
        if (found != NULL)
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "%s holds several GGUF files (%s, %s): name the one to use",
                                   folder, strcmp(found, entry->d_name) < 0 ? found : entry->d_name,
                                   strcmp(found, entry->d_name) < 0 ? entry->d_name : found);
        else
            found = azr_copy_text(entry->d_name, strlen(entry->d_name));
    }
    closedir(entries);
    if (status == AZR_OK && found == NULL)
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "%s holds no " AZR_FORMATS__SINGLE_NAME
                               ", no " AZR_FORMATS__INDEX_NAME " and no .gguf file",
                               folder);
    if (status == AZR_OK)
        *out_path = azr_path_join(folder, found);
    azr_free(found);
    return status;
}

static azr_status open_folder(azr_weights_file *file, const char *folder, azr_error *error)
{
    azr_status status = AZR_OK;
    char *single = azr_path_join(folder, AZR_FORMATS__SINGLE_NAME);
    char *index = azr_path_join(folder, AZR_FORMATS__INDEX_NAME);
    char *gguf = NULL;
    if (azr_file_exists(single)) {
        status = open_single(file, single, error);
    } else if (azr_file_exists(index)) {
        status = azr_formats__index_open(file, folder, error);
    } else {
        status = find_gguf(folder, &gguf, error);
        if (gguf != NULL)
            status = open_single(file, gguf, error);
    }
    azr_free(single);
    azr_free(index);
    azr_free(gguf);
    return status;
}

/* --- the front door --------------------------------------------------------------------------- */

azr_status azr_weights_open(const char *path, azr_weights_file **out_file, azr_error *error)
{
    *out_file = NULL;
    azr_weights_file *file = azr_try_alloc(1, sizeof *file);
    if (file == NULL)
        return no_memory(path, error);
    azr_status status = azr_directory_exists(path) ? open_folder(file, path, error)
                                                   : open_single(file, path, error);
    if (status == AZR_OK)
        status = azr_formats__index_names(file, error);
    if (status == AZR_OK)
        *out_file = file;
    else
        azr_weights_close(file);
    return status;
}

azr_status azr_formats__open_bytes(const char *path, const uint8_t *bytes, size_t size,
                                   azr_weights_file **out_file, azr_error *error)
{
    *out_file = NULL;
    azr_weights_file *file = azr_try_alloc(1, sizeof *file);
    if (file == NULL)
        return no_memory(path, error);
    azr_status status = azr_formats__add_parts(file, 1, error);
    if (status == AZR_OK) {
        file->parts[0].path = azr_copy_text(path, strlen(path));
        file->parts[0].map = (azr_file_map){bytes, size};
        status = read_part(file, 0, error);
    }
    if (status == AZR_OK)
        status = azr_formats__index_names(file, error);
    if (status == AZR_OK)
        *out_file = file;
    else
        azr_weights_close(file);
    return status;
}

void azr_weights_close(azr_weights_file *file)
{
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->n_parts; i++) {
        azr_formats__part *part = &file->parts[i];
        if (part->is_mapped)
            azr_file_map_close(&part->map);
        azr_free(part->path);
        azr_free(part->names);
    }
    azr_free(file->parts);
    azr_free(file->tensors);
    azr_formats__names_deinit(&file->names);
    azr_formats__metadata_destroy(file->metadata);
    azr_free(file);
}

size_t azr_weights_count(const azr_weights_file *file)
{
    return file->n_tensors;
}

const azr_tensor *azr_weights_at(const azr_weights_file *file, size_t index)
{
    AZR_CHECK(index < file->n_tensors);
    return &file->tensors[index];
}

const azr_tensor *azr_weights_find(const azr_weights_file *file, const char *name)
{
    size_t index = azr_formats__names_find(&file->names, name);
    return index != AZR_FORMATS__NO_NAME ? &file->tensors[index] : NULL;
}

bool azr_weights_is_gguf(const azr_weights_file *file)
{
    return file->metadata != NULL;
}

const char *azr_weights_path(const azr_weights_file *file)
{
    return file->n_parts > 0 ? file->parts[0].path : "the model";
}
