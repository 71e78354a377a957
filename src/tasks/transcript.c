/* transcript.c: the template that is a Python session as text. Nothing is explained; the model goes
 * on writing. A proposal or a program goes on after "def f(", an answer after its prompt line. */
#include "tasks/template.h"

#include "tasks/exception_name.h"
#include "tasks/imports.h"
#include "tasks/text.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

static const char call_start[] = ">>> f(";
static const char program_start[] = "def f(";

/* --- prompts ---------------------------------------------------------------------------------- */

/* The program, which must be whole lines. */
static void put_program(const char *program, azr_strbuf *out)
{
    azr_tasks__append_program((azr_span){program, strlen(program)}, out);
}

static void put_hint(const char *message, azr_strbuf *out)
{
    azr_strbuf_printf(out, "# hint:%s%s\n", message[0] != '\0' ? " " : "", message);
}

static void put_call(const azr_task *task, size_t i_pair, azr_strbuf *out)
{
    azr_strbuf_printf(out, "%s%s)\n%s\n", call_start, task->inputs[i_pair], task->outputs[i_pair]);
}

/* Does a statement begin on this line, so that a session shows it behind ">>> "? */
static bool begins_statement(azr_span line)
{
    static const char *const goes_on[] = {"else", "elif", "except", "finally"};
    if (line.size == 0 || strchr(" \t#)]}'\"", line.text[0]) != NULL)
        return false;
    for (size_t i = 0; i < AZR_COUNT(goes_on); i++)
        if (azr_tasks__starts_with(line, goes_on[i]))
            return false;
    return true;
}

/* The program as somebody typed it into a session. */
static void put_session(const char *program, azr_strbuf *out)
{
    azr_span rest = azr_tasks__trim((azr_span){program, strlen(program)}), line;
    while (azr_tasks__next_line(&rest, &line)) {
        azr_strbuf_puts(out, begins_statement(line) ? ">>> " : line.size > 0 ? "... " : "...");
        azr_strbuf_append(out, line.text, line.size);
        azr_strbuf_puts(out, "\n");
    }
}

/* The given functions with their calls, as the references have theirs, and what is wanted of f. Of
 * 32 completions by Qwen2.5-Coder-0.5B 13 used a function and went on to a call this way, and 4
 * when the functions stood there without calls. */
static void put_parts(const azr_proposal_request *request, azr_strbuf *out)
{
    for (size_t i = 0; i < request->n_parts; i++) {
        const azr_part *part = &request->parts[i];
        put_session(part->program, out);
        azr_strbuf_printf(out, ">>> g_%zu(%s)\n%s\n\n", i, part->input, part->output);
    }
    for (size_t i = 0; i < request->n_parts; i++)
        azr_strbuf_printf(out, "%sg_%zu%s",
                          i == 0                     ? ">>> # f calls "
                          : i + 1 < request->n_parts ? ", "
                                                     : " and ",
                          i, i + 1 == request->n_parts ? ", and does more\n" : "");
}

/* A session rather than a listing: of 256 proposals that started from one example, SmolLM2-135M
 * made 99 valid ones of 46 tokens this way, and 50 of 88 tokens with listings under "# Example". */
static void propose_triplet(const azr_proposal_request *request, azr_strbuf *out)
{
    static const char *const calls[AZR_N_KINDS] = {
        [AZR_KIND_DEDUCTION] = "each with one call and its result.",
        [AZR_KIND_ABDUCTION] = "each with one call that is hard to find from its result.",
        [AZR_KIND_ERROR] = "each with one call and the error it ends with, or NoError.",
    };
    azr_strbuf_printf(out, "# Small Python functions, %s No two are alike.\n\n",
                      calls[request->kind]);
    for (size_t i = 0; i < request->n_references; i++) {
        put_session(request->references[i]->program, out);
        put_call(request->references[i], 0, out);
        azr_strbuf_puts(out, "\n");
    }
    put_parts(request, out);
    azr_strbuf_printf(out, ">>> %s", program_start);
}

static void propose_inputs(const azr_proposal_request *request, azr_strbuf *out)
{
    azr_strbuf_printf(out, "# Functions, each with a one-line hint and %zu different calls.\n\n",
                      request->n_inputs);
    for (size_t i = 0; i < request->n_references; i++) {
        const azr_task *task = request->references[i];
        put_program(task->program, out);
        azr_strbuf_puts(out, "\n");
        put_hint(task->message, out);
        for (size_t j = 0; j < task->n_pairs; j++)
            put_call(task, j, out);
        azr_strbuf_puts(out, "\n");
    }
    put_program(request->program, out);
    azr_strbuf_puts(out, "\n# hint:");
}

static void propose(const azr_proposal_request *request, azr_strbuf *out)
{
    if (request->kind == AZR_KIND_INDUCTION)
        propose_inputs(request, out);
    else
        propose_triplet(request, out);
}

static void solve_induction(const azr_task *task, azr_strbuf *out)
{
    enum { N_EXAMPLE_CALLS = 3 };
    azr_task example;
    azr_task_identity(AZR_KIND_INDUCTION, &example);
    put_hint(example.message, out);
    for (size_t i = 0; i < N_EXAMPLE_CALLS; i++)
        put_call(&example, i, out);
    azr_strbuf_puts(out, "\n");
    put_program(example.program, out);
    azr_strbuf_puts(out, "\n\n");
    put_hint(task->message, out);
    for (size_t i = 0; i < azr_task_given_pairs(task); i++)
        put_call(task, i, out);
    azr_strbuf_printf(out, "\n%s", program_start);
    azr_task_deinit(&example);
}

static void solve(const azr_task *task, int64_t cpu_ms, azr_strbuf *out)
{
    (void)cpu_ms;
    if (task->kind == AZR_KIND_INDUCTION) {
        solve_induction(task, out);
        return;
    }
    put_program(task->program, out);
    if (task->kind == AZR_KIND_DEDUCTION)
        azr_strbuf_printf(out, "\n%s%s)\n", call_start, task->inputs[0]);
    else if (task->kind == AZR_KIND_ERROR)
        azr_strbuf_printf(out, "\n# The error that this call ends with, or NoError:\n%s%s)\n",
                          call_start, task->inputs[0]);
    else
        azr_strbuf_printf(out, "\n# f(...) == %s for these arguments:\n%s", task->outputs[0],
                          call_start);
}

static const char *const *ends(azr_role role, azr_kind kind)
{
    static const char *const triplet[] = {"\n# Example", "\n>>> def f(", "\n\n\n", NULL};
    static const char *const calls[] = {"\n\n", NULL};
    static const char *const line[] = {"\n", NULL};
    static const char *const program[] = {"\n# hint:", "\n>>> ", "\n\n\n", NULL};
    bool induction = kind == AZR_KIND_INDUCTION;
    if (role == AZR_ROLE_PROPOSER)
        return induction ? calls : triplet;
    return induction ? program : line;
}

/* In a session the first empty line stands behind the result. Who samples without this stop may
 * write programs with empty lines. */
static const char *const *stops(azr_role role, azr_kind kind)
{
    static const char *const empty_line[] = {"\n\n", NULL};
    return role == AZR_ROLE_PROPOSER ? empty_line : ends(role, kind);
}

/* --- completions ------------------------------------------------------------------------------ */

/* The first line of `text` that starts a call; a line starts behind a line feed. */
static bool find_call(azr_span text, azr_span *out_before, azr_span *out_arguments)
{
    azr_span rest = text, line;
    bool first = true;
    while (azr_tasks__next_line(&rest, &line)) {
        if (!first && azr_tasks__starts_with(line, call_start)) {
            size_t skip = strlen(call_start);
            *out_before = (azr_span){text.text, (size_t)(line.text - text.text)};
            return azr_tasks__call_arguments((azr_span){line.text + skip, line.size - skip},
                                             out_arguments);
        }
        first = false;
    }
    return false;
}

/* "def f(" and what the model wrote behind it. Free with azr_free. */
static char *glue_program(azr_span completion)
{
    azr_strbuf program = {0}, whole = {0};
    azr_strbuf_puts(&program, program_start);
    azr_strbuf_append(&program, completion.text, completion.size);
    azr_tasks__append_program((azr_span){program.data, program.size}, &whole);
    azr_strbuf_deinit(&program);
    return azr_strbuf_steal(&whole);
}

/* A session's program: without what the interpreter writes before lines. The first line goes on
 * behind "def f(" and has none; a listing has none at all. azr_free. */
static char *strip_prompts(azr_span session)
{
    azr_strbuf text = {0};
    azr_span line;
    bool first = true;
    while (azr_tasks__next_line(&session, &line)) {
        bool prompt = azr_tasks__starts_with(line, "... ") || azr_tasks__starts_with(line, ">>> ");
        size_t skip = prompt ? 4 : line.size == 3 && azr_tasks__starts_with(line, "...") ? 3 : 0;
        if (first)
            skip = 0;
        azr_strbuf_append(&text, line.text + skip, line.size - skip);
        azr_strbuf_puts(&text, "\n");
        first = false;
    }
    return azr_strbuf_steal(&text);
}

static void parse_triplet(azr_span completion, azr_proposal *proposal)
{
    azr_span before = completion, arguments;
    bool found = find_call(completion, &before, &arguments);
    char *program = strip_prompts(before);
    azr_tasks__set_program(proposal, glue_program((azr_span){program, strlen(program)}));
    azr_free(program);
    if (!found)
        proposal->verdict = AZR_VERDICT_NO_CALL;
    if (proposal->verdict != AZR_VERDICT_VALID)
        return;
    proposal->inputs = azr_alloc(1, sizeof *proposal->inputs);
    proposal->n_inputs = 1;
    proposal->verdict =
        azr_tasks__canonical_arguments(arguments.text, arguments.size, &proposal->inputs[0]);
    if (proposal->verdict != AZR_VERDICT_VALID)
        proposal->inputs[0] = azr_copy_text(arguments.text, arguments.size);
}

/* The hint's line, then calls with results, which are the model's guesses and are passed over. */
static void parse_inputs(const azr_proposal_request *request, azr_span completion,
                         azr_proposal *proposal)
{
    azr_tasks__set_program(proposal, azr_copy_text(request->program, strlen(request->program)));
    if (proposal->verdict != AZR_VERDICT_VALID)
        return;
    azr_span rest = completion, line = {0};
    azr_tasks__next_line(&rest, &line);
    azr_strbuf message = {0};
    azr_tasks__append_one_line(line, &message);
    if (message.size == 0 || strncmp(message.data, ">>>", 3) == 0)
        proposal->verdict = AZR_VERDICT_NO_MESSAGE;
    else if (message.size > AZR_TASK_MAX_MESSAGE_BYTES)
        proposal->verdict = AZR_VERDICT_TOO_LONG;
    proposal->message = azr_strbuf_steal(&message);
    if (proposal->verdict != AZR_VERDICT_VALID)
        return;
    azr_call_list calls = {0};
    size_t n_calls = 0;
    while (n_calls < AZR_TASK_MAX_CALLS && azr_tasks__next_line(&rest, &line)) {
        size_t skip = strlen(call_start);
        azr_span arguments;
        if (!azr_tasks__starts_with(line, call_start) ||
            !azr_tasks__call_arguments((azr_span){line.text + skip, line.size - skip}, &arguments))
            continue;
        azr_tasks__add_call(&calls, arguments.text, arguments.size);
        n_calls++;
    }
    azr_tasks__take_calls(&calls, request->n_inputs, proposal);
    azr_tasks__call_list_deinit(&calls);
}

static void parse_proposal(const azr_proposal_request *request, azr_span completion,
                           azr_proposal *out_proposal)
{
    if (request->kind == AZR_KIND_INDUCTION)
        parse_inputs(request, completion, out_proposal);
    else
        parse_triplet(completion, out_proposal);
}

/* A literal that fills the line. */
static void parse_value(azr_span line, azr_answer *answer)
{
    line = azr_tasks__trim(line);
    azr_literal *value = NULL;
    answer->text = azr_copy_text(line.text, line.size);
    if (line.size == 0)
        answer->verdict = AZR_VERDICT_NO_ANSWER;
    else if (azr_literal_parse(line.text, line.size, &value, NULL) != AZR_OK)
        answer->verdict = AZR_VERDICT_BAD_LITERAL;
    azr_literal_destroy(value);
}

/* An argument list and the bracket that closes it. */
static void parse_arguments(azr_span line, azr_answer *answer)
{
    azr_span arguments = line;
    if (azr_tasks__trim(line).size == 0) {
        answer->verdict = AZR_VERDICT_NO_ANSWER;
    } else if (!azr_tasks__call_arguments(line, &arguments)) {
        arguments = line; /* not what stands before a bracket that something follows */
        answer->verdict = AZR_VERDICT_BAD_LITERAL;
    } else {
        azr_verdict verdict =
            azr_tasks__canonical_arguments(arguments.text, arguments.size, &answer->text);
        if (verdict != AZR_VERDICT_VALID)
            answer->verdict = verdict;
    }
    if (answer->text == NULL)
        answer->text = azr_copy_text(arguments.text, arguments.size);
}

/* A program: the task's imports stand before it, since the model begins behind "def f(". */
static void parse_program(const azr_task *task, azr_span completion, azr_answer *answer)
{
    azr_strbuf whole = {0};
    char *program = glue_program(completion);
    azr_tasks__append_with_imports(task->program, program, &whole);
    azr_free(program);
    answer->text = azr_strbuf_steal(&whole);
    size_t size = strlen(answer->text);
    if (size > AZR_TASK_MAX_PROGRAM_BYTES)
        answer->verdict = AZR_VERDICT_TOO_LONG;
    else if (!azr_tasks__defines_f((azr_span){answer->text, size}))
        answer->verdict = AZR_VERDICT_NO_PROGRAM;
}

static void parse_answer(const azr_task *task, azr_span completion, azr_answer *out_answer)
{
    if (task->kind == AZR_KIND_DEDUCTION)
        parse_value(completion, out_answer);
    else if (task->kind == AZR_KIND_ABDUCTION)
        parse_arguments(completion, out_answer);
    else if (task->kind == AZR_KIND_ERROR)
        azr_tasks__read_exception(completion, out_answer);
    else
        parse_program(task, completion, out_answer);
}

const azr_template azr_tasks__transcript = {
    .name = "transcript",
    .propose = propose,
    .solve = solve,
    .stops = stops,
    .ends = ends,
    .parse_proposal = parse_proposal,
    .parse_answer = parse_answer,
};
