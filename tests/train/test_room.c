/* test_room.c: prompts that are too long: others take their place before anything is counted, what
 * no prompt can be found for is said, and a task that no solver can be asked is worth nothing. */
#include "../support/tiny_fixture.h"

#include "train/trainer.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_LONG = 40, N_SHORT = 3, BATCH = 4 };

static char tasks[160];

/* Many programs that no prompt has room for, few others. */
static void write_tasks(void)
{
    azr_strbuf text = {0};
    for (int i = 0; i < N_LONG + N_SHORT; i++) {
        azr_strbuf_printf(&text, "{\"program\": \"def f(a):\\n    return a + %d", i);
        for (int k = 0; i < N_LONG && k < 90; k++)
            azr_strbuf_printf(&text, " + %d - %d", 10 + k, 10 + k);
        azr_strbuf_printf(&text, "\\n\", \"input\": \"1\", \"output\": \"%d\"}\n", i + 1);
    }
    char *path = tiny_run_path(&tiny, "tasks.jsonl");
    assert_int_equal(azr_file_write(path, text.data, text.size, NULL), AZR_OK);
    snprintf(tasks, sizeof tasks, "tasks=%s", path);
    azr_free(path);
    azr_strbuf_deinit(&text);
}

static int set_up(void **state)
{
    (void)state;
    /* A program as one token, which a solver's prompt has byte by byte. */
    static const char *const pieces[] = {
        "a):\\n...     return a + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + "
        "1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1\\n>>> f(4)\\n\\n",
        NULL};
    tiny_run_create_with(&tiny, pieces);
    write_tasks();
    return 0;
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

static double metric(const char *run, int64_t step, const char *name)
{
    return tiny_run_metric(&tiny, run, step, name);
}

static const char *const groups[] = {"gen_code_o",  "gen_code_i",  "gen_code_f",
                                     "pred_code_o", "pred_code_i", "pred_code_f"};

static void assert_full(const char *run, int64_t step)
{
    char name[64];
    for (size_t i = 0; i < AZR_COUNT(groups); i++) {
        snprintf(name, sizeof name, "%s/n", groups[i]);
        assert_true(metric(run, step, name) == BATCH);
        snprintf(name, sizeof name, "%s/dropped_prompts", groups[i]);
        assert_true(metric(run, step, name) == 0.0);
        snprintf(name, sizeof name, "%s/prompt_length/max", groups[i]);
        assert_true(metric(run, step, name) <= 700.0);
    }
}

/* Whatever way tasks are chosen in, batch_size of them are answered, and batch_size proposed: an
 * induction proposer is given other programs. */
static void test_others_take_their_place(void **state)
{
    (void)state;
    static const char *const mixes[] = {"new", "max_new", "half_new", "uniform", "step"};
    for (size_t i = 0; i < AZR_COUNT(mixes); i++) {
        char set[32];
        snprintf(set, sizeof set, "solver_mix=%s", mixes[i]);
        const char *const sets[] = {tasks, set, "total_steps=2", NULL};
        tiny_run_train(&tiny, mixes[i], false, sets);
        assert_true(count(mixes[i], "SELECT count(*) FROM tasks WHERE step = 0") >=
                    2 * (N_LONG + N_SHORT));
        assert_full(mixes[i], 1);
        assert_full(mixes[i], 2);
    }
    /* Several of the few that fit, and not one over and over. */
    assert_true(count("uniform", "SELECT count(DISTINCT prompt) FROM attempts WHERE purpose = "
                                 "'solve' AND kind = 'deduction'") >= 2.0);
    assert_true(count("uniform", "SELECT count(DISTINCT prompt) FROM attempts WHERE purpose = "
                                 "'propose' AND kind = 'induction'") >= 2.0);
}

/* What is drawn in their place is a function of seed and rows too. */
static void test_goes_on(void **state)
{
    (void)state;
    const char *const one[] = {tasks, "solver_mix=max_new", "total_steps=1", NULL};
    const char *const two[] = {tasks, "solver_mix=max_new", "total_steps=2", NULL};
    tiny_run_train(&tiny, "halves", false, one);
    tiny_run_train(&tiny, "halves", true, two);
    tiny_run_equal(&tiny, "halves", "max_new", 2);
}

static void test_nothing_fits(void **state)
{
    (void)state;
    const char *const sets[] = {"max_prompt_tokens=16", "total_steps=1", NULL};
    tiny_run_train(&tiny, "nothing", false, sets);
    assert_true(count("nothing", "SELECT count(*) FROM attempts") == 0.0);
    for (size_t i = 0; i < AZR_COUNT(groups); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/dropped_prompts", groups[i]);
        assert_true(metric("nothing", 1, name) == BATCH);
        snprintf(name, sizeof name, "%s/n", groups[i]);
        assert_true(isnan(metric("nothing", 1, name)));
    }
}

/* A proposer's prompt without references is shorter than that of a solver who is given a long
 * program: such a task counts as solved by nobody, in every form of learnability, and is not
 * stored. */
static void test_task_without_room(void **state)
{
    (void)state;
    static const char *const forms[] = {"one_minus", "inverse", "variance"};
    const char *const measure[] = {"references=0", "kinds=deduction", "total_steps=1",
                                   "batch_size=16", NULL};
    tiny_run_train(&tiny, "lengths", false, measure);
    double room = metric("lengths", 1, "gen_code_o/prompt_length/max");
    assert_true(room < metric("lengths", 1, "pred_code_o/prompt_length/max") && room >= 16.0);
    char limit[48];
    snprintf(limit, sizeof limit, "max_prompt_tokens=%.0f", room);
    for (size_t i = 0; i < AZR_COUNT(forms); i++) {
        char set[48];
        snprintf(set, sizeof set, "learnability=%s", forms[i]);
        const char *const sets[] = {"references=0",  "kinds=deduction",
                                    "total_steps=1", "propose_zero_reward=-0.25",
                                    limit,           set,
                                    "batch_size=16", NULL};
        tiny_run_train(&tiny, forms[i], false, sets);
        static const char long_ones[] = "SELECT count(*) FROM attempts WHERE step = 1 AND verdict "
                                        "= 'valid' AND completion LIKE '%+ 1 + 1%'";
        static const char paid[] = "SELECT count(*) FROM attempts WHERE step = 1 AND verdict = "
                                   "'valid' AND completion LIKE '%+ 1 + 1%' AND reward = -0.25";
        assert_true(count(forms[i], long_ones) > 0.0);
        assert_true(count(forms[i], paid) == count(forms[i], long_ones));
        assert_true(count(forms[i], "SELECT count(*) FROM tasks WHERE step > 0 AND program LIKE "
                                    "'%+ 1 + 1%'") == 0.0);
        assert_true(count(forms[i], "SELECT count(*) FROM attempts WHERE role = 'solver' AND "
                                    "prompt LIKE '%+ 1 + 1%'") == 0.0);
        assert_true(metric(forms[i], 1, "pred_code_o/n") == 16.0);
    }
}

/* No two rollouts of seeding share random numbers, at the ends of what the options allow either. */
static void test_numbers_of_seeding(void **state)
{
    (void)state;
    azr_config config;
    azr_error error;
    azr_config_init(&config);
    assert_int_equal(azr_config_set(&config, "seed_rounds=4096", &error), AZR_OK);
    assert_int_equal(azr_config_set(&config, "seed_rounds=4097", &error), AZR_ERROR_INPUT);
    assert_int_equal(azr_config_set(&config, "batch_size=32768", &error), AZR_OK);
    assert_int_equal(azr_config_set(&config, "batch_size=32769", &error), AZR_ERROR_INPUT);
    assert_int_equal(azr_config_set(&config, "seed_tasks=1000000", &error), AZR_OK);
    assert_int_equal(azr_config_set(&config, "seed_tasks=1000001", &error), AZR_ERROR_INPUT);
    const uint64_t n_round = 2 * (uint64_t)config.batch_size;
    const int64_t last = config.seed_rounds - 1;
    static const azr_kind kinds[] = {AZR_KIND_DEDUCTION, AZR_KIND_ERROR};
    for (size_t i = 0; i < AZR_COUNT(kinds); i++)
        for (int64_t round = 0; round < last; round++)
            assert_true(azr_train__seed_sequence(kinds[i], round, 0) + n_round <=
                        azr_train__seed_sequence(kinds[i], round + 1, 0));
    assert_true(azr_train__seed_sequence(AZR_KIND_DEDUCTION, last, 0) + n_round <=
                azr_train__seed_sequence(AZR_KIND_INDUCTION, 0, 0));
    assert_true(azr_train__seed_sequence(AZR_KIND_INDUCTION, 0, 100) + 28 ==
                azr_train__seed_sequence(AZR_KIND_INDUCTION, 0, 128));
    assert_true((uint64_t)azr_train__seed_sequence(AZR_KIND_INDUCTION, 0, config.seed_tasks) <=
                azr_train__seed_sequence(AZR_KIND_ERROR, 0, 0));
    assert_true(azr_train__seed_sequence(AZR_KIND_ERROR, last, 0) + n_round <= UINT32_MAX);
    azr_config_deinit(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_take_their_place),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_nothing_fits),
        cmocka_unit_test(test_task_without_room),
        cmocka_unit_test(test_numbers_of_seeding),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
