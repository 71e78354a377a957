/* completion.h: one growing completion: tokens, their numbers, the text so far, and when it ends.
 * Private to rl/. */
#ifndef AZR_RL_COMPLETION_H
#define AZR_RL_COMPLETION_H

#include "azr/rl.h"

#include "base/strbuf.h"

typedef struct azr_completion {
    azr_sample sample; /* its arrays hold request->max_tokens */
    azr_strbuf text;
} azr_completion;

void azr_completion_init(azr_completion *completion, const azr_rollout_request *request,
                         size_t i_request, size_t index);
/* Appends a token; true when the completion has ended (sample.stop says how, sample.text is cut
 * before the stop string). */
bool azr_completion_append(azr_completion *completion, const azr_rollout_request *request,
                           const azr_tokenizer *tokenizer, int32_t token, float logprob,
                           float entropy);
void azr_sample_deinit(azr_sample *sample);

#endif
