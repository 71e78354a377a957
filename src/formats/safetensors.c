/* Reading one safetensors file: {u64 header size, JSON header, bytes}. The rules are those of the
 * format's description: the header has at most 100,000,000 bytes, no name twice, and the tensors
 * cover the bytes behind it without holes or overlaps. */
#include "base/memory.h"
#include "base/strbuf.h"
#include "formats/bytes.h"
#include "formats/json.h"
#include "formats/tensor.h"
#include "formats/weights_file.h"

#include <string.h>

/* The bytes behind the header. */
typedef struct tensor_region {
    const char *path;
    const uint8_t *bytes;
    size_t size;
} tensor_region;

static azr_status parse_type(const char *path, const char *name, const json_t *value,
                             azr_tensor_type *out_type, azr_error *error)
{
    const char *text = json_string_value(value);
    if (text == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor %s has no dtype", path, name);
    for (azr_tensor_type type = AZR_TENSOR_F32; type <= AZR_TENSOR_BF16; type++) {
        if (strcmp(text, azr_tensor_type_name(type)) == 0) {
            *out_type = type;
            return AZR_OK;
        }
    }
    bool is_plain = azr_formats__name_is_plain(text, strlen(text));
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s: tensor %s has dtype %.20s, azr reads F32, F16 and BF16", path, name,
                         is_plain ? text : "?");
}

static azr_status parse_shape(const char *path, const json_t *value, azr_tensor *tensor,
                              azr_error *error)
{
    if (!json_is_array(value))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor %s has no shape", path,
                             tensor->name);
    size_t n = json_array_size(value);
    if (n > AZR_TENSOR_MAX_DIMS)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: tensor %s has %zu dimensions, the limit is %d", path,
                             tensor->name, n, AZR_TENSOR_MAX_DIMS);
    tensor->n_dims = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *dim = json_array_get(value, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: dimension %zu of tensor %s is no size", path, i,
                                 tensor->name);
        tensor->dims[i] = json_integer_value(dim);
    }
    return azr_formats__tensor_size(tensor, path, error);
}

static azr_status parse_offsets(const tensor_region *region, const json_t *value,
                                azr_tensor *tensor, azr_error *error)
{
    const json_t *first = json_array_get(value, 0), *last = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor %s has no data_offsets",
                             region->path, tensor->name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > region->size)
        return azr_error_set(
            error, AZR_ERROR_INPUT, "%s: tensor %s lies at bytes %lld to %lld, the file has %zu",
            region->path, tensor->name, (long long)begin, (long long)end, region->size);
    if ((uint64_t)(end - begin) != tensor->n_bytes)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: tensor %s has %lld bytes, its shape and dtype need %zu",
                             region->path, tensor->name, (long long)(end - begin), tensor->n_bytes);
    tensor->bytes = region->bytes + begin;
    return AZR_OK;
}

static azr_status parse_tensor(const tensor_region *region, const json_t *entry, azr_tensor *tensor,
                               azr_error *error)
{
    if (!json_is_object(entry))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: the entry of tensor %s is no object",
                             region->path, tensor->name);
    azr_status status = parse_type(region->path, tensor->name, json_object_get(entry, "dtype"),
                                   &tensor->type, error);
    if (status == AZR_OK)
        status = parse_shape(region->path, json_object_get(entry, "shape"), tensor, error);
    if (status == AZR_OK)
        status = parse_offsets(region, json_object_get(entry, "data_offsets"), tensor, error);
    return status;
}

static bool is_metadata(const char *name)
{
    return strcmp(name, "__metadata__") == 0;
}

/* Counts the tensors of a header, checks their names, and makes room for both. */
static azr_status reserve(azr_weights_file *file, azr_formats__part *part, json_t *header,
                          azr_error *error)
{
    size_t n = 0, names_bytes = 1;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (is_metadata(name))
            continue;
        if (!azr_formats__name_is_plain(name, strlen(name)))
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: the name of tensor %zu is empty, holds control characters or "
                                 "has over %d bytes",
                                 part->path, n, AZR_FORMATS__MAX_NAME);
        n++;
        names_bytes += strlen(name) + 1;
    }
    azr_status status = azr_formats__add_tensors(file, n, part->path, error);
    if (status != AZR_OK)
        return status;
    part->names = azr_try_alloc(names_bytes, 1);
    part->names_bytes = names_bytes;
    if (part->names == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY,
                             "no memory for the names of the %zu tensors "
                             "of %s",
                             n, part->path);
    return AZR_OK;
}

/* The tensors must cover the region: the format allows no bytes that belong to none. */
static azr_status check_cover(const tensor_region *region, const azr_tensor *tensors,
                              size_t n_tensors, azr_error *error)
{
    const uint8_t *end = region->bytes;
    for (size_t i = 0; i < n_tensors; i++) {
        if (tensors[i].bytes != end)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: %zu bytes before tensor %s belong to no tensor", region->path,
                                 (size_t)(tensors[i].bytes - end), tensors[i].name);
        end += tensors[i].n_bytes;
    }
    size_t n_left = region->size - (size_t)(end - region->bytes);
    if (n_left > 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: the last %zu bytes belong to no tensor",
                             region->path, n_left);
    return AZR_OK;
}

static azr_status parse_header(azr_weights_file *file, azr_formats__part *part, json_t *header,
                               const tensor_region *region, azr_error *error)
{
    azr_status status = reserve(file, part, header, error);
    if (status != AZR_OK)
        return status;
    azr_tensor *tensors = file->tensors + file->n_tensors;
    size_t n = 0, names_bytes = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (is_metadata(name))
            continue;
        size_t size = strlen(name) + 1;
        memcpy(part->names + names_bytes, name, size);
        tensors[n].name = part->names + names_bytes;
        names_bytes += size;
        status = parse_tensor(region, entry, &tensors[n], error);
        if (status != AZR_OK)
            return status;
        n++;
    }
    status = azr_formats__tensor_order(tensors, n, part->path, error);
    if (status == AZR_OK)
        status = check_cover(region, tensors, n, error);
    if (status == AZR_OK)
        file->n_tensors += n;
    return status;
}

azr_status azr_formats__safetensors_read(azr_weights_file *file, size_t i_part, azr_error *error)
{
    azr_formats__part *part = &file->parts[i_part];
    azr_formats__cursor cursor = {.bytes = part->map.bytes, .size = part->map.size};
    uint64_t header_bytes = azr_formats__take_u64(&cursor);
    if (cursor.is_past_end)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: %zu bytes, a safetensors file begins with 8 that "
                             "say how long its header is",
                             part->path, part->map.size);
    if (header_bytes > AZR_FORMATS__MAX_JSON_BYTES)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "%s: a header of %llu bytes, the limit is %d (is it a safetensors "
                             "file?)",
                             part->path, (unsigned long long)header_bytes,
                             AZR_FORMATS__MAX_JSON_BYTES);
    const uint8_t *text = azr_formats__take(&cursor, header_bytes);
    if (text == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: its header has %llu bytes, the file %zu", part->path,
                             (unsigned long long)header_bytes, part->map.size);
    azr_strbuf what = {0};
    azr_strbuf_printf(&what, "the header of %s", part->path);
    json_t *header = NULL;
    azr_status status = azr_formats__json_object((const char *)text, (size_t)header_bytes,
                                                 what.data, &header, error);
    if (status == AZR_OK) {
        tensor_region region = {part->path, part->map.bytes + cursor.at,
                                azr_formats__left(&cursor)};
        status = parse_header(file, part, header, &region, error);
    }
    json_decref(header);
    azr_strbuf_deinit(&what);
    return status;
}
