/* table.c: the reference level. */
#include "kernels/table.h"

const azr_kernel_table azr_kernels__ref = {
    .rmsnorm_forward = azr_kernels__rmsnorm_forward_ref,
    .rmsnorm_backward = azr_kernels__rmsnorm_backward_ref,
    .rope = azr_kernels__rope_ref,
    .swiglu_forward = azr_kernels__swiglu_forward_ref,
    .swiglu_backward = azr_kernels__swiglu_backward_ref,
    .bias_forward = azr_kernels__bias_forward_ref,
    .bias_backward = azr_kernels__bias_backward_ref,
    .add = azr_kernels__add_ref,
    .embedding_backward = azr_kernels__embedding_backward_ref,
    .attention_forward = azr_kernels__attention_forward_ref,
    .attention_backward = azr_kernels__attention_backward_ref,
    .logprob_forward = azr_kernels__logprob_forward_ref,
    .logprob_backward = azr_kernels__logprob_backward_ref,
    .draw_token = azr_kernels__draw_token_ref,
    .adamw = azr_kernels__adamw_ref,
    .sum_squares = azr_kernels__sum_squares_ref,
    .to_bf16 = azr_kernels__to_bf16_ref,
    .to_f16 = azr_kernels__to_f16_ref,
    .round_to_f16 = azr_kernels__round_to_f16_ref,
    .exp = azr_kernels__exp_ref,
};
