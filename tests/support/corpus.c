/* corpus.c: generates the programs of corpus.h. */
#include "corpus.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "hostile.h"

#include <string.h>

void azr_test_corpus_deinit(azr_test_corpus *corpus)
{
    for (size_t i = 0; i < corpus->n; i++) {
        azr_test_program *p = &corpus->programs[i];
        for (size_t k = 0; k < p->n_inputs; k++)
            azr_free(p->inputs[k]);
        azr_free(p->inputs);
        azr_free(p->program);
        azr_free(p->function);
    }
    azr_free(corpus->programs);
    *corpus = (azr_test_corpus){0};
}

azr_test_program *azr_test_corpus_add(azr_test_corpus *corpus, const char *program)
{
    if (corpus->n == corpus->capacity) {
        corpus->capacity = corpus->capacity > 0 ? 2 * corpus->capacity : 64;
        corpus->programs =
            azr_realloc(corpus->programs, corpus->capacity, sizeof *corpus->programs);
    }
    azr_test_program *p = &corpus->programs[corpus->n++];
    *p = (azr_test_program){.program = azr_copy_text(program, strlen(program))};
    return p;
}

void azr_test_program_add_input(azr_test_program *p, const char *input)
{
    p->inputs = azr_realloc(p->inputs, p->n_inputs + 1, sizeof *p->inputs);
    p->inputs[p->n_inputs++] = azr_copy_text(input, strlen(input));
}

void azr_test_corpus_thin(azr_test_corpus *corpus, size_t first, size_t every)
{
    azr_test_corpus kept = {0}, dropped = {0};
    for (size_t i = 0; i < corpus->n; i++) {
        azr_test_corpus *to = i % every == first ? &kept : &dropped;
        azr_test_program *p = azr_test_corpus_add(to, "");
        azr_free(p->program);
        *p = corpus->programs[i];
    }
    azr_free(corpus->programs);
    azr_test_corpus_deinit(&dropped);
    *corpus = kept;
}

/* --- ordinary programs --------------------------------------------------------------------------
 */

typedef struct maker {
    uint64_t state; /* splitmix64 */
    azr_strbuf out;
} maker;

static uint32_t pick(maker *m, uint32_t n)
{
    uint64_t z = (m->state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ (z >> 31)) >> 33) % n;
}

typedef enum kind { INT, TEXT, LIST, DICT, N_KINDS } kind;

/* Expressions: I, T, L, D stand for ones of these kinds; a and b are the arguments, n, t, l, d
 * variables. Divisions, indices and conversions fail now and then: that is part of it. */
static const char *const forms[N_KINDS][32] = {
    [INT] = {"n",
             "a",
             "3",
             "-7",
             "10 ** 12",
             "(I + I)",
             "(I - I)",
             "(I * I)",
             "(I // I)",
             "(I % I)",
             "(I & I)",
             "(I ^ 5)",
             "(I << 3)",
             "(I >> 1)",
             "abs(I)",
             "len(T)",
             "len(L)",
             "sum(L)",
             "max(I, I)",
             "L[I % 5]",
             "int(T)",
             "T.count('a')",
             "d.get(T, I)",
             "math.gcd(I, I)",
             "bisect.bisect(sorted(L), I)",
             "(I if I > I else I)",
             "~I",
             "functools.reduce(operator.xor, L, I)",
             "ord(T[0])",
             "round(I / 7)",
             "L.index(I)"},
    [TEXT] = {"t",
              "'abc'",
              "'a b  c'",
              "b",
              "str(I)",
              "(T + T)",
              "T[1:]",
              "T[::-1]",
              "T.upper()",
              "T.replace('a', T)",
              "' '.join(map(str, L))",
              "repr(L)",
              "(T * (I % 4))",
              "T.strip('ab')",
              "f'{I:>8}|{T!r}'",
              "'%d-%s' % (I, T)",
              "chr(I % 1000 + 32)",
              "json.dumps(D, sort_keys=True)",
              "re.sub('[a-c]+', '.', T)",
              "T.title()",
              "str(fractions.Fraction(I, 12))",
              "str(decimal.Decimal(I) / 8)",
              "hex(I)",
              "T.zfill(6)",
              "string.ascii_letters[I % 60]",
              "type(I).__name__"},
    [LIST] = {"l",
              "[1, 2, 3]",
              "list(range(I % 9))",
              "(L + L)",
              "L[1:]",
              "L[::-1]",
              "sorted(L)",
              "[x * I for x in L]",
              "[ord(c) for c in T]",
              "[x for x in L if x % 2]",
              "list(set(L) | {I})",
              "sorted(set(L) & set(L))",
              "list(itertools.accumulate(L))",
              "[I, I]",
              "list(D.values())",
              "heapq.nsmallest(3, L)",
              "(L * 2)",
              "[x for _, x in sorted(zip(L, L))]",
              "copy.deepcopy(L)",
              "L[I % 3:]"},
    [DICT] = {"d", "{T: I}", "{**d, T: I}", "dict(zip(T, L))", "{c: T.count(c) for c in T}",
              "{k: v for k, v in D.items() if v}", "dict(collections.Counter(T))",
              "{str(i): x for i, x in enumerate(L)}"},
};
static const char *const names[N_KINDS] = {"n", "t", "l", "d"};

static void write_expression(maker *m, kind what, int depth)
{
    enum { SIMPLE = 3 };
    static const char letters[] = "ITLD";
    size_t n = 0;
    while (n < AZR_COUNT(forms[what]) && forms[what][n] != NULL)
        n++;
    if (depth == 0)
        n = what == DICT ? 1 : SIMPLE - (what == LIST);
    const char *form = forms[what][pick(m, (uint32_t)n)];
    for (; *form != '\0'; form++) {
        const char *inner = *form >= 'A' && *form <= 'Z' ? strchr(letters, *form) : NULL;
        bool is_word = inner != NULL && (form[1] >= 'a' && form[1] <= 'z');
        if (inner != NULL && !is_word)
            write_expression(m, (kind)(inner - letters), depth - 1);
        else
            azr_strbuf_append(&m->out, form, 1);
    }
}

static void write_line(maker *m, int indent, const char *before, kind what, const char *after)
{
    for (int i = 0; i < indent; i++)
        azr_strbuf_puts(&m->out, "    ");
    azr_strbuf_puts(&m->out, before);
    write_expression(m, what, 1 + (int)pick(m, 3));
    azr_strbuf_puts(&m->out, after);
}

static void write_assignment(maker *m, int indent)
{
    kind what = (kind)pick(m, N_KINDS);
    azr_strbuf before = {0};
    azr_strbuf_printf(&before, "%s = ", names[what]);
    write_line(m, indent, before.data, what, "\n");
    azr_strbuf_deinit(&before);
}

static void write_statement(maker *m)
{
    switch (pick(m, 8)) {
    case 0:
        write_line(m, 1, "for x in ", LIST, "[:6]:\n");
        write_line(m, 2, "n = n + x * ", INT, "\n");
        break;
    case 1:
        write_line(m, 1, "if ", INT, " % 2:\n");
        write_assignment(m, 2);
        azr_strbuf_puts(&m->out, "    else:\n");
        write_assignment(m, 2);
        break;
    case 2:
        azr_strbuf_puts(&m->out, "    try:\n");
        write_assignment(m, 2);
        azr_strbuf_puts(&m->out, "    except (ValueError, IndexError, ZeroDivisionError) as e:\n");
        azr_strbuf_puts(&m->out, "        t = type(e).__name__ + str(e)\n");
        break;
    case 3:
        write_line(m, 1, "for c in ", TEXT, "[:9]:\n");
        azr_strbuf_puts(&m->out, "        d[c] = d.get(c, 0) + 1\n");
        break;
    case 4:
        azr_strbuf_puts(&m->out, "    def g(n, k=2):\n");
        write_line(m, 2, "return k if n < 1 else g(n - 1) + ", INT, " % 11\n");
        azr_strbuf_puts(&m->out, "    n = g(abs(n) % 7)\n");
        break;
    default:
        write_assignment(m, 1);
    }
}

static void write_program(maker *m)
{
    static const char *const ends[] = {"return n, t, l\n",
                                       "return d\n",
                                       "return [n % 10007, t]\n",
                                       "return t\n",
                                       "return {'n': n, 'l': l[:9], 'd': d}\n",
                                       "return set(l), n > 0, n / 7\n"};
    m->out.size = 0;
    azr_strbuf_puts(&m->out, "import bisect, collections, copy, decimal, fractions, functools\n"
                             "import heapq, itertools, json, math, operator, re, string\n"
                             "def f(a, b):\n"
                             "    n, t, l, d = a, b, [a, 2, 5, -1, 9], {'a': 1, b: a}\n");
    for (uint32_t i = 0, n = 2 + pick(m, 7); i < n; i++)
        write_statement(m);
    azr_strbuf_puts(&m->out, "    ");
    azr_strbuf_puts(&m->out, ends[pick(m, AZR_COUNT(ends))]);
}

void azr_test_corpus_add_ordinary(azr_test_corpus *corpus, uint64_t seed, size_t n)
{
    enum { N_INPUTS = 3 };
    static const char *const texts[] = {"''", "'abcabc'", "'7'", "'Hello world'", "'\\u00e4\\n'"};
    maker m = {.state = seed};
    for (size_t i = 0; i < n; i++) {
        write_program(&m);
        azr_test_program *p = azr_test_corpus_add(corpus, m.out.data);
        for (size_t k = 0; k < N_INPUTS; k++) {
            azr_strbuf input = {0};
            azr_strbuf_printf(&input, "%d, %s", (int)pick(&m, 40) - 10,
                              texts[pick(&m, AZR_COUNT(texts))]);
            azr_test_program_add_input(p, input.data);
            azr_strbuf_deinit(&input);
        }
    }
    azr_strbuf_deinit(&m.out);
}

/* --- hostile programs ---------------------------------------------------------------------------
 */

static const char reach[] = "import collections\n"
                            "sys = collections._sys\n"
                            "posix = sys.modules['posix']\n"
                            "builtins = sys.modules['builtins']\n"
                            "def load(n):\n"
                            "    class Spec: name = n; origin = None; parent = ''\n"
                            "    return sys.modules.get(n) or "
                            "sys.modules['_imp'].create_builtin(Spec)\n";

/* One statement each. */
static const char *const attacks[] = {
    "exec('while True: pass')",
    "[0] * 10 ** 11",
    "1 << 8 * 10 ** 10",
    "bytearray(1 << 40)",
    "posix._exit(0)",
    "posix._exit(3)",
    "posix.abort()",
    "posix.fork()",
    "posix.kill(posix.getpid(), 9)",
    "posix.kill(-1, 9)",
    "posix.execv('/bin/sh', ['sh'])",
    "posix.listdir('/')",
    "posix.open('/etc/passwd', 0)",
    "posix.chmod('/', 0)",
    "posix.setuid(0)",
    "posix.urandom(8)",
    "posix.pipe()",
    "posix.unlink('/tmp/azr')",
    "open('/proc/self/mem', 'r+b')",
    "open(1, 'w').write('x')",
    "input()",
    "print('x' * 100000)",
    "load('_socket').socket()",
    "load('_thread').start_new_thread(print, ())",
    "load('time').sleep(100)",
    "load('_signal').alarm(1)",
    "load('_signal').setitimer(0, 0.01)",
    "load('fcntl').fcntl(1, 4)",
    "load('gc').disable()",
    "load('atexit').register(print)",
    "load('faulthandler').enable()",
    "sys.exit(0)",
    "sys.settrace(lambda *a: None)",
    "sys.setrecursionlimit(50)",
    "sys.modules.clear()",
    "sys.path.append('/')",
    "sys.meta_path.clear()",
    "setattr(builtins, 'len', lambda x: 42)",
    "setattr(builtins, 'repr', lambda x: '42')",
    "setattr(builtins, '__build_class__', None)",
    "setattr(collections, 'deque', None)",
    "__builtins__.clear()",
    "__import__('os')",
    "__import__('ctypes')",
    "exec('import subprocess')",
    "exec('(' * 5000)",
    "exec('-' * 50000 + '1')",
    "eval(compile('1', '', 'eval').replace(co_code=b'd\\x00S\\x00'))",
    "(lambda g: g(g))(lambda g: g(g))",
    "exec('raise BaseException(1)')",
    "exec('raise KeyboardInterrupt')",
    "exec('raise ExceptionGroup(\"x\", [ValueError(1)])')",
    "object.__subclasses__()",
    "sys._getframe().f_locals.clear()",
    "type('A', (), {'__del__': lambda s: posix._exit(0)})()",
    "posix._exit(0) if sys.flags.isolated else 1",
    "''.join(chr(i) for i in range(0xd800, 0xd810)).encode()",
    "10 ** 5000 % 3 or str(10 ** 5000)",
};

/* Where an attack stands; @ is the statement. */
static const char *const places[] = {
    "def f(x):\n    @\n    return x\n",
    "@\ndef f(x):\n    return len([x, x])\n",
    "def f(x):\n    try:\n        @\n    except BaseException as e:\n"
    "        return type(e).__name__, x\n    return 'nothing', x\n",
    "class D:\n    def __del__(self):\n        @\ndef f(x):\n    D()\n    return x\n",
    "def g():\n    try:\n        yield 1\n    finally:\n        @\n"
    "def f(x):\n    for i in g(): break\n    return x + i\n",
    "def f(x):\n    class A:\n        @\n    return A.__name__\n",
    "def f(x):\n    if x == 2:\n        @\n    return x * 2\n",
    "class E(Exception):\n    def __str__(self):\n        @\n        return 'e'\n"
    "def f(x): raise E(x)\n",
    "class K:\n    def __hash__(self):\n        @\n        return 1\n"
    "    def __eq__(self, o): return True\ndef f(x): return K() in {1: 2}\n",
    "def f(x, n=200):\n    if n == 0:\n        @\n        return x\n    return f(x, n - 1)\n",
};

static void add_attack(azr_test_corpus *corpus, const char *attack, const char *place)
{
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, reach);
    for (; *place != '\0'; place++) {
        if (*place == '@')
            azr_strbuf_puts(&text, attack);
        else
            azr_strbuf_append(&text, place, 1);
    }
    azr_test_program *p = azr_test_corpus_add(corpus, azr_strbuf_text(&text));
    p->is_hostile = true;
    azr_test_program_add_input(p, "1");
    azr_test_program_add_input(p, "2");
    azr_strbuf_deinit(&text);
}

void azr_test_corpus_add_hostile(azr_test_corpus *corpus)
{
    for (size_t p = 0; p < AZR_COUNT(places); p++)
        for (size_t a = 0; a < AZR_COUNT(attacks); a++)
            add_attack(corpus, attacks[a], places[p]);
    for (int g = 0; g < AZR_TEST_N_HOSTILE_GROUPS; g++) {
        const azr_test_hostiles *group = &azr_test_hostile_groups[g];
        for (size_t k = 0; k < group->n && !group->by_fork_only; k++) {
            const azr_test_hostile *h = &group->programs[k];
            azr_test_program *p = azr_test_corpus_add(corpus, h->program);
            bool is_one = (h->expected & (h->expected - 1)) == 0;
            p->is_hostile = true;
            p->any_of = is_one ? 0 : h->expected;
            azr_test_program_add_input(p, h->input);
        }
    }
}
