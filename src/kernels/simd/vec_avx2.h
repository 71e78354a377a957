/* vec_avx2.h: eight floats at a time; the words in which simd/ *.inc are written. Lanes, tails and
 * the order of every horizontal sum are fixed here; vec_avx512.h defines the same set. */
#ifndef AZR_KERNELS_VEC_H
#define AZR_KERNELS_VEC_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lanes; vectors a row of the register tile of attention.inc, full and with fewer rows. */
enum { VW = 8, TILE_VECTORS = 2, TILE_VECTORS_FEW = 4 };
typedef __m256 vf;

/* All ones in the first n lanes. */
static inline __m256i v_mask(int64_t n)
{
    int lanes = n >= VW ? VW : n <= 0 ? 0 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
/* The first n floats (all VW when n is more), then zeros; touches no memory behind them. */
static inline vf v_load_n(const float *p, int64_t n)
{
    return n >= VW ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, v_mask(n));
}
static inline void v_store_n(float *p, int64_t n, vf x)
{
    if (n >= VW)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, v_mask(n), x);
}
static inline vf v_set1(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf v_zero(void)
{
    return _mm256_setzero_ps();
}
static inline vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
/* a b + c */
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
/* v_fma with all three in registers: where a or b is used again, the compiler would rather read it
 * from memory each time, and so many loads take longer than the sums (Zen 3). */
static inline __attribute__((always_inline)) vf v_fma_registers(vf a, vf b, vf c)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
}
/* c - a b */
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
/* b where either is NaN */
static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
/* Lanes from n on become `fill`. */
static inline vf v_fill_from(vf x, int64_t n, float fill)
{
    return _mm256_blendv_ps(_mm256_set1_ps(fill), x, _mm256_castsi256_ps(v_mask(n)));
}
/* 0 in lanes where test is 0, else x. A NaN test is not 0. */
static inline vf v_zero_where_zero(vf test, vf x)
{
    return _mm256_and_ps(_mm256_cmp_ps(test, _mm256_setzero_ps(), _CMP_NEQ_UQ), x);
}
/* One bit a lane: a >= b. */
static inline uint32_t v_bits_ge(vf a, vf b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}
static inline float v_hsum(vf x)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    b = _mm_add_ss(b, _mm_movehdup_ps(b));
    return _mm_cvtss_f32(b);
}
static inline float v_hmax(vf x)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    b = _mm_max_ss(b, _mm_movehdup_ps(b));
    return _mm_cvtss_f32(b);
}
static inline vf v_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* x 2^n for whole n in [-150, 128], in two steps so that results below 2^-126 are right. */
static inline vf v_scale_by_power(vf x, vf n)
{
    __m256i whole = _mm256_cvtps_epi32(n), bias = _mm256_set1_epi32(127);
    __m256i a = _mm256_srai_epi32(whole, 1), b = _mm256_sub_epi32(whole, a);
    vf scale_a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(a, bias), 23));
    vf scale_b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(b, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(x, scale_a), scale_b);
}

/* VW doubles. */
typedef struct vd {
    __m256d lo, hi;
} vd;
static inline vd vd_zero(void)
{
    return (vd){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
static inline vd vd_add_square(vd sum, vf x)
{
    __m256d lo = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    __m256d hi = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return (vd){_mm256_fmadd_pd(lo, lo, sum.lo), _mm256_fmadd_pd(hi, hi, sum.hi)};
}
static inline double vd_hsum(vd x)
{
    __m256d a = _mm256_add_pd(x.lo, x.hi);
    __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}

/* The first n lanes, rounded to nearest even; a NaN stays one. */
static inline void v_store_bf16(uint16_t *p, int64_t n, vf x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    rounded = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(nan));
    rounded = _mm256_srli_epi32(rounded, 16);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0xd8);
    __m128i halves = _mm256_castsi256_si128(packed);
    if (n >= VW) {
        _mm_storeu_si128((__m128i *)(void *)p, halves);
        return;
    }
    uint16_t lanes[VW];
    _mm_storeu_si128((__m128i *)(void *)lanes, halves);
    for (int64_t i = 0; i < n; i++)
        p[i] = lanes[i];
}

/* f16: to nearest even; a NaN stays one, what is beyond the largest number becomes that. */
typedef __m128i vhalf;
static inline vhalf v_to_half(vf x)
{
    vf largest = _mm256_set1_ps(65504.0F), smallest = _mm256_set1_ps(-65504.0F);
    x = _mm256_max_ps(smallest, _mm256_min_ps(largest, x)); /* of a NaN the second: the NaN */
    return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
}
static inline vf v_of_half(vhalf x)
{
    return _mm256_cvtph_ps(x);
}
/* The first n lanes, as f16. */
static inline void v_store_half(uint16_t *p, int64_t n, vf x)
{
    uint16_t lanes[VW];
    if (n >= VW) {
        _mm_storeu_si128((__m128i *)(void *)p, v_to_half(x));
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)lanes, v_to_half(x));
    for (int64_t i = 0; i < n; i++)
        p[i] = lanes[i];
}
/* n numbers of f16 (at most VW), zeros behind them. */
static inline vf v_load_half_n(const uint16_t *p, int64_t n)
{
    uint16_t lanes[VW] = {0};
    if (n < VW) {
        for (int64_t i = 0; i < n; i++)
            lanes[i] = p[i];
        p = lanes;
    }
    return v_of_half(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Rows become columns. */
static inline void v_transpose(vf r[VW])
{
    vf t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        vf a = r[i], b = r[i + 4];
        r[i] = _mm256_permute2f128_ps(a, b, 0x20);
        r[i + 4] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

#endif
