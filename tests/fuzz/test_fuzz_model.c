/* Damaged models as a whole: config.json, the header of model.safetensors, GGUF metadata. Opening
 * returns, with a model whose size the file bears out or with a sentence, and never allocates by a
 * number that only a header claims. AZR_FUZZ_SECONDS=60 goes on for so long
 * (support/fuzz_mutate.h). */
#include "../support/fuzz_mutate.h"
#include "../support/models.h"
#include "../support/tiny_models.h"
#include "base/files.h"
#include "base/memory.h"
#include "model/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static char folder[] = "/tmp/azr-fuzz-model-XXXXXX";

static void write_file(const char *path, const void *bytes, size_t size)
{
    remove(path); /* writing over a file would wait for the disk */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && azr_kernels_init(NULL) == AZR_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    azr_error error;
    return azr_directory_remove(folder, &error) == AZR_OK ? 0 : -1;
}

typedef struct target {
    char *file;       /* what is damaged */
    const char *path; /* what is opened */
    size_t n_opened, n_refused;
} target;

/* Opens the model; a sentence names a file of the folder. */
static void try_model(void *context, const uint8_t *bytes, size_t size)
{
    target *t = context;
    azr_model *model;
    azr_error error = {0};
    write_file(t->file, bytes, size);
    azr_status status = azr_model_open(t->path, AZR_DTYPE_F32, &model, &error);
    if (status == AZR_OK) {
        /* Four bytes in the file for each weight, and an LM head of its own at most once more. */
        assert_true(azr_model_n_weights(model) < 1000000);
        azr_model_destroy(model);
        t->n_opened++;
        return;
    }
    assert_null(model);
    if (status == AZR_ERROR_MEMORY || strstr(error.text, folder) == NULL)
        fail_msg("status %d: %s", status, error.text);
    t->n_refused++;
}

static void run(target *t, const fuzz_bytes *seed, const char *const *words, size_t n_words)
{
    fuzz_options options = {.seeds = seed,
                            .n_seeds = 1,
                            .words = words,
                            .n_words = n_words,
                            .n_iterations = 600,
                            .seed = 11};
    size_t n = fuzz_run(&options, try_model, t);
    assert_int_equal(t->n_opened + t->n_refused, n);
    assert_true(t->n_opened > 0 && t->n_refused > 0);
}

/* --- config.json --------------------------------------------------------------------------------
 */

static const char *const config_words[] = {
    "4194304",      "65536", "1048576",   "-1",
    "1e30",         "null",  "\"llama\"", "\"qwen3\"",
    "\"head_dim\"", "true",  "{}",        "\"rope_scaling\": {\"rope_type\": \"llama3\"},"};

static void test_config(void **state)
{
    (void)state;
    for (int family = 0; family < 3; family++) {
        azr_error error;
        char *path = azr_path_join(folder, "config.json"), *text;
        size_t size;
        azr_model *model = test_model((azr_family)family, AZR_DTYPE_F32, 3);
        assert_ok(azr_model_save(model, folder, &error), &error);
        azr_model_destroy(model);
        assert_ok(azr_file_read(path, 1 << 16, &text, &size, &error), &error);
        target t = {.file = path, .path = folder};
        const fuzz_bytes seed = {(const uint8_t *)text, size};
        run(&t, &seed, config_words, sizeof config_words / sizeof config_words[0]);
        azr_free(text);
        azr_free(path);
    }
}

/* The most memory that this process ever held. */
static long peak_kilobytes(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* The largest sizes that a config may claim, over a file of a few kilobytes: refused for what the
 * file lacks, and before the memory for it is taken (800 MB for the vocabulary). */
static void test_config_claims_much(void **state)
{
    (void)state;
    static const char *const claims[] = {"\"vocab_size\": 4194304", "\"hidden_size\": 65536",
                                         "\"intermediate_size\": 1048576",
                                         "\"num_hidden_layers\": 1024"};
    azr_error error;
    azr_model *model = test_model(AZR_FAMILY_QWEN2, AZR_DTYPE_F32, 3);
    assert_ok(azr_model_save(model, folder, &error), &error);
    azr_model_destroy(model);
    char *path = azr_path_join(folder, "config.json"), *text;
    size_t size;
    assert_ok(azr_file_read(path, 1 << 16, &text, &size, &error), &error);
    long before = peak_kilobytes();
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        /* The key's own line makes way for the claim. */
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)(strchr(claims[i], ':') - claims[i]), claims[i]);
        const char *at = strstr(text, key);
        assert_non_null(at);
        const char *end = at + strcspn(at, ",\n");
        azr_strbuf config = {0};
        azr_strbuf_append(&config, text, (size_t)(at - text));
        azr_strbuf_puts(&config, claims[i]);
        azr_strbuf_puts(&config, end);
        write_file(path, config.data, config.size);
        assert_int_equal(azr_model_open(folder, AZR_DTYPE_F32, &model, &error), AZR_ERROR_INPUT);
        check_sentence(&error, AZR_ERROR_INPUT, folder, "tensor ");
        azr_strbuf_deinit(&config);
    }
    assert_true(peak_kilobytes() - before < 100 * 1024);
    azr_free(text);
    azr_free(path);
}

/* --- GGUF ---------------------------------------------------------------------------------------
 */

static void put_integer(azr_strbuf *file, const char *family, const char *key, int64_t value)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", family, key);
    gguf_value_u32(file, name, (uint32_t)value);
}

/* A model as one GGUF file, F32. (The row order of llama's q and k does not matter here.) */
static void make_gguf(azr_strbuf *file, const azr_model_shape *shape)
{
    const char *family = azr_family_name(shape->family);
    azr_model__layout layout;
    azr_error error;
    char key[64];
    assert_ok(azr_model__layout_create(shape, &layout, &error), &error);
    gguf_begin(file, 3, layout.n, 9);
    gguf_value_text(file, "general.architecture", family);
    put_integer(file, family, "block_count", shape->n_layers);
    put_integer(file, family, "embedding_length", shape->d_model);
    put_integer(file, family, "feed_forward_length", shape->d_ff);
    put_integer(file, family, "attention.head_count", shape->n_heads);
    put_integer(file, family, "attention.head_count_kv", shape->n_kv_heads);
    put_integer(file, family, "attention.key_length", shape->d_head);
    put_integer(file, family, "context_length", shape->max_seq_len);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", family);
    gguf_key(file, key, 6);
    gguf_put(file, &shape->norm_eps, sizeof shape->norm_eps);
    uint64_t offset = 0;
    for (size_t i = 0; i < layout.n; i++) {
        const azr_parameter *p = &layout.parameters[i];
        const uint64_t dims[2] = {(uint64_t)(p->n_dims == 2 ? p->dims[1] : p->dims[0]),
                                  (uint64_t)p->dims[0]};
        gguf_info(file, layout.slots[i].gguf_name, (uint32_t)p->n_dims, dims, 0, offset);
        offset += ((uint64_t)p->n_elements * 4 + 31) / 32 * 32;
    }
    gguf_align(file, 32);
    for (uint64_t i = 0; i < offset / 4; i++)
        gguf_put_u32(file, 0x3C000000U + (uint32_t)(i % 97) * 8192);
    azr_model__layout_destroy(&layout);
}

/* Only the head of the file is damaged: the rest are weights. */
static void test_gguf(void **state)
{
    (void)state;
    for (int family = 0; family < 3; family++) {
        azr_model_shape shape = test_shape((azr_family)family);
        shape.n_layers = 1;
        azr_strbuf file = {0};
        make_gguf(&file, &shape);
        char *path = azr_path_join(folder, "model.gguf");
        target t = {.file = path, .path = path};
        const fuzz_bytes seed = {(const uint8_t *)file.data, file.size};
        const fuzz_options material = {.seeds = &seed, .n_seeds = 1};
        fuzz_random random = {(uint64_t)family};
        uint8_t *copy = azr_alloc(file.size, 1);
        for (int i = 0; i < 500; i++) {
            memcpy(copy, file.data, file.size);
            if (i > 0) {
                size_t at = fuzz_random_below(&random, 1200);
                fuzz_mutate(copy + at, 12, 12, &material, &random);
            }
            try_model(&t, copy, file.size);
        }
        assert_true(t.n_opened > 0 && t.n_refused > 0);
        azr_free(copy);
        azr_free(path);
        azr_strbuf_deinit(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_claims_much),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_gguf),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
