/* weights.c: from a file's tensors to the block of f32 weights. Every tensor is checked against the
 * shape; none may be missing and none left over. */
#include "model/network.h"

#include "base/check.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Elements read at a time: a multiple of every format's block. */
enum { READ_CHUNK = 1 << 16 };

static void read_tensor(const azr_tensor *tensor, float *out)
{
    int64_t n = tensor->n_elements, n_chunks = (n + READ_CHUNK - 1) / READ_CHUNK;
#pragma omp parallel for schedule(static) num_threads(n_chunks > 1 ? azr_kernels_threads() : 1)
    for (int64_t i = 0; i < n_chunks; i++) {
        int64_t at = i * READ_CHUNK, left = n - at;
        azr_tensor_read(tensor, at, left < READ_CHUNK ? left : READ_CHUNK, out + at);
    }
}

/* llama.cpp stores the rows of a llama model's q and k so that the two halves of a head take turns
 * (row 2 j + s of a head is row s E/2 + j of the original). This puts them back. */
static azr_status restore_row_order(float *w, int64_t n_rows, int64_t n_columns, int64_t d_head,
                                    azr_error *error)
{
    float *head = azr_try_alloc((size_t)(d_head * n_columns), sizeof *head);
    if (head == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to put rows in order");
    for (int64_t h = 0; h < n_rows; h += d_head) {
        float *rows = w + h * n_columns;
        memcpy(head, rows, (size_t)(d_head * n_columns) * sizeof *head);
        for (int64_t i = 0; i < d_head; i++) {
            int64_t half = i % 2, j = i / 2;
            memcpy(rows + (half * (d_head / 2) + j) * n_columns, head + i * n_columns,
                   (size_t)n_columns * sizeof *head);
        }
    }
    azr_free(head);
    return AZR_OK;
}

static azr_status check_dims(const char *path, const azr_tensor *tensor, const azr_parameter *p,
                             azr_error *error)
{
    bool same = tensor->n_dims == p->n_dims && tensor->dims[0] == p->dims[0] &&
                (p->n_dims == 1 || tensor->dims[1] == p->dims[1]);
    if (same)
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "%s: tensor %s has %d dimensions of %lld x %lld, the model's shape wants "
                         "%d of %lld x %lld",
                         path, tensor->name, tensor->n_dims, (long long)tensor->dims[0],
                         (long long)(tensor->n_dims > 1 ? tensor->dims[1] : 1), p->n_dims,
                         (long long)p->dims[0], (long long)p->dims[1]);
}

/* Tensors that a file may hold although no parameter takes them. */
static bool may_be_left(const azr_model_shape *shape, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (strcmp(name, "rope_freqs.weight") == 0 || (dot != NULL && strcmp(dot, ".inv_freq") == 0))
        return true;
    return shape->tied_embeddings &&
           (strcmp(name, "lm_head.weight") == 0 || strcmp(name, "output.weight") == 0);
}

static bool is_taken(const azr_model__layout *layout, bool gguf, const char *name)
{
    for (size_t i = 0; i < layout->n; i++) {
        const char *own = gguf ? layout->slots[i].gguf_name : layout->parameters[i].name;
        if (strcmp(own, name) == 0)
            return true;
    }
    return false;
}

static azr_status check_left_over(const azr_weights_file *file, const azr_model_shape *shape,
                                  const azr_model__layout *layout, azr_error *error)
{
    for (size_t i = 0; i < azr_weights_count(file); i++) {
        const char *name = azr_weights_at(file, i)->name;
        if (!may_be_left(shape, name) && !is_taken(layout, azr_weights_is_gguf(file), name))
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                 "%s: tensor %.128s, which a %s model of this shape does not have",
                                 azr_weights_path(file), name, azr_family_name(shape->family));
    }
    return AZR_OK;
}

/* The file's tensor of a parameter, of the right size. */
static azr_status find_tensor(const azr_weights_file *file, const azr_parameter *p,
                              const azr_model__slot *slot, const azr_tensor **out_tensor,
                              azr_error *error)
{
    const char *name = azr_weights_is_gguf(file) ? slot->gguf_name : p->name;
    *out_tensor = azr_weights_find(file, name);
    if (*out_tensor == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor %s is missing",
                             azr_weights_path(file), name);
    return check_dims(azr_weights_path(file), *out_tensor, p, error);
}

azr_status azr_model__check_weights(const azr_weights_file *file, const azr_model_shape *shape,
                                    azr_error *error)
{
    azr_model__layout layout;
    const azr_tensor *tensor;
    azr_status status = azr_model__layout_create(shape, &layout, error);
    if (status != AZR_OK)
        return status;
    status = check_left_over(file, shape, &layout, error);
    for (size_t i = 0; i < layout.n && status == AZR_OK; i++)
        status = find_tensor(file, &layout.parameters[i], &layout.slots[i], &tensor, error);
    azr_model__layout_destroy(&layout);
    return status;
}

static azr_status read_parameter(const azr_weights_file *file, const azr_model_shape *shape,
                                 const azr_parameter *p, const azr_model__slot *slot,
                                 float *weights, azr_error *error)
{
    bool gguf = azr_weights_is_gguf(file);
    const azr_tensor *tensor;
    azr_status status = find_tensor(file, p, slot, &tensor, error);
    if (status != AZR_OK)
        return status;
    const azr_tensor *head =
        gguf && slot->role == ROLE_EMBEDDING ? azr_weights_find(file, "output.weight") : NULL;
    if (head != NULL && shape->tied_embeddings) {
        bool tied;
        status = azr_model__compare_head(tensor, head, &tied, &tensor, error);
        if (status != AZR_OK)
            return status;
    }
    float *w = weights + p->offset;
    read_tensor(tensor, w);
    if (gguf && shape->family == AZR_FAMILY_LLAMA && (slot->role == ROLE_Q || slot->role == ROLE_K))
        status = restore_row_order(w, p->dims[0], p->dims[1], shape->d_head, error);
    if (status == AZR_OK && !isfinite(azr_sum_squares(p->n_elements, w)))
        status = azr_error_set(error, AZR_ERROR_NUMERIC,
                               "%s: tensor %s holds a number that is not finite",
                               azr_weights_path(file), tensor->name);
    return status;
}

azr_status azr_model__read_weights(const azr_weights_file *file, const azr_model_shape *shape,
                                   const azr_model__layout *layout, float *weights,
                                   azr_error *error)
{
    azr_status status = AZR_OK;
    for (size_t i = 0; i < layout->n && status == AZR_OK; i++)
        status =
            read_parameter(file, shape, &layout->parameters[i], &layout->slots[i], weights, error);
    return status;
}

/* --- is the LM head the embedding? ------------------------------------------------------------ */

/* Root mean square of the rounding error of a format, relative to that of normally distributed
 * numbers (a block's largest of 32 is about 2.1 of their standard deviations). */
static double rounding_of(azr_tensor_type type)
{
    switch (type) {
    case AZR_TENSOR_F32:
        return 0;
    case AZR_TENSOR_F16:
        return 0.0003;
    case AZR_TENSOR_BF16:
        return 0.002;
    case AZR_TENSOR_Q8_0:
        return 0.006;
    case AZR_TENSOR_Q6_K:
        return 0.02;
    case AZR_TENSOR_Q5_K:
    case AZR_TENSOR_Q5_1:
    case AZR_TENSOR_Q5_0:
        return 0.04;
    default:
        return 0.08;
    }
}

typedef struct sums {
    double difference, size;
} sums;

static sums compare_chunk(const azr_tensor *a, const azr_tensor *b, int64_t first, int64_t n,
                          float *x)
{
    sums s = {0, 0};
    azr_tensor_read(a, first, n, x);
    azr_tensor_read(b, first, n, x + n);
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)x[n + i];
        s.difference += d * d;
        s.size += (double)x[i] * (double)x[i];
    }
    return s;
}

azr_status azr_model__compare_head(const azr_tensor *embedding, const azr_tensor *head,
                                   bool *out_tied, const azr_tensor **out_better, azr_error *error)
{
    double a = rounding_of(embedding->type), b = rounding_of(head->type), sum = 0, size = 0;
    *out_tied = false;
    *out_better = embedding;
    if (head->n_dims != embedding->n_dims || head->dims[0] != embedding->dims[0] ||
        head->dims[1] != embedding->dims[1])
        return AZR_OK; /* the check of sizes will name it */
    int64_t n = head->n_elements, n_chunks = (n + READ_CHUNK - 1) / READ_CHUNK;
    int n_threads = azr_kernels_threads();
    float *x = azr_try_alloc((size_t)n_threads * 2 * READ_CHUNK, sizeof *x);
    sums *parts = azr_try_alloc((size_t)n_chunks, sizeof *parts);
    if (x == NULL || parts == NULL) {
        azr_free(x);
        azr_free(parts);
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to compare tensors");
    }
#pragma omp parallel num_threads(n_threads)
    {
        float *own = x + (size_t)omp_get_thread_num() * 2 * READ_CHUNK;
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n_chunks; i++) {
            int64_t at = i * READ_CHUNK, left = n - at;
            parts[i] =
                compare_chunk(embedding, head, at, left < READ_CHUNK ? left : READ_CHUNK, own);
        }
    }
    for (int64_t i = 0; i < n_chunks; i++) {
        sum += parts[i].difference;
        size += parts[i].size;
    }
    azr_free(x);
    azr_free(parts);
    *out_tied = sum <= (1.5 * 1.5) * (a * a + b * b) * size;
    *out_better = b < a ? head : embedding;
    return AZR_OK;
}
