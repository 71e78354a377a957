/* template_encode.c: a template's prompt as tokens. */
#include "azr/rl.h"

azr_status azr_template_encode(const azr_template *template, const azr_tokenizer *tokenizer,
                               const char *text, size_t size, int32_t **out_tokens, size_t *out_n,
                               azr_error *error)
{
    const azr_encode_options options = {.add_bos = true};
    if (azr_template_is_chat(template))
        return azr_chat_encode(tokenizer, NULL, text, size, out_tokens, out_n, error);
    return azr_tokenizer_encode(tokenizer, text, size, options, out_tokens, out_n, error);
}
