/* test_shipped_configs.c: every file in configs/ is a config that a run accepts, and those of the
 * paper say what its table 3 and the authors' scripts say. */
#include "azr/config.h"

#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void load(const char *path, azr_config *config)
{
    azr_error error = {0};
    azr_config_init(config);
    if (azr_config_load(config, path, &error) != AZR_OK ||
        azr_config_validate(config, &error) != AZR_OK)
        fail_msg("%s: %s", path, error.text);
}

static void test_all_are_valid(void **state)
{
    (void)state;
    size_t n = 0;
    DIR *directory = opendir("configs");
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        assert_non_null(strstr(entry->d_name, ".yaml"));
        char *path = azr_path_join("configs", entry->d_name);
        azr_config config;
        load(path, &config);
        assert_non_null(strstr(config.model, "models/"));
        azr_config_deinit(&config);
        azr_free(path);
        n++;
    }
    closedir(directory);
    assert_true(n >= 5);
}

/* Table 3, row by row. */
static void check_table_3(const azr_config *config)
{
    assert_int_equal(config->max_prompt_tokens, 6144);
    assert_int_equal(config->max_response_tokens, 8096);
    assert_int_equal(config->seed_tasks, 4 * 64); /* seed batch factor 4 */
    assert_int_equal(config->buffer_cap, 16384);
    assert_int_equal(config->batch_size, 64); /* of three kinds and two roles */
    assert_string_equal(config->kinds, "deduction,abduction,induction");
    assert_true(config->learning_rate == 1e-6);
    assert_true(config->adam_beta1 == 0.9 && config->adam_beta2 == 0.999);
    assert_true(config->adam_eps == 1e-8);
    assert_true(config->grad_clip == 1.0);
    assert_int_equal(config->total_steps, 500);
    assert_true(config->kl_coef == 0.0);
    assert_true(config->entropy_coef == 0.001 && config->entropy_target == 0.0);
    assert_int_equal(config->epochs, 1);
    assert_int_equal(config->solver_samples, 1);
    assert_int_equal(config->proposals_per_prompt, 1);
    assert_true(config->temperature == 1.0 && config->top_p == 1.0);
    assert_int_equal(config->references, 6);
    assert_int_equal(config->estimate_samples, 8);
}

/* What the table is silent about: the authors' scripts, and what their code does. */
static void check_scripts(const azr_config *config)
{
    assert_string_equal(config->template, "azr");
    assert_int_equal(config->induction_inputs, 10);
    assert_int_equal(config->induction_check, AZR_INDUCTION_CHECK_HIDDEN);
    assert_int_equal(config->induction_reward, AZR_CONFIG_INDUCTION_REWARD_BINARY);
    assert_int_equal(config->learnability, AZR_CONFIG_LEARNABILITY_ONE_MINUS);
    assert_true(config->propose_zero_reward == -0.5);
    assert_int_equal(config->advantage, AZR_ADVANTAGE_TOKEN);
    assert_int_equal(config->loss_mean, AZR_LOSS_MEAN_MICRO_BATCH);
    assert_int_equal(config->solver_mix, AZR_SOLVER_MIX_MAX_NEW);
    assert_int_equal(config->window, 1);
    assert_int_equal(config->reference_sampling, AZR_REFERENCE_SAMPLING_UNIFORM);
    assert_int_equal(config->mini_batches, 1);
    assert_int_equal(config->top_k, 0);
    assert_true(config->weight_decay == 0.01);
    assert_true(config->clip_low == 0.2 && config->clip_high == 0.2);
    assert_int_equal(config->learning_rate_schedule, AZR_SCHEDULE_CONSTANT);
    assert_int_equal(config->warmup_steps, 0);
    assert_int_equal(config->entry_function, AZR_ENTRY_FUNCTION_FIRST);
    assert_true(config->reject_several_functions && !config->reject_tests);
    assert_int_equal(config->remove_comments, AZR_CLEAN_UP_SEEDS);
    assert_int_equal(config->remove_globals, AZR_CLEAN_UP_SEEDS);
    assert_int_equal(config->remove_prints, AZR_CLEAN_UP_NEVER);
    assert_int_equal(config->program_block, AZR_PROGRAM_BLOCK_FIRST);
    assert_non_null(strstr(config->banned_imports, "logging,random,multiprocessing"));
    assert_true(config->train_propose && !config->reuse_estimates && !config->curriculum);
    assert_int_equal(config->pretrain_pred_steps, 0);
    assert_int_equal(config->task_filter, AZR_TASK_FILTER_ALL);
    assert_true(!config->refuse_repeated && !config->novelty && !config->interest);
    assert_true(config->composite_chance == 0.0);
    /* A proposal may use a quarter of the limit: ten seconds. */
    assert_int_equal(config->exec_cpu_ms / 4, 10000);
    assert_true(config->exec_wall_ms >= config->exec_cpu_ms);
    assert_int_equal(config->checkpoint_every, 10);
    assert_int_equal(config->keep_checkpoints, 1);
}

static void test_paper(void **state)
{
    (void)state;
    static const char *const paths[] = {"configs/paper-3b.yaml", "configs/paper-7b.yaml"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        azr_config config;
        load(paths[i], &config);
        check_table_3(&config);
        check_scripts(&config);
        /* A sequence of the longest prompt and response fits into a micro-batch. */
        assert_true(config.max_prompt_tokens + config.max_response_tokens <=
                    config.micro_batch_tokens);
        azr_config_deinit(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_valid),
        cmocka_unit_test(test_paper),
    };
    return cmocka_run_group_tests_name("shipped configs", tests, NULL, NULL);
}
