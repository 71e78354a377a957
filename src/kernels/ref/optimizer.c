/* optimizer.c: AdamW, sums of squares, rounding to bf16 and f16, and e^x, plain loops. */
#include "kernels/table.h"

#include <math.h>
#include <string.h>

void azr_kernels__adamw_ref(const azr_adamw *adamw, int64_t n, float grad_scale, float *w,
                            float *grad, float *m, float *v)
{
    double correction1 = 1 - pow(adamw->beta1, (double)adamw->opt_step);
    double correction2 = 1 - pow(adamw->beta2, (double)adamw->opt_step);
    float step = (float)(adamw->learning_rate / correction1);
    float root = (float)(1 / sqrt(correction2));
    float keep = (float)(1 - adamw->learning_rate * adamw->weight_decay);
    float rest1 = (float)(1 - adamw->beta1), rest2 = (float)(1 - adamw->beta2);
    float beta2 = (float)adamw->beta2, eps = (float)adamw->eps;
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] * grad_scale;
        m[i] += (g - m[i]) * rest1;
        v[i] = v[i] * beta2 + g * g * rest2;
        w[i] = w[i] * keep - step * (m[i] / (sqrtf(v[i]) * root + eps));
        grad[i] = 0;
    }
}

double azr_kernels__sum_squares_ref(int64_t n, const float *x)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

void azr_kernels__to_bf16_ref(int64_t n, const float *x, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
        uint32_t rounded = bits + 0x7fffU + (bits >> 16 & 1);
        y[i] = (uint16_t)(is_nan ? (bits >> 16 | 0x40) : rounded >> 16);
    }
}

/* A float's exponent says what the last place of its f16 is worth, 2^-24 for the smallest; adding
 * and taking away 1.5 x 2^23 of it rounds to it, to nearest even. */
static float round_f16(float x)
{
    int exponent;
    if (isnan(x) || fabsf(x) >= 65504.0F)
        return isnan(x) ? x : copysignf(65504.0F, x);
    frexpf(x, &exponent);
    float shift = ldexpf(1.5F, 23 + (exponent > -13 ? exponent - 11 : -24));
    return copysignf(x + shift - shift, x);
}

static uint16_t f16_bits(float x)
{
    uint32_t bits;
    float rounded = round_f16(x);
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000U;
    if (isnan(x))
        return (uint16_t)(sign | 0x7e00U | (bits >> 13 & 0x1ffU));
    if (fabsf(rounded) < 0x1p-14F) /* so many times 2^-24 */
        return (uint16_t)(sign | (uint32_t)ldexpf(fabsf(rounded), 24));
    memcpy(&bits, &rounded, sizeof bits);
    return (uint16_t)(sign | ((bits >> 13 & 0x3ffffU) - ((127U - 15U) << 10)));
}

void azr_kernels__to_f16_ref(int64_t n, const float *x, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = f16_bits(x[i]);
}

void azr_kernels__round_to_f16_ref(int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = round_f16(x[i]);
}

void azr_kernels__exp_ref(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = expf(x[i]);
}
