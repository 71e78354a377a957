/* Parts of a run on disk: metric lines, checkpoints, the run's folder and its lock. */
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/run_directory.h"

#include "../support/models.h"
#include "../support/tiny_model.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *folder;
static azr_error error;

static int set_up(void **state)
{
    (void)state;
    assert_ok(azr_kernels_init(&error), &error);
    folder = tiny_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    azr_directory_remove(folder, NULL);
    azr_free(folder);
    return 0;
}

static void test_metrics_cut(void **state)
{
    (void)state;
    char *path = azr_path_join(folder, "metrics.jsonl"), *whole, *text;
    size_t size;
    azr_metrics metrics = {0};
    azr_metrics_add(&metrics, 0.5, "a/%d", 1);
    for (int64_t step = 1; step <= 2; step++)
        assert_ok(azr_metrics_append(&metrics, path, step, &error), &error);
    assert_ok(azr_file_read(path, 4096, &whole, &size, &error), &error);
    assert_ok(azr_metrics_append(&metrics, path, 3, &error), &error);
    assert_ok(azr_file_read(path, 4096, &text, NULL, &error), &error);
    /* The third line is half written. */
    assert_ok(azr_file_write(path, text, size + 5, &error), &error);
    assert_ok(azr_metrics_cut(path, 2, &error), &error);
    azr_free(text);
    assert_ok(azr_file_read(path, 4096, &text, NULL, &error), &error);
    assert_string_equal(text, whole);
    azr_free(text);
    azr_free(whole);
    azr_free(path);
    azr_metrics_deinit(&metrics);
}

static void test_checkpoints(void **state)
{
    (void)state;
    tiny_model_write(folder, 3);
    azr_model *model;
    azr_tokenizer *tokenizer;
    azr_optimizer optimizer = {0}, loaded = {0};
    assert_ok(azr_model_open(folder, AZR_DTYPE_F32, &model, &error), &error);
    assert_ok(azr_tokenizer_open(folder, &tokenizer, &error), &error);
    assert_ok(azr_optimizer_init(&optimizer, model, &error), &error);
    assert_ok(azr_optimizer_init(&loaded, model, &error), &error);
    size_t n = (size_t)azr_model_n_weights(model);
    for (size_t i = 0; i < n; i++) {
        optimizer.m[i] = (float)i;
        optimizer.v[i] = 1.0F / (float)(i + 1);
    }
    int64_t newest = -1;
    assert_null(azr_checkpoint_newest(folder, &newest, &error));
    for (int64_t step = 1; step <= 3; step++) {
        azr_checkpoint_state put = {.step = step,
                                    .opt_step = step,
                                    .seed = 9,
                                    .buffer_hash = UINT64_MAX - 1,
                                    .learn = {.entropy_coef = 0.1,
                                              .running[AZR_N_GROUPS - 1] = {1.0 / 3.0, -0.7,
                                                                            2e-9}}},
                             got;
        assert_ok(azr_checkpoint_save(folder, &put, model, tokenizer, &optimizer, &error), &error);
        char *path = azr_checkpoint_newest(folder, &newest, &error);
        assert_int_equal(newest, step);
        assert_ok(azr_checkpoint_read_state(path, &got, &error), &error);
        assert_memory_equal(&got, &put, sizeof put);
        assert_ok(azr_optimizer_load(&loaded, model, path, &error), &error);
        for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
            const azr_parameter *p = azr_model_parameter(model, i);
            size_t bytes = (size_t)p->n_elements * sizeof(float);
            assert_memory_equal(loaded.m + p->offset, optimizer.m + p->offset, bytes);
            assert_memory_equal(loaded.v + p->offset, optimizer.v + p->offset, bytes);
        }
        azr_free(path);
    }
    /* Half made: no DONE. */
    char *half = azr_path_join(folder, "checkpoints/step-000004");
    char *first = azr_path_join(folder, "checkpoints/step-000001");
    assert_ok(azr_directory_create(half, &error), &error);
    azr_free(azr_checkpoint_newest(folder, &newest, &error));
    assert_int_equal(newest, 3);
    int64_t oldest = -1;
    assert_ok(azr_checkpoint_prune(folder, 2, &oldest, &error), &error);
    assert_int_equal(oldest, 2);
    assert_false(azr_directory_exists(half));
    assert_false(azr_directory_exists(first));
    azr_free(azr_checkpoint_newest(folder, &newest, &error));
    assert_int_equal(newest, 3);
    azr_free(half);
    azr_free(first);
    azr_optimizer_deinit(&optimizer);
    azr_optimizer_deinit(&loaded);
    azr_tokenizer_destroy(tokenizer);
    azr_model_destroy(model);
}

static void test_run_directory(void **state)
{
    (void)state;
    azr_config config;
    azr_run_directory held, other;
    char run[512];
    azr_config_init(&config);
    snprintf(run, sizeof run, "run=%s/run", folder);
    assert_ok(azr_config_set(&config, run, &error), &error);
    assert_int_equal(azr_run_directory_open(&config, true, &other, &error), AZR_ERROR_INPUT);
    assert_ok(azr_run_directory_open(&config, false, &held, &error), &error);
    assert_int_equal(azr_run_directory_open(&config, false, &other, &error), AZR_ERROR_INPUT);
    pid_t child = fork();
    if (child == 0)
        _exit(azr_run_directory_open(&config, true, &other, &error) == AZR_ERROR_INPUT ? 0 : 1);
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    azr_run_directory_close(&held);
    assert_ok(azr_run_directory_open(&config, true, &held, &error), &error);
    azr_run_directory_close(&held);
    assert_ok(azr_config_set(&config, "threads=1", &error), &error);
    assert_ok(azr_run_directory_open(&config, true, &held, &error), &error);
    azr_run_directory_close(&held);
    assert_ok(azr_config_set(&config, "temperature=0.5", &error), &error);
    assert_int_equal(azr_run_directory_open(&config, true, &held, &error), AZR_ERROR_INPUT);
    assert_non_null(strstr(error.text, "temperature"));
    azr_config_deinit(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_cut),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_run_directory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
