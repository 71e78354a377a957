/* Reading one GGUF file, version 2 or 3, little-endian: {"GGUF", version, counts, metadata, tensor
 * infos, padding, bytes of tensors, each aligned}. The layout is that of the GGUF specification. */
#include "base/check.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/gguf_metadata.h"
#include "formats/tensor.h"
#include "formats/weights_file.h"

#include <string.h>

enum {
    DEFAULT_ALIGNMENT = 32,
    MAX_ALIGNMENT = 1 << 20,
    MIN_INFO_BYTES = 8 + 1 + 4 + 4 + 8, /* name size, name, n_dims, type, offset */
};

/* Tensor types by the number that stands for them in the file. Those that azr does not read are
 * here for their names. */
static const struct {
    const char *name;
    int type; /* azr_tensor_type, or -1 */
} types[] = {
    [0] = {"F32", AZR_TENSOR_F32},
    [1] = {"F16", AZR_TENSOR_F16},
    [2] = {"Q4_0", AZR_TENSOR_Q4_0},
    [3] = {"Q4_1", AZR_TENSOR_Q4_1},
    [6] = {"Q5_0", AZR_TENSOR_Q5_0},
    [7] = {"Q5_1", AZR_TENSOR_Q5_1},
    [8] = {"Q8_0", AZR_TENSOR_Q8_0},
    [9] = {"Q8_1", -1},
    [10] = {"Q2_K", -1},
    [11] = {"Q3_K", -1},
    [12] = {"Q4_K", AZR_TENSOR_Q4_K},
    [13] = {"Q5_K", AZR_TENSOR_Q5_K},
    [14] = {"Q6_K", AZR_TENSOR_Q6_K},
    [15] = {"Q8_K", -1},
    [16] = {"IQ2_XXS", -1},
    [17] = {"IQ2_XS", -1},
    [18] = {"IQ3_XXS", -1},
    [19] = {"IQ1_S", -1},
    [20] = {"IQ4_NL", -1},
    [21] = {"IQ3_S", -1},
    [22] = {"IQ2_S", -1},
    [23] = {"IQ4_XS", -1},
    [24] = {"I8", -1},
    [25] = {"I16", -1},
    [26] = {"I32", -1},
    [27] = {"I64", -1},
    [28] = {"F64", -1},
    [29] = {"IQ1_M", -1},
    [30] = {"BF16", AZR_TENSOR_BF16},
    [34] = {"TQ1_0", -1},
    [35] = {"TQ2_0", -1},
    [39] = {"MXFP4", -1},
};

static azr_status parse_type(uint32_t number, const char *path, azr_tensor *tensor,
                             azr_error *error)
{
    const char *name = number < AZR_COUNT(types) ? types[number].name : NULL;
    if (name != NULL && types[number].type >= 0) {
        tensor->type = (azr_tensor_type)types[number].type;
        return AZR_OK;
    }
    char known[128];
    azr_formats__type_names(known, sizeof known, AZR_FORMATS__N_TYPES);
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s: tensor %s has type %s (%u), azr reads %s", path, tensor->name,
                         name != NULL ? name : "unknown", number, known);
}

/* Dims stand innermost first in the file. */
static azr_status take_dims(azr_formats__cursor *cursor, const char *path, azr_tensor *tensor,
                            azr_error *error)
{
    uint32_t n_dims = azr_formats__take_u32(cursor);
    if (n_dims > AZR_TENSOR_MAX_DIMS)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: tensor %s has %u dimensions, the limit is %d", path, tensor->name,
                             n_dims, AZR_TENSOR_MAX_DIMS);
    tensor->n_dims = (int)n_dims;
    for (int i = tensor->n_dims - 1; i >= 0; i--) {
        uint64_t dim = azr_formats__take_u64(cursor);
        if (dim > INT64_MAX)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: the shape of tensor %s overflows (dimension %d is %llu)",
                                 path, tensor->name, i, (unsigned long long)dim);
        tensor->dims[i] = (int64_t)dim;
    }
    return AZR_OK;
}

/* One tensor info; its offset goes to *out_offset. name_at: where its name is to be kept. */
static azr_status take_info(azr_formats__cursor *cursor, const char *path, char **name_at,
                            azr_tensor *tensor, uint64_t *out_offset, azr_error *error)
{
    const char *name;
    size_t size;
    azr_formats__take_text(cursor, &name, &size);
    if (name == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: it ends within the list of tensors", path);
    if (!azr_formats__name_is_plain(name, size))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: the name of a tensor is empty, holds control characters or has "
                             "over %d bytes",
                             path, AZR_FORMATS__MAX_NAME);
    memcpy(*name_at, name, size);
    tensor->name = *name_at;
    *name_at += size + 1;
    azr_status status = take_dims(cursor, path, tensor, error);
    if (status != AZR_OK)
        return status;
    uint32_t type = azr_formats__take_u32(cursor);
    *out_offset = azr_formats__take_u64(cursor);
    if (cursor->is_past_end)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: it ends within the description of tensor %s", path,
                             tensor->name);
    status = parse_type(type, path, tensor, error);
    return status == AZR_OK ? azr_formats__tensor_size(tensor, path, error) : status;
}

static azr_status take_infos(azr_formats__cursor *cursor, azr_formats__part *part, size_t n,
                             azr_tensor *tensors, uint64_t *offsets, azr_error *error)
{
    /* How long the names are together; what is wrong with them is said below. */
    size_t names_bytes = 1;
    azr_formats__cursor names = *cursor;
    for (size_t i = 0; i < n; i++) {
        const char *name;
        size_t size;
        azr_formats__take_text(&names, &name, &size);
        names_bytes += size + 1;
        uint32_t n_dims = azr_formats__take_u32(&names);
        azr_formats__take(&names, 8 * (uint64_t)n_dims + 4 + 8);
    }
    part->names = azr_try_alloc(names_bytes, 1);
    part->names_bytes = names_bytes;
    if (part->names == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY,
                             "no memory for the names of the %zu tensors of %s", n, part->path);
    char *name_at = part->names;
    for (size_t i = 0; i < n; i++) {
        azr_status status =
            take_info(cursor, part->path, &name_at, &tensors[i], &offsets[i], error);
        if (status != AZR_OK)
            return status;
    }
    return AZR_OK;
}

/* Turns offsets into places in the file, now that it is known where the bytes begin. */
static azr_status place_tensors(const azr_formats__cursor *cursor, const char *path,
                                uint64_t alignment, size_t n, azr_tensor *tensors,
                                const uint64_t *offsets, azr_error *error)
{
    uint64_t begin = (cursor->at + alignment - 1) / alignment * alignment;
    uint64_t size = begin <= cursor->size ? cursor->size - begin : 0;
    for (size_t i = 0; i < n; i++) {
        azr_tensor *tensor = &tensors[i];
        if (offsets[i] % alignment != 0)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: tensor %s lies at offset %llu, no multiple of the alignment "
                                 "of %llu",
                                 path, tensor->name, (unsigned long long)offsets[i],
                                 (unsigned long long)alignment);
        if (offsets[i] > size || tensor->n_bytes > size - offsets[i])
            return azr_error_set(
                error, AZR_ERROR_INPUT,
                "%s is truncated: tensor %s needs %zu bytes from byte %llu on, the "
                "file has %zu",
                path, tensor->name, tensor->n_bytes,
                (unsigned long long)begin + (unsigned long long)offsets[i], cursor->size);
        /* Only an empty tensor can lie where there is no file any more. */
        tensor->bytes = cursor->bytes + (begin <= cursor->size ? begin + offsets[i] : cursor->size);
    }
    return AZR_OK;
}

static azr_status read_alignment(const azr_formats__metadata *metadata, const char *path,
                                 uint64_t *out_alignment, azr_error *error)
{
    const azr_formats__value *value = azr_formats__metadata_find(metadata, "general.alignment");
    int64_t alignment = DEFAULT_ALIGNMENT;
    if (value != NULL && (value->is_array || !azr_formats__value_integer(value, 0, &alignment)))
        alignment = 0;
    if (alignment <= 0 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: general.alignment must be a power of two up to %d", path,
                             MAX_ALIGNMENT);
    *out_alignment = (uint64_t)alignment;
    return AZR_OK;
}

static azr_status check_is_whole(const azr_formats__metadata *metadata, const char *path,
                                 azr_error *error)
{
    const azr_formats__value *value = azr_formats__metadata_find(metadata, "split.count");
    int64_t n_parts = 1;
    if (value != NULL && !value->is_array)
        azr_formats__value_integer(value, 0, &n_parts);
    if (n_parts > 1)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s is one of %lld parts of a model: join them into one GGUF file "
                             "(gguf-split --merge), azr reads no GGUF in parts",
                             path, (long long)n_parts);
    return AZR_OK;
}

static azr_status read_tensors(azr_weights_file *file, azr_formats__part *part,
                               azr_formats__cursor *cursor, uint64_t n_tensors, azr_error *error)
{
    uint64_t alignment = DEFAULT_ALIGNMENT;
    azr_status status = read_alignment(file->metadata, part->path, &alignment, error);
    if (status != AZR_OK)
        return status;
    if (n_tensors <= AZR_FORMATS__MAX_TENSORS &&
        n_tensors > azr_formats__left(cursor) / MIN_INFO_BYTES)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: %llu tensors do not fit into %zu bytes", part->path,
                             (unsigned long long)n_tensors, cursor->size);
    status = azr_formats__add_tensors(file, (size_t)n_tensors, part->path, error);
    if (status != AZR_OK)
        return status;
    size_t n = (size_t)n_tensors;
    azr_tensor *tensors = file->tensors + file->n_tensors;
    uint64_t *offsets = azr_try_alloc(n, sizeof *offsets);
    if (offsets == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the %zu tensors of %s", n,
                             part->path);
    status = take_infos(cursor, part, n, tensors, offsets, error);
    if (status == AZR_OK)
        status = place_tensors(cursor, part->path, alignment, n, tensors, offsets, error);
    if (status == AZR_OK)
        status = azr_formats__tensor_order(tensors, n, part->path, error);
    if (status == AZR_OK)
        file->n_tensors += n;
    azr_free(offsets);
    return status;
}

static azr_status check_version(uint32_t version, const char *path, azr_error *error)
{
    if (version == 2 || version == 3)
        return AZR_OK;
    if (version != 0 && (version & 0xFFFFU) == 0)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s is a big-endian GGUF file, azr reads little-endian ones", path);
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s is a GGUF file of version %u, azr reads versions 2 and 3", path,
                         version);
}

azr_status azr_formats__gguf_read(azr_weights_file *file, size_t i_part, azr_error *error)
{
    azr_formats__part *part = &file->parts[i_part];
    azr_formats__cursor cursor = {.bytes = part->map.bytes, .size = part->map.size};
    azr_formats__take(&cursor, 4); /* "GGUF", seen by the caller */
    uint32_t version = azr_formats__take_u32(&cursor);
    uint64_t n_tensors = azr_formats__take_u64(&cursor);
    uint64_t n_values = azr_formats__take_u64(&cursor);
    if (cursor.is_past_end)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: %zu bytes, a GGUF file begins with 24", part->path,
                             part->map.size);
    azr_status status = check_version(version, part->path, error);
    if (status == AZR_OK && file->metadata != NULL)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s: a second GGUF file", part->path);
    if (status == AZR_OK)
        status = azr_formats__metadata_read(&cursor, n_values, part->path, &file->metadata, error);
    if (status == AZR_OK)
        status = check_is_whole(file->metadata, part->path, error);
    return status == AZR_OK ? read_tensors(file, part, &cursor, n_tensors, error) : status;
}
