/* test_bad_input.c: files that are no tokenizer, or none that azr knows, get one sentence that
 * names the file and what is wrong. And GGUF metadata, good and bad, in small made-up files. */
#include "../support/tiny_gguf.h"
#include "../support/tiny_tokenizer.h"

#include "azr/tokenizer.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    char folder[64], json[128], gguf[128];
    azr_tokenizer *tokenizer;
    azr_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/azr-bad-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->json, sizeof f->json, "%s/tokenizer.json", f->folder);
    snprintf(f->gguf, sizeof f->gguf, "%s/model.gguf", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    azr_tokenizer_destroy(f->tokenizer);
    assert_int_equal(azr_directory_remove(f->folder, NULL), AZR_OK);
    free(f);
    return 0;
}

/* path is refused with this status and this sentence, in which % stands for path. */
static void assert_refused(fixture *f, const char *path, azr_status expected, const char *sentence)
{
    f->error = (azr_error){0};
    azr_status status = azr_tokenizer_open(path, &f->tokenizer, &f->error);
    if (status == AZR_OK)
        fail_msg("opened, though: %s", sentence);
    assert_null(f->tokenizer);
    azr_strbuf text = {0};
    for (const char *c = sentence; *c != '\0'; c++) {
        if (*c == '%')
            azr_strbuf_puts(&text, path);
        else
            azr_strbuf_append(&text, c, 1);
    }
    assert_string_equal(f->error.text, text.data);
    assert_int_equal(status, expected);
    assert_int_equal(f->error.status, expected);
    azr_strbuf_deinit(&text);
}

static void refuse_text(fixture *f, const char *json, azr_status expected, const char *sentence)
{
    assert_int_equal(azr_file_write(f->json, json, strlen(json), NULL), AZR_OK);
    assert_refused(f, f->json, expected, sentence);
}

static void refuse_tiny(fixture *f, const tiny_tokenizer *tiny, azr_status expected,
                        const char *sentence)
{
    tiny_tokenizer_write(tiny, f->folder);
    assert_refused(f, f->json, expected, sentence);
}

/* --- files ---------------------------------------------------------------------------------------
 */

static void files_that_are_not_there(void **state)
{
    fixture *f = *state;
    assert_refused(f, "/nowhere/model", AZR_ERROR_IO,
                   "there is no file or folder % to take a tokenizer from");
    assert_refused(f, "/nowhere/tokenizer.json", AZR_ERROR_IO,
                   "cannot open %: No such file or directory");
    assert_int_not_equal(azr_tokenizer_open("/nowhere/x.gguf", &f->tokenizer, &f->error), AZR_OK);
    assert_non_null(strstr(f->error.text, "/nowhere/x.gguf"));
    assert_int_not_equal(azr_tokenizer_open(f->folder, &f->tokenizer, &f->error), AZR_OK);
    assert_non_null(strstr(f->error.text, f->folder));
    char other[160];
    snprintf(other, sizeof other, "%s/notes.txt", f->folder);
    assert_int_equal(azr_file_write(other, "x", 1, NULL), AZR_OK);
    assert_refused(f, other, AZR_ERROR_UNSUPPORTED,
                   "% is neither a folder nor a tokenizer.json nor a .gguf file");
}

static void files_that_are_no_json(void **state)
{
    fixture *f = *state;
    char *whole = tiny_tokenizer_json(&(tiny_tokenizer){0});
    size_t size = strlen(whole);
    for (size_t n = 0; n < size - 3; n += 1 + n / 10) { /* cut anywhere */
        assert_int_equal(azr_file_write(f->json, whole, n, NULL), AZR_OK);
        assert_int_equal(azr_tokenizer_open(f->json, &f->tokenizer, &f->error), AZR_ERROR_INPUT);
        assert_non_null(strstr(f->error.text, f->json));
        assert_non_null(strstr(f->error.text, "is no JSON: line "));
    }
    azr_free(whole);
    refuse_text(f, "[]", AZR_ERROR_INPUT, "% is no tokenizer: \"model\" is missing");
    refuse_text(f, "{\"model\":[]}", AZR_ERROR_INPUT, "% is no tokenizer: \"model\" is missing");
    tiny_tokenizer_write(&(tiny_tokenizer){0}, f->folder);
    char config[160];
    snprintf(config, sizeof config, "%s/tokenizer_config.json", f->folder);
    assert_int_equal(azr_file_write(config, "{", 1, NULL), AZR_OK);
    assert_int_equal(azr_tokenizer_open(f->folder, &f->tokenizer, &f->error), AZR_ERROR_INPUT);
    assert_non_null(strstr(f->error.text, "tokenizer_config.json is no JSON"));
}

/* --- the model -----------------------------------------------------------------------------------
 */

static void models_of_other_kinds(void **state)
{
    fixture *f = *state;
    refuse_text(f, "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", AZR_ERROR_UNSUPPORTED,
                "% has a model of type \"Unigram\"; only byte-level \"BPE\" is supported");
    refuse_text(f, "{\"model\":{\"vocab\":{}}}", AZR_ERROR_UNSUPPORTED,
                "% has a model of type \"\"; only byte-level \"BPE\" is supported");
    refuse_text(f, "{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", AZR_ERROR_INPUT,
                "% is no tokenizer: \"vocab\" is missing");
    refuse_text(f, "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", AZR_ERROR_INPUT,
                "% is no tokenizer: \"merges\" is missing");
    refuse_text(f, "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", AZR_ERROR_LIMIT,
                "% has a vocabulary of 0 tokens; 1 to 4194304 are supported");
    refuse_tiny(f, &(tiny_tokenizer){.model_extra = "\"byte_fallback\":true,"},
                AZR_ERROR_UNSUPPORTED,
                "% has the model option \"byte_fallback\", which is not supported");
    refuse_tiny(f, &(tiny_tokenizer){.model_extra = "\"dropout\":0.1,"}, AZR_ERROR_UNSUPPORTED,
                "% has the model option \"dropout\", which is not supported");
    refuse_tiny(f, &(tiny_tokenizer){.model_extra = "\"end_of_word_suffix\":\"</w>\","},
                AZR_ERROR_UNSUPPORTED,
                "% has the end_of_word_suffix \"</w>\", which is not supported");
    refuse_tiny(f, &(tiny_tokenizer){.model_extra = "\"continuing_subword_prefix\":\"##\","},
                AZR_ERROR_UNSUPPORTED,
                "% has the continuing_subword_prefix \"##\", which is not supported");
    refuse_tiny(f, &(tiny_tokenizer){.model_extra = "\"unk_token\":\"<unk>\","},
                AZR_ERROR_UNSUPPORTED, "% has the unk_token \"<unk>\", which is not supported");
}

#define MODEL(vocab, merges) \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}}"

static void wrong_ids(void **state)
{
    fixture *f = *state;
    refuse_text(f, MODEL("\"a\":-1", ""), AZR_ERROR_INPUT,
                "% gives the token \"a\" an id that is not an integer from 0 to 4194303");
    refuse_text(f, MODEL("\"a\":4194304", ""), AZR_ERROR_INPUT,
                "% gives the token \"a\" an id that is not an integer from 0 to 4194303");
    refuse_text(f, MODEL("\"a\":0.5", ""), AZR_ERROR_INPUT,
                "% gives the token \"a\" an id that is not an integer from 0 to 4194303");
    refuse_text(f, MODEL("\"a\":\"0\"", ""), AZR_ERROR_INPUT,
                "% gives the token \"a\" an id that is not an integer from 0 to 4194303");
    refuse_text(f, MODEL("\"a\":0,\"b\":0", ""), AZR_ERROR_INPUT,
                "% gives the id 0 to two tokens (\"b\")");
    refuse_tiny(f, &(tiny_tokenizer){.added = "{\"id\":97,\"content\":\"<s>\"}"}, AZR_ERROR_INPUT,
                "% gives the id 97 to two tokens (\"<s>\")");
    refuse_tiny(f, &(tiny_tokenizer){.added = "{\"id\":256,\"content\":\"a\"}"}, AZR_ERROR_INPUT,
                "% gives the id 256 to two tokens (\"a\")");
    refuse_tiny(f, &(tiny_tokenizer){.added = "{\"id\":4194304,\"content\":\"<s>\"}"},
                AZR_ERROR_INPUT,
                "% gives the token \"<s>\" an id that is not an integer from 0 to 4194303");
}

static void wrong_merges(void **state)
{
    fixture *f = *state;
    refuse_text(f, MODEL("\"a\":0", "\"a b\""), AZR_ERROR_INPUT,
                "merge 0 of % names \"b\", which is no token of the vocabulary");
    refuse_text(f, MODEL("\"a\":0", "[\"x\",\"a\"]"), AZR_ERROR_INPUT,
                "merge 0 of % names \"x\", which is no token of the vocabulary");
    refuse_text(f, MODEL("\"a\":0,\"aa\":1,\"b\":2", "\"a a\",\"a b\""), AZR_ERROR_INPUT,
                "merge 1 of % joins \"a\" and \"b\" to what is no token of the vocabulary");
    refuse_text(f, MODEL("\"a\":0", "\"aa\""), AZR_ERROR_INPUT,
                "merge 0 of % is not two tokens with a space between them");
    refuse_text(f, MODEL("\"a\":0", "\"a a a\""), AZR_ERROR_INPUT,
                "merge 0 of % is not two tokens with a space between them");
    refuse_text(f, MODEL("\"a\":0", "[\"a\"]"), AZR_ERROR_INPUT,
                "merge 0 of % is not two tokens with a space between them");
    refuse_text(f, MODEL("\"a\":0", "7"), AZR_ERROR_INPUT,
                "merge 0 of % is not two tokens with a space between them");
}

static void wrong_added_tokens(void **state)
{
    fixture *f = *state;
    refuse_tiny(f, &(tiny_tokenizer){.added = "{\"id\":256,\"content\":\"\"}"}, AZR_ERROR_INPUT,
                "% has an added token (number 0) of 0 bytes; 1 to 1024 are supported");
    refuse_tiny(f, &(tiny_tokenizer){.added = "7"}, AZR_ERROR_INPUT,
                "% has an added token (number 0) of 0 bytes; 1 to 1024 are supported");
    azr_strbuf added = {0};
    azr_strbuf_puts(&added, "{\"id\":256,\"content\":\"");
    for (int i = 0; i < 1025; i++)
        azr_strbuf_puts(&added, "x");
    azr_strbuf_puts(&added, "\"}");
    refuse_tiny(f, &(tiny_tokenizer){.added = added.data}, AZR_ERROR_INPUT,
                "% has an added token (number 0) of 1025 bytes; 1 to 1024 are supported");
    azr_strbuf_reset(&added);
    for (int i = 0; i <= 1000000; i++)
        azr_strbuf_printf(&added, "%s{\"id\":%d,\"content\":\"<%d>\"}", i > 0 ? "," : "", 256 + i,
                          i);
    refuse_tiny(f, &(tiny_tokenizer){.added = added.data}, AZR_ERROR_LIMIT,
                "% has 1000001 added tokens; at most 65536 are supported");
    azr_strbuf_deinit(&added);
}

/* --- the steps around it -------------------------------------------------------------------------
 */

static void steps_of_other_kinds(void **state)
{
    fixture *f = *state;
    refuse_tiny(f, &(tiny_tokenizer){.normalizer = "{\"type\":\"NFKC\"}"}, AZR_ERROR_UNSUPPORTED,
                "% has the normalizer \"NFKC\", which is not supported");
    refuse_tiny(f,
                &(tiny_tokenizer){.normalizer = "{\"type\":\"Sequence\",\"normalizers\":"
                                                "[{\"type\":\"NFC\"},{\"type\":\"Lowercase\"}]}"},
                AZR_ERROR_UNSUPPORTED,
                "% has the normalizer \"Lowercase\", which is not supported");
    refuse_tiny(f, &(tiny_tokenizer){.pre_tokenizer = "null"}, AZR_ERROR_UNSUPPORTED,
                "% has no ByteLevel pre-tokenizer; only byte-level BPE is supported");
    refuse_tiny(f, &(tiny_tokenizer){.pre_tokenizer = "{\"type\":\"Metaspace\"}"},
                AZR_ERROR_UNSUPPORTED,
                "% has the pre-tokenizer \"Metaspace\", which is not supported");
    refuse_tiny(f,
                &(tiny_tokenizer){.pre_tokenizer =
                                      "{\"type\":\"Sequence\",\"pretokenizers\":[{"
                                      "\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}"},
                AZR_ERROR_UNSUPPORTED,
                "% has the pre-tokenizer after ByteLevel \"Digits\", which is not supported");
    refuse_tiny(f, &(tiny_tokenizer){.post_processor = "{\"type\":\"BertProcessing\"}"},
                AZR_ERROR_UNSUPPORTED,
                "% has the post_processor \"BertProcessing\", which is not supported");
    refuse_tiny(f,
                &(tiny_tokenizer){.post_processor =
                                      "{\"type\":\"TemplateProcessing\",\"single\":[{"
                                      "\"SpecialToken\":{\"id\":\"<s>\"}}],"
                                      "\"special_tokens\":{\"<s>\":{\"ids\":[9999]}}}"},
                AZR_ERROR_INPUT,
                "% puts a token before each text (\"<s>\") that the vocabulary does not have");
}

static void refuse_pattern(fixture *f, const char *pattern, azr_status expected,
                           const char *sentence)
{
    azr_strbuf split = {0};
    azr_strbuf_printf(&split,
                      "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                      "%s,\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\"}]}",
                      pattern);
    refuse_tiny(f, &(tiny_tokenizer){.pre_tokenizer = split.data}, expected, sentence);
    azr_strbuf_deinit(&split);
}

static void patterns(void **state)
{
    fixture *f = *state;
    refuse_pattern(f, "{\"Regex\":\"(a\"}", AZR_ERROR_INPUT,
                   "% has a pattern that is wrong: missing closing parenthesis");
    refuse_pattern(f, "{\"Regex\":\"\\\\w+\"}", AZR_ERROR_UNSUPPORTED,
                   "% has a pattern with the escape \\w, which is not supported");
    refuse_pattern(f, "{\"Regex\":\"[\\\\S]\"}", AZR_ERROR_UNSUPPORTED,
                   "% has a pattern with the escape \\S inside [], which is not supported");
    refuse_pattern(f, "{\"Regex\":\"^a\"}", AZR_ERROR_UNSUPPORTED,
                   "% has a pattern with ^, which is not supported");
    refuse_pattern(f, "{\"Regex\":\"[a&&b]\"}", AZR_ERROR_UNSUPPORTED,
                   "% has a pattern with & inside [], which is not supported");
    refuse_pattern(f, "{}", AZR_ERROR_INPUT,
                   "% is no tokenizer: a Split pre-tokenizer has no pattern");
    tiny_tokenizer tiny = {
        .pre_tokenizer =
            "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
            "{\"Regex\":\"a\"},\"behavior\":\"MergedWithNext\"},"
            "{\"type\":\"ByteLevel\"}]}"};
    refuse_tiny(f, &tiny, AZR_ERROR_UNSUPPORTED,
                "% has the Split behavior \"MergedWithNext\", which is not supported");
}

/* A pattern may explode on some text: that is a sentence too, not a hanging program. */
static void a_pattern_that_explodes(void **state)
{
    fixture *f = *state;
    tiny_tokenizer tiny = {
        .pre_tokenizer =
            "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
            "{\"Regex\":\"(?:a|aa|a+)+[!?]\"},\"behavior\":\"Isolated\"},"
            "{\"type\":\"ByteLevel\"}]}"};
    tiny_tokenizer_write(&tiny, f->folder);
    assert_int_equal(azr_tokenizer_open(f->folder, &f->tokenizer, &f->error), AZR_OK);
    char text[400];
    memset(text, 'a', sizeof text);
    int32_t *ids;
    size_t n;
    assert_int_equal(azr_tokenizer_encode(f->tokenizer, text, sizeof text, (azr_encode_options){0},
                                          &ids, &n, &f->error),
                     AZR_ERROR_LIMIT);
    assert_null(ids);
    assert_non_null(strstr(f->error.text,
                           "the tokenizer's pattern (?:a|aa|a+)+[!?] fails on a text "
                           "of 400 bytes: match limit exceeded"));
}

/* --- GGUF metadata -------------------------------------------------------------------------------
 */

static void write_gguf(const fixture *f, const tiny_gguf *tiny)
{
    tiny_gguf_write(tiny, f->gguf);
}

static void refuse_gguf(fixture *f, const tiny_gguf *tiny, azr_status expected,
                        const char *sentence)
{
    write_gguf(f, tiny);
    assert_refused(f, f->gguf, expected, sentence);
}

static const char *const MORE[] = {"ab", "<s>", "<user>", "\xc3\x84\xc2\xa0", "abc", NULL};
static const int32_t MORE_TYPES[] = {1, 3, 4, 1, 1};
static const char *const MERGES[] = {"a b", NULL};

static const tiny_gguf GOOD = {.model = "gpt2",
                               .pre = "gpt2",
                               .more = MORE,
                               .more_types = MORE_TYPES,
                               .merges = MERGES,
                               .eos = 257,
                               .add_bos = -1,
                               .chat_template = "T"};

static void wrong_metadata(void **state)
{
    fixture *f = *state;
    tiny_gguf bad = GOOD;
    bad.model = "llama";
    refuse_gguf(f, &bad, AZR_ERROR_UNSUPPORTED,
                "% has a tokenizer of type \"llama\"; only \"gpt2\" (byte-level BPE) is supported");
    bad.model = NULL;
    refuse_gguf(f, &bad, AZR_ERROR_INPUT, "% holds no tokenizer (tokenizer.ggml.model is missing)");
    bad = GOOD;
    bad.pre = "deepseek-coder";
    refuse_gguf(f, &bad, AZR_ERROR_UNSUPPORTED,
                "% has the pre-tokenizer \"deepseek-coder\" (tokenizer.ggml.pre); known are gpt-2, "
                "gpt2, smollm, qwen2, llama-bpe, llama3, llama-v3");
    bad.pre = NULL;
    refuse_gguf(f, &bad, AZR_ERROR_UNSUPPORTED,
                "% has the pre-tokenizer \"\" (tokenizer.ggml.pre); known are gpt-2, gpt2, smollm, "
                "qwen2, llama-bpe, llama3, llama-v3");
    bad = GOOD;
    bad.merges = NULL;
    refuse_gguf(f, &bad, AZR_ERROR_INPUT, "% has no tokenizer.ggml.merges");
    const char *const unknown[] = {"a zz", NULL}, *const no_space[] = {"ab", NULL};
    bad.merges = unknown;
    refuse_gguf(f, &bad, AZR_ERROR_INPUT,
                "merge 0 of % names \"zz\", which is no token of the vocabulary");
    bad.merges = no_space;
    refuse_gguf(f, &bad, AZR_ERROR_INPUT,
                "merge 0 of % is not two tokens with a space between them");
    bad = GOOD;
    const char *const twice[] = {"ab", "ab", NULL}, *const broken[] = {"ab", "\xff", NULL};
    bad.more_types = NULL;
    bad.more = twice;
    bad.eos = -1;
    refuse_gguf(f, &bad, AZR_ERROR_INPUT, "% gives the text \"ab\" to two tokens, 256 and 257");
    bad.more = broken;
    refuse_gguf(f, &bad, AZR_ERROR_INPUT, "%: token 257 is not UTF-8 text");
}

static void assert_ids(fixture *f, const char *text, azr_encode_options options, size_t n_expected,
                       const int32_t *expected)
{
    int32_t *ids;
    size_t n;
    assert_int_equal(
        azr_tokenizer_encode(f->tokenizer, text, strlen(text), options, &ids, &n, NULL), AZR_OK);
    assert_int_equal(n, n_expected);
    assert_memory_equal(ids, expected, n * sizeof *ids);
    azr_free(ids);
}

#define IDS(...)                                                          \
    sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (const int32_t[]) \
    {                                                                     \
        __VA_ARGS__                                                       \
    }

static void open_gguf(fixture *f, const tiny_gguf *tiny)
{
    azr_tokenizer_destroy(f->tokenizer);
    write_gguf(f, tiny);
    if (azr_tokenizer_open(f->folder, &f->tokenizer, &f->error) != AZR_OK)
        fail_msg("%s", f->error.text);
}

static void families_by_name(void **state)
{
    fixture *f = *state;
    const azr_encode_options text = {0}, prompt = {.parse_special = true, .add_bos = true};
    tiny_gguf tiny = GOOD;
    open_gguf(f, &tiny);
    assert_ids(f, "ab<s><user>", text, IDS(256, '<', 's', '>', 258));
    assert_ids(f, "ab<s><user>", prompt, IDS(256, 257, 258));
    assert_ids(f, "abc", text, IDS(256, 'c'));
    assert_int_equal(azr_tokenizer_bos(f->tokenizer), -1);
    assert_true(azr_tokenizer_is_eos(f->tokenizer, 257));
    assert_string_equal(azr_tokenizer_chat_template(f->tokenizer), "T");
    assert_ids(f, "e\xcc\x81", text, IDS('e', 0xCC, 0x81)); /* not normalised */

    tiny.pre = "qwen2";
    open_gguf(f, &tiny);
    assert_ids(f, "e\xcc\x81", text, IDS(0xC3, 0xA9));

    tiny.pre = "llama-bpe"; /* whole pieces that are tokens; a token before each text */
    open_gguf(f, &tiny);
    assert_int_equal(azr_tokenizer_bos(f->tokenizer), 257);
    assert_ids(f, "abc", prompt, IDS(257, 260));
    tiny.add_bos = 0;
    open_gguf(f, &tiny);
    assert_int_equal(azr_tokenizer_bos(f->tokenizer), -1);

    static const char *const numbers[] = {"12", NULL}, *const number_merges[] = {"1 2", NULL};
    tiny = (tiny_gguf){.model = "gpt2", .pre = "gpt-2", .eos = -1, .add_bos = -1};
    tiny.more = numbers;
    tiny.merges = number_merges;
    open_gguf(f, &tiny);
    assert_ids(f, "12", text, IDS(256));
    tiny.pre = "smollm";
    open_gguf(f, &tiny);
    assert_ids(f, "12", text, IDS('1', '2'));
    tiny.pre = "llama3";
    open_gguf(f, &tiny);
    assert_ids(f, "1212", text, IDS(256, '1', '2')); /* three digits, then one */
}

/* What is saved from GGUF metadata reads back as the same, a token before each text included. */
static void saved_from_metadata(void **state)
{
    fixture *f = *state;
    tiny_gguf tiny = GOOD;
    tiny.pre = "llama-bpe";
    open_gguf(f, &tiny);
    assert_int_equal(azr_tokenizer_save(f->tokenizer, f->folder, &f->error), AZR_OK);
    azr_tokenizer_destroy(f->tokenizer);
    if (azr_tokenizer_open(f->json, &f->tokenizer, &f->error) != AZR_OK)
        fail_msg("%s", f->error.text);
    assert_int_equal(azr_tokenizer_bos(f->tokenizer), 257);
    assert_int_equal(azr_tokenizer_size(f->tokenizer), 261);
    assert_true(azr_tokenizer_is_eos(f->tokenizer, 257));
    assert_string_equal(azr_tokenizer_chat_template(f->tokenizer), "T");
    const azr_encode_options prompt = {.parse_special = true, .add_bos = true};
    assert_ids(f, "abc<user>ab", prompt, IDS(257, 260, 258, 256));
    size_t size;
    /* No-break space is not of the byte-level alphabet: such a token stands for its own text. */
    assert_string_equal(azr_tokenizer_bytes(f->tokenizer, 259, &size), "\xc3\x84\xc2\xa0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_that_are_not_there),
        TEST(files_that_are_no_json),
        TEST(models_of_other_kinds),
        TEST(wrong_ids),
        TEST(wrong_merges),
        TEST(wrong_added_tokens),
        TEST(steps_of_other_kinds),
        TEST(patterns),
        TEST(a_pattern_that_explodes),
        TEST(wrong_metadata),
        TEST(families_by_name),
        TEST(saved_from_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
