/* filter.h: the system calls a program may cause. Everything else fails with EPERM; what only an
 * attack would try ends the process. */
#ifndef AZR_EXECUTOR_FILTER_H
#define AZR_EXECUTOR_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Built once in the server, loaded in each child. Owned by the caller, azr_exec__filter_deinit. */
typedef struct azr_exec__filter {
    struct sock_fprog program;
} azr_exec__filter;

/* pair: of one of two processes that talk by pipes (AZR_EXEC__PAIR_READ_FD, _WRITE_FD); the first
 * may wait for the second. */
bool azr_exec__filter_init(azr_exec__filter *filter, bool pair, char *reason, size_t reason_bytes);
/* Of a recycled worker's keeper and the runs that share its memory: the keeper's calls pass with
 * the cookie in an argument that none of them uses. */
bool azr_exec__filter_init_recycle(azr_exec__filter *filter, uint64_t cookie, char *reason,
                                   size_t reason_bytes);
void azr_exec__filter_deinit(azr_exec__filter *filter);
/* For this thread, for good. Needs no_new_privs. */
bool azr_exec__filter_load(const azr_exec__filter *filter);
/* Does it hold? Tries it in a child. */
bool azr_exec__filter_check(const azr_exec__filter *filter, char *reason, size_t reason_bytes);

#endif
