/* test_hostile.c: programs that try to get out, to stay, to hold up, to forge. Each has the
 * statuses it may end with; after each an innocent program runs as if nothing had been. */
#include "sandbox.h"

#define BIT(status) (1u << AZR_EXEC_##status)

/* How a hostile program gets at what it cannot import. */
#define REACH                                                \
    "import collections\n"                                   \
    "sys = collections._sys\n"                               \
    "posix = sys.modules['posix']\n"                         \
    "def load(n):\n"                                         \
    "    class Spec: name = n; origin = None; parent = ''\n" \
    "    return sys.modules.get(n) or sys.modules['_imp'].create_builtin(Spec)\n"

/* A record as record.h has it. */
#define FORGE                                                                    \
    REACH "def u(n): return n.to_bytes(4, 'little')\n"                           \
          "def t(s): return u(2**32 - 1) if s is None else u(len(s)) + s\n"      \
          "def record(status, value=None, exception=None):\n"                    \
          "    body = u(status) + t(value) + t(None) + t(exception) + t(None)\n" \
          "    return u(len(body)) + body\n"                                     \
          "def send(b):\n"                                                       \
          "    posix.write(3, b)\n"                                              \
          "    posix._exit(0)\n"

typedef struct hostile {
    const char *program, *input;
    unsigned expected;
    const char *detail; /* exception's name or value; NULL: any */
} hostile;

/* --- time ---------------------------------------------------------------------------------------
 */

static const hostile endless[] = {
    {"def f():\n    while True: pass\n", "", BIT(TIMEOUT_CPU), NULL},
    {"while True: pass\n", "", BIT(TIMEOUT_CPU), NULL},
    {"def f():\n    while True:\n        try:\n            while True: pass\n"
     "        except: pass\n",
     "", BIT(TIMEOUT_CPU), NULL},
    {"def g():\n    try:\n        yield 1\n    finally:\n        while True: pass\n"
     "def f():\n    next(g())\n    return 1\n",
     "", BIT(TIMEOUT_CPU), NULL},
    {"def f():\n    while True: print('x' * 1000)\n", "", BIT(TIMEOUT_CPU), NULL},
    {"class E(Exception):\n    def __str__(self):\n        while True: pass\n"
     "def f(): raise E()\n",
     "", BIT(TIMEOUT_CPU), NULL},
    {"def f(): return len(str(7 ** (10 ** 8)))\n", "", BIT(TIMEOUT_CPU) | BIT(MEMORY), NULL},
    {"import math\ndef f(): return math.factorial(10 ** 7) % 7\n", "", BIT(TIMEOUT_CPU), NULL},
    {"import re\ndef f(): return bool(re.match('(a+)+$', 'a' * 40 + 'b'))\n", "", BIT(TIMEOUT_CPU),
     NULL},
    {"def f(): return len({i * (2 ** 61 - 1): 0 for i in range(1, 100000)})\n", "",
     BIT(TIMEOUT_CPU), NULL},
    {"import decimal\ndef f():\n    decimal.getcontext().prec = 10 ** 8\n"
     "    return str(decimal.Decimal(1) / 7)[:5]\n",
     "", BIT(TIMEOUT_CPU) | BIT(MEMORY), NULL},
    {"import itertools\ndef f(): return sum(itertools.count())\n", "", BIT(TIMEOUT_CPU), NULL},
    {REACH "def f(): load('time').sleep(1000)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('select').select([], [], [], 1000)\n", "", BIT(EXCEPTION),
     "PermissionError"},
    {REACH "def f():\n    s = load('_signal')\n    s.signal(14, lambda *a: None)\n    s.pause()\n",
     "", BIT(EXCEPTION), NULL},
};

/* --- memory -------------------------------------------------------------------------------------
 */

static const hostile hungry[] = {
    {"def f(): return 1 << 8 * 10 ** 9\n", "", BIT(MEMORY), NULL},
    {"def f(): return [0] * 10 ** 10\n", "", BIT(MEMORY), NULL},
    {"def f():\n    a = []\n    while True: a.append([0] * 1000)\n", "",
     BIT(MEMORY) | BIT(TIMEOUT_CPU), NULL},
    {"def f():\n    s = 'a'\n    while True: s += s\n", "", BIT(MEMORY), NULL},
    {"def f():\n    b = bytearray()\n    while True: b += bytes(1 << 20)\n", "", BIT(MEMORY), NULL},
    {"def f():\n    try:\n        return [0] * 10 ** 9\n    except MemoryError:\n        return "
     "5\n",
     "", BIT(MEMORY), NULL},
    {"def f(): return f'{1:>9999999999}'\n", "", BIT(MEMORY) | BIT(EXCEPTION), NULL},
    {"def f(): return '%9999999999d' % 1\n", "", BIT(MEMORY) | BIT(EXCEPTION), NULL},
    {"def f(): return 'a' * 50000000\n", "", BIT(TOO_LARGE), NULL},
    {"def f(): return list(range(100000))\n", "", BIT(TOO_LARGE), NULL},
    {"def f(): return 10 ** 5000\n", "", BIT(TOO_LARGE), NULL},
    {"def f(): return str(10 ** 5000)\n", "", BIT(EXCEPTION), "ValueError"},
    {REACH "def f():\n    sys.set_int_max_str_digits(0)\n    return len(str(10 ** 5000))\n", "",
     BIT(OK), "5001"},
    {"def f():\n    a = []\n    for i in range(10 ** 5): a = [a]\n    return a\n", "",
     BIT(TOO_LARGE), NULL},
    {"def f():\n    a = []\n    a.append(a)\n    return a\n", "", BIT(TOO_LARGE), NULL},
    {"def f():\n    a = 'x'\n    for i in range(60): a = [a, a]\n    return a\n", "",
     BIT(TOO_LARGE), NULL},
    {"def f(): return f()\n", "", BIT(EXCEPTION), "RecursionError"},
    {REACH "def f(n):\n    sys.setrecursionlimit(10 ** 9)\n    return f(n + 1)\n", "0",
     BIT(CRASH) | BIT(MEMORY) | BIT(TIMEOUT_CPU), NULL},
    {REACH "def f():\n    sys.setrecursionlimit(10 ** 9)\n    a = []\n"
           "    for i in range(10 ** 6): a = [a]\n    return repr(a)\n",
     "", BIT(CRASH) | BIT(MEMORY) | BIT(TIMEOUT_CPU) | BIT(EXCEPTION), NULL},
    {"import json\ndef f(): return json.loads('[' * 10 ** 6)\n", "", BIT(EXCEPTION),
     "RecursionError"},
    {"class E(Exception): pass\ndef f(): raise E('x' * 10 ** 7)\n", "", BIT(EXCEPTION), "E"},
    {"class E(Exception):\n    def __str__(self): return 'x' * 10 ** 9\ndef f(): raise E()\n", "",
     BIT(MEMORY) | BIT(EXCEPTION), NULL},
};

/* --- doors --------------------------------------------------------------------------------------
 */

static const hostile doors[] = {
    {"import os\ndef f(): return 1\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
    {"import sys\ndef f(): return 1\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
    {"def f(): import ctypes\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
    {"def f(): return __import__('ti' + 'me').time()\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
    {"from os import path\ndef f(): return 1\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
    {"import json.tool\ndef f(): return 1\n", "", BIT(EXCEPTION), "ModuleNotFoundError"},
    {REACH "def f(): return posix.fork()\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('_thread').start_new_thread(print, ())\n", "", BIT(EXCEPTION), NULL},
    {REACH "def f(): posix.execv('/bin/sh', ['sh'])\n", "", BIT(POLICY), NULL},
    {REACH "def f(): load('_posixsubprocess').fork_exec([b'x'], [b'/x'], True, (), None, None, -1, "
           "-1, -1, -1, -1, -1, -1, -1, False, False, -1, None, None, None, -1, None, False)\n",
     "", BIT(EXCEPTION) | BIT(POLICY), NULL},
    {"def f(): return open('/etc/passwd').read()\n", "", BIT(EXCEPTION), NULL},
    {"def f(): open('/tmp/azr-escape', 'w').write('x')\n", "", BIT(EXCEPTION), NULL},
    {REACH "def f(): return posix.listdir('/')\n", "", BIT(EXCEPTION), NULL},
    {REACH "def f(): return posix.readlink('/proc/self/exe')\n", "", BIT(EXCEPTION), NULL},
    {REACH "def f(): return posix.urandom(4)\n", "", BIT(EXCEPTION), NULL},
    {"def f(): return input()\n", "", BIT(EXCEPTION), "RuntimeError"},
    {REACH "def f(): load('_socket').socket()\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.kill(posix.getpid(), 9)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.kill(1, 9)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.kill(-1, 9)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.killpg(0, 9)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.setuid(0)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.chroot('/')\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('fcntl').fcntl(3, 4)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('resource').setrlimit(0, (9, 9))\n", "", BIT(EXCEPTION),
     "AttributeError"},
    {REACH "def f(): return dict(posix.environ)\n", "", BIT(OK), "{}"},
    {REACH "def f():\n"
           "    n = 0\n"
           "    for fd in list(range(3)) + list(range(4, 30)):\n"
           "        try:\n            posix.write(fd, b'x')\n            n += 1\n"
           "        except OSError: pass\n"
           "    return n\n",
     "", BIT(OK), "0"},
    {REACH
     "def f():\n    try:\n        posix.read(3, 100)\n    except OSError as e: return e.errno\n",
     "", BIT(OK), "1"},
    {REACH "def f(): posix._exit(0)\n", "", BIT(NO_RESULT), NULL},
    {REACH "def f(): posix._exit(1)\n", "", BIT(NO_RESULT), NULL},
    {REACH "def f(): posix._exit(97)\n", "", BIT(NO_RESULT), NULL},
    {REACH "posix._exit(0)\n", "", BIT(NO_RESULT), NULL},
    {REACH "def f(): posix.close(3)\n", "", BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.abort()\n", "", BIT(CRASH), NULL},
    {"def f(): raise SystemExit(0)\n", "", BIT(EXCEPTION), "SystemExit"},
    {"def f(): raise KeyboardInterrupt\n", "", BIT(EXCEPTION), "KeyboardInterrupt"},
    {"class B(BaseException): pass\ndef f(): raise B\n", "", BIT(EXCEPTION), "B"},
    {"def f(): return next(iter(()))\n", "", BIT(EXCEPTION), "StopIteration"},
    {"class E(Exception):\n    def __str__(self): raise ValueError\ndef f(): raise E\n", "",
     BIT(EXCEPTION), "E"},
    {"class E(Exception):\n    def __str__(self): return '\\ud800\\0\\xff'\ndef f(): raise E\n", "",
     BIT(EXCEPTION), "E"},
    {"def f(: pass\n", "", BIT(EXCEPTION), "SyntaxError"},
    {"x = 1\n", "", BIT(EXCEPTION), "NameError"},
    {"f = 3\n", "", BIT(EXCEPTION), "TypeError"},
    {"def f(x): return x\n", "", BIT(EXCEPTION), "TypeError"},
    {"def f(x): return x\n", "1) or (7", BIT(BAD_INPUT), NULL},
    {"def f(x): return x\n", "__import__('os')", BIT(BAD_INPUT), NULL},
    {"def f(x): return x\n", "1); f = lambda x: 2 #", BIT(BAD_INPUT), NULL},
    {"def f(*a): return a\n", "*[1]", BIT(BAD_INPUT), NULL},
};

/* --- traces -------------------------------------------------------------------------------------
 */

static const hostile traces[] = {
    {REACH "def f():\n    b = sys.modules['builtins']\n    b.repr = b.len = b.sorted = lambda *a: "
           "'FORGED'\n"
           "    return len('abc')\n",
     "", BIT(OK), NULL},
    {"def f():\n    __builtins__['len'] = lambda x: 99\n    return len('a')\n", "", BIT(OK), "99"},
    {REACH "def f():\n    sys.modules.clear()\n    return 1\n", "", BIT(OK), "1"},
    {"import math, re\ndef f():\n    math.gcd = re.sub = lambda *a: 0\n    return math.gcd(4, 6)\n",
     "", BIT(OK), "0"},
    {REACH
     "def f():\n    g = load('gc')\n    g.callbacks.append(lambda *a: 1 / 0)\n    g.collect()\n"
     "    return 1\n",
     "", BIT(OK), "1"},
    {REACH "def f():\n    sys.settrace(lambda *a: 1 / 0)\n    return 1\n", "", BIT(OK), "1"},
    {REACH "def f():\n    load('atexit').register(lambda: posix.write(3, b'x'))\n    return 1\n",
     "", BIT(OK), "1"},
    {REACH "class D:\n    def __del__(self): posix.write(3, b'x')\n"
           "def f():\n    global d\n    d = D()\n    return 1\n",
     "", BIT(OK), "1"},
    {"def f():\n    import types\n    return [c.__name__ for c in object.__subclasses__()][:0]\n",
     "", BIT(OK), "[]"},
    {REACH "def f():\n    frame = sys._getframe()\n    n = 0\n    while frame: frame = "
           "frame.f_back; n += 1\n"
           "    return n\n",
     "", BIT(OK), "1"},
    {"def f(): return chr(0) + '\\ud800' + chr(0x10ffff)\n", "", BIT(OK),
     "'\\x00\\ud800\\U0010ffff'"},
    /* Small numbers are one object each: write another value into it by way of a code object? Not
     * without native code; but the constant of a function can be changed. */
    {"def g(): return 5\ndef f():\n    g.__code__ = g.__code__.replace(co_consts=(None, 7))\n"
     "    return g()\n",
     "", BIT(OK), "7"},
    {"def f():\n    c = f.__code__.replace(co_code=bytes([100, 255] * 8), co_consts=())\n"
     "    return eval(c)\n",
     "",
     BIT(OK) | BIT(CRASH) | BIT(EXCEPTION) | BIT(NOT_LITERAL) | BIT(NO_RESULT) | BIT(TIMEOUT_CPU) |
         BIT(MEMORY) | BIT(TOO_LARGE),
     NULL},
};

/* --- results that are none ----------------------------------------------------------------------
 */

static const hostile foreign[] = {
    {"class A:\n    def __eq__(self, o): return True\n    def __hash__(self): return 1\n"
     "def f(): return A()\n",
     "", BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __repr__(self): return '42'\ndef f(): return A()\n", "", BIT(NOT_LITERAL),
     NULL},
    {"class A:\n    def __repr__(self):\n        while True: pass\ndef f(): return [A()]\n", "",
     BIT(NOT_LITERAL), NULL},
    {"class A(int):\n    def __repr__(self): return '42'\ndef f(): return A(3)\n", "",
     BIT(NOT_LITERAL), NULL},
    {"class A(str): pass\ndef f(): return {'k': A('x')}\n", "", BIT(NOT_LITERAL), NULL},
    {"class A(dict):\n    def items(self): return [(1, 2)]\ndef f(): return A()\n", "",
     BIT(NOT_LITERAL), NULL},
    {"class A(list): pass\ndef f(): return (A(),)\n", "", BIT(NOT_LITERAL), NULL},
    {"class A:\n    __class__ = int\ndef f(): return A()\n", "", BIT(NOT_LITERAL), NULL},
    {"class A(type):\n    def __instancecheck__(c, o): return True\nclass B(metaclass=A): pass\n"
     "def f(): return B\n",
     "", BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __reduce__(self): return (int, (42,))\ndef f(): return A()\n", "",
     BIT(NOT_LITERAL), NULL},
    {"import collections\ndef f(): return collections.namedtuple('P', 'x')(1)\n", "",
     BIT(NOT_LITERAL), NULL},
    {"import collections\ndef f(): return collections.Counter('aab')\n", "", BIT(NOT_LITERAL),
     NULL},
    {"import enum\nclass E(enum.IntEnum):\n    A = 1\ndef f(): return E.A\n", "", BIT(NOT_LITERAL),
     NULL},
    {"from decimal import Decimal\ndef f(): return Decimal(1)\n", "", BIT(NOT_LITERAL), NULL},
    {"def f(): return range(3)\n", "", BIT(NOT_LITERAL), NULL},
    {"def f(): yield 1\n", "", BIT(NOT_LITERAL), NULL},
    {"async def f(): return 1\n", "", BIT(NOT_LITERAL), NULL},
    {"def f(): return f\n", "", BIT(NOT_LITERAL), NULL},
    {"def f(): return ...\n", "", BIT(NOT_LITERAL), NULL},
    {"def f(): return bytearray(b'x')\n", "", BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __call__(self): return 1\n    def __getattr__(self, n): return self\n"
     "f = A()\n",
     "", BIT(OK), "1"},
};

/* --- forged records -----------------------------------------------------------------------------
 */

static const hostile forged[] = {
    /* It could have returned that, too. */
    {FORGE "def f(): send(record(0, b'[1, 2]'))\n", "", BIT(OK), "[1, 2]"},
    {FORGE "def f(): send(record(12))\n", "", BIT(NO_RESULT), NULL}, /* INTERNAL */
    {FORGE "def f(): send(record(10))\n", "", BIT(NO_RESULT), NULL}, /* NONDETERMINISTIC */
    {FORGE "def f(): send(record(2))\n", "", BIT(NO_RESULT), NULL},  /* TIMEOUT_CPU */
    {FORGE "def f(): send(record(11))\n", "", BIT(NO_RESULT), NULL}, /* BAD_INPUT */
    {FORGE "def f(): send(record(255, b'1'))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'__import__(\"os\").abort()'))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'1 or 2'))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'\\xff'))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'[' * 3000))\n", "", BIT(NO_RESULT) | BIT(TOO_LARGE), NULL},
    {FORGE "def f(): send(record(0, b'1') + b'x')\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'1') * 2)\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'1')[:-1])\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(u(2 ** 32 - 1))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(b'S' * 100)\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(1, None, b'A' * 300))\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(1, None, b'\\xff\\0'))\n", "", BIT(EXCEPTION), "??"},
    {FORGE "def f():\n    while True: posix.write(3, b'x' * 60000)\n", "",
     BIT(NO_RESULT) | BIT(TIMEOUT_CPU), NULL},
    {FORGE "def f():\n    posix.write(3, b'x')\n    return 1\n", "", BIT(NO_RESULT), NULL},
    {FORGE "def f():\n    posix.write(3, record(0, b'1'))\n    return 1\n", "", BIT(NO_RESULT),
     NULL},
    {FORGE "def f():\n    posix.write(3, record(0, b'1'))\n    posix._exit(1)\n", "",
     BIT(NO_RESULT), NULL},
    {FORGE "def f():\n    posix.write(3, record(0, b'1'))\n    while True: pass\n", "",
     BIT(TIMEOUT_CPU), NULL},
};

static bool check_one(azr_executor *executor, const hostile *h)
{
    azr_exec_reply reply = run_program(executor, h->program, h->input, false);
    const azr_exec_run *run = &reply.runs[0];
    const char *detail = run->value != NULL ? run->value : run->exception;
    bool ok = (h->expected >> run->status & 1) != 0 &&
              (h->detail == NULL || (detail != NULL && strcmp(detail, h->detail) == 0));
    if (!ok)
        print_message("--- got %s %s (%s)\n%s\n", azr_exec_status_name(run->status),
                      detail != NULL ? detail : "", run->message != NULL ? run->message : "",
                      h->program);
    azr_exec_reply_deinit(&reply);
    check_sentinel(executor);
    return ok;
}

static void check_all_with(const char *engine, const hostile *programs, size_t n)
{
    azr_executor *executor = open_engine_at(engine, AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < n; i++)
        n_bad += check_one(executor, &programs[i]) ? 0 : 1;
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

static void check_all(const hostile *programs, size_t n)
{
    check_all_with("auto", programs, n);
}

#define CHECK_ALL(name)                                \
    static void test_##name(void **state)              \
    {                                                  \
        (void)state;                                   \
        check_all(name, sizeof name / sizeof name[0]); \
    }

CHECK_ALL(endless)
CHECK_ALL(hungry)
CHECK_ALL(doors)
CHECK_ALL(traces)
CHECK_ALL(foreign)
/* Only forks write their record to a pipe. */
static void test_forged(void **state)
{
    (void)state;
    check_all_with("fork", forged, sizeof forged / sizeof forged[0]);
}

/* Texts that make the compiler itself work: too long for a table. */
static void test_deep_programs(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    static const char *const pieces[][3] = {
        {"def f(): return ", "(", "1"}, {"def f(): return ", "-", "1"},
        {"def f(): return ", "[", "1"}, {"def f(): return 1", "+1", "\n"},
        {"def f():\n", "  ", "pass"},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        enum { N = 200000 };
        size_t n = strlen(pieces[i][1]);
        char *program = malloc(64 + N * n + 8), *at = program;
        at += sprintf(at, "%s", pieces[i][0]);
        for (size_t k = 0; k < N; k++, at += n)
            memcpy(at, pieces[i][1], n);
        sprintf(at, "%s", pieces[i][2]);
        azr_exec_reply reply = run_program(executor, program, "", false);
        unsigned expected = BIT(EXCEPTION) | BIT(MEMORY) | BIT(CRASH) | BIT(TIMEOUT_CPU) | BIT(OK);
        assert_true((expected >> reply.runs[0].status & 1) != 0);
        azr_exec_reply_deinit(&reply);
        check_sentinel(executor);
        free(program);
    }
    azr_executor_destroy(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endless),       cmocka_unit_test(test_hungry),
        cmocka_unit_test(test_doors),         cmocka_unit_test(test_traces),
        cmocka_unit_test(test_foreign),       cmocka_unit_test(test_forged),
        cmocka_unit_test(test_deep_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
