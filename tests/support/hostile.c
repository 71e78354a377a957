/* hostile.c: the programs of hostile.h. */
#include "hostile.h"

#include "base/check.h"

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

/* --- time ---------------------------------------------------------------------------------------
 */

static const azr_test_hostile endless[] = {
    {"def f():\n    while True: pass\n", "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"while True: pass\n", "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"def f():\n    while True:\n        try:\n            while True: pass\n"
     "        except: pass\n",
     "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"def g():\n    try:\n        yield 1\n    finally:\n        while True: pass\n"
     "def f():\n    next(g())\n    return 1\n",
     "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"def f():\n    while True: print('x' * 1000)\n", "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"class E(Exception):\n    def __str__(self):\n        while True: pass\n"
     "def f(): raise E()\n",
     "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"def f(): return len(str(7 ** (10 ** 8)))\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU) | AZR_TEST_BIT(MEMORY), NULL},
    {"import math\ndef f(): return math.factorial(10 ** 7) % 7\n", "", AZR_TEST_BIT(TIMEOUT_CPU),
     NULL},
    {"import re\ndef f(): return bool(re.match('(a+)+$', 'a' * 40 + 'b'))\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"def f(): return len({i * (2 ** 61 - 1): 0 for i in range(1, 100000)})\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"import decimal\ndef f():\n    decimal.getcontext().prec = 10 ** 8\n"
     "    return str(decimal.Decimal(1) / 7)[:5]\n",
     "", AZR_TEST_BIT(TIMEOUT_CPU) | AZR_TEST_BIT(MEMORY), NULL},
    {"import itertools\ndef f(): return sum(itertools.count())\n", "", AZR_TEST_BIT(TIMEOUT_CPU),
     NULL},
    {REACH "def f(): load('time').sleep(1000)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('select').select([], [], [], 1000)\n", "", AZR_TEST_BIT(EXCEPTION),
     "PermissionError"},
    {REACH "def f():\n    s = load('_signal')\n    s.signal(14, lambda *a: None)\n    s.pause()\n",
     "", AZR_TEST_BIT(EXCEPTION), NULL},
    {"import re\ndef f(): return bool(re.match('(x+x+)+y', 'x' * 60))\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"import json\ndef f(): return len(json.dumps([list(range(10 ** 5))] * 100))\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU) | AZR_TEST_BIT(MEMORY), NULL},
    {"from fractions import Fraction\ndef f():\n    x = Fraction(1, 3)\n"
     "    while True: x = x * x + 1\n",
     "", AZR_TEST_BIT(TIMEOUT_CPU) | AZR_TEST_BIT(MEMORY), NULL},
    {"class A:\n    def __hash__(self):\n        while True: pass\ndef f(): return {A(): 1}\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"class M(type):\n    def __call__(c):\n        while True: pass\n"
     "class A(metaclass=M): pass\ndef f(): return A()\n",
     "", AZR_TEST_BIT(TIMEOUT_CPU), NULL},
};

/* --- memory -------------------------------------------------------------------------------------
 */

static const azr_test_hostile hungry[] = {
    {"def f(): return 1 << 8 * 10 ** 9\n", "", AZR_TEST_BIT(MEMORY), NULL},
    {"def f(): return [0] * 10 ** 10\n", "", AZR_TEST_BIT(MEMORY), NULL},
    {"def f():\n    a = []\n    while True: a.append([0] * 1000)\n", "",
     AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"def f():\n    s = 'a'\n    while True: s += s\n", "", AZR_TEST_BIT(MEMORY), NULL},
    {"def f():\n    b = bytearray()\n    while True: b += bytes(1 << 20)\n", "",
     AZR_TEST_BIT(MEMORY), NULL},
    {"def f():\n    try:\n        return [0] * 10 ** 9\n    except MemoryError:\n        return "
     "5\n",
     "", AZR_TEST_BIT(MEMORY), NULL},
    {"def f(): return f'{1:>9999999999}'\n", "", AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION),
     NULL},
    {"def f(): return '%9999999999d' % 1\n", "", AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION),
     NULL},
    {"def f(): return 'a' * 50000000\n", "", AZR_TEST_BIT(TOO_LARGE), NULL},
    {"def f(): return list(range(100000))\n", "", AZR_TEST_BIT(TOO_LARGE), NULL},
    {"def f(): return 10 ** 5000\n", "", AZR_TEST_BIT(TOO_LARGE), NULL},
    {"def f(): return str(10 ** 5000)\n", "", AZR_TEST_BIT(EXCEPTION), "ValueError"},
    {REACH "def f():\n    sys.set_int_max_str_digits(0)\n    return len(str(10 ** 5000))\n", "",
     AZR_TEST_BIT(OK), "5001"},
    {"def f():\n    a = []\n    for i in range(10 ** 5): a = [a]\n    return a\n", "",
     AZR_TEST_BIT(TOO_LARGE), NULL},
    {"def f():\n    a = []\n    a.append(a)\n    return a\n", "", AZR_TEST_BIT(TOO_LARGE), NULL},
    {"def f():\n    a = 'x'\n    for i in range(60): a = [a, a]\n    return a\n", "",
     AZR_TEST_BIT(TOO_LARGE), NULL},
    {"def f(): return f()\n", "", AZR_TEST_BIT(EXCEPTION), "RecursionError"},
    {REACH "def f(n):\n    sys.setrecursionlimit(10 ** 9)\n    return f(n + 1)\n", "0",
     AZR_TEST_BIT(CRASH) | AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {REACH "def f():\n    sys.setrecursionlimit(10 ** 9)\n    a = []\n"
           "    for i in range(10 ** 6): a = [a]\n    return repr(a)\n",
     "",
     AZR_TEST_BIT(CRASH) | AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(TIMEOUT_CPU) |
         AZR_TEST_BIT(EXCEPTION),
     NULL},
    {"import json\ndef f(): return json.loads('[' * 10 ** 6)\n", "", AZR_TEST_BIT(EXCEPTION),
     "RecursionError"},
    {"class E(Exception): pass\ndef f(): raise E('x' * 10 ** 7)\n", "", AZR_TEST_BIT(EXCEPTION),
     "E"},
    {"class E(Exception):\n    def __str__(self): return 'x' * 10 ** 9\ndef f(): raise E()\n", "",
     AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "z = load('zlib')\nsys.modules['_imp'].exec_builtin(z)\n"
           "def f():\n    b = z.compress(bytes(1 << 20), 9)\n    for i in range(40): b += b\n"
           "    return len(b)\n",
     "", AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH
     "z = load('zlib')\nsys.modules['_imp'].exec_builtin(z)\n"
     "def f():\n    d = z.compressobj(9)\n    b = b''.join(d.compress(bytes(1 << 20)) for i in "
     "range(400)) + d.flush()\n    return len(z.decompress(b))\n",
     "", AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"import re\ndef f(): return bool(re.compile('(' * 5000 + ')' * 5000))\n", "",
     AZR_TEST_BIT(EXCEPTION), "RecursionError"},
    {"import re\ndef f(): return bool(re.compile('((((a{1,99}){1,99}){1,99}){1,99}){1,99}'))\n", "",
     AZR_TEST_BIT(OK) | AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"from decimal import Decimal\ndef f(): return len(str(Decimal(10) ** (10 ** 8)))\n", "",
     AZR_TEST_BIT(OK) | AZR_TEST_BIT(EXCEPTION), NULL},
    {"from decimal import Decimal\ndef f(): return len(format(Decimal('1e999999999'), 'f'))\n", "",
     AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION), NULL},
    {"def f(): return ('{:' + '9' * 9 + '}').format(1)[:1]\n", "",
     AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION), NULL},
    {"def f(): return bytes(3).ljust(10 ** 12)\n", "",
     AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(EXCEPTION), NULL},
    {"import itertools\ndef f(): return list(itertools.product(range(100), repeat=9))\n", "",
     AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {"import copy\ndef f():\n    a = []\n    for i in range(50): a = [a, a]\n"
     "    return copy.deepcopy(repr(a))\n",
     "", AZR_TEST_BIT(MEMORY) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
};

/* --- doors --------------------------------------------------------------------------------------
 */

static const azr_test_hostile doors[] = {
    {"import os\ndef f(): return 1\n", "", AZR_TEST_BIT(EXCEPTION), "ModuleNotFoundError"},
    {"import sys\ndef f(): return 1\n", "", AZR_TEST_BIT(EXCEPTION), "ModuleNotFoundError"},
    {"def f(): import ctypes\n", "", AZR_TEST_BIT(EXCEPTION), "ModuleNotFoundError"},
    {"def f(): return __import__('ti' + 'me').time()\n", "", AZR_TEST_BIT(EXCEPTION),
     "ModuleNotFoundError"},
    {"from os import path\ndef f(): return 1\n", "", AZR_TEST_BIT(EXCEPTION),
     "ModuleNotFoundError"},
    {"import json.tool\ndef f(): return 1\n", "", AZR_TEST_BIT(EXCEPTION), "ModuleNotFoundError"},
    {REACH "def f(): return posix.fork()\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('_thread').start_new_thread(print, ())\n", "", AZR_TEST_BIT(EXCEPTION),
     NULL},
    {REACH "def f(): posix.execv('/bin/sh', ['sh'])\n", "", AZR_TEST_BIT(POLICY), NULL},
    {REACH "def f(): load('_posixsubprocess').fork_exec([b'x'], [b'/x'], True, (), None, None, -1, "
           "-1, -1, -1, -1, -1, -1, -1, False, False, -1, None, None, None, -1, None, False)\n",
     "", AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(POLICY), NULL},
    {"def f(): return open('/etc/passwd').read()\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {"def f(): open('/tmp/azr-escape', 'w').write('x')\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "def f(): return posix.listdir('/')\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "def f(): return posix.readlink('/proc/self/exe')\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "def f(): return posix.urandom(4)\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {"def f(): return input()\n", "", AZR_TEST_BIT(EXCEPTION), "RuntimeError"},
    {REACH "def f(): load('_socket').socket()\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.kill(posix.getpid(), 9)\n", "", AZR_TEST_BIT(EXCEPTION),
     "PermissionError"},
    {REACH "def f(): posix.kill(1, 9)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.kill(-1, 9)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.killpg(0, 9)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.setuid(0)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.chroot('/')\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('fcntl').fcntl(3, 4)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): load('resource').setrlimit(0, (9, 9))\n", "", AZR_TEST_BIT(EXCEPTION),
     "AttributeError"},
    {REACH "def f(): return dict(posix.environ)\n", "", AZR_TEST_BIT(OK), "{}"},
    {REACH "def f():\n"
           "    n = 0\n"
           "    for fd in list(range(3)) + list(range(4, 30)):\n"
           "        try:\n            posix.write(fd, b'x')\n            n += 1\n"
           "        except OSError: pass\n"
           "    return n\n",
     "", AZR_TEST_BIT(OK), "0"},
    {REACH
     "def f():\n    try:\n        posix.read(3, 100)\n    except OSError as e: return e.errno\n",
     "", AZR_TEST_BIT(OK), "1"},
    {REACH "def f(): posix._exit(0)\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {REACH "def f(): posix._exit(1)\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {REACH "def f(): posix._exit(97)\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {REACH "posix._exit(0)\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {REACH "def f(): posix.close(3)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.abort()\n", "", AZR_TEST_BIT(CRASH), NULL},
    {"def f(): raise SystemExit(0)\n", "", AZR_TEST_BIT(EXCEPTION), "SystemExit"},
    {"def f(): raise KeyboardInterrupt\n", "", AZR_TEST_BIT(EXCEPTION), "KeyboardInterrupt"},
    {"class B(BaseException): pass\ndef f(): raise B\n", "", AZR_TEST_BIT(EXCEPTION), "B"},
    {"def f(): return next(iter(()))\n", "", AZR_TEST_BIT(EXCEPTION), "StopIteration"},
    {"class E(Exception):\n    def __str__(self): raise ValueError\ndef f(): raise E\n", "",
     AZR_TEST_BIT(EXCEPTION), "E"},
    {"class E(Exception):\n    def __str__(self): return '\\ud800\\0\\xff'\ndef f(): raise E\n", "",
     AZR_TEST_BIT(EXCEPTION), "E"},
    {"def f(: pass\n", "", AZR_TEST_BIT(EXCEPTION), "SyntaxError"},
    {"x = 1\n", "", AZR_TEST_BIT(EXCEPTION), "NameError"},
    {"f = 3\n", "", AZR_TEST_BIT(EXCEPTION), "TypeError"},
    {"def f(x): return x\n", "", AZR_TEST_BIT(EXCEPTION), "TypeError"},
    {"def f(x): return x\n", "1) or (7", AZR_TEST_BIT(BAD_INPUT), NULL},
    {"def f(x): return x\n", "__import__('os')", AZR_TEST_BIT(BAD_INPUT), NULL},
    {"def f(x): return x\n", "1); f = lambda x: 2 #", AZR_TEST_BIT(BAD_INPUT), NULL},
    {"def f(*a): return a\n", "*[1]", AZR_TEST_BIT(BAD_INPUT), NULL},
    {REACH "def f(): posix.kill(posix.getppid(), 9)\n", "", AZR_TEST_BIT(EXCEPTION),
     "PermissionError"},
    {REACH "def f():\n    s = load('_signal')\n    s.signal(14, lambda *a: None)\n    s.alarm(1)\n",
     "", AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(OK), NULL},
    {REACH "def f(): return posix.getpid() > 99 or posix.getppid() > 99\n", "",
     AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(OK), NULL},
    {REACH "def f(): posix.sched_setaffinity(0, {0})\n", "", AZR_TEST_BIT(EXCEPTION),
     "PermissionError"},
    {REACH "def f(): posix.nice(-5)\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.memfd_create('x')\n", "", AZR_TEST_BIT(EXCEPTION), "PermissionError"},
    {REACH "def f(): posix.symlink('/etc', '/tmp/azr-escape')\n", "", AZR_TEST_BIT(EXCEPTION),
     NULL},
    {REACH "def f(): posix.mkdir('/tmp/azr-escape')\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "def f(): posix.dup2(3, 1)\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "def f(): posix.eventfd(0)\n", "", AZR_TEST_BIT(EXCEPTION), NULL},
};

/* --- traces -------------------------------------------------------------------------------------
 */

static const azr_test_hostile traces[] = {
    {REACH "def f():\n    b = sys.modules['builtins']\n    b.repr = b.len = b.sorted = lambda *a: "
           "'FORGED'\n"
           "    return len('abc')\n",
     "", AZR_TEST_BIT(OK), NULL},
    {"def f():\n    __builtins__['len'] = lambda x: 99\n    return len('a')\n", "",
     AZR_TEST_BIT(OK), "99"},
    {REACH "def f():\n    sys.modules.clear()\n    return 1\n", "", AZR_TEST_BIT(OK), "1"},
    {"import math, re\ndef f():\n    math.gcd = re.sub = lambda *a: 0\n    return math.gcd(4, 6)\n",
     "", AZR_TEST_BIT(OK), "0"},
    {REACH
     "def f():\n    g = load('gc')\n    g.callbacks.append(lambda *a: 1 / 0)\n    g.collect()\n"
     "    return 1\n",
     "", AZR_TEST_BIT(OK), "1"},
    {REACH "def f():\n    sys.settrace(lambda *a: 1 / 0)\n    return 1\n", "", AZR_TEST_BIT(OK),
     "1"},
    {REACH "def f():\n    load('atexit').register(lambda: posix.write(3, b'x'))\n    return 1\n",
     "", AZR_TEST_BIT(OK), "1"},
    {REACH "class D:\n    def __del__(self): posix.write(3, b'x')\n"
           "def f():\n    global d\n    d = D()\n    return 1\n",
     "", AZR_TEST_BIT(OK), "1"},
    {"def f():\n    import types\n    return [c.__name__ for c in object.__subclasses__()][:0]\n",
     "", AZR_TEST_BIT(OK), "[]"},
    {REACH "def f():\n    frame = sys._getframe()\n    n = 0\n    while frame: frame = "
           "frame.f_back; n += 1\n"
           "    return n\n",
     "", AZR_TEST_BIT(OK), "1"},
    {"def f(): return chr(0) + '\\ud800' + chr(0x10ffff)\n", "", AZR_TEST_BIT(OK),
     "'\\x00\\ud800\\U0010ffff'"},
    /* Small numbers are one object each: write another value into it by way of a code object? Not
     * without native code; but the constant of a function can be changed. */
    {"def g(): return 5\ndef f():\n    g.__code__ = g.__code__.replace(co_consts=(None, 7))\n"
     "    return g()\n",
     "", AZR_TEST_BIT(OK), "7"},
    {"def f():\n    c = f.__code__.replace(co_code=bytes([100, 255] * 8), co_consts=())\n"
     "    return eval(c)\n",
     "",
     AZR_TEST_BIT(OK) | AZR_TEST_BIT(CRASH) | AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(NOT_LITERAL) |
         AZR_TEST_BIT(NO_RESULT) | AZR_TEST_BIT(TIMEOUT_CPU) | AZR_TEST_BIT(MEMORY) |
         AZR_TEST_BIT(TOO_LARGE),
     NULL},
    /* Counts its calls where other runs could see it: each is the first. */
    {REACH "def f():\n    b = sys.modules['builtins']\n    b.calls = getattr(b, 'calls', 0) + 1\n"
           "    return b.calls\n",
     "", AZR_TEST_BIT(OK), "1"},
    {"import math\ndef f():\n    math.calls = getattr(math, 'calls', 0) + 1\n"
     "    return math.calls\n",
     "", AZR_TEST_BIT(OK), "1"},
    {"import functools\n@functools.cache\ndef g(): return []\n"
     "def f():\n    g().append(1)\n    return g()\n",
     "", AZR_TEST_BIT(OK), "[1]"},
    {REACH "def f():\n    sys.setswitchinterval(1e-9)\n    sys.setrecursionlimit(30)\n"
           "    sys.set_int_max_str_digits(640)\n    return 1\n",
     "", AZR_TEST_BIT(OK), "1"},
    {REACH "def f():\n    load('_locale').setlocale(6, 'C')\n    return 1\n", "",
     AZR_TEST_BIT(OK) | AZR_TEST_BIT(EXCEPTION), NULL},
    {REACH "def f():\n    sys.stdout = sys.stderr = None\n    print(1)\n    return 1\n", "",
     AZR_TEST_BIT(OK), "1"},
    {REACH "def f():\n    sys.addaudithook(lambda *a: 1 / 0)\n    return 1\n", "",
     AZR_TEST_BIT(OK) | AZR_TEST_BIT(EXCEPTION) | AZR_TEST_BIT(NO_RESULT), NULL},
};

/* --- results that are none ----------------------------------------------------------------------
 */

static const azr_test_hostile foreign[] = {
    {"class A:\n    def __eq__(self, o): return True\n    def __hash__(self): return 1\n"
     "def f(): return A()\n",
     "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __repr__(self): return '42'\ndef f(): return A()\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __repr__(self):\n        while True: pass\ndef f(): return [A()]\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A(int):\n    def __repr__(self): return '42'\ndef f(): return A(3)\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A(str): pass\ndef f(): return {'k': A('x')}\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A(dict):\n    def items(self): return [(1, 2)]\ndef f(): return A()\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A(list): pass\ndef f(): return (A(),)\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A:\n    __class__ = int\ndef f(): return A()\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A(type):\n    def __instancecheck__(c, o): return True\nclass B(metaclass=A): pass\n"
     "def f(): return B\n",
     "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __reduce__(self): return (int, (42,))\ndef f(): return A()\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"import collections\ndef f(): return collections.namedtuple('P', 'x')(1)\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"import collections\ndef f(): return collections.Counter('aab')\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"import enum\nclass E(enum.IntEnum):\n    A = 1\ndef f(): return E.A\n", "",
     AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"from decimal import Decimal\ndef f(): return Decimal(1)\n", "", AZR_TEST_BIT(NOT_LITERAL),
     NULL},
    {"def f(): return range(3)\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"def f(): yield 1\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"async def f(): return 1\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"def f(): return f\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"def f(): return ...\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"def f(): return bytearray(b'x')\n", "", AZR_TEST_BIT(NOT_LITERAL), NULL},
    {"class A:\n    def __call__(self): return 1\n    def __getattr__(self, n): return self\n"
     "f = A()\n",
     "", AZR_TEST_BIT(OK), "1"},
};

/* --- forged records -----------------------------------------------------------------------------
 */

static const azr_test_hostile forged[] = {
    /* It could have returned that, too. */
    {FORGE "def f(): send(record(0, b'[1, 2]'))\n", "", AZR_TEST_BIT(OK), "[1, 2]"},
    {FORGE "def f(): send(record(12))\n", "", AZR_TEST_BIT(NO_RESULT), NULL}, /* INTERNAL */
    {FORGE "def f(): send(record(10))\n", "", AZR_TEST_BIT(NO_RESULT), NULL}, /* NONDETERMINISTIC */
    {FORGE "def f(): send(record(2))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},  /* TIMEOUT_CPU */
    {FORGE "def f(): send(record(11))\n", "", AZR_TEST_BIT(NO_RESULT), NULL}, /* BAD_INPUT */
    {FORGE "def f(): send(record(255, b'1'))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'__import__(\"os\").abort()'))\n", "", AZR_TEST_BIT(NO_RESULT),
     NULL},
    {FORGE "def f(): send(record(0, b'1 or 2'))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'\\xff'))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'[' * 3000))\n", "",
     AZR_TEST_BIT(NO_RESULT) | AZR_TEST_BIT(TOO_LARGE), NULL},
    {FORGE "def f(): send(record(0, b'1') + b'x')\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'1') * 2)\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(0, b'1')[:-1])\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(u(2 ** 32 - 1))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(b'S' * 100)\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(1, None, b'A' * 300))\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f(): send(record(1, None, b'\\xff\\0'))\n", "", AZR_TEST_BIT(EXCEPTION), "??"},
    {FORGE "def f():\n    while True: posix.write(3, b'x' * 60000)\n", "",
     AZR_TEST_BIT(NO_RESULT) | AZR_TEST_BIT(TIMEOUT_CPU), NULL},
    {FORGE "def f():\n    posix.write(3, b'x')\n    return 1\n", "", AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f():\n    posix.write(3, record(0, b'1'))\n    return 1\n", "",
     AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f():\n    posix.write(3, record(0, b'1'))\n    posix._exit(1)\n", "",
     AZR_TEST_BIT(NO_RESULT), NULL},
    {FORGE "def f():\n    posix.write(3, record(0, b'1'))\n    while True: pass\n", "",
     AZR_TEST_BIT(TIMEOUT_CPU), NULL},
};

#define GROUP(name, by_fork_only)                  \
    {                                              \
#name, name, AZR_COUNT(name), by_fork_only \
    }

const azr_test_hostiles azr_test_hostile_groups[AZR_TEST_N_HOSTILE_GROUPS] = {
    GROUP(endless, false), GROUP(hungry, false),  GROUP(doors, false),
    GROUP(traces, false),  GROUP(foreign, false), GROUP(forged, true),
};
