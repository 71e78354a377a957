/* stream.c: decodes one sequence token by token for a reader who waits. */
#include "app/stream.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"

#include <string.h>

size_t azr_stream_safe(const char *text, size_t size, const char *const *stops)
{
    size_t safe = size;
    for (; stops != NULL && *stops != NULL; stops++) {
        size_t n = strlen(*stops);
        for (size_t k = n < size ? n : size; k > 0; k--) {
            if (memcmp(text + size - k, *stops, k) != 0)
                continue;
            if (size - k < safe)
                safe = size - k;
            break;
        }
    }
    return azr_utf8_complete(text, safe);
}

/* Where the first stop string begins in the text; size when there is none. */
static size_t find_stop(const char *text, size_t size, const char *const *stops)
{
    size_t first = size;
    for (; stops != NULL && *stops != NULL; stops++) {
        size_t n = strlen(*stops);
        const char *at =
            n > 0 ? memmem(text, first + n < size ? first + n : size, *stops, n) : NULL;
        if (at != NULL && (size_t)(at - text) < first)
            first = (size_t)(at - text);
    }
    return first;
}

/* A sequence under way. */
typedef struct stream {
    const azr_engine *engine;
    const azr_rollout_request *request;
    void (*write)(void *context, const char *text, size_t size);
    void *context;
    azr_kv *kv;
    int32_t segment;
    float *state;
    azr_strbuf text;
    size_t n_written, n_tokens;
} stream;

static void write_up_to(stream *s, size_t end)
{
    if (end > s->n_written)
        s->write(s->context, azr_strbuf_text(&s->text) + s->n_written, end - s->n_written);
    if (end > s->n_written)
        s->n_written = end;
}

/* Takes one token in: true when it ended the text, and how. */
static bool take_token(stream *s, int32_t token, azr_stop *out_stop)
{
    const azr_tokenizer *tokenizer = s->engine->tokenizer;
    s->n_tokens++;
    if (azr_tokenizer_is_eos(tokenizer, token)) {
        *out_stop = AZR_STOP_EOS;
        return true;
    }
    if (!azr_tokenizer_is_special(tokenizer, token)) {
        size_t size;
        const char *bytes = azr_tokenizer_bytes(tokenizer, token, &size);
        azr_strbuf_append(&s->text, bytes, size);
    }
    const char *text = azr_strbuf_text(&s->text);
    size_t end = find_stop(text, s->text.size, s->request->stops);
    if (end < s->text.size) {
        write_up_to(s, end);
        *out_stop = AZR_STOP_STRING;
        return true;
    }
    write_up_to(s, azr_stream_safe(text, s->text.size, s->request->stops));
    *out_stop = AZR_STOP_LIMIT;
    return s->n_tokens == s->request->max_tokens;
}

static azr_status generate(stream *s, azr_stop *out_stop, azr_error *error)
{
    const azr_rollout_request *request = s->request;
    azr_extension extension = {
        .segment = s->segment, .n_tokens = (int32_t)request->n_tokens, .tokens = request->tokens};
    int32_t token;
    for (;;) {
        if (azr_stop_requested())
            return azr_error_set(error, AZR_ERROR_INTERRUPTED, "interrupted after %zu tokens",
                                 s->n_tokens);
        azr_status status = azr_kv_extend(s->kv, &extension, 1, s->state, error);
        if (status != AZR_OK)
            return status;
        azr_draw draw = {.temperature = request->temperature,
                         .top_p = request->top_p,
                         .top_k = request->top_k,
                         .u = azr_rng_uniform(&request->key, (uint32_t)s->n_tokens)};
        float logprob;
        status =
            azr_model_draw(s->engine->model, s->state, 1, &draw, &token, &logprob, NULL, error);
        if (status != AZR_OK || take_token(s, token, out_stop))
            return status;
        extension.n_tokens = 1;
        extension.tokens = &token;
    }
}

azr_status azr_stream_run(const azr_engine *engine, const azr_rollout_request *request,
                          void (*write)(void *context, const char *text, size_t size),
                          void *context, azr_stop *out_stop, size_t *out_n, azr_error *error)
{
    stream s = {.engine = engine, .request = request, .write = write, .context = context};
    int64_t n_tokens = (int64_t)(request->n_tokens + request->max_tokens) + AZR_KV_PAGE;
    azr_status status = azr_kv_create(engine->model, n_tokens, &s.kv, error);
    if (status != AZR_OK)
        goto done;
    s.segment = azr_kv_add(s.kv, -1);
    s.state = azr_alloc((size_t)azr_model_get_shape(engine->model)->d_model, sizeof *s.state);
    status = generate(&s, out_stop, error);
    if (status == AZR_OK && *out_stop != AZR_STOP_STRING)
        write_up_to(&s, azr_utf8_complete(azr_strbuf_text(&s.text), s.text.size));
    *out_n = s.n_tokens;
done:
    azr_strbuf_deinit(&s.text);
    azr_free(s.state);
    azr_kv_destroy(s.kv);
    return status;
}
