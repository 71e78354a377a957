/* model.h: one transformer (Llama, Qwen2 and Qwen3 families): weights, the forward pass over a
 * forest of token segments, its backward pass, the KV cache, and sampling.
 *
 * MENTAL MODEL. Everything azr computes is a forest of token segments. A segment has tokens and at
 * most one parent; its first position is where the parent ends; a token attends to its own segment
 * up to itself and to all of its ancestors. Prompts that share a beginning share a segment; eight
 * answers to one prompt are eight leaves below it. A batch is a list of segments: matrix products
 * run over all of its tokens at once, nothing is padded.
 *
 * EXACTNESS. A token's state and log-probability depend, to the last bit, only on the chain of
 * tokens from its root to it: not on how the chain is cut into segments, what else is in the batch,
 * prefill or decode, rollout or training, or the number of threads. */
#ifndef AZR_MODEL_H
#define AZR_MODEL_H

#include "azr/kernels.h"
#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum azr_family { AZR_FAMILY_LLAMA, AZR_FAMILY_QWEN2, AZR_FAMILY_QWEN3 } azr_family;

/* In brackets: the name in a Hugging Face config.json. */
typedef struct azr_model_shape {
    azr_family family;    /* [model_type] */
    int64_t n_layers;     /* [num_hidden_layers] */
    int64_t d_model;      /* [hidden_size] */
    int64_t d_ff;         /* [intermediate_size] */
    int64_t n_heads;      /* [num_attention_heads] */
    int64_t n_kv_heads;   /* [num_key_value_heads] */
    int64_t d_head;       /* [head_dim] */
    int64_t n_vocab;      /* [vocab_size] */
    int64_t max_seq_len;  /* [max_position_embeddings] */
    float rope_theta;     /* [rope_theta] */
    float norm_eps;       /* [rms_norm_eps] */
    bool tied_embeddings; /* [tie_word_embeddings] */
    bool qkv_bias;        /* qwen2, [attention_bias] */
    bool qk_norm;         /* qwen3 */
    bool rope_scaled;     /* [rope_scaling] of type "llama3" */
    float rope_factor, rope_low_freq_factor, rope_high_freq_factor;
    int64_t rope_original_seq_len;
} azr_model_shape;

const char *azr_family_name(azr_family family); /* "llama", "qwen2", "qwen3" */

/* One named tensor inside the block of weights. */
typedef struct azr_parameter {
    const char *name; /* as in Hugging Face files: "model.layers.0.self_attn.q_proj.weight" */
    int n_dims;
    int64_t dims[2];
    int64_t offset; /* in floats, into the block of weights and of gradients alike */
    int64_t n_elements;
    bool decays; /* weight decay applies: as the reference's optimizer, to every parameter */
} azr_parameter;

/* What keys and values are kept in. */
typedef enum azr_kv_dtype { AZR_KV_F16, AZR_KV_F32 } azr_kv_dtype;

typedef struct azr_model azr_model;

/* Reads only what is needed to say how big a model is: config.json, whether its weights are there
 * or not, or GGUF metadata. */
azr_status azr_model_read_shape(const char *path, azr_model_shape *out_shape, azr_error *error);
/* path: as azr_weights_open. dtype: F32, BF16 or AUTO. Weights are expanded once to f32. */
azr_status azr_model_open(const char *path, azr_dtype dtype, azr_model **out_model,
                          azr_error *error);
/* Random weights (normal, sd 0.02 for matrices, 1 for norms plus a little noise so that tests see
 * them, noise for biases), a function of seed and shape alone. */
azr_status azr_model_create(const azr_model_shape *shape, azr_dtype dtype, uint64_t seed,
                            azr_model **out_model, azr_error *error);
void azr_model_destroy(azr_model *model);
const azr_model_shape *azr_model_get_shape(const azr_model *model);
azr_dtype azr_model_dtype(const azr_model *model);

/* The f32 master weights, one block; parameters cut it. After writing to it: azr_model_refresh. */
float *azr_model_weights(azr_model *model);
int64_t azr_model_n_weights(const azr_model *model);
size_t azr_model_n_parameters(const azr_model *model);
const azr_parameter *azr_model_parameter(const azr_model *model, size_t i);
void azr_model_refresh(azr_model *model);
/* Gradients, same layout; NULL before azr_model_enable_training. */
float *azr_model_gradients(azr_model *model);
azr_status azr_model_enable_training(azr_model *model, azr_error *error);
/* What keys and values are rounded to where attention reads them, in the cache and in batches
 * alike: f16 halves a cache and what a step reads of it. Gradients pass the rounding as they are.
 * Not while the model has a cache. At first AZR_KV_F32: as they are. */
void azr_model_set_kv_dtype(azr_model *model, azr_kv_dtype kv_dtype);
azr_kv_dtype azr_model_kv_dtype(const azr_model *model);
/* true: azr_model_learn keeps only each layer's input of its forward pass, and its backward pass
 * makes the rest again, layer by layer, the packed copies of weights included (those that are there
 * go now): a third more work, a fraction of the memory, the same bits. At first false. */
void azr_model_set_recompute(azr_model *model, bool recompute);
/* model.safetensors (f32) and config.json into an existing folder; transformers loads them. */
azr_status azr_model_save(const azr_model *model, const char *folder, azr_error *error);
/* Start-up self-check of the row-block rule for all matrix shapes of this model. */
azr_status azr_model_check(const azr_model *model, azr_error *error);

/* Bytes for the memory plan, before anything is allocated. */
typedef struct azr_model_memory {
    size_t weights;     /* f32 master weights */
    size_t compute;     /* bf16 or packed copies */
    size_t gradients;   /* f32 */
    size_t kv;          /* KV cache of kv_tokens */
    size_t activations; /* forward + backward of micro_batch_tokens */
    size_t scoring;     /* azr_model_score of micro_batch_tokens */
    size_t scratch;     /* decode of `streams` rows, blocks of logits, their products' rows */
    size_t products;    /* rows of products in forward + backward of micro_batch_tokens */
} azr_model_memory;
/* streams 0: the model does not decode. recompute: as azr_model_set_recompute. */
azr_model_memory azr_model_plan(const azr_model_shape *shape, azr_dtype dtype,
                                azr_kv_dtype kv_dtype, int64_t kv_tokens, int64_t streams,
                                int64_t micro_batch_tokens, bool recompute);

/* --- a batch: forward and backward ------------------------------------------------------------ */

typedef struct azr_segment {
    int32_t parent; /* index of an earlier segment of the batch, -1 for a root */
    int32_t n_tokens;
    const int32_t *tokens;
} azr_segment;

/* Asks for the log-probability of tokens[index] of a segment, given all before it in its chain.
 * index 0 of a root has nothing before it and may not be asked for. */
typedef struct azr_target {
    int32_t segment, index;
} azr_target;

typedef struct azr_batch {
    const azr_segment *segments;
    size_t n_segments;
    const azr_target *targets;
    size_t n_targets;
    float temperature; /* logits are divided by it before the softmax */
} azr_batch;

/* Fills logprobs [n_targets] and entropies [n_targets] (may be NULL). Keeps nothing. */
azr_status azr_model_score(azr_model *model, const azr_batch *batch, float *logprobs,
                           float *entropies, azr_error *error);

/* What learning goes by, [n_targets] each; entropies and dentropies may be NULL. */
typedef struct azr_scores {
    float *logprobs, *entropies;   /* as azr_model_score gives them, to the bit */
    float *dlogprobs, *dentropies; /* d(loss)/d(logprob), d(loss)/d(entropy) */
} azr_scores;

/* differentiate is called block by block as scores are known, each target once: it reads those of n
 * targets (indices into the batch's) and writes ("=") their derivatives. It may not use the model.
 * What it returns but AZR_OK ends learning. */
typedef struct azr_loss {
    azr_status (*differentiate)(void *context, const size_t *targets, size_t n, azr_error *error);
    void *context;
} azr_loss;

/* Forward and backward: fills scores, asks the loss for its derivatives by them (NULL: they are
 * there already) and carries those to gradients, "+=". Logits are made once. Deterministic whatever
 * the number of threads. After an error the gradients are worth nothing. */
azr_status azr_model_learn(azr_model *model, const azr_batch *batch, const azr_scores *scores,
                           const azr_loss *loss, azr_error *error);

/* --- KV cache: prefill and decode ------------------------------------------------------------- */

/* Keys and values of a growing forest; memory in pages of AZR_KV_PAGE tokens from one pool. */
typedef struct azr_kv azr_kv;

azr_status azr_kv_create(azr_model *model, int64_t n_tokens, azr_kv **out_kv, azr_error *error);
/* Before its model, with which its memory stays for the next cache. */
void azr_kv_destroy(azr_kv *kv);
/* Adds an empty segment below parent (-1: a root); returns its id. The parent must not grow any
 * more from now on. The caller holds the segment until azr_kv_release; a parent lives as long as a
 * child. */
int32_t azr_kv_add(azr_kv *kv, int32_t parent);
void azr_kv_release(azr_kv *kv, int32_t segment);
/* Tokens of the chain from the root to the segment's end. */
int64_t azr_kv_length(const azr_kv *kv, int32_t segment);
/* Pages that are free, and pages that appending n tokens to the segment would take. */
int64_t azr_kv_free_pages(const azr_kv *kv);
int64_t azr_kv_pages_for(const azr_kv *kv, int32_t segment, int64_t n_tokens);

typedef struct azr_extension {
    int32_t segment; /* each segment at most once a call, and no segment with its ancestor */
    int32_t n_tokens;
    const int32_t *tokens;
} azr_extension;

/* Appends tokens to segments, all in one batch; states [n, d_model] receives the final normed state
 * of the last token of each. The caller sees to it that pages suffice (AZR_ERROR_LIMIT otherwise,
 * nothing changed). Chains longer than max_seq_len are AZR_ERROR_LIMIT. */
azr_status azr_kv_extend(azr_kv *kv, const azr_extension *extensions, size_t n, float *states,
                         azr_error *error);

/* How to draw a token from a state. */
typedef struct azr_draw {
    float temperature, top_p;
    int32_t top_k;
    double u; /* uniform in [0, 1) */
} azr_draw;

/* From states [n, d_model]: LM head in blocks, a token drawn for each row, its log-probability
 * under softmax(logits / temperature) (temperature 0: under softmax(logits)), and the entropy of
 * that (may be NULL). The same bits as azr_model_learn gives for that token. */
azr_status azr_model_draw(azr_model *model, const float *states, size_t n, const azr_draw *draws,
                          int32_t *tokens, float *logprobs, float *entropies, azr_error *error);
/* Log-probabilities of given tokens from states, and entropies (may be NULL). */
azr_status azr_model_logprobs(azr_model *model, const float *states, size_t n, float temperature,
                              const int32_t *targets, float *logprobs, float *entropies,
                              azr_error *error);
/* Raw logits of one state [d_model] -> [n_vocab]; for inspection and tests. */
azr_status azr_model_logits(azr_model *model, const float *state, float *logits, azr_error *error);

#endif
