/* test_composites.c: proposers that are given functions to call: when, how many, which, and what
 * becomes of it; each test fails when its option is ignored. */
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "train/trainer.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a):\\n...     return [g_0(a), 1]\\n>>> f(4)\\n\\n",
        "a):\\n...     return g_0(a)\\n>>> f(6)\\n\\n",
        "a):\\n...     return [g_0(a), g_1(a)]\\n>>> f(7)\\n\\n",
        "a):\\n...     b = a\\n...     return [b]\\n>>> f([])\\n\\n",
        "[1, 1]\\n",
        NULL,
    };
    tiny_run_create_with(&tiny, pieces);
    return 0;
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

/* Proposals of a step whose prompts hold the text. */
static double asked(const char *run, int step, const char *kinds, const char *text)
{
    char sql[320];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM attempts WHERE step = %d AND role = 'proposer' AND kind IN (%s) "
             "AND prompt LIKE '%%>>> # f calls %s, and does more%%'",
             step, kinds, text);
    return count(run, sql);
}

#define TRIPLETS "'deduction', 'abduction'"

static void test_schedule(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    assert_true(azr_train__composite_chance(&config, 1000) == 0.0);
    assert_int_equal(azr_train__composite_max(&config, 1000), 1);
    /* As the reference's scheduler: from step 101 on, every 50 steps. */
    config.composite_chance_from = config.composite_max_from = 101;
    config.composite_chance_every = config.composite_max_every = 50;
    static const struct {
        int64_t step, max;
        double chance;
    } rows[] = {{1, 1, 0.0},
                {101, 1, 0.0},
                {150, 1, 0.0},
                {151, 2, 0.01},
                {200, 2, 0.01},
                {201, 3, 0.02},
                {251, 3, 0.03},
                {4051, 3, 0.79},
                {4101, 3, 0.8},
                {4151, 3, 0.8},
                {9007199254740991, 3, 0.8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(azr_train__composite_max(&config, rows[i].step), rows[i].max);
        assert_true(fabs(azr_train__composite_chance(&config, rows[i].step) - rows[i].chance) <
                    1e-9);
    }
    config.composite_chance = 0.5;
    config.composite_start_step = 120;
    assert_true(azr_train__composite_chance(&config, 119) == 0.0);
    assert_true(azr_train__composite_chance(&config, 120) == 0.5);
    assert_true(azr_train__composite_chance(&config, 151) == 0.51);
    config.composite_chance_last = 0.4; /* what is above stays */
    assert_true(azr_train__composite_chance(&config, 4000) == 0.5);
    config.composite_max = 8;
    assert_int_equal(azr_train__composite_max(&config, 4000), 8);
    azr_config_deinit(&config);
}

static void test_off_by_default(void **state)
{
    (void)state;
    const char *const sets[] = {"total_steps=1", NULL};
    tiny_run_train(&tiny, "off", false, sets);
    assert_true(count("off", "SELECT count(*) FROM attempts WHERE prompt LIKE '%g_0%'") == 0.0);
    assert_true(isnan(tiny_run_metric(&tiny, "off", 1, "composite/chance")));
}

/* All prompts but those of seeds and of induction; what is stored holds the functions. */
static void test_chance(void **state)
{
    (void)state;
    const char *const always[] = {"composite_chance=1", "batch_size=8", "total_steps=2", NULL};
    const char *const often[] = {"composite_chance=0.5", "batch_size=16", "total_steps=1", NULL};
    tiny_run_train(&tiny, "always", false, always);
    assert_true(asked("always", 0, TRIPLETS, "%") == 0.0);
    assert_true(asked("always", 1, TRIPLETS, "g_0") == 16.0);
    assert_true(asked("always", 1, "'induction'", "%") == 0.0);
    assert_true(count("always", "SELECT count(*) FROM tasks WHERE step > 0 AND kind <> 'induction' "
                                "AND NOT (program LIKE 'def g_0(a):%def f(a):%g_0(a)%')") == 0.0);
    assert_true(count("always", "SELECT count(*) FROM tasks WHERE step > 0 AND kind <> "
                                "'induction'") > 0.0);
    assert_true(count("always", "SELECT count(*) FROM attempts WHERE step > 0 AND role = 'solver' "
                                "AND prompt LIKE 'def g_0(a):%def f(a):%'") > 0.0);
    assert_true(count("always", "SELECT count(*) FROM attempts WHERE verdict = 'not_composed'") >
                0.0);
    assert_true(tiny_run_metric(&tiny, "always", 1, "composite/n") == 16.0);
    assert_true(tiny_run_metric(&tiny, "always", 1, "composite/valid") +
                    tiny_run_metric(&tiny, "always", 1, "composite/not_composed") <=
                16.0);
    /* A composite is never part of another: a function that is given calls none. */
    assert_true(count("always", "SELECT count(*) FROM tasks WHERE program LIKE "
                                "'%def g_%def g_%'") == 0.0);
    tiny_run_train(&tiny, "often", false, often);
    double n = asked("often", 1, TRIPLETS, "%");
    assert_true(n > 4.0 && n < 28.0);
}

static void test_start_step(void **state)
{
    (void)state;
    const char *const sets[] = {"composite_chance=1", "composite_start_step=2", "total_steps=2",
                                NULL};
    tiny_run_train(&tiny, "later", false, sets);
    assert_true(asked("later", 1, TRIPLETS, "%") == 0.0);
    assert_true(asked("later", 2, TRIPLETS, "%") == 8.0);
}

static void test_numbers(void **state)
{
    (void)state;
    const char *const two[] = {"composite_chance=1", "composite_min=2", "composite_max=2",
                               "total_steps=1",      "seed_rounds=6",   NULL};
    const char *const any[] = {"composite_chance=1", "composite_max=3", "batch_size=16",
                               "total_steps=1", NULL};
    const char *const grows[] = {"composite_chance=1",    "composite_max_every=1",
                                 "composite_max_from=1",  "composite_max_last=2",
                                 "total_steps=3",         "batch_size=16",
                                 "composite_chance_by=0", NULL};
    tiny_run_train(&tiny, "two", false, two);
    assert_true(asked("two", 1, TRIPLETS, "g_0 and g_1") == 8.0);
    tiny_run_train(&tiny, "any", false, any);
    assert_true(asked("any", 1, TRIPLETS, "g_0") > 0.0);
    assert_true(asked("any", 1, TRIPLETS, "g_0 and g_1") > 0.0);
    assert_true(asked("any", 1, TRIPLETS, "g_0, g_1 and g_2") > 0.0);
    tiny_run_train(&tiny, "grows", false, grows);
    assert_true(asked("grows", 1, TRIPLETS, "g_0") == 32.0);
    assert_true(asked("grows", 2, TRIPLETS, "g_0 and g_1") > 0.0);
    assert_true(asked("grows", 3, TRIPLETS, "g_0, g_1%") == 0.0);
    assert_true(tiny_run_metric(&tiny, "grows", 3, "composite/max") == 2.0);
    const char *const wrong[] = {"composite_min=2", NULL};
    tiny_run_refused(&tiny, "wrong", false, wrong,
                     "composite_min (2) must not be above composite_max (1)");
}

static void test_growing_chance(void **state)
{
    (void)state;
    const char *const sets[] = {
        "composite_chance_every=1", "composite_chance_from=2", "composite_chance_by=0.7",
        "composite_chance_last=1",  "total_steps=4",           NULL};
    tiny_run_train(&tiny, "growing", false, sets);
    assert_true(isnan(tiny_run_metric(&tiny, "growing", 2, "composite/chance")));
    assert_true(tiny_run_metric(&tiny, "growing", 3, "composite/chance") == 0.7);
    assert_true(tiny_run_metric(&tiny, "growing", 4, "composite/chance") == 1.0);
    assert_true(asked("growing", 2, TRIPLETS, "%") == 0.0);
    assert_true(asked("growing", 4, TRIPLETS, "%") == 8.0);
}

/* Where the given functions count too, programs are longer and look less like the references. */
static void test_own_code(void **state)
{
    (void)state;
    const char *const own[] = {"composite_chance=1", "intrinsic_metrics=true", "total_steps=1",
                               "batch_size=12", NULL};
    const char *const whole[] = {"composite_chance=1", "intrinsic_metrics=true",   "total_steps=1",
                                 "batch_size=12",      "composite_own_code=false", NULL};
    static const char *const metrics[] = {"gen_code_o/halstead", "gen_code_i/halstead"};
    tiny_run_train(&tiny, "own", false, own);
    tiny_run_train(&tiny, "whole", false, whole);
    double a = 0.0, b = 0.0;
    for (int i = 0; i < 2; i++) {
        double x = tiny_run_metric(&tiny, "own", 1, metrics[i]);
        double y = tiny_run_metric(&tiny, "whole", 1, metrics[i]);
        a += isnan(x) ? 0.0 : x;
        b += isnan(y) ? 0.0 : y;
    }
    assert_true(a < b);
}

static void test_adds_nothing(void **state)
{
    (void)state;
    const char *const sets[] = {"composite_chance=1", "interest=true", "batch_size=16",
                                "total_steps=1", NULL};
    static const char stored[] = "SELECT count(*) FROM tasks WHERE step > 0 AND program LIKE "
                                 "'%def f(a):_    return g_0(a)_'";
    tiny_run_train(&tiny, "interesting", false, sets);
    assert_true(count("interesting", stored) == 0.0);
    assert_true(tiny_run_metric(&tiny, "interesting", 1, "proposer/refused/adds_nothing") > 0.0);
    assert_true(count("always", stored) > 0.0);
}

/* azr propose gives functions of --from; azr info tells of composites. */
static void test_commands(void **state)
{
    (void)state;
    static const char tasks[] =
        "{\"program\": \"def f(x):\\n    return x + 1\", \"input\": \"1\", \"output\": \"2\"}\n"
        "{\"program\": \"y = 1\\ndef f(x):\\n    return y\", \"input\": \"1\", "
        "\"output\": \"1\"}\n";
    char *model = tiny_run_path(&tiny, "model"), *from = tiny_run_path(&tiny, "tasks.jsonl");
    char *run = tiny_run_path(&tiny, "always");
    assert_int_equal(azr_file_write(from, tasks, strlen(tasks), NULL), AZR_OK);
    const char *const propose[] = {azr_test_binary(),
                                   "propose",
                                   "-m",
                                   model,
                                   "--kind",
                                   "error",
                                   "--from",
                                   from,
                                   "-n",
                                   "40",
                                   "--json",
                                   "--set",
                                   "composite_chance=1",
                                   "--set",
                                   "composite_max=2",
                                   "--set",
                                   "max_response_tokens=12",
                                   "--set",
                                   "exec_require=limits",
                                   NULL};
    azr_test_process process = azr_test_process_run(propose, NULL);
    if (process.code != 0)
        fail_msg("%s", process.err);
    assert_non_null(strstr(process.out, "\"program\":\"def g_0(x):\\n    return x + 1\\ndef f(a)"));
    assert_non_null(strstr(process.out, "\"verdict\":\"not_composed\""));
    assert_non_null(strstr(process.out, "\"output\":\"NoError\""));
    azr_test_process_deinit(&process);
    const char *const info[] = {azr_test_binary(), "info", run, NULL};
    process = azr_test_process_run(info, NULL);
    assert_int_equal(process.code, 0);
    assert_non_null(strstr(process.out, "chance 1, 1 to 1, from step 1"));
    assert_non_null(strstr(process.out, "composite tasks"));
    azr_test_process_deinit(&process);
    azr_free(model);
    azr_free(from);
    azr_free(run);
}

/* With the error kind, growing, drawn by step; stopped and resumed, or not. */
static void test_resume(void **state)
{
    (void)state;
    enum { N = 8, TOTAL = 7 };
    const char *sets[N + 1] = {"kinds=deduction,abduction,induction,error",
                               "composite_chance=0.4",
                               "composite_chance_every=1",
                               "composite_chance_by=0.2",
                               "composite_max_every=1",
                               "reference_sampling=step",
                               "refuse_repeated=true",
                               "total_steps=4",
                               NULL};
    tiny_run_train(&tiny, "whole-4", false, sets);
    assert_true(count("whole-4", "SELECT count(*) FROM attempts WHERE kind = 'error' AND prompt "
                                 "LIKE '%# f calls%'") > 0.0);
    sets[TOTAL] = "total_steps=2";
    tiny_run_train(&tiny, "cut-2", false, sets);
    sets[TOTAL] = "total_steps=4";
    tiny_run_train(&tiny, "cut-2", true, sets);
    tiny_run_equal(&tiny, "whole-4", "cut-2", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule), cmocka_unit_test(test_off_by_default),
        cmocka_unit_test(test_chance),   cmocka_unit_test(test_start_step),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_growing_chance),
        cmocka_unit_test(test_own_code), cmocka_unit_test(test_adds_nothing),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
