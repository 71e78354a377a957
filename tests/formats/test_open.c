/* Which file is opened for a path, and what is said when none can be; memory that runs out at any
 * point of opening. */
#include "../support/tiny_models.h"
#include "azr/formats.h"
#include "base/files.h"
#include "base/memory.h"
#include "formats/names.h"
#include "formats/weights_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TENSOR(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/azr-open-XXXXXX");
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

static void write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = azr_path_join(folder, name);
    azr_error error;
    assert_int_equal(azr_file_write(path, bytes, size, &error), AZR_OK);
    azr_free(path);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    write_file(folder, name, text, strlen(text));
}

static void write_safetensors(const char *folder, const char *name, const char *header)
{
    azr_strbuf file = {0};
    tiny_safetensors_from(&file, header, 8);
    write_file(folder, name, file.data, file.size);
    azr_strbuf_deinit(&file);
}

static void write_gguf(const char *folder, const char *name)
{
    azr_strbuf file = {0};
    tiny_gguf_model(&file);
    write_file(folder, name, file.data, file.size);
    azr_strbuf_deinit(&file);
}

/* Opening folder/name (or the folder, when name is NULL) fails with a sentence that names the file
 * named (or the folder) and has part in it. */
static void refused(const char *folder, const char *name, const char *named, azr_status status,
                    const char *part)
{
    char *path = name != NULL ? azr_path_join(folder, name) : azr_copy_text(folder, strlen(folder));
    char *in_message =
        named != NULL ? azr_path_join(folder, named) : azr_copy_text(folder, strlen(folder));
    azr_weights_file *file = (azr_weights_file *)path;
    azr_error error = {0};
    assert_int_equal(azr_weights_open(path, &file, &error), status);
    assert_null(file);
    check_sentence(&error, status, in_message, part);
    azr_free(path);
    azr_free(in_message);
}

static void opens(const char *path, bool is_gguf, size_t n_tensors)
{
    azr_weights_file *file;
    azr_error error = {0};
    if (azr_weights_open(path, &file, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_int_equal(azr_weights_is_gguf(file), is_gguf);
    assert_int_equal(azr_weights_count(file), n_tensors);
    azr_weights_close(file);
}

/* --- one file -----------------------------------------------------------------------------------
 */

static void test_foreign_files(void **state)
{
    const char *folder = *state;
    refused(folder, "missing.gguf", "missing.gguf", AZR_ERROR_IO, "No such file");
    write_text(folder, "empty.safetensors", "");
    refused(folder, "empty.safetensors", "empty.safetensors", AZR_ERROR_INPUT, "is empty");
    write_file(folder, "photo.jpg", "\xFF\xD8\xFF\xE0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20);
    refused(folder, "photo.jpg", "photo.jpg", AZR_ERROR_UNSUPPORTED,
            "neither a GGUF nor a safetens");
    /* The same under a model's name: its first bytes are a size that cannot be. */
    write_file(folder, "photo.safetensors", "\xFF\xD8\xFF\xE0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20);
    refused(folder, "photo.safetensors", "photo.safetensors", AZR_ERROR_LIMIT,
            "is it a safetensors");
    write_file(folder, "photo.gguf", "\xFF\xD8\xFF\xE0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20);
    refused(folder, "photo.gguf", "photo.gguf", AZR_ERROR_UNSUPPORTED, "neither");
    write_file(folder, "pytorch_model.bin", "PK\003\004 and so on", 15);
    refused(folder, "pytorch_model.bin", "pytorch_model.bin", AZR_ERROR_UNSUPPORTED,
            "convert it to safetensors");
    write_text(folder, "pointer.safetensors",
               "version https://git-lfs.github.com/spec/v1\noid 1\n");
    refused(folder, "pointer.safetensors", "pointer.safetensors", AZR_ERROR_UNSUPPORTED,
            "Git LFS pointer");
    char *pipe = azr_path_join(folder, "pipe.gguf");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    refused(folder, "pipe.gguf", "pipe.gguf", AZR_ERROR_INPUT, "not a regular file");
    azr_free(pipe);
}

/* What a file is, its bytes say and not its name. */
static void test_names_do_not_matter(void **state)
{
    write_gguf(*state, "a.bin");
    write_safetensors(*state, "b.bin", TENSOR("w"));
    char *a = azr_path_join(*state, "a.bin"), *b = azr_path_join(*state, "b.bin");
    opens(a, true, 2);
    opens(b, false, 1);
    azr_free(a);
    azr_free(b);
}

/* --- a folder -----------------------------------------------------------------------------------
 */

static void test_folder_without_weights(void **state)
{
    write_text(*state, "config.json", "{}");
    write_gguf(*state, ".hidden.gguf");
    refused(*state, NULL, NULL, AZR_ERROR_INPUT,
            "holds no model.safetensors, no model.safetensors.index.json and no .gguf file");
}

static void test_folder_with_gguf(void **state)
{
    write_gguf(*state, "one.gguf");
    opens(*state, true, 2);
    write_gguf(*state, "another.gguf");
    refused(*state, NULL, NULL, AZR_ERROR_INPUT, "several GGUF files (another.gguf, one.gguf)");
    /* safetensors come first. */
    write_safetensors(*state, "model.safetensors", TENSOR("w"));
    opens(*state, false, 1);
}

static void test_folder_with_damaged_file(void **state)
{
    write_text(*state, "model.gguf", "GGUF\3");
    refused(*state, NULL, "model.gguf", AZR_ERROR_INPUT, "truncated");
}

/* --- parts --------------------------------------------------------------------------------------
 */

#define INDEX "model.safetensors.index.json"
#define MAP(a, b) "{\"metadata\":{},\"weight_map\":{\"a\":\"" a "\",\"b\":\"" b "\"}}"

static void test_parts(void **state)
{
    write_safetensors(*state, "m-1.safetensors", TENSOR("a"));
    write_safetensors(*state, "m-2.safetensors", TENSOR("b"));
    write_text(*state, INDEX, MAP("m-1.safetensors", "m-2.safetensors"));
    azr_weights_file *file;
    azr_error error;
    assert_int_equal(azr_weights_open(*state, &file, &error), AZR_OK);
    assert_int_equal(azr_weights_count(file), 2);
    assert_non_null(azr_weights_find(file, "a"));
    assert_non_null(azr_weights_find(file, "b"));
    assert_ptr_not_equal(azr_weights_find(file, "a")->bytes, azr_weights_find(file, "b")->bytes);
    azr_weights_close(file);
}

static void test_bad_parts(void **state)
{
    const char *folder = *state;
    write_safetensors(folder, "m-1.safetensors", TENSOR("a"));
    write_safetensors(folder, "m-2.safetensors", TENSOR("b"));
    write_safetensors(folder, "m-3.safetensors", TENSOR("a"));
    write_gguf(folder, "m-4.safetensors");
    write_text(folder, INDEX, "{\"weight_map\":");
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "no valid JSON");
    write_text(folder, INDEX, "[1]");
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "no JSON object");
    write_text(folder, INDEX, "{\"metadata\":{}}");
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "no weight_map");
    write_text(folder, INDEX, "{\"weight_map\":{}}");
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "names no parts");
    write_text(folder, INDEX, "{\"weight_map\":{\"a\":7}}");
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "no plain file name");
    write_text(folder, INDEX, MAP("m-1.safetensors", "../m-2.safetensors"));
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "no plain file name");
    write_text(folder, INDEX, MAP("m-1.safetensors", ".."));
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "no plain file name");
    write_text(folder, INDEX, MAP("m-1.safetensors", "gone.safetensors"));
    refused(folder, NULL, "gone.safetensors", AZR_ERROR_IO, "No such file");
    write_text(folder, INDEX, MAP("m-1.safetensors", "m-1.safetensors"));
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "tensor b is not in");
    write_text(folder, INDEX, MAP("m-2.safetensors", "m-1.safetensors"));
    refused(folder, NULL, INDEX, AZR_ERROR_INPUT, "tensor a is not in");
    write_text(folder, INDEX, MAP("m-1.safetensors", "m-3.safetensors"));
    refused(folder, NULL, NULL, AZR_ERROR_INPUT, "tensor a is there twice");
    write_text(folder, INDEX, MAP("m-1.safetensors", "m-4.safetensors"));
    refused(folder, NULL, "m-4.safetensors", AZR_ERROR_INPUT, "GGUF");
    write_text(folder, INDEX, MAP("m-4.safetensors", "m-4.safetensors"));
    refused(folder, NULL, "m-4.safetensors", AZR_ERROR_INPUT, "GGUF");
}

static void test_too_many_parts(void **state)
{
    azr_strbuf index = {0};
    azr_strbuf_puts(&index, "{\"weight_map\":{");
    for (int i = 0; i < 1025; i++)
        azr_strbuf_printf(&index, "%s\"t%d\":\"m-%d\"", i > 0 ? "," : "", i, i);
    azr_strbuf_puts(&index, "}}");
    write_file(*state, INDEX, index.data, index.size);
    refused(*state, NULL, INDEX, AZR_ERROR_LIMIT, "over 1024 parts");
    azr_strbuf_deinit(&index);
}

/* --- memory -------------------------------------------------------------------------------------
 */

/* Lets each allocation of opening fail once; afterwards it opens. Returns how many there were. */
static size_t sweep(const char *path)
{
    for (size_t n = 1; n < 1000; n++) {
        azr_weights_file *file;
        azr_error error = {0};
        azr_memory_fail_at(n);
        azr_status status = azr_weights_open(path, &file, &error);
        azr_memory_fail_at(0);
        if (status == AZR_OK) {
            azr_weights_close(file);
            return n - 1;
        }
        assert_null(file);
        check_sentence(&error, AZR_ERROR_MEMORY, "", "no memory");
    }
    fail_msg("opening %s never succeeds", path);
    return 0;
}

static void test_memory_runs_out(void **state)
{
    azr_strbuf bytes = {0};
    tiny_gguf(&bytes, 3);
    write_file(*state, "all.gguf", bytes.data, bytes.size);
    azr_strbuf_deinit(&bytes);
    assert_true(sweep(*state) > 30);
    write_safetensors(*state, "m-1.safetensors", TENSOR("a"));
    write_safetensors(*state, "m-2.safetensors", TENSOR("b"));
    write_text(*state, INDEX, MAP("m-1.safetensors", "m-2.safetensors"));
    assert_true(sweep(*state) > 10);
    write_safetensors(*state, "model.safetensors", TENSOR("w"));
    assert_true(sweep(*state) >= 6);
}

/* --- names --------------------------------------------------------------------------------------
 */

static void test_many_names(void **state)
{
    (void)state;
    enum { N = 20000 };
    azr_formats__names names = {0};
    assert_true(azr_formats__names_init(&names, N));
    char(*texts)[16] = calloc(N, sizeof *texts);
    assert_non_null(texts);
    assert_true(azr_formats__names_find(&names, "x") == AZR_FORMATS__NO_NAME);
    for (size_t i = 0; i < N; i++) {
        snprintf(texts[i], sizeof texts[i], "blk.%zu.w", i);
        assert_int_equal(azr_formats__names_put(&names, texts[i]), i);
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(azr_formats__names_find(&names, texts[i]), i);
        assert_int_equal(azr_formats__names_put(&names, texts[i]), i);
    }
    assert_true(azr_formats__names_find(&names, "blk.20000.w") == AZR_FORMATS__NO_NAME);
    azr_formats__names_deinit(&names);
    free(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_foreign_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_names_do_not_matter, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folder_without_weights, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folder_with_gguf, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folder_with_damaged_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_parts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_parts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_too_many_parts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_memory_runs_out, make_folder, remove_folder),
        cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
