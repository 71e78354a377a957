#include "formats/dequantize.h"

#include <string.h>

/* --- plain numbers ---------------------------------------------------------------------------- */

static inline uint16_t load_u16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint32_t load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* IEEE 754 binary16 -> binary32, exact. The exponent and mantissa of a half, shifted into the place
 * of a float's, mean 2^(15 - 127) times the value, for subnormal halves too; only infinity and NaN
 * need their exponent set. No branch, so loops of it become vector code. */
static inline float half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7FFFU) << 13;
    uint32_t bits = bits_of(float_of(magnitude) * 0x1p112F);
    bits |= magnitude >= 0x7C00U << 13 ? 0x7F800000U : 0U;
    return float_of(bits | (uint32_t)(half & 0x8000U) << 16);
}

static inline float load_half(const uint8_t *bytes)
{
    return half_to_float(load_u16(bytes));
}

void azr_formats__expand_f32(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    memcpy(out, blocks, (size_t)n_blocks * sizeof(float));
}

void azr_formats__expand_f16(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++)
        out[i] = half_to_float(load_u16(blocks + 2 * i));
}

void azr_formats__expand_bf16(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++)
        out[i] = float_of((uint32_t)load_u16(blocks + 2 * i) << 16);
}

/* --- blocks of 32 ----------------------------------------------------------------------------- */

/* In 16 bytes of nibbles, element j is the low one of byte j, element 16 + j the high one. A fifth
 * bit of element j is bit j of a 32-bit word. */
static inline void split_nibbles(const uint8_t *nibbles, int quants[32])
{
    for (int j = 0; j < 16; j++) {
        quants[j] = nibbles[j] & 15;
        quants[16 + j] = nibbles[j] >> 4;
    }
}

static inline void add_fifth_bits(uint32_t bits, int quants[32])
{
    for (int j = 0; j < 32; j++)
        quants[j] |= (int)(bits >> j & 1U) << 4;
}

/* {half d, nibbles[16]}: d * (q - 8) */
void azr_formats__expand_q4_0(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 18, out += 32) {
        float d = load_half(blocks);
        int quants[32];
        split_nibbles(blocks + 2, quants);
        for (int j = 0; j < 32; j++)
            out[j] = d * (float)(quants[j] - 8);
    }
}

/* {half d, half m, nibbles[16]}: d * q + m */
void azr_formats__expand_q4_1(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 20, out += 32) {
        float d = load_half(blocks), m = load_half(blocks + 2);
        int quants[32];
        split_nibbles(blocks + 4, quants);
        for (int j = 0; j < 32; j++)
            out[j] = d * (float)quants[j] + m;
    }
}

/* {half d, u32 fifth bits, nibbles[16]}: d * (q - 16) */
void azr_formats__expand_q5_0(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 22, out += 32) {
        float d = load_half(blocks);
        int quants[32];
        split_nibbles(blocks + 6, quants);
        add_fifth_bits(load_u32(blocks + 2), quants);
        for (int j = 0; j < 32; j++)
            out[j] = d * (float)(quants[j] - 16);
    }
}

/* {half d, half m, u32 fifth bits, nibbles[16]}: d * q + m */
void azr_formats__expand_q5_1(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 24, out += 32) {
        float d = load_half(blocks), m = load_half(blocks + 2);
        int quants[32];
        split_nibbles(blocks + 8, quants);
        add_fifth_bits(load_u32(blocks + 4), quants);
        for (int j = 0; j < 32; j++)
            out[j] = d * (float)quants[j] + m;
    }
}

/* {half d, int8 q[32]}: d * q */
void azr_formats__expand_q8_0(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 34, out += 32) {
        float d = load_half(blocks);
        for (int j = 0; j < 32; j++)
            out[j] = d * (float)(int8_t)blocks[2 + j];
    }
}

/* --- blocks of 256 ---------------------------------------------------------------------------- */

/* The 12 bytes of Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minima. The first four of each
 * are the low six bits of bytes 0..3 and 4..7; the last four have their low nibbles in bytes 8..11
 * and their upper two bits above the first ones'. */
static inline void split_scales(const uint8_t *packed, int scales[8], int minima[8])
{
    for (int j = 0; j < 4; j++) {
        scales[j] = packed[j] & 63;
        minima[j] = packed[4 + j] & 63;
        scales[4 + j] = (packed[8 + j] & 15) | (packed[j] >> 6) << 4;
        minima[4 + j] = packed[8 + j] >> 4 | (packed[4 + j] >> 6) << 4;
    }
}

/* {half d, half dmin, packed[12], nibbles[128]}: group g of 32 is d * scale[g] * q - dmin * min[g];
 * groups 2h and 2h + 1 are the low and high nibbles of the h-th 32 bytes. */
void azr_formats__expand_q4_k(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 144, out += 256) {
        float d = load_half(blocks), dmin = load_half(blocks + 2);
        int scales[8], minima[8];
        split_scales(blocks + 4, scales, minima);
        for (int g = 0; g < 8; g += 2) {
            const uint8_t *nibbles = blocks + 16 + 16 * g;
            float d_low = d * (float)scales[g], m_low = dmin * (float)minima[g];
            float d_high = d * (float)scales[g + 1], m_high = dmin * (float)minima[g + 1];
            for (int j = 0; j < 32; j++) {
                out[32 * g + j] = d_low * (float)(nibbles[j] & 15) - m_low;
                out[32 * g + 32 + j] = d_high * (float)(nibbles[j] >> 4) - m_high;
            }
        }
    }
}

/* {half d, half dmin, packed[12], bits[32], nibbles[128]}: as Q4_K, with bit g of bits[j] as fifth
 * bit of element j of group g. */
void azr_formats__expand_q5_k(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 176, out += 256) {
        float d = load_half(blocks), dmin = load_half(blocks + 2);
        const uint8_t *bits = blocks + 16;
        int scales[8], minima[8];
        split_scales(blocks + 4, scales, minima);
        for (int g = 0; g < 8; g += 2) {
            const uint8_t *nibbles = blocks + 48 + 16 * g;
            float d_low = d * (float)scales[g], m_low = dmin * (float)minima[g];
            float d_high = d * (float)scales[g + 1], m_high = dmin * (float)minima[g + 1];
            for (int j = 0; j < 32; j++) {
                int low = (nibbles[j] & 15) | (bits[j] >> g & 1) << 4;
                int high = nibbles[j] >> 4 | (bits[j] >> (g + 1) & 1) << 4;
                out[32 * g + j] = d_low * (float)low - m_low;
                out[32 * g + 32 + j] = d_high * (float)high - m_high;
            }
        }
    }
}

/* One half of a Q6_K block: 128 elements from 64 bytes of nibbles, 32 bytes of bit pairs and 8
 * scales. Quarter k of 32 has its nibbles in the first (k even) or second 32 bytes, low nibbles for
 * k < 2, and bit pair k of each byte above them. */
static inline void expand_q6_k_half(const uint8_t *nibbles, const uint8_t *pairs,
                                    const uint8_t *scales, float d, float *out)
{
    for (int k = 0; k < 4; k++) {
        const uint8_t *source = nibbles + 32 * (k & 1);
        int nibble_shift = 4 * (k >> 1), pair_shift = 2 * k;
        float d_first = d * (float)(int8_t)scales[2 * k];
        float d_second = d * (float)(int8_t)scales[2 * k + 1];
        for (int j = 0; j < 32; j++) {
            int q = (source[j] >> nibble_shift & 15) | (pairs[j] >> pair_shift & 3) << 4;
            out[32 * k + j] = (j < 16 ? d_first : d_second) * (float)(q - 32);
        }
    }
}

/* {nibbles[128], pairs[64], int8 scales[16], half d}: d * scale * (q - 32), a scale for 16. */
void azr_formats__expand_q6_k(const uint8_t *blocks, int64_t n_blocks, float *out)
{
    for (int64_t i = 0; i < n_blocks; i++, blocks += 210, out += 256) {
        float d = load_half(blocks + 208);
        expand_q6_k_half(blocks, blocks + 128, blocks + 192, d, out);
        expand_q6_k_half(blocks + 64, blocks + 160, blocks + 200, d, out + 128);
    }
}
