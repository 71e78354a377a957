/* vec_avx512.h: sixteen floats at a time; the words in which simd/ *.inc are written. See
 * vec_avx2.h for what each does; both files define the same set. */
#ifndef AZR_KERNELS_VEC_H
#define AZR_KERNELS_VEC_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VW = 16, TILE_VECTORS = 4, TILE_VECTORS_FEW = 4 };
typedef __m512 vf;

static inline __mmask16 v_mask(int64_t n)
{
    return (__mmask16)(n >= VW ? 0xffffU : n <= 0 ? 0U : (1U << n) - 1U);
}
static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline vf v_load_n(const float *p, int64_t n)
{
    return n >= VW ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(v_mask(n), p);
}
static inline void v_store_n(float *p, int64_t n, vf x)
{
    if (n >= VW)
        _mm512_storeu_ps(p, x);
    else
        _mm512_mask_storeu_ps(p, v_mask(n), x);
}
static inline vf v_set1(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf v_zero(void)
{
    return _mm512_setzero_ps();
}
static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf v_fma_registers(vf a, vf b, vf c)
{
    return v_fma(a, b, c); /* the compiler has registers enough */
}
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
static inline vf v_fill_from(vf x, int64_t n, float fill)
{
    return _mm512_mask_mov_ps(_mm512_set1_ps(fill), v_mask(n), x);
}
static inline vf v_zero_where_zero(vf test, vf x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(test, _mm512_setzero_ps(), _CMP_NEQ_UQ), x);
}
static inline uint32_t v_bits_ge(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
static inline float v_hsum(vf x)
{
    __m256 lo = _mm512_castps512_ps256(x), hi = _mm512_extractf32x8_ps(x, 1);
    __m256 a = _mm256_add_ps(lo, hi);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    b = _mm_add_ss(b, _mm_movehdup_ps(b));
    return _mm_cvtss_f32(b);
}
static inline float v_hmax(vf x)
{
    return _mm512_reduce_max_ps(x);
}
static inline vf v_round(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_scale_by_power(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}

typedef struct vd {
    __m512d lo, hi;
} vd;
static inline vd vd_zero(void)
{
    return (vd){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
static inline vd vd_add_square(vd sum, vf x)
{
    __m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    __m512d hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return (vd){_mm512_fmadd_pd(lo, lo, sum.lo), _mm512_fmadd_pd(hi, hi, sum.hi)};
}
static inline double vd_hsum(vd x)
{
    __m512d s = _mm512_add_pd(x.lo, x.hi);
    __m256d a = _mm256_add_pd(_mm512_castpd512_pd256(s), _mm512_extractf64x4_pd(s, 1));
    __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}

/* bf16 is the high half of each. */
static inline __m512i v_round_to_bf16(vf x)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
}
static inline void v_store_bf16(uint16_t *p, int64_t n, vf x)
{
    __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(v_round_to_bf16(x), 16));
    if (n >= VW)
        _mm256_storeu_si256((__m256i *)(void *)p, halves);
    else
        _mm256_mask_storeu_epi16(p, v_mask(n), halves);
}

/* f16: to nearest even; a NaN stays one, what is beyond the largest number becomes that. */
typedef __m256i vhalf;
static inline vhalf v_to_half(vf x)
{
    vf largest = _mm512_set1_ps(65504.0F), smallest = _mm512_set1_ps(-65504.0F);
    x = _mm512_max_ps(smallest, _mm512_min_ps(largest, x)); /* of a NaN the second: the NaN */
    return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
}
static inline vf v_of_half(vhalf x)
{
    return _mm512_cvtph_ps(x);
}
/* The first n lanes, as f16. */
static inline void v_store_half(uint16_t *p, int64_t n, vf x)
{
    if (n >= VW)
        _mm256_storeu_si256((__m256i *)(void *)p, v_to_half(x));
    else
        _mm256_mask_storeu_epi16(p, v_mask(n), v_to_half(x));
}
/* n numbers of f16 (at most VW), zeros behind them. */
static inline vf v_load_half_n(const uint16_t *p, int64_t n)
{
    return v_of_half(n >= VW ? _mm256_loadu_si256((const __m256i *)(const void *)p)
                             : _mm256_maskz_loadu_epi16(v_mask(n), p));
}

/* Rows become columns. */
static inline void v_transpose(vf r[VW])
{
    vf t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

#endif
