/* task.c: kinds, roles, verdicts by name; the life of a task. */
#include "azr/program.h"
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

static const char *const kind_names[AZR_N_KINDS] = {
    [AZR_KIND_DEDUCTION] = "deduction",
    [AZR_KIND_ABDUCTION] = "abduction",
    [AZR_KIND_INDUCTION] = "induction",
    [AZR_KIND_ERROR] = "error",
};

typedef struct verdict_row {
    const char *name, *sentence;
    bool well_formed;
} verdict_row;

static const verdict_row verdicts[AZR_N_VERDICTS] = {
    [AZR_VERDICT_VALID] = {"valid", "a valid task", true},
    [AZR_VERDICT_CORRECT] = {"correct", "the answer is right", true},
    [AZR_VERDICT_WRONG] = {"wrong", "the answer is wrong", true},
    [AZR_VERDICT_NO_CALL] = {"no_call", "there is no line with a call of f", false},
    [AZR_VERDICT_NO_PROGRAM] = {"no_program", "there is no function f", false},
    [AZR_VERDICT_NO_MESSAGE] = {"no_message", "there is no hint", false},
    [AZR_VERDICT_FEW_INPUTS] = {"few_inputs", "there are fewer different calls than wanted", false},
    [AZR_VERDICT_NO_ANSWER] = {"no_answer", "there is no answer", false},
    [AZR_VERDICT_NO_REPLY] = {"no_reply", "the reply is not in the form that was asked for", false},
    [AZR_VERDICT_BAD_LITERAL] = {"bad_literal", "what must be a plain value is none", false},
    [AZR_VERDICT_BAD_TEXT] = {"bad_text", "the text holds control characters or is no UTF-8",
                              false},
    [AZR_VERDICT_FORBIDDEN] = {"forbidden", "the program uses what tasks may not use", true},
    [AZR_VERDICT_SEVERAL_FUNCTIONS] = {"several_functions", "there are several functions", true},
    [AZR_VERDICT_HAS_TESTS] = {"has_tests", "the program holds tests or examples", true},
    [AZR_VERDICT_NOT_COMPOSED] = {"not_composed",
                                  "the functions that were given are not called, or defined anew",
                                  true},
    [AZR_VERDICT_TOO_LONG] = {"too_long", "a program, argument, hint or result is too long", true},
    [AZR_VERDICT_FAILED] = {"failed", "the program did not run to its end", true},
    [AZR_VERDICT_NONDETERMINISTIC] = {"nondeterministic", "two runs differ", true},
    [AZR_VERDICT_NOT_LITERAL] = {"not_literal", "the result is no plain value", true},
    [AZR_VERDICT_INTERNAL] = {"internal", "the sandbox failed", false},
};

const char *azr_kind_name(azr_kind kind)
{
    AZR_CHECK((unsigned)kind < AZR_N_KINDS);
    return kind_names[kind];
}

const char *azr_role_name(azr_role role)
{
    AZR_CHECK((unsigned)role < AZR_N_ROLES);
    return role == AZR_ROLE_PROPOSER ? "proposer" : "solver";
}

bool azr_kind_parse(const char *name, azr_kind *out_kind)
{
    for (int kind = 0; kind < AZR_N_KINDS; kind++) {
        if (strcmp(kind_names[kind], name) == 0) {
            *out_kind = (azr_kind)kind;
            return true;
        }
    }
    return false;
}

const char *azr_verdict_name(azr_verdict verdict)
{
    AZR_CHECK((unsigned)verdict < AZR_N_VERDICTS);
    return verdicts[verdict].name;
}

const char *azr_verdict_sentence(azr_verdict verdict)
{
    AZR_CHECK((unsigned)verdict < AZR_N_VERDICTS);
    return verdicts[verdict].sentence;
}

bool azr_verdict_well_formed(azr_verdict verdict)
{
    AZR_CHECK((unsigned)verdict < AZR_N_VERDICTS);
    return verdicts[verdict].well_formed;
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; texts != NULL && i < n; i++)
        azr_free(texts[i]);
    azr_free(texts);
}

static char *copy(const char *text)
{
    return text != NULL ? azr_copy_text(text, strlen(text)) : NULL;
}

static char **copy_texts(const char *const *texts, size_t n)
{
    char **copies = azr_alloc(n, sizeof *copies);
    for (size_t i = 0; i < n; i++)
        copies[i] = copy(texts[i]);
    return copies;
}

void azr_task_deinit(azr_task *task)
{
    azr_free(task->program);
    free_texts(task->inputs, task->n_pairs);
    free_texts(task->outputs, task->n_pairs);
    azr_free(task->message);
    *task = (azr_task){0};
}

void azr_task_copy(azr_task *to, const azr_task *from)
{
    *to = (azr_task){.kind = from->kind,
                     .program = copy(from->program),
                     .n_pairs = from->n_pairs,
                     .inputs = copy_texts((const char *const *)from->inputs, from->n_pairs),
                     .outputs = copy_texts((const char *const *)from->outputs, from->n_pairs),
                     .message = copy(from->message)};
}

void azr_task_identity(azr_kind kind, azr_task *out_task)
{
    static const char *const values[] = {
        "'Hello world'",
        "1",
        "{'a': 1, 'b': 2}",
        "(1.1, 1.2, 1.3)",
        "'[[1, 0, 0], [0, 0, 0], [0, 0, 0]]'",
        "1001101100010001",
    };
    bool induction = kind == AZR_KIND_INDUCTION;
    size_t n = induction ? AZR_COUNT(values) : 1;
    if (kind == AZR_KIND_ERROR) {
        static const char *const input[] = {"[]"}, *const output[] = {"IndexError"};
        *out_task = (azr_task){.kind = kind,
                               .program = copy("def f(a):\n    return a[-1]\n"),
                               .n_pairs = 1,
                               .inputs = copy_texts(input, 1),
                               .outputs = copy_texts(output, 1)};
        return;
    }
    *out_task = (azr_task){.kind = kind,
                           .program = copy("def f(a):\n    return a\n"),
                           .n_pairs = n,
                           .inputs = copy_texts(values, n),
                           .outputs = copy_texts(values, n),
                           .message = induction ? copy("the function returns its argument") : NULL};
}

bool azr_part_init(azr_part *part, const azr_task *task, size_t k)
{
    azr_strbuf program = {0};
    bool triplet = task->kind == AZR_KIND_DEDUCTION || task->kind == AZR_KIND_ABDUCTION;
    bool good = triplet && azr_program_as_part(task->program, k, &program);
    *part = (azr_part){0};
    if (good)
        *part = (azr_part){.program = azr_strbuf_steal(&program),
                           .input = copy(task->inputs[0]),
                           .output = copy(task->outputs[0])};
    azr_strbuf_deinit(&program);
    return good;
}

void azr_part_deinit(azr_part *part)
{
    azr_free(part->program);
    azr_free(part->input);
    azr_free(part->output);
    *part = (azr_part){0};
}

size_t azr_task_given_pairs(const azr_task *task)
{
    return task->kind == AZR_KIND_INDUCTION ? task->n_pairs / 2 : task->n_pairs;
}

void azr_proposal_deinit(azr_proposal *proposal)
{
    azr_free(proposal->program);
    free_texts(proposal->inputs, proposal->n_inputs);
    azr_free(proposal->message);
    *proposal = (azr_proposal){0};
}

void azr_answer_deinit(azr_answer *answer)
{
    azr_free(answer->text);
    *answer = (azr_answer){0};
}
