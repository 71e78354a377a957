/* test_engines.c: every engine gives the same replies, at every level of protection, and leaves
 * nothing behind; engines are what was asked for. */
#include "sandbox.h"

#include <unistd.h>

static azr_executor *open_engine(const char *engine, const char *without)
{
    azr_executor_options options = azr_executor_default_options();
    options.engine = engine;
    options.required = AZR_EXEC_LEVEL_LIMITS;
    azr_executor *executor = NULL;
    azr_error error = {0};
    setenv("AZR_EXECUTOR_DISABLE", without, 1);
    azr_status status = azr_executor_create(&options, &executor, &error);
    unsetenv("AZR_EXECUTOR_DISABLE");
    if (status != AZR_OK)
        fail_msg("%s: %s", engine, error.text);
    return executor;
}

/* Not everywhere: another processor, a sanitizer, a container that forbids part of it. */
static bool can_recycle(void)
{
    azr_executor_options options = azr_executor_default_options();
    options.engine = "recycle";
    azr_executor *executor = NULL;
    azr_error error = {0};
    azr_status status = azr_executor_create(&options, &executor, &error);
    azr_executor_destroy(executor);
    if (status != AZR_OK)
        print_message("%s\n", error.text);
    return status == AZR_OK;
}

#define REACH "import collections\nsys = collections._sys\nposix = sys.modules['posix']\n"

/* What is a reply's own: neither times nor addresses. */
static const struct {
    const char *program, *input;
} programs[] = {
    {"def f(x): return x * 2\n", "21"},
    {"def f(x): return x * 2\n", "x"},
    {"def f(*a, **k): return (a, k)\n", "{1, 'x'}, b'\\x00', key=[1.5, -0.0, (1+2j), None]"},
    {"import math, re, json\ndef f(s): return [math.pi, re.findall('a+', s), json.dumps(s)]\n",
     "'aabaa'"},
    {"def f(): return {'a', 'b', 'c', 'd'}\n", ""},
    {"def f(): return list({'a', 'b', 'c', 'd'})\n", ""},
    {"import statistics\ndef f(): return statistics.NormalDist().samples(2, seed=3)\n", ""},
    {"import collections\ndef f(): return collections._sys.modules['random'].random()\n", ""},
    {"import collections\ndef f(): return collections._sys.modules['time'].time()\n", ""},
    {"def f(): return 10 ** 4000\n", ""},
    {"def f(): return 'x' * 100000\n", ""},
    {"def f(): return '\\ud800\\0'\n", ""},
    {"def f(): raise ValueError('no')\n", ""},
    {"def f(): return f()\n", ""},
    {"def f(: pass\n", ""},
    {"f = 3\n", ""},
    {"x = 1\n", ""},
    {"def f(): return object\n", ""},
    {"def f(): return bytes(1 << 30)\n", ""},
    {"def f():\n    while True: pass\n", ""},
    {"import os\n", ""},
    {"import random\n", ""},
    {REACH "def f(): posix._exit(0)\n", ""},
    {REACH "def f(): posix.abort()\n", ""},
    {REACH "def f(): posix.fork()\n", ""},
    {REACH "def f(): return [sys.argv, dict(posix.environ), sys.path, sys.stdin]\n", ""},
    {REACH "def f(): return sorted(sys.modules)\n", ""},
};

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_same(const char *engine, const char *without)
{
    azr_executor *fork_engine = open_engine("fork", without);
    azr_executor *other = open_engine(engine, without);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        azr_exec_reply a =
            run_program(fork_engine, programs[i].program, programs[i].input, i % 3 == 0);
        azr_exec_reply b = run_program(other, programs[i].program, programs[i].input, i % 3 == 0);
        const azr_exec_run *x = &a.runs[0], *y = &b.runs[0];
        if (x->status != y->status || !same_text(x->value, y->value) ||
            !same_text(x->type, y->type) || !same_text(x->exception, y->exception) ||
            !same_text(x->message, y->message)) {
            print_message("%s%s: %s, %s: %s\n", programs[i].program, x->value ? x->value : "",
                          azr_exec_status_name(x->status), y->value ? y->value : "",
                          azr_exec_status_name(y->status));
            n_bad++;
        }
        azr_exec_reply_deinit(&a);
        azr_exec_reply_deinit(&b);
    }
    check_sentinel(other);
    azr_executor_destroy(fork_engine);
    azr_executor_destroy(other);
    assert_int_equal(n_bad, 0);
}

static void spawn_replies_as_fork(void **state)
{
    (void)state;
    check_same("spawn", "");
}

static void recycle_replies_as_fork(void **state)
{
    (void)state;
    if (!can_recycle())
        skip();
    check_same("recycle", "");
    check_same("recycle", "namespaces");
}

static void spawn_with_fewer_layers(void **state)
{
    (void)state;
    check_same("spawn", "namespaces");
    azr_executor *executor = open_engine("spawn", "namespaces,seccomp");
    assert_int_equal(azr_executor_level(executor), AZR_EXEC_LEVEL_LIMITS);
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

static void the_engine_that_was_asked_for(void **state)
{
    (void)state;
    static const char *const names[] = {"recycle", "fork", "spawn"};
    for (size_t i = can_recycle() ? 0 : 1; i < 3; i++) {
        azr_executor *executor = open_engine(names[i], "");
        assert_string_equal(azr_executor_engine(executor), names[i]);
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_int_equal(azr_executor_probe(executor, out, NULL), AZR_OK);
        fclose(out);
        assert_non_null(strstr(text, names[i]));
        free(text);
        azr_executor_destroy(executor);
    }
    azr_executor *executor = open_engine("auto", "");
    assert_string_not_equal(azr_executor_engine(executor), "auto");
    assert_string_not_equal(azr_executor_engine(executor), "spawn");
    azr_executor_destroy(executor);
    azr_executor_options options = azr_executor_default_options();
    azr_error error = {0};
    options.engine = "steam";
    assert_int_equal(azr_executor_create(&options, &executor, &error), AZR_ERROR_INPUT);
    assert_non_null(strstr(error.text, "steam"));
    assert_null(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spawn_replies_as_fork),
        cmocka_unit_test(recycle_replies_as_fork),
        cmocka_unit_test(spawn_with_fewer_layers),
        cmocka_unit_test(the_engine_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
