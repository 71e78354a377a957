/* test_clean_switches.c: what a run does to proposed programs; each test fails when its option is
 * ignored. */
#include "../support/tiny_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a): # note\\n...     print(a)\\n...     return (a, 3)\\n>>> f(2)\\n\\n",
        "a):\\n...     return h(a)\\n>>> def h(a):\\n...     return {a}\\n>>> f(8)\\n\\n",
        "a):\\n...     return [a]\\n>>> x = 1\\n>>> f(9)\\n\\n",
        "a):\\n...     result = [a, a]\\n...     return result\\n>>> f(5)\\n\\n",
        "a):\\n...     return len(a)\\n>>> f(set('ab'))\\n\\n",
        "dict(a=1))\\n",
        "a):\\n...     import math\\n...     return math.floor(a)\\n>>> f(7)\\n\\n",
        NULL,
    };
    tiny_run_create_with(&tiny, pieces);
    return 0;
}

/* Stored triplets whose program is like that. */
static double stored(const char *run, const char *like)
{
    char sql[240];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM tasks WHERE kind <> 'induction' AND program LIKE '%s'", like);
    return tiny_run_query(&tiny, run, sql);
}

static double refused(const char *run, const char *verdict)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM attempts WHERE verdict = '%s'", verdict);
    return tiny_run_query(&tiny, run, sql);
}

/* 80 proposals for seeds and no step, or for a step without seeds but the identity. */
static void train(const char *name, bool seeds, const char *set)
{
    const char *const sets[] = {"batch_size=40",
                                "seed_rounds=1",
                                seeds ? "seed_tasks=200" : "seed_tasks=1",
                                seeds ? "total_steps=0" : "total_steps=1",
                                set,
                                NULL};
    tiny_run_train(&tiny, name, false, sets);
}

static void test_off_by_default(void **state)
{
    (void)state;
    static const char *const names[] = {"off", "off-seeds"};
    static const char *const likes[] = {"%# note%print%", "%def h(a)%", "%x = 1%", "%result%",
                                        "%import math%"};
    for (int seeds = 0; seeds < 2; seeds++) {
        train(names[seeds], seeds, NULL);
        for (size_t i = 0; i < sizeof likes / sizeof *likes; i++)
            assert_true(stored(names[seeds], likes[i]) > 0.0);
        assert_true(stored(names[seeds], "%f_other%") == 0.0);
    }
}

static void test_clean_ups(void **state)
{
    (void)state;
    static const struct {
        const char *option, *gone, *left;
    } rows[] = {
        {"remove_comments", "%# note%", "def f(a):_    print(a)%"},
        {"remove_prints", "%print%", "def f(a): # note_    pass%"},
        {"remove_globals", "%x = 1%", "def f(a):_    return [a]_"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int seeds = 0; seeds < 2; seeds++)
            for (int always = 0; always < 2; always++) {
                char set[64], name[80];
                snprintf(set, sizeof set, "%s=%s", rows[i].option, always ? "always" : "seeds");
                snprintf(name, sizeof name, "%s-%d", set, seeds);
                train(name, seeds, set);
                assert_true((stored(name, rows[i].gone) == 0.0) == (seeds || always));
                assert_true((stored(name, rows[i].left) > 0.0) == (seeds || always));
            }
}

static void test_entry_function(void **state)
{
    (void)state;
    train("last", false, "entry_function=last");
    assert_true(stored("last", "def f_other(a):_    return f(a)_def f(a):%") > 0.0);
    assert_true(stored("last", "%h(a)%") == 0.0);
}

static void test_refusals(void **state)
{
    (void)state;
    train("one", false, "reject_several_functions=true");
    assert_true(stored("one", "%def h%") == 0.0 && refused("one", "several_functions") > 0.0);
    train("untested", false, "reject_tests=true");
    assert_true(stored("untested", "%result%") == 0.0 && refused("untested", "has_tests") > 0.0);
    train("banned", false, "banned_imports=random,math");
    assert_true(stored("banned", "%import math%") == 0.0 && refused("banned", "forbidden") > 0.0);
}

static void test_constructors(void **state)
{
    (void)state;
    static const char inputs[] = "SELECT count(*) FROM tasks WHERE inputs = '[\"set(''ab'')\"]'";
    static const char answers[] = "SELECT count(*) FROM attempts WHERE role = 'solver' AND kind = "
                                  "'abduction' AND completion = 'dict(a=1))' AND verdict <> "
                                  "'bad_literal'";
    assert_true(tiny_run_query(&tiny, "off", inputs) == 0.0);
    assert_true(tiny_run_query(&tiny, "off", answers) == 0.0);
    train("constructors", false, "allow_constructors=true");
    assert_true(tiny_run_query(&tiny, "constructors", inputs) > 0.0);
    assert_true(tiny_run_query(&tiny, "constructors", answers) > 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_by_default), cmocka_unit_test(test_clean_ups),
        cmocka_unit_test(test_entry_function), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_constructors),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
