/* walls.h: what stands around the programs of a server: namespaces, an empty root, a user without
 * rights, the system-call filter, and the interpreter that was made warm inside. Built once for
 * each server by the engines, from the outside in; each run closes the last doors (child.h). */
#ifndef AZR_EXECUTOR_WALLS_H
#define AZR_EXECUTOR_WALLS_H

#include "executor/filter.h"
#include "executor/protocol.h"
#include "executor/python.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct azr_exec__walls {
    azr_exec__flavour flavour;
    const char *without;          /* layers to leave away, a list with commas */
    azr_exec__notice ready;       /* layers and texts; after a failure text says why */
    azr_exec__filter filter;      /* of a run */
    azr_exec__filter pair_filter; /* of two processes that talk to each other */
    size_t image_bytes;           /* address space of the warm interpreter */
} azr_exec__walls;

/* Is the word in a list with commas? */
bool azr_exec__lists(const char *list, const char *word);

/* Goes into namespaces when they are to be had. On true *out_inside says whether this process's
 * next child will be the first of a PID namespace. rehearse: try in a child first, since what fails
 * half way cannot be undone. False: walls->ready.text says why. */
bool azr_exec__walls_enter(azr_exec__walls *walls, bool rehearse, bool *out_inside);
/* In the process that will serve: starts the interpreter, then closes root, rights and filter. */
bool azr_exec__walls_close(azr_exec__walls *walls);

#endif
