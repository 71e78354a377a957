/* bias.c: adding a row to every row, adding arrays, plain loops. */
#include "kernels/table.h"

void azr_kernels__bias_forward_ref(int64_t n_rows, int64_t d, const float *bias, float *y)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t i = 0; i < d; i++)
            y[r * d + i] += bias[i];
}

void azr_kernels__bias_backward_ref(int64_t n_rows, int64_t n_columns, const float *dy,
                                    int64_t stride, float *dbias)
{
    for (int64_t i = 0; i < n_columns; i++) {
        float sum = 0;
        for (int64_t r = 0; r < n_rows; r++)
            sum += dy[r * stride + i];
        dbias[i] += sum;
    }
}

void azr_kernels__add_ref(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}
