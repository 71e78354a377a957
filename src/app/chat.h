/* chat.h: a user's message as the model's chat format wants it. */
#ifndef AZR_APP_CHAT_H
#define AZR_APP_CHAT_H

#include "azr/status.h"
#include "azr/tokenizer.h"

#include "base/strbuf.h"

/* Appends the conversation of one user message up to where the assistant speaks. Only ChatML
 * (<|im_start|>, <|im_end|>) is known; other formats are AZR_ERROR_UNSUPPORTED. system NULL: the
 * default that the model's template holds, if any. */
azr_status azr_chat_prompt(const azr_tokenizer *tokenizer, const char *system, const char *text,
                           size_t size, azr_strbuf *out, azr_error *error);

#endif
