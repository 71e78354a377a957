/* test_reference_defects.c: what the paper's reference implementation is known to do wrong, or
 * otherwise than the paper writes, one test for each: azr does not, or has a switch with the
 * default that is named here. */
#include "azr/buffer.h"
#include "azr/config.h"
#include "azr/rl.h"
#include "azr/tasks.h"

#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

static const azr_draw_from evenly = {.weight = AZR_DRAW_EQUAL};
static azr_executor *executor;
static const azr_template *transcript;
static azr_error error;

static int set_up(void **state)
{
    (void)state;
    azr_executor_options options = azr_executor_default_options();
    if (azr_template_find("transcript", &transcript, &error) != AZR_OK ||
        azr_executor_create(&options, &executor, &error) != AZR_OK)
        fail_msg("%s", error.text);
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "run", false, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_run_remove(&tiny);
    azr_executor_destroy(executor);
    return 0;
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

/* What becomes of a program with its one argument 3. */
static azr_verdict verdict_of(const char *program)
{
    char *input = azr_copy_text("3", 1), *text = azr_copy_text(program, strlen(program));
    azr_proposal proposal = {.kind = AZR_KIND_DEDUCTION,
                             .verdict = AZR_VERDICT_VALID,
                             .program = text,
                             .n_inputs = 1,
                             .inputs = &input};
    azr_exec_limits limits = azr_exec_default_limits();
    limits.result_bytes = 2000;
    azr_exec_job job = azr_proposal_job(&proposal, limits);
    azr_exec_reply reply = {0};
    azr_task task = {0};
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_verdict verdict = azr_proposal_judge(&proposal, &reply, limits, &task, NULL);
    azr_task_deinit(&task);
    azr_exec_reply_deinit(&reply);
    azr_free(input);
    azr_free(text);
    return verdict;
}

/* --- paper against code ----------------------------------------------------------------------- */

/* The paper gives 0 to a task that nobody or everybody solves, the code -0.5: a switch, -0.5. */
static void test_reward_of_extremes(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    assert_true(config.propose_zero_reward == -0.5);
    azr_config_deinit(&config);
    const azr_proposer_rules paper = {.zero_reward = 0.0}, code = {.zero_reward = -0.5};
    for (double rate = 0.0; rate <= 1.0; rate += 1.0) {
        assert_true(azr_reward_proposer(&paper, true, rate, NULL, 0) == 0.0);
        assert_true(azr_reward_proposer(&code, true, rate, NULL, 0) == -0.5);
    }
}

/* Greedy estimates make every success rate 0 or 1, and greedy seeds all alike. */
static void test_estimates_and_seeds_are_sampled(void **state)
{
    (void)state;
    assert_true(count("run", "SELECT max(n) FROM (SELECT count(DISTINCT completion) AS n FROM "
                             "attempts WHERE purpose = 'estimate' GROUP BY step, prompt)") > 1.0);
    assert_true(count("run", "SELECT max(n) FROM (SELECT count(DISTINCT completion) AS n FROM "
                             "attempts WHERE purpose = 'seed' GROUP BY prompt)") > 1.0);
}

/* Twice in one process proves nothing: hashes, addresses and module state are the same there. And
 * what differs must not count as valid with an empty output. */
static void test_determinism_across_processes(void **state)
{
    (void)state;
    static const char *const programs[] = {
        "def f(a):\n    return hash('text')\n",
        "def f(a):\n    return ''.join({'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'})\n",
        "def f(a):\n    return id([])\n",
        "def f(a):\n    return str(object())\n",
    };
    for (size_t i = 0; i < AZR_COUNT(programs); i++)
        assert_int_equal(verdict_of(programs[i]), AZR_VERDICT_NONDETERMINISTIC);
    assert_int_equal(verdict_of("def f(a):\n    return sorted({'b', 'a'})\n"), AZR_VERDICT_VALID);
}

/* Errors that do not have the word in their name are errors. */
static void test_every_exception_is_one(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("def f(a):\n    raise StopIteration\n"), AZR_VERDICT_FAILED);
    assert_int_equal(verdict_of("def f(a):\n    raise KeyboardInterrupt\n"), AZR_VERDICT_FAILED);
    assert_int_equal(verdict_of("class Oops(Exception):\n    pass\ndef f(a):\n    raise Oops\n"),
                     AZR_VERDICT_FAILED);
    assert_int_equal(verdict_of("def f(a):\n    return (i for i in [a])\n"),
                     AZR_VERDICT_NOT_LITERAL);
}

/* A long result cut to 400 characters is an answer that nobody can give. */
static void test_long_outputs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("def f(a):\n    return 'x' * 900\n"), AZR_VERDICT_VALID);
    assert_int_equal(verdict_of("def f(a):\n    return 'x' * 5000\n"), AZR_VERDICT_TOO_LONG);
}

/* The code whitens over tokens, the paper over rewards: a switch, tokens. */
static void test_whitening_by_token_or_sequence(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    assert_int_equal(config.advantage, AZR_ADVANTAGE_TOKEN);
    azr_config_deinit(&config);
    const double rewards[] = {1.0, -0.5};
    const size_t lengths[] = {10, 30};
    double token[2], sequence[2];
    azr_advantage_whiten(true, 2, rewards, lengths, token);
    azr_advantage_whiten(false, 2, rewards, lengths, sequence);
    assert_float_equal(token[0], 1.7103, 5e-5);
    assert_float_equal(sequence[0], sqrt(0.5), 1e-6);
    /* And a group of equal rewards has no noise times 1e4 for an advantage, but none. */
    const double equal[] = {0.1, 0.1};
    azr_advantage_whiten(true, 2, equal, lengths, token);
    assert_true(token[0] == 0.0 && token[1] == 0.0);
}

/* Solvers learn from tasks of the same step, as the paper's algorithm has it; the code's order is
 * solver_mix max_new. */
static void test_tasks_of_the_same_step(void **state)
{
    (void)state;
    static const char same_step[] = "SELECT count(*) FROM attempts a JOIN tasks t ON t.id = "
                                    "a.task_id WHERE a.purpose = 'solve' AND t.step = a.step";
    const char *const sets[] = {"solver_mix=max_new", NULL};
    tiny_run_train(&tiny, "before", false, sets);
    assert_true(count("run", same_step) > 0.0);
    assert_true(count("before", same_step) == 0.0);
}

/* A list of words is no protection: what reaches out of the program is not there. */
static void test_forbidden_modules(void **state)
{
    (void)state;
    static const char *const programs[] = {
        "import os.path\ndef f(a):\n    return os.path.join('a', 'b')\n",
        "import sys\ndef f(a):\n    sys.exit(0)\n",
        "import shutil\ndef f(a):\n    return shutil.which('ls')\n",
        "import secrets\ndef f(a):\n    return secrets.randbelow(9)\n",
        "def f(a):\n    return __import__('random').random()\n",
        "def f(a):\n    return open('/etc/hostname').read()\n",
        "def f(a):\n    import time\n    return time.time()\n",
        "def f(a):\n    return __import__('os').environ['PATH']\n",
    };
    for (size_t i = 0; i < AZR_COUNT(programs); i++)
        if (verdict_of(programs[i]) == AZR_VERDICT_VALID)
            fail_msg("accepted: %s", programs[i]);
    /* A word in a comment or a name is no offence. */
    assert_int_equal(verdict_of("def f(a):\n    time = a # random\n    return time\n"),
                     AZR_VERDICT_VALID);
}

/* The length of a run is what it is told, not that of a data set that is never used. */
static void test_total_steps(void **state)
{
    (void)state;
    assert_true(count("run", "SELECT max(step) FROM metrics") == 4.0);
    assert_true(count("run", "SELECT count(DISTINCT step) FROM metrics") == 4.0);
}

/* What a library falls back to is written down here. */
static void test_hidden_defaults_are_explicit(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    assert_true(config.entropy_coef == 0.001 && config.weight_decay == 0.01);
    assert_true(config.clip_low == 0.2 && config.clip_high == 0.2 && config.adam_eps == 1e-8);
    char *text = azr_config_print(&config);
    assert_non_null(strstr(text, "\nentropy_coef: 0.001"));
    assert_non_null(strstr(text, "\nweight_decay: 0.01"));
    azr_free(text);
    azr_config_deinit(&config);
}

static azr_strbuf solver_prompt(azr_kind kind)
{
    static const char json[] =
        "{\"kind\": \"deduction\", \"program\": \"def f(x):\\n    return x * "
        "111\\n\", \"input\": \"7\", \"output\": \"777\"}";
    azr_task task = {0};
    azr_strbuf prompt = {0};
    assert_int_equal(azr_task_from_json(json, sizeof json - 1, &task, &error), AZR_OK);
    task.kind = kind;
    azr_template_solve(transcript, &task, 0, &prompt);
    azr_task_deinit(&task);
    return prompt;
}

/* A test of execution (deduction) asked as one of input prediction measures something else: the two
 * are asked apart. */
static void test_deduction_and_abduction_are_asked_apart(void **state)
{
    (void)state;
    azr_strbuf deduction = solver_prompt(AZR_KIND_DEDUCTION);
    azr_strbuf abduction = solver_prompt(AZR_KIND_ABDUCTION);
    assert_non_null(strstr(deduction.data, "(7)"));
    assert_null(strstr(deduction.data, "777"));
    assert_non_null(strstr(abduction.data, "777"));
    assert_null(strstr(abduction.data, "(7)"));
    azr_strbuf_deinit(&deduction);
    azr_strbuf_deinit(&abduction);
}

/* The paper's weight between the two rewards: a switch, 1. */
static void test_weight_between_roles(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    assert_true(config.proposer_weight == 1.0 && config.solver_weight == 1.0);
    azr_config_deinit(&config);
}

/* Judged on the hidden half; on all pairs when asked. */
static void test_pairs_of_induction(void **state)
{
    (void)state;
    azr_task task;
    const char *inputs[8];
    azr_exec_job job;
    azr_task_identity(AZR_KIND_INDUCTION, &task);
    char program[] = "def f(a):\n    return a\n";
    azr_answer answer = {.verdict = AZR_VERDICT_CORRECT, .text = program};
    assert_true(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    assert_int_equal(job.n_inputs, 3);
    answer.all_pairs = true;
    assert_true(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    assert_int_equal(job.n_inputs, 6);
    azr_task_deinit(&task);
}

/* Nested functions, classes and helpers are programs too. */
static void test_several_functions(void **state)
{
    (void)state;
    assert_int_equal(
        verdict_of("def f(a):\n    def g(b):\n        return b + 1\n    return g(a)\n"),
        AZR_VERDICT_VALID);
    assert_int_equal(verdict_of("class C:\n    def __init__(self, a):\n        self.a = a\n"
                                "    def twice(self):\n        return 2 * self.a\n"
                                "def f(a):\n    return C(a).twice()\n"),
                     AZR_VERDICT_VALID);
    assert_int_equal(verdict_of("def g(b):\n    return b\ndef f(a):\n    return g(a)\n"),
                     AZR_VERDICT_VALID);
}

/* With one update a step the ratio is 1: no second pass finds that out. Training sees each token
 * once, and fewer where beginnings are shared. */
static void test_no_second_pass(void **state)
{
    (void)state;
    for (int64_t step = 1; step <= 4; step++) {
        assert_true(tiny_run_metric(&tiny, "run", step, "actor/mismatch") == 0.0);
        assert_true(tiny_run_metric(&tiny, "run", step, "actor/ppo_kl") == 0.0);
        assert_true(tiny_run_metric(&tiny, "run", step, "actor/pg_clipfrac") == 0.0);
        assert_true(tiny_run_metric(&tiny, "run", step, "tokens/update_actor") <=
                    tiny_run_metric(&tiny, "run", step, "global_seqlen/mean"));
    }
}

/* --- further defects -------------------------------------------------------------------------- */

static int64_t add_task(azr_buffer *buffer, int64_t step, int i, int64_t cap)
{
    azr_stored_task row = {.step = step};
    char text[64];
    azr_task_identity(AZR_KIND_DEDUCTION, &row.task);
    snprintf(text, sizeof text, "def f(a):\n    return a + %d\n", i);
    azr_free(row.task.program);
    row.task.program = azr_copy_text(text, strlen(text));
    if (azr_buffer_add_task(buffer, &row, cap, &error) != AZR_OK)
        fail_msg("%s", error.text);
    int64_t id = row.id;
    azr_stored_task_deinit(&row);
    return id;
}

/* A full store that keeps the oldest never learns anything new; and steps must go with their rows.
 */
static void test_full_store_keeps_the_newest(void **state)
{
    (void)state;
    enum { N = 6, CAP = 2 };
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open(":memory:", &buffer, &error), AZR_OK);
    int64_t ids[N], n = 0;
    for (int i = 0; i < N; i++)
        ids[i] = add_task(buffer, i, i, CAP);
    for (int64_t step = 0; step < N; step++) {
        assert_int_equal(azr_buffer_count(buffer, AZR_KIND_DEDUCTION, step, &n, &error), AZR_OK);
        assert_int_equal(n, step >= N - CAP);
    }
    const azr_draw_from by_step = {.weight = AZR_DRAW_STEP};
    azr_rng_key key = {.seed = 1};
    azr_stored_task drawn[N];
    size_t n_drawn = 0;
    assert_int_equal(azr_buffer_draw_from(buffer, AZR_KIND_DEDUCTION, &by_step, &key, N, drawn,
                                          &n_drawn, &error),
                     AZR_OK);
    assert_int_equal(n_drawn, CAP);
    for (size_t i = 0; i < n_drawn; i++) {
        assert_true(drawn[i].id >= ids[N - CAP]);
        assert_int_equal(drawn[i].step, drawn[i].id - 1);
        azr_stored_task_deinit(&drawn[i]);
    }
    azr_buffer_close(buffer);
}

/* Seeds made in the same run as the training are stored once. */
static void test_seeds_are_stored_once(void **state)
{
    (void)state;
    assert_true(count("run", "SELECT count(*) - count(DISTINCT kind || program || inputs || "
                             "ifnull(message, '')) FROM tasks WHERE step = 0") == 0.0);
    assert_true(count("run", "SELECT count(*) FROM tasks WHERE kind = 'induction' AND message LIKE "
                             "'%returns its argument%'") == 1.0);
}

/* An estimate without a value counts as wrong; the sum of a task's estimates is always a number. */
static void test_estimates_always_count(void **state)
{
    (void)state;
    for (int verdict = AZR_VERDICT_WRONG; verdict < AZR_N_VERDICTS; verdict++)
        for (int kind = 0; kind < AZR_N_KINDS; kind++)
            assert_true(azr_solver_success((azr_kind)kind, (azr_verdict)verdict, 0.0,
                                           AZR_INDUCTION_REWARD_ACCURACY) == 0.0);
    assert_true(count("run", "SELECT count(*) FROM tasks WHERE step > 0 AND n_attempts <> 3") ==
                0.0);
}

/* Writing prompts changes no task that is shown in them, nor one whose program is given under
 * another name. */
static void test_shown_tasks_stay_as_they_are(void **state)
{
    (void)state;
    azr_task task;
    azr_task_identity(AZR_KIND_DEDUCTION, &task);
    char *before = azr_task_to_json(&task);
    const azr_task *references[] = {&task, &task};
    azr_part parts[2];
    for (size_t k = 0; k < 2; k++) {
        assert_true(azr_part_init(&parts[k], &task, k));
        assert_non_null(strstr(parts[k].program, k == 0 ? "def g_0(" : "def g_1("));
    }
    const azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION,
                                          .references = references,
                                          .n_references = 2,
                                          .parts = parts,
                                          .n_parts = 2};
    azr_strbuf first = {0}, second = {0};
    azr_template_propose(transcript, &request, &first);
    azr_template_propose(transcript, &request, &second);
    char *after = azr_task_to_json(&task);
    assert_string_equal(before, after);
    assert_string_equal(first.data, second.data);
    assert_non_null(strstr(first.data, ">>> def f(a):\n"));
    assert_non_null(strstr(first.data, ">>> def g_1(a):\n"));
    for (size_t k = 0; k < 2; k++)
        azr_part_deinit(&parts[k]);
    char *without = azr_task_to_json(&task);
    assert_string_equal(before, without);
    azr_free(without);
    azr_free(before);
    azr_free(after);
    azr_strbuf_deinit(&first);
    azr_strbuf_deinit(&second);
    azr_task_deinit(&task);
}

/* Sessions that the prompt shows, each with an empty line behind it; fails the test when two are
 * the same. */
static size_t check_sessions(const char *prompt)
{
    enum { MAX_SESSIONS = 16 };
    const char *sessions[MAX_SESSIONS];
    size_t sizes[MAX_SESSIONS], n = 0;
    for (const char *at = prompt, *end; (end = strstr(at, "\n\n")) != NULL; at = end + 2) {
        assert_true(n < MAX_SESSIONS);
        sessions[n] = at;
        sizes[n] = (size_t)(end - at);
        for (size_t i = 0; i < n; i++)
            if (sizes[i] == sizes[n] && memcmp(sessions[i], at, sizes[n]) == 0)
                fail_msg("twice the same in: %s", prompt);
        n++;
    }
    return n;
}

/* All random numbers come from the seed; and a prompt shows no task twice. */
static void test_runs_repeat(void **state)
{
    (void)state;
    tiny_run_train(&tiny, "again", false, NULL);
    tiny_run_equal(&tiny, "run", "again", 4);
    char *path = tiny_run_path(&tiny, "run/run.db");
    sqlite3 *db = NULL;
    sqlite3_stmt *prompts = NULL;
    size_t n_whole = 0;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT DISTINCT prompt FROM attempts WHERE role = "
                                        "'proposer' AND kind IN ('deduction', 'abduction')",
                                        -1, &prompts, NULL),
                     SQLITE_OK);
    while (sqlite3_step(prompts) == SQLITE_ROW) /* a heading, then two tasks where there are two */
        n_whole += check_sessions((const char *)sqlite3_column_text(prompts, 0)) == 3;
    assert_true(n_whole > 4);
    sqlite3_finalize(prompts);
    sqlite3_close(db);
    azr_free(path);
}

/* Numbers carry the name of the group that they are of, whatever is left out. */
static void test_metrics_without_proposer(void **state)
{
    (void)state;
    const char *const sets[] = {"train_propose=false", "total_steps=1", NULL};
    tiny_run_train(&tiny, "solver", false, sets);
    static const char *const kinds[][2] = {
        {"o", "deduction"}, {"i", "abduction"}, {"f", "induction"}};
    for (size_t i = 0; i < 3; i++) {
        char name[64], sql[200];
        snprintf(name, sizeof name, "pred_code_%s/critic/rewards/mean", kinds[i][0]);
        snprintf(sql, sizeof sql,
                 "SELECT avg(reward) FROM attempts WHERE step = 1 AND purpose = 'solve' AND kind = "
                 "'%s'",
                 kinds[i][1]);
        assert_float_equal(tiny_run_metric(&tiny, "solver", 1, name), count("solver", sql), 1e-12);
        snprintf(name, sizeof name, "gen_code_%s/critic/advantages/mean", kinds[i][0]);
        assert_true(isnan(tiny_run_metric(&tiny, "solver", 1, name)));
        snprintf(name, sizeof name, "gen_code_%s/n", kinds[i][0]);
        assert_true(tiny_run_metric(&tiny, "solver", 1, name) == 4.0);
    }
}

/* Arguments have names: none means something else by where it stands. */
static void test_arguments_have_names(void **state)
{
    (void)state;
    const char *const argv[] = {azr_test_binary(), "train", "stray", NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "stray"));
    azr_test_process_deinit(&process);
}

static bool ends_with(const char *name, const char *end)
{
    return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

static size_t check_files(const char *folder)
{
    static const char *const known[] = {".json", ".jsonl", ".yaml", ".db",  ".safetensors",
                                        "DONE",  "latest", "lock",  ".txt", ".jinja"};
    size_t n = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = azr_path_join(folder, entry->d_name);
        bool good = false;
        if (azr_directory_exists(path)) {
            n += check_files(path);
            good = true;
        }
        for (size_t i = 0; !good && i < AZR_COUNT(known); i++)
            good = ends_with(entry->d_name, known[i]);
        if (!good)
            fail_msg("%s may be shared by nobody who does not know what it is", path);
        n++;
        azr_free(path);
    }
    closedir(directory);
    return n;
}

/* No file of a run is a program for whoever opens it. */
static void test_files_are_data(void **state)
{
    (void)state;
    char *folder = tiny_run_path(&tiny, "run");
    assert_true(check_files(folder) > 10);
    azr_free(folder);
}

/* At any moment there is a whole checkpoint: the one a run came from stays until the next stands.
 */
static void test_always_a_checkpoint(void **state)
{
    (void)state;
    const char *const two[] = {"total_steps=2", "keep_checkpoints=1", "checkpoint_every=2", NULL};
    const char *const more[] = {"total_steps=3", "keep_checkpoints=1", "checkpoint_every=100",
                                "learning_rate=0.01", NULL};
    tiny_run_train(&tiny, "kept", false, two);
    char *done = tiny_run_path(&tiny, "kept/checkpoints/step-000002/DONE");
    assert_true(azr_file_exists(done));
    pid_t pid = tiny_run_start(&tiny, "kept", true, more);
    char *last = tiny_run_path(&tiny, "kept/checkpoints/step-000003/DONE");
    bool whole = true;
    for (int i = 0; i < 100000 && whole && !azr_file_exists(last); i++)
        whole = azr_file_exists(done) || azr_file_exists(last);
    assert_int_equal(tiny_run_wait(pid), 0);
    assert_true(whole);
    assert_true(azr_file_exists(last));
    azr_free(done);
    azr_free(last);
}

/* A batch is as large as its tokens: nothing is padded to the longest. */
static void test_nothing_is_padded(void **state)
{
    (void)state;
    int32_t one[1] = {5}, many[100];
    for (int i = 0; i < 100; i++)
        many[i] = i;
    const azr_sequence sequences[] = {{one, 1}, {many, 100}};
    azr_forest forest;
    azr_forest_build(sequences, 2, &forest);
    assert_int_equal(forest.n_tokens, 101);
    azr_forest_deinit(&forest);
}

/* What programs print, tracebacks and samples do not flood the terminal. */
static void test_terminal_stays_readable(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("def f(a):\n    print('x' * 100000)\n    return a\n"),
                     AZR_VERDICT_VALID);
    char *path = tiny_run_path(&tiny, "log"), *text = NULL;
    tiny_run_train(&tiny, "quiet", false, NULL);
    assert_int_equal(azr_file_read(path, 1 << 20, &text, NULL, &error), AZR_OK);
    assert_null(strstr(text, ">>> f("));
    assert_null(strstr(text, "return "));
    assert_null(strstr(text, "Traceback"));
    assert_true(strlen(text) < 8000);
    azr_free(text);
    azr_free(path);
}

/* A task is stored once, and a program that deduction and abduction share has one chance to be an
 * induction proposer's. */
static void test_programs_count_once(void **state)
{
    (void)state;
    assert_true(count("run", "SELECT count(*) - count(DISTINCT kind || program || inputs || "
                             "ifnull(message, '')) FROM tasks") == 0.0);
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open(":memory:", &buffer, &error), AZR_OK);
    add_task(buffer, 0, 1, 0);
    for (int i = 0; i < 9; i++)
        add_task(buffer, 0, 2, 0);
    int n_first = 0;
    azr_rng_key key = {.seed = 1, .purpose = AZR_RNG_PROGRAMS};
    for (key.sequence = 0; key.sequence < 100; key.sequence++) {
        azr_stored_task task;
        bool found = false;
        assert_int_equal(azr_buffer_draw_program(buffer, &evenly, &key, &task, &found, &error),
                         AZR_OK);
        n_first += task.id == 1;
        azr_stored_task_deinit(&task);
    }
    assert_in_range(n_first, 30, 70);
    azr_buffer_close(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reward_of_extremes),
        cmocka_unit_test(test_estimates_and_seeds_are_sampled),
        cmocka_unit_test(test_determinism_across_processes),
        cmocka_unit_test(test_every_exception_is_one),
        cmocka_unit_test(test_long_outputs_are_refused),
        cmocka_unit_test(test_whitening_by_token_or_sequence),
        cmocka_unit_test(test_tasks_of_the_same_step),
        cmocka_unit_test(test_forbidden_modules),
        cmocka_unit_test(test_total_steps),
        cmocka_unit_test(test_hidden_defaults_are_explicit),
        cmocka_unit_test(test_deduction_and_abduction_are_asked_apart),
        cmocka_unit_test(test_weight_between_roles),
        cmocka_unit_test(test_pairs_of_induction),
        cmocka_unit_test(test_several_functions),
        cmocka_unit_test(test_no_second_pass),
        cmocka_unit_test(test_full_store_keeps_the_newest),
        cmocka_unit_test(test_seeds_are_stored_once),
        cmocka_unit_test(test_estimates_always_count),
        cmocka_unit_test(test_shown_tasks_stay_as_they_are),
        cmocka_unit_test(test_runs_repeat),
        cmocka_unit_test(test_metrics_without_proposer),
        cmocka_unit_test(test_arguments_have_names),
        cmocka_unit_test(test_files_are_data),
        cmocka_unit_test(test_always_a_checkpoint),
        cmocka_unit_test(test_nothing_is_padded),
        cmocka_unit_test(test_terminal_stays_readable),
        cmocka_unit_test(test_programs_count_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
