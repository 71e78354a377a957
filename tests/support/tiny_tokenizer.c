/* tiny_tokenizer.c: writes a tokenizer.json of the 256 bytes and a few merges. */
#include "tiny_tokenizer.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tokenizer/utf8.h"

#include <string.h>

static const char *or_else(const char *text, const char *missing)
{
    return text != NULL ? text : missing;
}

static void put_byte_tokens(azr_strbuf *out, int n)
{
    for (int byte = 0; byte < n; byte++) {
        char c[4];
        uint32_t codepoint = azr_byte_to_codepoint((uint8_t)byte);
        azr_strbuf_puts(out, codepoint == '"' || codepoint == '\\' ? "\"\\" : "\"");
        azr_strbuf_append(out, c, azr_utf8_put(codepoint, c));
        azr_strbuf_printf(out, "\":%d%s", byte, byte + 1 < n ? "," : "");
    }
}

static void put_merge_token(azr_strbuf *out, const char *merge, int id)
{
    const char *space = strchr(merge, ' ');
    azr_strbuf_printf(out, ",\"%.*s%s\":%d", (int)(space - merge), merge, space + 1, id);
}

char *tiny_tokenizer_json(const tiny_tokenizer *tiny)
{
    static const char *const none[] = {NULL};
    const char *const *merges = tiny->merges != NULL ? tiny->merges : none;
    azr_strbuf out = {0};
    azr_strbuf_printf(
        &out,
        "{\"version\":\"1.0\",\"added_tokens\":[%s],\"normalizer\":%s,\n"
        "\"pre_tokenizer\":%s,\n\"post_processor\":%s,"
        "\"decoder\":{\"type\":\"ByteLevel\"},\n\"model\":{\"type\":\"BPE\",%s"
        "\"vocab\":{",
        or_else(tiny->added, ""), or_else(tiny->normalizer, "null"),
        or_else(tiny->pre_tokenizer, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"),
        or_else(tiny->post_processor, "null"), or_else(tiny->model_extra, ""));
    put_byte_tokens(&out, tiny->left_out > 0 ? tiny->left_out : 256);
    for (int i = 0; merges[i] != NULL; i++)
        put_merge_token(&out, merges[i], 256 + i);
    azr_strbuf_puts(&out, "},\n\"merges\":[");
    for (int i = 0; merges[i] != NULL; i++)
        azr_strbuf_printf(&out, "%s\"%s\"", i > 0 ? "," : "", merges[i]);
    azr_strbuf_puts(&out, "]}}\n");
    return azr_strbuf_steal(&out);
}

void tiny_tokenizer_write(const tiny_tokenizer *tiny, const char *folder)
{
    char *json = tiny_tokenizer_json(tiny);
    char *path = azr_path_join(folder, "tokenizer.json");
    AZR_CHECK(azr_file_write(path, json, strlen(json), NULL) == AZR_OK);
    azr_free(path);
    azr_free(json);
}
