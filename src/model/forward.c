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

/* Keys and values lie side by side in a fused row, and so in the cache: 2 K E floats a token. */
static void store_keys(const azr_model_shape *s, const azr_model__rows *rows, int64_t i_layer,
                       const float *qkv)
{
    int64_t w = azr_model__qkv_width(s), n = 2 * s->n_kv_heads * s->d_head;
    float *cache = rows->cache + i_layer * rows->span_step;
    for (int64_t r = 0; r < rows->n_rows; r++)
        memcpy(cache + rows->places[r] * n, qkv + r * w + s->n_heads * s->d_head,
               (size_t)n * sizeof(float));
}

/* mid = x + attention(norm(x)) */
static void attend(const azr_model *model, const azr_model__rows *rows, int64_t i_layer,
                   const azr_model__space *space, int64_t i_kept)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    const float *weights = model->weights;
    int64_t n = rows->n_rows, d = s->d_model, e = s->d_head, w = azr_model__qkv_width(s);
    int64_t kept = i_kept * space->capacity, n_q = s->n_heads * e;
    float *x = space->x + kept * d, *mid = space->mid + kept * d, *qkv = space->qkv + kept * w;
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
    if (rows->cache != NULL)
        store_keys(s, rows, i_layer, qkv);
    azr_attention_forward(&shape, rows->queries, rows->n_queries, qkv, w, attention);
    azr_linear_forward(layer->out, n, attention, mid);
    azr_add(n * d, x, mid);
}

/* next = mid + mlp(norm(mid)) */
static void feed_forward(const azr_model *model, int64_t n, int64_t i_layer,
                         const azr_model__space *space, int64_t i_kept, float *next)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    int64_t d = s->d_model, kept = i_kept * space->capacity;
    float *mid = space->mid + kept * d, *gate_up = space->gate_up + kept * 2 * s->d_ff;
    azr_rmsnorm_forward(n, d, s->norm_eps, mid, d, model->weights + layer->at[ROLE_MLP_NORM],
                        space->norm, d);
    azr_linear_forward(layer->gate_up, n, space->norm, gate_up);
    azr_swiglu_forward(n, s->d_ff, gate_up, space->gated);
    azr_linear_forward(layer->down, n, space->gated, next);
    azr_add(n * d, mid, next);
}

float *azr_model__forward_rows(azr_model *model, azr_model__rows *rows, azr_model__space *space)
{
    const azr_model_shape *s = &model->shape;
    float *x = space->x;
    azr_embedding_forward(rows->n_rows, s->d_model, model->weights + model->at_embedding,
                          rows->tokens, x);
    for (int64_t l = 0; l < s->n_layers; l++) {
        int64_t i_kept = space->keeps ? l : 0;
        for (int64_t i = 0; l > 0 && i < rows->n_spans; i++) {
            rows->spans[i].k += rows->span_step;
            rows->spans[i].v += rows->span_step;
        }
        attend(model, rows, l, space, i_kept);
        x = space->x + (space->keeps ? l + 1 : 0) * space->capacity * s->d_model;
        feed_forward(model, rows->n_rows, l, space, i_kept, x);
    }
    return x;
}
