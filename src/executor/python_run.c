#include <Python.h>

#include "executor/python_run.h"

#include "executor/literal_node.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>
#include <sys/mman.h>

/* --- the warm interpreter --------------------------------------------------------------------- */

static const char *const allowed_modules[] = {
    "math",        "itertools", "collections", "functools",       "re",         "string",  "heapq",
    "bisect",      "operator",  "statistics",  "fractions",       "decimal",    "copy",    "typing",
    "dataclasses", "enum",      "json",        "collections.abc", "abc",        "numbers", "cmath",
    "array",       "textwrap",  "unicodedata", "types",           "contextlib",
};

/* Programs may import the list above and nothing else; the library's own lazy imports pass. This is
 * for honest programs: what keeps hostile ones in is the process around them. */
static const char bootstrap[] =
    "import builtins, sys\n"
    "def guard(allowed, original, refuse):\n"
    "    def __import__(name, globals=None, locals=None, fromlist=(), level=0):\n"
    "        inside = globals is not None and globals.get('__name__') != 'program'\n"
    "        if not inside and name not in allowed:\n"
    "            raise refuse(\"No module named %r\" % (name,))\n"
    "        return original(name, globals, locals, fromlist, level)\n"
    "    return __import__\n"
    "class Null:\n"
    "    encoding = 'utf-8'\n"
    "    def write(self, text): return len(text)\n"
    "    def flush(self): pass\n"
    "for name in allowed: __import__(name)\n"
    "sys.stdout = sys.stderr = Null()\n"
    "sys.stdin = None\n"
    "builtins.__import__ = guard(frozenset(allowed), builtins.__import__, ModuleNotFoundError)\n"
    "sys.path.clear()\n"
    "sys.argv = ['']\n"
    "import gc\n"
    "gc.collect()\n"
    "gc.freeze()\n";

static azr_status run_bootstrap(azr_error *error)
{
    PyObject *globals = PyDict_New(), *allowed = PyList_New(0);
    for (size_t i = 0; i < AZR_COUNT(allowed_modules); i++) {
        PyObject *name = PyUnicode_FromString(allowed_modules[i]);
        PyList_Append(allowed, name);
        Py_DECREF(name);
    }
    PyDict_SetItemString(globals, "allowed", allowed);
    PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
    PyObject *result = PyRun_String(bootstrap, Py_file_input, globals, globals);
    if (result != NULL)
        return AZR_OK;
    PyErr_Clear();
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "the embedded Python could not import its standard library");
}

azr_status azr_python__start(int flavour, azr_error *error)
{
    /* Other addresses in the second flavour. */
    if (flavour == 1) {
        void *shift = mmap(NULL, 37 << 16, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        AZR_CHECK(shift != MAP_FAILED);
    }
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    PyConfig config;
    PyStatus status = Py_PreInitialize(&before);
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    config.use_hash_seed = 1;
    config.hash_seed = flavour == 0 ? 20250506 : 2505033;
    if (!PyStatus_Exception(status))
        status = PyConfig_SetString(&config, &config.program_name, L"/usr/bin/python3");
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "the embedded Python does not start: %s",
                             status.err_msg != NULL ? status.err_msg : "no reason given");
    if (flavour == 1)
        for (int i = 0; i < 4097; i++)
            PyFloat_FromDouble(i);
    return run_bootstrap(error);
}

void azr_python__after_fork(void)
{
    PyOS_AfterFork_Child();
}

/* --- arguments in ----------------------------------------------------------------------------- */

static PyObject *build(const azr_literal *literal);

static PyObject *build_sequence(const azr_literal *literal)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < literal->n_items; i++) {
        PyObject *item = build(literal->items[i]);
        if (item == NULL || PyList_Append(list, item) != 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    if (list == NULL || literal->kind == AZR_LITERAL_LIST)
        return list;
    PyObject *result = literal->kind == AZR_LITERAL_TUPLE       ? PyList_AsTuple(list)
                       : literal->kind == AZR_LITERAL_FROZENSET ? PyFrozenSet_New(list)
                                                                : PySet_New(list);
    Py_DECREF(list);
    return result;
}

static PyObject *build_pairs(const azr_literal *literal)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < literal->n_entries; i++) {
        PyObject *key = build(literal->entries[i].key), *value = build(literal->entries[i].value);
        if (key == NULL || value == NULL || PyDict_SetItem(dict, key, value) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *build_int(const azr_literal *literal)
{
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, literal->negative ? "-" : "");
    azr_strbuf_append(&text, literal->bytes, literal->size);
    PyObject *value = PyLong_FromString(text.data, NULL, 10);
    azr_strbuf_deinit(&text);
    return value;
}

static PyObject *build(const azr_literal *literal)
{
    switch (literal->kind) {
    case AZR_LITERAL_NONE:
        Py_RETURN_NONE;
    case AZR_LITERAL_BOOL:
        return PyBool_FromLong(literal->real != 0.0);
    case AZR_LITERAL_INT:
        return build_int(literal);
    case AZR_LITERAL_FLOAT:
        return PyFloat_FromDouble(literal->real);
    case AZR_LITERAL_COMPLEX:
        return PyComplex_FromDoubles(literal->real, literal->imag);
    case AZR_LITERAL_STR:
        return PyUnicode_DecodeUTF8(literal->bytes, (Py_ssize_t)literal->size, "surrogatepass");
    case AZR_LITERAL_BYTES:
        return PyBytes_FromStringAndSize(literal->bytes, (Py_ssize_t)literal->size);
    case AZR_LITERAL_DICT:
        return build_pairs(literal);
    default:
        return build_sequence(literal);
    }
}

/* f(*positional, **named) */
static PyObject *call(PyObject *function, const azr_literal *arguments)
{
    PyObject *positional = PyTuple_New((Py_ssize_t)arguments->n_items);
    PyObject *named = build_pairs(arguments), *result = NULL;
    bool good = positional != NULL && named != NULL;
    for (size_t i = 0; good && i < arguments->n_items; i++) {
        PyObject *item = build(arguments->items[i]);
        good = item != NULL;
        if (good)
            PyTuple_SET_ITEM(positional, (Py_ssize_t)i, item);
    }
    if (good)
        result = PyObject_Call(function, positional, named);
    Py_XDECREF(positional);
    Py_XDECREF(named);
    return result;
}

/* --- values out ------------------------------------------------------------------------------- */

typedef struct printer {
    azr_strbuf *out;
    size_t limit;
    int depth;
    azr_exec_status status;
} printer;

static bool stop(printer *p, azr_exec_status status)
{
    p->status = status;
    return false;
}

static bool print_value(printer *p, PyObject *value);

/* repr of an exact built-in type: its code is CPython's own. */
static bool print_repr(printer *p, PyObject *value)
{
    PyObject *text = Py_TYPE(value)->tp_repr(value);
    if (text == NULL)
        return stop(p, PyErr_ExceptionMatches(PyExc_MemoryError) ? AZR_EXEC_MEMORY
                                                                 : AZR_EXEC_TOO_LARGE);
    Py_ssize_t size;
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    bool good = bytes != NULL;
    if (good) {
        size = PyBytes_GET_SIZE(bytes);
        good = (size_t)size <= p->limit - p->out->size;
        if (good)
            azr_strbuf_append(p->out, PyBytes_AS_STRING(bytes), (size_t)size);
    }
    Py_XDECREF(bytes);
    Py_DECREF(text);
    return good || stop(p, AZR_EXEC_TOO_LARGE);
}

static bool print_text(printer *p, const char *text)
{
    if (strlen(text) > p->limit - p->out->size)
        return stop(p, AZR_EXEC_TOO_LARGE);
    azr_strbuf_puts(p->out, text);
    return true;
}

static bool print_items(printer *p, PyObject *value, const char *open, const char *close)
{
    PyObject *items = PySequence_List(value);
    if (items == NULL)
        return stop(p, AZR_EXEC_MEMORY);
    bool good = print_text(p, open);
    for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(items); i++)
        good = (i == 0 || print_text(p, ", ")) && print_value(p, PyList_GET_ITEM(items, i));
    Py_DECREF(items);
    return good && print_text(p, close);
}

static bool print_dict(printer *p, PyObject *value)
{
    PyObject *key, *item;
    Py_ssize_t at = 0;
    bool good = print_text(p, "{"), first = true;
    while (good && PyDict_Next(value, &at, &key, &item)) {
        good = (first || print_text(p, ", ")) && print_value(p, key) && print_text(p, ": ") &&
               print_value(p, item);
        first = false;
    }
    return good && print_text(p, "}");
}

static bool print_container(printer *p, PyObject *value)
{
    if (PyList_CheckExact(value))
        return print_items(p, value, "[", "]");
    if (PyTuple_CheckExact(value))
        return print_items(p, value, "(", PyTuple_GET_SIZE(value) == 1 ? ",)" : ")");
    if (PyDict_CheckExact(value))
        return print_dict(p, value);
    if (Py_IS_TYPE(value, &PySet_Type))
        return PySet_GET_SIZE(value) == 0 ? print_text(p, "set()")
                                          : print_items(p, value, "{", "}");
    if (Py_IS_TYPE(value, &PyFrozenSet_Type))
        return PySet_GET_SIZE(value) == 0 ? print_text(p, "frozenset()")
                                          : print_items(p, value, "frozenset({", "})");
    return stop(p, AZR_EXEC_NOT_LITERAL);
}

/* Only exact built-in types are values: an object of a class can lie about itself. */
static bool print_value(printer *p, PyObject *value)
{
    if (value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value) ||
        PyFloat_CheckExact(value) || PyComplex_CheckExact(value) || PyUnicode_CheckExact(value) ||
        PyBytes_CheckExact(value))
        return print_repr(p, value);
    if (p->depth >= AZR_LITERAL_MAX_DEPTH - 2)
        return stop(p, AZR_EXEC_TOO_LARGE);
    p->depth++;
    bool good = print_container(p, value);
    p->depth--;
    return good;
}

/* --- a run ------------------------------------------------------------------------------------ */

/* The pending exception as status, class name and message. */
static void take_exception(azr_wire_reply *reply, azr_strbuf *message)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    reply->status = AZR_EXEC_EXCEPTION;
    if (type != NULL && PyErr_GivenExceptionMatches(type, PyExc_MemoryError))
        reply->status = AZR_EXEC_MEMORY;
    const char *name = type != NULL && PyType_Check(type) ? ((PyTypeObject *)type)->tp_name : "?";
    const char *dot = strrchr(name, '.');
    reply->texts[2] = dot != NULL ? dot + 1 : name;
    reply->sizes[2] = strnlen(reply->texts[2], 100);
    PyObject *text = value != NULL ? PyObject_Str(value) : NULL;
    PyObject *bytes = text != NULL ? PyUnicode_AsEncodedString(text, "utf-8", "replace") : NULL;
    if (bytes != NULL) {
        size_t size = (size_t)PyBytes_GET_SIZE(bytes);
        azr_strbuf_append(message, PyBytes_AS_STRING(bytes),
                          size < AZR_WIRE_MAX_MESSAGE ? size : AZR_WIRE_MAX_MESSAGE);
    }
    PyErr_Clear();
    reply->texts[3] = azr_strbuf_text(message);
    reply->sizes[3] = message->size;
}

/* The program's globals with its f, or NULL with an exception pending. */
static PyObject *load(const azr_wire_request *request, PyObject **out_function)
{
    char *source = azr_copy_text(request->program, request->program_size);
    PyObject *globals = PyDict_New(), *name = PyUnicode_FromString("program");
    PyDict_SetItemString(globals, "__name__", name);
    PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
    PyObject *code = Py_CompileString(source, "program", Py_file_input);
    PyObject *result = code != NULL ? PyEval_EvalCode(code, globals, globals) : NULL;
    *out_function = result != NULL ? PyDict_GetItemString(globals, "f") : NULL;
    if (result != NULL && *out_function == NULL)
        PyErr_SetString(PyExc_NameError, "name 'f' is not defined");
    azr_free(source);
    return *out_function != NULL ? globals : NULL;
}

void azr_python__run(const azr_wire_request *request, azr_strbuf *out)
{
    azr_wire_reply reply = {.id = request->id, .status = AZR_EXEC_BAD_INPUT};
    azr_strbuf text = {0}, message = {0};
    azr_literal *arguments = NULL;
    if (azr_arguments_parse(request->arguments, request->arguments_size, &arguments, NULL) ==
        AZR_OK) {
        PyObject *function = NULL;
        PyObject *globals = load(request, &function);
        PyObject *value = globals != NULL ? call(function, arguments) : NULL;
        if (value == NULL) {
            take_exception(&reply, &message);
        } else {
            printer p = {.out = &text, .limit = (size_t)request->limits.result_bytes};
            bool good = print_value(&p, value);
            reply.status = good ? AZR_EXEC_OK : p.status;
            reply.texts[0] = good ? azr_strbuf_text(&text) : NULL;
            reply.sizes[0] = text.size;
            reply.texts[1] = Py_TYPE(value)->tp_name;
            reply.sizes[1] = strnlen(reply.texts[1], 100);
        }
    }
    azr_wire_put_reply(out, &reply);
}
