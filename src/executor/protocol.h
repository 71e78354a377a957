/* protocol.h: what the hub (a thread of azr's process) and a server (a process of its own) say to
 * each other. An engine is a kind of server: it gets requests and gives notices and records.
 *
 * For each run the hub sends one azr_exec__request with two descriptors: a memory file that holds
 * an azr_exec__run_header, the program, the function's name and the arguments; and the writing end
 * of a pipe. The pipe goes to the process that runs the program and nowhere else, so that what
 * comes out of it can only be about that run. It carries one byte AZR_EXEC__STARTED, written when
 * all protection is in place and before any program text is touched, then a record (record.h).
 * Everything from the pipe is untrusted. When the process has ended the server sends a notice. */
#ifndef AZR_EXECUTOR_PROTOCOL_H
#define AZR_EXECUTOR_PROTOCOL_H

#include <stdint.h>

enum {
    AZR_EXEC__CONTROL_FD = 3, /* the server's end of the control socket (SEQPACKET) */
    AZR_EXEC__RECORD_FD = 3,  /* the pipe, in the process that runs a program */
    /* In each of two processes that talk to each other. */
    AZR_EXEC__PAIR_READ_FD = 4,
    AZR_EXEC__PAIR_WRITE_FD = 5,
    AZR_EXEC__STARTED = 'S',
    /* The byte behind it when arguments hold constructors, evaluated before the program is read. */
    AZR_EXEC__ARGUMENTS_READ = 'A',
    AZR_EXEC__ARGUMENTS_REFUSED = 'B', /* the record says why */
    AZR_EXEC__MAX_TEXT = 1024,
    AZR_EXEC__MAGIC = 0x415a5232,
};

typedef enum azr_exec__request_type {
    AZR_EXEC__RUN = 1,
    AZR_EXEC__KILL, /* of the run's process; the notice says when it is gone */
} azr_exec__request_type;

typedef struct azr_exec__request {
    uint32_t type;
    uint32_t n_fds;
    uint64_t run;
} azr_exec__request;

enum { AZR_EXEC__CONSTRUCTORS = 1 }; /* flags of a run: arguments are text with constructors */

/* Then the program, the function's name, each with a NUL, and the arguments. */
typedef struct azr_exec__run_header {
    uint32_t magic;
    uint32_t cpu_ms;
    uint64_t memory_bytes;
    uint32_t result_bytes;
    uint16_t kind; /* azr_exec_kind */
    uint16_t flags;
    uint32_t program_bytes;
    uint32_t function_bytes;
    uint32_t arguments_bytes;
} azr_exec__run_header;

typedef enum azr_exec__notice_type {
    AZR_EXEC__READY = 1,  /* layers and texts say what protects */
    AZR_EXEC__FAILED,     /* cannot serve at all; text: why */
    AZR_EXEC__ENDED,      /* the process of the run ended with wait_status */
    AZR_EXEC__NOT_STARTED /* there never was one */
} azr_exec__notice_type;

/* Layers of protection, bits. */
enum {
    AZR_EXEC__LAYER_NAMESPACES = 1,
    AZR_EXEC__LAYER_SECCOMP = 2,
};

typedef struct azr_exec__notice {
    uint32_t type;
    uint32_t layers;
    uint64_t run;
    int64_t cpu_us;
    int32_t wait_status;
    char namespaces[AZR_EXEC__MAX_TEXT / 4]; /* READY: what is active or why not */
    char seccomp[AZR_EXEC__MAX_TEXT / 4];
    char text[AZR_EXEC__MAX_TEXT / 2]; /* READY: the interpreter; FAILED: why */
} azr_exec__notice;

#endif
