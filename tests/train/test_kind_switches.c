/* test_kind_switches.c: runs with the error kind: off by default, and what it adds when it is on;
 * each test fails when its option is ignored. */
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ALL_KINDS "kinds=deduction,abduction,induction,error"

static int set_up(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a):\\n...     return a[7]\\n>>> f([])\\n\\n",
        "a):\\n...     raise KeyError(a)\\n>>> f(2)\\n\\n",
        "a):\\n...     assert a\\n>>> f(0)\\n\\n",
        "NoError\\n",
        "IndexError: list index out of range\\n",
        NULL,
    };
    tiny_run_create_with(&tiny, pieces);
    return 0;
}

static double count(const char *run, const char *sql)
{
    return tiny_run_query(&tiny, run, sql);
}

static void test_off_by_default(void **state)
{
    (void)state;
    const char *const sets[] = {"total_steps=1", NULL};
    tiny_run_train(&tiny, "three", false, sets);
    assert_true(count("three", "SELECT count(*) FROM tasks WHERE kind = 'error'") == 0.0);
    assert_true(count("three", "SELECT count(*) FROM attempts WHERE kind = 'error'") == 0.0);
    assert_true(isnan(tiny_run_metric(&tiny, "three", 1, "gen_code_e/n")));
    assert_true(tiny_run_metric(&tiny, "three", 1, "actor/sequences") == 24.0);
}

/* Seeds, proposals, estimates, answers, groups and metrics of a fourth kind. */
static void test_error_kind(void **state)
{
    (void)state;
    const char *const sets[] = {ALL_KINDS, "total_steps=2", "seed_rounds=6", "estimate_samples=16",
                                NULL};
    tiny_run_train(&tiny, "four", false, sets);
    assert_true(count("four", "SELECT count(*) FROM tasks WHERE kind = 'error' AND step = 0") >=
                3.0);
    assert_true(count("four", "SELECT count(*) FROM attempts WHERE step = 1 AND kind = 'error' AND "
                              "purpose = 'propose'") == 4.0);
    assert_true(count("four", "SELECT count(*) FROM attempts WHERE step = 1 AND kind = 'error' AND "
                              "purpose = 'solve'") == 4.0);
    assert_true(count("four", "SELECT count(*) FROM attempts WHERE kind = 'error' AND role = "
                              "'solver' AND verdict = 'correct'") > 0.0);
    assert_true(count("four", "SELECT count(DISTINCT outputs) FROM tasks WHERE kind = 'error'") >=
                3.0); /* IndexError, NoError, AssertionError */
    /* What raises stays with the error kind: the others store values. */
    assert_true(count("four", "SELECT count(*) FROM tasks WHERE kind <> 'error' AND outputs LIKE "
                              "'%Error%'") == 0.0);
    assert_true(tiny_run_metric(&tiny, "four", 1, "actor/sequences") == 32.0);
    assert_true(tiny_run_metric(&tiny, "four", 1, "gen_code_e/n") == 4.0);
    assert_true(tiny_run_metric(&tiny, "four", 1, "pred_code_e/n") == 4.0);
    assert_false(isnan(tiny_run_metric(&tiny, "four", 1, "pred_code_e/critic/advantages/mean")));
    assert_true(tiny_run_metric(&tiny, "four", 1, "types/error_types/total_instances") ==
                count("four", "SELECT count(*) FROM tasks WHERE kind = 'error' AND step = 0"));
    char *run = tiny_run_path(&tiny, "four");
    const char *const info[] = {azr_test_binary(), "info", run, NULL};
    azr_test_process process = azr_test_process_run(info, NULL);
    assert_int_equal(process.code, 0);
    assert_non_null(strstr(process.out, ", error "));
    assert_non_null(strstr(process.out, "valid, error"));
    assert_non_null(strstr(process.out, "solved, error"));
    azr_test_process_deinit(&process);
    azr_free(run);
}

/* Alone, too. */
static void test_error_alone(void **state)
{
    (void)state;
    const char *const sets[] = {"kinds=error", "total_steps=1", NULL};
    tiny_run_train(&tiny, "alone", false, sets);
    assert_true(tiny_run_metric(&tiny, "alone", 1, "actor/sequences") == 8.0);
    assert_true(
        count("alone", "SELECT count(*) FROM attempts WHERE step = 1 AND kind <> 'error'") == 0.0);
}

static double stored_with(const char *run, const char *word)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM tasks WHERE kind = 'error' AND program LIKE '%%%s%%'", word);
    return count(run, sql);
}

static void test_error_banned(void **state)
{
    (void)state;
    const char *const by_default[] = {ALL_KINDS, "total_steps=0", "seed_tasks=12", "seed_rounds=8",
                                      NULL};
    const char *const none[] = {ALL_KINDS,       "error_banned=", "total_steps=0",
                                "seed_tasks=12", "seed_rounds=8", NULL};
    const char *const both[] = {ALL_KINDS,
                                "error_banned=raise,assert",
                                "total_steps=0",
                                "seed_rounds=8",
                                "seed_tasks=12",
                                "seed_rounds=8",
                                NULL};
    tiny_run_train(&tiny, "raise", false, by_default);
    tiny_run_train(&tiny, "none", false, none);
    tiny_run_train(&tiny, "both", false, both);
    assert_true(stored_with("raise", "raise") == 0.0 && stored_with("raise", "assert") > 0.0);
    assert_true(stored_with("none", "raise") > 0.0);
    assert_true(stored_with("both", "raise") == 0.0 && stored_with("both", "assert") == 0.0);
    assert_true(count("raise", "SELECT count(*) FROM attempts WHERE kind = 'error' AND verdict = "
                               "'forbidden'") > 0.0);
    const char *const unknown[] = {"error_banned=raise,yield", NULL};
    tiny_run_refused(&tiny, "unknown", false, unknown,
                     "error_banned must be a list of raise, assert, try and except: 'yield'");
}

/* A program that fails whatever it is given says nothing about its input. */
static void test_interest(void **state)
{
    (void)state;
    const char *const sets[] = {
        ALL_KINDS, "interest=true", "error_banned=", "total_steps=1", "batch_size=12", NULL};
    tiny_run_train(&tiny, "interest", false, sets);
    assert_true(stored_with("interest", "raise") == 0.0);
    assert_true(tiny_run_metric(&tiny, "interest", 1, "proposer/refused/constant") > 0.0);
}

/* The same through the template that asks in words, with functions to call. */
static void test_azr_template(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        " a </think><answer>```python\\ndef f(a):\\n    return "
        "a[7]\\n```\\n```input\\n[]\\n```</answer>",
        " b </think><answer>```python\\ndef f(a):\\n    return [g_0(a), 1]\\n```\\n"
        "```input\\n4\\n```</answer>",
        " c </think><answer>```output\\nIndexError\\n```</answer>",
        " d </think><answer>```output\\nIndexError\\n```\\nUser:",
        " e </think><answer>```python\\ndef f(a):\\n    return "
        "a[8]\\n```\\n```input\\n[]\\n```Assistant:",
        NULL,
    };
    const tiny_run outside = tiny;
    tiny_run_create_with(&tiny, pieces);
    const char *const sets[] = {
        "kinds=deduction,error",   "template=azr",           "temperature=0.25",
        "composite_chance=0.5",    "max_prompt_tokens=4000", "references=1",
        "batch_size=12",           "seed_rounds=1",          "total_steps=1",
        "micro_batch_tokens=4096", "exec_cpu_ms=2000",       NULL};
    tiny_run_train(&tiny, "words", false, sets);
    assert_true(count("words", "SELECT count(*) FROM attempts WHERE role = 'proposer' AND prompt "
                               "NOT LIKE '%no more than 0.5 s of%'") == 0.0);
    assert_true(count("words",
                      "SELECT count(*) FROM tasks WHERE kind = 'error' AND outputs = "
                      "'[\"IndexError\"]' AND program = 'def f(a):\n    return a[7]\n'") > 0.0);
    assert_true(count("words", "SELECT count(*) FROM attempts WHERE kind = 'error' AND role = "
                               "'solver' AND verdict = 'correct'") > 0.0);
    /* What did not close its answer is no reply, right as it would be. */
    assert_true(count("words", "SELECT count(*) FROM attempts WHERE completion LIKE "
                               "' d </think>%' OR completion LIKE ' e </think>%'") > 2.0);
    assert_true(count("words", "SELECT count(*) FROM attempts WHERE verdict <> 'no_reply' AND "
                               "(completion LIKE ' d </think>%' OR completion LIKE ' e "
                               "</think>%')") == 0.0);
    assert_true(count("words", "SELECT count(*) FROM tasks WHERE program LIKE "
                               "'def g_0(a):%def f(a):_    return [g_0(a), 1]%'") > 0.0);
    tiny_run_remove(&tiny);
    tiny = outside;
}

/* A user's message in the model's own format, which is no ChatML; the whole reply is the answer. */
static void test_chat_template(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "```python\\ndef f(a):\\n    return [a, 5]\\n```\\n```input\\n2\\n```",
        "It is\\n```output\\n[2, 5]\\n```", "<|turn|>", NULL};
    static const char template[] =
        "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content | trim }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}";
    const tiny_run outside = tiny;
    tiny_run_create_with(&tiny, pieces);
    static const char ends[] = "{\"eos_token_id\": [256, 268]}"; /* 268: the last piece */
    char *path = tiny_run_path(&tiny, "model/generation_config.json");
    assert_int_equal(azr_file_write(path, ends, strlen(ends), NULL), AZR_OK);
    azr_free(path);
    const char *const sets[] = {
        "kinds=deduction",        "template=chat",           "max_prompt_tokens=4000",
        "references=1",           "batch_size=12",           "seed_rounds=1",
        "total_steps=1",          "micro_batch_tokens=4096", "temperature=0.25",
        "max_response_tokens=24", "max_answer_tokens=24",    NULL};
    tiny_run_refused(&tiny, "none", false, sets, "the model has no chat template");
    path = tiny_run_path(&tiny, "model/chat_template.jinja");
    assert_int_equal(azr_file_write(path, template, strlen(template), NULL), AZR_OK);
    tiny_run_train(&tiny, "chat", false, sets);
    assert_true(count("chat", "SELECT count(*) FROM tasks WHERE kind = 'deduction' AND program = "
                              "'def f(a):\n    return [a, 5]\n'") > 0.0);
    assert_true(count("chat", "SELECT count(*) FROM attempts WHERE role = 'solver' AND verdict = "
                              "'correct'") > 0.0);
    /* Who was cut off at the limit sent no message. */
    assert_true(count("chat", "SELECT count(*) FROM attempts WHERE n_tokens = 24 AND verdict = "
                              "'no_reply'") > 0.0);
    static const char unknown[] = "\n{% macro x() %}{% endmacro %}";
    assert_int_equal(azr_file_write(path, unknown, strlen(unknown), NULL), AZR_OK);
    tiny_run_refused(&tiny, "macro", false, sets, "line 2: the statement 'macro' is not known");
    azr_free(path);
    tiny_run_remove(&tiny);
    tiny = outside;
}

static void test_resume(void **state)
{
    (void)state;
    const char *const four[] = {ALL_KINDS, "total_steps=4", "running_decay=0.9", NULL};
    const char *const two[] = {ALL_KINDS, "total_steps=2", "running_decay=0.9", NULL};
    tiny_run_train(&tiny, "whole", false, four);
    tiny_run_train(&tiny, "cut", false, two);
    tiny_run_train(&tiny, "cut", true, four);
    tiny_run_equal(&tiny, "whole", "cut", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_by_default), cmocka_unit_test(test_error_kind),
        cmocka_unit_test(test_error_alone),    cmocka_unit_test(test_error_banned),
        cmocka_unit_test(test_interest),       cmocka_unit_test(test_azr_template),
        cmocka_unit_test(test_chat_template),  cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
