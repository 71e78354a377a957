/* embedding.c: gradient of the embedding table, plain loops. */
#include "kernels/table.h"

void azr_kernels__embedding_backward_ref(int64_t n_rows, int64_t d, int64_t n_columns,
                                         const float *dout, const int32_t *tokens, float *dtable)
{
    for (int64_t r = 0; r < n_rows; r++) {
        float *row = dtable + tokens[r] * d;
        for (int64_t i = 0; i < n_columns; i++)
            row[i] += dout[r * d + i];
    }
}
