/* child.h: the process that runs one program: closes the last doors (limits, CPU timer, filter),
 * says that the program begins, runs it, writes the record. */
#ifndef AZR_EXECUTOR_CHILD_H
#define AZR_EXECUTOR_CHILD_H

#include "executor/walls.h"

/* What a whole request asks for; texts point into it. Returns its size in bytes. */
size_t azr_exec__call_init(const azr_exec__run_header *header, azr_exec__call *out_call);

/* request_fd: memory file with an azr_exec__run_header; record_fd: pipe to the hub. Never comes
 * back. */
_Noreturn void azr_exec__child_run(const azr_exec__walls *walls, int request_fd, int record_fd);

#endif
