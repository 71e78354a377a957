/* load_gguf.c: makes a tokenizer from GGUF metadata. The file names its pre-tokenizer only
 * ("tokenizer.ggml.pre"); the table below says what the models of that name do. */
#include "azr/formats.h"
#include "base/check.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#include <string.h>

/* What a pre-tokenizer's name stands for: the model's own tokenizer.json. */
typedef struct family {
    const char *names[4];
    const char *pattern; /* NULL: GPT-2's, inside ByteLevel */
    bool digit;          /* numeric characters are cut off one by one first */
    bool composes, ignore_merges, add_bos;
} family;

#define WORDS_BEFORE_NUMBERS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define WORDS_AFTER_NUMBERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const family FAMILIES[] = {
    {.names = {"gpt-2", "gpt2"}},
    {.names = {"smollm"}, .digit = true},
    {.names = {"qwen2"},
     .pattern = WORDS_BEFORE_NUMBERS "\\p{N}" WORDS_AFTER_NUMBERS,
     .composes = true},
    {.names = {"llama-bpe", "llama3", "llama-v3"},
     .pattern = WORDS_BEFORE_NUMBERS "\\p{N}{1,3}" WORDS_AFTER_NUMBERS,
     .ignore_merges = true,
     .add_bos = true},
};

/* tokenizer.ggml.token_type */
enum { TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER_DEFINED = 4 };

typedef struct reader {
    azr_tokenizer *tokenizer;
    const azr_weights_file *file;
    const char *path;
    int64_t n_tokens, n_types;
    int32_t eos, bos;
    azr_error *error;
} reader;

static const char *const TOKENS = "tokenizer.ggml.tokens";
static const char *const MERGES = "tokenizer.ggml.merges";
static const char *const TYPES = "tokenizer.ggml.token_type";

static const family *find_family(const char *name)
{
    for (size_t i = 0; i < AZR_COUNT(FAMILIES); i++)
        for (size_t j = 0; j < AZR_COUNT(FAMILIES[i].names); j++)
            if (FAMILIES[i].names[j] != NULL && strcmp(FAMILIES[i].names[j], name) == 0)
                return &FAMILIES[i];
    return NULL;
}

static azr_status unknown_family(const reader *r, const char *name)
{
    azr_strbuf known = {0};
    for (size_t i = 0; i < AZR_COUNT(FAMILIES); i++)
        for (size_t j = 0; j < AZR_COUNT(FAMILIES[i].names); j++)
            if (FAMILIES[i].names[j] != NULL)
                azr_strbuf_printf(&known, "%s%s", known.size > 0 ? ", " : "", FAMILIES[i].names[j]);
    azr_status status = azr_error_set(r->error, AZR_ERROR_UNSUPPORTED,
                                      "%s has the pre-tokenizer \"%.60s\" (tokenizer.ggml.pre); "
                                      "known are %s",
                                      r->path, name, azr_strbuf_text(&known));
    azr_strbuf_deinit(&known);
    return status;
}

/* The id under key, -1 when it is missing or no token. */
static int32_t id_of(const reader *r, const char *key)
{
    int64_t id;
    bool known = azr_gguf_integer(r->file, key, &id) && id >= 0 && id < r->n_tokens;
    return known ? (int32_t)id : -1;
}

static int64_t type_of(const reader *r, int64_t id)
{
    if (id == r->eos || id == r->bos)
        return TYPE_CONTROL; /* also in files without types */
    return id < r->n_types ? azr_gguf_integers_at(r->file, TYPES, id) : 0;
}

static bool is_added(int64_t type)
{
    return type == TYPE_UNKNOWN || type == TYPE_CONTROL || type == TYPE_USER_DEFINED;
}

/* Counts and checks the texts. */
static azr_status measure(const reader *r, size_t *out_n_added, size_t *out_bytes)
{
    size_t n_added = 0, bytes = 0;
    for (int64_t id = 0; id < r->n_tokens; id++) {
        size_t size = 0;
        const char *text = azr_gguf_texts_at(r->file, TOKENS, id, &size);
        if (azr_utf8_valid(text, size) != size || memchr(text, '\0', size) != NULL)
            return azr_error_set(r->error, AZR_ERROR_INPUT, "%s: token %lld is not UTF-8 text",
                                 r->path, (long long)id);
        bytes += size;
        if (!is_added(type_of(r, id)))
            continue;
        if (size == 0 || size > AZR_MAX_ADDED_TOKEN_BYTES)
            return azr_error_set(r->error, AZR_ERROR_INPUT,
                                 "%s has an added token (%lld) of %zu bytes; 1 to %d are supported",
                                 r->path, (long long)id, size, AZR_MAX_ADDED_TOKEN_BYTES);
        bytes += size + 1;
        n_added++;
    }
    if (n_added > AZR_MAX_ADDED_TOKENS)
        return azr_error_set(r->error, AZR_ERROR_LIMIT,
                             "%s has %zu added tokens; at most %d are supported", r->path, n_added,
                             AZR_MAX_ADDED_TOKENS);
    *out_n_added = n_added;
    *out_bytes = bytes;
    return AZR_OK;
}

static azr_status read_tokens(reader *r)
{
    azr_tokenizer *t = r->tokenizer;
    size_t n_added = 0, n_bytes = 0, n = 0;
    if (r->n_tokens > AZR_MAX_TOKENS)
        return azr_error_set(r->error, AZR_ERROR_LIMIT,
                             "%s has a vocabulary of %lld tokens; 1 to %d are supported", r->path,
                             (long long)r->n_tokens, AZR_MAX_TOKENS);
    azr_status status = measure(r, &n_added, &n_bytes);
    if (status == AZR_OK)
        status =
            azr_vocabulary_init(&t->vocabulary, (size_t)r->n_tokens, n_bytes, r->path, r->error);
    if (status != AZR_OK)
        return status;
    t->added = azr_try_alloc(n_added, sizeof *t->added);
    if (t->added == NULL)
        return azr_error_set(r->error, AZR_ERROR_MEMORY, "no memory for the added tokens of %s",
                             r->path);
    for (int32_t id = 0; id < (int32_t)r->n_tokens; id++) {
        size_t size = 0;
        const char *text = azr_gguf_texts_at(r->file, TOKENS, id, &size);
        int64_t type = type_of(r, id);
        azr_vocabulary_set(&t->vocabulary, id, text, size);
        if (!is_added(type))
            continue;
        bool special = type != TYPE_USER_DEFINED;
        azr_vocabulary_set_added(&t->vocabulary, id, text, size, special);
        t->added[n++] = (azr_added_token){.id = id, .special = special};
    }
    status = azr_vocabulary_index(&t->vocabulary, r->path, r->error);
    return status == AZR_OK ? azr_tokenizer_set_added(t, t->added, n, r->path, r->error) : status;
}

static azr_status read_merges(const reader *r)
{
    int64_t n = azr_gguf_texts(r->file, MERGES);
    if (n < 0)
        return azr_error_set(r->error, AZR_ERROR_INPUT, "%s has no %s", r->path, MERGES);
    azr_vocabulary *vocabulary = &r->tokenizer->vocabulary;
    azr_status status = azr_vocabulary_reserve_merges(vocabulary, (size_t)n, r->path, r->error);
    for (int64_t i = 0; i < n && status == AZR_OK; i++) {
        size_t size = 0;
        const char *text = azr_gguf_texts_at(r->file, MERGES, i, &size);
        const char *space = memchr(text, ' ', size);
        if (space == NULL)
            return azr_error_set(r->error, AZR_ERROR_INPUT,
                                 "merge %lld of %s is not two tokens with a space between them",
                                 (long long)i, r->path);
        size_t n_left = (size_t)(space - text);
        status = azr_vocabulary_add_merge(vocabulary, text, n_left, space + 1, size - n_left - 1,
                                          r->path, r->error);
    }
    return status;
}

static azr_status add_stages(const reader *r, const family *f)
{
    azr_tokenizer *t = r->tokenizer;
    azr_status status = AZR_OK;
    if (f->digit)
        status = azr_tokenizer_add_stage(t, AZR_SPLIT_DIGIT, NULL, 0, r->path, r->error);
    if (f->pattern != NULL && status == AZR_OK)
        status = azr_tokenizer_add_stage(t, AZR_SPLIT_PATTERN, f->pattern, strlen(f->pattern),
                                         r->path, r->error);
    if (status == AZR_OK)
        status = azr_tokenizer_add_stage(t, AZR_SPLIT_BYTE_LEVEL,
                                         f->pattern == NULL ? AZR_GPT2_PATTERN : NULL,
                                         strlen(AZR_GPT2_PATTERN), r->path, r->error);
    return status;
}

/* Finds the family by the names in the file. */
static azr_status read_family(const reader *r, const family **out_family)
{
    size_t size;
    const char *model = azr_gguf_text(r->file, "tokenizer.ggml.model", &size);
    const char *pre = azr_gguf_text(r->file, "tokenizer.ggml.pre", &size);
    if (model == NULL)
        return azr_error_set(r->error, AZR_ERROR_INPUT,
                             "%s holds no tokenizer (tokenizer.ggml.model is missing)", r->path);
    if (strcmp(model, "gpt2") != 0)
        return azr_error_set(r->error, AZR_ERROR_UNSUPPORTED,
                             "%s has a tokenizer of type \"%.60s\"; only \"gpt2\" (byte-level BPE) "
                             "is supported",
                             r->path, model);
    *out_family = pre != NULL ? find_family(pre) : NULL;
    return *out_family == NULL ? unknown_family(r, pre != NULL ? pre : "") : AZR_OK;
}

/* Ends of text, the token before a text, the chat template. */
static void read_rest(const reader *r, const family *f)
{
    azr_tokenizer *t = r->tokenizer;
    int64_t add_bos = f->add_bos;
    azr_gguf_integer(r->file, "tokenizer.ggml.add_bos_token", &add_bos);
    t->bos = add_bos != 0 ? r->bos : -1;
    t->named_bos = r->bos;
    t->named_pad = id_of(r, "tokenizer.ggml.padding_token_id");
    azr_tokenizer_add_eos(t, r->eos);
    azr_tokenizer_add_eos(t, id_of(r, "tokenizer.ggml.eot_token_id"));
    azr_tokenizer_add_eos(t, id_of(r, "tokenizer.ggml.eom_token_id"));
    size_t size = 0;
    const char *template = azr_gguf_text(r->file, "tokenizer.chat_template", &size);
    if (template != NULL && azr_utf8_valid(template, size) == size)
        t->chat_template = azr_copy_text(template, strlen(template));
}

static azr_status read_all(reader *r)
{
    const family *f = NULL;
    azr_status status = read_family(r, &f);
    if (status != AZR_OK)
        return status;
    AZR_CHECK(f != NULL);
    r->n_tokens = azr_gguf_texts(r->file, TOKENS);
    r->n_types = azr_gguf_integers(r->file, TYPES);
    if (r->n_tokens <= 0)
        return azr_error_set(r->error, AZR_ERROR_INPUT, "%s has no %s", r->path, TOKENS);
    r->eos = id_of(r, "tokenizer.ggml.eos_token_id");
    r->bos = id_of(r, "tokenizer.ggml.bos_token_id");
    r->tokenizer->composes = f->composes;
    r->tokenizer->ignore_merges = f->ignore_merges;
    if ((status = read_tokens(r)) == AZR_OK && (status = read_merges(r)) == AZR_OK &&
        (status = add_stages(r, f)) == AZR_OK)
        read_rest(r, f);
    return status;
}

azr_status azr_tokenizer_load_gguf(azr_tokenizer *tokenizer, const char *path, azr_error *error)
{
    azr_weights_file *file = NULL;
    azr_status status = azr_weights_open(path, &file, error);
    if (status != AZR_OK)
        return status;
    reader r = {
        .tokenizer = tokenizer, .file = file, .path = azr_weights_path(file), .error = error};
    if (azr_weights_is_gguf(file))
        status = read_all(&r);
    else
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s has no tokenizer.json", path);
    azr_weights_close(file);
    return status;
}
