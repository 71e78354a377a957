/* test_fuzz_tokenizer.c: damaged tokenizer.json files, and random bytes as texts. Opening either
 * fails with a sentence or gives a tokenizer that works. */
#include "azr/tokenizer.h"

#include "../support/fuzz_mutate.h"
#include "../support/tiny_gguf.h"
#include "../support/tiny_tokenizer.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const MERGES[] = {"a b", "Ġ a", "ab ab", "1 2", NULL};

/* A folder for the file under test. */
typedef struct fixture {
    char folder[64], path[128];
    azr_tokenizer *tokenizer; /* opened once, for the texts */
    size_t n_opened;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    /* In memory where the system has it: files are written with fsync. */
    strcpy(f->folder,
           azr_directory_exists("/dev/shm") ? "/dev/shm/azr-fuzz-XXXXXX" : "/tmp/azr-fuzz-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/tokenizer.json", f->folder);
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

/* Asks an opened tokenizer everything, and encodes a text of all kinds with it. */
static void use(const azr_tokenizer *tokenizer)
{
    static const char text[] =
        "ab <s>12  a\xc3\xa9 e\xcc\x81\xff<t> abababababababababababababababab"
        "ababababababababababababababab\n";
    for (int special = 0; special < 2; special++) {
        int32_t *ids;
        size_t n, size;
        azr_error error = {0};
        azr_encode_options options = {.parse_special = special != 0, .add_bos = true};
        if (azr_tokenizer_encode(tokenizer, text, sizeof text - 1, options, &ids, &n, &error) !=
            AZR_OK) {
            assert_true(error.text[0] != '\0');
            continue;
        }
        for (size_t i = 0; i < n; i++)
            assert_in_range(ids[i], 0, azr_tokenizer_size(tokenizer) - 1);
        azr_free(azr_tokenizer_decode(tokenizer, ids, n, true, &size));
        azr_free(ids);
    }
    for (int32_t id = -2; id < 300; id++) {
        size_t size;
        const char *bytes = azr_tokenizer_bytes(tokenizer, id, &size);
        assert_int_equal(bytes[size], '\0');
    }
    int32_t eos[8];
    assert_true(azr_tokenizer_eos(tokenizer, eos, 8) <= 8);
    assert_true(azr_tokenizer_bos(tokenizer) < azr_tokenizer_size(tokenizer));
}

static void try_file(void *context, const uint8_t *bytes, size_t size)
{
    fixture *f = context;
    FILE *file = fopen(f->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    azr_tokenizer *tokenizer;
    azr_error error = {0};
    azr_status status = azr_tokenizer_open(f->folder, &tokenizer, &error);
    if (status != AZR_OK) {
        assert_null(tokenizer);
        assert_int_equal(status, error.status);
        assert_true(error.text[0] != '\0');
        return;
    }
    f->n_opened++;
    use(tokenizer);
    azr_tokenizer_destroy(tokenizer);
}

static void damaged_files(void **state)
{
    fixture *f = *state;
    const tiny_tokenizer tinies[] = {
        {.merges = MERGES,
         .left_out = 128,
         .added = "{\"id\":260,\"content\":\"<s>\",\"special\":true,\"lstrip\":true},"
                  "{\"id\":261,\"content\":\"<t>\",\"normalized\":true,\"single_word\":true}",
         .normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]}",
         .pre_tokenizer =
             "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
             "\"(?i:'s)|[^\\\\s\\\\p{L}]?\\\\p{L}+|\\\\s+(?!\\\\S)\"},\"behavior\":\"Isolated\"},"
             "{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"ByteLevel\"}]}",
         .post_processor =
             "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},"
             "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[260]}}}"},
        {.merges = MERGES, .left_out = 130, .model_extra = "\"unk_token\":\"a\","},
    };
    char *texts[2];
    fuzz_bytes seeds[2];
    for (int i = 0; i < 2; i++) {
        texts[i] = tiny_tokenizer_json(&tinies[i]);
        seeds[i] = (fuzz_bytes){(const uint8_t *)texts[i], strlen(texts[i])};
    }
    static const char *const words[] = {"\"id\":",
                                        "\"content\":",
                                        "null",
                                        "true",
                                        "-1",
                                        "4194304",
                                        "1e400",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "\"Sequence\"",
                                        "\"ByteLevel\"",
                                        "\"Split\"",
                                        "\"Removed\"",
                                        "\"invert\":true",
                                        "(",
                                        ")*",
                                        "\\\\s",
                                        "\\\\p{L}",
                                        "[^",
                                        "\"ignore_merges\":true,",
                                        "\"a\":97,",
                                        "\"\"",
                                        "\\u0000",
                                        "\\ud800",
                                        "(?=a)",
                                        "(a*)*b",
                                        "a{1,9999}",
                                        "\"unk_token\":\"zz\","};
    fuzz_run(&(fuzz_options){.seeds = seeds,
                             .n_seeds = 2,
                             .words = words,
                             .n_words = sizeof words / sizeof words[0],
                             .n_iterations = 20000,
                             .seed = 11},
             try_file, f);
    assert_true(f->n_opened > 100); /* damage that is too heavy tests the JSON parser only */
    azr_free(texts[0]);
    azr_free(texts[1]);
}

/* The same for the metadata of a GGUF file (formats has its own fuzzing of the container). */
static void damaged_metadata(void **state)
{
    fixture *f = *state;
    static const char *const more[] = {"ab", "<s>", "<t>", "abc", NULL};
    static const int32_t types[] = {1, 3, 4, 1};
    static const char *const merges[] = {"a b", NULL};
    static const char *const names[] = {"smollm", "qwen2", "llama-bpe"};
    char *texts[3];
    fuzz_bytes seeds[3];
    for (int i = 0; i < 3; i++) {
        tiny_gguf tiny = {.model = "gpt2", .pre = names[i], .more = more, .more_types = types};
        tiny.merges = merges;
        tiny.eos = i < 2 ? 257 : -1;
        tiny.add_bos = i == 0;
        tiny.chat_template = "T";
        texts[i] = tiny_gguf_bytes(&tiny, &seeds[i].size);
        seeds[i].bytes = (const uint8_t *)texts[i];
    }
    snprintf(f->path, sizeof f->path, "%s/model.gguf", f->folder);
    static const char *const words[] = {"gpt2",
                                        "gpt-2",
                                        "llama3",
                                        "a b",
                                        "tokenizer.ggml.merges",
                                        "tokenizer.ggml.token_type",
                                        "\xff\xff\xff\xff"};
    fuzz_run(&(fuzz_options){.seeds = seeds,
                             .n_seeds = 3,
                             .words = words,
                             .n_words = sizeof words / sizeof words[0],
                             .n_iterations = 20000,
                             .seed = 13},
             try_file, f);
    assert_true(f->n_opened > 100);
    for (int i = 0; i < 3; i++)
        azr_free(texts[i]);
}

static void try_text(void *context, const uint8_t *bytes, size_t size)
{
    const fixture *f = context;
    int32_t *ids;
    size_t n, n_back;
    assert_int_equal(azr_tokenizer_encode(f->tokenizer, (const char *)bytes, size,
                                          (azr_encode_options){.parse_special = size % 2 == 1},
                                          &ids, &n, NULL),
                     AZR_OK);
    char *back = azr_tokenizer_decode(f->tokenizer, ids, n, false, &n_back);
    assert_int_equal(n_back, size);
    if (size > 0)
        assert_memory_equal(back, bytes, size);
    assert_true(azr_utf8_complete(back, n_back) <= n_back);
    azr_free(back);
    azr_free(ids);
}

static void any_text_comes_back(void **state)
{
    fixture *f = *state;
    tiny_tokenizer_write(&(tiny_tokenizer){.merges = MERGES,
                                           .added = "{\"id\":260,\"content\":\"<s>\","
                                                    "\"special\":true}"},
                         f->folder);
    assert_int_equal(azr_tokenizer_open(f->folder, &f->tokenizer, NULL), AZR_OK);
    static const char seed[] = "f(x):\n\treturn x<s> 12 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 ab";
    static const char *const words[] = {"ab", "<s>",  "\xc3",        "\xe2\x82",
                                        " ",  "\xff", "\xed\xa0\x80"};
    const fuzz_bytes seeds[] = {{(const uint8_t *)seed, sizeof seed - 1}};
    fuzz_run(&(fuzz_options){.seeds = seeds,
                             .n_seeds = 1,
                             .words = words,
                             .n_words = sizeof words / sizeof words[0],
                             .max_bytes = 400,
                             .n_iterations = 100000,
                             .seed = 12},
             try_text, f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damaged_files, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(any_text_comes_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
