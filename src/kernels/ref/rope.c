/* rope.c: rotary position embedding, plain loops. */
#include "kernels/table.h"

void azr_kernels__rope_ref(int64_t n_rows, int64_t n_heads, int64_t d_head, float *x,
                           int64_t stride, const float *cos, const float *sin,
                           const int32_t *positions, float sin_sign)
{
    int64_t half = d_head / 2;
    for (int64_t r = 0; r < n_rows; r++) {
        const float *c = cos + positions[r] * half;
        const float *s = sin + positions[r] * half;
        for (int64_t h = 0; h < n_heads; h++) {
            float *a = x + r * stride + h * d_head;
            float *b = a + half;
            for (int64_t i = 0; i < half; i++) {
                float si = sin_sign * s[i];
                float ai = a[i], bi = b[i];
                a[i] = ai * c[i] - bi * si;
                b[i] = bi * c[i] + ai * si;
            }
        }
    }
}
