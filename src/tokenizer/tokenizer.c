/* tokenizer.c: opening a tokenizer, asking it about ids, decoding. */
#include "tokenizer/tokenizer.h"

#include "azr/formats.h"
#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <string.h>

/* Special tokens that end a turn or a text in the supported families, whatever else does. */
static const char *const END_TOKENS[] = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>",
                                         "<|end_of_text|>"};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static azr_status load_folder_of_json(azr_tokenizer *tokenizer, const char *path, azr_error *error)
{
    azr_status status = azr_tokenizer_load_json(tokenizer, path, error);
    if (status != AZR_OK)
        return status;
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? azr_copy_text(".", 1)
                                 : azr_copy_text(path, slash == path ? 1 : (size_t)(slash - path));
    status = azr_tokenizer_load_folder(tokenizer, folder, error);
    azr_free(folder);
    return status;
}

static azr_status load(azr_tokenizer *tokenizer, const char *path, azr_error *error)
{
    if (azr_directory_exists(path)) {
        char *json = azr_path_join(path, "tokenizer.json");
        azr_status status = azr_file_exists(json) ? load_folder_of_json(tokenizer, json, error)
                                                  : azr_tokenizer_load_gguf(tokenizer, path, error);
        azr_free(json);
        return status;
    }
    if (ends_with(path, ".json"))
        return load_folder_of_json(tokenizer, path, error);
    if (ends_with(path, ".gguf"))
        return azr_tokenizer_load_gguf(tokenizer, path, error);
    if (!azr_file_exists(path))
        return azr_error_set(error, AZR_ERROR_IO,
                             "there is no file or folder %s to take a tokenizer from", path);
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s is neither a folder nor a tokenizer.json nor a .gguf file", path);
}

azr_status azr_tokenizer_open(const char *path, azr_tokenizer **out_tokenizer, azr_error *error)
{
    azr_tokenizer *tokenizer = azr_alloc(1, sizeof *tokenizer);
    tokenizer->bos = tokenizer->unknown = tokenizer->named_bos = tokenizer->named_pad = -1;
    azr_status status = load(tokenizer, path, error);
    if (status != AZR_OK) {
        azr_tokenizer_destroy(tokenizer);
        tokenizer = NULL;
    } else {
        for (size_t i = 0; i < AZR_COUNT(END_TOKENS); i++) {
            int32_t id = azr_tokenizer_find(tokenizer, END_TOKENS[i]);
            if (azr_tokenizer_is_special(tokenizer, id))
                azr_tokenizer_add_eos(tokenizer, id);
        }
    }
    *out_tokenizer = tokenizer;
    return status;
}

void azr_tokenizer_destroy(azr_tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    azr_vocabulary_deinit(&tokenizer->vocabulary);
    azr_split_deinit(&tokenizer->split);
    azr_free(tokenizer->added);
    azr_added_trie_deinit(&tokenizer->added_raw);
    azr_added_trie_deinit(&tokenizer->added_normalized);
    azr_free(tokenizer->chat_template);
    azr_free(tokenizer->json.text);
    azr_free(tokenizer->config.text);
    azr_free(tokenizer->jinja.text);
    azr_free(tokenizer);
}

void azr_tokenizer_add_eos(azr_tokenizer *tokenizer, int32_t id)
{
    if (id < 0 || id >= tokenizer->vocabulary.n || azr_tokenizer_is_eos(tokenizer, id) ||
        tokenizer->n_eos == AZR_MAX_EOS)
        return;
    tokenizer->eos[tokenizer->n_eos++] = id;
}

azr_status azr_tokenizer_set_added(azr_tokenizer *tokenizer, azr_added_token *added, size_t n,
                                   const char *path, azr_error *error)
{
    tokenizer->added = added;
    tokenizer->n_added = n;
    for (size_t i = 0; i < n; i++) {
        const azr_token *token = &tokenizer->vocabulary.tokens[added[i].id];
        azr_added_trie *trie =
            added[i].normalized ? &tokenizer->added_normalized : &tokenizer->added_raw;
        if (!azr_added_trie_add(trie, token->bytes, token->size, i))
            return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the added tokens of %s",
                                 path);
    }
    return AZR_OK;
}

azr_status azr_tokenizer_add_stage(azr_tokenizer *tokenizer, azr_split_kind kind,
                                   const char *pattern, size_t pattern_size, const char *path,
                                   azr_error *error)
{
    azr_split *split = &tokenizer->split;
    if (split->n == AZR_MAX_SPLIT_STAGES)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "%s has more than %d pre-tokenizers, the limit", path,
                             AZR_MAX_SPLIT_STAGES);
    azr_split_stage *stage = &split->stages[split->n++];
    *stage = (azr_split_stage){.kind = kind};
    if (pattern == NULL)
        return AZR_OK;
    return azr_pattern_create(pattern, pattern_size, path, &stage->pattern, error);
}

int32_t azr_tokenizer_size(const azr_tokenizer *tokenizer)
{
    return tokenizer->vocabulary.n;
}

size_t azr_tokenizer_eos(const azr_tokenizer *tokenizer, int32_t *out_ids, size_t max)
{
    for (size_t i = 0; i < max && i < tokenizer->n_eos; i++)
        out_ids[i] = tokenizer->eos[i];
    return tokenizer->n_eos;
}

bool azr_tokenizer_is_eos(const azr_tokenizer *tokenizer, int32_t id)
{
    for (size_t i = 0; i < tokenizer->n_eos; i++)
        if (tokenizer->eos[i] == id)
            return true;
    return false;
}

int32_t azr_tokenizer_bos(const azr_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t azr_tokenizer_find(const azr_tokenizer *tokenizer, const char *text)
{
    size_t size = strlen(text);
    int32_t id = azr_vocabulary_find(&tokenizer->vocabulary, text, size, true);
    int32_t other = azr_vocabulary_find(&tokenizer->vocabulary, text, size, false);
    /* Of two readings of the text the added token is meant. */
    return id < 0 || (other >= 0 && tokenizer->vocabulary.tokens[other].added) ? other : id;
}

const char *azr_tokenizer_chat_template(const azr_tokenizer *tokenizer)
{
    return tokenizer->chat_template;
}

static const azr_token *token_at(const azr_tokenizer *tokenizer, int32_t id)
{
    static const azr_token none = {.bytes = ""};
    if (id < 0 || id >= tokenizer->vocabulary.n || tokenizer->vocabulary.tokens[id].bytes == NULL)
        return &none;
    return &tokenizer->vocabulary.tokens[id];
}

const char *azr_tokenizer_bytes(const azr_tokenizer *tokenizer, int32_t id, size_t *out_size)
{
    const azr_token *token = token_at(tokenizer, id);
    *out_size = token->size;
    return token->bytes;
}

bool azr_tokenizer_is_special(const azr_tokenizer *tokenizer, int32_t id)
{
    return token_at(tokenizer, id)->special;
}

char *azr_tokenizer_decode(const azr_tokenizer *tokenizer, const int32_t *ids, size_t n,
                           bool skip_special, size_t *out_size)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        const azr_token *token = token_at(tokenizer, ids[i]);
        size += skip_special && token->special ? 0 : token->size;
    }
    char *text = azr_alloc(size + 1, 1);
    char *end = text;
    for (size_t i = 0; i < n; i++) {
        const azr_token *token = token_at(tokenizer, ids[i]);
        if (skip_special && token->special)
            continue;
        memcpy(end, token->bytes, token->size);
        end += token->size;
    }
    if (out_size != NULL)
        *out_size = size;
    return text;
}
