/* azr eval as a user runs it: killed and started again it ends in the same bytes; results are told,
 * written and compared. */
#include "../support/models.h"
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *model, *data;

static int set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    model = tiny_run_path(&tiny, "model");
    data = tiny_run_path(&tiny, "items.jsonl");
    azr_strbuf items = {0};
    for (int i = 0; i < 40; i++)
        azr_strbuf_printf(&items,
                          "{\"program\": \"def f(a):\\n    return a + %d\", \"kind\": "
                          "\"deduction\", \"input\": \"%d\", \"output\": \"%d\"}\n",
                          i % 3, i % 2, i % 3 + i % 2);
    int code = azr_file_write(data, items.data, items.size, NULL) == AZR_OK ? 0 : 1;
    azr_strbuf_deinit(&items);
    return code;
}

static int tear_down(void **state)
{
    (void)state;
    azr_free(model);
    azr_free(data);
    tiny_run_remove(&tiny);
    return 0;
}

enum { MAX_ARGUMENTS = 32 };

static void fill(const char **argv, const char *out, const char *const *more)
{
    const char *own[] = {azr_test_binary(),
                         "eval",
                         "-m",
                         model,
                         "--suite",
                         "tasks",
                         "--data",
                         data,
                         "-n",
                         "4",
                         "--temp",
                         "1",
                         "--max-tokens",
                         "48",
                         "--set",
                         "streams=2",
                         "--set",
                         "exec_require=limits",
                         "-o",
                         out};
    size_t n = 0;
    for (; n < AZR_COUNT(own); n++)
        argv[n] = own[n];
    for (size_t i = 0; more != NULL && more[i] != NULL && n + 1 < MAX_ARGUMENTS; i++)
        argv[n++] = more[i];
    argv[n] = NULL;
}

static azr_test_process evaluate(const char *out, const char *const *more)
{
    const char *argv[MAX_ARGUMENTS];
    fill(argv, out, more);
    return azr_test_process_run(argv, NULL);
}

static void same_bytes(const char *a, const char *b)
{
    char *text[2];
    size_t size[2];
    azr_error error;
    assert_ok(azr_file_read(a, 1 << 26, &text[0], &size[0], &error), &error);
    assert_ok(azr_file_read(b, 1 << 26, &text[1], &size[1], &error), &error);
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(text[0], text[1], size[0]);
    azr_free(text[0]);
    azr_free(text[1]);
}

static void killed_and_again(void **state)
{
    (void)state;
    char *whole = tiny_run_path(&tiny, "whole.db"), *pieces = tiny_run_path(&tiny, "pieces.db");
    char *whole_lines = tiny_run_path(&tiny, "whole.jsonl");
    char *piece_lines = tiny_run_path(&tiny, "pieces.jsonl");
    const char *threads[] = {"-t", "2", NULL};
    azr_test_process process = evaluate(whole, NULL);
    if (process.code != 0)
        fail_msg("%s", process.err);
    assert_non_null(strstr(process.out, "40 items, 4 samples each"));
    assert_non_null(strstr(process.out, "pass@1"));
    azr_test_process_deinit(&process);
    for (int ms = 20; ms <= 320; ms *= 2) {
        const char *argv[MAX_ARGUMENTS];
        fill(argv, pieces, threads);
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            freopen("/dev/null", "w", stdout);
            freopen("/dev/null", "w", stderr);
            execv(argv[0], (char *const *)(void *)argv);
            _exit(127);
        }
        usleep((useconds_t)ms * 1000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    process = evaluate(pieces, threads);
    if (process.code != 0)
        fail_msg("%s", process.err);
    azr_test_process_deinit(&process);
    same_bytes(whole, pieces);
    same_bytes(whole_lines, piece_lines);
    azr_free(whole);
    azr_free(pieces);
    azr_free(whole_lines);
    azr_free(piece_lines);
}

static void told_and_compared(void **state)
{
    (void)state;
    char *a = tiny_run_path(&tiny, "a.db"), *b = tiny_run_path(&tiny, "b.db");
    const char *json[] = {"--json", NULL}, *seed[] = {"--seed", "2", NULL};
    azr_test_process process = evaluate(a, json);
    assert_int_equal(process.code, 0);
    assert_non_null(strstr(process.out, "\"pass_at\""));
    azr_test_process_deinit(&process);
    process = evaluate(b, seed);
    assert_int_equal(process.code, 0);
    azr_test_process_deinit(&process);
    process = evaluate(a, seed); /* another evaluation's file */
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "seed"));
    azr_test_process_deinit(&process);
    const char *compare[] = {azr_test_binary(), "eval", "--compare", a, b, NULL};
    process = azr_test_process_run(compare, NULL);
    if (process.code != 0)
        fail_msg("%s", process.err);
    assert_non_null(strstr(process.out, "40 items"));
    assert_non_null(strstr(process.out, "McNemar"));
    azr_test_process_deinit(&process);
    azr_free(a);
    azr_free(b);
}

static void refused(void **state)
{
    (void)state;
    static const char *const cases[][8] = {
        {"eval"},
        {"eval", "--suite", "gsm8k"},
        {"eval", "--suite", "gsm9k", "--data", "/dev/null", "--canonical"},
        {"eval", "--suite", "gsm8k", "--data", "/nowhere", "--canonical"},
        {"eval", "--suite", "gsm8k", "--data", "/dev/null", "--canonical", "-n", "0"},
        {"eval", "--compare", "a"},
        {"eval", "--compare", "/nowhere/a", "/nowhere/b"},
        {"eval", "x.db"},
    };
    static const char *const parts[] = {"--suite", "--data",      "did you mean gsm8k", "/nowhere",
                                        "samples", "two results", "/nowhere/a",         "x.db"};
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        const char *argv[10] = {azr_test_binary()};
        for (size_t j = 0; j < 8 && cases[i][j] != NULL; j++)
            argv[j + 1] = cases[i][j];
        azr_test_process process = azr_test_process_run(argv, NULL);
        if (process.code != 1 || strstr(process.err, parts[i]) == NULL)
            fail_msg("case %zu: exit code %d, '%s'", i, process.code, process.err);
        azr_test_process_deinit(&process);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_and_again),
        cmocka_unit_test(told_and_compared),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
