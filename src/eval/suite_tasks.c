/* suite_tasks.c: tasks of azr's own making: rows of a run's store, or a file of tasks. Asked and
 * judged exactly as in training. */
#include "eval/suite.h"

#include "azr/buffer.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void set_canonical(azr_eval_item *item)
{
    const azr_task *task = &item->task;
    const char *own = task->kind == AZR_KIND_DEDUCTION   ? task->outputs[0]
                      : task->kind == AZR_KIND_ABDUCTION ? task->inputs[0]
                                                         : task->program;
    item->canonical = azr_copy_text(own, strlen(own));
}

static azr_status read_item(const azr_eval_suite *suite, const azr_eval_line *line,
                            azr_eval_item *item, azr_error *error)
{
    (void)suite;
    azr_error why;
    if (azr_task_from_json(line->text, line->size, &item->task, &why) != AZR_OK)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s, line %zu: %.800s", line->path,
                             line->number, why.text);
    char id[32];
    snprintf(id, sizeof id, "%zu", line->number);
    item->id = azr_copy_text(id, strlen(id));
    set_canonical(item);
    return AZR_OK;
}

typedef struct collecting {
    const azr_eval_options *options;
    azr_eval_item *items;
    size_t n, capacity;
} collecting;

static void see(void *context, const azr_stored_task *row)
{
    collecting *c = context;
    const char *kind = c->options->kind;
    if (row->step <= c->options->after_step || c->n == AZR_EVAL_MAX_ITEMS ||
        (c->options->limit > 0 && c->n == (size_t)c->options->limit) ||
        (kind != NULL && kind[0] != '\0' && strcmp(azr_kind_name(row->task.kind), kind) != 0))
        return;
    if (c->n == c->capacity) {
        c->capacity = c->capacity > 0 ? 2 * c->capacity : 64;
        c->items = azr_realloc(c->items, c->capacity, sizeof *c->items);
    }
    azr_eval_item *item = &c->items[c->n++];
    *item = (azr_eval_item){0};
    char id[48];
    snprintf(id, sizeof id, "task-%" PRId64, row->id);
    item->id = azr_copy_text(id, strlen(id));
    azr_task_copy(&item->task, &row->task);
    set_canonical(item);
}

azr_status azr_eval__stored_tasks(const azr_eval_options *options, azr_eval_item **out_items,
                                  size_t *out_n, azr_error *error)
{
    azr_buffer *buffer = NULL;
    collecting c = {.options = options};
    azr_status status = azr_buffer_open_read_only(options->data, &buffer, error);
    if (status == AZR_OK)
        status = azr_buffer_each(buffer, see, &c, error);
    azr_buffer_close(buffer);
    *out_items = c.items;
    *out_n = c.n;
    return status;
}

static void ask(const azr_eval_way *way, const azr_eval_item *item, azr_strbuf *out)
{
    azr_template_solve(way->template, &item->task, azr_exec_default_limits().cpu_ms, out);
}

static const char *const *stops(const azr_eval_way *way, const azr_eval_item *item)
{
    return azr_template_stops(way->template, AZR_ROLE_SOLVER, item->task.kind);
}

static char *answer_of(const azr_eval_way *way, const azr_eval_item *item, const char *completion,
                       size_t size, const char *end)
{
    azr_answer answer;
    azr_template_parse_answer(way->template, &item->task, completion, size, end, &answer);
    char *text = NULL;
    if (answer.verdict == AZR_VERDICT_CORRECT && answer.text != NULL)
        text = azr_copy_text(answer.text, strlen(answer.text));
    azr_answer_deinit(&answer);
    return text;
}

/* An answer that was given, or parsed before, once more as the judge wants it. */
static azr_answer judged_answer(const azr_eval_item *item, const char *text)
{
    azr_answer answer = {.verdict = AZR_VERDICT_CORRECT, .text = azr_copy_text(text, strlen(text))};
    azr_literal *value = NULL;
    azr_status status = AZR_OK;
    if (item->task.kind == AZR_KIND_DEDUCTION)
        status = azr_literal_parse(text, strlen(text), &value, NULL);
    else if (item->task.kind == AZR_KIND_ABDUCTION)
        status = azr_arguments_parse(text, strlen(text), &value, NULL);
    if (status != AZR_OK)
        answer.verdict = AZR_VERDICT_BAD_LITERAL;
    azr_literal_destroy(value);
    return answer;
}

static bool job(const azr_eval_item *item, const char *text, azr_eval_job *out)
{
    azr_answer answer = judged_answer(item, text);
    out->inputs = azr_alloc(item->task.n_pairs, sizeof *out->inputs);
    bool runs =
        azr_answer_job(&item->task, &answer, azr_exec_default_limits(), out->inputs, &out->job);
    if (runs) {
        /* The answer dies here: its text, wherever the job points at it, is the caller's. */
        if (out->job.program == answer.text)
            out->job.program = text;
        for (size_t i = 0; i < out->job.n_inputs; i++)
            if (out->inputs[i] == answer.text)
                out->inputs[i] = text;
    }
    azr_answer_deinit(&answer);
    return runs;
}

static azr_eval_verdict judge(const azr_eval_item *item, const char *text,
                              const azr_exec_reply *reply, azr_strbuf *why)
{
    azr_answer answer = judged_answer(item, text);
    azr_strbuf detail = {0};
    azr_verdict verdict = azr_answer_judge(&item->task, &answer, reply, NULL, &detail);
    if (verdict != AZR_VERDICT_CORRECT) {
        azr_strbuf_puts(why, azr_verdict_name(verdict));
        if (detail.size > 0)
            azr_strbuf_printf(why, ": %s", azr_strbuf_text(&detail));
    }
    azr_strbuf_deinit(&detail);
    azr_answer_deinit(&answer);
    return verdict == AZR_VERDICT_CORRECT ? AZR_EVAL_RIGHT : AZR_EVAL_WRONG;
}

const azr_eval_suite azr_eval__tasks = {
    .name = "tasks",
    .template = "transcript",
    .tasks = true,
    .max_tokens = 128,
    .read = read_item,
    .ask = ask,
    .stops = stops,
    .answer = answer_of,
    .job = job,
    .judge = judge,
};
