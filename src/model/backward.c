/* backward.c: gradients of all layers, the mirror image of forward.c. Norms and the gated product
 * are computed again rather than kept. */
#include "model/network.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

/* dx: gradient of the layer's output on entry, of mid on return. */
static void feed_forward_backward(azr_model *model, int64_t i_layer)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    const azr_model__space *space = &model->kept;
    const azr_model__gradient_space *g = &model->gradient_space;
    int64_t n = model->kept_rows.n_rows, d = s->d_model;
    int64_t kept = azr_model__slot_of(space, i_layer) * space->capacity;
    float *mid = space->mid + kept * d, *gate_up = space->gate_up + kept * 2 * s->d_ff;
    const float *norm_weights = model->weights + layer->at[ROLE_MLP_NORM];
    float *dw = model->gradients;

    azr_swiglu_forward(n, s->d_ff, gate_up, space->gated);
    azr_linear_backward(layer->down, n, space->gated, g->dx, g->dgated, dw + layer->at[ROLE_DOWN]);
    azr_swiglu_backward(n, s->d_ff, gate_up, g->dgated, gate_up);
    azr_rmsnorm_forward(n, d, s->norm_eps, mid, d, norm_weights, space->norm, d);
    azr_linear_backward(layer->gate_up, n, space->norm, gate_up, g->dnorm,
                        dw + layer->at[ROLE_GATE]);
    azr_rmsnorm_backward(n, d, s->norm_eps, mid, d, norm_weights, g->dnorm, d, g->dx, d, true,
                         dw + layer->at[ROLE_MLP_NORM]);
}

/* Through the norms of q and k, in place in dqkv. */
static void norm_heads_backward(azr_model *model, int64_t i_layer)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    int64_t n = model->kept_rows.n_rows, e = s->d_head, w = azr_model__qkv_width(s);
    int64_t kept = azr_model__slot_of(&model->kept, i_layer) * model->kept.capacity;
    const float *raw = model->kept.qk_raw + kept * w;
    float *dqkv = model->gradient_space.dqkv;
    for (int64_t h = 0; h < s->n_heads + s->n_kv_heads; h++) {
        int64_t at = layer->at[h < s->n_heads ? ROLE_Q_NORM : ROLE_K_NORM];
        azr_rmsnorm_backward(n, e, s->norm_eps, raw + h * e, w, model->weights + at, dqkv + h * e,
                             w, dqkv + h * e, w, false, model->gradients + at);
    }
}

/* dx: gradient of mid on entry, of the layer's input on return. */
static void attend_backward(azr_model *model, int64_t i_layer)
{
    const azr_model_shape *s = &model->shape;
    const azr_model__layer *layer = &model->layers[i_layer];
    const azr_model__rows *rows = &model->kept_rows;
    const azr_model__space *space = &model->kept;
    const azr_model__gradient_space *g = &model->gradient_space;
    int64_t n = rows->n_rows, d = s->d_model, e = s->d_head, w = azr_model__qkv_width(s);
    int64_t kept = azr_model__slot_of(space, i_layer) * space->capacity, n_q = s->n_heads * e;
    float *x = azr_model__layer_input(s, space, i_layer), *qkv = space->qkv + kept * w;
    float *attention = space->attention + kept * n_q;
    const float *norm_weights = model->weights + layer->at[ROLE_ATTENTION_NORM];
    float *dw = model->gradients;
    azr_attention_shape shape = {s->n_heads, s->n_kv_heads, e, 1 / sqrtf((float)e)};

    azr_linear_backward(layer->out, n, attention, g->dx, g->dattention, dw + layer->at[ROLE_OUT]);
    memset(g->dqkv, 0, (size_t)(n * w) * sizeof(float));
    azr_attention_backward(&shape, rows->queries, rows->n_queries, qkv, w, attention, g->dattention,
                           g->dqkv, w);
    azr_rope_backward(n, s->n_heads + s->n_kv_heads, e, g->dqkv, w, model->rope_cos,
                      model->rope_sin, rows->positions);
    if (s->qk_norm)
        norm_heads_backward(model, i_layer);
    if (s->qkv_bias)
        azr_bias_backward(n, w, g->dqkv, dw + layer->at[ROLE_Q_BIAS]);
    azr_rmsnorm_forward(n, d, s->norm_eps, x, d, norm_weights, space->norm, d);
    azr_linear_backward(layer->qkv, n, space->norm, g->dqkv, g->dnorm, dw + layer->at[ROLE_Q]);
    azr_rmsnorm_backward(n, d, s->norm_eps, x, d, norm_weights, g->dnorm, d, g->dx, d, true,
                         dw + layer->at[ROLE_ATTENTION_NORM]);
}

void azr_model__backward_rows(azr_model *model)
{
    const azr_model_shape *s = &model->shape;
    azr_model__rows *rows = &model->kept_rows;
    bool recompute = model->kept.keep == KEEP_INPUTS;
    AZR_CHECK(model->kept.keep != KEEP_NOTHING && rows->cache == NULL && rows->cache_f16 == NULL);
    for (int64_t l = s->n_layers - 1; l >= 0; l--) {
        if (recompute)
            azr_model__recompute_layer(model, l);
        feed_forward_backward(model, l);
        attend_backward(model, l);
        if (recompute)
            azr_model__release_layer(model, l);
        for (int64_t i = 0; i < rows->n_spans; i++) {
            rows->spans[i].k -= l > 0 ? rows->span_step : 0;
            rows->spans[i].v -= l > 0 ? rows->span_step : 0;
        }
    }
    azr_embedding_backward(rows->n_rows, s->d_model, model->gradient_space.dx, rows->tokens,
                           model->gradients + model->at_embedding);
}
