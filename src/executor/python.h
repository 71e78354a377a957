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
    azr_exec_kind kind;
    bool has_constructors;
    const char *program, *function; /* NUL-terminated */
    const char *arguments;          /* encoded for calls of literals, else text */
    size_t arguments_bytes;
    size_t result_bytes; /* cap */
    /* NULL, or what is kept from one call to the next of the same program, {0} at first: its code,
     * and the context of variables each call gets a copy of. */
    struct azr_exec__kept {
        void *code, *context;
    } * kept;
    void *positional, *keywords; /* made by azr_exec__python_prepare */
} azr_exec__call;

enum { AZR_EXEC__TEXT_RESERVE = 16384 };

/* Makes the arguments, before any text of the program is read. False: out_refusal says why they are
 * none. */
bool azr_exec__python_prepare(azr_exec__call *call, azr_strbuf *text,
                              azr_exec__record *out_refusal);
/* CALL and SCRIPT: compiles and runs the program; texts of the record lie in *text, whose capacity
 * is taken as it is: what does not fit is TOO_LARGE. Runs hostile code: this process must be the
 * child. */
void azr_exec__python_call(const azr_exec__call *call, azr_strbuf *text,
                           azr_exec__record *out_record);

/* Test benches have values of millions of numbers. */
enum { AZR_EXEC__FRAME_BYTES = 32 << 20, AZR_EXEC__FRAME_NODES = 1 << 23 };

/* TESTS: two processes forked from one warm interpreter. They talk in frames by
 * AZR_EXEC__PAIR_*_FD: a size and the text of a literal. buffer_bytes each of in and text hold
 * frames. */
typedef struct azr_exec__pair {
    azr_strbuf text; /* capacity as for a value of frame_bytes */
    char *in;
    size_t frame_bytes;
    int candidate;  /* its process; 0 in it */
    bool is_lost;   /* the candidate ended */
    int64_t cpu_us; /* limit of the candidate */
} azr_exec__pair;

/* The process of the program: serves requests until the other side ends. */
_Noreturn void azr_exec__python_candidate(azr_exec__call *call, azr_exec__pair *pair);
/* The process of the test. azr_exec__python_greet: the candidate is behind its doors; false: it
 * ended before. */
bool azr_exec__python_greet(azr_exec__pair *pair);
void azr_exec__python_check(const azr_exec__call *call, azr_exec__pair *pair, azr_strbuf *text,
                            azr_exec__record *out_record);

#endif
