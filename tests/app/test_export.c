/* azr export: a run's tasks come back from the file as they were; its model opens like any other.
 */
#include "../support/models.h"
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    const char *sets[] = {"total_steps=2", NULL};
    tiny_run_train(&tiny, "run", false, sets);
    return 0;
}

/* Runs azr with these arguments; words that begin with @ are names in the folder. */
static azr_test_process azr(const char *const *words)
{
    const char *argv[12] = {azr_test_binary()};
    char *paths[12] = {0};
    for (size_t i = 0; words[i] != NULL; i++) {
        if (words[i][0] == '@')
            paths[i] = tiny_run_path(&tiny, words[i] + 1);
        argv[i + 1] = paths[i] != NULL ? paths[i] : words[i];
    }
    azr_test_process process = azr_test_process_run(argv, NULL);
    for (size_t i = 0; i < AZR_COUNT(paths); i++)
        azr_free(paths[i]);
    return process;
}

static void succeeds(const char *const *words, const char *part)
{
    azr_test_process process = azr(words);
    if (process.code != 0 || strstr(process.out, part) == NULL)
        fail_msg("exit code %d: %s%s", process.code, process.out, process.err);
    azr_test_process_deinit(&process);
}

static void refused(const char *const *words, const char *part)
{
    azr_test_process process = azr(words);
    if (process.code != 1 || strstr(process.err, part) == NULL)
        fail_msg("exit code %d: %s%s", process.code, process.out, process.err);
    azr_test_process_deinit(&process);
}

static char *text_of(const char *name)
{
    char *path = tiny_run_path(&tiny, name), *text;
    size_t size;
    azr_error error;
    assert_ok(azr_file_read(path, 1 << 24, &text, &size, &error), &error);
    azr_free(path);
    return text;
}

static void tasks_come_back(void **state)
{
    (void)state;
    succeeds((const char *[]){"export", "@run", "--to", "@tasks.jsonl", NULL}, " tasks of ");
    char *first = text_of("tasks.jsonl"), *path = tiny_run_path(&tiny, "tasks.jsonl");
    assert_non_null(strstr(first, "\"snippet\": \"def f(a):\\n"));
    assert_non_null(strstr(first, "\"kind\": \"induction\""));
    char tasks[128];
    snprintf(tasks, sizeof tasks, "tasks=%s", path);
    const char *sets[] = {"total_steps=0", tasks, NULL};
    tiny_run_train(&tiny, "again", false, sets);
    succeeds((const char *[]){"export", "@again", "--to", "@again.jsonl", NULL}, " tasks of ");
    char *second = text_of("again.jsonl");
    assert_string_equal(first, second);
    succeeds(
        (const char *[]){"export", "@run", "--to", "@induction.jsonl", "--kind", "induction", NULL},
        " tasks of ");
    char *third = text_of("induction.jsonl");
    assert_null(strstr(third, "\"kind\": \"deduction\""));
    azr_free(first);
    azr_free(second);
    azr_free(third);
    azr_free(path);
}

static void model_opens(void **state)
{
    (void)state;
    succeeds((const char *[]){"export", "@run", "--to", "@model2", NULL}, "after step 2");
    succeeds((const char *[]){"generate", "-m", "@model2", "-p", "a", "--max-tokens", "2", NULL},
             "");
    char *path = tiny_run_path(&tiny, "model2/optimizer.safetensors");
    assert_false(azr_file_exists(path));
    azr_free(path);
}

static void bad_requests(void **state)
{
    (void)state;
    refused((const char *[]){"export", NULL}, "export needs a run");
    refused((const char *[]){"export", "@none", "--to", "@x", NULL}, "is no folder of a run");
    refused((const char *[]){"export", "@run", "--to", "@config.yaml", NULL}, "exists already");
    refused((const char *[]){"export", "@run", "--to", "@x.gguf", NULL}, "GGUF");
    refused((const char *[]){"export", "@run", "--to", "@x.jsonl", "--kind", "guess", NULL},
            "--kind");
    refused((const char *[]){"export", "@model", "--to", "@x.jsonl", NULL}, "run.db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_come_back),
        cmocka_unit_test(model_opens),
        cmocka_unit_test(bad_requests),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
