/* instructions.c: instructions for proposers and solvers in our own words, after the sections of
 * the Absolute Zero paper's prompts (arXiv 2505.03335, figures 34 to 39). Where those had the
 * sentences on difficulty of deduction and abduction the wrong way round, these do not. */
#include "tasks/instructions.h"

#include "tasks/text.h"

#include "base/check.h"

#include <string.h>

/* --- pieces ----------------------------------------------------------------------------------- */

static void put_block(const char *label, const char *text, azr_strbuf *out)
{
    azr_strbuf_printf(out, "```%s\n", label);
    azr_tasks__append_program((azr_span){text, strlen(text)}, out);
    azr_strbuf_puts(out, "```\n");
}

static const char *output_label(azr_kind kind)
{
    return kind == AZR_KIND_ERROR ? "error" : "output";
}

/* one_function: no other one may stand in the code. cpu_ms: what a run may take, 0: not said. */
static void put_requirements(bool solver, bool one_function, int64_t cpu_ms, azr_strbuf *out)
{
    azr_strbuf_printf(
        out,
        "## Rules for the code\n"
        "- The function that is called is named `f`; it takes at least one argument and returns "
        "a value. %s\n"
        "- The same arguments always give the same result: no randomness, no dates or times, no "
        "reading or writing, no printing, nothing kept between calls.\n",
        one_function ? "There is no other `def` in the code, neither inside `f` nor in a class."
                     : "Other functions may stand inside it.");
    if (!solver)
        azr_strbuf_puts(out, "- Following it takes care: the state changes in several steps that "
                             "build on each other.\n");
    if (cpu_ms > 0)
        azr_strbuf_printf(out, "- A call takes no more than %g s of computing time.\n",
                          (double)cpu_ms / 1000.0);
    azr_strbuf_puts(out, "- Imports and classes of your own stand at the top, and the code ends "
                         "with the `return` of `f`.\n");
}

/* What the program is cleaned of, or refused for. */
static void put_banned(const azr_proposal_request *request, bool brief, azr_strbuf *out)
{
    const char *banned = request->rules != NULL ? request->rules->banned : NULL;
    if (request->rules != NULL && request->rules->no_tests)
        azr_strbuf_puts(out, "- The code holds neither the input nor a test or example.\n");
    if (request->rules != NULL && request->rules->drop_globals)
        azr_strbuf_puts(out, "- Variables live inside of functions: others are removed.\n");
    if (brief && request->rules != NULL && request->rules->one_function)
        azr_strbuf_puts(out, "- There is one `def` in the code, and no more.\n");
    if (banned != NULL && banned[0] != '\0')
        azr_strbuf_printf(
            out, "- These words may not appear anywhere, not even in a comment: %s.\n", banned);
    for (int k = 0, n = 0; k < AZR_N_KEYWORDS; k++)
        if (request->banned >> k & 1U)
            azr_strbuf_printf(out, "%s`%s`", n++ == 0 ? "- The code may not use " : ", ",
                              azr_keyword_name((azr_keyword)k));
    if (request->banned != 0)
        azr_strbuf_puts(out, ".\n");
}

static void put_references(const azr_proposal_request *request, azr_strbuf *out)
{
    if (request->n_references > 0)
        azr_strbuf_puts(out, "## Earlier tasks\n");
    for (size_t i = 0; i < request->n_references; i++) {
        const azr_task *task = request->references[i];
        azr_strbuf_printf(out, "<snippet_%zu>\n", i);
        put_block("python", task->program, out);
        for (size_t j = 0; j < task->n_pairs; j++) {
            put_block("input", task->inputs[j], out);
            put_block(output_label(task->kind), task->outputs[j], out);
        }
        if (task->message != NULL)
            put_block("message", task->message, out);
        azr_strbuf_printf(out, "</snippet_%zu>\n", i);
    }
}

static void put_parts(const azr_proposal_request *request, azr_strbuf *out)
{
    if (request->n_parts == 0)
        return;
    azr_strbuf_puts(out, "## Functions to build on\n`f` must call");
    for (size_t i = 0; i < request->n_parts; i++)
        azr_strbuf_printf(out, "%s `g_%zu`", i == 0 ? "" : ",", i);
    azr_strbuf_puts(out,
                    ". They are there already: do not define them again. `f` does something of "
                    "its own with what they give, not only pass it on.\n```python\n");
    for (size_t i = 0; i < request->n_parts; i++) {
        const azr_part *part = &request->parts[i];
        azr_tasks__append_program((azr_span){part->program, strlen(part->program)}, out);
        if (part->input != NULL)
            azr_strbuf_printf(out, "# g_%zu(%s) gives %s\n", i, part->input, part->output);
    }
    azr_strbuf_puts(out, "```\n");
}

/* --- proposers -------------------------------------------------------------------------------- */

static const struct {
    const char *task, *goal, *difficulty;
} triplets[AZR_N_KINDS] = {
    [AZR_KIND_DEDUCTION] = {"a result that is hard to predict",
                            "Somebody will see your code and your input, without running them, and "
                            "must say the output.",
                            "how hard the output is to predict from the code and the input"},
    [AZR_KIND_ABDUCTION] = {"an input that is hard to find",
                            "Somebody will see your code and the output it gives, and must find an "
                            "input that gives this output.",
                            "how hard an input is to find from the code and the output"},
    [AZR_KIND_ERROR] =
        {"an error, or none, that is hard to predict",
         "Somebody will see your code and your input, without running them, and must "
         "say which error the call ends with, or NoError. Exceptions of your own are "
         "allowed.",
         "how hard it is to say whether and how the call fails"},
};

static void propose_triplet(const azr_proposal_request *request, bool brief, azr_strbuf *out)
{
    azr_kind kind = request->kind;
    if (brief) {
        azr_strbuf_printf(out,
                          "Write a new, short Python function `f` with %s, and one call of it. It "
                          "must be unlike the earlier ones, deterministic, and return a value. No "
                          "input, no printing, no randomness.\n",
                          triplets[kind].task);
        put_banned(request, true, out);
    } else {
        azr_strbuf_printf(
            out,
            "## Task\nWrite a new piece of Python code, and one input for it. Classes "
            "of your own are allowed and stand at the top.\n\n"
            "## Aim\nThe earlier tasks below are examples. Make something new, unlike "
            "all of them, that takes deep thought about algorithms. %s Think of it as "
            "a question of an intelligence test: %s.\n\n",
            triplets[kind].goal, triplets[kind].task);
        put_requirements(false, request->rules != NULL && request->rules->one_function,
                         request->cpu_ms / AZR_TASK_CPU_SHARE, out);
        put_banned(request, false, out);
        azr_strbuf_puts(out,
                        "\n## Rules for the input\n"
                        "- Exactly one input. Several arguments have commas between them, texts "
                        "have quotes.\n\n");
    }
    azr_strbuf_puts(out, "## Form\nThe code stands in a block labelled python, the arguments in a "
                         "block labelled input:\n"
                         "```python\ndef f(name, info):\n    # your code\n    return result\n```\n"
                         "```input\n'John', {'age': 20, 'city': 'New York'}\n```\n\n");
    if (!brief)
        azr_strbuf_printf(out,
                          "## What counts\n"
                          "- that the code runs with your input;\n"
                          "- %s: trees, heaps, stacks, queues, graphs, intricate control flow, "
                          "dynamic programming, recursion, divide and conquer, greedy choices and "
                          "backtracking all help;\n"
                          "- how unlike the earlier tasks it is.\n\n"
                          "First make a plan, then write down the code and the input.\n\n",
                          triplets[kind].difficulty);
    put_references(request, out);
    put_parts(request, out);
}

static void propose_inputs(const azr_proposal_request *request, bool brief, azr_strbuf *out)
{
    azr_strbuf_printf(out,
                      "%sFind %zu different inputs for the code below, and write a message "
                      "about what it does.\n",
                      brief ? "" : "## Task\n", request->n_inputs);
    if (!brief)
        azr_strbuf_puts(
            out, "\n## Aim\nSomebody will see some of the inputs with the outputs they give, "
                 "and the message, and must find the code. So the outputs should be as "
                 "different as can be, and the inputs should show all that the code does. "
                 "With the message the code can be found; it takes thought all the same.\n\n"
                 "## Rules\n- Each input can be handed to the code. Several arguments have "
                 "commas between them, texts have quotes.\n"
                 "- The message may be a hint, a question or an instruction in any form, but "
                 "must not hold the code.\n\n");
    azr_strbuf_puts(out,
                    "## Form\nEach input stands in a block of its own labelled input, the "
                    "message in one labelled message:\n"
                    "```input\n'John', {'age': 20, 'city': 'New York'}\n```\n"
                    "```input\n'Sammy', {'age': 37, 'city': 'Los Angeles'}\n```\n"
                    "```message\nWhat is made of a name, and of what is known of it?\n```\n\n");
    if (!brief)
        azr_strbuf_puts(out, "## What counts\n- that the code runs with every input;\n"
                             "- that the inputs cover what can happen, and differ;\n"
                             "- that the code is hard to find, and can be found.\n\n"
                             "First make a plan, then write down the inputs and the message.\n\n");
    put_references(request, out);
    azr_strbuf_puts(out, "## The code\n");
    put_block("python", request->program, out);
}

void azr_tasks__instruct_proposer(const azr_proposal_request *request, bool brief, azr_strbuf *out)
{
    if (request->kind == AZR_KIND_INDUCTION)
        propose_inputs(request, brief, out);
    else
        propose_triplet(request, brief, out);
}

/* --- solvers ---------------------------------------------------------------------------------- */

static void solve_induction(const azr_task *task, bool brief, int64_t cpu_ms, azr_strbuf *out)
{
    azr_strbuf_puts(out,
                    "Write a Python function `f` that gives the output for each of these inputs, "
                    "and does the same for further inputs that you cannot see.\n");
    if (!brief) {
        azr_strbuf_puts(out, "Go through the pairs with your function in mind; where one does not "
                             "fit, change it.\n\n");
        put_requirements(true, false, cpu_ms, out);
    }
    azr_strbuf_puts(out, "\n");
    for (size_t i = 0; i < azr_task_given_pairs(task); i++) {
        put_block("input", task->inputs[i], out);
        put_block("output", task->outputs[i], out);
    }
    if (task->message != NULL && task->message[0] != '\0')
        put_block("message", task->message, out);
    azr_strbuf_puts(out, "\nAnswer with the code in a block labelled python. The function must be "
                         "named `f`:\n```python\ndef f(a):\n    return a\n```\n");
}

void azr_tasks__instruct_solver(const azr_task *task, bool brief, int64_t cpu_ms, azr_strbuf *out)
{
    switch (task->kind) {
    case AZR_KIND_INDUCTION:
        solve_induction(task, brief, cpu_ms, out);
        return;
    case AZR_KIND_ABDUCTION:
        azr_strbuf_puts(out, "Find an input for which this Python code gives this output.\n");
        put_block("python", task->program, out);
        put_block("output", task->outputs[0], out);
        azr_strbuf_puts(out,
                        "\nOne input is enough, there may be several. Answer with the arguments "
                        "in a block labelled input: commas between them, quotes around texts, "
                        "no `f(...)` around them:\n"
                        "```input\n'John', {'age': 20, 'city': 'New York'}\n```\n");
        return;
    case AZR_KIND_DEDUCTION:
    case AZR_KIND_ERROR:
    case AZR_N_KINDS:
        break;
    }
    bool error = task->kind == AZR_KIND_ERROR;
    azr_strbuf_puts(out, error ? "Say which error this Python code ends with for this input, or "
                                 "NoError.\n"
                               : "Say what this Python code gives for this input.\n");
    put_block("python", task->program, out);
    put_block("input", task->inputs[0], out);
    azr_strbuf_puts(out, error
                             ? "\nAnswer with the name of the error in a block labelled output:\n"
                               "```output\nValueError\n```\n"
                             : "\nAnswer with the value in a block labelled output: quotes around "
                               "texts, several values as a tuple:\n"
                               "```output\n{'age': 20, 'city': 'New York'}\n```\n");
}
