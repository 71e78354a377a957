/* save.c: writes the files from which transformers makes the same tokenizer. */
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#include <string.h>

/* Appends text as a JSON string. */
static void put_text(azr_strbuf *out, const char *text, size_t size)
{
    azr_strbuf_append(out, "\"", 1);
    size_t done = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        azr_strbuf_append(out, text + done, i - done);
        if (c == '"' || c == '\\')
            azr_strbuf_printf(out, "\\%c", c);
        else
            azr_strbuf_printf(out, "\\u%04x", c);
        done = i + 1;
    }
    azr_strbuf_append(out, text + done, size - done);
    azr_strbuf_append(out, "\"", 1);
}

/* Appends a token's written form as a JSON string. */
static void put_token(azr_strbuf *out, const azr_token *token)
{
    if (!token->byte_level) {
        put_text(out, token->bytes, token->size);
        return;
    }
    azr_strbuf_append(out, "\"", 1);
    for (uint32_t i = 0; i < token->size; i++) {
        char c[4];
        uint32_t codepoint = azr_byte_to_codepoint((uint8_t)token->bytes[i]);
        if (codepoint == '"' || codepoint == '\\')
            azr_strbuf_append(out, "\\", 1);
        azr_strbuf_append(out, c, azr_utf8_put(codepoint, c));
    }
    azr_strbuf_append(out, "\"", 1);
}

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static void put_added(azr_strbuf *out, const azr_tokenizer *t)
{
    azr_strbuf_puts(out, "  \"added_tokens\": [");
    for (size_t i = 0; i < t->n_added; i++) {
        const azr_added_token *added = &t->added[i];
        const azr_token *token = &t->vocabulary.tokens[added->id];
        azr_strbuf_printf(out, "%s\n    {\"id\": %d, \"content\": ", i > 0 ? "," : "",
                          (int)added->id);
        put_text(out, token->bytes, token->size);
        azr_strbuf_printf(out,
                          ", \"single_word\": %s, \"lstrip\": %s, \"rstrip\": %s, "
                          "\"normalized\": %s, \"special\": %s}",
                          boolean(added->single_word), boolean(added->left_strip),
                          boolean(added->right_strip), boolean(added->normalized),
                          boolean(added->special));
    }
    azr_strbuf_puts(out, "\n  ],\n");
}

static void put_stage(azr_strbuf *out, const azr_split_stage *stage)
{
    switch (stage->kind) {
    case AZR_SPLIT_PATTERN:
    case AZR_SPLIT_MATCHES:
    case AZR_SPLIT_GAPS:
        azr_strbuf_puts(out, "{\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        put_text(out, azr_pattern_source(stage->pattern),
                 strlen(azr_pattern_source(stage->pattern)));
        azr_strbuf_printf(out, "}, \"behavior\": \"%s\", \"invert\": %s}",
                          stage->kind == AZR_SPLIT_PATTERN ? "Isolated" : "Removed",
                          boolean(stage->kind == AZR_SPLIT_MATCHES));
        break;
    case AZR_SPLIT_DIGIT:
    case AZR_SPLIT_DIGITS:
        azr_strbuf_printf(out, "{\"type\": \"Digits\", \"individual_digits\": %s}",
                          boolean(stage->kind == AZR_SPLIT_DIGIT));
        break;
    case AZR_SPLIT_BYTE_LEVEL:
        azr_strbuf_printf(out,
                          "{\"type\": \"ByteLevel\", \"add_prefix_space\": %s, "
                          "\"trim_offsets\": true, \"use_regex\": %s}",
                          boolean(stage->add_prefix_space), boolean(stage->pattern != NULL));
        break;
    }
}

static void put_post_processor(azr_strbuf *out, const azr_tokenizer *t)
{
    if (t->bos < 0) {
        azr_strbuf_puts(out, "  \"post_processor\": null,\n");
        return;
    }
    const azr_token *bos = &t->vocabulary.tokens[t->bos];
    azr_strbuf text = {0};
    put_text(&text, bos->bytes, bos->size);
    azr_strbuf_printf(
        out,
        "  \"post_processor\": {\"type\": \"TemplateProcessing\",\n"
        "    \"single\": [{\"SpecialToken\": {\"id\": %s, \"type_id\": 0}},\n"
        "      {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],\n"
        "    \"pair\": [{\"SpecialToken\": {\"id\": %s, \"type_id\": 0}},\n"
        "      {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},\n"
        "      {\"SpecialToken\": {\"id\": %s, \"type_id\": 1}},\n"
        "      {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],\n"
        "    \"special_tokens\": {%s: {\"id\": %s, \"ids\": [%d], \"tokens\": [%s]}}},\n",
        text.data, text.data, text.data, text.data, text.data, (int)t->bos, text.data);
    azr_strbuf_deinit(&text);
}

static void put_model(azr_strbuf *out, const azr_tokenizer *t)
{
    const azr_vocabulary *v = &t->vocabulary;
    azr_strbuf_printf(out,
                      "  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null,\n"
                      "    \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null,\n"
                      "    \"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": %s,\n"
                      "    \"vocab\": {",
                      boolean(t->ignore_merges));
    for (int32_t id = 0; id < v->n; id++) {
        azr_strbuf_puts(out, id > 0 ? ",\n" : "\n");
        put_token(out, &v->tokens[id]);
        azr_strbuf_printf(out, ": %d", (int)id);
    }
    azr_strbuf_puts(out, "},\n    \"merges\": [");
    for (size_t i = 0; i < v->n_merges; i++) {
        azr_strbuf_puts(out, i > 0 ? ",\n[" : "\n[");
        put_token(out, &v->tokens[v->merge_pairs[2 * i]]);
        azr_strbuf_puts(out, ", ");
        put_token(out, &v->tokens[v->merge_pairs[2 * i + 1]]);
        azr_strbuf_puts(out, "]");
    }
    azr_strbuf_puts(out, "]}\n");
}

/* tokenizer.json from the parts, for tokenizers that came from GGUF. */
static void put_tokenizer(azr_strbuf *out, const azr_tokenizer *t)
{
    azr_strbuf_puts(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
                         "  \"padding\": null,\n");
    put_added(out, t);
    azr_strbuf_printf(out, "  \"normalizer\": %s,\n", t->composes ? "{\"type\": \"NFC\"}" : "null");
    azr_strbuf_puts(out,
                    "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n    ");
    for (int i = 0; i < t->split.n; i++) {
        azr_strbuf_puts(out, i > 0 ? ",\n    " : "");
        put_stage(out, &t->split.stages[i]);
    }
    azr_strbuf_puts(out, "\n  ]},\n");
    put_post_processor(out, t);
    azr_strbuf_puts(out, "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                         "\"trim_offsets\": true, \"use_regex\": true},\n");
    put_model(out, t);
    azr_strbuf_puts(out, "}\n");
}

/* One "name": "text of token" line; nothing for -1. */
static void put_named(azr_strbuf *out, const azr_tokenizer *t, const char *name, int32_t id)
{
    if (id < 0)
        return;
    azr_strbuf_printf(out, "  \"%s\": ", name);
    put_text(out, t->vocabulary.tokens[id].bytes, t->vocabulary.tokens[id].size);
    azr_strbuf_puts(out, ",\n");
}

static void put_config(azr_strbuf *out, const azr_tokenizer *t)
{
    azr_strbuf_puts(out, "{\n  \"clean_up_tokenization_spaces\": false,\n");
    put_named(out, t, "bos_token", t->named_bos);
    put_named(out, t, "eos_token", t->n_eos > 0 ? t->eos[0] : -1);
    put_named(out, t, "pad_token", t->named_pad);
    if (t->chat_template != NULL) {
        azr_strbuf_puts(out, "  \"chat_template\": ");
        put_text(out, t->chat_template, strlen(t->chat_template));
        azr_strbuf_puts(out, ",\n");
    }
    azr_strbuf_puts(out, "  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n");
}

static azr_status write_file(const char *folder, const char *name, const char *text, size_t size,
                             azr_error *error)
{
    char *path = azr_path_join(folder, name);
    azr_status status = azr_file_write(path, text, size, error);
    azr_free(path);
    return status;
}

/* Writes a kept file, or what put makes in its place. */
static azr_status write_kept(const azr_tokenizer *t, const char *folder, const char *name,
                             const azr_kept_file *kept,
                             void (*put)(azr_strbuf *, const azr_tokenizer *), azr_error *error)
{
    if (kept->text != NULL)
        return write_file(folder, name, kept->text, kept->size, error);
    azr_strbuf text = {0};
    put(&text, t);
    azr_status status = write_file(folder, name, text.data, text.size, error);
    azr_strbuf_deinit(&text);
    return status;
}

azr_status azr_tokenizer_save(const azr_tokenizer *tokenizer, const char *folder, azr_error *error)
{
    azr_status status =
        write_kept(tokenizer, folder, "tokenizer.json", &tokenizer->json, put_tokenizer, error);
    if (status == AZR_OK)
        status = write_kept(tokenizer, folder, "tokenizer_config.json", &tokenizer->config,
                            put_config, error);
    if (status == AZR_OK && tokenizer->jinja.text != NULL)
        status = write_file(folder, "chat_template.jinja", tokenizer->jinja.text,
                            tokenizer->jinja.size, error);
    return status;
}
