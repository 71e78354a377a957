/* table_avx512.c: the AVX-512 level: the fragments of simd/, built with the instructions of this
 * file. */
#include "kernels/simd/vec_avx512.h"

#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/simd/attention.inc"
#include "kernels/simd/exp.inc"
#include "kernels/simd/logprob.inc"
#include "kernels/simd/optimizer.inc"
#include "kernels/simd/rows.inc"
#include "kernels/simd/sample.inc"

const azr_kernel_table azr_kernels__avx512 = {
    .rmsnorm_forward = rmsnorm_forward,
    .rmsnorm_backward = rmsnorm_backward,
    .rope = rope,
    .swiglu_forward = swiglu_forward,
    .swiglu_backward = swiglu_backward,
    .bias_forward = bias_forward,
    .bias_backward = bias_backward,
    .add = add,
    .embedding_backward = embedding_backward,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .logprob_forward = logprob_forward,
    .logprob_backward = logprob_backward,
    .draw_token = draw_token,
    .adamw = adamw,
    .sum_squares = sum_squares,
    .to_bf16 = to_bf16,
    .to_f16 = to_f16,
    .round_to_f16 = round_to_f16,
    .exp = exp_array,
};
