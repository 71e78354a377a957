/* test_evaluation.c: programs for evaluation: scripts with standard input and output, programs
 * under tests, arguments with constructors. Whatever a program does, a test is passed by right
 * values only. */
#include "sandbox.h"

#include "base/memory.h"

#define BIT(status) (1u << AZR_EXEC_##status)

static azr_exec_limits evaluation_limits(void)
{
    azr_exec_limits limits = small_limits();
    limits.cpu_ms = 1000;
    limits.memory_mb = 256;
    limits.result_bytes = 100000;
    return limits;
}

static azr_exec_reply run_job(azr_executor *executor, azr_exec_job job, const char *input)
{
    azr_exec_reply reply;
    azr_error error = {0};
    job.inputs = &input;
    job.n_inputs = 1;
    job.limits = evaluation_limits();
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s: %s", job.program, error.text);
    return reply;
}

/* The run of a job is as expected: status and, unless NULL, value, exception or message. */
static bool gives(azr_executor *executor, azr_exec_job job, const char *input, unsigned expected,
                  const char *detail)
{
    azr_exec_reply reply = run_job(executor, job, input);
    const azr_exec_run *run = &reply.runs[0];
    const char *found = run->value != NULL ? run->value : run->exception;
    bool ok = (expected >> run->status & 1) != 0 &&
              (detail == NULL || (found != NULL && strcmp(found, detail) == 0));
    if (!ok)
        print_message("--- got %s %s (%s)\n%s\n", azr_exec_status_name(run->status),
                      found != NULL ? found : "", run->message != NULL ? run->message : "",
                      job.program);
    azr_exec_reply_deinit(&reply);
    return ok;
}

/* --- scripts ------------------------------------------------------------------------------------
 */

static void scripts(void **state)
{
    (void)state;
    static const struct {
        const char *program, *input;
        unsigned expected;
        const char *detail;
    } cases[] = {
        {"print(sum(map(int, input().split())))\n", "1 2 3\n", BIT(OK), "'6\\n'"},
        {"import sys\nfor l in sys.stdin: print(l.strip()[::-1], end='|')\n", "ab\ncd", BIT(OK),
         "'ba|dc|'"},
        {"import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read().upper())\n", "x\xc3\xa9",
         BIT(OK), "'X\xc3\xa9'"},
        {"name = input('who? ')\nprint(name)\n", "me", BIT(OK), "'who? me\\n'"},
        {"import sys\nprint(1)\nsys.exit()\n", "", BIT(OK), "'1\\n'"},
        {"import sys\nprint(1)\nsys.exit(0)\n", "", BIT(OK), "'1\\n'"},
        {"print(1)\nexit\nraise SystemExit(3)\n", "", BIT(EXCEPTION), NULL},
        {"print(1)\n1 / 0\n", "", BIT(EXCEPTION), "ZeroDivisionError"},
        {"input()\n", "", BIT(EXCEPTION), "EOFError"},
        {"import os\nprint('42', flush=True)\nos._exit(0)\n", "", BIT(NO_RESULT), NULL},
        {"print('x' * 200000)\n", "", BIT(TOO_LARGE), NULL},
        {"while True: pass\n", "", BIT(TIMEOUT_CPU), NULL},
        {"while True: print('x' * 1000)\n", "", BIT(TIMEOUT_CPU) | BIT(MEMORY), NULL},
        {"x = [0] * 10 ** 10\n", "", BIT(MEMORY), NULL},
        {"import socket\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
        {"print(open('/etc/passwd').read())\n", "", BIT(EXCEPTION), NULL},
        {"import os\nprint(os.listdir('/'))\n", "", BIT(EXCEPTION), NULL},
        {"import os\nos.fork()\n", "", BIT(EXCEPTION), "PermissionError"},
        {"if __name__ == '__main__': print('main')\n", "", BIT(OK), "'main\\n'"},
        {"import sys\nsys.stderr.write('noise')\nprint('fine')\n", "", BIT(OK), "'fine\\n'"},
        {"import atexit\natexit.register(lambda: print('last'))\nprint('first')\n", "", BIT(OK),
         "'first\\nlast\\n'"},
        {"import sys, io\nout = io.StringIO()\nold, sys.stdout = sys.stdout, out\nprint('in')\n"
         "old.write(out.getvalue() + 'out')\n",
         "", BIT(OK), "'in\\nout'"},
        {"import random, time, datetime, hashlib, collections\nrandom.seed(1)\n"
         "t = time.time()\nwhile time.time() < t + 1: pass\n"
         "print(hashlib.md5(b'a').hexdigest()[:4])\n",
         "", BIT(OK), "'0cc1\\n'"},
        {"def f(: pass\n", "", BIT(EXCEPTION), "SyntaxError"},
    };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        azr_exec_job job = {.kind = AZR_EXEC_SCRIPT, .program = cases[i].program};
        n_bad += gives(executor, job, cases[i].input, cases[i].expected, cases[i].detail) ? 0 : 1;
    }
    azr_exec_job job = {.kind = AZR_EXEC_SCRIPT, .program = "print('a\\0b\\xe9')\n"};
    azr_exec_reply reply = run_job(executor, job, "");
    size_t size;
    char *text = azr_exec_run_text(&reply.runs[0], &size);
    assert_non_null(text);
    assert_int_equal(size, 6);
    assert_memory_equal(text, "a\0b\xc3\xa9\n", 6);
    azr_free(text);
    azr_exec_reply_deinit(&reply);
    reply = run_program(executor, "def f(): return 1\n", "", false);
    assert_null(azr_exec_run_text(&reply.runs[0], &size));
    azr_exec_reply_deinit(&reply);
    check_sentinel(executor);
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

/* --- tests that are passed ----------------------------------------------------------------------
 */

static const char plain_test[] = "assert add(1, 2) == 3\nassert add(-1, 1) == 0\n"
                                 "assert add('a', 'b') == 'ab'\n";

static void honest_programs_pass(void **state)
{
    (void)state;
    static const struct {
        const char *program, *test, *function;
    } cases[] = {
        {"def add(a, b): return a + b\n", plain_test, NULL},
        {"def add(a, b): return a + b\n", "def check(c):\n    assert c(2, 3) == 5\n", "add"},
        {"def add(a, b): return a + b\n", "assert add(2, 3) == 5\n", "add"},
        /* A helper and the empty function of the task before the test. */
        {"def half(x): return 'mine'\ndef g(x): return x // 2\n",
         "def half(x): return x / 2\ndef g(x): pass\ndef check(c):\n"
         "    assert c(8) == half(8)\n    assert g(6) == 3\n",
         "g"},
        /* Values of any size: integers of more digits than a literal has, lists beyond a message.
         */
        {"def f(n): return 7 ** n\n", "assert f(10 ** 5) == 7 ** 10 ** 5 and f(0) == 1\n", NULL},
        {"def f(n): return [-7] * n\n", "assert f(2 * 10 ** 5) == [-7] * 2 * 10 ** 5\n", NULL},
        {"def f(n): return 'ab' * n\n", "assert f(2 * 10 ** 7) == 'ab' * 2 * 10 ** 7\n", NULL},
        {"def sum(a, b): return a * b\n", "assert sum(2, 5) == 10\n", "sum"},
        {"print('noise')\nimport sys\nsys.stdout.write('more')\ndef f(): return None\n",
         "assert f() is None\n", NULL},
        {"def f(n):\n    for i in range(n): yield i\n",
         "assert list(f(3)) == [0, 1, 2]\nassert next(f(1)) == 0\nassert sum(f(4)) == 6\n", NULL},
        {"from collections import *\ndef f(s): return Counter(s)\n"
         "def g(s):\n    d = defaultdict(list)\n    for c in s: d[c].append(1)\n    return d\n"
         "def h(s): return OrderedDict.fromkeys(s), deque(s, 2)\n",
         "from collections import Counter, OrderedDict, deque\nassert f('aab') == {'a': 2, 'b': "
         "1}\n"
         "assert f('aab') == Counter('aba') and f('abc').most_common(1) == [('a', 1)]\n"
         "assert g('xx') == {'x': [1, 1]} and g('')['new'] == []\n"
         "assert h('ab') == (OrderedDict(a=None, b=None), deque('ab', 2))\n",
         NULL},
        {"from fractions import Fraction as F\nfrom decimal import Decimal\nimport datetime\n"
         "def f(x): return F(x, 3), Decimal(x) / 4, datetime.date(2020, 1, x), range(x)\n",
         "from fractions import Fraction\nfrom decimal import Decimal\nimport datetime\n"
         "assert f(1) == (Fraction(1, 3), Decimal('0.25'), datetime.date(2020, 1, 1), range(1))\n",
         NULL},
        {"from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int\n"
         "import enum\nclass E(enum.IntEnum):\n    A = 7\n"
         "def f(): return P(1, 2), E.A, {P(0, 0): {1}}, frozenset([2])\n",
         "assert f() == ((1, 2), 7, {(0, 0): {1}}, frozenset({2}))\n", NULL},
        {"def f(x):\n    if x < 0: raise ValueError('negative')\n    return x ** .5\n",
         "try:\n    f(-1)\n    assert False, 'no error'\nexcept ValueError as e:\n"
         "    assert str(e) == 'negative'\nassert abs(f(2) - 1.41421356) < 1e-6\n",
         NULL},
        {"class Own(Exception): pass\ndef f(): raise Own('x')\n",
         "try:\n    f()\n    assert False\nexcept Exception as e:\n"
         "    assert type(e).__name__ == 'Own' and str(e) == 'x'\n",
         NULL},
        {"class Node:\n    def __init__(self, v):\n        self.v, self.left = v, None\n"
         "    def depth(self): return 1 + (self.left.depth() if self.left else 0)\n"
         "def total(n): return n.v + total(n.left) if n else 0\n",
         "root = Node(3)\nroot.left = Node(4)\nassert total(root) == 7 and root.depth() == 2\n"
         "assert root.left.v == 4\nassert total(None) == 0\nassert total([root][0].left) == 4\n"
         "assert root == root and root.left is root.left\n",
         NULL},
        {"def f(t): return [type(x) for x in t]\n", "assert f([1, 'a']) == [int, str]\n", NULL},
        {"import math\ndef f(): return [10 ** 100, float('inf'), -0.0, 1j, b'\\0', '\\ud800']\n",
         "import math\nx = f()\nassert x[:2] == [10 ** 100, math.inf] and x[3:] == [1j, b'\\0', "
         "'\\ud800']\nassert math.copysign(1, x[2]) == -1\n",
         NULL},
        {"def f(a):\n    a.append(1)\n    return a\n",
         "x = [0]\nassert f(x) == [0, 1]\nassert f(x) == [0, 1]\n", NULL},
    };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        azr_exec_job job = {
            .kind = AZR_EXEC_TESTS, .program = cases[i].program, .function = cases[i].function};
        n_bad += gives(executor, job, cases[i].test, BIT(OK), "True") ? 0 : 1;
    }
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

/* --- tests that are not -------------------------------------------------------------------------
 */

#define WRONG "def add(a, b): return 7\n"
/* Names of the frames below the program's: what talks to the test. */
#define FRAMES                                                              \
    "import sys\ndef below(name):\n    f = sys._getframe()\n    while f:\n" \
    "        if name in f.f_locals: return f.f_locals[name]\n        f = f.f_back\n"

static void no_forgery_passes(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        unsigned expected;
        const char *detail;
    } cases[] = {
        {WRONG, BIT(EXCEPTION), "AssertionError"},
        {"x = 1\n", BIT(EXCEPTION), "NameError"},
        {"def add(a: pass\n", BIT(EXCEPTION), "SyntaxError"},
        {"import os\nos._exit(0)\n", BIT(NO_RESULT), NULL},
        {"import os\ndef add(a, b): os._exit(0)\n", BIT(NO_RESULT), NULL},
        {"import sys\nsys.exit(0)\n", BIT(EXCEPTION), "SystemExit"},
        {"def add(a, b): raise SystemExit(0)\n", BIT(EXCEPTION), "SystemExit"},
        {"def add(a, b): raise KeyboardInterrupt\n", BIT(EXCEPTION), "KeyboardInterrupt"},
        {"def add(a, b): raise StopIteration\n", BIT(EXCEPTION), "StopIteration"},
        {"def add(a, b): raise GeneratorExit\n", BIT(EXCEPTION), "GeneratorExit"},
        {"class E(BaseException):\n    def __str__(self): raise self\n"
         "def add(a, b): raise E\n",
         BIT(EXCEPTION), "E"},
        {"class A:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n"
         "def add(a, b): return A()\n",
         BIT(EXCEPTION), "AssertionError"},
        {"class A(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\n"
         "def add(a, b): return A(9)\n",
         BIT(EXCEPTION), "AssertionError"},
        {"class M(type):\n    def __eq__(c, o): return True\n    __hash__ = type.__hash__\n"
         "class A(metaclass=M):\n    def __eq__(self, o): return True\n"
         "def add(a, b): return A()\n",
         BIT(EXCEPTION), NULL},
        {"class A:\n    __class__ = int\n    def __eq__(self, o): return True\n"
         "def add(a, b): return A()\n",
         BIT(EXCEPTION), "AssertionError"},
        {"import builtins\nbuiltins.AssertionError = None\nbuiltins.compile = "
         "builtins.exec = lambda *a, **k: None\n" WRONG,
         BIT(EXCEPTION), NULL},
        {"def check(*a): pass\nbool = lambda x: True\n" WRONG, BIT(EXCEPTION), "AssertionError"},
        {"print('True')\nprint('OK', flush=True)\n" WRONG, BIT(EXCEPTION), "AssertionError"},
        {"import os\ntry:\n    os.write(3, b'\\x12\\0\\0\\0')\nexcept OSError: pass\n" WRONG,
         BIT(EXCEPTION), "AssertionError"},
        {"import os\nos.write(5, b'\\xff\\xff\\xff\\xff')\n" WRONG, BIT(EXCEPTION), "ValueError"},
        {"import os\nos.write(5, b'\\x01\\0\\0\\0(')\n" WRONG, BIT(EXCEPTION), "ValueError"},
        {FRAMES "def add(a, b):\n    below('send')(['value', ('tuple', [])])\n    return 7\n",
         BIT(EXCEPTION), "AssertionError"},
        {FRAMES "def add(a, b):\n    for i in range(9): below('send')(['value', True])\n"
                "    return 7\n",
         BIT(EXCEPTION), "AssertionError"},
        {FRAMES "def add(a, b):\n    below('send')(['value', ('point', 10 ** 9)])\n",
         BIT(EXCEPTION), "AssertionError"},
        {FRAMES "def add(a, b):\n    below('send')(['value', ('made', 'open', ['x'])])\n",
         BIT(EXCEPTION), "KeyError"},
        {FRAMES "def add(a, b):\n    below('send')(['value', ('builtin', 'exec')])\n",
         BIT(EXCEPTION), "TypeError"},
        {FRAMES "def add(a, b):\n    below('send')(['raise', ['X'] * 3, 4])\n", BIT(EXCEPTION),
         "X"},
        {FRAMES "def add(a, b):\n    below('send')([])\n", BIT(EXCEPTION), NULL},
        {"import os, signal\n", BIT(EXCEPTION), "ModuleNotFoundError"},
        {"import os\ndef add(a, b): os.kill(os.getppid(), 9)\n", BIT(EXCEPTION), "PermissionError"},
        {"def add(a, b):\n    while True: pass\n", BIT(TIMEOUT_CPU), NULL},
        {"while True: pass\n", BIT(TIMEOUT_CPU), NULL},
        {"def add(a, b): return [0] * 10 ** 10\n", BIT(MEMORY), NULL},
        {"def add(a, b):\n    try: [0] * 10 ** 10\n    except MemoryError: return a + b\n",
         BIT(MEMORY), NULL},
        {"import os\ndef add(a, b): os.abort()\n", BIT(CRASH), NULL},
        {"import os\ndef add(a, b): os.execv('/bin/true', ['true'])\n", BIT(POLICY), NULL},
        {"def add(a, b): return add(a, b)\n", BIT(EXCEPTION), "RecursionError"},
        {"def add(a, b):\n    x = []\n    x.append(x)\n    return x\n", BIT(EXCEPTION),
         "RecursionError"},
        {"def add(a, b): return 'x' * 10 ** 7\n", BIT(EXCEPTION), "AssertionError"},
        {"def add(a, b): return 'x' * 4 * 10 ** 7\n", BIT(EXCEPTION), "AssertionError"},
        {"def add(a, b): return 7 ** 10 ** 6\n", BIT(EXCEPTION), "AssertionError"},
        {FRAMES "def add(a, b):\n    below('send')(['value', ('digest', '7')])\n", BIT(EXCEPTION),
         "AssertionError"},
        {"def add(a, b): return float('nan')\n", BIT(EXCEPTION), "AssertionError"},
    };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        azr_exec_job job = {.kind = AZR_EXEC_TESTS, .program = cases[i].program};
        n_bad += gives(executor, job, plain_test, cases[i].expected, cases[i].detail) ? 0 : 1;
        check_sentinel(executor);
    }
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

/* A program that swallows the requests: both sides wait, until the wall clock ends it. */
static void silence_is_late(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    const char *input = plain_test;
    azr_exec_job job = {.kind = AZR_EXEC_TESTS,
                        .program = FRAMES
                        "def add(a, b):\n    r = below('receive')\n    while True: r()\n",
                        .inputs = &input,
                        .n_inputs = 1,
                        .limits = evaluation_limits()};
    job.limits.wall_ms = 500;
    azr_exec_reply reply;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_TIMEOUT_WALL);
    azr_exec_reply_deinit(&reply);
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

/* The test's text and values are nowhere in the program's process. */
static void the_test_is_elsewhere(void **state)
{
    (void)state;
    static const char program[] = "import gc\n"
                                  "def secret(x): return x == '-'.join(['azr', 'secret'])\n"
                                  "def f():\n"
                                  "    seen, todo = set(), [f.__globals__] + gc.get_objects()\n"
                                  "    while todo:\n"
                                  "        o = todo.pop()\n"
                                  "        if id(o) in seen: continue\n"
                                  "        seen.add(id(o))\n"
                                  "        if type(o) is str and '-'.join(['azr', 'secret']) in o "
                                  "and o is not program_text: return o\n"
                                  "        todo += gc.get_referents(o)\n"
                                  "    return None\n"
                                  "program_text = None\n";
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    azr_exec_job job = {.kind = AZR_EXEC_TESTS, .program = program};
    azr_exec_reply reply =
        run_job(executor, job, "hidden = 'azr-secret'\nassert f() is None, f()\n");
    /* gc is no module for programs; reach it as they would. */
    assert_int_equal(reply.runs[0].status, AZR_EXEC_EXCEPTION);
    assert_string_equal(reply.runs[0].exception, "ModuleNotFoundError");
    azr_exec_reply_deinit(&reply);
    char *reached = malloc(sizeof program + 64);
    sprintf(reached, "import sys\ngc = sys.modules['gc']\n%s", strchr(program, '\n') + 1);
    job.program = reached;
    assert_true(
        gives(executor, job, "hidden = 'azr-secret'\nassert f() is None, f()\n", BIT(OK), "True"));
    free(reached);
    azr_executor_destroy(executor);
}

/* Forgeries that need a certain test. */
static void no_forgery_of_a_test_passes(void **state)
{
    (void)state;
    static const struct {
        const char *program, *test, *function;
    } cases[] = {
        /* Names of builtins and modules, defined by the program. */
        {"def f(): return [1]\ndef sorted(x): return [2, 3]\n", "assert sorted(f()) == [2, 3]\n",
         NULL},
        {"class math:\n    isclose = lambda *a: True\ndef f(): return 1\n",
         "import math\nassert math.isclose(f(), 2)\n", NULL},
        {"class math:\n    isclose = lambda *a: True\ndef f(): return 1\n",
         "assert math.isclose(f(), 2)\n", NULL},
        {"def f(x): return 0\ndef helper(x): return 0\n",
         "def helper(x): return x\ndef f(x): pass\ndef check(c):\n    assert c(3) == helper(3)\n",
         "f"},
        {"def f(x): return 0\ncheck = lambda c: None\n", "def check(c):\n    assert c(3) == 3\n",
         "f"},
        /* An end of iteration does not end the test's. */
        {"def f(x): raise StopIteration\n", "assert list(map(f, [1, 2])) == []\n", NULL},
        {"def f(x): raise StopIteration\n", "assert all(f(x) == x for x in [1, 2])\n", NULL},
        /* What the test hands over is a copy. */
        {"def f(a):\n    a.clear()\n    return []\n", "x = [3, 1]\nassert f(x) == sorted(x)\n",
         NULL},
        {"class A:\n    __class__ = list\n    def __len__(self): return 2\ndef f(): return A()\n",
         "assert isinstance(f(), list)\n", NULL},
        {"class A:\n    def __eq__(self, o): return True\ndef f(): return A()\n",
         "assert f() == f()\n", NULL},
        {"class A:\n    def __contains__(self, o): return True\n    def __getitem__(self, i):\n"
         "        if i > 3: raise IndexError\n        return 0\ndef f(): return A()\n",
         "assert 5 in f()\n", NULL},
        {"def f(x): raise SystemExit(0)\n", "try:\n    assert f(1) == 2\nexcept Exception: pass\n",
         NULL},
        {"import os\ndef f(x): os._exit(0)\n",
         "try:\n    assert f(1) == 2\nexcept BaseException: pass\n", NULL},
        {"def f(x): raise AssertionError\n", "assert f(1)\n", NULL},
    };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        azr_exec_job job = {
            .kind = AZR_EXEC_TESTS, .program = cases[i].program, .function = cases[i].function};
        n_bad += gives(executor, job, cases[i].test, ~BIT(OK) & ~BIT(INTERNAL), NULL) ? 0 : 1;
    }
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

/* --- constructors -------------------------------------------------------------------------------
 */

static void constructors(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        unsigned expected;
        const char *value;
    } cases[] = {
        {"set(), frozenset([1]), key=list((1, 2))", BIT(OK),
         "\"((set(), frozenset({1})), {'key': [1, 2]})\""},
        {"Counter('aab')", BIT(OK), "\"((Counter({'a': 2, 'b': 1}),), {})\""},
        {"collections.Counter('a')", BIT(OK), "\"((Counter({'a': 1}),), {})\""},
        {"deque([1, 2, 3], maxlen=2)", BIT(OK), "'((deque([2, 3], maxlen=2),), {})'"},
        {"defaultdict(int, {1: 2})", BIT(OK), "\"((defaultdict(<class 'int'>, {1: 2}),), {})\""},
        {"Fraction(1, 3), Decimal('0.1'), range(3), bytearray(b'x')", BIT(OK),
         "\"((Fraction(1, 3), Decimal('0.1'), range(0, 3), bytearray(b'x')), {})\""},
        {"OrderedDict([(1, 2)])", BIT(OK), "'((OrderedDict([(1, 2)]),), {})'"},
        {"float('nan'), -inf, 1+2j, -3, 'a' 'b' # end", BIT(OK),
         "\"((nan, -inf, (1+2j), -3, 'ab'), {})\""},
        {"", BIT(OK), "'((), {})'"},
        {"1) or (7", BIT(BAD_INPUT), NULL},
        {"1)(2", BIT(BAD_INPUT), NULL},
        {"1), _(2", BIT(BAD_INPUT), NULL},
        {"*[1]", BIT(BAD_INPUT), NULL},
        {"**{'a': 1}", BIT(BAD_INPUT), NULL},
        {"dict(**{'a': 1})", BIT(BAD_INPUT), NULL},
        {"__import__('os')", BIT(BAD_INPUT), NULL},
        {"eval('1')", BIT(BAD_INPUT), NULL},
        {"open('x')", BIT(BAD_INPUT), NULL},
        {"f(1)", BIT(BAD_INPUT), NULL},
        {"x", BIT(BAD_INPUT), NULL},
        {"lambda: 1", BIT(BAD_INPUT), NULL},
        {"[x for x in (1, 2)]", BIT(BAD_INPUT), NULL},
        {"set().union([1])", BIT(BAD_INPUT), NULL},
        {"collections.abc", BIT(BAD_INPUT), NULL},
        {"collections.Fraction(1)", BIT(BAD_INPUT), NULL},
        {"'a' * 3", BIT(BAD_INPUT), NULL},
        {"2 ** 3", BIT(BAD_INPUT), NULL},
        {"f'{1}'", BIT(BAD_INPUT), NULL},
        {"...", BIT(BAD_INPUT), NULL},
        {"{[1]}", BIT(BAD_INPUT), NULL},
        {"int('x')", BIT(BAD_INPUT), NULL},
        {"(1", BIT(BAD_INPUT), NULL},
        {"list(range(10 ** 9))", BIT(BAD_INPUT), NULL},
        {"list(range(1000000000))", BIT(BAD_INPUT) | BIT(TIMEOUT_CPU), NULL},
        {"x := 1", BIT(BAD_INPUT), NULL},
    };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        azr_exec_job job = {.program = "def f(*a, **k): return repr((a, k))\n",
                            .allow_constructors = true};
        bool ok = gives(executor, job, cases[i].input, cases[i].expected, cases[i].value);
        if (!ok)
            print_message("%s\n", cases[i].input);
        n_bad += ok ? 0 : 1;
    }
    /* Arguments are made before the program is read; literals only is what is had unasked. */
    azr_exec_job job = {.program = "import collections\ncollections.Counter = len\n"
                                   "def f(x): return type(x).__name__\n",
                        .allow_constructors = true};
    n_bad += gives(executor, job, "Counter('a')", BIT(OK), "'Counter'") ? 0 : 1;
    job.allow_constructors = false;
    n_bad += gives(executor, job, "Counter('a')", BIT(BAD_INPUT), NULL) ? 0 : 1;
    /* A program cannot say that its input was bad. */
    job = (azr_exec_job){.program = "import collections\n"
                                    "posix = collections._sys.modules['posix']\n"
                                    "def f():\n    posix.write(3, b'B' + b'\\0' * 24)\n"
                                    "    posix._exit(0)\n",
                         .allow_constructors = true};
    n_bad += gives(executor, job, "", BIT(NO_RESULT) | BIT(EXCEPTION), NULL) ? 0 : 1;
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

static void functions_and_modules(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    azr_exec_job job = {.program = "import sys, random\ndef g(x): return [x, sys.maxsize > 0]\n",
                        .function = "g",
                        .wide_modules = true};
    assert_true(gives(executor, job, "1", BIT(OK), "[1, True]"));
    job.wide_modules = false;
    assert_true(gives(executor, job, "1", BIT(EXCEPTION), "ModuleNotFoundError"));
    job = (azr_exec_job){.program = "def f(): return 1\n", .function = "h"};
    assert_true(gives(executor, job, "", BIT(EXCEPTION), "NameError"));
    const char *input = "";
    azr_exec_reply reply;
    azr_error error = {0};
    job = (azr_exec_job){.program = "def f(): return 1\n",
                         .inputs = &input,
                         .n_inputs = 1,
                         .wide_modules = true,
                         .check_determinism = true,
                         .limits = small_limits()};
    assert_int_equal(azr_executor_run(executor, &job, &reply, &error), AZR_ERROR_UNSUPPORTED);
    azr_executor_destroy(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts),
        cmocka_unit_test(honest_programs_pass),
        cmocka_unit_test(no_forgery_passes),
        cmocka_unit_test(silence_is_late),
        cmocka_unit_test(the_test_is_elsewhere),
        cmocka_unit_test(no_forgery_of_a_test_passes),
        cmocka_unit_test(constructors),
        cmocka_unit_test(functions_and_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
