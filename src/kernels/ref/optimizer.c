/* optimizer.c: AdamW, sums of squares, rounding to bf16 and e^x, plain loops. */
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

void azr_kernels__exp_ref(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = expf(x[i]);
}
