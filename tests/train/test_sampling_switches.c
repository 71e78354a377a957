/* test_sampling_switches.c: how a run samples: each test fails when its option is ignored, by
 * proposers or by solvers. */
#include "../support/tiny_fixture.h"

#include "train/trainer.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    /* What makes proposals and answers of several tokens valid too. */
    static const char *const pieces[] = {"a):\\n...     return -a", "\\n>>> f(4)\\n\\n", "-1",
                                         NULL};
    tiny_run_create_with(&tiny, pieces);
    return 0;
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

static void train(const char *name, const char *one, const char *two, const char *three)
{
    const char *const sets[] = {"total_steps=1", "seed_tasks=1", one, two, three, NULL};
    tiny_run_train(&tiny, name, false, sets);
}

/* --- which token is drawn --------------------------------------------------------------------- */

/* The most that completions of one prompt differ. */
static double most_distinct(const char *run, const char *role)
{
    char sql[240];
    snprintf(
        sql, sizeof sql,
        "SELECT max(n) FROM (SELECT count(DISTINCT completion) AS n FROM attempts WHERE step = "
        "1 AND role = '%s' GROUP BY kind, prompt)",
        role);
    return count(run, sql);
}

/* Where one token is left, all completions of a prompt are the same; in the cold fewer differ. */
static void test_draws(void **state)
{
    (void)state;
    static const char *const sets[] = {"top_k=1", "top_p=0.01", "temperature=0.01"};
    static const char *const roles[] = {"proposer", "solver"};
    train("plain", "batch_size=48", NULL, NULL);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        train(sets[i], "batch_size=48", sets[i], NULL);
        for (size_t j = 0; j < 2; j++) {
            double before = most_distinct("plain", roles[j]), n = most_distinct(sets[i], roles[j]);
            assert_true(before > 10.0);
            if (i < 2 ? n != 1.0 : n > 0.8 * before)
                fail_msg("%s: %g completions of one %s's prompt, %g without", sets[i], n, roles[j],
                         before);
        }
    }
}

/* --- prompts ---------------------------------------------------------------------------------- */

/* Prompts and their references are drawn once for four proposals. */
static void test_proposals_per_prompt(void **state)
{
    (void)state;
    static const char n_prompts[] = "SELECT count(DISTINCT kind || prompt) FROM attempts WHERE "
                                    "step = 1 AND purpose = 'propose'";
    const char *const one[] = {"total_steps=1", "batch_size=8", NULL};
    const char *const four[] = {"total_steps=1", "batch_size=8", "proposals_per_prompt=4", NULL};
    tiny_run_train(&tiny, "one-each", false, one);
    tiny_run_train(&tiny, "four-each", false, four);
    assert_true(count("one-each", n_prompts) > 6.0);
    assert_true(count("four-each", n_prompts) <= 6.0);
    assert_true(count("four-each", "SELECT count(*) FROM attempts WHERE step = 1 AND purpose = "
                                   "'propose'") == 24.0);
    assert_true(count("four-each", "SELECT sum(n % 4) FROM (SELECT count(*) AS n FROM attempts "
                                   "WHERE step = 1 AND purpose = 'propose' GROUP BY kind, "
                                   "prompt)") == 0.0);
}

static double longest_prompt(const char *run, const char *group)
{
    char name[80];
    snprintf(name, sizeof name, "%s/prompt_length/max", group);
    return tiny_run_metric(&tiny, run, 1, name);
}

/* Proposers are shown fewer references, and tasks that are too long are not asked. */
static void test_max_prompt_tokens(void **state)
{
    (void)state;
    static const char tasks[] =
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return a\\n\",\"input\":\"2\","
        "\"output\":\"2\"}\n"
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return a\\n\",\"input\":\"3\","
        "\"output\":\"3\"}\n"
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return len(a)\\n\",\"input\":"
        "\"'a text of very many tokens, of which each byte here is one, which is far too many, at "
        "least for the short prompts of the second run'\",\"output\":\"131\"}\n";
    static const char n_long[] = "SELECT count(*) FROM attempts WHERE role = 'solver' AND prompt "
                                 "LIKE '%far too many%'";
    char *path = tiny_run_path(&tiny, "tasks.jsonl"), set[128];
    assert_int_equal(azr_file_write(path, tasks, sizeof tasks - 1, NULL), AZR_OK);
    snprintf(set, sizeof set, "tasks=%s", path);
    train("long", set, "solver_mix=uniform", "references=6");
    train("short", set, "solver_mix=uniform", "max_prompt_tokens=120");
    assert_true(longest_prompt("long", "gen_code_o") > 120.0 && count("long", n_long) > 0.0);
    assert_in_range((int)longest_prompt("short", "gen_code_o"), 60, 120);
    assert_in_range((int)longest_prompt("short", "pred_code_o"), 20, 120);
    assert_true(count("short", n_long) == 0.0);
    azr_free(path);
}

/* --- lengths ---------------------------------------------------------------------------------- */

static double longest(const char *run, const char *condition)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT max(n_tokens) FROM attempts WHERE %s", condition);
    return count(run, sql);
}

static void test_lengths(void **state)
{
    (void)state;
    static const char proposals[] = "role = 'proposer'";
    static const char programs[] = "role = 'solver' AND kind = 'induction'";
    static const char answers[] = "role = 'solver' AND kind <> 'induction'";
    train("lengths", "solver_samples=4", "max_response_tokens=9", "max_answer_tokens=7");
    assert_true(longest("lengths", proposals) > 2.0 && longest("lengths", programs) > 2.0);
    assert_true(longest("lengths", answers) > 2.0);
    train("answers", "solver_samples=4", "max_response_tokens=9", "max_answer_tokens=1");
    assert_true(longest("answers", proposals) > 2.0 && longest("answers", programs) > 2.0);
    assert_true(longest("answers", answers) == 1.0);
    train("responses", "solver_samples=4", "max_response_tokens=2", "max_answer_tokens=1");
    assert_true(longest("responses", proposals) == 2.0 && longest("responses", programs) == 2.0);
}

/* Rounds of a batch for each of two kinds, however many triplets are missing. */
static void test_seed_rounds(void **state)
{
    (void)state;
    static const char n_tries[] =
        "SELECT count(*) FROM attempts WHERE step = 0 AND kind <> 'induction'";
    for (int n = 1; n <= 3; n += 2) {
        char set[32];
        snprintf(set, sizeof set, "seed_rounds=%d", n);
        const char *const sets[] = {
            "total_steps=0", "seed_tasks=500", "batch_size=2", "kinds=deduction", set, NULL};
        tiny_run_train(&tiny, set, false, sets);
        assert_true(count(set, n_tries) == 4.0 * n);
    }
}

/* --- scheduling ------------------------------------------------------------------------------- */

static azr_trainer *open_trainer(const char *name, const char *set)
{
    char *file = tiny_run_path(&tiny, "config.yaml"), *run = tiny_run_path(&tiny, name);
    azr_config config;
    azr_trainer *trainer = NULL;
    azr_error error = {0};
    char assignment[200];
    snprintf(assignment, sizeof assignment, "run=%s", run);
    azr_config_init(&config);
    if (azr_config_load(&config, file, &error) != AZR_OK ||
        azr_config_set(&config, assignment, &error) != AZR_OK ||
        azr_config_set(&config, "estimate_samples=200", &error) != AZR_OK ||
        azr_config_set(&config, set, &error) != AZR_OK ||
        azr_trainer_create(&config, false, NULL, &trainer, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_config_deinit(&config);
    azr_free(file);
    azr_free(run);
    return trainer;
}

/* Whether programs were handed to the sandbox in the order in which their sequences were asked for,
 * in a step that proposes abduction tasks from the identity alone and solves them. */
static void hand_in(const char *name, const char *set, bool *out_proposals, bool *out_answers)
{
    azr_trainer *trainer = open_trainer(name, set);
    azr_error error = {0};
    azr_stored_task row = {0};
    azr_proposals proposals;
    azr_solutions solutions;
    const azr_propose_plan plan = {.step = 1, .n_proposals[AZR_KIND_ABDUCTION] = 32};
    azr_task_identity(AZR_KIND_ABDUCTION, &row.task);
    if (azr_buffer_add_task(trainer->buffer, &row, 0, &error) != AZR_OK ||
        azr_train__propose(trainer, &plan, &proposals, &error) != AZR_OK ||
        azr_train__solve(trainer, 1, &proposals, &solutions, &error) != AZR_OK)
        fail_msg("%s", error.text);
    *out_proposals = *out_answers = true;
    uint64_t last = 0;
    for (size_t i = 0; i < proposals.n_tries; i++)
        if (proposals.tries[i].submitted) {
            *out_proposals &= proposals.tries[i].ticket > last;
            last = proposals.tries[i].ticket;
        }
    last = 0;
    for (size_t i = 0; i < solutions.n_tries; i++) {
        const azr_attempt_try *try = &solutions.tries[i];
        if (i > 0 && try->prompt != solutions.tries[i - 1].prompt)
            last = 0;
        if (try->submitted) {
            *out_answers &= try->ticket > last;
            last = try->ticket;
        }
    }
    azr_solutions_deinit(&solutions);
    azr_proposals_deinit(&proposals);
    azr_stored_task_deinit(&row);
    azr_trainer_destroy(trainer);
}

/* One after the other they end in their order, together the shorter ones end first. */
static void test_streams(void **state)
{
    (void)state;
    bool proposals, answers;
    hand_in("one-stream", "streams=1", &proposals, &answers);
    assert_true(proposals && answers);
    hand_in("many-streams", "streams=64", &proposals, &answers);
    assert_true(!proposals && !answers);
}

/* A cache too small for one sequence is refused, where the first are proposals and where there are
 * answers only. */
static void test_kv_tokens(void **state)
{
    (void)state;
    static const char task[] =
        "{\"kind\":\"deduction\",\"program\":\"def f(a):\\n    return a\\n\","
        "\"input\":\"2\",\"output\":\"2\"}\n";
    char *path = tiny_run_path(&tiny, "task.jsonl"), set[128];
    snprintf(set, sizeof set, "tasks=%s", path);
    const char *const propose[] = {"kv_tokens=16", NULL};
    const char *const solve[] = {"kv_tokens=16", "pretrain_pred_steps=1", set, NULL};
    assert_int_equal(azr_file_write(path, task, sizeof task - 1, NULL), AZR_OK);
    tiny_run_refused(&tiny, "small-cache", false, propose, "KV cache of 16 tokens");
    tiny_run_refused(&tiny, "small-solver", false, solve, "KV cache of 16 tokens");
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_proposals_per_prompt),
        cmocka_unit_test(test_max_prompt_tokens),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_seed_rounds),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_kv_tokens),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
