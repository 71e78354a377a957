#include "formats/gguf_metadata.h"

#include "base/check.h"
#include "base/memory.h"
#include "formats/weights_file.h"

#include <string.h>

/* Bytes of a number of each type; 0 for the others. */
static const size_t type_bytes[AZR_FORMATS__N_VALUE_TYPES] = {
    [AZR_FORMATS__U8] = 1,  [AZR_FORMATS__I8] = 1,  [AZR_FORMATS__U16] = 2, [AZR_FORMATS__I16] = 2,
    [AZR_FORMATS__U32] = 4, [AZR_FORMATS__I32] = 4, [AZR_FORMATS__F32] = 4, [AZR_FORMATS__BOOL] = 1,
    [AZR_FORMATS__U64] = 8, [AZR_FORMATS__I64] = 8, [AZR_FORMATS__F64] = 8,
};

/* Fewest bytes of a pair: key size, no key, type, a number of one byte. */
enum { MIN_PAIR_BYTES = 8 + 4 + 1, MIN_TEXT_BYTES = 8 };

static azr_status truncated(const char *path, const char *key, azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "%s is truncated: it ends within the metadata (%.80s)", path, key);
}

static azr_status no_memory(const char *path, const char *key, azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the metadata of %s (%.80s)", path,
                         key);
}

/* --- reading ---------------------------------------------------------------------------------- */

void azr_formats__take_text(azr_formats__cursor *cursor, const char **out_text, size_t *out_size)
{
    uint64_t size = azr_formats__take_u64(cursor);
    *out_text = (const char *)azr_formats__take(cursor, size);
    *out_size = *out_text != NULL ? (size_t)size : 0;
}

static azr_status take_texts(azr_formats__cursor *cursor, azr_formats__value *value,
                             const char *path, azr_error *error)
{
    if (value->n > azr_formats__left(cursor) / MIN_TEXT_BYTES)
        return truncated(path, value->key, error);
    /* The sizes first, then the copies: each text brings 8 bytes of size, and needs one for its
     * NUL. */
    azr_formats__cursor sizes = *cursor;
    size_t n_bytes = 0;
    for (uint64_t i = 0; i < value->n; i++) {
        const char *text;
        size_t size;
        azr_formats__take_text(&sizes, &text, &size);
        n_bytes += size + 1;
    }
    if (sizes.is_past_end)
        return truncated(path, value->key, error);
    value->texts = azr_try_alloc(n_bytes, 1);
    value->offsets = azr_try_alloc((size_t)value->n + 1, sizeof *value->offsets);
    if (value->texts == NULL || value->offsets == NULL)
        return no_memory(path, value->key, error);
    size_t at = 0;
    for (uint64_t i = 0; i < value->n; i++) {
        const char *text;
        size_t size;
        azr_formats__take_text(cursor, &text, &size);
        value->offsets[i] = at;
        memcpy(value->texts + at, text, size);
        at += size + 1;
    }
    value->offsets[value->n] = at;
    return AZR_OK;
}

static azr_status take_numbers(azr_formats__cursor *cursor, azr_formats__value *value,
                               const char *path, azr_error *error)
{
    size_t size = type_bytes[value->type];
    if (value->n > azr_formats__left(cursor) / size)
        return truncated(path, value->key, error);
    value->bytes = azr_formats__take(cursor, value->n * size);
    for (uint64_t i = 0; i < value->n; i++) {
        if (value->type == AZR_FORMATS__U64 && azr_formats__u64(value->bytes + 8 * i) > INT64_MAX)
            value->has_big = true;
        if (value->type == AZR_FORMATS__BOOL && value->bytes[i] > 1)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: a truth value of %.80s is %u, neither 0 nor 1", path,
                                 value->key, value->bytes[i]);
    }
    return AZR_OK;
}

static azr_status take_key(azr_formats__cursor *cursor, azr_formats__value *value, size_t i,
                           const char *path, azr_error *error)
{
    const char *key;
    size_t size;
    azr_formats__take_text(cursor, &key, &size);
    if (key == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: it ends within the key of metadata value %zu", path,
                             i);
    if (!azr_formats__name_is_plain(key, size))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: the key of metadata value %zu is empty, holds control characters "
                             "or has over %d bytes",
                             path, i, AZR_FORMATS__MAX_NAME);
    value->key = azr_try_alloc(size + 1, 1);
    if (value->key == NULL)
        return no_memory(path, "a key", error);
    memcpy(value->key, key, size);
    return AZR_OK;
}

static azr_status take_value(azr_formats__cursor *cursor, azr_formats__value *value,
                             const char *path, azr_error *error)
{
    uint32_t type = azr_formats__take_u32(cursor);
    value->n = 1;
    if (type == AZR_FORMATS__ARRAY) {
        value->is_array = true;
        type = azr_formats__take_u32(cursor);
        value->n = azr_formats__take_u64(cursor);
    }
    if (cursor->is_past_end)
        return truncated(path, value->key, error);
    if (type == AZR_FORMATS__ARRAY)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "%s: %.80s is an array of arrays", path,
                             value->key);
    if (type >= AZR_FORMATS__N_VALUE_TYPES)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: %.80s has type %u, the last known is %d",
                             path, value->key, type, AZR_FORMATS__N_VALUE_TYPES - 1);
    value->type = (azr_formats__value_type)type;
    return value->type == AZR_FORMATS__TEXT ? take_texts(cursor, value, path, error)
                                            : take_numbers(cursor, value, path, error);
}

static azr_status take_values(azr_formats__cursor *cursor, azr_formats__metadata *metadata,
                              const char *path, azr_error *error)
{
    for (size_t i = 0; i < metadata->n; i++) {
        azr_formats__value *value = &metadata->values[i];
        azr_status status = take_key(cursor, value, i, path, error);
        if (status == AZR_OK)
            status = take_value(cursor, value, path, error);
        if (status != AZR_OK)
            return status;
        if (azr_formats__names_put(&metadata->keys, value->key) != i)
            return azr_error_set(error, AZR_ERROR_INPUT, "%s: metadata key %.80s is there twice",
                                 path, value->key);
    }
    return AZR_OK;
}

azr_status azr_formats__metadata_read(azr_formats__cursor *cursor, uint64_t n_values,
                                      const char *path, azr_formats__metadata **out_metadata,
                                      azr_error *error)
{
    *out_metadata = NULL;
    if (n_values > AZR_FORMATS__MAX_METADATA)
        return azr_error_set(error, AZR_ERROR_LIMIT, "%s: %llu metadata values, the limit is %d",
                             path, (unsigned long long)n_values, AZR_FORMATS__MAX_METADATA);
    if (n_values > azr_formats__left(cursor) / MIN_PAIR_BYTES)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s is truncated: %llu metadata values do not fit into %zu bytes",
                             path, (unsigned long long)n_values, cursor->size);
    azr_formats__metadata *metadata = azr_try_alloc(1, sizeof *metadata);
    if (metadata == NULL)
        return no_memory(path, "all", error);
    azr_status status = AZR_OK;
    metadata->values = azr_try_alloc((size_t)n_values, sizeof *metadata->values);
    if (metadata->values == NULL || !azr_formats__names_init(&metadata->keys, (size_t)n_values)) {
        status = no_memory(path, "all", error);
    } else {
        metadata->n = (size_t)n_values;
        status = take_values(cursor, metadata, path, error);
    }
    if (status == AZR_OK)
        *out_metadata = metadata;
    else
        azr_formats__metadata_destroy(metadata);
    return status;
}

void azr_formats__metadata_destroy(azr_formats__metadata *metadata)
{
    if (metadata == NULL)
        return;
    for (size_t i = 0; i < metadata->n; i++) {
        azr_free(metadata->values[i].key);
        azr_free(metadata->values[i].texts);
        azr_free(metadata->values[i].offsets);
    }
    azr_free(metadata->values);
    azr_formats__names_deinit(&metadata->keys);
    azr_free(metadata);
}

/* --- asking ----------------------------------------------------------------------------------- */

const azr_formats__value *azr_formats__metadata_find(const azr_formats__metadata *metadata,
                                                     const char *key)
{
    if (metadata == NULL)
        return NULL;
    size_t index = azr_formats__names_find(&metadata->keys, key);
    return index != AZR_FORMATS__NO_NAME ? &metadata->values[index] : NULL;
}

bool azr_formats__value_integer(const azr_formats__value *value, uint64_t i, int64_t *out_value)
{
    if (value->type == AZR_FORMATS__TEXT)
        return false;
    const uint8_t *bytes = value->bytes + i * type_bytes[value->type];
    switch (value->type) {
    case AZR_FORMATS__U8:
    case AZR_FORMATS__BOOL:
        *out_value = bytes[0];
        return true;
    case AZR_FORMATS__I8:
        *out_value = (int)(bytes[0] ^ 0x80) - 0x80; /* the sign of a byte */
        return true;
    case AZR_FORMATS__U16:
        *out_value = azr_formats__u16(bytes);
        return true;
    case AZR_FORMATS__I16:
        *out_value = (int16_t)azr_formats__u16(bytes);
        return true;
    case AZR_FORMATS__U32:
        *out_value = azr_formats__u32(bytes);
        return true;
    case AZR_FORMATS__I32:
        *out_value = (int32_t)azr_formats__u32(bytes);
        return true;
    case AZR_FORMATS__U64:
    case AZR_FORMATS__I64:
        *out_value = (int64_t)azr_formats__u64(bytes);
        return value->type == AZR_FORMATS__I64 || *out_value >= 0;
    default:
        return false;
    }
}

static const azr_formats__value *find(const azr_weights_file *file, const char *key, bool is_array)
{
    const azr_formats__value *value = azr_formats__metadata_find(file->metadata, key);
    return value != NULL && value->is_array == is_array ? value : NULL;
}

const char *azr_gguf_text(const azr_weights_file *file, const char *key, size_t *out_size)
{
    const azr_formats__value *value = find(file, key, false);
    if (value == NULL || value->type != AZR_FORMATS__TEXT)
        return NULL;
    if (out_size != NULL)
        *out_size = value->offsets[1] - 1;
    return value->texts;
}

bool azr_gguf_integer(const azr_weights_file *file, const char *key, int64_t *out_value)
{
    const azr_formats__value *value = find(file, key, false);
    int64_t number;
    if (value == NULL || !azr_formats__value_integer(value, 0, &number))
        return false;
    *out_value = number;
    return true;
}

bool azr_gguf_number(const azr_weights_file *file, const char *key, double *out_value)
{
    const azr_formats__value *value = find(file, key, false);
    int64_t integer;
    if (value == NULL || value->type == AZR_FORMATS__BOOL)
        return false;
    if (value->type == AZR_FORMATS__F32) {
        float number;
        memcpy(&number, value->bytes, sizeof number);
        *out_value = (double)number;
        return true;
    }
    if (value->type == AZR_FORMATS__F64) {
        memcpy(out_value, value->bytes, sizeof *out_value);
        return true;
    }
    if (!azr_formats__value_integer(value, 0, &integer))
        return false;
    *out_value = (double)integer;
    return true;
}

int64_t azr_gguf_texts(const azr_weights_file *file, const char *key)
{
    const azr_formats__value *value = find(file, key, true);
    return value != NULL && value->type == AZR_FORMATS__TEXT ? (int64_t)value->n : -1;
}

const char *azr_gguf_texts_at(const azr_weights_file *file, const char *key, int64_t i,
                              size_t *out_size)
{
    const azr_formats__value *value = find(file, key, true);
    AZR_CHECK(value != NULL && value->type == AZR_FORMATS__TEXT);
    AZR_CHECK(i >= 0 && (uint64_t)i < value->n);
    if (out_size != NULL)
        *out_size = value->offsets[i + 1] - value->offsets[i] - 1;
    return value->texts + value->offsets[i];
}

static bool is_integers(const azr_formats__value *value)
{
    return value != NULL && value->type != AZR_FORMATS__TEXT && value->type != AZR_FORMATS__BOOL &&
           value->type != AZR_FORMATS__F32 && value->type != AZR_FORMATS__F64 && !value->has_big;
}

int64_t azr_gguf_integers(const azr_weights_file *file, const char *key)
{
    const azr_formats__value *value = find(file, key, true);
    return is_integers(value) ? (int64_t)value->n : -1;
}

int64_t azr_gguf_integers_at(const azr_weights_file *file, const char *key, int64_t i)
{
    const azr_formats__value *value = find(file, key, true);
    int64_t number = 0;
    AZR_CHECK(is_integers(value) && i >= 0 && (uint64_t)i < value->n);
    azr_formats__value_integer(value, (uint64_t)i, &number);
    return number;
}
