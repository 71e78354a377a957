/* chat.c: one user's message in the model's own chat format, as text and as tokens. */
#include "azr/tokenizer.h"

#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

/* Stands for the message while the template runs: a character of the private use area on both
 * sides, so that no template has it by chance. The spaces show whether the template trims. */
#define MARK       \
    "\xee\x80\x80" \
    "the message"  \
    "\xee\x80\x81"

static const char *token_text(const azr_tokenizer *tokenizer, int32_t id)
{
    size_t size;
    return id >= 0 ? azr_tokenizer_bytes(tokenizer, id, &size) : NULL;
}

/* Where the mark is, when it is there once. */
static const char *find_mark(const char *text)
{
    const char *at = strstr(text, MARK);
    return at != NULL && strstr(at + 1, MARK) == NULL ? at : NULL;
}

azr_status azr_chat_wrap(const azr_tokenizer *tokenizer, const char *system, azr_strbuf *out_before,
                         azr_strbuf *out_behind, bool *out_trims, azr_error *error)
{
    const char *template = azr_tokenizer_chat_template(tokenizer);
    if (template == NULL)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "chat: the model has no chat template");
    const azr_chat_message messages[] = {{"system", system}, {"user", " " MARK " "}};
    const size_t first = system == NULL;
    const azr_chat chat = {
        .messages = messages + first,
        .n_messages = 2 - first,
        .add_generation_prompt = true,
        .bos = token_text(tokenizer, tokenizer->named_bos),
        .eos = tokenizer->n_eos > 0 ? token_text(tokenizer, tokenizer->eos[0]) : NULL,
    };
    azr_strbuf text = {0};
    azr_status status = azr_chat_template_render(template, &chat, &text, error);
    const char *all = azr_strbuf_text(&text), *at = find_mark(all);
    if (status == AZR_OK && at == NULL)
        status = azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                               "chat template: does not show the user's message once, unchanged");
    if (status == AZR_OK) {
        const char *behind = at + strlen(MARK);
        bool whole = at > all && at[-1] == ' ' && *behind == ' ';
        *out_trims = !whole;
        azr_strbuf_append(out_before, all, (size_t)(at - all) - whole);
        azr_strbuf_puts(out_behind, behind + whole);
    }
    azr_strbuf_deinit(&text);
    return status;
}

/* The message as a template that trims would show it. */
static void trim(const char **text, size_t *size)
{
    static const char white[] = " \t\n\v\f\r";
    while (*size > 0 && memchr(white, **text, sizeof white - 1) != NULL) {
        ++*text;
        --*size;
    }
    while (*size > 0 && memchr(white, (*text)[*size - 1], sizeof white - 1) != NULL)
        --*size;
}

azr_status azr_chat_encode(const azr_tokenizer *tokenizer, const char *system, const char *text,
                           size_t size, int32_t **out_tokens, size_t *out_n, azr_error *error)
{
    /* A template writes the token that begins a text itself, where there is to be one. */
    const azr_encode_options format = {.parse_special = true}, plain = {0};
    bool trims = false;
    azr_strbuf wrap[2] = {{0}, {0}};
    int32_t *parts[3] = {NULL, NULL, NULL};
    size_t n[3] = {0, 0, 0};
    azr_status status = azr_chat_wrap(tokenizer, system, &wrap[0], &wrap[1], &trims, error);
    if (trims)
        trim(&text, &size);
    for (int i = 0; status == AZR_OK && i < 3; i++) {
        const azr_strbuf *piece = &wrap[i / 2];
        status = azr_tokenizer_encode(tokenizer, i == 1 ? text : azr_strbuf_text(piece),
                                      i == 1 ? size : piece->size, i == 1 ? plain : format,
                                      &parts[i], &n[i], error);
    }
    if (status == AZR_OK) {
        *out_n = n[0] + n[1] + n[2];
        *out_tokens = azr_alloc(*out_n, sizeof **out_tokens);
        size_t at = 0;
        for (int i = 0; i < 3; at += n[i++])
            if (n[i] > 0)
                memcpy(*out_tokens + at, parts[i], n[i] * sizeof **out_tokens);
    }
    for (int i = 0; i < 3; i++)
        azr_free(parts[i]);
    azr_strbuf_deinit(&wrap[0]);
    azr_strbuf_deinit(&wrap[1]);
    return status;
}
