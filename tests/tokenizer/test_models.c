/* test_models.c: the tokenizers of the two shipped models give the ids that the Hugging Face
 * `tokenizers` library gives (fixtures/make_fixtures.py). Needs the models (folder models, or
 * AZR_MODELS); what also needs ../shared (AZR_SHARED) is skipped without it. */
#include "azr/tokenizer.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "tokenizer/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static const char *const MODELS[] = {"smollm2-135m", "qwen2.5-coder-0.5b"};
enum { SMOLLM2, QWEN, N_MODELS };

static const azr_encode_options TEXT = {0};

/* Opened once for all tests; NULL: not here. */
typedef struct shipped {
    azr_tokenizer *tokenizers[N_MODELS];
} shipped;

static const char *folder_of(const char *variable, const char *missing)
{
    const char *folder = getenv(variable);
    return folder != NULL && folder[0] != '\0' ? folder : missing;
}

static char *path_of_model(int model)
{
    return azr_path_join(folder_of("AZR_MODELS", "models"), MODELS[model]);
}

static int open_models(void **state)
{
    shipped *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -1;
    for (int m = 0; m < N_MODELS; m++) {
        char *path = path_of_model(m);
        azr_error error;
        if (!azr_directory_exists(path)) {
            print_message("%s is not here: its tests are skipped\n", path);
        } else if (azr_tokenizer_open(path, &s->tokenizers[m], &error) != AZR_OK) {
            print_error("%s\n", error.text);
            azr_free(path);
            free(s);
            return -1;
        }
        azr_free(path);
    }
    *state = s;
    return 0;
}

static int close_models(void **state)
{
    shipped *s = *state;
    for (int m = 0; m < N_MODELS; m++)
        azr_tokenizer_destroy(s->tokenizers[m]);
    free(s);
    return 0;
}

/* The tokenizer, or the test is skipped. */
static const azr_tokenizer *need(void **state, int model)
{
    const shipped *s = *state;
    if (s->tokenizers[model] == NULL)
        skip();
    return s->tokenizers[model];
}

static json_t *read_fixture(const char *name)
{
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "tests/tokenizer/fixtures/%s", name);
    json_error_t why;
    json_t *json = json_load_file(path.data, JSON_ALLOW_NUL, &why);
    if (json == NULL)
        fail_msg("%s: %s", path.data, why.text);
    azr_strbuf_deinit(&path);
    return json;
}

static int32_t *encode(const azr_tokenizer *tokenizer, const char *text, size_t size,
                       azr_encode_options options, size_t *out_n)
{
    int32_t *ids;
    azr_error error;
    if (azr_tokenizer_encode(tokenizer, text, size, options, &ids, out_n, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return ids;
}

/* --- tricky strings ------------------------------------------------------------------------------
 */

static void check_strings(const azr_tokenizer *tokenizer, int model)
{
    json_t *fixture = read_fixture("strings.json");
    const json_t *cases = json_object_get(fixture, "cases");
    assert_true(json_array_size(cases) > 60);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i), *text = json_object_get(item, "text");
        const json_t *expected = json_object_get(item, MODELS[model]);
        azr_encode_options options = {.parse_special =
                                          json_is_true(json_object_get(item, "parse_special"))};
        size_t n;
        int32_t *ids =
            encode(tokenizer, json_string_value(text), json_string_length(text), options, &n);
        bool same = n == json_array_size(expected);
        for (size_t k = 0; k < n && same; k++)
            same = ids[k] == json_integer_value(json_array_get(expected, k));
        if (!same)
            fail_msg("%s: other ids for case %zu: %s", MODELS[model], i, json_string_value(text));
        azr_free(ids);
    }
    json_decref(fixture);
}

static void strings_of_smollm2(void **state)
{
    check_strings(need(state, SMOLLM2), SMOLLM2);
}

static void strings_of_qwen(void **state)
{
    check_strings(need(state, QWEN), QWEN);
}

/* --- every text of ../shared/data ----------------------------------------------------------------
 */

typedef struct hasher {
    const azr_tokenizer *tokenizer;
    const json_t *expected; /* hashes of each block of texts */
    size_t block, n_texts, n_ids;
    uint64_t hash; /* of the block so far: FNV-1a over the ids, each text ended by FF FF FF FF */
} hasher;

static const uint64_t FNV_START = 0xCBF29CE484222325u;

static void hash_id(hasher *h, uint32_t id)
{
    for (int shift = 0; shift < 32; shift += 8)
        h->hash = (h->hash ^ (id >> shift & 0xFF)) * 0x100000001B3u;
}

static void end_block(hasher *h)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)h->hash);
    size_t block = (h->n_texts - 1) / h->block;
    const char *expected = json_string_value(json_array_get(h->expected, block));
    assert_non_null(expected);
    if (strcmp(hex, expected) != 0)
        fail_msg("other ids among the %zu texts before text %zu", h->block, h->n_texts);
    h->hash = FNV_START;
}

static void hash_text(hasher *h, const char *text, size_t size)
{
    size_t n;
    int32_t *ids = encode(h->tokenizer, text, size, TEXT, &n);
    for (size_t i = 0; i < n; i++)
        hash_id(h, (uint32_t)ids[i]);
    hash_id(h, UINT32_MAX);
    azr_free(ids);
    h->n_ids += n;
    h->n_texts++;
    if (h->n_texts % h->block == 0)
        end_block(h);
}

/* Every text in a JSON value, in the order of the document. */
static void hash_json(hasher *h, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value))
        hash_text(h, json_string_value(value), json_string_length(value));
    json_array_foreach(value, i, item)
    {
        hash_json(h, item);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        hash_json(h, item);
    }
}

static FILE *open_lines(const char *path)
{
    size_t n = strlen(path);
    if (n < 3 || strcmp(path + n - 3, ".gz") != 0)
        return fopen(path, "r");
    azr_strbuf command = {0};
    azr_strbuf_printf(&command, "gzip -dc '%s'", path);
    FILE *file = popen(command.data, "r");
    azr_strbuf_deinit(&command);
    return file;
}

static void check_file(const azr_tokenizer *tokenizer, const char *path, const json_t *expected,
                       size_t block)
{
    hasher h = {.tokenizer = tokenizer,
                .expected = json_object_get(expected, "hashes"),
                .block = block,
                .hash = FNV_START};
    FILE *file = open_lines(path);
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    while ((n = getline(&line, &capacity, file)) > 0) {
        n -= line[n - 1] == '\n';
        json_error_t why;
        json_t *json = json_loadb(line, (size_t)n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
        if (json != NULL)
            hash_json(&h, json);
        else /* one line has Infinity in it: no JSON; the line is the text then */
            hash_text(&h, line, (size_t)n);
        json_decref(json);
    }
    free(line);
    if (strstr(path, ".gz") != NULL)
        pclose(file);
    else
        fclose(file);
    if (h.n_texts % block != 0)
        end_block(&h);
    assert_int_equal(h.n_texts, json_integer_value(json_object_get(expected, "texts")));
    assert_int_equal(h.n_ids, json_integer_value(json_object_get(expected, "ids")));
}

static void check_shared(const azr_tokenizer *tokenizer, int model)
{
    const char *shared = folder_of("AZR_SHARED", "../shared");
    if (!azr_directory_exists(shared))
        skip();
    json_t *fixture = read_fixture("shared_hashes.json");
    const json_t *files = json_object_get(fixture, "files");
    size_t block = (size_t)json_integer_value(json_object_get(fixture, "block"));
    assert_int_equal(json_array_size(files), 7);
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        char *path = azr_path_join(shared, json_string_value(json_object_get(file, "path")));
        check_file(tokenizer, path, json_object_get(file, MODELS[model]), block);
        azr_free(path);
    }
    json_decref(fixture);
}

static void shared_texts_of_smollm2(void **state)
{
    check_shared(need(state, SMOLLM2), SMOLLM2);
}

static void shared_texts_of_qwen(void **state)
{
    check_shared(need(state, QWEN), QWEN);
}

/* --- llama.cpp's test strings --------------------------------------------------------------------
 */

static const char SEPARATOR[] = "\n__ggml_vocab_test__\n";

/* The ids of one line; moves *line behind it. */
static size_t read_ids(char **line, int32_t *ids, size_t max)
{
    size_t n = 0;
    char *end = strchr(*line, '\n');
    assert_non_null(end);
    for (char *at = *line; n < max; n++) {
        char *after;
        long id = strtol(at, &after, 10);
        if (after == at || after > end)
            break;
        ids[n] = (int32_t)id;
        at = after;
    }
    *line = end + 1;
    return n;
}

static char *read_shared(const char *name)
{
    char *path = azr_path_join(folder_of("AZR_SHARED", "../shared"), name), *text;
    azr_error error;
    bool here = azr_file_exists(path);
    if (here && azr_file_read(path, 1 << 20, &text, NULL, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_free(path);
    if (!here)
        skip();
    return text;
}

static void llama_cpp_strings_for_qwen(void **state)
{
    const azr_tokenizer *tokenizer = need(state, QWEN);
    char *texts = read_shared("data/tokenizer/ggml-vocab-qwen2.gguf.inp");
    char *lists = read_shared("data/tokenizer/ggml-vocab-qwen2.gguf.out");
    char *text = texts, *line = lists, *end;
    int n_cases = 0, n_decomposed = 0;
    for (; (end = strstr(text, SEPARATOR)) != NULL; n_cases++) {
        size_t size = (size_t)(end - text), n, n_composed;
        int32_t expected[1000];
        size_t n_expected = read_ids(&line, expected, 1000);
        int32_t *ids =
            encode(tokenizer, text, size, (azr_encode_options){.parse_special = true}, &n);
        bool same = n == n_expected && memcmp(ids, expected, n * sizeof *ids) == 0;
        char *composed;
        assert_int_equal(azr_utf8_compose(text, size, &composed, &n_composed, NULL), AZR_OK);
        /* llama.cpp does not normalise, the model's own tokenizer does. */
        if (!same && (composed == NULL || (n_composed == size && !memcmp(composed, text, size))))
            fail_msg("other ids for case %d: %.*s", n_cases, (int)size, text);
        n_decomposed += !same;
        azr_free(composed);
        azr_free(ids);
        text = end + strlen(SEPARATOR);
    }
    assert_int_equal(n_cases, 46);
    assert_true(n_decomposed <= 1);
    azr_free(texts);
    azr_free(lists);
}

static void llama_cpp_strings_for_llama3(void **state)
{
    (void)state;
    print_message("no Llama 3 vocabulary is shipped: its llama.cpp strings are skipped\n");
    skip();
}

/* --- properties ----------------------------------------------------------------------------------
 */

static void ends_and_templates(void **state)
{
    const azr_tokenizer *smollm2 = need(state, SMOLLM2), *qwen = need(state, QWEN);
    int32_t eos[8];
    assert_int_equal(azr_tokenizer_size(smollm2), 49152);
    assert_int_equal(azr_tokenizer_eos(smollm2, eos, 8), 2);
    assert_int_equal(eos[0], 2);
    assert_int_equal(eos[1], 0);
    assert_int_equal(azr_tokenizer_bos(smollm2), -1);
    assert_int_equal(azr_tokenizer_find(smollm2, "<|im_start|>"), 1);
    assert_true(azr_tokenizer_is_special(smollm2, 1));
    assert_non_null(strstr(azr_tokenizer_chat_template(smollm2), "<|im_start|>"));

    assert_int_equal(azr_tokenizer_size(qwen), 151936);
    assert_int_equal(azr_tokenizer_eos(qwen, eos, 8), 2);
    assert_int_equal(eos[0], 151645);
    assert_int_equal(eos[1], 151643);
    assert_int_equal(azr_tokenizer_bos(qwen), -1);
    assert_int_equal(azr_tokenizer_find(qwen, "\n"), 198);
    assert_true(azr_tokenizer_is_special(qwen, 151644));
    assert_false(azr_tokenizer_is_special(qwen, 151657)); /* <tool_call> */
    assert_non_null(azr_tokenizer_chat_template(qwen));
}

/* All tokens' bytes; and that they come back as themselves is not so for all, but for most. */
static void bytes_of_all_tokens(void **state)
{
    const azr_tokenizer *tokenizer = need(state, SMOLLM2);
    int32_t n_same = 0, n_tokens = azr_tokenizer_size(tokenizer);
    for (int32_t id = 0; id < n_tokens; id++) {
        size_t size, n;
        const char *bytes = azr_tokenizer_bytes(tokenizer, id, &size);
        assert_true(size > 0);
        int32_t *ids =
            encode(tokenizer, bytes, size, (azr_encode_options){.parse_special = true}, &n);
        n_same += n == 1 && ids[0] == id;
        char *back = azr_tokenizer_decode(tokenizer, ids, n, false, &n);
        assert_int_equal(n, size);
        assert_memory_equal(back, bytes, size);
        azr_free(back);
        azr_free(ids);
    }
    assert_true(n_same > n_tokens * 9 / 10);
}

/* A tokenizer.json made from GGUF metadata means the same tokenizer, and saving is repeatable. */
static void check_saved(const azr_tokenizer *tokenizer, int model)
{
    char folder[] = "/tmp/azr-save-XXXXXX";
    assert_non_null(mkdtemp(folder));
    azr_error error;
    azr_tokenizer *again = NULL;
    if (azr_tokenizer_save(tokenizer, folder, &error) != AZR_OK ||
        azr_tokenizer_open(folder, &again, &error) != AZR_OK)
        fail_msg("%s", error.text);
    check_strings(again, model);
    assert_int_equal(azr_tokenizer_size(again), azr_tokenizer_size(tokenizer));
    for (int32_t id = 0; id < azr_tokenizer_size(tokenizer); id++) {
        size_t size, n;
        const char *bytes = azr_tokenizer_bytes(again, id, &size);
        const char *expected = azr_tokenizer_bytes(tokenizer, id, &n);
        assert_int_equal(size, n);
        assert_memory_equal(bytes, expected, n);
        assert_int_equal(azr_tokenizer_is_special(again, id),
                         azr_tokenizer_is_special(tokenizer, id));
    }
    int32_t eos[8], expected_eos[8];
    assert_int_equal(azr_tokenizer_eos(again, eos, 8),
                     azr_tokenizer_eos(tokenizer, expected_eos, 8));
    assert_int_equal(eos[0], expected_eos[0]);
    assert_string_equal(azr_tokenizer_chat_template(again), azr_tokenizer_chat_template(tokenizer));

    char *path = azr_path_join(folder, "tokenizer.json"), *first, *second;
    assert_int_equal(azr_file_read(path, 64 << 20, &first, NULL, NULL), AZR_OK);
    assert_int_equal(azr_tokenizer_save(tokenizer, folder, NULL), AZR_OK);
    assert_int_equal(azr_file_read(path, 64 << 20, &second, NULL, NULL), AZR_OK);
    assert_string_equal(first, second);
    json_t *json = json_loads(first, 0, NULL);
    assert_non_null(json);
    for (size_t i = 0; i < 6; i++) {
        static const char *const keys[] = {"version",       "added_tokens", "normalizer",
                                           "pre_tokenizer", "decoder",      "model"};
        assert_non_null(json_object_get(json, keys[i]));
    }
    json_decref(json);
    azr_free(first);
    azr_free(second);
    azr_free(path);
    azr_tokenizer_destroy(again);
    assert_int_equal(azr_directory_remove(folder, NULL), AZR_OK);
}

static void saved_smollm2(void **state)
{
    check_saved(need(state, SMOLLM2), SMOLLM2);
}

static void saved_qwen(void **state)
{
    check_saved(need(state, QWEN), QWEN);
}

/* Long pieces: no deep stack, no quadratic time (minutes would be seen as a hanging test). */
static void a_megabyte_of_anything(void **state)
{
    enum { SIZE = 1 << 20 };
    const azr_tokenizer *tokenizer = need(state, QWEN);
    static const char *const units[] = {" ",
                                        "7",
                                        "a",
                                        "abcdefghijklmnopqrstuvwxyz",
                                        "\n",
                                        " \n",
                                        "!?",
                                        "x ",
                                        "\xe4\xb8\xad",
                                        "e\xcc\x81\xcc\xa3",
                                        "\r\n\t"};
    char *text = malloc(SIZE);
    assert_non_null(text);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        for (size_t i = 0, n = strlen(units[u]); i < SIZE; i++)
            text[i] = units[u][i % n];
        size_t n, n_bytes;
        int32_t *ids = encode(tokenizer, text, SIZE, TEXT, &n);
        char *back = azr_tokenizer_decode(tokenizer, ids, n, false, &n_bytes);
        assert_true(n > 0 && n_bytes > SIZE / 2);
        if ((uint8_t)units[u][0] < 0x80 && strlen(units[u]) != 5)
            assert_memory_equal(back, text, SIZE);
        azr_free(back);
        azr_free(ids);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_of_smollm2),
        cmocka_unit_test(strings_of_qwen),
        cmocka_unit_test(shared_texts_of_smollm2),
        cmocka_unit_test(shared_texts_of_qwen),
        cmocka_unit_test(llama_cpp_strings_for_qwen),
        cmocka_unit_test(llama_cpp_strings_for_llama3),
        cmocka_unit_test(ends_and_templates),
        cmocka_unit_test(bytes_of_all_tokens),
        cmocka_unit_test(saved_smollm2),
        cmocka_unit_test(saved_qwen),
        cmocka_unit_test(a_megabyte_of_anything),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
