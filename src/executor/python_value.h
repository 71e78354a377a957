/* python_value.h: between objects of the interpreter and bytes. Nothing here runs code of the
 * program: only exact built-in types are looked into. Includes Python.h, so first of all headers.
 */
#ifndef AZR_EXECUTOR_PYTHON_VALUE_H
#define AZR_EXECUTOR_PYTHON_VALUE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/strbuf.h"

#include <stdbool.h>

typedef enum azr_exec__written {
    AZR_EXEC__WRITTEN,
    AZR_EXEC__WRITTEN_TOO_LARGE,
    AZR_EXEC__WRITTEN_NOT_LITERAL, /* *out_type: the type that is no literal */
} azr_exec__written;

/* Appends a text that azr_literal_parse reads as the value, of at most max_bytes. *out must have
 * capacity for 5 * max_bytes + 1024 more: it is not grown, since memory may be at its limit. */
azr_exec__written azr_exec__value_write(PyObject *value, size_t max_bytes, azr_strbuf *out,
                                        PyTypeObject **out_type);

/* Rebuilds positional (a tuple) and keyword arguments (a dict) from arguments.h's bytes. False with
 * a Python exception set, or without one when the bytes are not whole. */
bool azr_exec__arguments_decode(const char *bytes, size_t size, PyObject **out_positional,
                                PyObject **out_keywords);

/* One value from such bytes; NULL with a Python exception set or without. */
PyObject *azr_exec__value_decode(const char *bytes, size_t size);

#endif
