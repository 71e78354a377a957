/* test_resource_switches.c: what a run may use and what it leaves behind: threads, processes,
 * number formats, checkpoints; most change no result, so that they are looked for where they act.
 * Each test fails when its option is ignored. */
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "executor/hub.h"
#include "model/network.h"
#include "train/trainer.h"

#include "azr/kernels.h"

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

static double metric(const char *run, int64_t step, const char *name)
{
    return tiny_run_metric(&tiny, run, step, name);
}

/* --- in the plan ------------------------------------------------------------------------------ */

/* What --dry-run prints with two assignments; the caller's to deinit. */
static azr_test_process dry_run(const char *one, const char *two)
{
    char *config = tiny_run_path(&tiny, "config.yaml");
    const char *const argv[] = {azr_test_binary(), "train", "--config", config, "--dry-run",
                                "--set",           one,     "--set",    two,    NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    azr_free(config);
    return process;
}

static double planned(const char *row, const char *one, const char *two)
{
    azr_test_process process = dry_run(one, two);
    const char *at = strstr(process.out, row);
    if (process.code != 0 || at == NULL)
        fail_msg("%s, %s: %s%s", one, two, process.out, process.err);
    double value = strtod(at + strlen(row), NULL);
    azr_test_process_deinit(&process);
    return value;
}

/* Of the sandbox's processes there are as many as threads unless a number is given. */
static void test_threads(void **state)
{
    (void)state;
    double one = planned("sandbox, at most ", "threads=1", "exec_workers=0");
    assert_true(one > 256.0);
    assert_true(planned("sandbox, at most ", "threads=3", "exec_workers=0") == 3.0 * one);
    assert_true(planned("sandbox, at most ", "threads=3", "exec_workers=5") == 5.0 * one);
}

/* A model in bf16 has other numbers, from the first token on; a machine without says so. */
static void test_dtype(void **state)
{
    (void)state;
    azr_dtype dtype;
    azr_error error;
    const char *const f32[] = {"total_steps=1", "dtype=f32", NULL};
    const char *const bf16[] = {"total_steps=1", "dtype=bf16", NULL};
    assert_true(planned("model, f32", "dtype=f32", "seed=1") == 0.0);
    if (azr_dtype_resolve(AZR_DTYPE_BF16, &dtype, &error) != AZR_OK) {
        tiny_run_refused(&tiny, "bf16", false, bf16, error.text);
        return;
    }
    assert_true(planned("model, bf16", "dtype=bf16", "seed=1") == 0.0);
    tiny_run_train(&tiny, "f32", false, f32);
    tiny_run_train(&tiny, "bf16", false, bf16);
    assert_true(metric("f32", 1, "actor/entropy") != metric("bf16", 1, "actor/entropy"));
}

/* Keys and values in f16 take half the memory, and are not quite the numbers that they were. */
static void test_kv_dtype(void **state)
{
    (void)state;
    const char *const f16[] = {"total_steps=1", "kv_dtype=f16", NULL};
    const char *const f32[] = {"total_steps=1", "kv_dtype=f32", NULL};
    double half = planned("KV cache, at most ", "kv_dtype=f16", "kv_tokens=1048576");
    assert_true(half > 0.0);
    assert_true(planned("KV cache, at most ", "kv_dtype=f32", "kv_tokens=1048576") == 2.0 * half);
    tiny_run_train(&tiny, "kv-f16", false, f16);
    tiny_run_train(&tiny, "kv-f32", false, f32);
    assert_true(metric("kv-f16", 1, "actor/entropy") != metric("kv-f32", 1, "actor/entropy"));
}

/* What azr score prints with an option and its value. */
static char *scored(const char *option, const char *value)
{
    char *model = tiny_run_path(&tiny, "model");
    const char *const argv[] = {azr_test_binary(),
                                "score",
                                "-m",
                                model,
                                "--text",
                                "def f(a):\n    return a + 1\n",
                                option,
                                value,
                                NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != 0)
        fail_msg("%s %s: %s", option, value, process.err);
    char *text = azr_copy_text(process.out, strlen(process.out));
    azr_test_process_deinit(&process);
    azr_free(model);
    return text;
}

/* The same by a command's own option: f16 is what none says. */
static void test_kv_dtype_option(void **state)
{
    (void)state;
    char *half = scored("--kv-dtype", "f16"), *full = scored("--kv-dtype", "f32");
    char *usual = scored("--dtype", "auto");
    assert_string_equal(usual, half);
    assert_string_not_equal(full, half);
    azr_free(half);
    azr_free(full);
    azr_free(usual);
}

/* --- in the trainer --------------------------------------------------------------------------- */

static azr_trainer *open_trainer(const char *name, const char *const *sets)
{
    char *file = tiny_run_path(&tiny, "config.yaml"), *run = tiny_run_path(&tiny, name);
    azr_config config;
    azr_trainer *trainer = NULL;
    azr_error error = {0};
    char assignment[200];
    snprintf(assignment, sizeof assignment, "run=%s", run);
    azr_config_init(&config);
    azr_status status = azr_config_load(&config, file, &error);
    if (status == AZR_OK)
        status = azr_config_set(&config, assignment, &error);
    for (; status == AZR_OK && *sets != NULL; sets++)
        status = azr_config_set(&config, *sets, &error);
    if (status == AZR_OK)
        status = azr_trainer_create(&config, false, NULL, &trainer, &error);
    if (status != AZR_OK)
        fail_msg("%s", error.text);
    azr_config_deinit(&config);
    azr_free(file);
    azr_free(run);
    return trainer;
}

static void test_trainer(void **state)
{
    (void)state;
    const char *const sets[] = {
        "exec_workers=3",    "exec_engine=spawn",     "exec_wall_ms=4321", "exec_cpu_ms=1234",
        "exec_memory_mb=99", "exec_result_bytes=777", "recompute=true",    NULL};
    const char *const others[] = {"exec_workers=2", "exec_engine=fork", "recompute=false", NULL};
    azr_trainer *trainer = open_trainer("three", sets);
    assert_int_equal(trainer->executor->n_workers, 3);
    assert_string_equal(azr_executor_engine(trainer->executor), "spawn");
    assert_int_equal(trainer->limits.wall_ms, 4321);
    assert_int_equal(trainer->limits.cpu_ms, 1234);
    assert_int_equal(trainer->limits.memory_mb, 99);
    assert_int_equal(trainer->limits.result_bytes, 777);
    assert_true(trainer->model->recompute);
    azr_trainer_destroy(trainer);
    trainer = open_trainer("two", others);
    assert_int_equal(trainer->executor->n_workers, 2);
    assert_string_equal(azr_executor_engine(trainer->executor), "fork");
    assert_false(trainer->model->recompute);
    azr_trainer_destroy(trainer);
}

/* Where a layer is missing, a run that asks for it stops. */
static void test_exec_require(void **state)
{
    (void)state;
    static const struct {
        const char *without, *set;
        bool refused;
    } rows[] = {
        {"namespaces", "exec_require=namespaces", true},
        {"namespaces", "exec_require=limits", false},
        {"seccomp,namespaces", "exec_require=seccomp", true},
        {"seccomp,namespaces", "exec_require=limits", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[32];
        const char *const sets[] = {"total_steps=0", "seed_rounds=1", "exec_engine=fork",
                                    rows[i].set, NULL};
        snprintf(name, sizeof name, "require-%zu", i);
        assert_int_equal(setenv("AZR_EXECUTOR_DISABLE", rows[i].without, 1), 0);
        if (rows[i].refused)
            tiny_run_refused(&tiny, name, false, sets, strchr(rows[i].set, '=') + 1);
        else
            tiny_run_train(&tiny, name, false, sets);
    }
    assert_int_equal(unsetenv("AZR_EXECUTOR_DISABLE"), 0);
}

/* --- in the run ------------------------------------------------------------------------------- */

/* Gradients as small as AdamW's eps move the weights less. */
static void test_grad_clip(void **state)
{
    (void)state;
    const char *const usual[] = {"total_steps=2", NULL};
    const char *const small[] = {"total_steps=2", "grad_clip=1e-6", NULL};
    tiny_run_train(&tiny, "usual", false, usual);
    tiny_run_train(&tiny, "small", false, small);
    assert_true(metric("usual", 1, "actor/grad_norm") == metric("small", 1, "actor/grad_norm"));
    assert_true(metric("usual", 1, "actor/grad_norm") > 1e-6);
    assert_true(metric("usual", 2, "actor/entropy") != metric("small", 2, "actor/entropy"));
}

/* Means of micro-batches are other means when those are others. */
static void test_micro_batch_tokens(void **state)
{
    (void)state;
    const char *const all[] = {"total_steps=1", "loss_mean=micro_batch", "micro_batch_tokens=60000",
                               NULL};
    const char *const few[] = {"total_steps=1", "loss_mean=micro_batch", "micro_batch_tokens=256",
                               NULL};
    const char *const token[] = {"total_steps=1", "loss_mean=token", NULL};
    tiny_run_train(&tiny, "all-together", false, all);
    tiny_run_train(&tiny, "few-together", false, few);
    tiny_run_train(&tiny, "by-token", false, token);
    double together = metric("all-together", 1, "actor/grad_norm");
    assert_float_equal(together, metric("by-token", 1, "actor/grad_norm"), 1e-4 * together);
    assert_true(metric("few-together", 1, "actor/grad_norm") > 1.001 * together ||
                metric("few-together", 1, "actor/grad_norm") < 0.999 * together);
}

static bool has_checkpoint(const char *run, int step)
{
    char name[80];
    snprintf(name, sizeof name, "%s/checkpoints/step-%06d/DONE", run, step);
    char *path = tiny_run_path(&tiny, name);
    bool there = azr_file_exists(path);
    azr_free(path);
    return there;
}

static void test_checkpoints(void **state)
{
    (void)state;
    static const struct {
        const char *name, *every, *keep;
        bool there[5];
    } rows[] = {
        {"every-step", "checkpoint_every=1", "keep_checkpoints=9", {1, 1, 1, 1, 1}},
        {"every-third", "checkpoint_every=3", "keep_checkpoints=9", {1, 0, 0, 1, 1}},
        {"newest-two", "checkpoint_every=1", "keep_checkpoints=2", {0, 0, 0, 1, 1}},
        {"newest-one", "checkpoint_every=3", "keep_checkpoints=1", {0, 0, 0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const sets[] = {rows[i].every, rows[i].keep, NULL};
        tiny_run_train(&tiny, rows[i].name, false, sets);
        for (int step = 0; step < 5; step++)
            if (has_checkpoint(rows[i].name, step) != rows[i].there[step])
                fail_msg("%s: step %d", rows[i].name, step);
    }
}

/* A completion may be as long as the option says: here longer than the model has positions for. */
static void test_eval_max_tokens(void **state)
{
    (void)state;
    static const char item[] = "{\"kind\": \"deduction\", \"program\": \"def f(a):\\n    return "
                               "a\", \"input\": \"1\", \"output\": \"1\"}\n";
    char *path = tiny_run_path(&tiny, "held.jsonl"), set[160];
    assert_int_equal(azr_file_write(path, item, sizeof item - 1, NULL), AZR_OK);
    snprintf(set, sizeof set, "eval_sets=tasks=%s", path);
    const char *const many[] = {
        "total_steps=0", "seed_rounds=1", "eval_every=1", set, "eval_max_tokens=8190", NULL};
    const char *const some[] = {
        "total_steps=0", "seed_rounds=1", "eval_every=1", set, "eval_max_tokens=4000", NULL};
    tiny_run_refused(&tiny, "many", false, many, "and 8190 tokens of response");
    tiny_run_train(&tiny, "some", false, some);
    assert_true(metric("some", 0, "val/tasks/n") == 1.0);
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_dtype),
        cmocka_unit_test(test_kv_dtype),    cmocka_unit_test(test_kv_dtype_option),
        cmocka_unit_test(test_trainer),     cmocka_unit_test(test_exec_require),
        cmocka_unit_test(test_grad_clip),   cmocka_unit_test(test_micro_batch_tokens),
        cmocka_unit_test(test_checkpoints), cmocka_unit_test(test_eval_max_tokens),
    };
    return cmocka_run_group_tests(tests, tiny_run_set_up, tiny_run_tear_down);
}
