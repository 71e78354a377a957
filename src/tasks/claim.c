/* claim.c: from what a file says of a task to what the sandbox says. */
#include "azr/claim.h"

#include "tasks/exception_name.h"
#include "tasks/text.h"

#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; texts != NULL && i < n; i++)
        azr_free(texts[i]);
    azr_free(texts);
}

void azr_task_claim_deinit(azr_task_claim *claim)
{
    azr_free(claim->program);
    azr_free(claim->message);
    free_texts(claim->inputs, claim->n_pairs);
    free_texts(claim->outputs, claim->n_pairs);
    *claim = (azr_task_claim){0};
}

/* Text i: the inputs, then the outputs. */
static char **text_of(const azr_task_claim *claim, size_t i)
{
    return i < claim->n_pairs ? &claim->inputs[i] : &claim->outputs[i - claim->n_pairs];
}

/* Is text i the name of an exception? */
static bool is_name(const azr_task_claim *claim, size_t i)
{
    return claim->kind == AZR_KIND_ERROR && i >= claim->n_pairs;
}

/* The canonical form of text i when it is a literal, or a name where one must be; azr_free. */
static char *canonical(const azr_task_claim *claim, size_t i)
{
    const char *text = *text_of(claim, i);
    if (is_name(claim, i))
        return azr_tasks__is_exception_name(text, strlen(text)) ? azr_copy_text(text, strlen(text))
                                                                : NULL;
    azr_literal *literal = NULL;
    if (i < claim->n_pairs)
        azr_arguments_parse(text, strlen(text), &literal, NULL);
    else
        azr_literal_parse(text, strlen(text), &literal, NULL);
    char *printed = literal != NULL ? azr_literal_print(literal) : NULL;
    azr_literal_destroy(literal);
    return printed;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\n")] == '\0';
}

/* Is text i to be evaluated? */
static bool needs_run(const azr_task_claim *claim, size_t i)
{
    char *literal = canonical(claim, i);
    azr_free(literal);
    return literal == NULL && !is_blank(*text_of(claim, i)) && !is_name(claim, i);
}

/* The arguments of the run that evaluates text i; azr_free. A text as JSON is one of Python too. */
static char *run_input(const azr_task_claim *claim, size_t i)
{
    json_t *text = json_string(*text_of(claim, i));
    char *dumped = json_dumps(text, JSON_ENCODE_ANY);
    azr_strbuf input = {0};
    azr_strbuf_printf(&input, "%s, %s", dumped != NULL ? dumped : "''",
                      i < claim->n_pairs ? "True" : "False");
    free(dumped);
    json_decref(text);
    return azr_strbuf_steal(&input);
}

/* On lines of its own a text cannot hide what follows behind a comment. What else it may do, it
 * does inside the sandbox, before anything is judged. */
static const char evaluator[] =
    "\ndef azr_keep(*values, **named):\n"
    "    return (values, named)\n"
    "azr_scope = dict(globals())\n"
    "def f(text, arguments):\n"
    "    return eval(('azr_keep' if arguments else '') + '(\\n' + text + '\\n)', azr_scope)\n";

size_t azr_task_claim_job(const azr_task_claim *claim, azr_exec_limits limits, azr_strbuf *program,
                          char ***out_inputs, azr_exec_job *out_job)
{
    size_t n = 0;
    *out_inputs = azr_alloc(2 * claim->n_pairs, sizeof **out_inputs);
    for (size_t i = 0; i < 2 * claim->n_pairs; i++)
        if (needs_run(claim, i))
            (*out_inputs)[n++] = run_input(claim, i);
    azr_strbuf_printf(program, "%s%s", claim->program, evaluator);
    *out_job = (azr_exec_job){.program = program->data,
                              .inputs = (const char *const *)*out_inputs,
                              .n_inputs = n,
                              .check_determinism = true,
                              .limits = limits};
    return n;
}

static void say_text(azr_strbuf *detail, const char *text)
{
    azr_tasks__append_short(text, detail);
}

/* Why text i is no plain value; run is NULL when there was none. */
static void explain(const azr_task_claim *claim, size_t i, const azr_exec_run *run,
                    azr_strbuf *detail)
{
    bool input = i < claim->n_pairs;
    const char *text = *text_of(claim, i), *why = NULL;
    azr_strbuf_printf(detail, "%s %zu, ", input ? "input" : "output",
                      input ? i + 1 : i + 1 - claim->n_pairs);
    say_text(detail, is_blank(text) ? "which is empty" : text);
    azr_strbuf_puts(detail, is_name(claim, i) ? ", is no name" : ", is no plain value");
    if (run != NULL && run->status != AZR_EXEC_OK)
        why = run->exception != NULL ? run->exception
              : run->type != NULL    ? run->type
                                     : azr_exec_status_name(run->status);
    if (why != NULL)
        azr_strbuf_printf(detail, ": %s", why);
}

/* The canonical text of a run's value; azr_free. NULL when there is none. */
static char *value_of(const azr_exec_run *run, bool input)
{
    azr_literal *value = NULL;
    char *text = NULL;
    if (run->status == AZR_EXEC_OK && run->value != NULL)
        azr_literal_parse(run->value, strlen(run->value), &value, NULL);
    if (value != NULL)
        text = input ? azr_arguments_of_call(value) : azr_literal_print(value);
    azr_literal_destroy(value);
    return text;
}

bool azr_task_claim_resolve(azr_task_claim *claim, const azr_exec_reply *reply, azr_strbuf *detail)
{
    size_t n_used = 0;
    for (size_t i = 0; i < 2 * claim->n_pairs; i++) {
        char **text = text_of(claim, i), *plain = canonical(claim, i);
        const azr_exec_run *run = NULL;
        if (plain == NULL && !is_blank(*text) && !is_name(claim, i) && reply != NULL &&
            n_used < reply->n_runs) {
            run = &reply->runs[n_used++];
            plain = value_of(run, i < claim->n_pairs);
        }
        if (plain == NULL) {
            explain(claim, i, run, detail);
            return false;
        }
        azr_free(*text);
        *text = plain;
    }
    return true;
}

azr_proposal azr_task_claim_proposal(const azr_task_claim *claim)
{
    return (azr_proposal){.kind = claim->kind,
                          .verdict = AZR_VERDICT_VALID,
                          .program = claim->program,
                          .n_inputs = claim->n_pairs,
                          .inputs = claim->inputs,
                          .message = claim->message};
}

static bool same_value(const char *a, const char *b)
{
    azr_literal *x = NULL, *y = NULL;
    azr_literal_parse(a, strlen(a), &x, NULL);
    azr_literal_parse(b, strlen(b), &y, NULL);
    bool same = x != NULL && y != NULL && azr_literal_equal(x, y);
    azr_literal_destroy(x);
    azr_literal_destroy(y);
    return same;
}

bool azr_task_claim_holds(const azr_task_claim *claim, const azr_task *task, azr_strbuf *detail)
{
    for (size_t i = 0; i < claim->n_pairs; i++) {
        bool same = task->kind == AZR_KIND_ERROR
                        ? azr_tasks__same_exception(claim->outputs[i], task->outputs[i])
                        : same_value(claim->outputs[i], task->outputs[i]);
        if (same)
            continue;
        azr_strbuf_puts(detail, "f(");
        say_text(detail, task->inputs[i]);
        azr_strbuf_puts(detail, ") gives ");
        say_text(detail, task->outputs[i]);
        azr_strbuf_puts(detail, ", and not ");
        say_text(detail, claim->outputs[i]);
        return false;
    }
    return true;
}
