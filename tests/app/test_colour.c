/* test_colour.c: verdicts are coloured on a terminal, and nowhere else. */
#include "app/colour.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What print_all says to a new terminal, or to a file. */
static void say(bool terminal, char *out, size_t size)
{
    int master = terminal ? posix_openpt(O_RDWR | O_NOCTTY) : -1, slave;
    char path[] = "/tmp/azr-colour-XXXXXX";
    if (terminal) {
        assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    } else {
        slave = mkstemp(path);
    }
    assert_true(slave >= 0);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    dup2(slave, STDOUT_FILENO);
    azr_verdict_print(AZR_VERDICT_CORRECT, "");
    azr_verdict_print(AZR_VERDICT_WRONG, "2 is not \033]0;x\a3");
    azr_verdict_print(AZR_VERDICT_FAILED, NULL);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    if (!terminal)
        lseek(slave, 0, SEEK_SET);
    ssize_t n = read(terminal ? master : slave, out, size - 1);
    assert_true(n > 0);
    out[n] = '\0';
    close(slave);
    if (terminal)
        close(master);
    else
        unlink(path);
}

static void test_colours(void **state)
{
    (void)state;
    char text[1024];
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    say(true, text, sizeof text);
    assert_non_null(strstr(text, "\033[32mcorrect\033[0m (the answer is right)"));
    assert_non_null(strstr(text, "\033[31mwrong\033[0m (the answer is wrong: 2 is not ?]0;x?3)"));
    assert_non_null(strstr(text, "\033[33mfailed\033[0m (the program did not run to its end)"));
    setenv("NO_COLOR", "1", 1);
    say(true, text, sizeof text);
    assert_null(strchr(text, '\033'));
    setenv("NO_COLOR", "", 1);
    setenv("TERM", "dumb", 1);
    say(true, text, sizeof text);
    assert_null(strchr(text, '\033'));
    setenv("TERM", "xterm", 1);
    say(false, text, sizeof text);
    assert_null(strstr(text, "\033[32m"));
    assert_non_null(strstr(text, "\033]0;x\a")); /* a file gets what was written */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_colours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
