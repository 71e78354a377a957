/* python_pair.c: tests and the programs they test, in two processes that talk in frames. The
 * interpreter of a test never holds an object of the program: of what the program says only plain
 * values are rebuilt, and everything else is a Point, which is equal to itself only and asks the
 * other side for whatever is done with it. */
#include "executor/python_run.h"

#include "executor/python_value.h"
#include "executor/python_world.h"

#include "base/memory.h"
#include "executor/arguments.h"
#include "executor/literal_parser.h"
#include "executor/protocol.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Values go across as literals: lists are lists, everything else that is no scalar a tuple that
 * begins with its kind. */
const char azr_exec__pair_source[] =
    "import builtins, datetime, hashlib\n"
    "types_across = {c.__name__: c for c in (\n"
    "    bytearray, range, collections.deque, collections.Counter, collections.OrderedDict,\n"
    "    fractions.Fraction, decimal.Decimal, datetime.date, datetime.datetime,\n"
    "    datetime.timedelta)}\n"
    "scalars = (bool, int, float, complex, str, bytes)\n"
    "def is_plain(v):\n"
    "    # Integers of more digits than a literal may have go across as bytes.\n"
    "    t = type(v)\n"
    "    return v is None or t in scalars and (t is not int or v.bit_length() < 8192)\n"
    "def pack_parts(v, pack):\n"
    "    t = type(v)\n"
    "    if t is int:\n"
    "        return ('integer', v.to_bytes(v.bit_length() // 8 + 1, 'little', signed=True))\n"
    "    if t is list:\n"
    "        return [pack(x) for x in v]\n"
    "    if t is collections.defaultdict:\n"
    "        return ('defaultdict', pack(v.default_factory), pack_parts(dict(v), pack))\n"
    "    if t is bytearray:\n"
    "        return ('made', 'bytearray', [bytes(v)])\n"
    "    if t is range:\n"
    "        return ('made', 'range', [v.start, v.stop, v.step])\n"
    "    if t is collections.deque:\n"
    "        return ('made', 'deque', [[pack(x) for x in v], v.maxlen])\n"
    "    if t is collections.OrderedDict:\n"
    "        return ('made', t.__name__, [[('tuple', [pack(k), pack(x)]) for k, x in v.items()]])\n"
    "    if t is collections.Counter:\n"
    "        return ('made', t.__name__, [pack_parts(dict(v), pack)])\n"
    "    if t is fractions.Fraction:\n"
    "        return ('made', t.__name__, [pack(v.numerator), pack(v.denominator)])\n"
    "    if t is decimal.Decimal:\n"
    "        return ('made', t.__name__, [str(v)])\n"
    "    if t is datetime.timedelta:\n"
    "        return ('made', t.__name__, [v.days, v.seconds, v.microseconds])\n"
    "    if t is datetime.date:\n"
    "        return ('made', t.__name__, [v.year, v.month, v.day])\n"
    "    if t is datetime.datetime and v.tzinfo is None:\n"
    "        return ('made', t.__name__, [v.year, v.month, v.day, v.hour, v.minute, v.second,\n"
    "                                     v.microsecond])\n"
    "    if issubclass(t, tuple):\n"
    "        return ('tuple', [pack(x) for x in tuple.__iter__(v)])\n"
    "    if issubclass(t, dict):\n"
    "        return ('dict', [[pack(k), pack(x)] for k, x in dict.items(v)])\n"
    "    if issubclass(t, (set, frozenset)):\n"
    "        return ('set' if issubclass(t, set) else 'frozenset', [pack(x) for x in v])\n"
    "    if issubclass(t, list):\n"
    "        return [pack(x) for x in list.__iter__(v)]\n"
    "    for base in (int, float, str, bytes):\n"
    "        if issubclass(t, base):\n"
    "            return base.__add__(v, base())\n"
    "    if issubclass(t, type) and getattr(builtins, v.__name__, None) is v:\n"
    "        return ('builtin', v.__name__)\n"
    "    return None\n"
    "def unpack(p, point):\n"
    "    if p is None or type(p) in scalars:\n"
    "        return p\n"
    "    if type(p) is list:\n"
    "        return [unpack(x, point) for x in p]\n"
    "    kind, rest = p[0], p[1:]\n"
    "    if kind in ('tuple', 'set', 'frozenset'):\n"
    "        items = [unpack(x, point) for x in rest[0]]\n"
    "        return tuple(items) if kind == 'tuple' else set(items) if kind == 'set' \\\n"
    "            else frozenset(items)\n"
    "    if kind == 'dict':\n"
    "        return {unpack(k, point): unpack(x, point) for k, x in rest[0]}\n"
    "    if kind == 'defaultdict':\n"
    "        return collections.defaultdict(unpack(rest[0], point), unpack(rest[1], point))\n"
    "    if kind == 'made':\n"
    "        return types_across[rest[0]](*[unpack(x, point) for x in rest[1]])\n"
    "    if kind == 'integer':\n"
    "        return int.from_bytes(rest[0], 'little', signed=True)\n"
    "    if kind == 'builtin':\n"
    "        found = getattr(builtins, rest[0])\n"
    "        if isinstance(found, type):\n"
    "            return found\n"
    "    if kind == 'digest':\n"
    "        return Digest(rest[0])\n"
    "    if kind == 'point':\n"
    "        return point(rest[0])\n"
    "    raise TypeError('a message that says nothing')\n"
    "operations = {'call': lambda o, a, k: o(*a, **k), 'get': lambda o, a, k: getattr(o, *a),\n"
    "              'set': lambda o, a, k: setattr(o, *a), 'iter': lambda o, a, k: iter(o),\n"
    "              'next': lambda o, a, k: next(o), 'len': lambda o, a, k: len(o),\n"
    "              'item': lambda o, a, k: o[a[0]], 'bool': lambda o, a, k: bool(o),\n"
    "              'str': lambda o, a, k: str(o), 'repr': lambda o, a, k: repr(o)}\n"
    "class Room(Exception):\n"
    "    pass\n"
    "# What stands for a value too large for a frame: equal to a value that is written alike.\n"
    "def digest_of(v):\n"
    "    digest = hashlib.sha256(type(v).__name__.encode('utf-8', 'surrogatepass'))\n"
    "    for x in v if type(v) in (list, tuple) else (v,):\n"
    "        digest.update(repr(x).encode('utf-8', 'surrogatepass') + b'\\0')\n"
    "    return digest.hexdigest()\n"
    "class Digest:\n"
    "    def __init__(self, text):\n"
    "        self.text = text\n"
    "    def __eq__(self, other):\n"
    "        return digest_of(other) == self.text\n"
    "    def __repr__(self):\n"
    "        return 'a value too large to be handed over'\n"
    "# The program's side. start() runs the program and gives its global names.\n"
    "def candidate(start, send, receive):\n"
    "    objects, numbers, names, room, last = [], {}, {}, 0, None\n"
    "    def pack(v):\n"
    "        nonlocal room\n"
    "        room -= 1\n"
    "        if room < 0:\n"
    "            raise Room\n"
    "        if is_plain(v):\n"
    "            return v\n"
    "        packed = pack_parts(v, pack)\n"
    "        if packed is None:\n"
    "            packed = ('point', numbers.setdefault(id(v), len(objects)))\n"
    "            if packed[1] == len(objects):\n"
    "                objects.append(v)\n"
    "        return packed\n"
    "    def answer(request):\n"
    "        nonlocal names, last\n"
    "        if request[0] == 'start':\n"
    "            names = start()\n"
    "            return None\n"
    "        if request[0] == 'name':\n"
    "            found = [names[request[1]]] if request[1] in names else []\n"
    "            return ('tuple', [pack(x) for x in found])\n"
    "        operation, number, arguments, keywords = request\n"
    "        point = objects.__getitem__\n"
    "        last = operations[operation](point(number), unpack(arguments, point),\n"
    "                                     unpack(keywords, point))\n"
    "        return pack(last)\n"
    "    send('ready')\n"
    "    while True:\n"
    "        request = receive()\n"
    "        room, last = 1 << 21, None\n"
    "        try:\n"
    "            try:\n"
    "                reply = ['value', answer(request)]\n"
    "            except Room:\n"
    "                reply = ['value', ('digest', digest_of(last))]\n"
    "        except BaseException as e:\n"
    "            try:\n"
    "                message = str(e)[:500]\n"
    "            except BaseException:\n"
    "                message = ''\n"
    "            reply = ['raise', [c.__name__ for c in type(e).__mro__][:20], message]\n"
    "        try:\n"
    "            send(reply)\n"
    "        except ValueError as e:\n"
    "            try:\n"
    "                reply = ['value', ('digest', digest_of(last))]\n"
    "            except BaseException:\n"
    "                reply = ['raise', ['OverflowError', 'Exception'], str(e)]\n"
    "            send(reply)\n"
    "# The test's side: runs the text, then check(function) when there is one.\n"
    "def check(text, function, names, send, receive):\n"
    "    points = {}\n"
    "    def pack(v):\n"
    "        if is_plain(v):\n"
    "            return v\n"
    "        packed = ('point', object.__getattribute__(v, 'number')) if type(v) is Point \\\n"
    "            else pack_parts(v, pack)\n"
    "        if packed is None:\n"
    "            raise TypeError(type(v).__name__ + ' cannot be handed to the program')\n"
    "        return packed\n"
    "    def point(number):\n"
    "        return points.setdefault(number, Point(number))\n"
    "    def failure(classes, message):\n"
    "        # What ends loops here, or the process, may not come from there.\n"
    "        for name in classes:\n"
    "            known = getattr(builtins, name, None)\n"
    "            if isinstance(known, type) and issubclass(known, Exception) \\\n"
    "                    and not issubclass(known, (StopIteration, StopAsyncIteration)):\n"
    "                break\n"
    "        else:\n"
    "            known = BaseException\n"
    "        try:\n"
    "            if known.__name__ != classes[0]:\n"
    "                known = type(classes[0], (known,), {})\n"
    "            return known(message)\n"
    "        except TypeError:\n"
    "            return type(classes[0], (Exception,), {})(message)\n"
    "    def ask(*request):\n"
    "        send(list(request))\n"
    "        kind, *rest = receive()\n"
    "        if kind == 'raise':\n"
    "            raise failure(*rest)\n"
    "        return unpack(rest[0], point)\n"
    "    def operate(operation, number, *arguments, **keywords):\n"
    "        return ask(operation, number, [pack(x) for x in arguments],\n"
    "                   ('dict', [[k, pack(x)] for k, x in keywords.items()]))\n"
    "    def number(it):\n"
    "        return object.__getattribute__(it, 'number')\n"
    "    class Point:\n"
    "        __slots__ = ('number',)\n"
    "        def __init__(self, number):\n"
    "            object.__setattr__(self, 'number', number)\n"
    "        def __call__(self, *arguments, **keywords):\n"
    "            return operate('call', number(self), *arguments, **keywords)\n"
    "        def __getattribute__(self, name):\n"
    "            if name.startswith('__') and name.endswith('__'):\n"
    "                return object.__getattribute__(self, name)\n"
    "            return operate('get', number(self), name)\n"
    "        def __setattr__(self, name, value):\n"
    "            operate('set', number(self), name, value)\n"
    "        def __iter__(self):\n"
    "            return operate('iter', number(self))\n"
    "        def __next__(self):\n"
    "            try:\n"
    "                return operate('next', number(self))\n"
    "            except Exception as e:\n"
    "                if type(e).__name__ != 'StopIteration':\n"
    "                    raise\n"
    "            raise StopIteration\n"
    "        def __len__(self):\n"
    "            return operate('len', number(self))\n"
    "        def __getitem__(self, i):\n"
    "            return operate('item', number(self), i)\n"
    "        def __bool__(self):\n"
    "            return operate('bool', number(self))\n"
    "        def __str__(self):\n"
    "            return operate('str', number(self))\n"
    "        def __repr__(self):\n"
    "            return operate('repr', number(self))\n"
    "        __hash__ = object.__hash__\n"
    "    ask('start')\n"
    "    code = compile(text, 'test.py', 'exec', dont_inherit=True)\n"
    "    wanted, codes = {function}, [code]\n"
    "    while codes:\n"
    "        c = codes.pop()\n"
    "        wanted.update(c.co_names)\n"
    "        codes.extend(x for x in c.co_consts if type(x) is type(code))\n"
    "    # Builtins and modules are the test's own, and so is what its text defines.\n"
    "    remote = {}\n"
    "    for name in sorted(wanted):\n"
    "        if name in importable:\n"
    "            names[name] = sys.modules[name]\n"
    "        elif name and (name == function or not hasattr(builtins, name)):\n"
    "            remote.update(zip([name], ask('name', name)))\n"
    "    names.update(remote)\n"
    "    exec(code, names)\n"
    "    checks = names.get('check')\n"
    "    names.update((n, remote[n]) for n in remote if n == function)\n"
    "    if function:\n"
    "        if function not in remote:\n"
    "            raise NameError('name %r is not defined' % function)\n"
    "        if 'check' in names and checks is not remote.get('check'):\n"
    "            checks(remote[function])\n"
    "    return True\n";

/* --- frames -------------------------------------------------------------------------------------
 */

static bool write_frame(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(AZR_EXEC__PAIR_WRITE_FD, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_frame(char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = read(AZR_EXEC__PAIR_READ_FD, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* The other side is gone. For the program's side that is the end. */
static PyObject *lost(azr_exec__pair *pair)
{
    if (pair->candidate == 0)
        _exit(0);
    pair->is_lost = true;
    PyErr_SetString(PyExc_EOFError, "the program's process ended");
    return NULL;
}

static azr_exec__pair *pair_of(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, NULL);
}

/* A program that swallowed its MemoryError answers with it all the same. */
static PyObject *memory_reply(void)
{
    return Py_BuildValue("[s[sss]s]", "raise", "MemoryError", "Exception", "BaseException", "");
}

static PyObject *send_value(PyObject *self, PyObject *value)
{
    azr_exec__pair *pair = pair_of(self);
    PyTypeObject *foreign;
    PyObject *replaced = NULL;
    if (pair->candidate == 0 && *azr_exec__memory_refused())
        value = replaced = memory_reply();
    if (value == NULL)
        return NULL;
    pair->text.size = 0;
    uint32_t size = 0;
    azr_strbuf_append(&pair->text, (const char *)&size, sizeof size);
    azr_exec__written written =
        azr_exec__value_write(value, pair->frame_bytes, &pair->text, &foreign);
    Py_XDECREF(replaced);
    if (written == AZR_EXEC__WRITTEN_TOO_LARGE)
        return PyErr_Format(PyExc_ValueError, "a value of more than %zu bytes", pair->frame_bytes);
    if (written != AZR_EXEC__WRITTEN)
        return PyErr_Format(PyExc_ValueError, "a value of type %s", foreign->tp_name);
    size = (uint32_t)(pair->text.size - sizeof size);
    memcpy(pair->text.data, &size, sizeof size);
    if (!write_frame(pair->text.data, pair->text.size))
        return lost(pair);
    Py_RETURN_NONE;
}

/* The text as a value, by the parser and the bytes that inputs go through. */
static PyObject *value_of(const char *text, size_t size)
{
    azr_strbuf bytes = {0};
    azr_literal *literal = NULL;
    PyObject *value = NULL;
    if (azr_literal__parse_within(text, size, AZR_EXEC__FRAME_BYTES, AZR_EXEC__FRAME_NODES,
                                  &literal, NULL) == AZR_OK) {
        azr_exec__arguments_encode(literal, &bytes);
        value = azr_exec__value_decode(bytes.data, bytes.size);
    }
    if (value == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "a message that is no literal");
    azr_literal_destroy(literal);
    azr_strbuf_deinit(&bytes);
    return value;
}

static PyObject *receive_value(PyObject *self, PyObject *unused)
{
    azr_exec__pair *pair = pair_of(self);
    uint32_t size;
    (void)unused;
    if (pair->is_lost || !read_frame((char *)&size, sizeof size))
        return lost(pair);
    if (size > pair->frame_bytes) {
        PyErr_SetString(PyExc_ValueError, "a message that is too long");
        return NULL;
    }
    if (!read_frame(pair->in, size))
        return lost(pair);
    return value_of(pair->in, size);
}

static PyMethodDef send_method = {"send", send_value, METH_O, NULL};
static PyMethodDef receive_method = {"receive", receive_value, METH_NOARGS, NULL};

/* A function in C that knows its pair (or call). */
static PyObject *bound(PyMethodDef *method, void *self)
{
    PyObject *capsule = PyCapsule_New(self, NULL, NULL);
    return capsule != NULL ? PyCFunction_New(method, capsule) : NULL;
}

/* --- the program's side -------------------------------------------------------------------------
 */

static PyObject *start_program(PyObject *self, PyObject *unused)
{
    (void)unused;
    return azr_exec__run_program(PyCapsule_GetPointer(self, NULL), "program");
}

static PyMethodDef start_method = {"start", start_program, METH_NOARGS, NULL};

_Noreturn void azr_exec__python_candidate(azr_exec__call *call, azr_exec__pair *pair)
{
    PyObject *start = bound(&start_method, call), *send = bound(&send_method, pair);
    PyObject *receive = bound(&receive_method, pair);
    pair->candidate = 0;
    *azr_exec__memory_refused() = false;
    if (start != NULL && send != NULL && receive != NULL)
        PyObject_CallFunctionObjArgs(azr_exec__world_function("candidate"), start, send, receive,
                                     NULL);
    _exit(1); /* it only comes back when it failed */
}

/* --- the test's side ----------------------------------------------------------------------------
 */

bool azr_exec__python_greet(azr_exec__pair *pair)
{
    PyObject *capsule = PyCapsule_New(pair, NULL, NULL);
    PyObject *greeting = capsule != NULL ? receive_value(capsule, NULL) : NULL;
    bool ok = greeting != NULL && PyUnicode_CheckExact(greeting);
    PyErr_Clear();
    return ok;
}

/* The end of the program's process as status. */
static void record_end(const azr_exec__pair *pair, int status, const struct rusage *usage,
                       azr_strbuf *text, azr_exec__record *record)
{
    int64_t cpu_us = (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * (int64_t)1000000 +
                     usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
    int killer = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    *record = (azr_exec__record){.status = AZR_EXEC_NO_RESULT};
    if (killer == SIGSYS) {
        record->status = AZR_EXEC_POLICY;
    } else if (killer == SIGXCPU || (killer == SIGKILL && cpu_us >= pair->cpu_us / 10 * 9)) {
        record->status = AZR_EXEC_TIMEOUT_CPU;
    } else if (killer == SIGKILL) {
        record->status = AZR_EXEC_INTERNAL; /* nobody of ours did that */
    } else if (killer != 0) {
        const char *name = sigabbrev_np(killer);
        size_t start = text->size;
        azr_strbuf_puts(text, "SIG");
        azr_strbuf_puts(text, name != NULL ? name : "?");
        record->status = AZR_EXEC_CRASH;
        record->message = (azr_exec__text){text->data + start, text->size - start};
    }
}

void azr_exec__python_check(const azr_exec__call *call, azr_exec__pair *pair, azr_strbuf *text,
                            azr_exec__record *out_record)
{
    PyObject *test = PyUnicode_DecodeUTF8(call->arguments, (Py_ssize_t)call->arguments_bytes, NULL);
    PyObject *function = PyUnicode_FromString(call->function);
    PyObject *names = azr_exec__world_globals("test"), *passed = NULL;
    PyObject *send = bound(&send_method, pair), *receive = bound(&receive_method, pair);
    *out_record = (azr_exec__record){0};
    *azr_exec__memory_refused() = false;
    if (test != NULL && function != NULL && names != NULL && send != NULL && receive != NULL)
        passed = PyObject_CallFunctionObjArgs(azr_exec__world_function("check"), test, function,
                                              names, send, receive, NULL);
    if (passed == Py_True && !pair->is_lost) {
        static const char value[] = "True", type[] = "bool";
        *out_record = (azr_exec__record){.status = AZR_EXEC_OK,
                                         .value = {value, sizeof value - 1},
                                         .type = {type, sizeof type - 1}};
    } else if (!pair->is_lost) {
        azr_exec__record_exception(text, out_record);
    }
    /* The program's side ends when it hears no more. */
    struct rusage usage = {0};
    int status = 0;
    close(AZR_EXEC__PAIR_WRITE_FD);
    while (wait4(pair->candidate, &status, 0, &usage) < 0 && errno == EINTR)
        continue;
    if (pair->is_lost)
        record_end(pair, status, &usage, text, out_record);
}
