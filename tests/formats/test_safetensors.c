/* safetensors: what a good file gives, the sentence that each bad one gets, and writing. */
#include "../support/tiny_models.h"
#include "azr/formats.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH "folder/model.safetensors"

/* --- good files ---------------------------------------------------------------------------------
 */

static void test_good_file(void **state)
{
    (void)state;
    azr_strbuf bytes = {0};
    tiny_safetensors(&bytes);
    azr_weights_file *file = tiny_open(&bytes, PATH);
    assert_false(azr_weights_is_gguf(file));
    assert_int_equal(azr_weights_count(file), 5);
    /* In the order of their bytes, whatever the header's. */
    assert_string_equal(azr_weights_at(file, 0)->name, "model.a");
    const azr_tensor *c = azr_weights_find(file, "model.c");
    assert_int_equal(c->type, AZR_TENSOR_BF16);
    assert_int_equal(c->n_dims, 4);
    assert_int_equal(c->dims[1], 2);
    assert_int_equal(c->n_elements, 4);
    assert_int_equal(c->n_bytes, 8);
    assert_int_equal(c->bytes[0], 34);
    assert_int_equal(azr_weights_find(file, "model.empty")->n_elements, 0);
    assert_int_equal(azr_weights_find(file, "scalar")->n_elements, 1);
    assert_null(azr_weights_find(file, "__metadata__"));
    /* It has no GGUF metadata. */
    int64_t integer;
    assert_null(azr_gguf_text(file, "general.architecture", NULL));
    assert_false(azr_gguf_integer(file, "general.alignment", &integer));
    assert_int_equal(azr_gguf_texts(file, "tokenizer.ggml.tokens"), -1);
    azr_weights_close(file);
    azr_strbuf_deinit(&bytes);
}

/* A file that the safetensors library wrote. */
static void test_foreign_writer(void **state)
{
    (void)state;
    static const char *const names[] = {"f32", "f16", "bf16"};
    azr_weights_file *file;
    azr_error error;
    assert_int_equal(azr_weights_open("tests/formats/fixtures/small.safetensors", &file, &error),
                     AZR_OK);
    for (size_t t = 0; t < 3; t++) {
        const azr_tensor *tensor = azr_weights_find(file, names[t]);
        assert_non_null(tensor);
        assert_int_equal(tensor->dims[0], 3);
        assert_int_equal(tensor->dims[1], 4);
        float values[12];
        azr_tensor_read(tensor, 0, 12, values);
        for (int i = 0; i < 12; i++)
            assert_true(values[i] == (float)i / 8.0F - 0.5F);
    }
    float scalar;
    azr_tensor_read(azr_weights_find(file, "scalar"), 0, 1, &scalar);
    assert_true(scalar == 7.0F);
    assert_int_equal(azr_weights_find(file, "empty")->n_bytes, 0);
    azr_weights_close(file);
}

/* --- bad files ----------------------------------------------------------------------------------
 */

static void test_truncated_everywhere(void **state)
{
    (void)state;
    azr_strbuf whole = {0};
    tiny_safetensors(&whole);
    for (size_t size = 1; size < whole.size; size++) {
        azr_strbuf cut = {.data = whole.data, .size = size};
        bool ends_in_header = size < whole.size - 46;
        tiny_refused(&cut, PATH, AZR_ERROR_INPUT, ends_in_header ? "truncated" : "the file has");
    }
    azr_strbuf_deinit(&whole);
}

#define ENTRY(fields) "{\"w\":{" fields "}}"

/* Headers in front of 16 bytes. */
static const struct {
    const char *header;
    azr_status status;
    const char *part;
} bad_headers[] = {
    {"", AZR_ERROR_INPUT, "no valid JSON"},
    {"{", AZR_ERROR_INPUT, "no valid JSON"},
    {"[]", AZR_ERROR_INPUT, "no JSON object"},
    {"{}", AZR_ERROR_INPUT, "the last 16 bytes belong to no tensor"},
    {"{\"\":{}}", AZR_ERROR_INPUT, "the name of tensor 0"},
    {"{\"a\\u001b[2J\":{}}", AZR_ERROR_INPUT, "the name of tensor 0"},
    {"{\"a\\u0000\":{}}", AZR_ERROR_INPUT, "no valid JSON"},
    {"{\"w\":3}", AZR_ERROR_INPUT, "the entry of tensor w"},
    {"{\"w\":{},\"w\":{}}", AZR_ERROR_INPUT, "duplicate"},
    {ENTRY("\"shape\":[4],\"data_offsets\":[0,16]"), AZR_ERROR_INPUT, "w has no dtype"},
    {ENTRY("\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]"), AZR_ERROR_UNSUPPORTED,
     "w has dtype I64, azr reads F32, F16 and BF16"},
    {ENTRY("\"dtype\":\"Q4_0\",\"shape\":[32],\"data_offsets\":[0,16]"), AZR_ERROR_UNSUPPORTED,
     "w has dtype Q4_0"},
    {ENTRY("\"dtype\":\"\\u0007\",\"shape\":[2],\"data_offsets\":[0,16]"), AZR_ERROR_UNSUPPORTED,
     "w has dtype ?"},
    {ENTRY("\"dtype\":\"F32\",\"data_offsets\":[0,16]"), AZR_ERROR_INPUT, "w has no shape"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]"), AZR_ERROR_INPUT,
     "dimension 0 of tensor w"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4.0],\"data_offsets\":[0,16]"), AZR_ERROR_INPUT,
     "dimension 0 of tensor w"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[1,1,1,1,4],\"data_offsets\":[0,16]"),
     AZR_ERROR_UNSUPPORTED, "5 dimensions, the limit is 4"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,16]"),
     AZR_ERROR_INPUT, "overflows"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,16]"),
     AZR_ERROR_INPUT, "overflows"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,16]"),
     AZR_ERROR_INPUT, "no valid JSON"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4]"), AZR_ERROR_INPUT, "w has no data_offsets"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]"), AZR_ERROR_INPUT,
     "w has no data_offsets"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]"), AZR_ERROR_INPUT,
     "bytes 16 to 0"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]"), AZR_ERROR_INPUT,
     "bytes -16 to 0"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[1,17]"), AZR_ERROR_INPUT,
     "bytes 1 to 17, the file has 16"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,8]"), AZR_ERROR_INPUT,
     "w has 8 bytes, its shape and dtype need 16"},
    {ENTRY("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]"), AZR_ERROR_INPUT,
     "4 bytes before tensor w belong to no tensor"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
     AZR_ERROR_INPUT, "a and b overlap"},
};

static void test_bad_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
        azr_strbuf file = {0};
        tiny_safetensors_from(&file, bad_headers[i].header, 16);
        tiny_refused(&file, PATH, bad_headers[i].status, bad_headers[i].part);
        azr_strbuf_deinit(&file);
    }
}

static void test_bad_sizes(void **state)
{
    (void)state;
    azr_strbuf file = {0};
    gguf_put_u64(&file, 100000001);
    azr_strbuf_puts(&file, "{}");
    tiny_refused(&file, PATH, AZR_ERROR_LIMIT, "100000001 bytes, the limit is 100000000");
    azr_strbuf_reset(&file);
    gguf_put_u64(&file, UINT64_MAX - 7);
    azr_strbuf_puts(&file, "{}");
    tiny_refused(&file, PATH, AZR_ERROR_LIMIT, "the limit is 100000000");
    azr_strbuf_reset(&file);
    gguf_put_u64(&file, 3);
    azr_strbuf_puts(&file, "{}");
    tiny_refused(&file, PATH, AZR_ERROR_INPUT, "its header has 3 bytes, the file 10");
    /* Brackets as deep as they come: the JSON reader's own limit holds. */
    azr_strbuf deep = {0};
    for (int i = 0; i < 100000; i++)
        azr_strbuf_puts(&deep, "{\"a\":");
    tiny_safetensors_from(&file, deep.data, 0);
    tiny_refused(&file, PATH, AZR_ERROR_INPUT, "no valid JSON");
    azr_strbuf_deinit(&deep);
    azr_strbuf_deinit(&file);
}

/* --- writing ------------------------------------------------------------------------------------
 */

static const float numbers[] = {1.0F, -2.0F, 0.5F, 3.0F, 4.0F, 5.0F};
static const azr_tensor_out out_tensors[] = {
    {"model.norm.weight", 1, {3}, numbers},
    {"a \"quoted\\name\"", 2, {2, 3}, numbers},
    {"scalar", 0, {0}, numbers + 1},
    {"empty", 2, {0, 3}, numbers},
};

/* A folder of this test's own. */
static int make_folder(void **state)
{
    char *folder = strdup("/tmp/azr-safetensors-XXXXXX");
    *state = folder;
    return folder != NULL && mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    azr_error error;
    azr_status status = azr_directory_remove(*state, &error);
    free(*state);
    return status == AZR_OK ? 0 : -1;
}

static void test_write_exact_bytes(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
        "\"a \\\"quoted\\\\name\\\"\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[12,36]},"
        "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[36,40]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[40,40]}}";
    azr_strbuf expected = {0};
    azr_strbuf_puts(&expected, header);
    while (expected.size % 8 != 0)
        azr_strbuf_puts(&expected, " ");
    azr_strbuf body = expected;
    expected = (azr_strbuf){0};
    gguf_put_text(&expected, body.data);
    azr_strbuf_append(&expected, (const char *)numbers, 12);
    azr_strbuf_append(&expected, (const char *)numbers, 24);
    azr_strbuf_append(&expected, (const char *)(numbers + 1), 4);

    char *path = azr_path_join(*state, "model.safetensors"), *text;
    azr_error error;
    size_t size;
    for (int i = 0; i < 2; i++) { /* the second time over the first file */
        assert_int_equal(azr_safetensors_write(path, out_tensors, 4, &error), AZR_OK);
        assert_int_equal(azr_file_read(path, 1 << 20, &text, &size, &error), AZR_OK);
        assert_int_equal(size, expected.size);
        assert_memory_equal(text, expected.data, size);
        azr_free(text);
    }
    azr_strbuf_deinit(&body);
    azr_strbuf_deinit(&expected);
    azr_free(path);
}

static void test_write_then_read(void **state)
{
    char *path = azr_path_join(*state, "model.safetensors");
    azr_error error;
    azr_weights_file *file;
    assert_int_equal(azr_safetensors_write(path, out_tensors, 4, &error), AZR_OK);
    assert_int_equal(azr_weights_open(*state, &file, &error), AZR_OK);
    assert_int_equal(azr_weights_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        const azr_tensor *tensor = azr_weights_find(file, out_tensors[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->n_dims, out_tensors[i].n_dims);
        assert_memory_equal(tensor->dims, out_tensors[i].dims,
                            sizeof tensor->dims[0] * (size_t)tensor->n_dims);
        if (tensor->n_bytes > 0)
            assert_memory_equal(tensor->bytes, out_tensors[i].data, tensor->n_bytes);
        assert_int_equal((uintptr_t)tensor->bytes % sizeof(float), 0);
    }
    azr_weights_close(file);
    assert_int_equal(azr_safetensors_write(path, NULL, 0, &error), AZR_OK);
    assert_int_equal(azr_weights_open(path, &file, &error), AZR_OK);
    assert_int_equal(azr_weights_count(file), 0);
    azr_weights_close(file);
    azr_free(path);
}

/* A full disk, a folder that is not there, a limit in the middle: a sentence, and no half file. */
static void test_write_fails(void **state)
{
    azr_error error;
    char *path = azr_path_join(*state, "no/model.safetensors");
    assert_int_equal(azr_safetensors_write(path, out_tensors, 4, &error), AZR_ERROR_IO);
    check_sentence(&error, AZR_ERROR_IO, path, "cannot create");
    azr_free(path);

    path = azr_path_join(*state, "full");
    assert_int_equal(symlink("/dev/full", path), 0);
    assert_int_equal(azr_safetensors_write(path, out_tensors, 4, &error), AZR_ERROR_IO);
    check_sentence(&error, AZR_ERROR_IO, path, "No space left");
    assert_int_equal(access("/dev/full", F_OK), 0);
    assert_int_equal(unlink(path), 0);
    azr_free(path);

    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    path = azr_path_join(*state, "limited");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    azr_status status = azr_safetensors_write(path, out_tensors, 4, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, AZR_ERROR_IO);
    check_sentence(&error, AZR_ERROR_IO, path, "cannot write");
    assert_false(azr_file_exists(path));
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_foreign_writer),
        cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test_setup_teardown(test_write_exact_bytes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_write_then_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_write_fails, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
