/* recycle_child.c: the process of one run, or of some runs of one program, in a recycled worker:
 * its memory is the worker's, its files are closed, its timer runs, the filter holds. */
#include "executor/recycle_region.h"
#include "executor/recycle_worker.h"

#include "executor/child.h"
#include "executor/python_value.h"

#include <unistd.h>

/* What a run needs to begin; part of the image, so the same for each. */
static struct {
    const azr_exec__input *input;
    azr_exec__record_place *place;
    char *inline_end;
} job;

void azr_exec__recycle_child_prepare(azr_exec__flavour flavour)
{
    (void)flavour;
    char *window = azr_exec__at(azr_exec__window_address);
    job.input = (const azr_exec__input *)(const void *)(window + AZR_EXEC__INPUT_OFFSET);
    job.place = (azr_exec__record_place *)(void *)(window + AZR_EXEC__RECORD_OFFSET);
    job.inline_end = window + AZR_EXEC__RECORD_OFFSET + AZR_EXEC__RECORD_BYTES;
}

_Noreturn void azr_exec__recycle_child(void)
{
    const char *at = (const char *)(job.input + 1);
    const azr_exec__run_header *header = (const azr_exec__run_header *)(const void *)at;
    size_t n = job.input->n_requests;
    /* Both buffers are there before memory is limited. */
    size_t text_bytes = 5 * (size_t)header->result_bytes + AZR_EXEC__TEXT_RESERVE;
    size_t record_bytes = header->result_bytes + AZR_EXEC__RECORD_OVERHEAD + 64;
    char *texts = PyMem_RawMalloc(text_bytes), *place = (char *)(job.place + 1);
    char *large = PyMem_RawMalloc(record_bytes * n);
    if (texts == NULL || large == NULL)
        _exit(1);
    azr_exec__region_limit(header->memory_bytes);
    struct azr_exec__kept kept = {0};
    for (size_t i = 0; i < n; i++) {
        azr_exec__call call;
        azr_exec__record record;
        header = (const azr_exec__run_header *)(const void *)at;
        size_t request_bytes = azr_exec__call_init(header, &call);
        call.kept = n > 1 ? &kept : NULL;
        azr_strbuf text = {texts, 0, text_bytes};
        bool is_small = record_bytes <= (size_t)(job.inline_end - place);
        azr_strbuf out = {is_small ? place : large, 0, record_bytes};
        bool ok = azr_exec__python_prepare(&call, &text, &record);
        /* Unlike what goes into a pipe the program could still change this byte: it would gain the
         * verdict that its input is none. */
        const char mark = ok ? AZR_EXEC__ARGUMENTS_READ : AZR_EXEC__ARGUMENTS_REFUSED;
        if (call.has_constructors)
            azr_strbuf_append(&out, &mark, 1);
        if (ok)
            azr_exec__python_call(&call, &text, &record);
        azr_exec__record_write(&record, &out);
        job.place->records[i].address = (uint64_t)(uintptr_t)out.data;
        job.place->records[i].bytes = out.size;
        job.place->n_records = i + 1;
        place += is_small ? (out.size + 15) & ~(size_t)15 : 0;
        large += is_small ? 0 : out.size;
        at += (request_bytes + 15) & ~(size_t)15;
    }
    _exit(0);
}
