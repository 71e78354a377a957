/* template.c: the table of templates, and what their parsers share. */
#include "tasks/template.h"

#include "tasks/clean.h"
#include "tasks/exception_name.h"
#include "tasks/text.h"

#include "azr/program.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

static const azr_template *const templates[] = {&azr_tasks__transcript, &azr_tasks__azr,
                                                &azr_tasks__chat};

azr_status azr_template_find(const char *name, const azr_template **out_template, azr_error *error)
{
    azr_strbuf names = {0};
    for (size_t i = 0; i < AZR_COUNT(templates); i++) {
        if (strcmp(templates[i]->name, name) == 0) {
            azr_strbuf_deinit(&names);
            *out_template = templates[i];
            return AZR_OK;
        }
        azr_strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", templates[i]->name);
    }
    azr_error_set(error, AZR_ERROR_INPUT, "unknown template '%.64s': there is %s", name,
                  azr_strbuf_text(&names));
    azr_strbuf_deinit(&names);
    return AZR_ERROR_INPUT;
}

bool azr_template_is_chat(const azr_template *template)
{
    return template->is_chat;
}

void azr_template_propose(const azr_template *template, const azr_proposal_request *request,
                          azr_strbuf *out)
{
    AZR_CHECK((request->kind == AZR_KIND_INDUCTION) == (request->program != NULL));
    AZR_CHECK(request->kind != AZR_KIND_INDUCTION || request->n_parts == 0);
    template->propose(request, out);
}

void azr_template_solve(const azr_template *template, const azr_task *task, int64_t cpu_ms,
                        azr_strbuf *out)
{
    template->solve(task, cpu_ms, out);
}

const char *const *azr_template_stops(const azr_template *template, azr_role role, azr_kind kind)
{
    return template->stops(role, kind);
}

/* Did a completion end as the template's replies do? behind: from where reading ended. */
static bool is_ended(const azr_template *template, azr_span behind, const char *end)
{
    const char *closing = template->closing;
    if (closing == NULL)
        return end != NULL || !template->is_chat;
    if (behind.size > 0)
        return azr_tasks__starts_with(behind, closing);
    return end != NULL && strcmp(end, closing) == 0;
}

/* Cuts the completion to where reading ends. False, with *verdict saying why, when it is no text or
 * did not end as a reply must. */
static bool read_completion(const azr_template *template, const char *const *ends, const char *end,
                            azr_span *completion, azr_verdict *verdict)
{
    if (completion->size == 0)
        completion->text = "";
    azr_span read = azr_tasks__cut(*completion, ends);
    azr_span behind = {read.text + read.size, completion->size - read.size};
    *completion = read;
    if (!azr_tasks__is_text(read))
        *verdict = AZR_VERDICT_BAD_TEXT;
    else if (!is_ended(template, behind, end))
        *verdict = AZR_VERDICT_NO_REPLY;
    else
        return true;
    return false;
}

/* Where constructors may be called, what is no literal is for the sandbox to judge. */
static void allow_constructors(const azr_proposal_request *request, azr_proposal *proposal)
{
    if (request->rules == NULL || !request->rules->constructors ||
        proposal->verdict != AZR_VERDICT_BAD_LITERAL || proposal->n_inputs == 0)
        return;
    proposal->verdict = AZR_VERDICT_VALID;
    proposal->constructors = true;
    for (size_t i = 0; i < proposal->n_inputs; i++)
        if (strlen(proposal->inputs[i]) > AZR_TASK_MAX_ARGUMENT_BYTES)
            proposal->verdict = AZR_VERDICT_TOO_LONG;
}

/* Puts the given functions before the program that must call them. */
static void compose(const azr_proposal_request *request, azr_proposal *proposal)
{
    if (request->n_parts == 0 || proposal->verdict != AZR_VERDICT_VALID)
        return;
    if (!azr_program_uses_parts(proposal->program, request->n_parts)) {
        proposal->verdict = AZR_VERDICT_NOT_COMPOSED;
        return;
    }
    azr_strbuf whole = {0};
    for (size_t i = 0; i < request->n_parts; i++)
        azr_strbuf_puts(&whole, request->parts[i].program);
    azr_strbuf_puts(&whole, proposal->program);
    azr_free(proposal->program);
    azr_tasks__set_program(proposal, azr_strbuf_steal(&whole));
}

void azr_template_parse_proposal(const azr_template *template, const azr_proposal_request *request,
                                 const char *completion, size_t size, const char *end,
                                 azr_proposal *out_proposal)
{
    azr_span span = {completion, size};
    /* An induction proposer writes no program. */
    *out_proposal = (azr_proposal){.kind = request->kind,
                                   .verdict = AZR_VERDICT_VALID,
                                   .rules = request->program != NULL ? NULL : request->rules};
    if (read_completion(template, template->ends(AZR_ROLE_PROPOSER, request->kind), end, &span,
                        &out_proposal->verdict))
        template->parse_proposal(request, span, out_proposal);
    allow_constructors(request, out_proposal);
    if (request->kind == AZR_KIND_ERROR && out_proposal->verdict == AZR_VERDICT_VALID &&
        azr_tasks__uses_keywords(out_proposal->program, request->banned))
        out_proposal->verdict = AZR_VERDICT_FORBIDDEN;
    out_proposal->rules = NULL; /* parts were cleaned when they were written */
    compose(request, out_proposal);
}

void azr_template_parse_answer(const azr_template *template, const azr_task *task,
                               const char *completion, size_t size, const char *end,
                               azr_answer *out_answer)
{
    azr_span span = {completion, size};
    *out_answer = (azr_answer){.verdict = AZR_VERDICT_CORRECT};
    if (read_completion(template, template->ends(AZR_ROLE_SOLVER, task->kind), end, &span,
                        &out_answer->verdict))
        template->parse_answer(task, span, out_answer);
}

azr_verdict azr_tasks__canonical_arguments(const char *text, size_t size, char **out_text)
{
    *out_text = NULL;
    if (size > AZR_TASK_MAX_ARGUMENT_BYTES)
        return AZR_VERDICT_TOO_LONG;
    azr_literal *arguments = NULL;
    if (azr_arguments_parse(text, size, &arguments, NULL) != AZR_OK)
        return AZR_VERDICT_BAD_LITERAL;
    char *canonical = azr_literal_print(arguments);
    azr_literal_destroy(arguments);
    if (strlen(canonical) > AZR_TASK_MAX_ARGUMENT_BYTES) {
        azr_free(canonical);
        return AZR_VERDICT_TOO_LONG;
    }
    *out_text = canonical;
    return AZR_VERDICT_VALID;
}

void azr_tasks__set_program(azr_proposal *proposal, char *program)
{
    azr_verdict verdict = AZR_VERDICT_VALID;
    if (proposal->rules != NULL)
        verdict = azr_tasks__clean_program(proposal->rules, &program);
    size_t size = strlen(program);
    proposal->program = program;
    if (verdict != AZR_VERDICT_VALID)
        proposal->verdict = verdict;
    if (size > AZR_TASK_MAX_PROGRAM_BYTES)
        proposal->verdict = AZR_VERDICT_TOO_LONG;
    else if (!azr_tasks__defines_f((azr_span){program, size}))
        proposal->verdict = AZR_VERDICT_NO_PROGRAM;
}

void azr_tasks__add_call(azr_call_list *list, const char *text, size_t size)
{
    char *input = NULL;
    azr_verdict verdict = azr_tasks__canonical_arguments(text, size, &input);
    if (verdict != AZR_VERDICT_VALID)
        input = azr_copy_text(text, size);
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->inputs[i], input) == 0) {
            azr_free(input);
            return;
        }
    }
    if (list->n == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 16;
        list->inputs = azr_realloc(list->inputs, list->capacity, sizeof *list->inputs);
        list->verdicts = azr_realloc(list->verdicts, list->capacity, sizeof *list->verdicts);
    }
    list->inputs[list->n] = input;
    list->verdicts[list->n] = verdict;
    list->n++;
}

void azr_tasks__take_calls(azr_call_list *list, size_t n_wanted, azr_proposal *proposal)
{
    if (list->n < n_wanted || n_wanted == 0) {
        proposal->verdict = list->n == 0 ? AZR_VERDICT_NO_CALL : AZR_VERDICT_FEW_INPUTS;
        return;
    }
    size_t first = list->n - n_wanted;
    proposal->inputs = azr_alloc(n_wanted, sizeof *proposal->inputs);
    proposal->n_inputs = n_wanted;
    for (size_t i = first; i < list->n; i++) {
        proposal->inputs[i - first] = list->inputs[i];
        list->inputs[i] = NULL;
        if (proposal->verdict == AZR_VERDICT_VALID)
            proposal->verdict = list->verdicts[i];
    }
    list->n = first;
}

void azr_tasks__call_list_deinit(azr_call_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        azr_free(list->inputs[i]);
    azr_free(list->inputs);
    azr_free(list->verdicts);
    *list = (azr_call_list){0};
}
