/* test_switches.c: options of the algorithm that a whole run has to obey: each test fails when its
 * option is ignored. */
#include "../support/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static tiny_run tiny;

static int set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_run_remove(&tiny);
    return 0;
}

static void test_train_propose(void **state)
{
    (void)state;
    const char *const sets[] = {"train_propose=false", "total_steps=1", NULL};
    tiny_run_train(&tiny, "solver-only", false, sets);
    assert_true(tiny_run_query(&tiny, "solver-only",
                               "SELECT count(*) FROM attempts WHERE purpose = 'propose'") == 12);
    assert_true(tiny_run_metric(&tiny, "solver-only", 1, "actor/response_tokens") ==
                tiny_run_query(&tiny, "solver-only",
                               "SELECT sum(n_tokens) FROM attempts WHERE purpose = 'solve'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_propose),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
