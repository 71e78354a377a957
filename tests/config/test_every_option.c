/* test_every_option.c: each option has a test that fails when the option is ignored; which one
 * stands here. A new option without a row fails, and so does a row whose test is gone or does not
 * name it. */
#include "config/option.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *option, *file, *test; /* file: below tests/ */
} rows[] = {
    {"model", "train/test_plan.c", "test_recompute"},
    {"run", "train/test_train_parts.c", "test_run_directory"},
    {"seed", "train/test_train.c", "test_seed_matters"},
    {"threads", "train/test_resource_switches.c", "test_threads"},
    {"dtype", "train/test_resource_switches.c", "test_dtype"},
    {"kv_dtype", "train/test_resource_switches.c", "test_kv_dtype"},
    {"memory_limit_mb", "train/test_train.c", "test_refusals"},
    {"template", "train/test_kind_switches.c", "test_azr_template"},
    {"kinds", "train/test_kind_switches.c", "test_error_kind"},
    {"error_banned", "train/test_kind_switches.c", "test_error_banned"},
    {"tasks", "train/test_train.c", "test_start_tasks"},
    {"total_steps", "train/test_gate_switches.c", "test_seeds_only"},
    {"batch_size", "train/test_parity.c", "test_samples"},
    {"seed_tasks", "train/test_parity.c", "test_seeding"},
    {"seed_rounds", "train/test_sampling_switches.c", "test_seed_rounds"},
    {"composite_chance", "train/test_composites.c", "test_chance"},
    {"composite_start_step", "train/test_composites.c", "test_start_step"},
    {"composite_min", "train/test_composites.c", "test_numbers"},
    {"composite_max", "train/test_composites.c", "test_numbers"},
    {"composite_max_from", "train/test_composites.c", "test_schedule"},
    {"composite_max_every", "train/test_composites.c", "test_numbers"},
    {"composite_max_last", "train/test_composites.c", "test_numbers"},
    {"composite_chance_from", "train/test_composites.c", "test_growing_chance"},
    {"composite_chance_every", "train/test_composites.c", "test_growing_chance"},
    {"composite_chance_by", "train/test_composites.c", "test_growing_chance"},
    {"composite_chance_last", "train/test_composites.c", "test_growing_chance"},
    {"composite_own_code", "train/test_composites.c", "test_own_code"},
    {"entry_function", "train/test_clean_switches.c", "test_entry_function"},
    {"remove_comments", "train/test_clean_switches.c", "test_clean_ups"},
    {"remove_globals", "train/test_clean_switches.c", "test_clean_ups"},
    {"remove_prints", "train/test_clean_switches.c", "test_clean_ups"},
    {"program_block", "tasks/test_clean.c", "test_config"},
    {"allow_constructors", "train/test_clean_switches.c", "test_constructors"},
    {"reject_several_functions", "train/test_clean_switches.c", "test_refusals"},
    {"reject_tests", "train/test_clean_switches.c", "test_refusals"},
    {"banned_imports", "train/test_clean_switches.c", "test_refusals"},
    {"references", "train/test_switches.c", "test_reference_sampling"},
    {"reference_sampling", "train/test_switches.c", "test_reference_sampling"},
    {"solver_mix", "train/test_switches.c", "test_solver_mix"},
    {"window", "train/test_switches.c", "test_solver_mix"},
    {"prepare_every", "train/test_more_switches.c", "test_prepare_every"},
    {"curriculum", "train/test_switches.c", "test_curriculum"},
    {"pretrain_pred_steps", "train/test_switches.c", "test_pretrain_pred_steps"},
    {"estimate_samples", "train/test_switches.c", "test_reuse_estimates"},
    {"reuse_estimates", "train/test_switches.c", "test_reuse_estimates"},
    {"solver_samples", "train/test_switches.c", "test_solver_samples"},
    {"proposals_per_prompt", "train/test_sampling_switches.c", "test_proposals_per_prompt"},
    {"induction_inputs", "train/test_more_switches.c", "test_induction_inputs"},
    {"buffer_cap", "train/test_gate_switches.c", "test_rings"},
    {"keep_attempts", "train/test_gate_switches.c", "test_rings"},
    {"refuse_repeated", "train/test_gate_switches.c", "test_refuse_repeated"},
    {"novelty", "train/test_gate_switches.c", "test_novelty"},
    {"novelty_same", "train/test_gate_switches.c", "test_novelty"},
    {"novelty_like", "train/test_gate_switches.c", "test_novelty"},
    {"novelty_memory", "train/test_gate_switches.c", "test_novelty"},
    {"interest", "train/test_gate_switches.c", "test_interest"},
    {"task_filter", "train/test_gate_switches.c", "test_task_filter"},
    {"refused_reward", "train/test_gate_switches.c", "test_refuse_repeated"},
    {"max_prompt_tokens", "train/test_sampling_switches.c", "test_max_prompt_tokens"},
    {"max_response_tokens", "train/test_sampling_switches.c", "test_lengths"},
    {"max_answer_tokens", "train/test_sampling_switches.c", "test_lengths"},
    {"temperature", "train/test_sampling_switches.c", "test_draws"},
    {"top_p", "train/test_sampling_switches.c", "test_draws"},
    {"top_k", "train/test_sampling_switches.c", "test_draws"},
    {"streams", "train/test_sampling_switches.c", "test_streams"},
    {"kv_tokens", "train/test_sampling_switches.c", "test_kv_tokens"},
    {"train_propose", "train/test_switches.c", "test_train_propose"},
    {"advantage", "train/test_switches.c", "test_weights_of_the_loss"},
    {"learnability", "train/test_switches.c", "test_rewards"},
    {"induction_reward", "train/test_switches.c", "test_induction_rewards"},
    {"induction_check", "train/test_switches.c", "test_induction_rewards"},
    {"complexity_coef", "train/test_switches.c", "test_intrinsic_rewards"},
    {"complexity_max", "train/test_more_switches.c", "test_terms"},
    {"edit_distance_coef", "train/test_switches.c", "test_intrinsic_rewards"},
    {"edit_distance_max", "train/test_more_switches.c", "test_terms"},
    {"halstead_coef", "train/test_switches.c", "test_intrinsic_rewards"},
    {"halstead_max", "train/test_switches.c", "test_intrinsic_rewards"},
    {"answer_diversity_coef", "train/test_switches.c", "test_intrinsic_rewards"},
    {"answer_diversity_max", "train/test_more_switches.c", "test_terms"},
    {"input_diversity_coef", "train/test_more_switches.c", "test_terms"},
    {"input_diversity_max", "train/test_more_switches.c", "test_terms"},
    {"output_diversity_coef", "train/test_more_switches.c", "test_terms"},
    {"output_diversity_max", "train/test_more_switches.c", "test_terms"},
    {"answer_diversity_form", "train/test_switches.c", "test_intrinsic_rewards"},
    {"intrinsic_combine", "train/test_switches.c", "test_intrinsic_rewards"},
    {"intrinsic_metrics", "train/test_metrics.c", "test_intrinsic"},
    {"length_cost", "train/test_switches.c", "test_rewards"},
    {"propose_zero_reward", "train/test_switches.c", "test_rewards"},
    {"learning_rate", "train/test_switches.c", "test_learning_rate"},
    {"weight_decay", "train/test_more_switches.c", "test_adam"},
    {"adam_beta1", "train/test_more_switches.c", "test_adam"},
    {"adam_beta2", "train/test_more_switches.c", "test_adam"},
    {"adam_eps", "train/test_more_switches.c", "test_adam"},
    {"grad_clip", "train/test_resource_switches.c", "test_grad_clip"},
    {"learning_rate_schedule", "train/test_switches.c", "test_learning_rate"},
    {"warmup_steps", "train/test_switches.c", "test_learning_rate"},
    {"decay_steps", "train/test_switches.c", "test_learning_rate"},
    {"learning_rate_min", "train/test_switches.c", "test_learning_rate"},
    {"epochs", "train/test_switches.c", "test_updates"},
    {"mini_batches", "train/test_switches.c", "test_updates"},
    {"clip_low", "train/test_switches.c", "test_clip"},
    {"clip_high", "train/test_switches.c", "test_clip"},
    {"dual_clip", "train/test_switches.c", "test_clip"},
    {"loss_mean", "train/test_switches.c", "test_weights_of_the_loss"},
    {"proposer_weight", "train/test_switches.c", "test_weights_of_the_loss"},
    {"solver_weight", "train/test_switches.c", "test_weights_of_the_loss"},
    {"running_decay", "train/test_switches.c", "test_running_statistics"},
    {"running_below", "train/test_switches.c", "test_running_statistics"},
    {"entropy_coef", "train/test_switches.c", "test_weights_of_the_loss"},
    {"entropy_target", "train/test_switches.c", "test_learning_state_is_kept"},
    {"entropy_rate", "train/test_switches.c", "test_learning_state_is_kept"},
    {"entropy_coef_max", "train/test_more_switches.c", "test_entropy_coef_max"},
    {"kl_coef", "train/test_switches.c", "test_reference_model"},
    {"kl_place", "train/test_switches.c", "test_reference_model"},
    {"kl_estimator", "train/test_switches.c", "test_reference_model"},
    {"reference_model", "train/test_switches.c", "test_reference_model"},
    {"micro_batch_tokens", "train/test_resource_switches.c", "test_micro_batch_tokens"},
    {"recompute", "train/test_resource_switches.c", "test_trainer"},
    {"checkpoint_every", "train/test_resource_switches.c", "test_checkpoints"},
    {"keep_checkpoints", "train/test_resource_switches.c", "test_checkpoints"},
    {"eval_every", "train/test_evaluating.c", "changes_nothing"},
    {"eval_sets", "train/test_evaluating.c", "changes_nothing"},
    {"eval_limit", "train/test_evaluating.c", "changes_nothing"},
    {"eval_max_tokens", "train/test_resource_switches.c", "test_eval_max_tokens"},
    {"exec_workers", "train/test_resource_switches.c", "test_trainer"},
    {"exec_cpu_ms", "train/test_more_switches.c", "test_sandbox_limits"},
    {"exec_wall_ms", "train/test_resource_switches.c", "test_trainer"},
    {"exec_memory_mb", "train/test_more_switches.c", "test_sandbox_limits"},
    {"exec_result_bytes", "train/test_more_switches.c", "test_sandbox_limits"},
    {"exec_engine", "train/test_resource_switches.c", "test_trainer"},
    {"exec_require", "train/test_resource_switches.c", "test_exec_require"},
};

static size_t row_of(const char *option)
{
    size_t i = 0;
    while (i < AZR_COUNT(rows) && strcmp(rows[i].option, option) != 0)
        i++;
    return i;
}

static void test_each_has_a_test(void **state)
{
    (void)state;
    assert_true(azr_config__n_options > 100);
    for (size_t i = 0; i < azr_config__n_options; i++)
        if (row_of(azr_config__options[i].name) == AZR_COUNT(rows))
            fail_msg("no test is named for %s", azr_config__options[i].name);
    assert_int_equal(AZR_COUNT(rows), azr_config__n_options);
}

static bool is_word(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* As a word of its own: seed is not in seed_tasks. */
static bool names(const char *text, const char *word)
{
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if (at > text && !is_word(at[-1]) && !is_word(at[strlen(word)]))
            return true;
    return false;
}

/* Defined, and in the list of tests that main runs. */
static bool runs(const char *text, const char *test)
{
    azr_strbuf definition = {0}, alone = {0}, with_setup = {0};
    azr_strbuf_printf(&definition, "static void %s(void **state)\n", test);
    azr_strbuf_printf(&alone, "cmocka_unit_test(%s)", test);
    azr_strbuf_printf(&with_setup, "cmocka_unit_test_setup_teardown(%s,", test);
    bool found = strstr(text, definition.data) != NULL &&
                 (strstr(text, alone.data) != NULL || strstr(text, with_setup.data) != NULL);
    azr_strbuf_deinit(&definition);
    azr_strbuf_deinit(&alone);
    azr_strbuf_deinit(&with_setup);
    return found;
}

static void test_each_test_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < AZR_COUNT(rows); i++) {
        char *path = azr_path_join("tests", rows[i].file), *text = NULL;
        azr_error error;
        if (azr_file_read(path, 1 << 20, &text, NULL, &error) != AZR_OK)
            fail_msg("%s", error.text);
        if (!runs(text, rows[i].test))
            fail_msg("%s has no test %s", path, rows[i].test);
        if (!names(text, rows[i].option))
            fail_msg("%s does not name %s", path, rows[i].option);
        azr_free(text);
        azr_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_a_test),
        cmocka_unit_test(test_each_test_is_there),
    };
    return cmocka_run_group_tests_name("every option", tests, NULL, NULL);
}
