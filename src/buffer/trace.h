/* trace.h: what a task looks like once everything is taken away that makes no other task: the
 * memory of the novelty gate. Only for src/buffer. */
#ifndef AZR_BUFFER_TRACE_H
#define AZR_BUFFER_TRACE_H

#include "azr/tasks.h"

#include "base/strbuf.h"

/* Hashes; of two tasks of the same kind. */
typedef struct azr_trace {
    uint64_t same; /* program but for layout, comments, docstrings and ways of writing constants;
                      and the arguments */
    uint64_t like; /* program but for those, names and constants; and the types of its outputs */
} azr_trace;

azr_trace azr_buffer__trace(const azr_task *task);

/* FNV-1a, 64 bits; a text goes in with its length, so that pieces cannot run into each other. */
extern const uint64_t azr_buffer__hash_start;
uint64_t azr_buffer__hash_text(uint64_t hash, const char *text);
uint64_t azr_buffer__hash_integer(uint64_t hash, uint64_t value);

#endif
