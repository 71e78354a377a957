/* network.h: what the files of model/ share; private to the room.
 *
 * Letters as in kernels.h: R rows, D = d_model, F = d_ff, H heads, K key/value heads, E = d_head,
 * V vocabulary, W = (H + 2 K) E the width of a fused q, k, v row. */
#ifndef AZR_MODEL_NETWORK_H
#define AZR_MODEL_NETWORK_H

#include "azr/formats.h"
#include "azr/model.h"
#include "base/memory.h"

/* --- shape (shape.c, shape_read.c) ------------------------------------------------------------ */

/* Refuses values no transformer of these families has, so that later sums cannot overflow.
 * where: the file's name, for the sentence. */
azr_status azr_model__check_shape(const azr_model_shape *shape, const char *where,
                                  azr_error *error);
/* From GGUF metadata and tensors, or from the config.json beside path. */
azr_status azr_model__read_shape_of(const char *path, const azr_weights_file *file,
                                    azr_model_shape *out_shape, azr_error *error);
int64_t azr_model__qkv_width(const azr_model_shape *shape); /* W */
/* Angle per position of the E/2 pairs of a head, as transformers computes it in f32. */
void azr_model__rope_frequencies(const azr_model_shape *shape, float *out_frequencies);

/* --- parameters (parameters.c) ---------------------------------------------------------------- */

/* What a parameter is, in the order in which a layer's lie in the block: q, k, v follow one another
 * (one fused product), and so do gate and up. */
typedef enum azr_model__role {
    ROLE_EMBEDDING,
    ROLE_ATTENTION_NORM,
    ROLE_Q,
    ROLE_K,
    ROLE_V,
    ROLE_Q_BIAS,
    ROLE_K_BIAS,
    ROLE_V_BIAS,
    ROLE_Q_NORM,
    ROLE_K_NORM,
    ROLE_OUT,
    ROLE_MLP_NORM,
    ROLE_GATE,
    ROLE_UP,
    ROLE_DOWN,
    ROLE_FINAL_NORM,
    ROLE_LM_HEAD,
    N_ROLES
} azr_model__role;

typedef struct azr_model__slot {
    azr_model__role role;
    int layer;             /* -1 outside of layers */
    const char *gguf_name; /* "blk.0.attn_q.weight" */
} azr_model__slot;

/* The layout of the block of weights. */
typedef struct azr_model__layout {
    azr_arena *arena; /* names */
    azr_parameter *parameters;
    azr_model__slot *slots;
    size_t n;
    int64_t n_weights;
} azr_model__layout;

azr_status azr_model__layout_create(const azr_model_shape *shape, azr_model__layout *out_layout,
                                    azr_error *error);
void azr_model__layout_destroy(azr_model__layout *layout);
/* Floats of all parameters. */
int64_t azr_model__count_weights(const azr_model_shape *shape);

/* --- weights (weights.c) ---------------------------------------------------------------------- */

/* Names what is missing, surplus or of another size. Before anything of the shape's size is
 * allocated: so the size of the file, which cannot lie, bounds it. */
azr_status azr_model__check_weights(const azr_weights_file *file, const azr_model_shape *shape,
                                    azr_error *error);
/* Expands the file's tensors into weights. */
azr_status azr_model__read_weights(const azr_weights_file *file, const azr_model_shape *shape,
                                   const azr_model__layout *layout, float *weights,
                                   azr_error *error);
/* GGUF files may store the LM head beside the embedding although the model ties them: whether both
 * are the same matrix up to quantisation, and if so which is nearer to the original. */
azr_status azr_model__compare_head(const azr_tensor *embedding, const azr_tensor *head,
                                   bool *out_tied, const azr_tensor **out_better, azr_error *error);

/* --- the model -------------------------------------------------------------------------------- */

/* Where the parameters of one layer begin, in floats; -1: absent. */
typedef struct azr_model__layer {
    int64_t at[N_ROLES];
    azr_linear *qkv, *out, *gate_up, *down;
} azr_model__layer;

/* The rows of one pass: tokens of all segments one after the other, and what each may look at. */
typedef struct azr_model__rows {
    int64_t n_rows, n_queries, n_spans;
    int32_t *tokens, *positions; /* [n_rows] */
    azr_attention_query *queries;
    azr_kv_span *spans;
    int64_t span_step;   /* numbers from a layer's keys to the next layer's */
    float *cache;        /* KV cache of layer 0 in f32; or */
    uint16_t *cache_f16; /* in f16; both NULL: keys and values stay where they are */
    int64_t *places;     /* [n_rows] token places in the cache */
    int64_t capacity_rows, capacity_queries, capacity_spans;
} azr_model__rows;

/* Makes room for so many rows, queries and spans (contents undefined); sets the counts. */
azr_status azr_model__rows_resize(azr_model__rows *rows, int64_t n_rows, int64_t n_queries,
                                  int64_t n_spans, azr_error *error);
void azr_model__rows_deinit(azr_model__rows *rows);
/* Appends keys and values of n positions to the spans of a query; joins them to the span before
 * where they follow it in memory and are no page. Returns the new number of spans. */
int64_t azr_model__span_push(azr_kv_span *spans, int64_t n_spans, const azr_kv_span *span);

/* What a pass leaves for backward: nothing; the input of each layer, from which backward makes the
 * rest again; or all. */
typedef enum azr_model__keep { KEEP_NOTHING, KEEP_INPUTS, KEEP_ALL } azr_model__keep;

/* Activations: [slots][capacity][width] each, cut from one block. There is a slot for each layer
 * that is kept, and one for all where none is; x has one more when it is kept: the last output. */
typedef struct azr_model__space {
    float *block;
    size_t n_floats;
    azr_model__keep keep;
    int64_t capacity;    /* rows */
    int64_t wide_rows;   /* rows of gate_up and gated: fewer than capacity when nothing is kept */
    float *x;            /* D: input of a layer */
    float *qkv;          /* W: after bias, norm and rope */
    float *qk_raw;       /* W: before the norms of q and k (qwen3 only, else NULL) */
    float *attention;    /* H E */
    float *mid;          /* D: after attention was added */
    float *gate_up;      /* 2 F */
    float *norm, *gated; /* D, F: of one layer */
} azr_model__space;

/* Additional rows for backward, of one layer. */
typedef struct azr_model__gradient_space {
    float *block;
    size_t n_floats;
    int64_t capacity;
    float *dx, *dnorm; /* D */
    float *dqkv;       /* W */
    float *dattention; /* H E */
    float *dgated;     /* F */
} azr_model__gradient_space;

/* Blocks of the LM head. */
typedef struct azr_model__head_space {
    float *block;
    size_t n_floats;
    float *states, *raw, *dstates; /* [AZR_MODEL__HEAD_ROWS, D] */
    float *logits;                 /* [AZR_MODEL__HEAD_ROWS, V] */
} azr_model__head_space;

enum {
    /* Rows whose logits exist at a time: enough for products at full speed (weight gradients of
     * 64 rows cost 4 to 6 % of a step, of 192 1 to 2 %), and a multiple of 12 and 64 for the
     * row-block rule. */
    AZR_MODEL__HEAD_ROWS = 384,
    AZR_MODEL__PREFILL_ROWS = 512, /* rows that azr_kv_extend takes at a time */
    AZR_MODEL__ROPE_ROWS = 4096,   /* positions whose angles are computed at first */
};

struct azr_model {
    azr_model_shape shape;
    azr_dtype dtype;
    azr_kv_dtype kv_dtype;
    int n_caches;
    void *spare_pool; /* of the largest cache that was destroyed, for the next; NULL: none */
    size_t spare_bytes;
    azr_model__layout layout;
    float *weights, *gradients;
    azr_model__layer *layers;
    azr_linear *head;
    int64_t at_embedding, at_final_norm, at_head;
    float *rope_cos, *rope_sin; /* [n_rope, E/2] */
    int64_t n_rope;
    azr_model__space passing, kept;
    azr_model__gradient_space gradient_space;
    azr_model__head_space head_space;
    azr_model__rows rows;      /* of passes that keep nothing */
    azr_model__rows kept_rows; /* of azr_model_learn */
    bool recompute;            /* see azr_model_set_recompute */
};

/* Bytes of activations and scratch held now (for the test of the memory plan). */
size_t azr_model__space_bytes(const azr_model *model);

/* space.c: room for so many rows; grows only. */
azr_status azr_model__space_ensure(const azr_model_shape *shape, azr_model__keep keep,
                                   int64_t n_rows, azr_model__space *space, azr_error *error);
/* The slot of a layer among those of qkv to gate_up, and its x. */
int64_t azr_model__slot_of(const azr_model__space *space, int64_t i_layer);
float *azr_model__layer_input(const azr_model_shape *shape, const azr_model__space *space,
                              int64_t i_layer);
azr_status azr_model__gradient_space_ensure(const azr_model_shape *shape, int64_t n_rows,
                                            azr_model__gradient_space *space, azr_error *error);
azr_status azr_model__head_space_ensure(azr_model *model, azr_error *error);
/* Angles of positions 0 .. n_positions - 1. */
azr_status azr_model__rope_ensure(azr_model *model, int64_t n_positions, azr_error *error);

/* kv_cache.c: bytes of a cache for so many tokens. */
size_t azr_model__kv_bytes(const azr_model_shape *shape, azr_kv_dtype kv_dtype, int64_t n_tokens);

/* --- passes ----------------------------------------------------------------------------------- */

/* forward.c: embedding and all layers of the rows. Returns the states of all rows before the final
 * norm, [n_rows, D] inside the space. */
float *azr_model__forward_rows(azr_model *model, azr_model__rows *rows, azr_model__space *space);
/* All that the kept space holds of a layer but x, from its x (KEEP_INPUTS). */
void azr_model__recompute_layer(azr_model *model, int64_t i_layer);
/* Gives the layer's packed weights back. */
void azr_model__release_layer(azr_model *model, int64_t i_layer);
void azr_model__release_layers(azr_model *model);
/* backward.c: gradient_space.dx holds d(loss)/d(states before the final norm) of the kept rows. */
void azr_model__backward_rows(azr_model *model);

/* forest.c: checks the batch; NULL targets are none. *out_rows: tokens in all. */
azr_status azr_model__check_batch(const azr_model *model, const azr_batch *batch, int64_t *out_rows,
                                  azr_error *error);
/* The rows of a checked batch whose keys and values lie in the space; gradients of them (NULL:
 * none) in gradient_space. */
azr_status azr_model__rows_from_batch(const azr_model *model, const azr_batch *batch,
                                      const azr_model__space *space,
                                      const azr_model__gradient_space *gradients,
                                      azr_model__rows *rows, azr_error *error);
/* first_rows [n_segments] and last_rows [n_segments] (the row of the last token of the chain; -1
 * for an empty chain) of a batch. */
void azr_model__list_rows(const azr_batch *batch, int64_t *first_rows, int64_t *last_rows);

/* head.c: norm of n gathered rows of x into states [n, D]. */
void azr_model__final_norm(const azr_model *model, int64_t n, const float *x, float *states);

#endif
