/* python_run.h: the warm interpreter of a fork server, and one run in a child of it. Private to
 * executor/. */
#ifndef AZR_EXECUTOR_PYTHON_RUN_H
#define AZR_EXECUTOR_PYTHON_RUN_H

#include "executor/wire.h"

/* Starts CPython: isolated, no site, no environment, allowed modules imported. flavour 0 or 1
 * differ in hash seed and in what lies where in memory. */
azr_status azr_python__start(int flavour, azr_error *error);
/* In a freshly forked child, limits and filter in force: compiles, calls f, and appends a reply to
 * out. */
void azr_python__run(const azr_wire_request *request, azr_strbuf *out);
/* After fork, before the filter: what CPython must mend in a child. */
void azr_python__after_fork(void);

#endif
