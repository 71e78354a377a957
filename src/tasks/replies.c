/* replies.c: the templates that ask in words and read fenced blocks out of the reply. "azr" has the
 * paper's dialogue, in which a reply reasons between <think> and </think> and answers between
 * <answer> and </answer>; "chat" is a user's message, and the whole reply is the answer. */
#include "tasks/template.h"

#include "tasks/exception_name.h"
#include "tasks/fenced.h"
#include "tasks/imports.h"
#include "tasks/instructions.h"

#include "base/memory.h"

#include <string.h>

/* --- prompts ---------------------------------------------------------------------------------- */

static const char preamble[] =
    "Below, a User and an Assistant talk. The User asks for something, the Assistant sees to it: "
    "it "
    "first reasons in its mind, and then gives the User the answer. The reasoning stands between "
    "<think> and </think>, the answer between <answer> and </answer>: <think> what it reasons "
    "</think> "
    "<answer> what it answers </answer>.\nUser: ";

static const char reply_start[] = "\nAssistant: <think>";

static void propose_azr(const azr_proposal_request *request, azr_strbuf *out)
{
    azr_strbuf_puts(out, preamble);
    azr_tasks__instruct_proposer(request, false, out);
    azr_strbuf_puts(out, reply_start);
}

static void solve_azr(const azr_task *task, int64_t cpu_ms, azr_strbuf *out)
{
    azr_strbuf_puts(out, preamble);
    azr_tasks__instruct_solver(task, false, cpu_ms, out);
    azr_strbuf_puts(out, reply_start);
}

static void propose_chat(const azr_proposal_request *request, azr_strbuf *out)
{
    azr_tasks__instruct_proposer(request, true, out);
}

static void solve_chat(const azr_task *task, int64_t cpu_ms, azr_strbuf *out)
{
    azr_tasks__instruct_solver(task, true, cpu_ms, out);
}

static const char answer_end[] = "</answer>";

/* What stands behind the answer, or begins another turn, is not read. */
static const char *const *ends_azr(azr_role role, azr_kind kind)
{
    (void)role;
    (void)kind;
    static const char *const ends[] = {answer_end, "Assistant:", "\nUser:", NULL};
    return ends;
}

static const char *const *ends_chat(azr_role role, azr_kind kind)
{
    (void)role;
    (void)kind;
    static const char *const ends[] = {NULL};
    return ends;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* Behind the last <answer>. False unless an </think> with nothing but white space and <answer>
 * behind it is somewhere: the reply's form, of which the prompt already wrote <think>, and which
 * ends with </answer>, behind what is read. */
static bool find_reply(azr_span completion, azr_span *out_reply)
{
    static const char think_end[] = "</think>", answer[] = "<answer>";
    bool formed = false;
    for (azr_span rest = completion; !formed;) {
        size_t at = azr_tasks__find_text(rest, think_end, false);
        if (at == rest.size)
            return false;
        rest = (azr_span){rest.text + at + strlen(think_end), rest.size - at - strlen(think_end)};
        azr_span next = azr_tasks__trim(rest);
        formed = next.size >= strlen(answer) &&
                 azr_tasks__find_text((azr_span){next.text, strlen(answer)}, answer, false) == 0;
    }
    size_t at = azr_tasks__find_text(completion, answer, true) + strlen(answer);
    *out_reply = azr_tasks__trim((azr_span){completion.text + at, completion.size - at});
    return true;
}

static char *program_of(azr_span block)
{
    azr_strbuf program = {0};
    azr_tasks__append_program(block, &program);
    return azr_strbuf_steal(&program);
}

static void read_triplet(azr_span reply, azr_proposal *proposal)
{
    azr_span program, input;
    bool last = proposal->rules != NULL && proposal->rules->last_block;
    if (!azr_tasks__find_block(reply, "python", last, &program)) {
        proposal->verdict = AZR_VERDICT_NO_PROGRAM;
        return;
    }
    azr_tasks__set_program(proposal, program_of(program));
    bool found = azr_tasks__find_block(reply, "input", false, &input) ||
                 azr_tasks__find_heading(reply, "Input", &input);
    if (proposal->verdict == AZR_VERDICT_VALID && !found)
        proposal->verdict = AZR_VERDICT_NO_CALL;
    if (proposal->verdict != AZR_VERDICT_VALID)
        return;
    proposal->inputs = azr_alloc(1, sizeof *proposal->inputs);
    proposal->n_inputs = 1;
    proposal->verdict =
        azr_tasks__canonical_arguments(input.text, input.size, &proposal->inputs[0]);
    if (proposal->verdict != AZR_VERDICT_VALID)
        proposal->inputs[0] = azr_copy_text(input.text, input.size);
}

static void read_message(azr_span reply, azr_proposal *proposal)
{
    azr_span text = {"", 0};
    azr_strbuf message = {0};
    if (azr_tasks__find_block(reply, "message", false, &text) ||
        azr_tasks__find_tag(reply, "message", &text) ||
        azr_tasks__find_heading(reply, "Message", &text))
        azr_tasks__append_one_line(text, &message);
    if (message.size == 0)
        proposal->verdict = AZR_VERDICT_NO_MESSAGE;
    else if (message.size > AZR_TASK_MAX_MESSAGE_BYTES)
        proposal->verdict = AZR_VERDICT_TOO_LONG;
    proposal->message = azr_strbuf_steal(&message);
}

static void read_inputs(const azr_proposal_request *request, azr_span reply, azr_proposal *proposal)
{
    azr_tasks__set_program(proposal, azr_copy_text(request->program, strlen(request->program)));
    if (proposal->verdict == AZR_VERDICT_VALID)
        read_message(reply, proposal);
    if (proposal->verdict != AZR_VERDICT_VALID)
        return;
    azr_call_list calls = {0};
    azr_block block;
    size_t n_calls = 0;
    while (n_calls < AZR_TASK_MAX_CALLS && azr_tasks__next_block(&reply, &block)) {
        if (!azr_tasks__is_block(&block, "input"))
            continue;
        azr_tasks__add_call(&calls, block.text.text, block.text.size);
        n_calls++;
    }
    azr_tasks__take_calls(&calls, request->n_inputs, proposal);
    azr_tasks__call_list_deinit(&calls);
}

static void read_proposal(const azr_proposal_request *request, azr_span reply,
                          azr_proposal *proposal)
{
    if (request->kind == AZR_KIND_INDUCTION)
        read_inputs(request, reply, proposal);
    else
        read_triplet(reply, proposal);
}

static void parse_proposal_azr(const azr_proposal_request *request, azr_span completion,
                               azr_proposal *proposal)
{
    azr_span reply;
    if (find_reply(completion, &reply))
        read_proposal(request, reply, proposal);
    else
        proposal->verdict = AZR_VERDICT_NO_REPLY;
}

/* A program: the task's imports stand before it, since nothing showed them to the solver. */
static void read_program(const azr_task *task, azr_span reply, azr_answer *answer)
{
    azr_span block;
    if (!azr_tasks__find_block(reply, "python", true, &block)) {
        answer->verdict = AZR_VERDICT_NO_PROGRAM;
        return;
    }
    char *program = program_of(block);
    azr_strbuf whole = {0};
    azr_tasks__append_with_imports(task->program, program, &whole);
    azr_free(program);
    answer->text = azr_strbuf_steal(&whole);
    size_t size = strlen(answer->text);
    if (size > AZR_TASK_MAX_PROGRAM_BYTES)
        answer->verdict = AZR_VERDICT_TOO_LONG;
    else if (!azr_tasks__defines_f((azr_span){answer->text, size}))
        answer->verdict = AZR_VERDICT_NO_PROGRAM;
}

/* The form is kept by whoever answers in it: an answer that is no literal is wrong, not ill-formed.
 */
static void read_value(azr_span text, bool arguments, azr_answer *answer)
{
    azr_literal *value = NULL;
    azr_verdict verdict = AZR_VERDICT_CORRECT;
    if (arguments) {
        verdict = azr_tasks__canonical_arguments(text.text, text.size, &answer->text);
        verdict = verdict == AZR_VERDICT_VALID ? AZR_VERDICT_CORRECT : verdict;
    } else if (azr_literal_parse(text.text, text.size, &value, NULL) != AZR_OK) {
        verdict = AZR_VERDICT_BAD_LITERAL;
    }
    azr_literal_destroy(value);
    answer->verdict = verdict == AZR_VERDICT_BAD_LITERAL ? AZR_VERDICT_WRONG : verdict;
    if (answer->text == NULL)
        answer->text = azr_copy_text(text.text, text.size);
}

static void read_answer(const azr_task *task, azr_span reply, azr_answer *answer)
{
    if (task->kind == AZR_KIND_INDUCTION) {
        read_program(task, reply, answer);
        return;
    }
    azr_span text = reply;
    azr_tasks__find_answer(reply, task->kind == AZR_KIND_ABDUCTION ? "input" : "output", &text);
    if (text.size == 0)
        answer->verdict = AZR_VERDICT_NO_ANSWER;
    else if (task->kind == AZR_KIND_ERROR)
        azr_tasks__read_exception(text, answer);
    else
        read_value(text, task->kind == AZR_KIND_ABDUCTION, answer);
}

static void parse_answer_azr(const azr_task *task, azr_span completion, azr_answer *answer)
{
    azr_span reply;
    if (!find_reply(completion, &reply)) {
        answer->verdict = AZR_VERDICT_NO_REPLY;
        return;
    }
    read_answer(task, reply, answer);
    /* The tags are the form: what stands between them, and be it nothing, is wrong at worst. */
    if (answer->verdict == AZR_VERDICT_NO_ANSWER) {
        answer->verdict = AZR_VERDICT_WRONG;
        if (answer->text == NULL)
            answer->text = azr_copy_text("", 0);
    }
}

static void parse_proposal_chat(const azr_proposal_request *request, azr_span completion,
                                azr_proposal *proposal)
{
    read_proposal(request, azr_tasks__trim(completion), proposal);
}

static void parse_answer_chat(const azr_task *task, azr_span completion, azr_answer *answer)
{
    read_answer(task, azr_tasks__trim(completion), answer);
}

const azr_template azr_tasks__azr = {
    .name = "azr",
    .propose = propose_azr,
    .solve = solve_azr,
    .stops = ends_azr,
    .ends = ends_azr,
    .closing = answer_end,
    .parse_proposal = parse_proposal_azr,
    .parse_answer = parse_answer_azr,
};

const azr_template azr_tasks__chat = {
    .name = "chat",
    .is_chat = true,
    .propose = propose_chat,
    .solve = solve_chat,
    .stops = ends_chat,
    .ends = ends_chat,
    .parse_proposal = parse_proposal_chat,
    .parse_answer = parse_answer_chat,
};
