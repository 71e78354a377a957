#include "formats/tensor.h"

#include "base/check.h"
#include "formats/dequantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const azr_formats__type types[AZR_FORMATS__N_TYPES] = {
    [AZR_TENSOR_F32] = {"F32", 1, 4, azr_formats__expand_f32},
    [AZR_TENSOR_F16] = {"F16", 1, 2, azr_formats__expand_f16},
    [AZR_TENSOR_BF16] = {"BF16", 1, 2, azr_formats__expand_bf16},
    [AZR_TENSOR_Q4_0] = {"Q4_0", 32, 18, azr_formats__expand_q4_0},
    [AZR_TENSOR_Q4_1] = {"Q4_1", 32, 20, azr_formats__expand_q4_1},
    [AZR_TENSOR_Q5_0] = {"Q5_0", 32, 22, azr_formats__expand_q5_0},
    [AZR_TENSOR_Q5_1] = {"Q5_1", 32, 24, azr_formats__expand_q5_1},
    [AZR_TENSOR_Q8_0] = {"Q8_0", 32, 34, azr_formats__expand_q8_0},
    [AZR_TENSOR_Q4_K] = {"Q4_K", 256, 144, azr_formats__expand_q4_k},
    [AZR_TENSOR_Q5_K] = {"Q5_K", 256, 176, azr_formats__expand_q5_k},
    [AZR_TENSOR_Q6_K] = {"Q6_K", 256, 210, azr_formats__expand_q6_k},
};

const azr_formats__type *azr_formats__type_of(azr_tensor_type type)
{
    AZR_CHECK((unsigned)type < AZR_FORMATS__N_TYPES);
    return &types[type];
}

const char *azr_tensor_type_name(azr_tensor_type type)
{
    return azr_formats__type_of(type)->name;
}

void azr_formats__type_names(char *text, size_t text_bytes, int n)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < n && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i > 0 ? ", " : "",
                                 types[i].name);
}

azr_status azr_formats__tensor_size(azr_tensor *tensor, const char *path, azr_error *error)
{
    const azr_formats__type *type = azr_formats__type_of(tensor->type);
    int64_t n = 1;
    for (int i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] < 0 || __builtin_mul_overflow(n, tensor->dims[i], &n))
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s: the shape of tensor %s overflows (dimension %d is %lld)",
                                 path, tensor->name, i, (long long)tensor->dims[i]);
    }
    int64_t n_row = tensor->n_dims > 0 ? tensor->dims[tensor->n_dims - 1] : 1;
    if (n_row % type->block_length != 0)
        return azr_error_set(
            error, AZR_ERROR_INPUT,
            "%s: rows of tensor %s have %lld elements, no multiple of the %lld in a "
            "block of %s",
            path, tensor->name, (long long)n_row, (long long)type->block_length, type->name);
    int64_t n_bytes;
    if (__builtin_mul_overflow(n / type->block_length, (int64_t)type->block_bytes, &n_bytes))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: the size of tensor %s overflows", path,
                             tensor->name);
    tensor->n_elements = n;
    tensor->n_bytes = (size_t)n_bytes;
    return AZR_OK;
}

/* By place; of tensors that begin at one place the empty ones come first; then by name. */
static int compare_places(const void *a, const void *b)
{
    const azr_tensor *one = a, *two = b;
    if (one->bytes != two->bytes)
        return one->bytes < two->bytes ? -1 : 1;
    if (one->n_bytes != two->n_bytes)
        return one->n_bytes < two->n_bytes ? -1 : 1;
    return strcmp(one->name, two->name);
}

azr_status azr_formats__tensor_order(azr_tensor *tensors, size_t n_tensors, const char *path,
                                     azr_error *error)
{
    if (n_tensors > 1)
        qsort(tensors, n_tensors, sizeof *tensors, compare_places);
    for (size_t i = 1; i < n_tensors; i++)
        if (tensors[i].bytes < tensors[i - 1].bytes + tensors[i - 1].n_bytes)
            return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensors %s and %s overlap", path,
                                 tensors[i - 1].name, tensors[i].name);
    return AZR_OK;
}

void azr_tensor_read(const azr_tensor *tensor, int64_t first, int64_t n, float *out)
{
    const azr_formats__type *type = azr_formats__type_of(tensor->type);
    AZR_CHECK(first >= 0 && n >= 0 && first <= tensor->n_elements &&
              n <= tensor->n_elements - first);
    AZR_CHECK(first % type->block_length == 0 && n % type->block_length == 0);
    if (n > 0)
        type->expand(tensor->bytes + (size_t)(first / type->block_length) * type->block_bytes,
                     n / type->block_length, out);
}
