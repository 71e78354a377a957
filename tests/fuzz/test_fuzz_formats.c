/* Damaged model files, a fixed number of them: whatever the bytes, opening returns, and what opens
 * can be read. AZR_FUZZ_SECONDS=60 goes on for so long (support/fuzz_mutate.h). */
#include "../support/fuzz_formats.h"
#include "../support/tiny_models.h"
#include "azr/formats.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static fuzz_bytes bytes_of(const azr_strbuf *file)
{
    return (fuzz_bytes){(const uint8_t *)file->data, file->size};
}

static void check_seen(const fuzz_formats_seen *seen, size_t n_tried)
{
    assert_int_equal(seen->n_opened + seen->n_refused, n_tried);
    assert_true(seen->n_opened > 0);
    assert_true(seen->n_refused > 0);
}

static void test_gguf(void **state)
{
    (void)state;
    static const char *const words[] = {"general.alignment", "split.count", "GGUF", "t.F32",
                                        "\x03\x01\x02",      "\x09",        "\x08"};
    azr_strbuf files[3] = {0};
    tiny_gguf(&files[0], 3);
    tiny_gguf(&files[1], 2);
    tiny_gguf_model(&files[2]);
    const fuzz_bytes seeds[] = {bytes_of(&files[0]), bytes_of(&files[1]), bytes_of(&files[2]),
                                bytes_of(&files[2]), bytes_of(&files[2])};
    fuzz_formats_seen seen = {0};
    fuzz_options options = {.seeds = seeds,
                            .n_seeds = 5,
                            .words = words,
                            .n_words = 7,
                            .n_iterations = 60000,
                            .seed = 1};
    check_seen(&seen, fuzz_run(&options, fuzz_formats_gguf, &seen));
    for (size_t i = 0; i < 3; i++)
        azr_strbuf_deinit(&files[i]);
}

/* Only the beginning of the file, where the parser works; its tail comes back undamaged. */
static void test_gguf_head(void **state)
{
    (void)state;
    azr_strbuf file = {0};
    tiny_gguf_model(&file);
    fuzz_formats_seen seen = {0};
    fuzz_random random = {7};
    const fuzz_bytes seed = bytes_of(&file);
    fuzz_options material = {.seeds = &seed, .n_seeds = 1};
    for (int i = 0; i < 20000; i++) {
        uint8_t *copy = azr_alloc(file.size, 1);
        memcpy(copy, file.data, file.size);
        size_t at = fuzz_random_below(&random, file.size - 300);
        fuzz_mutate(copy + at, 16, 16, &material, &random);
        fuzz_formats_gguf(&seen, copy, file.size);
        azr_free(copy);
    }
    check_seen(&seen, 20000);
    azr_strbuf_deinit(&file);
}

static void test_safetensors(void **state)
{
    (void)state;
    static const char *const words[] = {
        "{",       "}",       "[",    "]",  ",",   "\"shape\":", "\"F64\"", "\"dtype\":",
        "[0,0]",   "\\u0000", "null", "-1", "1e9", "true",       "model.a", "9223372036854775807",
        "\xC3\xA9"};
    azr_strbuf files[2] = {0};
    tiny_safetensors(&files[0]);
    tiny_safetensors_from(&files[1],
                          "{\"w\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]}}", 8);
    const fuzz_bytes seeds[] = {bytes_of(&files[0]), bytes_of(&files[1])};
    fuzz_formats_seen seen = {0};
    fuzz_options options = {.seeds = seeds,
                            .n_seeds = 2,
                            .words = words,
                            .n_words = sizeof words / sizeof words[0],
                            .n_iterations = 60000,
                            .seed = 2};
    check_seen(&seen, fuzz_run(&options, fuzz_formats_safetensors, &seen));
    for (size_t i = 0; i < 2; i++)
        azr_strbuf_deinit(&files[i]);
}

/* --- the index of a model in parts, through a real folder ------------------------------------- */

static void write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = azr_path_join(folder, name);
    remove(path); /* writing over a file would wait for the disk */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    azr_free(path);
}

typedef struct index_target {
    const char *folder;
    fuzz_formats_seen seen;
} index_target;

static void try_index(void *context, const uint8_t *bytes, size_t size)
{
    index_target *target = context;
    write_file(target->folder, "model.safetensors.index.json", bytes, size);
    azr_weights_file *file;
    azr_error error = {0};
    if (azr_weights_open(target->folder, &file, &error) == AZR_OK) {
        assert_in_range(azr_weights_count(file), 1, 2);
        azr_weights_close(file);
        target->seen.n_opened++;
    } else {
        assert_non_null(strstr(error.text, target->folder));
        target->seen.n_refused++;
    }
}

static void test_index(void **state)
{
    (void)state;
    static const char *const words[] = {"..", "/", "model-1.safetensors", "config.json", "{", "\""};
    static const char index[] =
        "{\"metadata\":{\"total_size\":16},\"weight_map\":{\"a\":\"model-1.safetensors\","
        "\"b\":\"model-2.safetensors\"}}";
    char folder[] = "/tmp/azr-fuzz-XXXXXX";
    assert_non_null(mkdtemp(folder));
    azr_strbuf part = {0};
    tiny_safetensors_from(&part, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                          8);
    write_file(folder, "model-1.safetensors", part.data, part.size);
    tiny_safetensors_from(&part, "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                          8);
    write_file(folder, "model-2.safetensors", part.data, part.size);
    write_file(folder, "config.json", "{}", 2);
    const fuzz_bytes seed = {(const uint8_t *)index, sizeof index - 1};
    index_target target = {.folder = folder};
    fuzz_options options = {.seeds = &seed,
                            .n_seeds = 1,
                            .words = words,
                            .n_words = sizeof words / sizeof words[0],
                            .n_iterations = 3000,
                            .seed = 3};
    check_seen(&target.seen, fuzz_run(&options, try_index, &target));
    azr_strbuf_deinit(&part);
    azr_error error;
    assert_int_equal(azr_directory_remove(folder, &error), AZR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_gguf_head),
        cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
