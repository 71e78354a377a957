/* test_intrinsic.c: what programs and answers are measured by, against worked values; the programs
 * are looked at in a real sandbox. */
#include "train/analysis.h"
#include "train/answer_counts.h"
#include "train/trainer.h"

#include "base/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static azr_executor *executor;
static azr_error error;

static int set_up(void **state)
{
    (void)state;
    azr_executor_options options = azr_executor_default_options();
    options.n_workers = 1;
    options.required = AZR_EXEC_LEVEL_LIMITS;
    if (azr_executor_create(&options, &executor, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    azr_executor_destroy(executor);
    return 0;
}

static void assert_near(double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%.12g is not %.12g", got, want);
}

static const char *const programs[] = {
    "def f(a):\n    return a\n",
    /* cognitive: if 1, elif 1, else 1; McCabe: 3 */
    "def f(a):\n    if a:\n        return 1\n    elif a is None:\n        return 2\n"
    "    else:\n        return 3\n",
    /* for 1, if 2, and 1, nested while 2 */
    "def f(a):\n    for b in a:\n        if b and a:\n            b = 1\n        while b:\n"
    "            b -= 1\n    return a\n",
    "def f(:\n",
    "def f(a):\n    return '\\\\' + \"'\\n\" + '\xc3\xa9'\n",
    "def f(a):\n    return a + a * 2\n",
};

static azr_analysis analyse_all(void)
{
    azr_analysis analysis = {0};
    if (azr_analysis_run(&analysis, executor, programs, AZR_COUNT(programs), &error) != AZR_OK ||
        azr_analysis_run(&analysis, executor, programs, 2, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_int_equal(analysis.n, AZR_COUNT(programs));
    return analysis;
}

static void test_complexity(void **state)
{
    (void)state;
    azr_analysis analysis = analyse_all();
    static const double cognitive[] = {0, 3, 6, 0, 0, 0}, cyclomatic[] = {1, 3, 5, 0, 1, 1};
    for (size_t i = 0; i < AZR_COUNT(programs); i++) {
        const azr_program_shape *shape = azr_analysis_find(&analysis, programs[i]);
        assert_non_null(shape);
        assert_near(shape->cognitive, cognitive[i], 0.0);
        assert_near(shape->cyclomatic, cyclomatic[i], 0.0);
        assert_true((shape->tree == NULL) == (i == 3));
    }
    assert_null(azr_analysis_find(&analysis, "else"));
    azr_analysis_deinit(&analysis);
}

/* a + a * 2: operators Add, Mult; operands a, a * 2 and a, 2: four, three of them distinct. */
static void test_halstead(void **state)
{
    (void)state;
    azr_analysis analysis = analyse_all();
    const azr_program_shape *shape = azr_analysis_find(&analysis, programs[5]);
    double volume = 6.0 * log2(5.0), effort = 2.0 * 4.0 / 6.0 * volume;
    assert_near(shape->volume, volume, 1e-9);
    assert_near(shape->effort, effort, 1e-9);
    double mixed = 0.5 * effort / 10000.0 + 0.3 * 0.1 + 0.2 * volume / 500.0;
    assert_near(azr_shape_halstead(shape), mixed, 5e-4);
    assert_near(azr_shape_halstead(shape) * 1000.0, round(azr_shape_halstead(shape) * 1000.0),
                1e-9);
    const azr_program_shape huge = {.effort = 1e9, .cyclomatic = 99.0, .volume = 1e6};
    assert_near(azr_shape_halstead(&huge), 1.0, 1e-12);
    azr_analysis_deinit(&analysis);
}

static void test_distance(void **state)
{
    (void)state;
    azr_analysis analysis = analyse_all();
    const azr_program_shape *plain = azr_analysis_find(&analysis, programs[0]);
    const azr_program_shape *sum = azr_analysis_find(&analysis, programs[5]);
    const azr_program_shape *loop = azr_analysis_find(&analysis, programs[2]);
    assert_near(azr_shape_distance(plain, plain), 0.0, 0.0);
    double near = azr_shape_distance(plain, sum), far = azr_shape_distance(plain, loop);
    assert_true(near > 0.0 && near < far && far < 1.0);
    assert_near(azr_shape_distance(plain, azr_analysis_find(&analysis, programs[3])), 0.0, 0.0);
    azr_analysis_deinit(&analysis);
}

static void test_answer_counts(void **state)
{
    (void)state;
    azr_answer_counts counts = {0};
    assert_near(azr_answer_counts_diversity(&counts, false, "1"), 1.0, 0.0);
    static const char *const texts[] = {"1", "1", "2", "'a'", "[1]", "1, 2", "x=1", "1"};
    for (size_t i = 0; i < AZR_COUNT(texts); i++)
        azr_answer_counts_add(&counts, texts[i]);
    assert_near(azr_answer_counts_diversity(&counts, false, "1"), 1.0 - 3.0 / 8.0, 1e-12);
    assert_near(azr_answer_counts_diversity(&counts, false, "3"), 1.0, 0.0);
    /* Four ints of eight texts, three of them 1. */
    assert_near(azr_answer_counts_diversity(&counts, true, "1"), 0.5 * 0.5 + 0.5 * 0.25, 1e-12);
    assert_near(azr_answer_counts_diversity(&counts, true, "3"), 0.5 * 0.5 + 0.5, 1e-12);
    assert_near(azr_answer_counts_diversity(&counts, true, "{1}"), 1.0, 0.0);
    /* int, str ('a' and what is no literal), list, tuple. */
    assert_int_equal(counts.n_types, 4);
    assert_string_equal(counts.types[1].name, "str");
    assert_int_equal(counts.types[1].n, 2);
    assert_string_equal(counts.types[3].name, "tuple");
    char text[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        azr_answer_counts_add(&counts, text);
    }
    assert_int_equal(counts.types[0].n_distinct, 1000);
    assert_int_equal(counts.n, 1008);
    assert_near(azr_answer_counts_diversity(&counts, false, "1"), 1.0 - 4.0 / 1008.0, 1e-12);
    azr_answer_counts_deinit(&counts);
}

/* Each option moves its own term, for its own kinds, and no other. */
static void test_terms(void **state)
{
    (void)state;
    static const char *const names[AZR_N_INTRINSIC] = {
        [AZR_INTRINSIC_COMPLEXITY] = "complexity",
        [AZR_INTRINSIC_EDIT_DISTANCE] = "edit_distance",
        [AZR_INTRINSIC_HALSTEAD] = "halstead",
        [AZR_INTRINSIC_ANSWER_DIVERSITY] = "answer_diversity",
        [AZR_INTRINSIC_INPUT_DIVERSITY] = "input_diversity",
        [AZR_INTRINSIC_OUTPUT_DIVERSITY] = "output_diversity"};
    for (int which = 0; which < AZR_N_INTRINSIC; which++)
        for (int kind = 0; kind <= (int)AZR_KIND_INDUCTION; kind++) {
            bool applies =
                (which >= (int)AZR_INTRINSIC_INPUT_DIVERSITY) == (kind == (int)AZR_KIND_INDUCTION);
            azr_proposal_try try = {.verdict = AZR_VERDICT_VALID, .task = {.kind = (azr_kind)kind}};
            for (int i = 0; i < AZR_N_INTRINSIC; i++)
                try.intrinsic[i] = i == which ? 0.6 : 77.0;
            azr_config config;
            double terms[AZR_N_INTRINSIC];
            char set[64];
            azr_config_init(&config);
            assert_int_equal(azr_train__terms(&config, &try, terms), 0);
            assert_false(azr_train__has_intrinsic(&config, (azr_kind)kind, (azr_intrinsic)which));
            snprintf(set, sizeof set, "%s_coef=0.5", names[which]);
            assert_int_equal(azr_config_set(&config, set, &error), AZR_OK);
            assert_int_equal(azr_train__terms(&config, &try, terms), applies ? 1 : 0);
            assert_int_equal(
                azr_train__has_intrinsic(&config, (azr_kind)kind, (azr_intrinsic)which), applies);
            if (applies)
                assert_near(terms[0], 0.3, 1e-12);
            snprintf(set, sizeof set, "%s_max=0.125", names[which]);
            assert_int_equal(azr_config_set(&config, set, &error), AZR_OK);
            if (azr_train__terms(&config, &try, terms) > 0)
                assert_near(terms[0], 0.125, 0.0);
            try.verdict = AZR_VERDICT_FAILED;
            assert_int_equal(azr_train__terms(&config, &try, terms), 0);
            azr_config_deinit(&config);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complexity), cmocka_unit_test(test_halstead),
        cmocka_unit_test(test_distance),   cmocka_unit_test(test_answer_counts),
        cmocka_unit_test(test_terms),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
