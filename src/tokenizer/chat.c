/* chat.c: ChatML, the chat format of the model families that azr ships configs for. */
#include "azr/tokenizer.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

#define SYSTEM "<|im_start|>system"
#define END "<|im_end|>"

/* The default system message stands in the template's source as literal text between the opening
 * and <|im_end|>; where an expression or a quote comes between, it is another branch. The line feed
 * is either one or its escape. */
static bool find_default_system(const char *template, const char **out_text, size_t *out_size)
{
    for (const char *p = template; (p = strstr(p, SYSTEM)) != NULL;) {
        p += strlen(SYSTEM);
        if (strncmp(p, "\\n", 2) == 0)
            p += 2;
        else if (*p == '\n')
            p += 1;
        else
            continue;
        const char *end = strstr(p, END);
        if (end == NULL)
            return false;
        size_t size = (size_t)(end - p);
        if (size == 0 || strcspn(p, "'\"{}\\") < size)
            continue;
        *out_text = p;
        *out_size = size;
        return true;
    }
    return false;
}

azr_status azr_chat_wrap(const azr_tokenizer *tokenizer, const char *system, azr_strbuf *out_before,
                         azr_strbuf *out_behind, azr_error *error)
{
    const char *template = azr_tokenizer_chat_template(tokenizer);
    if (template == NULL)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "chat: the model has no chat template");
    if (azr_tokenizer_find(tokenizer, "<|im_start|>") < 0 ||
        azr_tokenizer_find(tokenizer, END) < 0 || strstr(template, "<|im_start|>") == NULL)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "chat: only templates with <|im_start|> and <|im_end|> are known, "
                             "and the model's is another");
    size_t system_size = 0;
    if (system != NULL)
        system_size = strlen(system);
    else
        find_default_system(template, &system, &system_size);
    if (system_size > 0) {
        azr_strbuf_puts(out_before, SYSTEM "\n");
        azr_strbuf_append(out_before, system, system_size);
        azr_strbuf_puts(out_before, END "\n");
    }
    azr_strbuf_puts(out_before, "<|im_start|>user\n");
    azr_strbuf_puts(out_behind, END "\n<|im_start|>assistant\n");
    return AZR_OK;
}

azr_status azr_chat_encode(const azr_tokenizer *tokenizer, const char *system, const char *text,
                           size_t size, int32_t **out_tokens, size_t *out_n, azr_error *error)
{
    const azr_encode_options format = {.parse_special = true, .add_bos = true}, plain = {0},
                             behind = {.parse_special = true};
    azr_strbuf wrap[2] = {{0}, {0}};
    int32_t *parts[3] = {NULL, NULL, NULL};
    size_t n[3] = {0, 0, 0};
    azr_status status = azr_chat_wrap(tokenizer, system, &wrap[0], &wrap[1], error);
    for (int i = 0; status == AZR_OK && i < 3; i++) {
        const azr_strbuf *piece = &wrap[i / 2];
        status = azr_tokenizer_encode(tokenizer, i == 1 ? text : azr_strbuf_text(piece),
                                      i == 1 ? size : piece->size,
                                      i == 0   ? format
                                      : i == 1 ? plain
                                               : behind,
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
