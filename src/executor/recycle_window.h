/* recycle_window.h: the memory that a recycled worker shares with its supervisor, and the addresses
 * a worker uses. Four parts: control and record, which a run can write; the ranges to drop and the
 * input, which the worker can only read.
 *
 * The way of a run: the supervisor writes the request into the input, the pages to be
 * dropped beside it, and a command into the keeper's pipe. The keeper drops the pages, clones a
 * child, and waits until it is dead and no other child is left; only then it writes the report into
 * its pipe. The child leaves its record in the record part. Nothing the child can write is believed
 * before it is dead, but for the record, which is untrusted anyway. */
#ifndef AZR_EXECUTOR_RECYCLE_WINDOW_H
#define AZR_EXECUTOR_RECYCLE_WINDOW_H

#include "executor/protocol.h"

#include <linux/filter.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

/* The keeper's descriptors; it has no others. */
enum { AZR_EXEC__COMMAND_FD = 0, AZR_EXEC__REPORT_FD = 1 };

/* Commands: the number of ranges to drop, and whether to run after that. */
static const uint64_t azr_exec__command_run = (uint64_t)1 << 32;

typedef enum azr_exec__report_type {
    AZR_EXEC__REPORT_SEALED = 1, /* the filter is loaded */
    AZR_EXEC__REPORT_DROPPED,    /* after a command without a run */
    AZR_EXEC__REPORT_RAN,
    AZR_EXEC__REPORT_NO_CLONE, /* pid: -errno */
} azr_exec__report_type;

/* The first page of the window. The keeper's assembler knows the offsets. */
typedef struct azr_exec__control {
    uint64_t command;
    uint64_t type;
    int64_t pid;
    int32_t status; /* as of wait4 */
    int32_t unused;
    char gap[32];
    struct rusage usage;
} azr_exec__control;

enum {
    AZR_EXEC__REPORT_BYTES = sizeof(azr_exec__control),
    AZR_EXEC__TIMER_OFFSET = 512, /* where the child's timer gets its number */
};

typedef struct azr_exec__drop {
    uint64_t address, bytes;
} azr_exec__drop;

/* Offsets and sizes in the window's memory file; the worker has it at AZR_EXEC__WINDOW. */
enum {
    AZR_EXEC__RECORD_OFFSET = 4096,
    AZR_EXEC__RECORD_BYTES = 32 << 10,
    AZR_EXEC__DROPS_OFFSET = 36 << 10, /* from here on the worker can only read */
    AZR_EXEC__MAX_DROPS = 3840,
    AZR_EXEC__INPUT_OFFSET = 96 << 10,
    AZR_EXEC__INPUT_BYTES = 16 << 20,
    AZR_EXEC__WINDOW_BYTES = AZR_EXEC__INPUT_OFFSET + AZR_EXEC__INPUT_BYTES,
};
_Static_assert(AZR_EXEC__DROPS_OFFSET + AZR_EXEC__MAX_DROPS * (int)sizeof(azr_exec__drop) ==
                   AZR_EXEC__INPUT_OFFSET,
               "the ranges end where the input begins");

/* What the input holds at a run, then the requests, each a run_header with its texts (protocol.h)
 * on a boundary of 16 bytes. */
typedef struct azr_exec__input {
    struct sigevent event; /* of the CPU timer: SIGKILL, */
    struct itimerspec cpu; /* after so long */
    uint64_t n_requests;
    uint64_t bytes; /* of all */
} azr_exec__input;

/* What it holds until the worker is sealed. The supervisor wipes it before the first run. */
typedef struct azr_exec__start {
    uint64_t cookie;           /* the assembler knows this offset, */
    struct sock_fprog program; /* and this one: the filter lies behind, at its address in W */
    uint32_t n_hot;            /* pages of the image, in rising order */
    uint32_t hot[];            /* then filter.len instructions */
} azr_exec__start;

/* The record part. Records that do not fit lie elsewhere in the child's memory. */
typedef struct azr_exec__record_place {
    uint64_t n_records; /* complete ones */
    struct {
        uint64_t address, bytes;
    } records[64];
} azr_exec__record_place;

enum { AZR_EXEC__MAX_REQUESTS = 64 };

/* Addresses in a worker, the same in each of a flavour. Flavours lie apart by the gap, in which low
 * bits are set, too. */
static const uint64_t azr_exec__window_address = 0x200000000000;
static const uint64_t azr_exec__stack_address = 0x210000000000;
static const uint64_t azr_exec__region_address = 0x220000000000;
/* The interpreter's, and at most about a GiB of a run. */
static const uint64_t azr_exec__region_bytes = (uint64_t)1280 << 20;
static const uint64_t azr_exec__flavour_gap = 0x001000130000;
enum {
    AZR_EXEC__STACK_BYTES = 8 << 20,
    AZR_EXEC__STACK_IMAGE_BYTES = 256 << 10, /* of its top: part of the image */
    AZR_EXEC__REGION_SLACK = 4 << 20,        /* beyond the top: part of the image */
};

static inline void *azr_exec__at(uint64_t address)
{
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr): that is the point */
}

/* A stretch of the worker's memory that goes back to what it was after each run: to its pages in
 * the image file, or to zeros. */
typedef struct azr_exec__stretch {
    uint64_t address, bytes;
    uint64_t offset; /* in the image file, or azr_exec__growth */
} azr_exec__stretch;

static const uint64_t azr_exec__growth = UINT64_MAX;
enum { AZR_EXEC__MAX_STRETCHES = 1024, AZR_EXEC__PAGE = 4096 };

/* What a worker tells about itself, in the record part, when it is ready. */
typedef struct azr_exec__image {
    uint64_t n_stretches, file_bytes;
    azr_exec__stretch stretches[AZR_EXEC__MAX_STRETCHES];
} azr_exec__image;
_Static_assert(sizeof(azr_exec__image) <= AZR_EXEC__RECORD_BYTES, "the table fits");

/* The descriptors a worker sends with its first message, in this order. */
typedef enum azr_exec__worker_fd {
    AZR_EXEC__IMAGE_FD,
    AZR_EXEC__PAGEMAP_FD, /* of the worker itself: no permission is needed to read it later */
    AZR_EXEC__MEMORY_FD,
    AZR_EXEC__N_WORKER_FDS,
} azr_exec__worker_fd;

#endif
