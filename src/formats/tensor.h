/* tensor.h: what a tensor of a type and shape must look like on disk. */
#ifndef AZR_FORMATS_TENSOR_H
#define AZR_FORMATS_TENSOR_H

#include "azr/formats.h"

enum { AZR_FORMATS__N_TYPES = AZR_TENSOR_Q6_K + 1 };

typedef struct azr_formats__type {
    const char *name;
    int64_t block_length; /* elements in a block; 1 for plain numbers */
    size_t block_bytes;
    void (*expand)(const uint8_t *block, int64_t n_blocks, float *out);
} azr_formats__type;

/* block_length elements lie in block_bytes bytes. */
const azr_formats__type *azr_formats__type_of(azr_tensor_type type);
/* "F32, F16, ...": the names of types[0..n), for messages. */
void azr_formats__type_names(char *text, size_t text_bytes, int n);

/* Sets n_elements and n_bytes from type and dims; refuses shapes whose size overflows, negative
 * dims, and rows that are no multiple of the block. path and the tensor's name go into messages. */
azr_status azr_formats__tensor_size(azr_tensor *tensor, const char *path, azr_error *error);
/* Sorts tensors by where their bytes lie and refuses overlaps. */
azr_status azr_formats__tensor_order(azr_tensor *tensors, size_t n_tensors, const char *path,
                                     azr_error *error);

#endif
