/* tiny_gguf.h: small made-up GGUF files with a tokenizer and no tensors. */
#ifndef AZR_TEST_TINY_GGUF_H
#define AZR_TEST_TINY_GGUF_H

#include <stddef.h>
#include <stdint.h>

/* What to write; the tokens are the 256 bytes and those of more. */
typedef struct tiny_gguf {
    const char *model, *pre;
    const char *const *more; /* tokens from 256 on, NULL at the end */
    const int32_t *more_types;
    const char *const *merges; /* NULL at the end; NULL: no such key */
    int32_t eos, add_bos;      /* -1: no such key */
    const char *chat_template;
} tiny_gguf;

/* The file's bytes; free with azr_free. */
char *tiny_gguf_bytes(const tiny_gguf *tiny, size_t *out_size);
void tiny_gguf_write(const tiny_gguf *tiny, const char *path);

#endif
