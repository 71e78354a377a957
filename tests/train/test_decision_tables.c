/* test_decision_tables.c: the reference's tables of rewards and advantages, row by row, from a
 * reply in the dialogue's form (template azr) through parsing, sandbox and verdict to the number;
 * and that a run gives just these numbers. */
#include "azr/rl.h"
#include "azr/tasks.h"

#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static azr_executor *executor;
static const azr_template *dialogue;
static azr_error error;

static int set_up(void **state)
{
    (void)state;
    azr_executor_options options = azr_executor_default_options();
    options.required = AZR_EXEC_LEVEL_LIMITS;
    if (azr_template_find("azr", &dialogue, &error) != AZR_OK ||
        azr_executor_create(&options, &executor, &error) != AZR_OK)
        fail_msg("%s", error.text);
    const char *const sets[] = {"total_steps=3", "batch_size=12", "estimate_samples=12", NULL};
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "run", false, sets);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    azr_executor_destroy(executor);
    tiny_run_remove(&tiny);
    return 0;
}

static azr_exec_limits limits(void)
{
    azr_exec_limits l = azr_exec_default_limits();
    l.cpu_ms = 400;
    return l;
}

static azr_exec_reply run_job(const azr_exec_job *job)
{
    azr_exec_reply reply = {0};
    if (azr_executor_run(executor, job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return reply;
}

/* --- the proposer ----------------------------------------------------------------------------- */

#define THOUGHT "so </think>\n<answer>"
#define PROGRAM "```python\ndef f(a):\n    return a\n```\n"
#define CODE(text) "```python\n" text "\n```\n"
#define INPUT "```input\n1\n```\n"
#define FOUR INPUT "```input\n2\n```\n" INPUT_3 "```input\n4\n```\n"
#define INPUT_3 "```input\n3\n```\n"
#define MESSAGE "```message\nm\n```\n"

/* What a reply ended at: at the tag that it lacks, or by itself. */
static const char *end_of(const char *reply)
{
    return strstr(reply, "</answer>") != NULL ? "" : "</answer>";
}

static azr_verdict propose(azr_kind kind, const char *reply)
{
    const azr_program_rules rules = {.one_function = true, .banned = "random,os.path"};
    const azr_proposal_request request = {
        .kind = kind,
        .program = kind == AZR_KIND_INDUCTION ? "def f(a):\n    return 6 // a\n" : NULL,
        .n_inputs = kind == AZR_KIND_INDUCTION ? 4 : 0,
        .rules = &rules};
    azr_proposal proposal;
    azr_task task = {0};
    azr_template_parse_proposal(dialogue, &request, reply, strlen(reply), end_of(reply), &proposal);
    azr_verdict verdict = proposal.verdict;
    if (verdict == AZR_VERDICT_VALID) {
        azr_exec_job job = azr_proposal_job(&proposal, limits());
        azr_exec_reply runs = run_job(&job);
        verdict = azr_proposal_judge(&proposal, &runs, limits(), &task, NULL);
        azr_exec_reply_deinit(&runs);
        azr_task_deinit(&task);
    }
    azr_proposal_deinit(&proposal);
    return verdict;
}

/* Everything that ends in "no valid proposal", and what is one; a reply that lacks the form is none
 * here, whatever its program. */
static void test_proposer(void **state)
{
    (void)state;
    static const struct {
        azr_kind kind;
        const char *reply;
        azr_verdict verdict;
    } rows[] = {
        {AZR_KIND_DEDUCTION, THOUGHT PROGRAM INPUT "</answer>", AZR_VERDICT_VALID},
        {AZR_KIND_ABDUCTION, THOUGHT PROGRAM INPUT "</answer> more", AZR_VERDICT_VALID},
        {AZR_KIND_DEDUCTION, THOUGHT PROGRAM INPUT, AZR_VERDICT_VALID}, /* sampling ends there */
        {AZR_KIND_DEDUCTION, "so </think>" PROGRAM INPUT, AZR_VERDICT_NO_REPLY},
        {AZR_KIND_DEDUCTION, "so <answer>" PROGRAM INPUT "</answer>", AZR_VERDICT_NO_REPLY},
        {AZR_KIND_DEDUCTION, "so </think> it is <answer>" PROGRAM INPUT, AZR_VERDICT_NO_REPLY},
        {AZR_KIND_DEDUCTION, THOUGHT INPUT "</answer>", AZR_VERDICT_NO_PROGRAM},
        {AZR_KIND_DEDUCTION, THOUGHT PROGRAM "</answer>", AZR_VERDICT_NO_CALL},
        {AZR_KIND_DEDUCTION, THOUGHT CODE("f = abs") INPUT, AZR_VERDICT_NO_PROGRAM},
        {AZR_KIND_DEDUCTION,
         THOUGHT CODE("def f(a):\n    return g(a)\ndef g(a):\n    return a") INPUT,
         AZR_VERDICT_SEVERAL_FUNCTIONS},
        {AZR_KIND_DEDUCTION, THOUGHT CODE("import random\ndef f(a):\n    return a") INPUT,
         AZR_VERDICT_FORBIDDEN},
        {AZR_KIND_DEDUCTION, THOUGHT CODE("def f(a):\n    retrun a") INPUT, AZR_VERDICT_FAILED},
        {AZR_KIND_DEDUCTION, THOUGHT CODE("def f(a):\n    return a[0]") INPUT, AZR_VERDICT_FAILED},
        {AZR_KIND_DEDUCTION, THOUGHT CODE("def f(a):\n    while a: pass") INPUT,
         AZR_VERDICT_FAILED},
        {AZR_KIND_DEDUCTION, THOUGHT CODE("def f(a):\n    return id(a)") INPUT,
         AZR_VERDICT_NONDETERMINISTIC},
        {AZR_KIND_INDUCTION, THOUGHT FOUR MESSAGE, AZR_VERDICT_VALID},
        {AZR_KIND_INDUCTION, THOUGHT INPUT INPUT_3 MESSAGE, AZR_VERDICT_FEW_INPUTS},
        {AZR_KIND_INDUCTION, THOUGHT FOUR, AZR_VERDICT_NO_MESSAGE},
        {AZR_KIND_INDUCTION, THOUGHT INPUT INPUT_3 "```input\n0\n```\n```input\n4\n```\n" MESSAGE,
         AZR_VERDICT_FAILED}, /* one of them */
        {AZR_KIND_INDUCTION, "so <answer>" FOUR MESSAGE, AZR_VERDICT_NO_REPLY},
    };
    const azr_proposer_rules code = {.zero_reward = -0.5}, paper = {.zero_reward = 0.0};
    for (size_t i = 0; i < AZR_COUNT(rows); i++) {
        azr_verdict verdict = propose(rows[i].kind, rows[i].reply);
        if (verdict != rows[i].verdict)
            fail_msg("row %zu: %s", i, azr_verdict_name(verdict));
        bool valid = verdict == AZR_VERDICT_VALID;
        for (int n = 0; n <= 8; n++) {
            double want = !valid ? -1.0 : n == 0 || n == 8 ? -0.5 : 1.0 - n / 8.0;
            assert_true(azr_reward_proposer(&code, valid, n / 8.0, NULL, 0) == want);
            want = want == -0.5 ? 0.0 : want;
            assert_true(azr_reward_proposer(&paper, valid, n / 8.0, NULL, 0) == want);
        }
    }
}

/* The same in a run: by verdict, and for valid ones by how many of twelve answers were right; and
 * every valid task is stored, also one that earns nothing. */
static void test_proposer_in_a_run(void **state)
{
    (void)state;
    assert_true(tiny_run_query(&tiny, "run",
                               "SELECT count(*) FROM attempts WHERE purpose = 'propose' AND "
                               "verdict <> 'valid' AND reward <> -1") == 0.0);
    static const char of_new[] =
        "FROM attempts a JOIN tasks t ON t.id = a.task_id AND t.step = a.step WHERE a.purpose = "
        "'propose' AND a.verdict = 'valid'";
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT count(*) %s AND abs(a.reward - CASE t.n_correct WHEN 0 THEN -0.5 WHEN 12 THEN "
             "-0.5 ELSE 1 - t.n_correct / 12.0 END) > 1e-9",
             of_new);
    assert_true(tiny_run_query(&tiny, "run", sql) == 0.0);
    snprintf(sql, sizeof sql, "SELECT count(*) %s AND a.reward > 0", of_new);
    assert_true(tiny_run_query(&tiny, "run", sql) > 0.0);
    snprintf(sql, sizeof sql, "SELECT count(*) %s AND a.reward = -0.5", of_new);
    assert_true(tiny_run_query(&tiny, "run", sql) > 0.0);
    assert_true(tiny_run_query(&tiny, "run",
                               "SELECT count(*) FROM attempts WHERE purpose = 'propose' AND "
                               "verdict = 'valid' AND task_id NOT IN (SELECT id FROM tasks)") ==
                0.0);
}

/* --- the solver ------------------------------------------------------------------------------- */

static double solve(const azr_task *task, const char *reply, azr_induction_reward form,
                    bool *out_ran)
{
    azr_answer answer;
    azr_exec_job job;
    azr_exec_reply runs = {0};
    const char *inputs[16];
    double accuracy = 0.0;
    azr_template_parse_answer(dialogue, task, reply, strlen(reply), end_of(reply), &answer);
    *out_ran = azr_answer_job(task, &answer, limits(), inputs, &job);
    if (*out_ran)
        runs = run_job(&job);
    azr_verdict verdict = azr_answer_judge(task, &answer, *out_ran ? &runs : NULL, &accuracy, NULL);
    double success = azr_solver_success(task->kind, verdict, accuracy, form);
    azr_exec_reply_deinit(&runs);
    azr_answer_deinit(&answer);
    return azr_reward_solver(verdict, success);
}

static void test_solver(void **state)
{
    (void)state;
    static const char *const tasks[] = {
        "{\"kind\": \"deduction\", \"program\": \"def f(a):\\n    return a * a\\n\", \"input\": "
        "\"4\", \"output\": \"16\"}",
        "{\"kind\": \"abduction\", \"program\": \"def f(a):\\n    return a * a\\n\", \"input\": "
        "\"4\", \"output\": \"16\"}",
        "{\"kind\": \"induction\", \"program\": \"def f(a):\\n    return abs(a)\\n\", \"inputs\": "
        "[\"1\", \"-2\", \"3\", \"-4\"], \"outputs\": [\"1\", \"2\", \"3\", \"4\"], \"message\": "
        "\"m\"}",
    };
    static const struct {
        int task;
        const char *reply;
        double binary, accuracy, one; /* reward by form of the induction reward */
        bool runs;
    } rows[] = {
        {0, THOUGHT "```output\n16\n```</answer>", 1, 1, 1, false},
        {0, THOUGHT "```output\n17\n```</answer>", -0.5, -0.5, -0.5, false},
        {0, THOUGHT "```output\nsixteen\n```</answer>", -0.5, -0.5, -0.5, false},
        {0, "so <answer>```output\n16\n```</answer>", -1, -1, -1, false},
        {0, "so </think> hence <answer>```output\n16\n```</answer>", -1, -1, -1, false},
        {1, THOUGHT "```input\n4\n```</answer>", 1, 1, 1, true},
        {1, THOUGHT "```input\n-4\n```</answer>", 1, 1, 1, true},
        {1, THOUGHT "```input\n5\n```</answer>", -0.5, -0.5, -0.5, true},
        {1, THOUGHT "```input\n'4'\n```</answer>", -0.5, -0.5, -0.5, true},
        {1, "```input\n4\n```", -1, -1, -1, false}, /* not run */
        {2, THOUGHT "```python\ndef f(a):\n    return abs(a)\n```", 1, 1, 1, true},
        {2, THOUGHT "```python\ndef f(a):\n    return a\n```", -0.5, 0.5, 1, true},
        {2, THOUGHT "```python\ndef f(a):\n    return 9\n```", -0.5, -0.5, -0.5, true},
        {2, THOUGHT "```python\ndef f(a):\n    retrun 9\n```", -0.5, -0.5, -0.5, true},
        {2, THOUGHT "def f(a):\n    return abs(a)\n", -1, -1, -1, false}, /* no block */
        {2, "```python\ndef f(a):\n    return abs(a)\n```", -1, -1, -1, false},
    };
    for (size_t i = 0; i < AZR_COUNT(rows); i++) {
        const char *json = tasks[rows[i].task];
        const double want[] = {rows[i].binary, rows[i].accuracy, rows[i].one};
        azr_task task;
        assert_int_equal(azr_task_from_json(json, strlen(json), &task, &error), AZR_OK);
        for (int form = 0; form < 3; form++) {
            bool ran;
            double reward = solve(&task, rows[i].reply, (azr_induction_reward)form, &ran);
            if (reward != want[form] || ran != rows[i].runs)
                fail_msg("row %zu, form %d: %g, %s", i, form, reward, ran ? "run" : "not run");
        }
        azr_task_deinit(&task);
    }
}

/* --- advantages ------------------------------------------------------------------------------- */

/* One row: rewards and lengths, and the advantages by token and by sequence. */
static void test_advantages(void **state)
{
    (void)state;
    static const struct {
        double rewards[3];
        size_t n, lengths[3];
        double token[3], sequence[3];
    } rows[] = {
        /* the mean is the tokens': -0.125; unbiased: 0.421875 x 40 / 39 */
        {{1, -0.5}, 2, {10, 30}, {1.7102632, -0.5700877}, {0.70710678, -0.70710678}},
        {{1, -0.5}, 2, {20, 20}, {0.98742088, -0.98742088}, {0.70710678, -0.70710678}},
        /* 1e-8 stands inside of the root: 5e-5 / sqrt(5e-9 + 1e-8) */
        {{0, 1e-4}, 2, {1, 1}, {-0.40824829, 0.40824829}, {-0.40824829, 0.40824829}},
        {{-0.5, -0.5, -0.5}, 3, {3, 9, 1}, {0, 0, 0}, {0, 0, 0}},
        {{0.875}, 1, {7}, {0}, {0}},
    };
    for (size_t i = 0; i < AZR_COUNT(rows); i++)
        for (int by_token = 0; by_token < 2; by_token++) {
            double got[3];
            const double *want = by_token ? rows[i].token : rows[i].sequence;
            azr_advantage_whiten(by_token, rows[i].n, rows[i].rewards, rows[i].lengths, got);
            for (size_t j = 0; j < rows[i].n; j++)
                if (!(fabs(got[j] - want[j]) < 1e-6))
                    fail_msg("row %zu, %zu: %.9g, not %.9g", i, j, got[j], want[j]);
        }
}

/* Each of six groups by itself: weighted by tokens its advantages have mean 0 and variance 1. */
static void test_advantages_in_a_run(void **state)
{
    (void)state;
    static const char *const groups[][3] = {
        {"gen_code_o", "propose", "deduction"}, {"gen_code_i", "propose", "abduction"},
        {"gen_code_f", "propose", "induction"}, {"pred_code_o", "solve", "deduction"},
        {"pred_code_i", "solve", "abduction"},  {"pred_code_f", "solve", "induction"},
    };
    size_t n_signals = 0;
    for (int64_t step = 1; step <= 3; step++)
        for (size_t i = 0; i < AZR_COUNT(groups); i++) {
            char sql[700], name[80];
            /* The largest of (reward - mean) / sqrt(variance + 1e-8) over the group's rows. */
            snprintf(sql, sizeof sql,
                     "WITH g AS (SELECT reward AS r, n_tokens AS n FROM attempts WHERE step = %d "
                     "AND purpose = '%s' AND kind = '%s'), m AS (SELECT sum(r * n) / sum(n) AS "
                     "mean, sum(n) * 1.0 AS total FROM g), v AS (SELECT sum(n * (r - mean) * (r - "
                     "mean)) / (total - 1) AS var FROM g, m) SELECT iif(min(r) = max(r), 0, "
                     "(max(r) - mean) / sqrt(var + 1e-8)) FROM g, m, v",
                     (int)step, groups[i][1], groups[i][2]);
            double want = tiny_run_query(&tiny, "run", sql);
            snprintf(name, sizeof name, "%s/critic/advantages/max", groups[i][0]);
            assert_float_equal(tiny_run_metric(&tiny, "run", step, name), want, 1e-5);
            n_signals += want > 0.0;
        }
    assert_true(n_signals >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposer),
        cmocka_unit_test(test_proposer_in_a_run),
        cmocka_unit_test(test_solver),
        cmocka_unit_test(test_advantages),
        cmocka_unit_test(test_advantages_in_a_run),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
