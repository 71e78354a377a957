/* formats.h: bytes on disk <-> named tensors. safetensors (one file, or many with an index) and
 * GGUF v2 / v3. Files are mapped, never read whole; every offset and length is checked before use.
 * docs/FORMATS.md says what is read, the limits and the errors. */
#ifndef AZR_FORMATS_H
#define AZR_FORMATS_H

#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AZR_TENSOR_MAX_DIMS = 4 };

/* How elements lie on disk. The quantised ones are GGUF block formats. */
typedef enum azr_tensor_type {
    AZR_TENSOR_F32,
    AZR_TENSOR_F16,
    AZR_TENSOR_BF16,
    AZR_TENSOR_Q4_0,
    AZR_TENSOR_Q4_1,
    AZR_TENSOR_Q5_0,
    AZR_TENSOR_Q5_1,
    AZR_TENSOR_Q8_0,
    AZR_TENSOR_Q4_K,
    AZR_TENSOR_Q5_K,
    AZR_TENSOR_Q6_K,
} azr_tensor_type;

const char *azr_tensor_type_name(azr_tensor_type type); /* "F32", "Q4_K", ... */

/* A view into the mapped file; lives as long as the azr_weights_file. */
typedef struct azr_tensor {
    const char *name;
    azr_tensor_type type;
    int n_dims;
    int64_t dims[AZR_TENSOR_MAX_DIMS]; /* outermost first: a linear layer is [n_out, n_in] in both
                                          formats (GGUF's own order is turned round) */
    int64_t n_elements;
    const uint8_t *bytes;
    size_t n_bytes;
} azr_tensor;

/* An opened set of named tensors. */
typedef struct azr_weights_file azr_weights_file;

/* path: a .gguf file, a .safetensors file, or a folder that holds model.safetensors,
 * model.safetensors.index.json with its parts, or exactly one .gguf file.
 * Errors name the file and what is wrong with it; *out_file is NULL then. The files must not shrink
 * while they are open. Asking from several threads at once is fine. */
azr_status azr_weights_open(const char *path, azr_weights_file **out_file, azr_error *error);
void azr_weights_close(azr_weights_file *file);
size_t azr_weights_count(const azr_weights_file *file);
const azr_tensor *azr_weights_at(const azr_weights_file *file, size_t index);
const azr_tensor *azr_weights_find(const azr_weights_file *file, const char *name); /* or NULL */
bool azr_weights_is_gguf(const azr_weights_file *file);
/* The file the metadata came from (for messages). */
const char *azr_weights_path(const azr_weights_file *file);

/* Expands elements [first, first + n) to f32 (for block formats both must be multiples of the block
 * length, or reach the end). Exact: the value the format's definition gives, in f32. */
void azr_tensor_read(const azr_tensor *tensor, int64_t first, int64_t n, float *out);

/* --- GGUF metadata ---------------------------------------------------------------------------- */

/* Text value, NULL when the key is missing or no text. It may hold NUL bytes: *out_size (which may
 * be NULL) has its length, and one more NUL follows it in memory. Lives as long as file. */
const char *azr_gguf_text(const azr_weights_file *file, const char *key, size_t *out_size);
/* Any integer type or bool; false when missing, of another type or out of int64's range. */
bool azr_gguf_integer(const azr_weights_file *file, const char *key, int64_t *out_value);
/* Any number but a bool. */
bool azr_gguf_number(const azr_weights_file *file, const char *key, double *out_value);
/* Array of texts: its length, or -1; element i as above (O(1)). */
int64_t azr_gguf_texts(const azr_weights_file *file, const char *key);
const char *azr_gguf_texts_at(const azr_weights_file *file, const char *key, int64_t i,
                              size_t *out_size);
/* Array of integers (any integer type, all within int64): its length, or -1; element i. */
int64_t azr_gguf_integers(const azr_weights_file *file, const char *key);
int64_t azr_gguf_integers_at(const azr_weights_file *file, const char *key, int64_t i);

/* --- writing ---------------------------------------------------------------------------------- */

/* A tensor to write, f32. */
typedef struct azr_tensor_out {
    const char *name;
    int n_dims;
    int64_t dims[AZR_TENSOR_MAX_DIMS];
    const float *data;
} azr_tensor_out;

/* Writes a safetensors file (f32, header and bytes in the given order, metadata {"format":"pt"}),
 * fsynced; not atomic by itself: checkpoints rename the whole folder. Same input, same bytes. Names
 * hold no control characters and are not there twice. After a failure there is no file. */
azr_status azr_safetensors_write(const char *path, const azr_tensor_out *tensors, size_t n_tensors,
                                 azr_error *error);

#endif
