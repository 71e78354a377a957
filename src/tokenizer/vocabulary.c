/* vocabulary.c: tokens by id and by bytes, merges by pair. */
#include "tokenizer/vocabulary.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "tokenizer/utf8.h"

#include <string.h>

/* Mixed once more because its low bits are weak. */
static uint64_t hash_bytes(const char *bytes, size_t size)
{
    return azr_u64_mix(azr_hash_bytes(AZR_HASH_START, bytes, size));
}

azr_status azr_vocabulary_init(azr_vocabulary *vocabulary, size_t n, size_t text_bytes,
                               const char *path, azr_error *error)
{
    *vocabulary = (azr_vocabulary){0};
    if (n == 0 || n > AZR_MAX_TOKENS)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "%s has a vocabulary of %zu tokens; 1 to %d are supported", path, n,
                             AZR_MAX_TOKENS);
    vocabulary->text_capacity = text_bytes + n; /* a NUL behind each */
    vocabulary->tokens = azr_try_alloc(n, sizeof *vocabulary->tokens);
    vocabulary->text = azr_try_alloc(vocabulary->text_capacity, 1);
    if (vocabulary->tokens == NULL || vocabulary->text == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the %zu tokens of %s", n,
                             path);
    vocabulary->n = (int32_t)n;
    return AZR_OK;
}

void azr_vocabulary_deinit(azr_vocabulary *vocabulary)
{
    azr_free(vocabulary->tokens);
    azr_free(vocabulary->text);
    azr_free(vocabulary->index);
    azr_free(vocabulary->merge_pairs);
    azr_u64_map_deinit(&vocabulary->merges);
    *vocabulary = (azr_vocabulary){0};
}

bool azr_vocabulary_set(azr_vocabulary *vocabulary, int32_t id, const char *text, size_t size)
{
    AZR_CHECK(id >= 0 && id < vocabulary->n);
    azr_token *token = &vocabulary->tokens[id];
    if (token->bytes != NULL)
        return false;
    char *bytes = vocabulary->text + vocabulary->n_text;
    size_t n_bytes = 0;
    AZR_CHECK(size < vocabulary->text_capacity - vocabulary->n_text);
    token->byte_level = azr_byte_level_read(text, size, bytes, &n_bytes) && n_bytes > 0;
    if (!token->byte_level) {
        memcpy(bytes, text, size);
        n_bytes = size;
    }
    bytes[n_bytes] = '\0';
    token->bytes = bytes;
    token->size = (uint32_t)n_bytes;
    vocabulary->n_text += n_bytes + 1;
    return true;
}

void azr_vocabulary_set_added(azr_vocabulary *vocabulary, int32_t id, const char *text, size_t size,
                              bool special)
{
    AZR_CHECK(id >= 0 && id < vocabulary->n);
    azr_token *token = &vocabulary->tokens[id];
    if (token->bytes == NULL || token->size != size || memcmp(token->bytes, text, size) != 0) {
        AZR_CHECK(size < vocabulary->text_capacity - vocabulary->n_text);
        char *bytes = vocabulary->text + vocabulary->n_text;
        memcpy(bytes, text, size);
        bytes[size] = '\0';
        vocabulary->n_text += size + 1;
        *token = (azr_token){.bytes = bytes, .size = (uint32_t)size};
    }
    token->added = true;
    token->special = special;
}

/* The index slot that holds these bytes, or the empty one where they belong. */
static uint32_t *index_slot(const azr_vocabulary *vocabulary, const char *bytes, size_t size,
                            bool byte_level)
{
    size_t mask = vocabulary->index_capacity - 1;
    for (size_t i = hash_bytes(bytes, size) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &vocabulary->index[i];
        if (*slot == 0)
            return slot;
        const azr_token *token = &vocabulary->tokens[*slot - 1];
        if (token->byte_level == byte_level && token->size == size &&
            memcmp(token->bytes, bytes, size) == 0)
            return slot;
    }
}

azr_status azr_vocabulary_index(azr_vocabulary *vocabulary, const char *path, azr_error *error)
{
    size_t capacity = 16;
    while (capacity < (size_t)vocabulary->n * 2)
        capacity *= 2;
    vocabulary->index_capacity = capacity;
    vocabulary->index = azr_try_alloc(capacity, sizeof *vocabulary->index);
    if (vocabulary->index == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the tokens of %s", path);
    for (int32_t id = 0; id < vocabulary->n; id++) {
        const azr_token *token = &vocabulary->tokens[id];
        if (token->bytes == NULL)
            continue;
        uint32_t *slot = index_slot(vocabulary, token->bytes, token->size, token->byte_level);
        if (*slot != 0)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "%s gives the text \"%.60s\" to two tokens, %u and %d", path,
                                 token->bytes, *slot - 1, (int)id);
        *slot = (uint32_t)id + 1;
    }
    for (int byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        vocabulary->bytes[byte] = azr_vocabulary_find(vocabulary, &text, 1, true);
    }
    return AZR_OK;
}

int32_t azr_vocabulary_find(const azr_vocabulary *vocabulary, const char *bytes, size_t size,
                            bool byte_level)
{
    return (int32_t)*index_slot(vocabulary, bytes, size, byte_level) - 1;
}

azr_status azr_vocabulary_reserve_merges(azr_vocabulary *vocabulary, size_t n, const char *path,
                                         azr_error *error)
{
    if (n > AZR_MAX_TOKENS)
        return azr_error_set(error, AZR_ERROR_LIMIT, "%s has %zu merges; at most %d are supported",
                             path, n, AZR_MAX_TOKENS);
    vocabulary->merge_pairs = azr_try_alloc(n, 2 * sizeof *vocabulary->merge_pairs);
    if (vocabulary->merge_pairs == NULL || !azr_u64_map_reserve(&vocabulary->merges, n))
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the %zu merges of %s", n,
                             path);
    return AZR_OK;
}

/* Id by written form; *io_bytes gets the token's bytes, *out_byte_level how they were written. */
static int32_t find_written(const azr_vocabulary *vocabulary, const char *text, size_t size,
                            char *bytes, size_t *out_size, bool *out_byte_level)
{
    *out_byte_level = azr_byte_level_read(text, size, bytes, out_size);
    if (!*out_byte_level) {
        memcpy(bytes, text, size);
        *out_size = size;
    }
    return azr_vocabulary_find(vocabulary, bytes, *out_size, *out_byte_level);
}

static azr_status unknown_merge(const char *path, size_t rank, const char *text, size_t size,
                                azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "merge %zu of %s names \"%.*s\", which is no token of the vocabulary",
                         rank, path, (int)(size < 100 ? size : 100), text);
}

azr_status azr_vocabulary_add_merge(azr_vocabulary *vocabulary, const char *left, size_t left_size,
                                    const char *right, size_t right_size, const char *path,
                                    azr_error *error)
{
    size_t rank = vocabulary->n_merges;
    size_t n_left = 0, n_right = 0;
    bool left_bytes, right_bytes;
    azr_status status = AZR_OK;
    char *bytes = azr_try_alloc(left_size + right_size, 1);
    if (bytes == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for merge %zu of %s", rank, path);
    int32_t a = find_written(vocabulary, left, left_size, bytes, &n_left, &left_bytes);
    if (a < 0) {
        status = unknown_merge(path, rank, left, left_size, error);
        goto done;
    }
    int32_t b = find_written(vocabulary, right, right_size, bytes + n_left, &n_right, &right_bytes);
    if (b < 0) {
        status = unknown_merge(path, rank, right, right_size, error);
        goto done;
    }
    int32_t both = -1;
    if (left_bytes == right_bytes)
        both = azr_vocabulary_find(vocabulary, bytes, n_left + n_right, left_bytes);
    if (both < 0) {
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "merge %zu of %s joins \"%.*s\" and \"%.*s\" to what is no token of "
                               "the vocabulary",
                               rank, path, (int)(left_size < 60 ? left_size : 60), left,
                               (int)(right_size < 60 ? right_size : 60), right);
        goto done;
    }
    vocabulary->merge_pairs[2 * rank] = a;
    vocabulary->merge_pairs[2 * rank + 1] = b;
    vocabulary->n_merges++;
    if (!azr_u64_map_put(&vocabulary->merges, azr_merge_key(a, b), rank << 32 | (uint32_t)both))
        status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the merges of %s", path);
done:
    azr_free(bytes);
    return status;
}
