/* gguf_metadata.h: the key-value pairs of a GGUF file. */
#ifndef AZR_FORMATS_GGUF_METADATA_H
#define AZR_FORMATS_GGUF_METADATA_H

#include "azr/status.h"
#include "formats/bytes.h"
#include "formats/names.h"

/* Types of values as the file numbers them. */
typedef enum azr_formats__value_type {
    AZR_FORMATS__U8,
    AZR_FORMATS__I8,
    AZR_FORMATS__U16,
    AZR_FORMATS__I16,
    AZR_FORMATS__U32,
    AZR_FORMATS__I32,
    AZR_FORMATS__F32,
    AZR_FORMATS__BOOL,
    AZR_FORMATS__TEXT,
    AZR_FORMATS__ARRAY,
    AZR_FORMATS__U64,
    AZR_FORMATS__I64,
    AZR_FORMATS__F64,
    AZR_FORMATS__N_VALUE_TYPES,
} azr_formats__value_type;

/* A value, or an array of n of one type. */
typedef struct azr_formats__value {
    char *key;
    azr_formats__value_type type; /* of the value or of each element; never ARRAY */
    bool is_array;
    bool has_big;         /* some u64 is beyond int64 */
    uint64_t n;           /* elements; 1 when no array */
    const uint8_t *bytes; /* numbers: in the file, at any address */
    char *texts;          /* texts: copies, a NUL behind each */
    size_t *offsets;      /* [n + 1] where each text begins in texts */
} azr_formats__value;

typedef struct azr_formats__metadata {
    azr_formats__value *values; /* [n] */
    size_t n;
    azr_formats__names keys;
} azr_formats__metadata;

/* Reads n_values pairs from the cursor on; they refer to its bytes. *out_metadata is NULL after a
 * failure. */
azr_status azr_formats__metadata_read(azr_formats__cursor *cursor, uint64_t n_values,
                                      const char *path, azr_formats__metadata **out_metadata,
                                      azr_error *error);
void azr_formats__metadata_destroy(azr_formats__metadata *metadata);
/* The value of a key, or NULL. */
const azr_formats__value *azr_formats__metadata_find(const azr_formats__metadata *metadata,
                                                     const char *key);
/* Element i of integers or bools as int64; false for other types and beyond int64. */
bool azr_formats__value_integer(const azr_formats__value *value, uint64_t i, int64_t *out_value);

/* A text in the file: u64 size, bytes. *out_text is NULL when the file ends within it. */
void azr_formats__take_text(azr_formats__cursor *cursor, const char **out_text, size_t *out_size);

#endif
