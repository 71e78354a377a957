/* load_json.c: reads tokenizer.json, the file of the Hugging Face `tokenizers` library. */
#include "base/files.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"

#include <jansson.h>
#include <string.h>

/* What the functions below share. */
typedef struct reader {
    azr_tokenizer *tokenizer;
    const char *path;
    json_t *root, *vocab; /* borrowed from root */
    azr_error *error;
} reader;

static bool flag(const json_t *object, const char *key, bool missing)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : missing;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* "type" of a component; "" when it has none. */
static const char *type_of(const json_t *component)
{
    return text_of(component, "type");
}

static azr_status unsupported(const reader *r, const char *what, const char *name)
{
    return azr_error_set(r->error, AZR_ERROR_UNSUPPORTED,
                         "%s has the %s \"%.100s\", which is not supported", r->path, what, name);
}

static azr_status wrong(const reader *r, const char *what)
{
    return azr_error_set(r->error, AZR_ERROR_INPUT, "%s is no tokenizer: %s", r->path, what);
}

/* --- vocabulary ------------------------------------------------------------------------------- */

static azr_status check_model(const reader *r, const json_t *model)
{
    const char *type = type_of(model);
    if (!json_is_object(model))
        return wrong(r, "\"model\" is missing");
    /* Old files leave the type out; only BPE has merges. */
    if (strcmp(type, "BPE") != 0 && !(type[0] == '\0' && json_object_get(model, "merges")))
        return azr_error_set(r->error, AZR_ERROR_UNSUPPORTED,
                             "%s has a model of type \"%.60s\"; only byte-level \"BPE\" is "
                             "supported",
                             r->path, type);
    if (flag(model, "byte_fallback", false))
        return unsupported(r, "model option", "byte_fallback");
    if (json_number_value(json_object_get(model, "dropout")) > 0)
        return unsupported(r, "model option", "dropout");
    if (text_of(model, "continuing_subword_prefix")[0] != '\0')
        return unsupported(r, "continuing_subword_prefix",
                           text_of(model, "continuing_subword_prefix"));
    if (text_of(model, "end_of_word_suffix")[0] != '\0')
        return unsupported(r, "end_of_word_suffix", text_of(model, "end_of_word_suffix"));
    if (!json_is_object(json_object_get(model, "vocab")))
        return wrong(r, "\"vocab\" is missing");
    if (!json_is_array(json_object_get(model, "merges")))
        return wrong(r, "\"merges\" is missing");
    return AZR_OK;
}

/* An id in range, or -1 with the reason. */
static int32_t read_id(const reader *r, const json_t *value, const char *token)
{
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    if (id >= 0 && id < AZR_MAX_TOKENS)
        return (int32_t)id;
    azr_error_set(r->error, AZR_ERROR_INPUT,
                  "%s gives the token \"%.60s\" an id that is not an integer from 0 to %d", r->path,
                  token, AZR_MAX_TOKENS - 1);
    return -1;
}

/* Sizes of the vocabulary: ids and bytes. Also checks each added token. */
static azr_status measure(const reader *r, const json_t *added, size_t *out_n, size_t *out_bytes)
{
    int32_t last = -1;
    size_t bytes = 0, i;
    const char *key;
    json_t *value;
    json_object_foreach(r->vocab, key, value)
    {
        int32_t id = read_id(r, value, key);
        if (id < 0)
            return AZR_ERROR_INPUT;
        last = id > last ? id : last;
        bytes += strlen(key);
    }
    json_array_foreach(added, i, value)
    {
        const json_t *content = json_object_get(value, "content");
        size_t size = json_string_length(content);
        if (size == 0 || size > AZR_MAX_ADDED_TOKEN_BYTES)
            return azr_error_set(r->error, AZR_ERROR_INPUT,
                                 "%s has an added token (number %zu) of %zu bytes; 1 to %d are "
                                 "supported",
                                 r->path, i, size, AZR_MAX_ADDED_TOKEN_BYTES);
        int32_t id = read_id(r, json_object_get(value, "id"), json_string_value(content));
        if (id < 0)
            return AZR_ERROR_INPUT;
        last = id > last ? id : last;
        bytes += size + 1;
    }
    *out_n = (size_t)last + 1;
    *out_bytes = bytes;
    return AZR_OK;
}

static azr_status same_id(const reader *r, int32_t id, const char *text)
{
    return azr_error_set(r->error, AZR_ERROR_INPUT, "%s gives the id %d to two tokens (\"%.60s\")",
                         r->path, (int)id, text);
}

static azr_status read_tokens(const reader *r)
{
    const char *key;
    json_t *value;
    json_object_foreach(r->vocab, key, value)
    {
        int32_t id = (int32_t)json_integer_value(value);
        if (!azr_vocabulary_set(&r->tokenizer->vocabulary, id, key, strlen(key)))
            return same_id(r, id, key);
    }
    return AZR_OK;
}

static azr_status read_added(const reader *r, const json_t *array)
{
    azr_vocabulary *vocabulary = &r->tokenizer->vocabulary;
    size_t n = json_array_size(array), i;
    azr_added_token *list = azr_try_alloc(n, sizeof *list);
    json_t *value;
    if (list == NULL)
        return azr_error_set(r->error, AZR_ERROR_MEMORY, "no memory for the added tokens of %s",
                             r->path);
    r->tokenizer->added = list; /* owned from here on */
    json_array_foreach(array, i, value)
    {
        const json_t *content = json_object_get(value, "content");
        const char *text = json_string_value(content);
        int32_t id = (int32_t)json_integer_value(json_object_get(value, "id"));
        const json_t *in_vocab = json_object_get(r->vocab, text);
        bool own = in_vocab != NULL && json_integer_value(in_vocab) == id;
        /* Tokens that the vocabulary has must have their id there; others one that is free. */
        if (in_vocab != NULL ? !own : vocabulary->tokens[id].bytes != NULL)
            return same_id(r, id, text);
        bool special = flag(value, "special", false);
        azr_vocabulary_set_added(vocabulary, id, text, json_string_length(content), special);
        list[i] = (azr_added_token){.id = id,
                                    .special = special,
                                    .normalized = flag(value, "normalized", !special),
                                    .left_strip = flag(value, "lstrip", false),
                                    .right_strip = flag(value, "rstrip", false),
                                    .single_word = flag(value, "single_word", false)};
    }
    return AZR_OK;
}

static azr_status read_merge(const reader *r, const json_t *merge, size_t index)
{
    azr_vocabulary *vocabulary = &r->tokenizer->vocabulary;
    const char *left = json_string_value(json_array_get(merge, 0));
    const char *right = json_string_value(json_array_get(merge, 1));
    if (json_array_size(merge) == 2 && left != NULL && right != NULL)
        return azr_vocabulary_add_merge(vocabulary, left, strlen(left), right, strlen(right),
                                        r->path, r->error);
    const char *text = json_string_value(merge);
    const char *space = text != NULL ? strchr(text, ' ') : NULL;
    if (space != NULL && strncmp(text, "#version", 8) == 0)
        return AZR_OK;
    if (space == NULL || strchr(space + 1, ' ') != NULL)
        return azr_error_set(r->error, AZR_ERROR_INPUT,
                             "merge %zu of %s is not two tokens with a space between them", index,
                             r->path);
    return azr_vocabulary_add_merge(vocabulary, text, (size_t)(space - text), space + 1,
                                    strlen(space + 1), r->path, r->error);
}

static azr_status read_merges(const reader *r, const json_t *merges)
{
    azr_status status = azr_vocabulary_reserve_merges(&r->tokenizer->vocabulary,
                                                      json_array_size(merges), r->path, r->error);
    for (size_t i = 0; i < json_array_size(merges) && status == AZR_OK; i++)
        status = read_merge(r, json_array_get(merges, i), i);
    return status;
}

static azr_status read_model(reader *r)
{
    azr_tokenizer *t = r->tokenizer;
    const json_t *model = json_object_get(r->root, "model");
    const json_t *added = json_object_get(r->root, "added_tokens");
    size_t n = 0, bytes = 0;
    azr_status status = check_model(r, model);
    if (status != AZR_OK)
        return status;
    if (json_array_size(added) > AZR_MAX_ADDED_TOKENS)
        return azr_error_set(r->error, AZR_ERROR_LIMIT,
                             "%s has %zu added tokens; at most %d are supported", r->path,
                             json_array_size(added), AZR_MAX_ADDED_TOKENS);
    r->vocab = json_object_get(model, "vocab");
    if ((status = measure(r, added, &n, &bytes)) != AZR_OK ||
        (status = azr_vocabulary_init(&t->vocabulary, n, bytes, r->path, r->error)) != AZR_OK ||
        (status = read_tokens(r)) != AZR_OK || (status = read_added(r, added)) != AZR_OK ||
        (status = azr_vocabulary_index(&t->vocabulary, r->path, r->error)) != AZR_OK ||
        (status = read_merges(r, json_object_get(model, "merges"))) != AZR_OK)
        return status;
    t->ignore_merges = flag(model, "ignore_merges", false);
    t->fuse_unknown = flag(model, "fuse_unk", false);
    const char *unknown = text_of(model, "unk_token");
    if (unknown[0] != '\0' && (t->unknown = azr_tokenizer_find(t, unknown)) < 0)
        return unsupported(r, "unk_token", unknown);
    return azr_tokenizer_set_added(t, t->added, json_array_size(added), r->path, r->error);
}

/* --- the steps around the model --------------------------------------------------------------- */

enum { MAX_NESTING = 8 };

static azr_status read_normalizer(const reader *r, const json_t *normalizer, int depth)
{
    const char *type = type_of(normalizer);
    if (normalizer == NULL || json_is_null(normalizer))
        return AZR_OK;
    if (strcmp(type, "NFC") == 0) {
        r->tokenizer->composes = true;
        return AZR_OK;
    }
    if (strcmp(type, "Sequence") != 0 || depth == MAX_NESTING)
        return unsupported(r, "normalizer", type);
    const json_t *list = json_object_get(normalizer, "normalizers");
    azr_status status = AZR_OK;
    for (size_t i = 0; i < json_array_size(list) && status == AZR_OK; i++)
        status = read_normalizer(r, json_array_get(list, i), depth + 1);
    return status;
}

/* A literal text as a pattern: every character escaped by its code. */
static azr_status add_literal_stage(const reader *r, azr_split_kind kind, const char *text)
{
    size_t n = 0, size = strlen(text);
    char *pattern = azr_try_alloc(size + 1, 2);
    if (pattern == NULL)
        return azr_error_set(r->error, AZR_ERROR_MEMORY, "no memory for a pattern of %s", r->path);
    for (size_t i = 0; i < size; i++) {
        if (strchr("\\^$.[|()?*+{}-/", text[i]) != NULL)
            pattern[n++] = '\\';
        pattern[n++] = text[i];
    }
    azr_status status = azr_tokenizer_add_stage(r->tokenizer, kind, pattern, n, r->path, r->error);
    azr_free(pattern);
    return status;
}

static azr_status read_split(const reader *r, const json_t *split)
{
    const char *behavior = text_of(split, "behavior");
    bool invert = flag(split, "invert", false);
    azr_split_kind kind = AZR_SPLIT_PATTERN;
    if (strcmp(behavior, "Removed") == 0)
        kind = invert ? AZR_SPLIT_MATCHES : AZR_SPLIT_GAPS;
    else if (strcmp(behavior, "Isolated") != 0)
        return unsupported(r, "Split behavior", behavior);
    const json_t *pattern = json_object_get(split, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    const char *literal = text_of(pattern, "String");
    if (json_string_length(regex) > 0)
        return azr_tokenizer_add_stage(r->tokenizer, kind, json_string_value(regex),
                                       json_string_length(regex), r->path, r->error);
    if (literal[0] != '\0')
        return add_literal_stage(r, kind, literal);
    return wrong(r, "a Split pre-tokenizer has no pattern");
}

static azr_status read_byte_level(const reader *r, const json_t *byte_level)
{
    azr_split *split = &r->tokenizer->split;
    bool cuts = flag(byte_level, "use_regex", true);
    azr_status status =
        azr_tokenizer_add_stage(r->tokenizer, AZR_SPLIT_BYTE_LEVEL, cuts ? AZR_GPT2_PATTERN : NULL,
                                strlen(AZR_GPT2_PATTERN), r->path, r->error);
    if (status == AZR_OK)
        split->stages[split->n - 1].add_prefix_space = flag(byte_level, "add_prefix_space", true);
    return status;
}

static azr_status read_pre_tokenizer(const reader *r, const json_t *part, int depth)
{
    const char *type = type_of(part);
    const azr_split *split = &r->tokenizer->split;
    if (split->n > 0 && split->stages[split->n - 1].kind == AZR_SPLIT_BYTE_LEVEL)
        return unsupported(r, "pre-tokenizer after ByteLevel", type);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(r, part);
    if (strcmp(type, "Split") == 0)
        return read_split(r, part);
    if (strcmp(type, "Digits") == 0)
        return azr_tokenizer_add_stage(r->tokenizer,
                                       flag(part, "individual_digits", false) ? AZR_SPLIT_DIGIT
                                                                              : AZR_SPLIT_DIGITS,
                                       NULL, 0, r->path, r->error);
    if (strcmp(type, "Sequence") != 0 || depth == MAX_NESTING)
        return unsupported(r, "pre-tokenizer", type);
    const json_t *list = json_object_get(part, "pretokenizers");
    azr_status status = AZR_OK;
    for (size_t i = 0; i < json_array_size(list) && status == AZR_OK; i++)
        status = read_pre_tokenizer(r, json_array_get(list, i), depth + 1);
    return status;
}

static azr_status check_byte_level(const reader *r)
{
    const azr_split *split = &r->tokenizer->split;
    const json_t *decoder = json_object_get(r->root, "decoder");
    if (split->n == 0 || split->stages[split->n - 1].kind != AZR_SPLIT_BYTE_LEVEL)
        return azr_error_set(r->error, AZR_ERROR_UNSUPPORTED,
                             "%s has no ByteLevel pre-tokenizer; only byte-level BPE is supported",
                             r->path);
    if (json_is_object(decoder) && strcmp(type_of(decoder), "ByteLevel") != 0)
        return unsupported(r, "decoder", type_of(decoder));
    return AZR_OK;
}

/* The token that TemplateProcessing puts before a text. What it puts behind is left out: a prompt
 * that has ended is nothing to continue. */
static azr_status read_template(const reader *r, const json_t *template)
{
    const json_t *single = json_object_get(template, "single");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        if (json_object_get(item, "Sequence") != NULL)
            break;
        const char *name = text_of(json_object_get(item, "SpecialToken"), "id");
        const json_t *token = json_object_get(json_object_get(template, "special_tokens"), name);
        const json_t *ids = json_object_get(token, "ids");
        if (i > 0 || json_array_size(ids) != 1)
            return unsupported(r, "post_processor with several tokens before a text", name);
        int32_t id = read_id(r, json_array_get(ids, 0), name);
        if (id < 0 || id >= r->tokenizer->vocabulary.n ||
            r->tokenizer->vocabulary.tokens[id].bytes == NULL)
            return azr_error_set(r->error, AZR_ERROR_INPUT,
                                 "%s puts a token before each text (\"%.60s\") that the vocabulary "
                                 "does not have",
                                 r->path, name);
        r->tokenizer->bos = id;
    }
    return AZR_OK;
}

static azr_status read_post_processor(const reader *r, const json_t *post, int depth)
{
    const char *type = type_of(post);
    if (post == NULL || json_is_null(post) || strcmp(type, "ByteLevel") == 0)
        return AZR_OK; /* ByteLevel only moves offsets */
    if (strcmp(type, "TemplateProcessing") == 0)
        return read_template(r, post);
    if (strcmp(type, "Sequence") != 0 || depth == MAX_NESTING)
        return unsupported(r, "post_processor", type);
    const json_t *list = json_object_get(post, "processors");
    azr_status status = AZR_OK;
    for (size_t i = 0; i < json_array_size(list) && status == AZR_OK; i++)
        status = read_post_processor(r, json_array_get(list, i), depth + 1);
    return status;
}

azr_status azr_tokenizer_load_json(azr_tokenizer *tokenizer, const char *path, azr_error *error)
{
    azr_kept_file *file = &tokenizer->json;
    azr_status status =
        azr_file_read(path, AZR_MAX_TOKENIZER_FILE, &file->text, &file->size, error);
    if (status != AZR_OK)
        return status;
    json_error_t why;
    reader r = {.tokenizer = tokenizer, .path = path, .error = error};
    r.root = json_loadb(file->text, file->size, 0, &why);
    if (r.root == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s is no JSON: line %d: %.200s", path,
                             why.line, why.text);
    if ((status = read_model(&r)) == AZR_OK &&
        (status = read_normalizer(&r, json_object_get(r.root, "normalizer"), 0)) == AZR_OK) {
        const json_t *pre = json_object_get(r.root, "pre_tokenizer");
        if (pre != NULL && !json_is_null(pre))
            status = read_pre_tokenizer(&r, pre, 0);
    }
    if (status == AZR_OK && (status = check_byte_level(&r)) == AZR_OK)
        status = read_post_processor(&r, json_object_get(r.root, "post_processor"), 0);
    json_decref(r.root);
    return status;
}
