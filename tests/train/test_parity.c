/* test_parity.c: with the reference implementation's settings (configs/paper-3b.yaml) a step
 * samples, runs and learns from as much as its tables say: per kind B proposals and B answers to
 * stored tasks, which are learnt from, and G answers to each new task, which are not; one update.
 * Other than there: the batch of 4 with its 16 seeds, two steps, short texts, and the transcript
 * template, of which a small model's proposals are valid more often. AZR_PARITY_MODEL: a real model
 * to count with in place of the tiny one. The counts are printed as a table. */
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { B = 4, G = 8, N_STEPS = 2, N_PAIRS = 10, N_HIDDEN = 5, N_SEEDS = 16 };

static const char *const kinds[] = {"deduction", "abduction", "induction"};
enum { N_KINDS = AZR_COUNT(kinds) };

static void copy_file(const char *from, const char *to)
{
    char *text, *path = tiny_run_path(&tiny, to);
    size_t size;
    azr_error error;
    if (azr_file_read(from, 1 << 20, &text, &size, &error) != AZR_OK ||
        azr_file_write(path, text, size, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_free(text);
    azr_free(path);
}

static int set_up(void **state)
{
    (void)state;
    const char *model = getenv("AZR_PARITY_MODEL");
    bool real = model != NULL;
    /* For the tiny one: ten inputs, and what is cleaned out of seeds. */
    static const char *const pieces[] = {
        " ten\\n>>> f(1)\\n1\\n>>> f(2)\\n2\\n>>> f(3)\\n3\\n>>> f(4)\\n4\\n>>> f(5)\\n5\\n>>> "
        "f(6)\\n6\\n>>> f(7)\\n7\\n>>> f(8)\\n8\\n>>> f(9)\\n9\\n>>> f(10)\\n10\\n\\n",
        "a): # note\\n...     return [a]\\n>>> x = 1\\n>>> f(9)\\n\\n",
        "a):\\n...     return h(a)\\n>>> def h(a):\\n...     return a\\n>>> f(8)\\n\\n",
        NULL,
    };
    tiny_run_create_with(&tiny, pieces);
    char *path = tiny_run_path(&tiny, "model"), set[512];
    snprintf(set, sizeof set, "model=%s", real ? model : path);
    const char *const sets[] = {set,
                                "template=transcript",
                                "batch_size=4",
                                "seed_tasks=16",
                                "total_steps=2",
                                real ? "max_response_tokens=256" : "max_response_tokens=12",
                                real ? "max_answer_tokens=48" : "max_answer_tokens=6",
                                "micro_batch_tokens=2048",
                                "exec_require=limits",
                                "threads=1",
                                real ? "dtype=auto" : "dtype=f32",
                                NULL};
    copy_file("configs/paper-3b.yaml", "config.yaml");
    tiny.seconds = real ? 7200 : 600;
    tiny_run_train(&tiny, "run", false, sets);
    azr_free(path);
    return 0;
}

static double query(const char *sql)
{
    return tiny_run_query(&tiny, "run", sql);
}

/* Attempts of a step that fulfil a condition. */
static double attempts(int step, const char *condition)
{
    char sql[600];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM attempts WHERE step = %d AND %s", step,
             condition);
    return query(sql);
}

static double metric(int step, const char *name)
{
    return tiny_run_metric(&tiny, "run", step, name);
}

/* --- executions ------------------------------------------------------------------------------- */

/* Verdicts that only a run brings, and those that a run or reading alone brings. */
#define PROPOSAL_RAN "verdict IN ('valid', 'failed', 'nondeterministic', 'not_literal')"
#define PROPOSAL_MAY "verdict IN ('too_long', 'forbidden', 'bad_literal')"
#define ANSWER_RAN "verdict IN ('correct', 'wrong', 'failed', 'not_literal')"
#define ANSWER_MAY "verdict IN ('too_long', 'forbidden', 'bad_literal')"

/* A proposal's program runs once for each of its inputs (and again where it must give the same),
 * an abduction's answer once, an induction's once for each hidden pair; deduction's answers are
 * compared and never run. */
static double proposed_runs(int step, bool induction, bool at_most)
{
    char condition[300];
    snprintf(condition, sizeof condition, "role = 'proposer' AND kind %s 'induction' AND (%s%s%s)",
             induction ? "=" : "<>", PROPOSAL_RAN, at_most ? " OR " : "",
             at_most ? PROPOSAL_MAY : "");
    return (induction ? N_PAIRS : 1) * attempts(step, condition);
}

static double abduction_runs(int step, const char *purpose, bool at_most)
{
    char condition[300];
    snprintf(condition, sizeof condition, "purpose = '%s' AND kind = 'abduction' AND (%s%s%s)",
             purpose, ANSWER_RAN, at_most ? " OR " : "", at_most ? ANSWER_MAY : "");
    return attempts(step, condition);
}

/* The identity that every store begins with has six pairs, three of them hidden. */
static double induction_runs(int step, const char *purpose, bool at_most)
{
    char sql[600];
    snprintf(sql, sizeof sql,
             "SELECT ifnull(sum(CASE WHEN t.id IS NULL THEN %d ELSE (json_array_length(t.inputs) + "
             "1) / 2 END), 0) FROM attempts a LEFT JOIN tasks t ON t.id = a.task_id WHERE a.step = "
             "%d AND a.purpose = '%s' AND a.kind = 'induction' AND (a.%s%s%s)",
             N_HIDDEN, step, purpose, ANSWER_RAN, at_most ? " OR a." : "",
             at_most ? ANSWER_MAY : "");
    return query(sql);
}

static double all_runs(int step, bool at_most)
{
    return proposed_runs(step, false, at_most) + proposed_runs(step, true, at_most) +
           abduction_runs(step, "estimate", at_most) + induction_runs(step, "estimate", at_most) +
           abduction_runs(step, "solve", at_most) + induction_runs(step, "solve", at_most);
}

static double sandbox_runs(int step)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT sum(value) FROM metrics WHERE step = %d AND name LIKE 'executor/status/%%'",
             step);
    return query(sql);
}

static void test_executions(void **state)
{
    (void)state;
    for (int step = 1; step <= N_STEPS; step++) {
        double ran = sandbox_runs(step);
        assert_true(all_runs(step, false) > 0.0);
        assert_true(ran >= all_runs(step, false) && ran <= all_runs(step, true));
        assert_true(proposed_runs(step, false, true) <= 2 * B);
        assert_true(proposed_runs(step, true, true) <= B * N_PAIRS);
        assert_true(abduction_runs(step, "estimate", true) <= B * G);
        assert_true(induction_runs(step, "estimate", true) <= B * G * N_HIDDEN);
        assert_true(abduction_runs(step, "solve", true) <= B);
        assert_true(induction_runs(step, "solve", true) <= B * N_HIDDEN);
    }
}

/* --- what is sampled and learnt from ---------------------------------------------------------- */

static void test_samples(void **state)
{
    (void)state;
    double n_all_valid = 0.0;
    for (int step = 1; step <= N_STEPS; step++) {
        for (int kind = 0; kind < N_KINDS; kind++) {
            char condition[160];
            snprintf(condition, sizeof condition, "purpose = 'propose' AND kind = '%s'",
                     kinds[kind]);
            assert_true(attempts(step, condition) == B);
            snprintf(condition, sizeof condition, "purpose = 'solve' AND kind = '%s'", kinds[kind]);
            assert_true(attempts(step, condition) == B);
        }
        double n_valid = attempts(step, "verdict = 'valid'");
        assert_true(attempts(step, "purpose = 'estimate'") == G * n_valid);
        n_all_valid += n_valid;
    }
    assert_true(n_all_valid > 0.0);
}

static void test_learning(void **state)
{
    (void)state;
    for (int step = 1; step <= N_STEPS; step++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT sum(n_tokens) FROM attempts WHERE step = %d AND purpose <> 'estimate'",
                 step);
        assert_true(metric(step, "actor/sequences") == 2 * N_KINDS * B);
        assert_true(metric(step, "actor/updates") == 1.0);
        assert_true(metric(step, "actor/mismatch") == 0.0);
        assert_true(metric(step, "actor/response_tokens") == query(sql));
        assert_float_equal(metric(step, "actor/lr"), 1e-6, 1e-12);
    }
}

/* --- tasks ------------------------------------------------------------------------------------ */

/* The solver's tasks of step t are those that were stored before it: all that the step before
 * stored, or as many as the batch holds, then any. */
static void test_tasks(void **state)
{
    (void)state;
    for (int step = 1; step <= N_STEPS; step++) {
        assert_true(attempts(step, "purpose = 'solve' AND task_id IN (SELECT id FROM tasks t WHERE "
                                   "t.step >= attempts.step)") == 0.0);
        for (int kind = 0; kind < N_KINDS; kind++) {
            char sql[400];
            snprintf(sql, sizeof sql,
                     "SELECT count(*) FROM tasks WHERE kind = '%s' AND step = %d AND id NOT IN "
                     "(SELECT task_id FROM attempts WHERE step = %d AND purpose = 'solve')",
                     kinds[kind], step - 1, step);
            double left_out = query(sql);
            snprintf(sql, sizeof sql, "SELECT count(*) FROM tasks WHERE kind = '%s' AND step = %d",
                     kinds[kind], step - 1);
            double n_new = query(sql);
            assert_true(left_out == (n_new > B ? n_new - B : 0.0));
        }
    }
    assert_true(query("SELECT count(*) FROM tasks WHERE kind = 'induction' AND id > 3 AND "
                      "json_array_length(inputs) <> 10") == 0.0);
}

/* As many seeds as four batches, or as the rounds gave; deduction and abduction start alike, and
 * nothing is learnt meanwhile. */
static void test_seeding(void **state)
{
    (void)state;
    assert_true(
        query("SELECT count(*) FROM tasks d WHERE step = 0 AND kind = 'deduction' AND NOT EXISTS "
              "(SELECT 1 FROM tasks a WHERE a.step = 0 AND a.kind = 'abduction' AND a.program = "
              "d.program AND a.inputs = d.inputs)") == 0.0);
    double n_tries = query("SELECT count(*) FROM attempts WHERE step = 0 AND kind <> 'induction'");
    assert_true(n_tries > 0.0 && n_tries == 2.0 * B * (double)(int)(n_tries / (2.0 * B)));
    assert_true(attempts(0, "purpose <> 'seed'") == 0.0);
    assert_true(attempts(0, "kind = 'induction'") <= N_SEEDS);
    assert_true(query("SELECT count(*) FROM metrics WHERE step = 0") == 0.0);
}

/* Of seeds' programs comments and what is neither import nor function at the margin are taken out;
 * of later ones nothing is. More than one function is refused in both. */
static void test_clean_ups(void **state)
{
    (void)state;
    static const char cleaned[] = "(program LIKE '%# note%' OR program LIKE '%x = 1%')";
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM tasks WHERE step = 0 AND %s", cleaned);
    assert_true(query(sql) == 0.0);
    assert_true(query("SELECT count(*) FROM tasks WHERE program LIKE '%def h(%'") == 0.0);
    if (getenv("AZR_PARITY_MODEL") != NULL)
        return;
    assert_true(attempts(0, "verdict = 'valid' AND completion LIKE '%# note%'") > 0.0);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM tasks WHERE step > 0 AND %s", cleaned);
    assert_true(query(sql) > 0.0);
    assert_true(query("SELECT count(*) FROM attempts WHERE verdict = 'several_functions'") > 0.0);
}

/* --- the table -------------------------------------------------------------------------------- */

static void print_row(const char *what, const char *reference, double (*count)(int step))
{
    print_message("| %s | %s | %.0f | %.0f |\n", what, reference, count(1), count(2));
}

static double n_proposals(int step)
{
    return attempts(step, "purpose = 'propose'");
}
static double n_valid(int step)
{
    return attempts(step, "purpose = 'propose' AND verdict = 'valid'");
}
static double n_estimates(int step)
{
    return attempts(step, "purpose = 'estimate'");
}
static double n_answers(int step)
{
    return attempts(step, "purpose = 'solve'");
}
static double n_sequences(int step)
{
    return metric(step, "actor/sequences");
}
static double n_updates(int step)
{
    return metric(step, "actor/updates");
}
static double n_triplets_run(int step)
{
    return proposed_runs(step, false, false);
}
static double n_inputs_run(int step)
{
    return proposed_runs(step, true, false);
}
static double n_abduction_estimates_run(int step)
{
    return abduction_runs(step, "estimate", false);
}
static double n_induction_estimates_run(int step)
{
    return induction_runs(step, "estimate", false);
}
static double n_abduction_run(int step)
{
    return abduction_runs(step, "solve", false);
}
static double n_induction_run(int step)
{
    return induction_runs(step, "solve", false);
}
static double n_deduction_answers(int step)
{
    return attempts(step, "role = 'solver' AND kind = 'deduction'");
}

static void test_table(void **state)
{
    (void)state;
    print_message("| in a step, B = 4, G = 8, N = 10 | the tables | step 1 | step 2 |\n"
                  "|---|---|---|---|\n");
    print_row("proposer prompts and completions", "3B = 12", n_proposals);
    print_row("solver prompts and completions, stored tasks", "3B = 12", n_answers);
    print_row("valid proposals", "at most 12", n_valid);
    print_row("completions that only estimate", "G for each valid one, at most 96", n_estimates);
    print_row("sequences learnt from", "6B = 24", n_sequences);
    print_row("updates of the weights", "1", n_updates);
    print_row("runs: programs of proposals", "at most 2B = 8", n_triplets_run);
    print_row("runs: inputs of induction proposals", "at most NB = 40", n_inputs_run);
    print_row("runs: estimates, abduction", "at most GB = 32", n_abduction_estimates_run);
    print_row("runs: estimates, induction's hidden pairs", "at most 5GB = 160",
              n_induction_estimates_run);
    print_row("runs: answers, abduction", "at most B = 4", n_abduction_run);
    print_row("runs: answers, induction's hidden pairs", "at most 5B = 20", n_induction_run);
    print_row("answers of deduction, compared and not run", "at most GB + B = 36",
              n_deduction_answers);
    print_row("runs that the sandbox counted", "at most 264", sandbox_runs);
    print_message(
        "Seeding: %.0f triplets after %.0f attempts (16, in batches of 8), %.0f induction "
        "tasks after %.0f attempts (16).\n",
        query("SELECT count(*) FROM tasks WHERE step = 0 AND kind = 'deduction'"),
        attempts(0, "kind <> 'induction'"),
        query("SELECT count(*) FROM tasks WHERE step = 0 AND kind = 'induction'"),
        attempts(0, "kind = 'induction'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_learning),
        cmocka_unit_test(test_tasks),   cmocka_unit_test(test_executions),
        cmocka_unit_test(test_seeding), cmocka_unit_test(test_clean_ups),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
