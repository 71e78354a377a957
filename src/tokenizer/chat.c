/* chat.c: ChatML, the chat format of the model families that azr ships configs for. */
#include "azr/tokenizer.h"

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

static void add_turn(azr_strbuf *out, const char *role, const char *text, size_t size)
{
    azr_strbuf_printf(out, "<|im_start|>%s\n", role);
    azr_strbuf_append(out, text, size);
    azr_strbuf_puts(out, END "\n");
}

azr_status azr_chat_prompt(const azr_tokenizer *tokenizer, const char *system, const char *text,
                           size_t size, azr_strbuf *out, azr_error *error)
{
    const char *template = azr_tokenizer_chat_template(tokenizer);
    if (template == NULL)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "--chat: the model has no chat template");
    if (azr_tokenizer_find(tokenizer, "<|im_start|>") < 0 ||
        azr_tokenizer_find(tokenizer, END) < 0 || strstr(template, "<|im_start|>") == NULL)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "--chat knows only chat templates with <|im_start|> and <|im_end|>, "
                             "and the model's is another");
    size_t system_size = 0;
    if (system != NULL)
        system_size = strlen(system);
    else
        find_default_system(template, &system, &system_size);
    if (system_size > 0)
        add_turn(out, "system", system, system_size);
    add_turn(out, "user", text, size);
    azr_strbuf_puts(out, "<|im_start|>assistant\n");
    return AZR_OK;
}
