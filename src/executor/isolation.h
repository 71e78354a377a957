/* isolation.h: the walls around untrusted code: namespaces and privileges for a server, limits and
 * the system-call filter for each run. Private to executor/. */
#ifndef AZR_EXECUTOR_ISOLATION_H
#define AZR_EXECUTOR_ISOLATION_H

#include "azr/executor.h"

#include <sys/types.h>

/* What protects, and in words why a layer is missing. */
typedef struct azr_isolation {
    azr_exec_level level;
    bool namespaces, seccomp;
    char why_no_namespaces[200], why_no_seccomp[200];
} azr_isolation;

/* In the process that will fork the server: new user namespace (when not root) and pid namespace.
 */
void azr_isolation__enter_pid(azr_isolation *isolation);
/* In the server, when Python is up and needs no files any more: mount, net, ipc and uts namespaces,
 * an empty read-only root, uid 65534, no capabilities. */
void azr_isolation__enter_rest(azr_isolation *isolation);
/* Builds the filter once (in the server); children load it by azr_isolation__confine. */
void azr_isolation__prepare_filter(azr_isolation *isolation);
/* In a child, before any untrusted byte is looked at: only result_fd stays open; limits, timers
 * that kill, the filter. Ends the process when anything fails. */
void azr_isolation__confine(const azr_isolation *isolation, const azr_exec_limits *limits,
                            int result_fd);

#endif
