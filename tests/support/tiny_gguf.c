/* tiny_gguf.c: writes the tokenizer metadata of a GGUF file. */
#include "tiny_gguf.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tokenizer/utf8.h"

#include <string.h>

/* A GGUF file without tensors. */
typedef struct gguf_writer {
    azr_strbuf bytes;
    uint64_t n_keys;
} gguf_writer;

enum { GGUF_I32 = 5, GGUF_BOOL = 7, GGUF_TEXT = 8, GGUF_ARRAY = 9 };

static void put_u32(gguf_writer *w, uint32_t value)
{
    azr_strbuf_append(&w->bytes, (const char *)&value, sizeof value);
}

static void put_u64(gguf_writer *w, uint64_t value)
{
    azr_strbuf_append(&w->bytes, (const char *)&value, sizeof value);
}

static void put_text(gguf_writer *w, const char *text)
{
    put_u64(w, strlen(text));
    azr_strbuf_puts(&w->bytes, text);
}

static void put_key(gguf_writer *w, const char *key, uint32_t type)
{
    put_text(w, key);
    put_u32(w, type);
    w->n_keys++;
}

static void put_text_key(gguf_writer *w, const char *key, const char *text)
{
    if (text == NULL)
        return;
    put_key(w, key, GGUF_TEXT);
    put_text(w, text);
}

static void put_integer_key(gguf_writer *w, const char *key, int32_t value)
{
    put_key(w, key, GGUF_I32);
    put_u32(w, (uint32_t)value);
}

static void put_tokens(gguf_writer *w, const tiny_gguf *tiny)
{
    uint64_t n_more = 0;
    while (tiny->more != NULL && tiny->more[n_more] != NULL)
        n_more++;
    put_key(w, "tokenizer.ggml.tokens", GGUF_ARRAY);
    put_u32(w, GGUF_TEXT);
    put_u64(w, 256 + n_more);
    for (int byte = 0; byte < 256; byte++) {
        char c[5] = "";
        c[azr_utf8_put(azr_byte_to_codepoint((uint8_t)byte), c)] = '\0';
        put_text(w, c);
    }
    for (uint64_t i = 0; i < n_more; i++)
        put_text(w, tiny->more[i]);
    if (tiny->more_types == NULL)
        return;
    put_key(w, "tokenizer.ggml.token_type", GGUF_ARRAY);
    put_u32(w, GGUF_I32);
    put_u64(w, 256 + n_more);
    for (uint64_t i = 0; i < 256 + n_more; i++)
        put_u32(w, i < 256 ? 1 : (uint32_t)tiny->more_types[i - 256]);
}

char *tiny_gguf_bytes(const tiny_gguf *tiny, size_t *out_size)
{
    gguf_writer w = {0}, file = {0};
    put_text_key(&w, "general.architecture", "llama");
    put_text_key(&w, "tokenizer.ggml.model", tiny->model);
    put_text_key(&w, "tokenizer.ggml.pre", tiny->pre);
    put_text_key(&w, "tokenizer.chat_template", tiny->chat_template);
    put_tokens(&w, tiny);
    if (tiny->merges != NULL) {
        uint64_t n = 0;
        while (tiny->merges[n] != NULL)
            n++;
        put_key(&w, "tokenizer.ggml.merges", GGUF_ARRAY);
        put_u32(&w, GGUF_TEXT);
        put_u64(&w, n);
        for (uint64_t i = 0; i < n; i++)
            put_text(&w, tiny->merges[i]);
    }
    if (tiny->eos >= 0) {
        put_integer_key(&w, "tokenizer.ggml.eos_token_id", tiny->eos);
        put_integer_key(&w, "tokenizer.ggml.bos_token_id", tiny->eos);
    }
    if (tiny->add_bos >= 0) {
        put_key(&w, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
        azr_strbuf_append(&w.bytes, tiny->add_bos ? "\1" : "\0", 1);
    }
    azr_strbuf_puts(&file.bytes, "GGUF");
    put_u32(&file, 3);
    put_u64(&file, 0);
    put_u64(&file, w.n_keys);
    azr_strbuf_append(&file.bytes, w.bytes.data, w.bytes.size);
    while (file.bytes.size % 32 != 0)
        azr_strbuf_append(&file.bytes, "", 1);
    azr_strbuf_deinit(&w.bytes);
    *out_size = file.bytes.size;
    return azr_strbuf_steal(&file.bytes);
}

void tiny_gguf_write(const tiny_gguf *tiny, const char *path)
{
    size_t size;
    char *bytes = tiny_gguf_bytes(tiny, &size);
    AZR_CHECK(azr_file_write(path, bytes, size, NULL) == AZR_OK);
    azr_free(bytes);
}
