/* weight_gradient.h: weight gradients with bf16 products on AVX-512; private to kernels/. */
#ifndef AZR_KERNELS_WEIGHT_GRADIENT_H
#define AZR_KERNELS_WEIGHT_GRADIENT_H

#include <stdint.h>

/* Rows are filled up with zeros to a multiple of FILL (n_filled); n_in is a multiple of COLUMNS. */
enum { AZR_WEIGHT_GRADIENT_FILL = 32, AZR_WEIGHT_GRADIENT_COLUMNS = 64 };

/* x [n_rows, n_in] in bf16 as the product takes it: panels [n_in / 64][n_filled / 2][64][2]. */
void azr_weight_gradient_pack_x(int64_t n_rows, int64_t n_filled, int64_t n_in, const float *x,
                                uint16_t *panels);
/* dy [n_rows, n_out] in bf16, as it is (rows) and transposed: columns [n_out][n_filled]. */
void azr_weight_gradient_pack_dy(int64_t n_rows, int64_t n_filled, int64_t n_out, const float *dy,
                                 uint16_t *rows, uint16_t *columns);
/* dw [n_out, n_in] += dyᵀ x. The sum over rows is one chain, pair by pair, by itself, and then
 * added: the same bits for any number of threads. */
void azr_weight_gradient_run(int64_t n_filled, int64_t n_out, int64_t n_in, const uint16_t *columns,
                             const uint16_t *panels, float *dw);

#endif
