/* model.safetensors.index.json: {"weight_map": {tensor name: file name}}, for models in parts. */
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "formats/json.h"
#include "formats/weights_file.h"

#include <string.h>

/* A plain file name: no way out of the folder. */
static bool is_file_name(const char *name)
{
    return azr_formats__name_is_plain(name, strlen(name)) && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The distinct files of the map, in the order of their first mention (texts belong to map). */
static azr_status list_files(const char *path, json_t *map, azr_formats__names *files,
                             azr_error *error)
{
    if (!azr_formats__names_init(files, AZR_FORMATS__MAX_PARTS))
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the parts of %s", path);
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (name == NULL || !is_file_name(name))
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: a tensor's part is no plain file name of the same folder",
                                 path);
        if (azr_formats__names_find(files, name) != AZR_FORMATS__NO_NAME)
            continue;
        if (files->n == AZR_FORMATS__MAX_PARTS)
            return azr_error_set(error, AZR_ERROR_LIMIT, "%s names over %d parts", path,
                                 AZR_FORMATS__MAX_PARTS);
        azr_formats__names_put(files, name);
    }
    if (files->n == 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s names no parts", path);
    return AZR_OK;
}

/* Every tensor of the map must lie in the part that the map says. */
static azr_status check_map(const azr_weights_file *file, const char *path, json_t *map,
                            const azr_formats__names *files, azr_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value)
    {
        size_t i_part = azr_formats__names_find(files, json_string_value(value));
        const azr_formats__part *part = &file->parts[i_part];
        const azr_tensor *tensor = azr_weights_find(file, name);
        if (tensor != NULL && tensor->name >= part->names &&
            tensor->name < part->names + part->names_bytes)
            continue;
        bool is_plain = azr_formats__name_is_plain(name, strlen(name));
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor %s is not in %s as %s says", path,
                             is_plain ? name : "?", part->path, path);
    }
    return AZR_OK;
}

static azr_status open_parts(azr_weights_file *file, const char *folder,
                             const azr_formats__names *files, azr_error *error)
{
    azr_status status = azr_formats__add_parts(file, files->n, error);
    for (size_t i = 0; status == AZR_OK && i < files->n; i++) {
        file->parts[i].path = azr_path_join(folder, files->texts[i]);
        status = azr_formats__open_part(file, i, error);
        if (status == AZR_OK && azr_weights_is_gguf(file))
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "%s is a GGUF file, not a part of a "
                                   "safetensors model",
                                   file->parts[i].path);
    }
    return status == AZR_OK ? azr_formats__index_names(file, error) : status;
}

azr_status azr_formats__index_open(azr_weights_file *file, const char *folder, azr_error *error)
{
    char *path = azr_path_join(folder, AZR_FORMATS__INDEX_NAME);
    char *text = NULL;
    size_t size = 0;
    json_t *root = NULL;
    azr_formats__names files = {0};
    azr_status status = azr_file_read(path, AZR_FORMATS__MAX_JSON_BYTES, &text, &size, error);
    if (status == AZR_OK)
        status = azr_formats__json_object(text, size, path, &root, error);
    if (status != AZR_OK)
        goto done;
    json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map)) {
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s has no weight_map", path);
        goto done;
    }
    status = list_files(path, map, &files, error);
    if (status == AZR_OK)
        status = open_parts(file, folder, &files, error);
    if (status == AZR_OK)
        status = check_map(file, path, map, &files, error);
done:
    azr_formats__names_deinit(&files);
    json_decref(root);
    azr_free(text);
    azr_free(path);
    return status;
}
