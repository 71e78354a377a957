/* parameters.c: which parameters a model of a given shape has, their names in either kind of file,
 * and where they lie in the block of weights. */
#include "model/network.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

/* %d stands for the layer. */
static const struct {
    const char *name, *gguf_name;
} names[N_ROLES] = {
    [ROLE_EMBEDDING] = {"model.embed_tokens.weight", "token_embd.weight"},
    [ROLE_ATTENTION_NORM] = {"model.layers.%d.input_layernorm.weight", "blk.%d.attn_norm.weight"},
    [ROLE_Q] = {"model.layers.%d.self_attn.q_proj.weight", "blk.%d.attn_q.weight"},
    [ROLE_K] = {"model.layers.%d.self_attn.k_proj.weight", "blk.%d.attn_k.weight"},
    [ROLE_V] = {"model.layers.%d.self_attn.v_proj.weight", "blk.%d.attn_v.weight"},
    [ROLE_Q_BIAS] = {"model.layers.%d.self_attn.q_proj.bias", "blk.%d.attn_q.bias"},
    [ROLE_K_BIAS] = {"model.layers.%d.self_attn.k_proj.bias", "blk.%d.attn_k.bias"},
    [ROLE_V_BIAS] = {"model.layers.%d.self_attn.v_proj.bias", "blk.%d.attn_v.bias"},
    [ROLE_Q_NORM] = {"model.layers.%d.self_attn.q_norm.weight", "blk.%d.attn_q_norm.weight"},
    [ROLE_K_NORM] = {"model.layers.%d.self_attn.k_norm.weight", "blk.%d.attn_k_norm.weight"},
    [ROLE_OUT] = {"model.layers.%d.self_attn.o_proj.weight", "blk.%d.attn_output.weight"},
    [ROLE_MLP_NORM] = {"model.layers.%d.post_attention_layernorm.weight", "blk.%d.ffn_norm.weight"},
    [ROLE_GATE] = {"model.layers.%d.mlp.gate_proj.weight", "blk.%d.ffn_gate.weight"},
    [ROLE_UP] = {"model.layers.%d.mlp.up_proj.weight", "blk.%d.ffn_up.weight"},
    [ROLE_DOWN] = {"model.layers.%d.mlp.down_proj.weight", "blk.%d.ffn_down.weight"},
    [ROLE_FINAL_NORM] = {"model.norm.weight", "output_norm.weight"},
    [ROLE_LM_HEAD] = {"lm_head.weight", "output.weight"},
};

/* Rows and columns (0: one-dimensional) of a parameter; rows 0: the model has none. */
static void find_dims(const azr_model_shape *s, azr_model__role role, int64_t dims[2])
{
    int64_t q = s->n_heads * s->d_head, kv = s->n_kv_heads * s->d_head, d = s->d_model;
    const int64_t all[N_ROLES][2] = {
        [ROLE_EMBEDDING] = {s->n_vocab, d},
        [ROLE_ATTENTION_NORM] = {d, 0},
        [ROLE_Q] = {q, d},
        [ROLE_K] = {kv, d},
        [ROLE_V] = {kv, d},
        [ROLE_Q_BIAS] = {s->qkv_bias ? q : 0, 0},
        [ROLE_K_BIAS] = {s->qkv_bias ? kv : 0, 0},
        [ROLE_V_BIAS] = {s->qkv_bias ? kv : 0, 0},
        [ROLE_Q_NORM] = {s->qk_norm ? s->d_head : 0, 0},
        [ROLE_K_NORM] = {s->qk_norm ? s->d_head : 0, 0},
        [ROLE_OUT] = {d, q},
        [ROLE_MLP_NORM] = {d, 0},
        [ROLE_GATE] = {s->d_ff, d},
        [ROLE_UP] = {s->d_ff, d},
        [ROLE_DOWN] = {d, s->d_ff},
        [ROLE_FINAL_NORM] = {d, 0},
        [ROLE_LM_HEAD] = {s->tied_embeddings ? 0 : s->n_vocab, d},
    };
    memcpy(dims, all[role], sizeof all[role]);
}

/* The limits of azr_model__check_shape keep this below 2^55. */
int64_t azr_model__count_weights(const azr_model_shape *shape)
{
    int64_t n = 0, dims[2];
    for (int i = 0; i < N_ROLES; i++) {
        bool in_layer = i >= ROLE_ATTENTION_NORM && i <= ROLE_DOWN;
        find_dims(shape, (azr_model__role)i, dims);
        n += dims[0] * (dims[1] > 0 ? dims[1] : 1) * (in_layer ? shape->n_layers : 1);
    }
    return n;
}

static const char *make_name(azr_arena *arena, const char *pattern, int layer)
{
    char name[128];
    const char *hole = strstr(pattern, "%d");
    if (hole == NULL)
        return pattern;
    int n =
        snprintf(name, sizeof name, "%.*s%d%s", (int)(hole - pattern), pattern, layer, hole + 2);
    return azr_arena_text(arena, name, (size_t)n);
}

static void push_parameter(const azr_model_shape *shape, azr_model__layout *layout,
                           azr_model__role role, int layer)
{
    int64_t dims[2];
    find_dims(shape, role, dims);
    if (dims[0] == 0)
        return;
    azr_parameter *p = &layout->parameters[layout->n];
    azr_model__slot *slot = &layout->slots[layout->n++];
    p->name = make_name(layout->arena, names[role].name, layer);
    p->n_dims = dims[1] > 0 ? 2 : 1;
    p->dims[0] = dims[0];
    p->dims[1] = dims[1] > 0 ? dims[1] : 1;
    p->offset = layout->n_weights;
    p->n_elements = p->dims[0] * p->dims[1];
    p->decays = true;
    slot->role = role;
    slot->layer = layer;
    slot->gguf_name = make_name(layout->arena, names[role].gguf_name, layer);
    layout->n_weights += p->n_elements;
}

azr_status azr_model__layout_create(const azr_model_shape *shape, azr_model__layout *out_layout,
                                    azr_error *error)
{
    azr_model__layout layout = {.arena = azr_arena_create()};
    size_t n = (size_t)(shape->n_layers * N_ROLES + N_ROLES);
    layout.parameters = azr_try_alloc(n, sizeof *layout.parameters);
    layout.slots = azr_try_alloc(n, sizeof *layout.slots);
    if (layout.parameters == NULL || layout.slots == NULL) {
        azr_model__layout_destroy(&layout);
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the names of %zu tensors", n);
    }
    push_parameter(shape, &layout, ROLE_EMBEDDING, -1);
    for (int l = 0; l < (int)shape->n_layers; l++)
        for (int role = ROLE_ATTENTION_NORM; role <= ROLE_DOWN; role++)
            push_parameter(shape, &layout, (azr_model__role)role, l);
    push_parameter(shape, &layout, ROLE_FINAL_NORM, -1);
    push_parameter(shape, &layout, ROLE_LM_HEAD, -1);
    AZR_CHECK_EQ(layout.n_weights, azr_model__count_weights(shape));
    *out_layout = layout;
    return AZR_OK;
}

void azr_model__layout_destroy(azr_model__layout *layout)
{
    azr_free(layout->parameters);
    azr_free(layout->slots);
    if (layout->arena != NULL)
        azr_arena_destroy(layout->arena);
    *layout = (azr_model__layout){0};
}
