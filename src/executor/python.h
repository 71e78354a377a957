/* python.h: the interpreter inside a server: made warm once, then used by one run in a child. */
#ifndef AZR_EXECUTOR_PYTHON_H
#define AZR_EXECUTOR_PYTHON_H

#include "azr/executor.h"
#include "base/strbuf.h"
#include "executor/record.h"

/* Interpreters that differ in what a deterministic program may not depend on. All have addresses,
 * random numbers and clocks of their own. A has the reply; B iterates sets of anything but numbers
 * backwards; C has another hash seed. (Both in one would undo each other: of the sets with two
 * members half change their order with the seed, and would be turned back.) */
typedef enum azr_exec__flavour {
    AZR_EXEC__FLAVOUR_A,
    AZR_EXEC__FLAVOUR_B,
    AZR_EXEC__FLAVOUR_C,
    AZR_EXEC__N_FLAVOURS,
    /* Programs for evaluation: as A, with more modules. Started when it is asked for. */
    AZR_EXEC__FLAVOUR_WIDE = AZR_EXEC__N_FLAVOURS,
    AZR_EXEC__N_SERVERS,
} azr_exec__flavour;

/* Starts CPython and imports what programs may import. version takes the interpreter's version. */
bool azr_exec__python_start(azr_exec__flavour flavour, char *version, char *reason,
                            size_t text_bytes);

typedef struct azr_exec__call {
    const char *program, *function; /* NUL-terminated */
    const char *arguments;
    size_t arguments_bytes;
    size_t result_bytes; /* cap */
    /* NULL, or where the program's code is kept from one call to the next of the same program; each
     * call then has a context of its own, too. */
    void **code;
} azr_exec__call;

/* Compiles and runs the program and calls f; texts of the record lie in *text, whose capacity is
 * taken as it is: what does not fit is TOO_LARGE. Runs hostile code: this process must be the
 * child. */
enum { AZR_EXEC__TEXT_RESERVE = 16384 };
void azr_exec__python_call(const azr_exec__call *call, azr_strbuf *text,
                           azr_exec__record *out_record);

#endif
