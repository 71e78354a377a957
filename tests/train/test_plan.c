/* test_plan.c: the memory plan of a run: when it recomputes, what it refuses; and that a run which
 * recomputes ends in the same bytes. */
#include "../support/process.h"
#include "../support/tiny_model.h"
#include "../support/tiny_run.h"

#include "azr/config.h"
#include "azr/kernels.h"
#include "azr/train.h"

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

/* The printed plan of a config with these assignments; free with azr_free. */
static char *plan(const char *folder, const char *const *sets, azr_status expected)
{
    char path[256], *text = NULL;
    size_t size = 0;
    azr_config config;
    azr_error error = {0};
    FILE *out = open_memstream(&text, &size);
    azr_config_init(&config);
    snprintf(path, sizeof path, "model=%s", folder);
    assert_int_equal(azr_config_set(&config, path, &error), AZR_OK);
    for (; *sets != NULL; sets++)
        if (azr_config_set(&config, *sets, &error) != AZR_OK)
            fail_msg("%s: %s", *sets, error.text);
    azr_status status = azr_train_plan(&config, out, &error);
    azr_config_deinit(&config);
    fclose(out);
    if (status != expected)
        fail_msg("status %d, not %d: %s", status, expected, error.text);
    return text;
}

static double total_of(const char *text)
{
    const char *at = strstr(text, "  total ");
    assert_non_null(at);
    return strtod(at + 8, NULL);
}

static void test_recompute(void **state)
{
    const char *folder = *state;
    /* So many tokens that activations are most of the plan. */
    static const char *const off[] = {"micro_batch_tokens=400000", "memory_limit_mb=100000",
                                      "recompute=false", NULL};
    static const char *const on[] = {"micro_batch_tokens=400000", "memory_limit_mb=100000",
                                     "recompute=true", NULL};
    char *without = plan(folder, off, AZR_OK), *with = plan(folder, on, AZR_OK);
    double much = total_of(without), little = total_of(with);
    assert_null(strstr(without, "recompute"));
    assert_non_null(strstr(with, "recompute"));
    assert_true(little < 0.9 * much);
    free(without);
    free(with);
    char limit[64];
    const char *sets[] = {"micro_batch_tokens=400000", limit, "recompute=auto", NULL};
    snprintf(limit, sizeof limit, "memory_limit_mb=%.0f", much + 1);
    char *text = plan(folder, sets, AZR_OK);
    assert_true(total_of(text) == much);
    free(text);
    snprintf(limit, sizeof limit, "memory_limit_mb=%.0f", (little + much) / 2);
    text = plan(folder, sets, AZR_OK);
    assert_true(total_of(text) == little);
    free(text);
    sets[2] = "recompute=false";
    free(plan(folder, sets, AZR_ERROR_MEMORY));
    snprintf(limit, sizeof limit, "memory_limit_mb=%.0f", little - 2);
    sets[2] = "recompute=auto";
    free(plan(folder, sets, AZR_ERROR_MEMORY));
}

/* A frozen reference model is in the plan: its weights, copies and scoring. */
static void test_reference(void **state)
{
    const char *folder = *state;
    static const char *const off[] = {"micro_batch_tokens=400000", "memory_limit_mb=100000", NULL};
    static const char *const on[] = {"micro_batch_tokens=400000", "memory_limit_mb=100000",
                                     "kl_coef=0.1", NULL};
    char *without = plan(folder, off, AZR_OK), *with = plan(folder, on, AZR_OK);
    assert_null(strstr(without, "reference model"));
    assert_non_null(strstr(with, "reference model"));
    assert_true(total_of(with) > total_of(without) + 1);
    free(without);
    free(with);
}

static double row_of(const char *text, const char *row)
{
    const char *at = strstr(text, row);
    assert_non_null(at);
    return strtod(at + strlen(row), NULL);
}

/* The paper's run of a model of which only config.json is there: 7,615,616,512 weights in f32, as
 * many gradients, twice as many moments, and a cache for all prompts of a phase. */
static void test_paper(void **state)
{
    (void)state;
    static const char shape[] =
        "{\"model_type\": \"qwen2\", \"hidden_size\": 3584, \"num_hidden_layers\": 28, "
        "\"num_attention_heads\": 28, \"num_key_value_heads\": 4, \"intermediate_size\": 18944, "
        "\"vocab_size\": 152064, \"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-06, "
        "\"rope_theta\": 1000000.0, \"hidden_act\": \"silu\", \"tie_word_embeddings\": false}";
    char *folder = tiny_folder(), *path = azr_path_join(folder, "config.json");
    assert_int_equal(azr_file_write(path, shape, sizeof shape - 1, NULL), AZR_OK);
    const char *const argv[] = {azr_test_binary(), "train", "--config",    "configs/paper-7b.yaml",
                                "--model",         folder,  "--dry-run",   "--set",
                                "dtype=f32",       "--set", "run=nowhere", NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    const double weights = 7615616512.0 * 4 / (1 << 20);
    assert_float_equal(row_of(process.out, "weights (f32) "), weights, 0.1);
    assert_float_equal(row_of(process.out, "gradients (f32) "), weights, 0.1);
    assert_float_equal(row_of(process.out, "optimizer moments (f32) "), 2 * weights, 0.1);
    assert_true(row_of(process.out, "KV cache, at most ") > 28 * 2 * 512 * 2.0 * 64 * 6144 / 1e6);
    assert_non_null(strstr(process.out, "activations (recompute)"));
    double total = total_of(process.out);
    assert_true(total > 4 * weights);
    /* Said, and refused where it does not fit. */
    assert_int_equal(process.code, azr_memory_available() / (1 << 20) < total ? 1 : 0);
    assert_false(azr_directory_exists("nowhere"));
    azr_test_process_deinit(&process);
    assert_int_equal(azr_directory_remove(folder, NULL), AZR_OK);
    azr_free(path);
    azr_free(folder);
}

static void test_same_run(void **state)
{
    (void)state;
    tiny_run tiny;
    static const char *const off[] = {"recompute=false", "total_steps=2", NULL};
    static const char *const on[] = {"recompute=true", "total_steps=2", NULL};
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "kept", false, off);
    tiny_run_train(&tiny, "again", false, on);
    tiny_run_equal(&tiny, "kept", "again", 2);
    tiny_run_remove(&tiny);
}

static int make_model(void **state)
{
    if (azr_kernels_init(NULL) != AZR_OK)
        return -1;
    char *folder = tiny_folder();
    tiny_model_write(folder, 3);
    *state = folder;
    return 0;
}

static int remove_model(void **state)
{
    azr_error error;
    int failed = azr_directory_remove(*state, &error) != AZR_OK;
    azr_free(*state);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recompute), cmocka_unit_test(test_reference),
        cmocka_unit_test(test_paper), cmocka_unit_test(test_same_run)};
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
