/* rmsnorm.c: root mean square normalisation, plain loops. */
#include "kernels/table.h"

#include <math.h>

static float row_scale(int64_t d, float eps, const float *x)
{
    float sum = 0;
    for (int64_t i = 0; i < d; i++)
        sum += x[i] * x[i];
    return 1.0F / sqrtf(sum / (float)d + eps);
}

void azr_kernels__rmsnorm_forward_ref(int64_t n_rows, int64_t d, float eps, const float *x,
                                      int64_t x_stride, const float *w, float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++, x += x_stride, y += y_stride) {
        float scale = row_scale(d, eps, x);
        for (int64_t i = 0; i < d; i++)
            y[i] = x[i] * scale * w[i];
    }
}

/* With s = 1 / sqrt(mean(x²) + eps) and y = x s w:
 * dx = s w dy - x s³ / D * sum(w dy x), dw = sum over rows of dy x s. */
void azr_kernels__rmsnorm_backward_ref(int64_t n_rows, int64_t d, float eps, const float *x,
                                       int64_t x_stride, const float *w, const float *dy,
                                       int64_t dy_stride, float *dx, int64_t dx_stride,
                                       bool accumulate_dx, float *dw)
{
    for (int64_t r = 0; r < n_rows; r++, x += x_stride, dy += dy_stride, dx += dx_stride) {
        float scale = row_scale(d, eps, x);
        float dot = 0;
        for (int64_t i = 0; i < d; i++)
            dot += w[i] * dy[i] * x[i];
        float pull = dot * scale * scale * scale / (float)d;
        for (int64_t i = 0; i < d; i++) {
            float g = dy[i];
            float step = scale * w[i] * g - x[i] * pull;
            dw[i] += g * x[i] * scale;
            dx[i] = accumulate_dx ? dx[i] + step : step;
        }
    }
}
