/* python.c: starts CPython inside a server with the modules programs may import, and runs one
 * program in a child of it. What keeps hostile programs in lies outside (isolation.c, filter.c,
 * server.c); what is done here makes honest programs see the same world each time. */
#include "executor/python_value.h"

#include "executor/python.h"

#include "base/check.h"
#include "executor/literal_node.h"

#include <stdio.h>
#include <string.h>

/* --- memory ----------------------------------------------------------------------------------- */

/* CPython's allocators below a thin layer that remembers a refusal: a program that swallows its
 * MemoryError is over its limit all the same. The interpreter is one for the process, and so is
 * this. */
static struct {
    PyMemAllocatorEx raw;
    PyObjectArenaAllocator arena;
    bool refused;
} memory;

static void *noted(void *block)
{
    if (block == NULL)
        memory.refused = true;
    return block;
}

static void *raw_malloc(void *context, size_t size)
{
    (void)context;
    return noted(memory.raw.malloc(memory.raw.ctx, size));
}

static void *raw_calloc(void *context, size_t n, size_t size)
{
    (void)context;
    return noted(memory.raw.calloc(memory.raw.ctx, n, size));
}

static void *raw_realloc(void *context, void *block, size_t size)
{
    (void)context;
    return noted(memory.raw.realloc(memory.raw.ctx, block, size));
}

static void raw_free(void *context, void *block)
{
    (void)context;
    memory.raw.free(memory.raw.ctx, block);
}

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    return noted(memory.arena.alloc(memory.arena.ctx, size));
}

static void arena_free(void *context, void *block, size_t size)
{
    (void)context;
    memory.arena.free(memory.arena.ctx, block, size);
}

static void watch_memory(void)
{
    PyMemAllocatorEx raw = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
    PyObjectArenaAllocator arena = {NULL, arena_alloc, arena_free};
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &memory.raw);
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &raw);
    PyObject_GetArenaAllocator(&memory.arena);
    PyObject_SetArenaAllocator(&arena);
}

/* --- imports ---------------------------------------------------------------------------------- */

/* What programs may import: pure computation. Everything else does not exist for them. */
static const char *const importable[] = {
    "__future__", "abc",         "array",   "bisect",  "cmath",      "collections", "contextlib",
    "copy",       "dataclasses", "decimal", "enum",    "fractions",  "functools",   "heapq",
    "itertools",  "json",        "math",    "numbers", "operator",   "re",          "statistics",
    "string",     "textwrap",    "types",   "typing",  "unicodedata"};

/* Makes warm: imports the above and what they and the codecs would import later; clocks stand
 * still and random numbers start the same, at values of this flavour; then nothing can be found any
 * more. */
static const char warm_up[] =
    "import sys, gc, random, time\n"
    "import weakref, warnings, inspect, traceback, linecache, tokenize, copyreg, reprlib, keyword\n"
    "import collections.abc, json.decoder, json.encoder, json.scanner\n"
    "for name in importable:\n"
    "    __import__(name)\n"
    "for name in ('ascii', 'latin_1', 'iso8859_1', 'utf_8', 'utf_8_sig', 'utf_16', 'utf_16_le',\n"
    "             'utf_16_be', 'utf_32', 'utf_32_le', 'utf_32_be', 'cp1252', 'cp437', 'rot_13',\n"
    "             'unicode_escape', 'raw_unicode_escape', 'punycode', 'hex_codec'):\n"
    "    __import__('encodings.' + name)\n"
    "random.seed(flavour)\n"
    "now = 1700000000 + 100000000 * flavour\n"
    "for name in ('time', 'monotonic', 'perf_counter', 'process_time', 'thread_time'):\n"
    "    setattr(time, name, lambda: float(now))\n"
    "    setattr(time, name + '_ns', lambda: now * 10**9)\n"
    "sys.path[:] = []\n"
    "sys.meta_path[:] = []\n"
    "sys.path_hooks[:] = []\n"
    "sys.path_importer_cache.clear()\n"
    "sys.stdin = sys.stdout = sys.stderr = None\n"
    "sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None\n"
    "warnings.simplefilter('ignore')\n"
    "gc.collect()\n"
    "gc.freeze()\n";

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
    size_t size = strcspn(text, ".");
    for (size_t i = 0; i < AZR_COUNT(importable); i++)
        if (strlen(importable[i]) == size && memcmp(importable[i], text, size) == 0)
            return PyImport_ImportModuleLevelObject(name, globals, locals, from, level);
    PyObject *message = PyUnicode_FromFormat("No module named %R", name);
    if (message != NULL)
        PyErr_SetImportErrorSubclass(PyExc_ModuleNotFoundError, message, name, NULL);
    Py_XDECREF(message);
    return NULL;
}

static PyMethodDef import_method = {"__import__", (PyCFunction)(void (*)(void))guarded_import,
                                    METH_VARARGS | METH_KEYWORDS, NULL};

/* --- flavour B: sets backwards ------------------------------------------------------------------
 */

/* The iterators CPython has for sets; one for the process, as the types are. */
static getiterfunc set_iterator, frozenset_iterator;

static bool only_numbers(PyObject *set)
{
    Py_ssize_t at = 0;
    PyObject *member;
    Py_hash_t hash;
    while (_PySet_NextEntry(set, &at, &member, &hash))
        if (!PyLong_CheckExact(member) && !PyFloat_CheckExact(member) && !PyBool_Check(member))
            return false;
    return true;
}

/* The order of numbers is fixed in CPython; that of everything else depends on hash seeds and
 * addresses, and a set of two has the same order under half of all seeds: so turn it round, under
 * the seed of flavour A. */
static PyObject *backwards(PyObject *set)
{
    getiterfunc forwards = PyFrozenSet_Check(set) ? frozenset_iterator : set_iterator;
    if (!PyAnySet_Check(set) || PySet_GET_SIZE(set) < 2 || only_numbers(set))
        return forwards(set);
    PyObject *members = PyList_New(0), *member, *iterator = forwards(set);
    while (members != NULL && iterator != NULL && (member = PyIter_Next(iterator)) != NULL) {
        if (PyList_Append(members, member) != 0)
            Py_CLEAR(members);
        Py_DECREF(member);
    }
    if (members != NULL && (PyErr_Occurred() || PyList_Reverse(members) != 0))
        Py_CLEAR(members);
    PyObject *result = members != NULL ? PyObject_GetIter(members) : NULL;
    Py_XDECREF(members);
    Py_XDECREF(iterator);
    return result;
}

static void turn_sets_round(void)
{
    set_iterator = PySet_Type.tp_iter;
    frozenset_iterator = PyFrozenSet_Type.tp_iter;
    PySet_Type.tp_iter = backwards;
    PyFrozenSet_Type.tp_iter = backwards;
}

/* --- start ------------------------------------------------------------------------------------ */

static bool initialize(azr_exec__flavour flavour, char *reason, size_t text_bytes)
{
    PyPreConfig preconfig;
    PyConfig config;
    PyPreConfig_InitIsolatedConfig(&preconfig);
    preconfig.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&preconfig);
    watch_memory();
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    config.configure_c_stdio = 0;
    config.pathconfig_warnings = 0;
    config.use_hash_seed = 1;
    config.hash_seed = flavour == AZR_EXEC__FLAVOUR_C ? 2 : 1;
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        snprintf(reason, text_bytes, "CPython does not start: %s",
                 status.err_msg != NULL ? status.err_msg : "it gives no reason");
    return !PyStatus_Exception(status);
}

/* The exception's text as the reason why Python cannot be used. */
static void explain(char *reason, size_t text_bytes)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = value != NULL ? PyObject_Str(value) : NULL;
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    snprintf(reason, text_bytes, "CPython's library cannot be imported: %.300s",
             utf8 != NULL ? utf8 : "it gives no reason");
    PyErr_Clear();
}

bool azr_exec__python_start(azr_exec__flavour flavour, char *version, char *reason,
                            size_t text_bytes)
{
    if (!initialize(flavour, reason, text_bytes))
        return false;
    PyObject *globals = PyDict_New(), *names = PyList_New(0), *done = NULL;
    for (size_t i = 0; names != NULL && i < AZR_COUNT(importable); i++) {
        PyObject *name = PyUnicode_FromString(importable[i]);
        if (name == NULL || PyList_Append(names, name) != 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    PyObject *number = PyLong_FromLong((long)flavour);
    if (globals != NULL && names != NULL && number != NULL &&
        PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0 &&
        PyDict_SetItemString(globals, "importable", names) == 0 &&
        PyDict_SetItemString(globals, "flavour", number) == 0)
        done = PyRun_String(warm_up, Py_file_input, globals, globals);
    if (done == NULL)
        explain(reason, text_bytes);
    Py_XDECREF(names);
    Py_XDECREF(number);
    Py_XDECREF(done);
    /* globals stay: the clocks look there. */
    if (flavour == AZR_EXEC__FLAVOUR_B)
        turn_sets_round();
    snprintf(version, text_bytes, "CPython %d.%d.%d", PY_MAJOR_VERSION, PY_MINOR_VERSION,
             PY_MICRO_VERSION);
    return done != NULL;
}

/* --- one run ---------------------------------------------------------------------------------- */

/* A type's bare name, cut. */
static azr_exec__text type_name(const PyTypeObject *type)
{
    const char *name = strrchr(type->tp_name, '.');
    name = name != NULL ? name + 1 : type->tp_name;
    return (azr_exec__text){name, strnlen(name, AZR_EXEC__MAX_NAME)};
}

/* str(exception), cut between characters: runs code of the program, under the same limits. */
static azr_exec__text exception_message(PyObject *exception, azr_strbuf *text)
{
    PyObject *message = exception != NULL ? PyObject_Str(exception) : NULL;
    if (message == NULL) {
        PyErr_Clear();
        return (azr_exec__text){0};
    }
    size_t start = text->size;
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(message); i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(message, i);
        if (text->size + 4 - start > AZR_EXEC__MAX_MESSAGE)
            break;
        azr_literal__append_utf8(text, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    }
    return (azr_exec__text){text->data + start, text->size - start};
}

static void record_exception(azr_strbuf *text, azr_exec__record *record)
{
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    if (type == NULL || PyErr_GivenExceptionMatches(type, PyExc_MemoryError)) {
        record->status = AZR_EXEC_MEMORY;
        return;
    }
    record->status = AZR_EXEC_EXCEPTION;
    record->exception = type_name((PyTypeObject *)type);
    record->message = exception_message(exception, text);
}

static void record_value(const azr_exec__call *call, PyObject *value, azr_strbuf *text,
                         azr_exec__record *record)
{
    PyTypeObject *foreign;
    size_t start = text->size;
    record->type = type_name(Py_TYPE(value));
    switch (azr_exec__value_write(value, call->result_bytes, text, &foreign)) {
    case AZR_EXEC__WRITTEN:
        record->status = AZR_EXEC_OK;
        record->value = (azr_exec__text){text->data + start, text->size - start};
        break;
    case AZR_EXEC__WRITTEN_TOO_LARGE:
        record->status = AZR_EXEC_TOO_LARGE;
        break;
    case AZR_EXEC__WRITTEN_NOT_LITERAL:
        record->status = AZR_EXEC_NOT_LITERAL;
        record->message = type_name(foreign);
        break;
    }
}

/* The program's global names: its own builtins, in which only __import__ differs. */
static PyObject *fresh_globals(void)
{
    PyObject *globals = PyDict_New(), *builtins = PyDict_Copy(PyEval_GetBuiltins());
    PyObject *import = PyCFunction_New(&import_method, NULL);
    PyObject *name = PyUnicode_FromString("program");
    bool ok = globals != NULL && builtins != NULL && import != NULL && name != NULL &&
              PyDict_SetItemString(builtins, "__import__", import) == 0 &&
              PyDict_SetItemString(globals, "__builtins__", builtins) == 0 &&
              PyDict_SetItemString(globals, "__name__", name) == 0;
    Py_XDECREF(builtins);
    Py_XDECREF(import);
    Py_XDECREF(name);
    if (!ok)
        Py_CLEAR(globals);
    return globals;
}

/* f(*arguments), or NULL with an exception. */
static PyObject *call_f(const azr_exec__call *call)
{
    PyCompilerFlags flags = {.cf_flags = PyCF_IGNORE_COOKIE | PyCF_SOURCE_IS_UTF8,
                             .cf_feature_version = PY_MINOR_VERSION};
    PyObject *globals = fresh_globals();
    PyObject *code = call->code != NULL ? *call->code : NULL;
    if (code == NULL && globals != NULL)
        code = Py_CompileStringExFlags(call->program, "program.py", Py_file_input, &flags, -1);
    if (call->code != NULL)
        *call->code = code;
    PyObject *positional, *keywords;
    if (code == NULL || globals == NULL)
        return NULL;
    if (call->code != NULL && PyContext_Enter(PyContext_CopyCurrent()) != 0)
        return NULL;
    if (!azr_exec__arguments_decode(call->arguments, call->arguments_bytes, &positional,
                                    &keywords)) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    if (PyEval_EvalCode(code, globals, globals) == NULL)
        return NULL;
    PyObject *f = PyDict_GetItemString(globals, call->function);
    if (f == NULL) {
        PyErr_Format(PyExc_NameError, "name '%s' is not defined", call->function);
        return NULL;
    }
    Py_INCREF(f);
    return PyObject_Call(f, positional, keywords);
}

void azr_exec__python_call(const azr_exec__call *call, azr_strbuf *text,
                           azr_exec__record *out_record)
{
    memory.refused = false;
    *out_record = (azr_exec__record){0};
    PyObject *value = call_f(call); /* nothing is freed: the process ends after this */
    if (value != NULL)
        record_value(call, value, text, out_record);
    else
        record_exception(text, out_record);
    if (memory.refused && out_record->status != AZR_EXEC_MEMORY)
        *out_record = (azr_exec__record){.status = AZR_EXEC_MEMORY};
}
