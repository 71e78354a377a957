/* test_exec_command.c: azr exec: JSON lines in, JSON lines out, in order. */
#include "../support/process.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* azr exec with the lines as its standard input. */
static azr_test_process exec_lines(const char *lines, const char *options)
{
    char path[] = "/tmp/azr-exec-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    size_t size = strlen(lines);
    assert_int_equal(write(fd, lines, size), size);
    close(fd);
    azr_strbuf command = {0};
    azr_strbuf_printf(&command, "%s exec %s < %s", azr_test_binary(), options, path);
    const char *argv[] = {"/bin/sh", "-c", azr_strbuf_text(&command), NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    azr_strbuf_deinit(&command);
    unlink(path);
    return process;
}

/* The n-th line of the output, as JSON. */
static json_t *line_of(const char *out, int n)
{
    for (; n > 0; n--) {
        out = strchr(out, '\n');
        assert_non_null(out);
        out++;
    }
    json_t *line = json_loads(out, JSON_DISABLE_EOF_CHECK, NULL);
    if (line == NULL)
        fail_msg("no JSON: %s", out);
    return line;
}

static const char *text_of(const json_t *line, size_t i, const char *key)
{
    const char *text = json_string_value(
        json_object_get(json_array_get(json_object_get(line, "results"), i), key));
    return text != NULL ? text : "";
}

static json_t *equal_of(const json_t *line, size_t i)
{
    return json_object_get(json_array_get(json_object_get(line, "results"), i), "equal");
}

static void jobs_and_results(void **state)
{
    (void)state;
    azr_test_process process = exec_lines(
        "{\"id\": \"a\", \"program\": \"def f(a, b): return a + b\", \"inputs\": [\"1, 2\", \"'x', "
        "'y'\", \"1) or (7\", \"1, 'x'\"], \"expect\": [\"3.0\", \"'xz'\", \"1\", \"1\"]}\n"
        "this is no json\n"
        "\n"
        "{\"id\": 2, \"program\": \"def f(): return list({'a','b'})\", \"inputs\": [\"\"], "
        "\"check\": \"determinism\"}\n"
        "{\"id\": 3, \"program\": \"def f():\\n while True: pass\", \"inputs\": [\"\"], "
        "\"cpu_ms\": "
        "50}\n"
        "{\"id\": 4, \"program\": \"def f(): return len(bytes(40<<20))\", \"inputs\": [\"\"], "
        "\"memory_mb\": 20}\n"
        "{\"id\": 5}\n"
        "{\"id\": 6, \"program\": \"def f(): return 1\", \"inputs\": \"x\"}\n"
        "{\"id\": 7, \"program\": \"def f(): return 1\", \"inputs\": [\"\"], \"check\": "
        "\"maybe\"}\n"
        "{\"id\": 8, \"program\": \"def f(): return {1: float('nan')}\", \"inputs\": [\"\"], "
        "\"expect\": [\"{1: nan}\"]}",
        "--jobs 2");
    assert_int_equal(process.code, 0);
    json_t *line = line_of(process.out, 0);
    assert_string_equal(json_string_value(json_object_get(line, "id")), "a");
    assert_string_equal(text_of(line, 0, "status"), "ok");
    assert_string_equal(text_of(line, 0, "value"), "3");
    assert_string_equal(text_of(line, 0, "type"), "int");
    assert_true(json_is_true(equal_of(line, 0)));
    assert_string_equal(text_of(line, 1, "value"), "'xy'");
    assert_true(json_is_false(equal_of(line, 1)));
    assert_string_equal(text_of(line, 2, "status"), "bad_input");
    assert_true(json_is_false(equal_of(line, 2)));
    assert_string_equal(text_of(line, 3, "status"), "exception");
    assert_string_equal(text_of(line, 3, "exception"), "TypeError");
    json_decref(line);
    line = line_of(process.out, 1);
    assert_string_equal(text_of(line, 0, "status"), "bad_input");
    assert_non_null(strstr(text_of(line, 0, "message"), "line 2"));
    json_decref(line);
    static const char *const statuses[] = {"nondeterministic", "timeout_cpu", "memory", "bad_input",
                                           "bad_input",        "bad_input",   "ok"};
    for (int i = 0; i < 7; i++) {
        line = line_of(process.out, 2 + i);
        assert_int_equal(json_integer_value(json_object_get(line, "id")), 2 + i);
        assert_string_equal(text_of(line, 0, "status"), statuses[i]);
        if (i < 6)
            assert_true(json_is_null(equal_of(line, 0)));
        else
            assert_true(json_is_false(equal_of(line, 0))); /* NaN */
        json_decref(line);
    }
    azr_test_process_deinit(&process);
}

/* Many lines come back in their order although they end in another. */
static void order(void **state)
{
    (void)state;
    enum { N = 300 };
    azr_strbuf lines = {0};
    for (int i = 0; i < N; i++)
        azr_strbuf_printf(
            &lines,
            "{\"id\":%d,\"program\":\"def f(n): return sum(range(n))\",\"inputs\":[\"%d\"]}\n", i,
            i % 50 == 0 ? 1000000 : i);
    azr_test_process process = exec_lines(azr_strbuf_text(&lines), "");
    assert_int_equal(process.code, 0);
    const char *out = process.out;
    for (int i = 0; i < N; i++) {
        json_t *line = line_of(out, 0);
        assert_int_equal(json_integer_value(json_object_get(line, "id")), i);
        assert_string_equal(text_of(line, 0, "status"), "ok");
        json_decref(line);
        out = strchr(out, '\n') + 1;
    }
    assert_int_equal(*out, '\0');
    azr_strbuf_deinit(&lines);
    azr_test_process_deinit(&process);
}

/* Lines that are longer than a job may be are refused by their number; those behind them run. */
static void long_lines(void **state)
{
    (void)state;
    enum { N = 17 << 20 };
    static const char good[] =
        "{\"id\": 1, \"program\": \"def f(): return 7\", \"inputs\": [\"\"]}\n";
    char *letters = malloc(N + 1);
    assert_non_null(letters);
    memset(letters, 'x', N);
    letters[N] = '\0';
    azr_strbuf lines = {0};
    azr_strbuf_printf(&lines, "%s{\"id\": 2, \"program\": \"%s\"}\n%s%s", good, letters, good,
                      letters);
    free(letters);
    azr_test_process process = exec_lines(azr_strbuf_text(&lines), "");
    assert_int_equal(process.code, 0);
    for (int i = 0; i < 4; i++) {
        json_t *line = line_of(process.out, i);
        assert_string_equal(text_of(line, 0, "status"), i % 2 == 0 ? "ok" : "bad_input");
        if (i % 2 == 1)
            assert_non_null(strstr(text_of(line, 0, "message"),
                                   i == 1 ? "line 2: longer than" : "line 4: longer than"));
        json_decref(line);
    }
    azr_strbuf_deinit(&lines);
    azr_test_process_deinit(&process);
}

static void probe_and_require(void **state)
{
    (void)state;
    azr_test_process process = exec_lines("", "--probe");
    assert_int_equal(process.code, 0);
    assert_non_null(strstr(process.out, "seccomp      active"));
    azr_test_process_deinit(&process);
    process = exec_lines("", "");
    assert_int_equal(process.code, 0);
    assert_string_equal(process.out, "");
    azr_test_process_deinit(&process);
    process = exec_lines("", "--probe --engine spawn");
    assert_int_equal(process.code, 0);
    assert_non_null(strstr(process.out, "engine spawn"));
    azr_test_process_deinit(&process);
    process = exec_lines("", "--engine steam");
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "steam"));
    azr_test_process_deinit(&process);
    process = exec_lines("", "--require moon");
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "moon"));
    azr_test_process_deinit(&process);
    setenv("AZR_EXECUTOR_DISABLE", "namespaces", 1);
    process = exec_lines("{}\n", "--require namespaces");
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "namespaces"));
    assert_string_equal(process.out, "");
    azr_test_process_deinit(&process);
    setenv("AZR_EXECUTOR_DISABLE", "python", 1);
    process = exec_lines("{}\n", "");
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "CPython"));
    azr_test_process_deinit(&process);
    unsetenv("AZR_EXECUTOR_DISABLE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_and_results),
        cmocka_unit_test(order),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(probe_and_require),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
