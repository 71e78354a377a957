/* dequantize.h: blocks of numbers on disk -> f32. The layouts are those of the GGUF specification
 * and its reference implementation (ggml): a block holds scales, often a minimum, and small
 * integers.
 *
 * Scales are halves (11 bits) or products of a half and a 6- to 8-bit integer, quants have at most
 * 6 bits (8 with a plain half as scale), so every product is exact in f32 and only the one addition
 * of a minimum rounds: the result does not depend on the order of operations or on fused
 * multiply-add. */
#ifndef AZR_FORMATS_DEQUANTIZE_H
#define AZR_FORMATS_DEQUANTIZE_H

#include <stdint.h>

/* blocks: n_blocks of the type, at any address; out[n_blocks * block length]. */
void azr_formats__expand_f32(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_f16(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_bf16(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q4_0(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q4_1(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q5_0(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q5_1(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q8_0(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q4_k(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q5_k(const uint8_t *blocks, int64_t n_blocks, float *out);
void azr_formats__expand_q6_k(const uint8_t *blocks, int64_t n_blocks, float *out);

#endif
