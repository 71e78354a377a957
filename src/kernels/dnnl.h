/* dnnl.h: matrix products of fixed shapes and packed weights, as linear.c needs them; private to
 * kernels/. All calls but the lock's own between azr_dnnl__lock and azr_dnnl__unlock: memory
 * handles are shared, and the threads are busy anyway. */
#ifndef AZR_KERNELS_DNNL_H
#define AZR_KERNELS_DNNL_H

#include "azr/kernels.h"

typedef enum azr_product_op {
    AZR_PRODUCT_FORWARD,         /* dst [R, n_out] = src [R, n_in] Wᵀ */
    AZR_PRODUCT_BACKWARD_INPUT,  /* dst [R, n_in] = src [R, n_out] W */
    AZR_PRODUCT_BACKWARD_WEIGHT, /* dst [n_out, n_in] += srcᵀ x: src [R, n_out], weights = x [R,
                                    n_in] */
} azr_product_op;

/* Which product: src and weights of type dtype (F32 or BF16), dst f32. */
typedef struct azr_product_key {
    azr_product_op op;
    azr_dtype dtype;
    int64_t n_rows, n_out, n_in;
} azr_product_key;

void azr_dnnl__lock(void);
void azr_dnnl__unlock(void);
/* Keeps oneDNN to the instruction sets of a level of cpu.h. */
void azr_dnnl__limit_isa(int level);
/* The highest level, at most the given one, whose instruction sets oneDNN uses: its environment
 * (DNNL_MAX_CPU_ISA) may forbid it some that the CPU has. Negative: not even AVX2. */
int azr_dnnl__follow_isa(int level);
/* Whether oneDNN multiplies bf16 with AMX, far faster than AVX-512 does. */
bool azr_dnnl__has_amx(void);

/* False when oneDNN cannot make this product. */
bool azr_dnnl__product_accepts(const azr_product_key *key);
/* weights: packed bytes where azr_dnnl__packs_weights says so, else plain rows. */
void azr_dnnl__product_run(const azr_product_key *key, const void *src, const void *weights,
                           float *dst);

/* Whether products of this kind, of any number of rows, take packed weights. */
bool azr_dnnl__packs_weights(const azr_product_key *kind);
/* Whether each element of the result is one chain of fused multiply-adds in rising order of the
 * summed index: then a row's bits cannot depend on the number of rows. */
bool azr_dnnl__sums_in_one_chain(const azr_product_key *kind);
/* Weights [n_out, n_in] in the layout of one kind of product. */
typedef struct azr_packed azr_packed;
/* kind: the product for any row count. NULL on lack of memory. Not filled yet: refresh. */
azr_packed *azr_dnnl__pack_create(const azr_product_key *kind, const float *w);
void azr_dnnl__pack_destroy(azr_packed *pack);
/* Packs w anew. */
void azr_dnnl__pack_refresh(azr_packed *pack);
const void *azr_dnnl__pack_bytes(const azr_packed *pack);

#endif
