/* forward.c: embedding and layers over the rows of a pass. Prefill, decode, scoring and training
 * all come here, so the same token in the same chain gets the same bits in each. */
#include "model/network.h"

#include <math.h>
#include <string.h>

/* The norms of q and k (qwen3), in place in fused rows: head by head, or row by row when rows are
 * few. A head's result does not depend on which. */
static void norm_heads(const azr_model_shape *s, int64_t n_rows, const float *weights, float *heads,
                       int64_t n_heads)
{
    int64_t w = azr_model__qkv_width(s), e = s->d_head;
    if (n_rows < n_heads) {
        for (int64_t r = 0; r < n_rows; r++)
            azr_rmsnorm_forward(n_heads, e, s->norm_eps, heads + r * w, e, weights, heads + r * w,
                                e);
        return;
    }
    for (int64_t h = 0; h < n_heads; h++)
        azr_rmsnorm_forward(n_rows, e, s->norm_eps, heads + h * e, w, weights, heads + h * e, w);
}

/* Keys and values lie side by side in a fused row: 2 K E numbers a token. What the cache would
 * round is rounded in a batch too, so that a token sees the same bits in both. */
static void store_keys(const azr_model *model, const azr_model__rows *rows, int64_t i_layer,
                       float *qkv)
{
    const azr_model_shape *s = &model->shape;
    int64_t w = azr_model__qkv_width(s), n = 2 * s->n_kv_heads * s->d_head;
    float *keys = qkv + s->n_heads * s->d_head;
    if (rows->cache_f16 != NULL)
        azr_kv_write_f16(rows->n_rows, s->n_kv_heads, s->d_head, keys, w,
                         rows->cache_f16 + i_layer * rows->span_step, rows->places);
    else if (rows->cache != NULL)
        azr_kv_write(rows->n_rows, s->n_kv_heads, s->d_head, keys, w,
                     rows->cache + i_layer * rows->span_step, rows->places);
    else if (model->kv_dtype == AZR_KV_F16)
        azr_round_to_f16(rows->n_rows, n, keys, w);
}

/* From a layer's keys to the next layer's, in caches and batches alike. */
static void step_spans(azr_model__rows *rows)
{
    for (int64_t i = 0; i < rows->n_spans; i++) {
        azr_kv_span *span = &rows->spans[i];
        if (rows->cache_f16 != NULL) {
            span->page_f16 += rows->span_step;
        } else if (rows->cache != NULL) {
            span->page += rows->span_step;
        } else {
            span->k += rows->span_step;
            span->v += rows->span_step;
        }
    }
}

/* mid = x + attention(norm(x)) */
static void attend(const azr_model *model, const azr_model__rows *rows, int64_t i_layer,
                   const azr_model__space *space)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    const float *weights = model->weights;
    int64_t n = rows->n_rows, d = s->d_model, e = s->d_head, w = azr_model__qkv_width(s);
    int64_t kept = azr_model__slot_of(space, i_layer) * space->capacity, n_q = s->n_heads * e;
    float *x = azr_model__layer_input(s, space, i_layer);
    float *mid = space->mid + kept * d, *qkv = space->qkv + kept * w;
    float *attention = space->attention + kept * n_q;
    azr_attention_shape shape = {s->n_heads, s->n_kv_heads, e, 1 / sqrtf((float)e)};

    azr_rmsnorm_forward(n, d, s->norm_eps, x, d, weights + layer->at[ROLE_ATTENTION_NORM],
                        space->norm, d);
    azr_linear_forward(layer->qkv, n, space->norm, qkv);
    if (s->qkv_bias)
        azr_bias_forward(n, w, weights + layer->at[ROLE_Q_BIAS], qkv);
    if (s->qk_norm) {
        memcpy(space->qk_raw + kept * w, qkv, (size_t)(n * w) * sizeof(float));
        norm_heads(s, n, weights + layer->at[ROLE_Q_NORM], qkv, s->n_heads);
        norm_heads(s, n, weights + layer->at[ROLE_K_NORM], qkv + n_q, s->n_kv_heads);
    }
    azr_rope_forward(n, s->n_heads + s->n_kv_heads, e, qkv, w, model->rope_cos, model->rope_sin,
                     rows->positions);
    store_keys(model, rows, i_layer, qkv);
    azr_attention_forward(&shape, rows->queries, rows->n_queries, qkv, w, attention);
    azr_linear_forward(layer->out, n, attention, mid);
    azr_add(n * d, x, mid);
}

/* gate_up of rows [begin, begin + n). Returns where it lies. */
static float *open_gates(const azr_model *model, int64_t begin, int64_t n, int64_t i_layer,
                         const azr_model__space *space)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    int64_t d = s->d_model, slot = azr_model__slot_of(space, i_layer);
    int64_t first = slot * space->wide_rows + (begin < space->wide_rows ? begin : 0);
    const float *mid = space->mid + (slot * space->capacity + begin) * d;
    float *gate_up = space->gate_up + first * 2 * s->d_ff;
    azr_rmsnorm_forward(n, d, s->norm_eps, mid, d, model->weights + layer->at[ROLE_MLP_NORM],
                        space->norm, d);
    azr_linear_forward(layer->gate_up, n, space->norm, gate_up);
    return gate_up;
}

/* next = mid + mlp(norm(mid)), as many rows at a time as there is room for. */
static void feed_forward(const azr_model *model, int64_t n_rows, int64_t i_layer,
                         const azr_model__space *space, float *next)
{
    const azr_model_shape *s = &model->shape;
    int64_t d = s->d_model;
    const float *mid =
        space->mid + azr_model__slot_of(space, i_layer) * space->capacity * s->d_model;
    for (int64_t i = 0; i < n_rows; i += space->wide_rows) {
        int64_t n = n_rows - i < space->wide_rows ? n_rows - i : space->wide_rows;
        const float *gate_up = open_gates(model, i, n, i_layer, space);
        azr_swiglu_forward(n, s->d_ff, gate_up, space->gated);
        azr_linear_forward(model->layers[i_layer].down, n, space->gated, next + i * d);
        azr_add(n * d, mid + i * d, next + i * d);
    }
}

float *azr_model__forward_rows(azr_model *model, azr_model__rows *rows, azr_model__space *space)
{
    const azr_model_shape *s = &model->shape;
    azr_embedding_forward(rows->n_rows, s->d_model, model->weights + model->at_embedding,
                          rows->tokens, space->x);
    for (int64_t l = 0; l < s->n_layers; l++) {
        if (l > 0)
            step_spans(rows);
        attend(model, rows, l, space);
        feed_forward(model, rows->n_rows, l, space, azr_model__layer_input(s, space, l + 1));
        if (space->keep == KEEP_INPUTS)
            azr_model__release_layer(model, l);
    }
    return azr_model__layer_input(s, space, s->n_layers);
}

void azr_model__recompute_layer(azr_model *model, int64_t i_layer)
{
    attend(model, &model->kept_rows, i_layer, &model->kept);
    open_gates(model, 0, model->kept_rows.n_rows, i_layer, &model->kept);
}
