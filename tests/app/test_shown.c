/* test_shown.c: what azr propose and azr solve print for people: every verdict and its reason in
 * words, coloured on a terminal. On the tiny model that proposes and answers by chance. */
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char model[128], tasks[128];

static int set_up(void **state)
{
    (void)state;
    static const char rows[] =
        "{\"program\": \"def f(a):\\n    return a\\n\", \"input\": \"1\", \"output\": \"1\"}\n"
        "{\"kind\": \"induction\", \"program\": \"def f(a):\\n    return a\\n\", \"inputs\": "
        "[\"1\", \"2\", \"3\", \"4\"], \"outputs\": [\"1\", \"2\", \"3\", \"4\"], \"message\": "
        "\"it\"}\n";
    tiny_run_create(&tiny);
    snprintf(model, sizeof model, "%s/model", tiny.folder);
    snprintf(tasks, sizeof tasks, "%s/tasks.jsonl", tiny.folder);
    return azr_file_write(tasks, rows, sizeof rows - 1, NULL) == AZR_OK ? 0 : 1;
}

/* All that comes out of a terminal until the other end is closed. */
static char *read_terminal(int master)
{
    azr_strbuf text = {0};
    char piece[4096];
    for (ssize_t n; (n = read(master, piece, sizeof piece)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            if (piece[i] != '\r') /* which the terminal adds to line feeds */
                azr_strbuf_append(&text, &piece[i], 1);
    return azr_strbuf_steal(&text);
}

/* What the command prints to a new terminal. */
static char *run_on_terminal(const char *const *argv)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        int nowhere = open("/dev/null", O_RDWR);
        if (dup2(slave, STDOUT_FILENO) < 0 || dup2(nowhere, STDERR_FILENO) < 0)
            _exit(125);
        alarm(120);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    close(slave);
    char *text = read_terminal(master);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(master);
    return text;
}

static void assert_said(const char *text, const char *const *parts)
{
    for (; *parts != NULL; parts++)
        if (strstr(text, *parts) == NULL)
            fail_msg("no '%s' in:\n%s", *parts, text);
}

/* As a user runs it, its output to a pipe: no colour; and to a terminal. */
static void check(const char *const *argv, const char *const *plain, const char *const *coloured,
                  const char *summary)
{
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != 0)
        fail_msg("exit code %d: %s", process.code, process.err);
    assert_said(process.out, plain);
    assert_null(strchr(process.out, '\033'));
    assert_non_null(strstr(process.err, summary));
    char *text = run_on_terminal(argv);
    assert_said(text, coloured);
    azr_free(text);
    azr_test_process_deinit(&process);
}

#define COMMON                                                                             \
    "--dtype", "f32", "-t", "1", "--max-tokens", "12", "--set", "exec_workers=1", "--set", \
        "exec_require=limits"

static void test_propose(void **state)
{
    (void)state;
    const char *const argv[] = {azr_test_binary(), "propose", "-m", model,  "--kind",
                                "deduction",       "-n",      "24", COMMON, NULL};
    static const char *const plain[] = {"--- proposal 1: ",
                                        "--- proposal 24: ",
                                        "valid (a valid task)\ndef f(a):\n    return ",
                                        "\n>>> f(",
                                        "no_program (",
                                        "\n",
                                        NULL};
    static const char *const coloured[] = {"--- proposal 24: \033[3",
                                           "\033[32mvalid\033[0m (a valid task)\ndef f(a):\n",
                                           "\033[33mno_", NULL};
    check(argv, plain, coloured, "of 24 proposals are valid tasks; ");
}

static void test_solve(void **state)
{
    (void)state;
    const char *const argv[] = {
        azr_test_binary(), "solve", "-m", model, "--task", tasks, "-n", "24", COMMON, NULL};
    static const char *const plain[] = {"task 1, attempt 1: ",
                                        "task 2, attempt 24: ",
                                        "correct (the answer is right): 1\n",
                                        "wrong (the answer is wrong: ",
                                        "bad_literal (",
                                        NULL};
    static const char *const coloured[] = {
        "\033[32mcorrect\033[0m (the answer is right): ",
        "\033[31mwrong\033[0m (the answer is wrong: ", "task 1, attempt 24: \033[3", NULL};
    check(argv, plain, coloured, "of 48 attempts are correct; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_propose),
        cmocka_unit_test(test_solve),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
