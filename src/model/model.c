/* model.c: the life of a model: weights from a file or at random, the layers' matrix products,
 * gradients. */
#include "model/network.h"

#include "base/check.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* --- matrix products -------------------------------------------------------------------------- */

static azr_status create_linear(azr_model *model, int64_t n_out, int64_t n_in, int64_t at,
                                azr_linear **out_linear, azr_error *error)
{
    *out_linear = azr_linear_create(n_out, n_in, model->dtype, model->weights + at, error);
    if (*out_linear != NULL)
        return AZR_OK;
    return error != NULL ? error->status : AZR_ERROR_MEMORY;
}

static azr_status create_linears(azr_model *model, azr_error *error)
{
    const azr_model_shape *s = &model->shape;
    int64_t d_attention = s->n_heads * s->d_head;
    azr_status status =
        create_linear(model, s->n_vocab, s->d_model, model->at_head, &model->head, error);
    for (int64_t l = 0; l < s->n_layers && status == AZR_OK; l++) {
        azr_model__layer *layer = &model->layers[l];
        const int64_t *at = layer->at;
        status = create_linear(model, azr_model__qkv_width(s), s->d_model, at[ROLE_Q], &layer->qkv,
                               error);
        if (status == AZR_OK)
            status =
                create_linear(model, s->d_model, d_attention, at[ROLE_OUT], &layer->out, error);
        if (status == AZR_OK)
            status = create_linear(model, 2 * s->d_ff, s->d_model, at[ROLE_GATE], &layer->gate_up,
                                   error);
        if (status == AZR_OK)
            status = create_linear(model, s->d_model, s->d_ff, at[ROLE_DOWN], &layer->down, error);
    }
    return status;
}

static void find_places(azr_model *model)
{
    for (int64_t l = 0; l < model->shape.n_layers; l++)
        for (int i = 0; i < N_ROLES; i++)
            model->layers[l].at[i] = -1;
    for (size_t i = 0; i < model->layout.n; i++) {
        const azr_model__slot *slot = &model->layout.slots[i];
        int64_t at = model->layout.parameters[i].offset;
        if (slot->layer >= 0)
            model->layers[slot->layer].at[slot->role] = at;
        else if (slot->role == ROLE_EMBEDDING)
            model->at_embedding = at;
        else if (slot->role == ROLE_FINAL_NORM)
            model->at_final_norm = at;
        else
            model->at_head = at;
    }
    if (model->shape.tied_embeddings)
        model->at_head = model->at_embedding;
}

void azr_model_refresh(azr_model *model)
{
    azr_linear_refresh(model->head);
    for (int64_t l = 0; l < model->shape.n_layers; l++) {
        azr_model__layer *layer = &model->layers[l];
        azr_linear *linears[] = {layer->qkv, layer->out, layer->gate_up, layer->down};
        for (size_t i = 0; i < AZR_COUNT(linears); i++)
            azr_linear_refresh(linears[i]);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

/* A model whose weights are all zero. The shape has been checked. */
static azr_status allocate(const azr_model_shape *shape, azr_dtype dtype, azr_model **out_model,
                           azr_error *error)
{
    azr_model *model = azr_alloc(1, sizeof *model);
    model->shape = *shape;
    model->kv_dtype = AZR_KV_F32;
    azr_status status = azr_dtype_resolve(dtype, &model->dtype, error);
    if (status == AZR_OK)
        status = azr_model__layout_create(shape, &model->layout, error);
    if (status != AZR_OK)
        goto done;
    size_t n = (size_t)model->layout.n_weights;
    model->layers = azr_try_alloc((size_t)shape->n_layers, sizeof *model->layers);
    model->weights = azr_try_alloc_aligned(n, sizeof *model->weights);
    if (model->layers == NULL || model->weights == NULL) {
        status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %.1f million f32 weights",
                               (double)n / 1e6);
        goto done;
    }
    find_places(model);
    status = create_linears(model, error);
done:
    if (status != AZR_OK) {
        azr_model_destroy(model);
        model = NULL;
    }
    *out_model = model;
    return status;
}

azr_status azr_model_open(const char *path, azr_dtype dtype, azr_model **out_model,
                          azr_error *error)
{
    azr_weights_file *file = NULL;
    azr_model *model = NULL;
    azr_model_shape shape;
    azr_status status = azr_weights_open(path, &file, error);
    if (status == AZR_OK)
        status = azr_model__read_shape_of(path, file, &shape, error);
    if (status == AZR_OK)
        status = azr_model__check_weights(file, &shape, error);
    if (status == AZR_OK)
        status = allocate(&shape, dtype, &model, error);
    if (status == AZR_OK)
        status = azr_model__read_weights(file, &shape, &model->layout, model->weights, error);
    if (status == AZR_OK) {
        azr_model_refresh(model);
    } else {
        azr_model_destroy(model);
        model = NULL;
    }
    azr_weights_close(file);
    *out_model = model;
    return status;
}

/* Weight i of a parameter, by Box and Muller from two uniform numbers. */
static float draw_weight(azr_rng_key *key, const azr_parameter *p, uint64_t i)
{
    key->step = (uint32_t)(i >> 31);
    uint32_t at = (uint32_t)(i & 0x7FFFFFFF);
    double u = azr_rng_uniform(key, 2 * at), v = azr_rng_uniform(key, 2 * at + 1);
    double normal = sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979323846 * v);
    bool is_norm = p->n_dims == 1 && strstr(p->name, "norm") != NULL;
    return (float)(is_norm ? 1 + 0.1 * normal : (p->n_dims == 1 ? 0.1 : 0.02) * normal);
}

azr_status azr_model_create(const azr_model_shape *shape, azr_dtype dtype, uint64_t seed,
                            azr_model **out_model, azr_error *error)
{
    azr_model *model = NULL;
    *out_model = NULL;
    azr_status status = azr_model__check_shape(shape, "model shape", error);
    if (status == AZR_OK)
        status = allocate(shape, dtype, &model, error);
    if (status != AZR_OK)
        return status;
    for (size_t i = 0; i < model->layout.n; i++) {
        const azr_parameter *p = &model->layout.parameters[i];
        float *w = model->weights + p->offset;
#pragma omp parallel for schedule(static) \
    num_threads(p->n_elements > 4096 ? azr_kernels_threads() : 1)
        for (int64_t j = 0; j < p->n_elements; j++) {
            azr_rng_key key = {seed, AZR_RNG_WEIGHTS, 0, (uint32_t)i};
            w[j] = draw_weight(&key, p, (uint64_t)j);
        }
    }
    azr_model_refresh(model);
    *out_model = model;
    return AZR_OK;
}

static void destroy_layers(azr_model *model)
{
    if (model->layers == NULL)
        return;
    for (int64_t l = 0; l < model->shape.n_layers; l++) {
        azr_linear_destroy(model->layers[l].qkv);
        azr_linear_destroy(model->layers[l].out);
        azr_linear_destroy(model->layers[l].gate_up);
        azr_linear_destroy(model->layers[l].down);
    }
    azr_free(model->layers);
}

void azr_model_destroy(azr_model *model)
{
    if (model == NULL)
        return;
    AZR_CHECK_EQ(model->n_caches, 0);
    destroy_layers(model);
    azr_linear_destroy(model->head);
    azr_model__layout_destroy(&model->layout);
    azr_model__rows_deinit(&model->rows);
    azr_model__rows_deinit(&model->kept_rows);
    azr_free(model->passing.block);
    azr_free(model->kept.block);
    azr_free(model->gradient_space.block);
    azr_free(model->head_space.block);
    azr_free(model->spare_pool);
    azr_free(model->rope_cos);
    azr_free(model->rope_sin);
    azr_free(model->gradients);
    azr_free(model->weights);
    azr_free(model);
}

azr_status azr_model_enable_training(azr_model *model, azr_error *error)
{
    if (model->gradients == NULL)
        model->gradients = azr_try_alloc_aligned((size_t)model->layout.n_weights, sizeof(float));
    if (model->gradients != NULL)
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %.1f million f32 gradients",
                         (double)model->layout.n_weights / 1e6);
}

void azr_model__release_layer(azr_model *model, int64_t i_layer)
{
    azr_model__layer *layer = &model->layers[i_layer];
    azr_linear_release(layer->qkv);
    azr_linear_release(layer->out);
    azr_linear_release(layer->gate_up);
    azr_linear_release(layer->down);
}

void azr_model__release_layers(azr_model *model)
{
    for (int64_t l = 0; l < model->shape.n_layers; l++)
        azr_model__release_layer(model, l);
    azr_memory_trim();
}

void azr_model_set_kv_dtype(azr_model *model, azr_kv_dtype kv_dtype)
{
    AZR_CHECK_EQ(model->n_caches, 0);
    model->kv_dtype = kv_dtype;
}

void azr_model_set_recompute(azr_model *model, bool recompute)
{
    model->recompute = recompute;
    if (recompute)
        azr_model__release_layers(model);
}

/* --- what a model says of itself -------------------------------------------------------------- */

const azr_model_shape *azr_model_get_shape(const azr_model *model)
{
    return &model->shape;
}

azr_dtype azr_model_dtype(const azr_model *model)
{
    return model->dtype;
}

azr_kv_dtype azr_model_kv_dtype(const azr_model *model)
{
    return model->kv_dtype;
}

float *azr_model_weights(azr_model *model)
{
    return model->weights;
}

int64_t azr_model_n_weights(const azr_model *model)
{
    return model->layout.n_weights;
}

size_t azr_model_n_parameters(const azr_model *model)
{
    return model->layout.n;
}

const azr_parameter *azr_model_parameter(const azr_model *model, size_t i)
{
    AZR_CHECK(i < model->layout.n);
    return &model->layout.parameters[i];
}

float *azr_model_gradients(azr_model *model)
{
    return model->gradients;
}

/* Output columns beyond these say nothing new about the order of sums, and a vocabulary's would
 * take the check from one second to many. */
enum { CHECK_COLUMNS = 4096 };

azr_status azr_model_check(const azr_model *model, azr_error *error)
{
    const azr_model_shape *s = &model->shape;
    const int64_t shapes[][2] = {
        {azr_model__qkv_width(s), s->d_model},
        {s->d_model, s->n_heads * s->d_head},
        {2 * s->d_ff, s->d_model},
        {s->d_model, s->d_ff},
        {s->n_vocab, s->d_model},
    };
    azr_status status = AZR_OK;
    for (size_t i = 0; i < AZR_COUNT(shapes) && status == AZR_OK; i++) {
        int64_t n_out = shapes[i][0] < CHECK_COLUMNS ? shapes[i][0] : CHECK_COLUMNS;
        bool done = false;
        for (size_t j = 0; j < i; j++) {
            int64_t other = shapes[j][0] < CHECK_COLUMNS ? shapes[j][0] : CHECK_COLUMNS;
            done = done || (other == n_out && shapes[j][1] == shapes[i][1]);
        }
        if (!done)
            status = azr_linear_check(n_out, shapes[i][1], model->dtype, error);
    }
    return status;
}
