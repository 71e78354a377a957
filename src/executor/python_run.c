/* python_run.c: one run of a program in a child of a warm interpreter: a call of its function, or
 * the program as a script. Nothing is freed: the process ends after it. */
#include "executor/python_run.h"

#include "executor/python_value.h"
#include "executor/python_world.h"

#include "executor/literal_node.h"

#include <string.h>

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

void azr_exec__record_exception(azr_strbuf *text, azr_exec__record *record)
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

static PyObject *compile_program(const azr_exec__call *call)
{
    PyCompilerFlags flags = {.cf_flags = PyCF_IGNORE_COOKIE | PyCF_SOURCE_IS_UTF8,
                             .cf_feature_version = PY_MINOR_VERSION};
    return Py_CompileStringExFlags(call->program, "program.py", Py_file_input, &flags, -1);
}

/* The code for later calls, and for this one the context that the first began with. */
static bool begin_kept(struct azr_exec__kept *kept, PyObject *code)
{
    kept->code = code;
    if (kept->context == NULL)
        kept->context = PyContext_CopyCurrent();
    PyObject *context = kept->context != NULL ? PyContext_Copy(kept->context) : NULL;
    return context != NULL && PyContext_Enter(context) == 0;
}

PyObject *azr_exec__run_program(const azr_exec__call *call, const char *name)
{
    PyObject *globals = azr_exec__world_globals(name);
    PyObject *code = call->kept != NULL ? call->kept->code : NULL;
    if (code == NULL && globals != NULL)
        code = compile_program(call);
    if (code == NULL || globals == NULL || (call->kept != NULL && !begin_kept(call->kept, code)))
        return NULL;
    return PyEval_EvalCode(code, globals, globals) != NULL ? globals : NULL;
}

/* Text with constructors, read by Python code of ours. */
static bool evaluate_arguments(const azr_exec__call *call, PyObject **out_positional,
                               PyObject **out_keywords)
{
    PyObject *text = PyUnicode_DecodeUTF8(call->arguments, (Py_ssize_t)call->arguments_bytes, NULL);
    PyObject *function = azr_exec__world_function("arguments");
    PyObject *both = text != NULL ? PyObject_CallOneArg(function, text) : NULL;
    return both != NULL && PyArg_ParseTuple(both, "OO", out_positional, out_keywords);
}

static bool decode_arguments(const azr_exec__call *call, PyObject **out_positional,
                             PyObject **out_keywords)
{
    if (azr_exec__arguments_decode(call->arguments, call->arguments_bytes, out_positional,
                                   out_keywords))
        return true;
    if (!PyErr_Occurred())
        PyErr_NoMemory();
    return false;
}

/* function(*arguments), or NULL with an exception. */
static PyObject *call_function(const azr_exec__call *call, PyObject *positional, PyObject *keywords)
{
    PyObject *globals = azr_exec__run_program(call, "program");
    PyObject *function = globals != NULL ? PyDict_GetItemString(globals, call->function) : NULL;
    if (globals != NULL && function == NULL)
        PyErr_Format(PyExc_NameError, "name '%s' is not defined", call->function);
    Py_XINCREF(function);
    return function != NULL ? PyObject_Call(function, positional, keywords) : NULL;
}

/* SystemExit with nothing, None or 0 ends a script well. */
static bool is_good_exit(void)
{
    PyObject *type, *value, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_SystemExit))
        return false;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *code = value != NULL ? PyObject_GetAttrString(value, "code") : NULL;
    int overflow = 0;
    bool good =
        code == Py_None || (code != NULL && PyLong_CheckExact(code) &&
                            PyLong_AsLongAndOverflow(code, &overflow) == 0 && overflow == 0);
    if (good)
        PyErr_Clear();
    else
        PyErr_Restore(type, value, traceback);
    return good;
}

/* What the program printed, a str; or NULL with an exception. */
static PyObject *run_script(const azr_exec__call *call)
{
    PyObject *input = PyBytes_FromStringAndSize(call->arguments, (Py_ssize_t)call->arguments_bytes);
    PyObject *script = azr_exec__world_function("script");
    PyObject *output = input != NULL ? PyObject_CallOneArg(script, input) : NULL;
    if (output == NULL)
        return NULL;
    if (azr_exec__run_program(call, "__main__") == NULL && !is_good_exit())
        return NULL;
    return PyObject_CallNoArgs(output);
}

bool azr_exec__python_prepare(azr_exec__call *call, azr_strbuf *text, azr_exec__record *out_refusal)
{
    PyObject *positional = NULL, *keywords = NULL;
    *azr_exec__memory_refused() = false;
    *out_refusal = (azr_exec__record){0};
    if (azr_exec__world_is_wide() && PyObject_CallNoArgs(azr_exec__world_function("quiet")) == NULL)
        PyErr_Clear();
    if (call->kind != AZR_EXEC_CALL)
        return true;
    bool ok = call->has_constructors ? evaluate_arguments(call, &positional, &keywords)
                                     : decode_arguments(call, &positional, &keywords);
    call->positional = positional;
    call->keywords = keywords;
    if (!ok)
        azr_exec__record_exception(text, out_refusal);
    return ok;
}

void azr_exec__python_call(const azr_exec__call *call, azr_strbuf *text,
                           azr_exec__record *out_record)
{
    *out_record = (azr_exec__record){0};
    PyObject *value = call->kind == AZR_EXEC_SCRIPT
                          ? run_script(call)
                          : call_function(call, call->positional, call->keywords);
    if (value != NULL)
        record_value(call, value, text, out_record);
    else
        azr_exec__record_exception(text, out_record);
    if (*azr_exec__memory_refused() && out_record->status != AZR_EXEC_MEMORY)
        *out_record = (azr_exec__record){.status = AZR_EXEC_MEMORY};
}
