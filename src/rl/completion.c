/* completion.c: tokens to text as they come, and the three ends: end token, stop string, limit. */
#include "rl/completion.h"

#include "base/memory.h"

#include <string.h>

const char *azr_stop_name(azr_stop stop)
{
    static const char *const names[] = {"eos", "limit", "string"};
    return names[stop];
}

void azr_completion_init(azr_completion *completion, const azr_rollout_request *request,
                         size_t i_request, size_t index)
{
    *completion = (azr_completion){.sample = {
                                       .request = i_request,
                                       .index = index,
                                       .tokens = azr_alloc(request->max_tokens, sizeof(int32_t)),
                                       .logprobs = azr_alloc(request->max_tokens, sizeof(float)),
                                       .entropies = azr_alloc(request->max_tokens, sizeof(float)),
                                   }};
}

/* The first place in text at or after `from` where a stop string begins, and which one; text_size
 * when none does. */
static size_t find_stop(const azr_strbuf *text, size_t from, const char *const *stops,
                        const char **out_stop)
{
    size_t first = text->size;
    for (size_t i = 0; stops != NULL && stops[i] != NULL; i++) {
        size_t length = strlen(stops[i]);
        size_t start = from > length ? from - length : 0;
        if (length == 0 || start >= text->size)
            continue;
        const char *hit = memmem(text->data + start, text->size - start, stops[i], length);
        if (hit != NULL && (size_t)(hit - text->data) < first) {
            first = (size_t)(hit - text->data);
            *out_stop = stops[i];
        }
    }
    return first;
}

static bool finish(azr_completion *completion, azr_stop stop, const char *end, size_t text_size)
{
    completion->text.size = text_size;
    completion->sample.text_size = text_size;
    completion->sample.text = azr_strbuf_steal(&completion->text);
    completion->sample.stop = stop;
    completion->sample.end = end;
    return true;
}

bool azr_completion_append(azr_completion *completion, const azr_rollout_request *request,
                           const azr_tokenizer *tokenizer, int32_t token, float logprob,
                           float entropy)
{
    azr_sample *sample = &completion->sample;
    sample->tokens[sample->n_tokens] = token;
    sample->logprobs[sample->n_tokens] = logprob;
    sample->entropies[sample->n_tokens] = entropy;
    sample->n_tokens++;
    size_t old_size = completion->text.size;
    if (azr_tokenizer_is_eos(tokenizer, token))
        return finish(completion, AZR_STOP_EOS, "", old_size);
    if (!azr_tokenizer_is_special(tokenizer, token)) {
        size_t n_bytes = 0;
        const char *bytes = azr_tokenizer_bytes(tokenizer, token, &n_bytes);
        azr_strbuf_append(&completion->text, bytes, n_bytes);
    }
    const char *end = NULL;
    size_t stop_at = find_stop(&completion->text, old_size, request->stops, &end);
    if (stop_at < completion->text.size)
        return finish(completion, AZR_STOP_STRING, end, stop_at);
    if (sample->n_tokens == request->max_tokens)
        return finish(completion, AZR_STOP_LIMIT, NULL, completion->text.size);
    return false;
}

void azr_sample_deinit(azr_sample *sample)
{
    azr_free(sample->tokens);
    azr_free(sample->logprobs);
    azr_free(sample->entropies);
    azr_free(sample->text);
    *sample = (azr_sample){0};
}
