/* few_rows.h: products of few rows, as streams that decode have them; private to kernels/. */
#ifndef AZR_KERNELS_FEW_ROWS_H
#define AZR_KERNELS_FEW_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* --- bf16 on AVX-512: few_rows.c -------------------------------------------------------------- */

enum { AZR_FEW_ROWS = 128 };

/* Whether azr_few_rows_run takes this shape; the CPU must have AVX-512 BF16. */
bool azr_few_rows_takes(int64_t n_out, int64_t n_in);
/* y [n_rows, n_out] = rows [n_rows, n_in] Wᵀ, all but y in bf16; n_rows at most AZR_FEW_ROWS. W
 * lies packed: [n_out / 64][n_in / 2][64][2]. The sum over n_in runs in pieces of `piece` (a
 * multiple of 8): each is summed by itself, pair by pair, and added to those before it. */
void azr_few_rows_run(int64_t n_rows, int64_t n_out, int64_t n_in, int64_t piece,
                      const uint16_t *rows, const uint16_t *packed, float *y);

/* --- f32 on AVX2: few_rows_avx2.c ------------------------------------------------------------- */

enum { AZR_FEW_ROWS_F32 = 128 };

bool azr_few_rows_f32_takes(int64_t n_out, int64_t n_in);
/* y [n_rows, n_out] = x [n_rows, n_in] Wᵀ, each element one rising chain of fused multiply-adds; W
 * packed as oneDNN's convolution of one point takes it: [n_out / 8][n_in][8]. */
void azr_few_rows_f32_run(int64_t n_rows, int64_t n_out, int64_t n_in, const float *x,
                          const float *packed, float *y);

#endif
