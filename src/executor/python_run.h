/* python_run.h: what the kinds of runs share. Includes Python.h, so first of all headers. */
#ifndef AZR_EXECUTOR_PYTHON_RUN_H
#define AZR_EXECUTOR_PYTHON_RUN_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "executor/python.h"

/* Compiles and runs the program's text: its global names, or NULL with an exception. */
PyObject *azr_exec__run_program(const azr_exec__call *call, const char *name);
/* The exception that is set, as record; clears it. */
void azr_exec__record_exception(azr_strbuf *text, azr_exec__record *record);

#endif
