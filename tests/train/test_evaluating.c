/* Evaluation while training: its numbers stand with the others, it is taken up again after a stop,
 * and it changes nothing of the run. */
#include "azr/buffer.h"
#include "azr/status.h"

#include "../support/models.h"
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The model's vocabulary knows these answers. */
static const char items[] = "{\"program\": \"def f(a):\\n    return a\", \"kind\": \"deduction\", "
                            "\"input\": \"1\", \"output\": \"1\"}\n"
                            "{\"program\": \"def f(a):\\n    return a\", \"kind\": \"abduction\", "
                            "\"input\": \"1\", \"output\": \"1\"}\n"
                            "{\"program\": \"def f(a):\\n    return [a, 2]\", \"kind\": "
                            "\"deduction\", \"input\": \"3\", \"output\": \"[3, 2]\"}\n";

static char sets[160];

static int set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    char *path = tiny_run_path(&tiny, "held.jsonl");
    int code = azr_file_write(path, items, strlen(items), NULL) == AZR_OK ? 0 : 1;
    snprintf(sets, sizeof sets, "eval_sets=tasks=%s", path);
    azr_free(path);
    return code;
}

static void same_weights(const char *a, const char *b, int64_t step)
{
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors", "state.json"};
    for (size_t i = 0; i < AZR_COUNT(files); i++) {
        char name[2][128], *bytes[2];
        size_t sizes[2];
        for (int j = 0; j < 2; j++) {
            azr_error error;
            snprintf(name[j], sizeof name[j], "%s/checkpoints/step-%06lld/%s", j == 0 ? a : b,
                     (long long)step, files[i]);
            char *path = tiny_run_path(&tiny, name[j]);
            assert_ok(azr_file_read(path, 1 << 26, &bytes[j], &sizes[j], &error), &error);
            azr_free(path);
        }
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(bytes[0], bytes[1], sizes[0]);
        azr_free(bytes[0]);
        azr_free(bytes[1]);
    }
}

static void changes_nothing(void **state)
{
    (void)state;
    const char *with[] = {"eval_every=2", sets, NULL},
               *limited[] = {"eval_every=4", "eval_limit=2", "eval_max_tokens=3", sets, NULL};
    tiny_run_train(&tiny, "without", false, NULL);
    tiny_run_train(&tiny, "with", false, with);
    tiny_run_train(&tiny, "limited", false, limited);
    same_weights("without", "with", 4);
    same_weights("without", "limited", 4);
    static const int64_t steps[] = {0, 2, 4};
    for (size_t i = 0; i < AZR_COUNT(steps); i++) {
        double rate = tiny_run_metric(&tiny, "with", steps[i], "val/tasks/pass@1");
        double low = tiny_run_metric(&tiny, "with", steps[i], "val/tasks/pass@1_low");
        double high = tiny_run_metric(&tiny, "with", steps[i], "val/tasks/pass@1_high");
        assert_true(rate >= 0.0 && rate <= 1.0 && low <= rate && rate <= high && low < high);
        assert_true(tiny_run_metric(&tiny, "with", steps[i], "val/tasks/n") == 3.0);
    }
    double n_none = tiny_run_metric(&tiny, "with", 4, "val/tasks/none_count");
    double format = tiny_run_metric(&tiny, "with", 4, "val/tasks/format_score");
    assert_true(n_none >= 0.0 && n_none <= 1.0); /* only abduction's answer is run */
    assert_true(tiny_run_metric(&tiny, "with", 4, "val/tasks/none_ratio") == n_none / 3.0);
    assert_true(format * 3.0 == floor(format * 3.0) && format <= 1.0 &&
                format >= tiny_run_metric(&tiny, "with", 4, "val/tasks/pass@1"));
    assert_true(isnan(tiny_run_metric(&tiny, "with", 1, "val/tasks/n")));
    assert_true(isnan(tiny_run_metric(&tiny, "without", 4, "val/tasks/n")));
    assert_true(isnan(tiny_run_metric(&tiny, "limited", 2, "val/tasks/n")));
    assert_true(tiny_run_metric(&tiny, "limited", 4, "val/tasks/n") == 2.0);
}

static void goes_on(void **state)
{
    (void)state;
    const char *first[] = {"eval_every=2", sets, "total_steps=2", NULL};
    const char *rest[] = {"eval_every=2", sets, "total_steps=4", NULL};
    tiny_run_train(&tiny, "halves", false, first);
    tiny_run_train(&tiny, "halves", true, rest);
    tiny_run_train(&tiny, "whole", false, rest);
    tiny_run_equal(&tiny, "halves", "whole", 4);
    /* Stopped between a step's checkpoint and its evaluation: made up for at the next start. */
    assert_true(tiny_run_query(&tiny, "halves",
                               "DELETE FROM metrics WHERE name LIKE 'val/%' AND "
                               "step = 4 RETURNING 1") == 1.0);
    tiny_run_train(&tiny, "halves", true, rest);
    assert_true(tiny_run_metric(&tiny, "halves", 4, "val/tasks/n") == 3.0);
    assert_true(tiny_run_metric(&tiny, "halves", 4, "val/tasks/pass@1") ==
                tiny_run_metric(&tiny, "whole", 4, "val/tasks/pass@1"));
}

static void refused(void **state)
{
    (void)state;
    const char *none[] = {"eval_every=2", NULL};
    tiny_run_refused(&tiny, "none", false, none, "eval_every needs eval_sets");
    const char *gone[] = {"eval_every=2", "eval_sets=gsm8k=/nowhere/x", NULL};
    tiny_run_refused(&tiny, "gone", false, gone, "/nowhere/x");
    const char *what[] = {"eval_every=2", "eval_sets=gsm9k=/nowhere/x", NULL};
    tiny_run_refused(&tiny, "what", false, what, "did you mean gsm8k");
    char *path = tiny_run_path(&tiny, "gone");
    assert_int_not_equal(access(path, F_OK), 0); /* nothing is left of it */
    azr_free(path);
}

/* A run called name that starts from start.jsonl and is evaluated on a file of rows (NULL: the one
 * that is there): refused with that part of a sentence, NULL: accepted. */
static void hold_out(const char *name, bool resume, const char *suite, const char *rows,
                     const char *part)
{
    char start[200], set[200];
    char *path = tiny_run_path(&tiny, suite);
    if (rows != NULL)
        assert_int_equal(azr_file_write(path, rows, strlen(rows), NULL), AZR_OK);
    snprintf(start, sizeof start, "tasks=%s/start.jsonl", tiny.folder);
    snprintf(set, sizeof set, "eval_sets=%s=%s", suite, path);
    const char *const assignments[] = {start, set, "eval_every=2", "total_steps=0", NULL};
    if (part != NULL)
        tiny_run_refused(&tiny, name, resume, assignments, part);
    else
        tiny_run_train(&tiny, name, resume, assignments);
    azr_free(path);
}

#define ROW(field, program, input, output)                                               \
    "{\"id\": \"" output "\", \"" field "\": \"" program "\", \"input\": \"" input "\"," \
    " \"output\": \"" output "\"}\n"

static void never_trained_on(void **state)
{
    (void)state;
    static const char start[] = ROW("program", "def f(a):\\n    return a + 1", "1", "2")
        ROW("program", "def f(a, b):\\n    return a * b", "2, b=3",
            "6") "{\"program\": \"def f(a):\\n    return a\", \"inputs\": [\"5\", \"6\", \"7\", "
                 "\"8\"], "
                 "\"outputs\": [\"5\", \"6\", \"7\", \"8\"], \"message\": \"it\"}\n";
    static const char refused[] = "eval_sets names: evaluation sets are never trained on";
    char *path = tiny_run_path(&tiny, "start.jsonl"), *link_path = tiny_run_path(&tiny, "tasks");
    assert_int_equal(azr_file_write(path, start, strlen(start), NULL), AZR_OK);
    /* Another argument, another program; and the identity, which every run begins with. */
    hold_out("innocent", false, "tasks",
             ROW("program", "def f(a):\\n    return a + 1", "2", "3")
                 ROW("program", "def f(a):\\n    return a + 2", "1", "3")
                     ROW("program", "def f(a):\\n    return a", "'Hello world'", "'Hello world'"),
             NULL);
    /* The same question in another layout, with comments and brackets' blanks. */
    hold_out("row", false, "cruxeval-o",
             ROW("code", "def f(a):\\n    return a + 3", "1", "4")
                 ROW("code", "def f(a, b):\\n\\n  'So.'\\n  return a*b # so", "2,  b = 3", "6"),
             refused);
    hold_out("pair", false, "tasks", ROW("program", "def f(a):\\n    return a", "7", "7"),
             "start.jsonl:3: a question of ");
    /* A run may be told later what to evaluate on. */
    hold_out("innocent", true, "cruxeval-o", NULL, refused);
    /* The same file by another name, and a store by that of its run. */
    assert_int_equal(remove(link_path), 0);
    assert_int_equal(symlink(path, link_path), 0);
    hold_out("file", false, "tasks", NULL, "tasks and eval_sets both name");
    char run[200], set[200];
    snprintf(run, sizeof run, "tasks=%s/innocent", tiny.folder);
    snprintf(set, sizeof set, "eval_sets=tasks=%s/innocent/run.db", tiny.folder);
    const char *const store[] = {run, set, "eval_every=2", "total_steps=0", NULL};
    tiny_run_refused(&tiny, "store", false, store, "tasks and eval_sets both name");
    azr_free(link_path);
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_nothing),
        cmocka_unit_test(goes_on),
        cmocka_unit_test(refused),
        cmocka_unit_test(never_trained_on),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
