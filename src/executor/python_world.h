/* python_world.h: what a program finds around it: the modules it may import and its builtins; and
 * the Python code of azr's own that a server keeps for its runs. Includes Python.h, so first of all
 * headers. */
#ifndef AZR_EXECUTOR_PYTHON_WORLD_H
#define AZR_EXECUTOR_PYTHON_WORLD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "executor/python.h"

/* In a fresh interpreter: imports all that programs may import under this flavour, then shuts the
 * way to anything else. Keeps a reference to azr's own functions. False with an exception. */
bool azr_exec__world_start(azr_exec__flavour flavour);
bool azr_exec__world_is_wide(void); /* the list of modules for evaluation? */
/* A program's global names: builtins of its own, in which only __import__ differs. NULL with an
 * exception. */
PyObject *azr_exec__world_globals(const char *name);
/* A function of azr's own by name; borrowed. */
PyObject *azr_exec__world_function(const char *name);

/* Did an allocation fail since this was false? A program that swallows its MemoryError is over its
 * limit all the same. */
bool *azr_exec__memory_refused(void);

/* Python code of python_pair.c, which world_start runs for programs that are tested. */
extern const char azr_exec__pair_source[];

#endif
