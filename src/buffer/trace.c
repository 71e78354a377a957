/* trace.c: what the memory of the novelty gate keeps of a task. */
#include "buffer/trace.h"

#include "azr/literal.h"
#include "azr/program.h"

#include <string.h>

/* Of an error task the exception is the type. */
static uint64_t hash_output_type(uint64_t hash, azr_kind kind, const char *output)
{
    azr_literal *value = NULL;
    if (kind == AZR_KIND_ERROR)
        return azr_buffer__hash_text(hash, output);
    azr_literal_parse(output, strlen(output), &value, NULL);
    hash = azr_buffer__hash_text(hash, value != NULL ? azr_literal_type(value) : NULL);
    azr_literal_destroy(value);
    return hash;
}

azr_trace azr_buffer__trace(const azr_task *task)
{
    azr_strbuf normal = {0}, shape = {0};
    azr_program_normalise(task->program, &normal, &shape);
    azr_trace trace = {
        .same = azr_buffer__hash_text(azr_buffer__hash_start, azr_strbuf_text(&normal)),
        .like = azr_buffer__hash_text(azr_buffer__hash_start, azr_strbuf_text(&shape))};
    for (size_t i = 0; i < task->n_pairs; i++) {
        trace.same = azr_buffer__hash_text(trace.same, task->inputs[i]);
        trace.like = hash_output_type(trace.like, task->kind, task->outputs[i]);
    }
    azr_strbuf_deinit(&normal);
    azr_strbuf_deinit(&shape);
    return trace;
}
