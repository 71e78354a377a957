/* outcome.c: from the end of a process and the bytes it left to a status. What the bytes say counts
 * only when they are one whole record and the process ended as it should; then the value is parsed
 * here and printed again, so that nothing but a canonical literal gets through. */
#include "executor/hub.h"

#include "base/clock.h"
#include "base/memory.h"
#include "executor/literal_node.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void azr_exec__run_deinit(azr_exec_run *run)
{
    azr_free(run->value);
    azr_free(run->type);
    azr_free(run->exception);
    azr_free(run->message);
    *run = (azr_exec_run){0};
}

/* A copy that is printable UTF-8 whatever the bytes: others become '?'. */
static char *clean(azr_exec__text text)
{
    if (text.bytes == NULL)
        return NULL;
    char *copy = azr_copy_text(text.bytes, text.size);
    for (size_t i = 0; i < text.size;) {
        size_t n = azr_literal__utf8_size(copy + i, text.size - i);
        if (n == 0 || (n == 1 && copy[i] == '\0'))
            copy[i] = '?';
        i += n > 0 ? n : 1;
    }
    return copy;
}

static void set_message(azr_exec_run *run, azr_exec_status status, const char *message)
{
    run->status = status;
    run->message = azr_copy_text(message, strlen(message));
}

static void of_signal(const azr_exec__slot *slot, int signal_number, azr_exec_run *run)
{
    int cpu_ms = azr_exec__try_cpu_ms(slot->what);
    char text[64];
    if (signal_number == SIGSYS) {
        set_message(run, AZR_EXEC_POLICY, "a system call that no program needs");
    } else if (signal_number == SIGXCPU ||
               (signal_number == SIGKILL && run->cpu_us >= cpu_ms * (int64_t)900)) {
        run->status = AZR_EXEC_TIMEOUT_CPU;
    } else if (signal_number == SIGKILL && slot->overflow) {
        run->status = AZR_EXEC_NO_RESULT;
    } else if (signal_number == SIGKILL && slot->killed) {
        run->status = AZR_EXEC_TIMEOUT_WALL;
    } else if (signal_number == SIGKILL) {
        /* Nobody of ours did that: an operator, or a machine out of memory. */
        set_message(run, AZR_EXEC_INTERNAL, "the run was killed from outside");
    } else {
        const char *name = sigabbrev_np(signal_number);
        snprintf(text, sizeof text, "SIG%s", name != NULL ? name : "?");
        set_message(run, AZR_EXEC_CRASH, text);
    }
}

/* The value once more as our own canonical text. */
static void of_value(const azr_exec__slot *slot, azr_exec__text text, azr_exec_run *run)
{
    azr_literal *value = NULL;
    azr_status status = azr_literal_parse(text.bytes, text.size, &value, NULL);
    if (status != AZR_OK) {
        run->status = status == AZR_ERROR_LIMIT ? AZR_EXEC_TOO_LARGE : AZR_EXEC_NO_RESULT;
        return;
    }
    run->value = azr_literal_print(value);
    azr_free(run->type);
    const char *type = azr_literal_type(value);
    run->type = azr_copy_text(type, strlen(type));
    azr_literal_destroy(value);
    run->status = AZR_EXEC_OK;
    if (strlen(run->value) > (size_t)slot->what->job->limits.result_bytes) {
        azr_free(run->value);
        run->value = NULL;
        run->status = AZR_EXEC_TOO_LARGE;
    }
}

void azr_exec__outcome(const azr_exec__slot *slot, int wait_status, int64_t cpu_us,
                       azr_exec_run *out_run)
{
    *out_run = (azr_exec_run){.cpu_us = cpu_us,
                              .wall_us = (int64_t)((azr_clock_seconds() - slot->start) * 1e6)};
    const azr_exec__job *job = slot->what->job;
    azr_exec__record record;
    const char *bytes = slot->record.data;
    size_t n_marks = job->allow_constructors ? 2 : 1; /* bytes before the record */
    if (!slot->has_begun) {
        set_message(out_run, AZR_EXEC_INTERNAL, "the run ended before its program began");
        return;
    }
    if (WIFSIGNALED(wait_status)) {
        of_signal(slot, WTERMSIG(wait_status), out_run);
        return;
    }
    if (slot->overflow || !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0 ||
        slot->record.size < n_marks ||
        !azr_exec__record_read(bytes + n_marks, slot->record.size - n_marks,
                               job->kind == AZR_EXEC_TESTS, &record)) {
        out_run->status = AZR_EXEC_NO_RESULT;
        return;
    }
    /* Written before the program was read: not by it. */
    if (job->allow_constructors && bytes[1] == AZR_EXEC__ARGUMENTS_REFUSED) {
        out_run->status = AZR_EXEC_BAD_INPUT;
        out_run->message = clean(record.message);
        return;
    }
    out_run->status = record.status;
    out_run->type = clean(record.type);
    out_run->exception = clean(record.exception);
    out_run->message = clean(record.message);
    if (record.status == AZR_EXEC_OK)
        of_value(slot, record.value, out_run);
}

/* --- two flavours -------------------------------------------------------------------------------
 */

static bool is_same_value(const char *a, const char *b)
{
    azr_literal *x = NULL, *y = NULL;
    bool same = strcmp(a, b) == 0;
    /* Dicts may differ in order only. NaN is where NaN was. */
    if (!same && azr_literal_parse(a, strlen(a), &x, NULL) == AZR_OK &&
        azr_literal_parse(b, strlen(b), &y, NULL) == AZR_OK)
        same = azr_literal__order(x, y) == 0;
    azr_literal_destroy(x);
    azr_literal_destroy(y);
    return same;
}

void azr_exec__compare_flavours(azr_exec_run *a, azr_exec_run *b)
{
    bool same = a->status == b->status;
    if (same && a->status == AZR_EXEC_OK)
        same = is_same_value(a->value, b->value);
    else if (same && a->status == AZR_EXEC_EXCEPTION)
        same = strcmp(a->exception, b->exception) == 0;
    if (b->cpu_us > a->cpu_us)
        a->cpu_us = b->cpu_us;
    if (b->wall_us > a->wall_us)
        a->wall_us = b->wall_us;
    bool is_near = b->status == AZR_EXEC_TIMEOUT_CPU || b->status == AZR_EXEC_TIMEOUT_WALL ||
                   b->status == AZR_EXEC_MEMORY;
    if (!same && b->status == AZR_EXEC_MEMORY) {
        azr_free(b->message);
        set_message(b, AZR_EXEC_MEMORY, "near the limit of memory");
    }
    if (!same && (is_near || b->status == AZR_EXEC_INTERNAL)) {
        /* Near its limit, or not known: no statement about determinism. */
        azr_exec_run times = *a;
        *a = *b;
        *b = times;
        a->cpu_us = times.cpu_us;
        a->wall_us = times.wall_us;
    } else if (!same) {
        azr_free(a->value);
        azr_free(a->exception);
        azr_free(a->message);
        a->value = a->exception = a->message = NULL;
        a->status = AZR_EXEC_NONDETERMINISTIC;
    }
    azr_exec__run_deinit(b);
}
