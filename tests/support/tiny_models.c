#include "tiny_models.h"

#include "formats/weights_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void gguf_put(azr_strbuf *file, const void *bytes, size_t size)
{
    azr_strbuf_append(file, bytes, size);
}

void gguf_put_u32(azr_strbuf *file, uint32_t value)
{
    gguf_put(file, &value, sizeof value);
}

void gguf_put_u64(azr_strbuf *file, uint64_t value)
{
    gguf_put(file, &value, sizeof value);
}

void gguf_put_text(azr_strbuf *file, const char *text)
{
    gguf_put_u64(file, strlen(text));
    azr_strbuf_puts(file, text);
}

void gguf_begin(azr_strbuf *file, uint32_t version, uint64_t n_tensors, uint64_t n_values)
{
    azr_strbuf_puts(file, "GGUF");
    gguf_put_u32(file, version);
    gguf_put_u64(file, n_tensors);
    gguf_put_u64(file, n_values);
}

void gguf_key(azr_strbuf *file, const char *key, uint32_t type)
{
    gguf_put_text(file, key);
    gguf_put_u32(file, type);
}

void gguf_value_u32(azr_strbuf *file, const char *key, uint32_t value)
{
    gguf_key(file, key, 4);
    gguf_put_u32(file, value);
}

void gguf_value_text(azr_strbuf *file, const char *key, const char *text)
{
    gguf_key(file, key, 8);
    gguf_put_text(file, text);
}

void gguf_info(azr_strbuf *file, const char *name, uint32_t n_dims, const uint64_t *dims,
               uint32_t type, uint64_t offset)
{
    gguf_put_text(file, name);
    gguf_put_u32(file, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        gguf_put_u64(file, dims[i]);
    gguf_put_u32(file, type);
    gguf_put_u64(file, offset);
}

void gguf_align(azr_strbuf *file, size_t alignment)
{
    while (file->size % alignment != 0)
        azr_strbuf_append(file, "", 1);
}

static void put_counting(azr_strbuf *file, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        char byte = (char)i;
        azr_strbuf_append(file, &byte, 1);
    }
}

/* A number of each type: its name, its number in the file, its bytes. */
static const struct {
    const char *name;
    uint32_t type;
    size_t size;
    uint8_t bytes[8];
} numbers[] = {
    {"u8", 0, 1, {0xFE}},
    {"i8", 1, 1, {0xFE}},
    {"u16", 2, 2, {0xFE, 0xFF}},
    {"i16", 3, 2, {0xFE, 0xFF}},
    {"u32", 4, 4, {0xFE, 0xFF, 0xFF, 0xFF}},
    {"i32", 5, 4, {0xFE, 0xFF, 0xFF, 0xFF}},
    {"f32", 6, 4, {0x00, 0x00, 0xC0, 0x3F}}, /* 1.5 */
    {"bool", 7, 1, {1}},
    {"u64", 10, 8, {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}},
    {"big", 10, 8, {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
    {"i64", 11, 8, {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
    {"f64", 12, 8, {0, 0, 0, 0, 0, 0, 0x04, 0xC0}}, /* -2.5 */
};

enum { N_NUMBERS = sizeof numbers / sizeof numbers[0] };

static void put_values(azr_strbuf *file)
{
    char key[16];
    for (size_t i = 0; i < N_NUMBERS; i++) {
        snprintf(key, sizeof key, "v.%s", numbers[i].name);
        gguf_key(file, key, numbers[i].type);
        gguf_put(file, numbers[i].bytes, numbers[i].size);
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        snprintf(key, sizeof key, "a.%s", numbers[i].name);
        gguf_key(file, key, 9);
        gguf_put_u32(file, numbers[i].type);
        gguf_put_u64(file, 2);
        gguf_put(file, numbers[i].bytes, numbers[i].size);
        gguf_put(file, "\0\0\0\0\0\0\0\0", numbers[i].size);
    }
    gguf_value_text(file, "v.text", "some text");
    gguf_key(file, "a.texts", 9);
    gguf_put_u32(file, 8);
    gguf_put_u64(file, 3);
    gguf_put_text(file, "one");
    gguf_put_text(file, "");
    gguf_put_u64(file, 3);
    gguf_put(file, "a\0b", 3);
    gguf_key(file, "a.none", 9);
    gguf_put_u32(file, 8);
    gguf_put_u64(file, 0);
}

/* The tensor types azr reads: name, number in the file, bytes of 256 elements. */
static const struct {
    const char *name;
    uint32_t type;
    size_t row_bytes;
} tensor_types[] = {
    {"F32", 0, 1024},  {"F16", 1, 512},   {"BF16", 30, 512}, {"Q4_0", 2, 144},
    {"Q4_1", 3, 160},  {"Q5_0", 6, 176},  {"Q5_1", 7, 192},  {"Q8_0", 8, 272},
    {"Q4_K", 12, 144}, {"Q5_K", 13, 176}, {"Q6_K", 14, 210},
};

enum { N_TENSOR_TYPES = sizeof tensor_types / sizeof tensor_types[0] };

static size_t round_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) / alignment * alignment;
}

void tiny_gguf(azr_strbuf *file, uint32_t version)
{
    azr_strbuf_reset(file);
    gguf_begin(file, version, N_TENSOR_TYPES, 2 * N_NUMBERS + 4);
    put_values(file);
    gguf_value_u32(file, "general.alignment", 64);
    size_t offset = 0;
    for (size_t i = 0; i < N_TENSOR_TYPES; i++) {
        char name[16];
        snprintf(name, sizeof name, "t.%s", tensor_types[i].name);
        gguf_info(file, name, 2, (const uint64_t[]){256, 2}, tensor_types[i].type, offset);
        offset += round_up(2 * tensor_types[i].row_bytes, 64);
    }
    gguf_align(file, 64);
    for (size_t i = 0; i < N_TENSOR_TYPES; i++) {
        put_counting(file, 2 * tensor_types[i].row_bytes);
        gguf_align(file, 64);
    }
}

void tiny_gguf_model(azr_strbuf *file)
{
    static const char *const tokens[] = {"a", "b", "ab", "<|end|>"};
    azr_strbuf_reset(file);
    gguf_begin(file, 3, 2, 6);
    gguf_value_text(file, "general.architecture", "llama");
    gguf_value_u32(file, "llama.block_count", 1);
    gguf_key(file, "llama.rope.freq_base", 6);
    gguf_put_u32(file, 0x461C4000); /* 10000 */
    gguf_key(file, "tokenizer.ggml.tokens", 9);
    gguf_put_u32(file, 8);
    gguf_put_u64(file, 4);
    for (size_t i = 0; i < 4; i++)
        gguf_put_text(file, tokens[i]);
    gguf_key(file, "tokenizer.ggml.token_type", 9);
    gguf_put_u32(file, 5);
    gguf_put_u64(file, 4);
    for (uint32_t i = 0; i < 4; i++)
        gguf_put_u32(file, i == 3 ? 3 : 1);
    gguf_key(file, "tokenizer.ggml.merges", 9);
    gguf_put_u32(file, 8);
    gguf_put_u64(file, 1);
    gguf_put_text(file, "a b");
    gguf_info(file, "token_embd.weight", 2, (const uint64_t[]){32, 4}, 8, 0);
    gguf_info(file, "output_norm.weight", 1, (const uint64_t[]){32}, 0, 160);
    gguf_align(file, 32);
    put_counting(file, 136);
    gguf_align(file, 32);
    put_counting(file, 128);
}

void tiny_safetensors_from(azr_strbuf *file, const char *header, size_t n_bytes)
{
    azr_strbuf_reset(file);
    gguf_put_text(file, header);
    put_counting(file, n_bytes);
}

void tiny_safetensors(azr_strbuf *file)
{
    tiny_safetensors_from(
        file,
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"model.b\":{\"dtype\":\"F16\",\"shape\":[5],\"data_offsets\":[24,34]},"
        "\"model.a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"model.empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[34,34]},"
        "\"model.c\":{\"dtype\":\"BF16\",\"shape\":[1,2,1,2],\"data_offsets\":[34,42]},"
        "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[42,46]}}",
        46);
}

azr_weights_file *tiny_open(const azr_strbuf *file, const char *path)
{
    azr_weights_file *opened;
    azr_error error = {0};
    azr_status status =
        azr_formats__open_bytes(path, (const uint8_t *)file->data, file->size, &opened, &error);
    if (status != AZR_OK)
        fail_msg("%s", error.text);
    return opened;
}

void check_sentence(const azr_error *error, azr_status status, const char *path, const char *part)
{
    size_t size = strlen(error->text);
    if (error->status != status || strstr(error->text, path) == NULL ||
        strstr(error->text, part) == NULL || strchr(error->text, '\n') != NULL || size == 0 ||
        error->text[size - 1] == '.')
        fail_msg("status %d, expected %d with %s and \"%s\": %s", error->status, status, path, part,
                 error->text);
}

void tiny_refused(const azr_strbuf *file, const char *path, azr_status status, const char *part)
{
    /* A block of exactly that size, so that the sanitizer sees a read past it. */
    uint8_t *exact = malloc(file->size > 0 ? file->size : 1);
    assert_non_null(exact);
    if (file->size > 0)
        memcpy(exact, file->data, file->size);
    azr_weights_file *opened;
    azr_error error = {0};
    assert_int_equal(azr_formats__open_bytes(path, exact, file->size, &opened, &error), status);
    assert_null(opened);
    check_sentence(&error, status, path, part);
    free(exact);
}
