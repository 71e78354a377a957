/* gate.c: which valid tasks are worth storing: those that are not too common. A function of the
 * rings and of the batch in its order, so that a resumed run decides the same. */
#include "buffer/store.h"

#include "base/check.h"
#include "base/memory.h"

typedef struct refusal_row {
    const char *name, *sentence;
} refusal_row;

static const refusal_row refusals[AZR_N_REFUSALS] = {
    [AZR_REFUSAL_NONE] = {"none", "it is let through"},
    [AZR_REFUSAL_REPEATED] = {"repeated", "the same question was there before"},
    [AZR_REFUSAL_KNOWN] = {"known", "the same program with the same arguments was there before"},
    [AZR_REFUSAL_COMMON] = {"common", "there are enough programs of this shape"},
    [AZR_REFUSAL_CONSTANT] = {"constant", "other inputs give the same output"},
    [AZR_REFUSAL_UNCHANGED] = {"unchanged", "it gives back what it was given"},
    [AZR_REFUSAL_ADDS_NOTHING] = {"adds_nothing", "it only calls a function that it was given"},
    [AZR_REFUSAL_ALL_RIGHT] = {"all_right", "every sample solved it"},
    [AZR_REFUSAL_NONE_RIGHT] = {"none_right", "no sample solved it"},
};

const char *azr_refusal_name(azr_refusal refusal)
{
    AZR_CHECK((unsigned)refusal < AZR_N_REFUSALS);
    return refusals[refusal].name;
}

const char *azr_refusal_sentence(azr_refusal refusal)
{
    AZR_CHECK((unsigned)refusal < AZR_N_REFUSALS);
    return refusals[refusal].sentence;
}

/* What the gate let through in this batch. */
typedef struct passed {
    azr_kind kind;
    azr_trace trace;
    uint64_t question;
} passed;

struct azr_gate {
    azr_buffer *buffer; /* borrowed */
    azr_gate_rules rules;
    passed *passed;
    size_t n_passed, capacity;
};

azr_gate *azr_gate_create(azr_buffer *buffer, const azr_gate_rules *rules)
{
    azr_gate *gate = azr_alloc(1, sizeof *gate);
    *gate = (azr_gate){.buffer = buffer, .rules = *rules};
    return gate;
}

void azr_gate_destroy(azr_gate *gate)
{
    if (gate == NULL)
        return;
    azr_free(gate->passed);
    azr_free(gate);
}

static void count_stored(const azr_gate *gate, azr_kind kind, const azr_trace *trace,
                         azr_commonness *commonness)
{
    const azr_buffer_known *rows;
    size_t n = azr_buffer__drawable(gate->buffer, kind, &rows), first = 0;
    if (gate->rules.memory > 0 && (size_t)gate->rules.memory < n)
        first = n - (size_t)gate->rules.memory;
    for (size_t i = first; i < n; i++) {
        commonness->n_same += rows[i].trace.same == trace->same;
        commonness->n_like += rows[i].trace.like == trace->like;
    }
}

static void count_passed(const azr_gate *gate, azr_kind kind, const azr_trace *trace,
                         uint64_t question, azr_commonness *commonness)
{
    for (size_t i = 0; i < gate->n_passed; i++) {
        const passed *other = &gate->passed[i];
        if (other->kind != kind)
            continue;
        commonness->repeated |= other->question == question;
        commonness->n_same += other->trace.same == trace->same;
        commonness->n_like += other->trace.like == trace->like;
    }
}

static void remember(azr_gate *gate, azr_kind kind, const azr_trace *trace, uint64_t question)
{
    if (gate->n_passed == gate->capacity) {
        gate->capacity = gate->capacity > 0 ? 2 * gate->capacity : 64;
        gate->passed = azr_realloc(gate->passed, gate->capacity, sizeof *gate->passed);
    }
    gate->passed[gate->n_passed++] = (passed){kind, *trace, question};
}

azr_status azr_gate_admit(azr_gate *gate, const azr_task *task, azr_refusal *out_refusal,
                          azr_commonness *out_commonness, azr_error *error)
{
    const azr_gate_rules *rules = &gate->rules;
    azr_commonness commonness = {0};
    azr_status status = azr_buffer__know_rows(gate->buffer, error);
    if (status == AZR_OK)
        status = azr_buffer_has(gate->buffer, task, &commonness.repeated, error);
    if (status != AZR_OK)
        return status;
    azr_trace trace = azr_buffer__trace(task);
    uint64_t question = azr_buffer__hash_question(task);
    count_stored(gate, task->kind, &trace, &commonness);
    count_passed(gate, task->kind, &trace, question, &commonness);
    azr_refusal refusal = AZR_REFUSAL_NONE;
    if (rules->repeated && commonness.repeated)
        refusal = AZR_REFUSAL_REPEATED;
    else if (rules->novelty && rules->n_same > 0 && commonness.n_same >= rules->n_same)
        refusal = AZR_REFUSAL_KNOWN;
    else if (rules->novelty && rules->n_like > 0 && commonness.n_like >= rules->n_like)
        refusal = AZR_REFUSAL_COMMON;
    if (refusal == AZR_REFUSAL_NONE)
        remember(gate, task->kind, &trace, question);
    *out_refusal = refusal;
    *out_commonness = commonness;
    return AZR_OK;
}
