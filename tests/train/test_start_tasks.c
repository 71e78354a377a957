/* test_start_tasks.c: runs that start from tasks that are there already: of files of the reference
 * implementation, of another run. AZR_SHARED names the folder of shared data sets. */
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
#include <string.h>

#include <cmocka.h>

/* What the last run printed; azr_free. */
static char *printed(void)
{
    char *path = tiny_run_path(&tiny, "log"), *text = NULL;
    size_t size = 0;
    assert_int_equal(azr_file_read(path, 1 << 20, &text, &size, NULL), AZR_OK);
    azr_free(path);
    return text;
}

static void assert_printed(const char *text)
{
    char *log = printed();
    if (strstr(log, text) == NULL)
        fail_msg("no '%s' in:\n%s", text, log);
    azr_free(log);
}

static void write_tasks(const char *name, const char *text)
{
    char *path = tiny_run_path(&tiny, name);
    assert_int_equal(azr_file_write(path, text, strlen(text), NULL), AZR_OK);
    azr_free(path);
}

/* A run called name of no steps that starts from the path. */
static void start_from(const char *name, const char *path)
{
    char set[512];
    snprintf(set, sizeof set, "tasks=%s", path);
    const char *const sets[] = {set, "total_steps=0", NULL};
    tiny_run_train(&tiny, name, false, sets);
}

static void refuse(const char *name, const char *path, const char *part)
{
    char set[512];
    snprintf(set, sizeof set, "tasks=%s", path);
    const char *const sets[] = {set, "total_steps=0", NULL};
    tiny_run_refused(&tiny, name, false, sets, part);
    char *folder = tiny_run_path(&tiny, name);
    assert_false(azr_directory_exists(folder)); /* noticed before anything was made */
    azr_free(folder);
}

#define ROW(program, input, output) \
    "{\"program\":\"" program "\",\"input\":\"" input "\",\"output\":\"" output "\"}\n"

/* Nothing is believed: each row is run, and its output must be what it gives. */
static void test_checked(void **state)
{
    (void)state;
    write_tasks("mixed.jsonl",
                ROW("def f(a):\\n    return a + 1\\n", "1",
                    "2") ROW("def f(a):\\n    return a + 1\\n", "2",
                             "4") "\n" ROW("def f(a):\\n    return id(object())\\n", "1", "2")
                    ROW("def f(a):\\n    return {a}\\n", "3 + 4", "set([7])")
                        ROW("def f(a):\\n    return a * 2\\n", "f('x') + f('y')", "'xxyyxxyy'")
                            ROW("def f(a, b=1):\\n    return b\\n", "1, b=len('abc') # x", "3")
                                ROW("def f(a):\\n    return a\\n", "nothing", "1")
                                    ROW("import socket\\ndef f(a):\\n    return a\\n", "1", "1"));
    char *path = tiny_run_path(&tiny, "mixed.jsonl");
    start_from("mixed", path);
    azr_free(path);
    assert_printed("mixed.jsonl: 4 of 8 rows are tasks");
    assert_printed("mixed.jsonl:2: refused: f(2) gives 3, and not 4");
    assert_printed("mixed.jsonl:4: refused: ");
    assert_printed("mixed.jsonl:8: refused: input 1, nothing, is no plain value: NameError");
    assert_printed("mixed.jsonl:9: refused: the program uses what tasks may not use");
    /* For both kinds, beside the three identities. */
    assert_true(tiny_run_query(&tiny, "mixed", "SELECT count(*) FROM tasks") == 3 + 8);
    assert_true(tiny_run_query(&tiny, "mixed",
                               "SELECT count(*) FROM tasks WHERE inputs = "
                               "'[\"''xxyy''\"]'") == 2);
    assert_true(tiny_run_query(&tiny, "mixed",
                               "SELECT count(*) FROM tasks WHERE inputs = "
                               "'[\"1, b=3\"]'") == 2);
}

static void test_refused(void **state)
{
    (void)state;
    char *path = tiny_run_path(&tiny, "bad.jsonl");
    refuse("none", path, "bad.jsonl");
    write_tasks("bad.jsonl", ROW("def f(a):\\n    return a\\n", "1", "1") "{\"program\": 1}\n");
    refuse("shape", path, "bad.jsonl:2: field 'program' must be a text");
    write_tasks("bad.jsonl", ROW("def f(a):\\n    return a\\n", "1", "2"));
    refuse("false", path, "bad.jsonl holds no task that can be used");
    write_tasks("bad.jsonl", "");
    refuse("empty", path, "bad.jsonl holds no task that can be used");
    azr_free(path);
    path = tiny_run_path(&tiny, "nowhere.db");
    refuse("no-db", path, "nowhere.db");
    azr_free(path);
}

/* Rows of evaluation sets, whatever else the file holds. */
static void test_evaluation_sets(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"task_id\": \"HumanEval/0\", \"prompt\": \"\", \"canonical_solution\": \"\", "
        "\"entry_point\": \"g\", \"test\": \"\"}\n",
        "{\"question\": \"1 + 1?\", \"answer\": \"#### 2\"}\n",
        "{\"code\": \"def f(a):\\n    return a\", \"input\": \"1\", \"output\": \"1\", \"id\": "
        "\"sample_0\"}\n",
        "{\"program\": \"def f(a):\\n    return a\", \"code\": \"\", \"input\": \"1\", \"output\": "
        "\"1\"}\n",
        "{\"question_title\": \"Sum\", \"question_content\": \"Add two.\", \"question_id\": "
        "\"1_A\", \"starter_code\": \"\", \"public_test_cases\": \"[]\"}\n",
        "{\"task_id\": \"Mbpp/2\", \"base_input\": [], \"plus_input\": [], \"program\": \"\"}\n",
    };
    char *path = tiny_run_path(&tiny, "evaluation.jsonl");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_tasks("evaluation.jsonl", rows[i]);
        refuse("evaluation", path, "evaluation sets are never trained on");
    }
    write_tasks("evaluation.jsonl", "{\"question_content\": \"\", \"public_test_cases\": []}\n");
    refuse("evaluation", path, "a row of LiveCodeBench (fields 'question_content' and");
    azr_free(path);
}

/* The folder of a run, or its run.db: the same tasks come out again. */
static void test_other_run(void **state)
{
    (void)state;
    const char *const none[] = {"total_steps=0", NULL};
    tiny_run_train(&tiny, "first", false, none);
    char *folder = tiny_run_path(&tiny, "first"), *store = azr_path_join(folder, "run.db");
    start_from("from-folder", folder);
    start_from("from-store", store);
    static const char all[] =
        "SELECT sum(length(kind || program || inputs || outputs || coalesce(message, ''))) + "
        "1000000 * count(*) FROM tasks";
    assert_true(tiny_run_query(&tiny, "first", "SELECT count(*) FROM tasks") > 3);
    assert_true(tiny_run_query(&tiny, "from-folder", all) == tiny_run_query(&tiny, "first", all));
    assert_true(tiny_run_query(&tiny, "from-store", all) == tiny_run_query(&tiny, "first", all));
    azr_free(folder);
    azr_free(store);
}

/* The path of a shared file, skipping the test when it is not there. azr_free. */
static char *shared(const char *name)
{
    const char *folder = getenv("AZR_SHARED");
    char *path = azr_path_join(folder != NULL ? folder : "../shared", name);
    if (!azr_file_exists(path)) {
        azr_free(path);
        skip();
    }
    return path;
}

/* How many lines the last run refused. */
static size_t n_refused(void)
{
    char *log = printed();
    size_t n = 0;
    for (const char *at = log; (at = strstr(at, ": refused: ")) != NULL; at++)
        n++;
    azr_free(log);
    return n;
}

/* Seven outputs are cut and one was never there; besides these, values that are not plain, sets
 * whose order shows, and a module that is not allowed. */
static void test_reference_triplets(void **state)
{
    (void)state;
    char *path = shared("data/azr-seeds/7b_coder_seed_io.jsonl");
    start_from("triplets", path);
    azr_free(path);
    static const char *const refused[] = {
        ":26: refused: output 1, {Ellipsis}, is no plain value: set",
        ":38: refused: a program, argument, hint or result is too long: the result has 1850 bytes",
        ":77: refused: output 1, [6, 7, 8",
        ":91: refused: output 1, {('A', 'lower')",
        ":114: refused: output 1, ('Python is fun to code '",
        ":152: refused: two runs differ",
        ":176: refused: output 1, which is empty, is no plain value",
        ":178: refused: f(['apple', 'banana', 'cat', 'dog']) gives {",
        ":189: refused: output 1, {Ellipsis}, is no plain value: set",
        ":192: refused: output 1, {'P': 2",
        ":213: refused: output 1, ['Another complex",
        ":224: refused: output 1, ('r', ['c', 'a'",
        ":229: refused: two runs differ",
    };
    for (size_t i = 0; i < AZR_COUNT(refused); i++)
        assert_printed(refused[i]);
    /* Line 239 imports queue. */
    assert_in_range(n_refused(), 13, 14);
    assert_true(tiny_run_query(&tiny, "triplets",
                               "SELECT count(*) FROM tasks WHERE kind = "
                               "'deduction'") >= 230);
}

static void test_reference_induction(void **state)
{
    (void)state;
    char *path = shared("data/azr-seeds/7b_coder_code_f_seed_io.jsonl");
    start_from("induction", path);
    azr_free(path);
    assert_printed(":35: refused: input 6, {'nested_modifications'");

    assert_printed(":165: refused: output 8, {'C': 1");
    assert_printed(":48: refused: output 1, which is empty, is no plain value");
    assert_printed(":132: refused: a program, argument, hint or result is too long");
    assert_printed(":220: refused: two runs differ");
    assert_int_equal(n_refused(), 22);
    /* Arguments that were calls. */
    assert_true(tiny_run_query(&tiny, "induction",
                               "SELECT count(*) FROM tasks WHERE inputs LIKE "
                               "'%\"[1, 2, 3, 4, 5], [4, 5, 6, 7, 8]\"%'") == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checked),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_evaluation_sets),
        cmocka_unit_test(test_other_run),
        cmocka_unit_test(test_reference_triplets),
        cmocka_unit_test(test_reference_induction),
    };
    return cmocka_run_group_tests(tests, tiny_run_set_up, tiny_run_tear_down);
}
