/* swiglu.c: gated linear unit with SiLU, plain loops. */
#include "kernels/table.h"

#include <math.h>

void azr_kernels__swiglu_forward_ref(int64_t n_rows, int64_t d, const float *gate_up, float *y)
{
    for (int64_t r = 0; r < n_rows; r++, gate_up += 2 * d, y += d)
        for (int64_t i = 0; i < d; i++)
            y[i] = gate_up[i] / (1.0F + expf(-gate_up[i])) * gate_up[d + i];
}

/* silu(g) = g σ(g); silu'(g) = σ(g) (1 + g (1 - σ(g))). */
void azr_kernels__swiglu_backward_ref(int64_t n_rows, int64_t d, const float *gate_up,
                                      const float *dy, float *dgate_up)
{
    for (int64_t r = 0; r < n_rows; r++, gate_up += 2 * d, dgate_up += 2 * d, dy += d) {
        for (int64_t i = 0; i < d; i++) {
            float g = gate_up[i], u = gate_up[d + i];
            float sigma = 1.0F / (1.0F + expf(-g));
            float silu = g * sigma;
            dgate_up[i] = dy[i] * u * sigma * (1.0F + g * (1.0F - sigma));
            dgate_up[d + i] = dy[i] * silu;
        }
    }
}
