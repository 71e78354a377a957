/* python_world.c: the modules and builtins of programs. What is not in the lists does not exist for
 * them. */
#include "executor/python_world.h"

#include "base/check.h"

#include <string.h>

/* What tasks may import: pure computation. */
static const char *const narrow[] = {
    "__future__", "abc",         "array",   "bisect",  "cmath",      "collections", "contextlib",
    "copy",       "dataclasses", "decimal", "enum",    "fractions",  "functools",   "heapq",
    "itertools",  "json",        "math",    "numbers", "operator",   "re",          "statistics",
    "string",     "textwrap",    "types",   "typing",  "unicodedata"};

/* What programs for evaluation may import besides. Everything they could reach by these is behind
 * the same walls. */
static const char *const wide[] = {
    "atexit", "base64",    "binascii", "builtins",  "calendar", "datetime", "hashlib", "inspect",
    "io",     "keyword",   "os",       "pprint",    "queue",    "random",   "secrets", "sys",
    "struct", "threading", "time",     "traceback", "warnings", "zlib"};

/* One world for the process, as the interpreter is. */
static struct {
    bool is_wide;
    PyObject *own; /* azr's own names */
} world;

static const char imports_source[] =
    "import sys, gc, random, time, ast, io, itertools\n"
    "import weakref, warnings, inspect, traceback, linecache, tokenize, copyreg, reprlib, keyword\n"
    "import collections.abc, json.decoder, json.encoder, json.scanner\n"
    "import collections, fractions, decimal\n"
    "for name in importable:\n"
    "    __import__(name)\n"
    "for name in ('ascii', 'latin_1', 'iso8859_1', 'utf_8', 'utf_8_sig', 'utf_16', 'utf_16_le',\n"
    "             'utf_16_be', 'utf_32', 'utf_32_le', 'utf_32_be', 'cp1252', 'cp437', 'rot_13',\n"
    "             'unicode_escape', 'raw_unicode_escape', 'punycode', 'hex_codec'):\n"
    "    __import__('encodings.' + name)\n";

/* Clocks stand still and random numbers start the same, at values of this flavour. Programs for
 * evaluation may wait for a time to come: their clock goes on by a millisecond each time it is
 * looked at, the same way in each run. */
static const char clocks_source[] =
    "random.seed(flavour)\n"
    "now = 1700000000 + 100000000 * flavour\n"
    "ticks = itertools.count(now * 1000)\n"
    "for name in ('time', 'monotonic', 'perf_counter', 'process_time', 'thread_time'):\n"
    "    if is_wide:\n"
    "        setattr(time, name, lambda: next(ticks) / 1000)\n"
    "        setattr(time, name + '_ns', lambda: next(ticks) * 10**6)\n"
    "    else:\n"
    "        setattr(time, name, lambda: float(now))\n"
    "        setattr(time, name + '_ns', lambda: now * 10**9)\n";

/* From here on nothing can be found that is not in memory. */
static const char shut_source[] = "sys.path[:] = []\n"
                                  "sys.meta_path[:] = []\n"
                                  "sys.path_hooks[:] = []\n"
                                  "sys.path_importer_cache.clear()\n"
                                  "sys.stdin = sys.stdout = sys.stderr = None\n"
                                  "sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None\n"
                                  "warnings.simplefilter('ignore')\n"
                                  "gc.collect()\n"
                                  "gc.freeze()\n";

/* arguments(text) -> (positional, keywords): literals and calls of constructors, from the tree of
 * the text. Anything else is a ValueError. */
static const char arguments_source[] =
    "constructors = {c.__name__: c for c in (\n"
    "    set, frozenset, list, tuple, dict, str, int, float, complex, bool, bytes, bytearray,\n"
    "    range, collections.Counter, collections.OrderedDict, collections.defaultdict,\n"
    "    collections.deque, fractions.Fraction, decimal.Decimal)}\n"
    "homes = {'collections': collections, 'fractions': fractions, 'decimal': decimal}\n"
    "constants = {'inf': float('inf'), 'nan': float('nan')}\n"
    "def constructor(node):\n"
    "    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):\n"
    "        found = constructors.get(node.attr)\n"
    "        home = homes.get(node.value.id)\n"
    "        return found if getattr(home, node.attr, None) is found else None\n"
    "    return constructors.get(node.id) if isinstance(node, ast.Name) else None\n"
    "def call_parts(node):\n"
    "    if any(k.arg is None for k in node.keywords):\n"
    "        raise ValueError('** in arguments')\n"
    "    return ([value_of(a) for a in node.args],\n"
    "            {k.arg: value_of(k.value) for k in node.keywords})\n"
    "def number_of(node):\n"
    "    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):\n"
    "        x = value_of(node.operand)\n"
    "        if type(x) in (int, float, complex):\n"
    "            return -x if isinstance(node.op, ast.USub) else +x\n"
    "    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):\n"
    "        x, y = value_of(node.left), value_of(node.right)\n"
    "        if type(x) in (int, float) and type(y) is complex:\n"
    "            return x - y if isinstance(node.op, ast.Sub) else x + y\n"
    "    raise ValueError('an operator where only a value may be')\n"
    "def value_of(node):\n"
    "    if isinstance(node, ast.Constant) and node.value is not ...:\n"
    "        return node.value\n"
    "    if isinstance(node, (ast.UnaryOp, ast.BinOp)):\n"
    "        return number_of(node)\n"
    "    if isinstance(node, ast.List):\n"
    "        return [value_of(x) for x in node.elts]\n"
    "    if isinstance(node, ast.Tuple):\n"
    "        return tuple([value_of(x) for x in node.elts])\n"
    "    if isinstance(node, ast.Set):\n"
    "        return {value_of(x) for x in node.elts}\n"
    "    if isinstance(node, ast.Dict) and None not in node.keys:\n"
    "        return {value_of(k): value_of(v) for k, v in zip(node.keys, node.values)}\n"
    "    if isinstance(node, ast.Call) and constructor(node.func):\n"
    "        values, keywords = call_parts(node)\n"
    "        return constructor(node.func)(*values, **keywords)\n"
    "    if isinstance(node, ast.Name) and node.id in constants:\n"
    "        return constants[node.id]\n"
    "    if constructor(node):\n"
    "        return constructor(node)\n"
    "    raise ValueError('no value and no constructor: ' + type(node).__name__)\n"
    "def arguments(text):\n"
    "    call = ast.parse('_(' + text + '\\n)', 'arguments', 'eval').body\n"
    "    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) \\\n"
    "            or call.func.id != '_' or call.func.col_offset != 0:\n"
    "        raise ValueError('the text is no list of arguments')\n"
    "    values, keywords = call_parts(call)\n"
    "    return tuple(values), keywords\n";

/* script(input) gives a program standard input and output; output() is what it printed. quiet()
 * lets it print into nothing. */
static const char streams_source[] =
    "class Nothing(io.TextIOBase):\n"
    "    def write(self, text):\n"
    "        return len(text)\n"
    "    def writable(self):\n"
    "        return True\n"
    "def give(stdin, stdout):\n"
    "    sys.stdin = sys.__stdin__ = stdin\n"
    "    sys.stdout = sys.__stdout__ = stdout\n"
    "    sys.stderr = sys.__stderr__ = Nothing()\n"
    "    sys.argv = ['program.py']\n"
    "def quiet():\n"
    "    give(io.StringIO(), Nothing())\n"
    "def script(text):\n"
    "    printed = io.BytesIO()\n"
    "    out = io.TextIOWrapper(printed, 'utf-8', 'surrogatepass', newline='\\n')\n"
    "    give(io.TextIOWrapper(io.BytesIO(text), 'utf-8', 'surrogateescape'), out)\n"
    "    def output():\n"
    "        sys.modules['atexit']._run_exitfuncs()\n"
    "        if sys.stdout is not out and sys.stdout is not None:\n"
    "            sys.stdout.flush()\n"
    "        out.flush()\n"
    "        return printed.getvalue().decode('utf-8', 'replace')\n"
    "    return output\n";

static bool is_listed(const char *const *list, size_t n, const char *name, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == size && memcmp(list[i], name, size) == 0)
            return true;
    return false;
}

static bool is_importable(const char *name)
{
    size_t size = strcspn(name, ".");
    return is_listed(narrow, AZR_COUNT(narrow), name, size) ||
           (world.is_wide && is_listed(wide, AZR_COUNT(wide), name, size));
}

/* __import__ as programs see it. */
static PyObject *guarded_import(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "globals", "locals", "fromlist", "level", NULL};
    PyObject *name, *globals = NULL, *locals = NULL, *from = NULL;
    int level = 0;
    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|OOOi:__import__", names, &name, &globals,
                                     &locals, &from, &level))
        return NULL;
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL)
        return NULL;
    if (is_importable(text))
        return PyImport_ImportModuleLevelObject(name, globals, locals, from, level);
    PyObject *message = PyUnicode_FromFormat("No module named %R", name);
    if (message != NULL)
        PyErr_SetImportErrorSubclass(PyExc_ModuleNotFoundError, message, name, NULL);
    Py_XDECREF(message);
    return NULL;
}

static PyMethodDef import_method = {"__import__", (PyCFunction)(void (*)(void))guarded_import,
                                    METH_VARARGS | METH_KEYWORDS, NULL};

/* The names of both lists. */
static PyObject *names_of_modules(void)
{
    PyObject *names = PyList_New(0);
    size_t n = AZR_COUNT(narrow) + (world.is_wide ? AZR_COUNT(wide) : 0);
    for (size_t i = 0; names != NULL && i < n; i++) {
        const char *text = i < AZR_COUNT(narrow) ? narrow[i] : wide[i - AZR_COUNT(narrow)];
        PyObject *name = PyUnicode_FromString(text);
        if (name == NULL || PyList_Append(names, name) != 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static bool run_source(const char *source)
{
    PyObject *done = PyRun_String(source, Py_file_input, world.own, world.own);
    Py_XDECREF(done);
    return done != NULL;
}

bool azr_exec__world_start(azr_exec__flavour flavour)
{
    world.is_wide = flavour == AZR_EXEC__FLAVOUR_WIDE;
    world.own = PyDict_New();
    PyObject *names = names_of_modules();
    PyObject *number = PyLong_FromLong(world.is_wide ? 0 : (long)flavour);
    bool ok =
        world.own != NULL && names != NULL && number != NULL &&
        PyDict_SetItemString(world.own, "__builtins__", PyEval_GetBuiltins()) == 0 &&
        PyDict_SetItemString(world.own, "importable", names) == 0 &&
        PyDict_SetItemString(world.own, "flavour", number) == 0 &&
        PyDict_SetItemString(world.own, "is_wide", world.is_wide ? Py_True : Py_False) == 0 &&
        run_source(imports_source) && run_source(clocks_source) && run_source(arguments_source) &&
        (!world.is_wide || (run_source(streams_source) && run_source(azr_exec__pair_source))) &&
        run_source(shut_source);
    Py_XDECREF(names);
    Py_XDECREF(number);
    return ok;
}

bool azr_exec__world_is_wide(void)
{
    return world.is_wide;
}

PyObject *azr_exec__world_function(const char *name)
{
    return PyDict_GetItemString(world.own, name);
}

PyObject *azr_exec__world_globals(const char *name)
{
    PyObject *globals = PyDict_New(), *builtins = PyDict_Copy(PyEval_GetBuiltins());
    PyObject *import = PyCFunction_New(&import_method, NULL);
    PyObject *text = PyUnicode_FromString(name);
    bool ok = globals != NULL && builtins != NULL && import != NULL && text != NULL &&
              PyDict_SetItemString(builtins, "__import__", import) == 0 &&
              PyDict_SetItemString(globals, "__builtins__", builtins) == 0 &&
              PyDict_SetItemString(globals, "__name__", text) == 0;
    Py_XDECREF(builtins);
    Py_XDECREF(import);
    Py_XDECREF(text);
    if (!ok)
        Py_CLEAR(globals);
    return globals;
}
