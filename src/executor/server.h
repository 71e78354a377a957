/* server.h: a server is this program started once more (/proc/self/exe) with arguments that lead
 * into server.c before main: a process without azr's memory, threads or environment, with an
 * address layout of its own. */
#ifndef AZR_EXECUTOR_SERVER_H
#define AZR_EXECUTOR_SERVER_H

/* argv[0] of a server; then the engine, the flavour ("A", "B", "C") and what to do without (a list
 * as in AZR_EXECUTOR_DISABLE, may be empty). The control socket is AZR_EXEC__CONTROL_FD. */
extern const char azr_exec__server_name[];
enum { AZR_EXEC__SERVER_ARGC = 4 };

#endif
