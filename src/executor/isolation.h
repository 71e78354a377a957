/* isolation.h: the walls around a server that do not depend on the program it runs: another user,
 * namespaces, an empty root, no capabilities. */
#ifndef AZR_EXECUTOR_ISOLATION_H
#define AZR_EXECUTOR_ISOLATION_H

#include <stdbool.h>
#include <stddef.h>

enum { AZR_EXEC__UID = 65534 };

/* Can all of what follows be had here? Tried in a child, since half of it cannot be undone. False:
 * reason says why not. */
bool azr_exec__try_namespaces(char *reason, size_t reason_bytes);
/* Puts this process into new user, mount, network, IPC and UTS namespaces (its children into a new
 * PID namespace) and makes it user 65534 where that is possible. Needs a single thread. False: not
 * all of them can be had, reason says why; the user was changed all the same when this was root. */
bool azr_exec__enter_namespaces(char *reason, size_t reason_bytes);
/* Only that: root becomes user 65534. False when it stayed root. */
bool azr_exec__leave_root(void);
/* In a new mount namespace: an empty read-only file system becomes the root. */
bool azr_exec__empty_root(char *reason, size_t reason_bytes);
/* Gives up all capabilities and the way back (no_new_privs). False when the kernel refused. */
bool azr_exec__drop_privileges(void);

#endif
