/* test_more_switches.c: limits of terms, moments, tasks and runs: each test fails when its option
 * is ignored. */
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

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a):\\n...     return 'x' * 100\\n>>> f(6)\\n\\n",
        "a):\\n...     return len(bytearray(30 << 20))\\n>>> f(7)\\n\\n",
        "a):\\n...     return sum(range(1000000))\\n>>> f(8)\\n\\n",
        NULL,
    };
    tiny_run_create_with(&tiny, pieces);
    return 0;
}

static void set(azr_config *config, const char *name, double value)
{
    char text[80];
    azr_error error;
    snprintf(text, sizeof text, "%s=%g", name, value);
    if (azr_config_set(config, text, &error) != AZR_OK)
        fail_msg("%s", error.text);
}

/* A term is its value times its weight, and no more than its limit. */
static void test_terms(void **state)
{
    (void)state;
    static const struct {
        const char *coef, *max;
        azr_intrinsic which;
        azr_kind kind;
    } rows[] = {
        {"complexity_coef", "complexity_max", AZR_INTRINSIC_COMPLEXITY, AZR_KIND_DEDUCTION},
        {"edit_distance_coef", "edit_distance_max", AZR_INTRINSIC_EDIT_DISTANCE,
         AZR_KIND_ABDUCTION},
        {"halstead_coef", "halstead_max", AZR_INTRINSIC_HALSTEAD, AZR_KIND_DEDUCTION},
        {"answer_diversity_coef", "answer_diversity_max", AZR_INTRINSIC_ANSWER_DIVERSITY,
         AZR_KIND_ERROR},
        {"input_diversity_coef", "input_diversity_max", AZR_INTRINSIC_INPUT_DIVERSITY,
         AZR_KIND_INDUCTION},
        {"output_diversity_coef", "output_diversity_max", AZR_INTRINSIC_OUTPUT_DIVERSITY,
         AZR_KIND_INDUCTION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        azr_config config;
        azr_config_init(&config);
        azr_proposal_try try = {.verdict = AZR_VERDICT_VALID, .task = {.kind = rows[i].kind}};
        double terms[AZR_N_INTRINSIC];
        try.intrinsic[rows[i].which] = 0.75;
        assert_int_equal(azr_train__terms(&config, &try, terms), 0);
        set(&config, rows[i].coef, 0.5);
        assert_int_equal(azr_train__terms(&config, &try, terms), 1);
        assert_true(terms[0] == 0.375);
        set(&config, rows[i].max, 0.25);
        assert_int_equal(azr_train__terms(&config, &try, terms), 1);
        assert_true(terms[0] == 0.25);
        /* Of a kind that has no such term, and of no task. */
        try.task.kind =
            rows[i].kind == AZR_KIND_INDUCTION ? AZR_KIND_DEDUCTION : AZR_KIND_INDUCTION;
        assert_int_equal(azr_train__terms(&config, &try, terms), 0);
        try.task.kind = rows[i].kind;
        try.verdict = AZR_VERDICT_FAILED;
        assert_int_equal(azr_train__terms(&config, &try, terms), 0);
        azr_config_deinit(&config);
    }
}

static void train(const char *name, const char *one, const char *two, const char *three)
{
    const char *const sets[] = {"total_steps=3", one, two, three, NULL};
    tiny_run_train(&tiny, name, false, sets);
}

/* Each moment's option changes where the third step starts. */
static void test_adam(void **state)
{
    (void)state;
    static const char *const sets[] = {"adam_beta1=0.2", "adam_beta2=0.5", "adam_eps=0.1",
                                       "weight_decay=0.9"};
    train("adam", NULL, NULL, NULL);
    double before = tiny_run_metric(&tiny, "adam", 3, "actor/entropy");
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char name[32];
        snprintf(name, sizeof name, "adam-%zu", i);
        train(name, sets[i], NULL, NULL);
        assert_true(tiny_run_metric(&tiny, name, 1, "actor/entropy") ==
                    tiny_run_metric(&tiny, "adam", 1, "actor/entropy"));
        if (tiny_run_metric(&tiny, name, 3, "actor/entropy") == before)
            fail_msg("%s changes nothing", sets[i]);
    }
}

static void test_entropy_coef_max(void **state)
{
    (void)state;
    train("steered", "entropy_target=50", "entropy_rate=10", "entropy_coef_max=0.0625");
    assert_true(tiny_run_metric(&tiny, "steered", 3, "actor/entropy_coef") == 0.0625);
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

static void test_induction_inputs(void **state)
{
    (void)state;
    static const char n_of_four[] = "SELECT count(*) FROM tasks WHERE kind = 'induction' AND id > "
                                    "3 AND json_array_length(inputs) = 4";
    static const char n_of_others[] = "SELECT count(*) FROM tasks WHERE kind = 'induction' AND id "
                                      "> 3 AND json_array_length(inputs) <> 4";
    train("pairs", "induction_inputs=4", "batch_size=8", NULL);
    assert_true(count("pairs", n_of_four) > 0.0 && count("pairs", n_of_others) == 0.0);
}

static double refused(const char *run, const char *like, const char *verdict)
{
    char sql[240];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM attempts WHERE kind <> 'induction' AND role = 'proposer' AND "
             "completion LIKE 'a):%%%s%%' AND completion NOT LIKE '%%a):%%a):%%' AND verdict %s",
             like, verdict);
    return count(run, sql);
}

/* What is valid with the usual limits is refused with smaller ones. */
static void test_sandbox_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name, *set, *more, *like, *verdict;
    } rows[] = {
        {"result", "exec_result_bytes=64", NULL, "* 100", "= 'too_long'"},
        {"memory", "exec_memory_mb=16", NULL, "bytearray", "= 'failed'"},
        {"cpu", "exec_cpu_ms=10", "exec_wall_ms=60000", "sum(range", "= 'failed'"},
    };
    train("usual", "batch_size=16", NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(refused("usual", rows[i].like, "= 'valid'") > 0.0);
        train(rows[i].name, "batch_size=16", rows[i].set, rows[i].more);
        assert_true(refused(rows[i].name, rows[i].like, rows[i].verdict) > 0.0);
        assert_true(refused(rows[i].name, rows[i].like, "= 'valid'") == 0.0);
    }
    const char *const engine[] = {"exec_engine=magic", NULL};
    tiny_run_refused(&tiny, "magic", false, engine, "exec_engine");
}

static double n_solved(const char *run, const char *condition)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT count(DISTINCT t.id) FROM attempts a JOIN tasks t ON t.id = a.task_id WHERE "
             "a.purpose = 'solve' AND a.kind = 'deduction' AND %s",
             condition);
    return tiny_run_query(&tiny, run, sql);
}

static double shown_in(const char *run, int step)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT sum(length(prompt) * (id %% 97 + 1)) FROM attempts WHERE step = %d AND "
             "purpose = 'propose'",
             step);
    return tiny_run_query(&tiny, run, sql);
}

/* Two steps prepared together know nothing of each other's tasks, as reference, program or task to
 * solve; the newest tasks are shared out among them. The third step knows both's. */
static void test_prepare_every(void **state)
{
    (void)state;
    azr_strbuf rows = {0};
    for (int i = 0; i < 24; i++)
        azr_strbuf_printf(&rows,
                          "{\"program\": \"def f(a):\\n    return a - %d\\n\", \"input\": \"0\", "
                          "\"output\": \"%d\"}\n",
                          i, -i);
    char *path = tiny_run_path(&tiny, "tasks.jsonl"), start[160];
    assert_int_equal(azr_file_write(path, rows.data, rows.size, NULL), AZR_OK);
    snprintf(start, sizeof start, "tasks=%s", path);
    azr_free(path);
    azr_strbuf_deinit(&rows);
    const char *const apart[] = {start, "batch_size=8", "solver_mix=max_new", "total_steps=3",
                                 NULL};
    const char *const together[] = {start,           "batch_size=8",    "solver_mix=max_new",
                                    "total_steps=3", "prepare_every=2", NULL};
    const char *const two[] = {start,           "batch_size=8",    "solver_mix=max_new",
                               "total_steps=2", "prepare_every=2", NULL};
    const char *const by_step[] = {start,           "batch_size=8",    "solver_mix=step",
                                   "total_steps=2", "prepare_every=2", NULL};
    tiny_run_train(&tiny, "apart", false, apart);
    tiny_run_train(&tiny, "together", false, together);
    assert_true(shown_in("apart", 1) == shown_in("together", 1));
    assert_true(shown_in("apart", 2) != shown_in("together", 2));
    assert_true(n_solved("apart", "a.step = 2 AND t.step = 1") > 0.0);
    assert_true(n_solved("together", "a.step = 2 AND t.step = 1") == 0.0);
    assert_true(n_solved("together", "a.step = 3 AND t.step IN (1, 2)") > 0.0);
    /* Seeds are the newest tasks of both steps: none comes up in both. */
    assert_true(n_solved("together", "a.step = 1") + n_solved("together", "a.step = 2") ==
                n_solved("together", "a.step IN (1, 2)"));
    tiny_run_train(&tiny, "stopped", false, two);
    tiny_run_train(&tiny, "stopped", true, together);
    tiny_run_equal(&tiny, "stopped", "together", 3);
    /* By step seeds have no chance, and there is nothing else before step 3: all alike then. */
    tiny_run_train(&tiny, "by-step", false, by_step);
    assert_true(n_solved("by-step", "t.step > 0") == 0.0);
    assert_true(n_solved("by-step", "t.step = 0") > 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_entropy_coef_max),
        cmocka_unit_test(test_induction_inputs),
        cmocka_unit_test(test_sandbox_limits),
        cmocka_unit_test(test_prepare_every),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
