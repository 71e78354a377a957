/* judge.c: from what the sandbox replies to verdicts. Values are compared here, as literals: no
 * expected value ever enters a process that runs somebody's program. */
#include "tasks/exception_name.h"
#include "tasks/text.h"

#include "azr/tasks.h"

#include "base/memory.h"

#include <string.h>

/* What a new task may use of a run's limits: else later runs of it would flip at the edge. Of
 * memory a quarter, which the sandbox checks; of the result half: a value that is equal (True is 1)
 * may be written in up to twice as many bytes. */
enum { RESULT_SHARE = 2 };

static void say(azr_strbuf *detail, const char *text)
{
    if (detail != NULL)
        azr_tasks__append_short(text, detail);
}

static azr_literal *parse(const char *text)
{
    azr_literal *literal = NULL;
    if (text != NULL)
        azr_literal_parse(text, strlen(text), &literal, NULL);
    return literal;
}

static azr_verdict of_exception(const azr_exec_run *run, azr_strbuf *detail)
{
    const char *name = run->exception != NULL ? run->exception : "exception";
    say(detail, name);
    if (run->message != NULL && run->message[0] != '\0') {
        say(detail, ": ");
        say(detail, run->message);
    }
    bool import = strcmp(name, "ModuleNotFoundError") == 0 || strcmp(name, "ImportError") == 0;
    return import ? AZR_VERDICT_FORBIDDEN : AZR_VERDICT_FAILED;
}

/* VALID when the run ended with a value. */
static azr_verdict of_run(const azr_exec_run *run, azr_strbuf *detail)
{
    switch (run->status) {
    case AZR_EXEC_OK:
        if (run->value == NULL) {
            say(detail, "the sandbox gave no value");
            return AZR_VERDICT_INTERNAL;
        }
        return AZR_VERDICT_VALID;
    case AZR_EXEC_EXCEPTION:
        return of_exception(run, detail);
    case AZR_EXEC_TOO_LARGE:
        say(detail, "the result is too large");
        return AZR_VERDICT_TOO_LONG;
    case AZR_EXEC_NOT_LITERAL:
        say(detail, run->type != NULL ? run->type : "");
        return AZR_VERDICT_NOT_LITERAL;
    case AZR_EXEC_NONDETERMINISTIC:
        return AZR_VERDICT_NONDETERMINISTIC;
    case AZR_EXEC_BAD_INPUT:
        return AZR_VERDICT_BAD_LITERAL;
    case AZR_EXEC_TIMEOUT_CPU:
    case AZR_EXEC_TIMEOUT_WALL:
    case AZR_EXEC_MEMORY:
    case AZR_EXEC_CRASH:
    case AZR_EXEC_POLICY:
    case AZR_EXEC_NO_RESULT:
        say(detail, azr_exec_status_name(run->status));
        if (run->status == AZR_EXEC_MEMORY && run->message != NULL) {
            say(detail, ": ");
            say(detail, run->message);
        }
        return AZR_VERDICT_FAILED;
    case AZR_EXEC_INTERNAL:
    case AZR_N_EXEC_STATUSES:
        break;
    }
    say(detail, run->message != NULL ? run->message : "");
    return AZR_VERDICT_INTERNAL;
}

/* The sandbox failed in any of the runs, or did not reply to each input? Then nothing is judged. */
static bool is_internal(const azr_exec_reply *reply, size_t n_inputs, azr_strbuf *detail)
{
    if (reply == NULL || reply->n_runs != n_inputs) {
        say(detail, "the sandbox did not reply to every input");
        return true;
    }
    for (size_t i = 0; i < reply->n_runs; i++)
        if (of_run(&reply->runs[i], NULL) == AZR_VERDICT_INTERNAL) {
            of_run(&reply->runs[i], detail);
            return true;
        }
    return false;
}

/* --- proposals -------------------------------------------------------------------------------- */

azr_exec_job azr_proposal_job(const azr_proposal *proposal, azr_exec_limits limits)
{
    return (azr_exec_job){.program = proposal->program,
                          .inputs = (const char *const *)proposal->inputs,
                          .n_inputs = proposal->n_inputs,
                          .allow_constructors = proposal->constructors,
                          .check_determinism = true,
                          .check_headroom = true,
                          .limits = limits};
}

/* Near enough to the limit that a later run could be over it? */
static bool is_slow(const azr_exec_run *run, azr_exec_limits limits, azr_strbuf *detail)
{
    bool slow = run->cpu_us > (int64_t)limits.cpu_ms * 1000 / AZR_TASK_CPU_SHARE;
    if (slow && detail != NULL)
        azr_strbuf_printf(detail, "it took %lld ms of CPU time, over a quarter of the %d ms limit",
                          (long long)(run->cpu_us / 1000), limits.cpu_ms);
    return slow;
}

/* Of an error task: VALID also when the run raised. Imports are refused as everywhere. */
static azr_verdict judge_exception(const azr_exec_run *run, azr_exec_limits limits, char **out_name,
                                   azr_strbuf *detail)
{
    azr_strbuf ignored = {0};
    azr_verdict verdict = of_run(run, &ignored);
    azr_strbuf_deinit(&ignored);
    bool raised = run->status == AZR_EXEC_EXCEPTION && verdict != AZR_VERDICT_FORBIDDEN;
    if (verdict != AZR_VERDICT_VALID && !raised)
        return of_run(run, detail);
    return is_slow(run, limits, detail) ? AZR_VERDICT_FAILED
                                        : azr_tasks__exception_of_run(run, out_name, detail);
}

/* VALID: *out_value is the canonical text, azr_free. */
static azr_verdict judge_value(const azr_exec_run *run, azr_exec_limits limits, char **out_value,
                               azr_strbuf *detail)
{
    azr_verdict verdict = of_run(run, detail);
    if (verdict != AZR_VERDICT_VALID)
        return verdict;
    if (is_slow(run, limits, detail))
        return AZR_VERDICT_FAILED;
    azr_literal *value = parse(run->value);
    bool is_value = value != NULL;
    char *text = is_value && azr_literal_equal(value, value) ? azr_literal_print(value) : NULL;
    azr_literal_destroy(value);
    if (text == NULL) {
        say(detail, is_value ? "nan equals nothing" : "the result cannot be read back");
        return AZR_VERDICT_NOT_LITERAL;
    }
    if (strlen(text) > (size_t)limits.result_bytes / RESULT_SHARE) {
        if (detail != NULL)
            azr_strbuf_printf(detail, "the result has %zu bytes, over half of the limit of %d",
                              strlen(text), limits.result_bytes);
        azr_free(text);
        return AZR_VERDICT_TOO_LONG;
    }
    *out_value = text;
    return AZR_VERDICT_VALID;
}

azr_verdict azr_proposal_judge(const azr_proposal *proposal, const azr_exec_reply *reply,
                               azr_exec_limits limits, azr_task *out_task, azr_strbuf *detail)
{
    if (proposal->verdict != AZR_VERDICT_VALID)
        return proposal->verdict;
    size_t n = proposal->n_inputs;
    if (is_internal(reply, n, detail))
        return AZR_VERDICT_INTERNAL;
    azr_verdict verdict = AZR_VERDICT_VALID;
    azr_task task = {.kind = proposal->kind,
                     .program = azr_copy_text(proposal->program, strlen(proposal->program)),
                     .n_pairs = n,
                     .inputs = azr_alloc(n, sizeof(char *)),
                     .outputs = azr_alloc(n, sizeof(char *))};
    if (proposal->message != NULL)
        task.message = azr_copy_text(proposal->message, strlen(proposal->message));
    for (size_t i = 0; verdict == AZR_VERDICT_VALID && i < n; i++) {
        task.inputs[i] = azr_copy_text(proposal->inputs[i], strlen(proposal->inputs[i]));
        verdict = proposal->kind == AZR_KIND_ERROR
                      ? judge_exception(&reply->runs[i], limits, &task.outputs[i], detail)
                      : judge_value(&reply->runs[i], limits, &task.outputs[i], detail);
    }
    if (verdict == AZR_VERDICT_VALID)
        *out_task = task;
    else
        azr_task_deinit(&task);
    return verdict;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The first of the pairs that an induction answer is judged on. */
static size_t first_judged(const azr_task *task, const azr_answer *answer)
{
    return task->kind == AZR_KIND_INDUCTION && !answer->all_pairs ? azr_task_given_pairs(task) : 0;
}

/* Arguments with calls of constructors, which may be allowed? A template's verdict on what is no
 * literal is BAD_LITERAL, or WRONG where form is another matter. */
static bool has_constructors(const azr_task *task, const azr_answer *answer)
{
    return task->kind == AZR_KIND_ABDUCTION && answer->constructors && answer->text != NULL &&
           (answer->verdict == AZR_VERDICT_BAD_LITERAL || answer->verdict == AZR_VERDICT_WRONG) &&
           strlen(answer->text) <= AZR_TASK_MAX_ARGUMENT_BYTES;
}

static bool is_to_be_run(const azr_task *task, const azr_answer *answer)
{
    if (task->kind == AZR_KIND_DEDUCTION || task->kind == AZR_KIND_ERROR)
        return false;
    return answer->verdict == AZR_VERDICT_CORRECT || has_constructors(task, answer);
}

static bool is_literal(const char *arguments)
{
    azr_literal *literal = NULL;
    bool good = azr_arguments_parse(arguments, strlen(arguments), &literal, NULL) == AZR_OK;
    azr_literal_destroy(literal);
    return good;
}

bool azr_answer_job(const azr_task *task, const azr_answer *answer, azr_exec_limits limits,
                    const char **out_inputs, azr_exec_job *out_job)
{
    if (!is_to_be_run(task, answer))
        return false;
    bool induction = task->kind == AZR_KIND_INDUCTION;
    size_t first = first_judged(task, answer), n = induction ? task->n_pairs - first : 1;
    for (size_t i = 0; i < n; i++)
        out_inputs[i] = induction ? task->inputs[first + i] : answer->text;
    bool literals = true;
    for (size_t i = 0; i < n; i++)
        literals = literals && is_literal(out_inputs[i]);
    *out_job = (azr_exec_job){.program = induction ? answer->text : task->program,
                              .inputs = out_inputs,
                              .n_inputs = n,
                              .allow_constructors = !literals,
                              .limits = limits};
    return true;
}

static azr_verdict compare_names(const char *gold, const char *name, azr_strbuf *detail)
{
    if (azr_tasks__same_exception(gold, name))
        return AZR_VERDICT_CORRECT;
    say(detail, name);
    say(detail, " is not ");
    say(detail, gold);
    return AZR_VERDICT_WRONG;
}

/* CORRECT or WRONG; INTERNAL when the task's own output cannot be read. */
static azr_verdict compare(const char *gold_text, const char *value_text, azr_strbuf *detail)
{
    azr_literal *gold = parse(gold_text), *value = parse(value_text);
    azr_verdict verdict = AZR_VERDICT_WRONG;
    if (gold == NULL) {
        say(detail, "the task's output is no plain value");
        verdict = AZR_VERDICT_INTERNAL;
    } else if (value == NULL) {
        verdict = AZR_VERDICT_NOT_LITERAL;
    } else if (azr_literal_equal(gold, value)) {
        verdict = AZR_VERDICT_CORRECT;
    } else {
        say(detail, value_text);
        say(detail, " is not ");
        say(detail, gold_text);
    }
    azr_literal_destroy(gold);
    azr_literal_destroy(value);
    return verdict;
}

static azr_verdict judge_run(const char *gold, const azr_exec_run *run, azr_strbuf *detail)
{
    azr_verdict verdict = of_run(run, detail);
    return verdict == AZR_VERDICT_VALID ? compare(gold, run->value, detail) : verdict;
}

/* Of the pairs that are not right, one with a value says more than one that failed. */
static azr_verdict judge_pairs(const azr_task *task, const azr_exec_reply *reply, size_t first_pair,
                               double *out_accuracy, azr_strbuf *detail)
{
    size_t n = task->n_pairs - first_pair, n_right = 0;
    azr_verdict first = AZR_VERDICT_CORRECT;
    azr_strbuf reason = {0};
    bool ran = false;
    for (size_t i = 0; i < n; i++) {
        azr_strbuf text = {0};
        azr_verdict verdict = judge_run(task->outputs[first_pair + i], &reply->runs[i], &text);
        n_right += verdict == AZR_VERDICT_CORRECT;
        ran |= verdict == AZR_VERDICT_CORRECT || verdict == AZR_VERDICT_WRONG;
        if (verdict == AZR_VERDICT_INTERNAL)
            first = verdict;
        if (first == AZR_VERDICT_CORRECT && verdict != AZR_VERDICT_CORRECT) {
            first = verdict;
            azr_strbuf_printf(&reason, "f(");
            azr_tasks__append_short(task->inputs[first_pair + i], &reason);
            azr_strbuf_printf(&reason, "): %s", azr_strbuf_text(&text));
        }
        azr_strbuf_deinit(&text);
    }
    *out_accuracy = first == AZR_VERDICT_INTERNAL ? 0 : (double)n_right / (double)n;
    if (detail != NULL && first != AZR_VERDICT_CORRECT)
        azr_strbuf_printf(detail, "%zu of %zu %s are right; %s", n_right, n,
                          first_pair > 0 ? "hidden calls" : "calls", azr_strbuf_text(&reason));
    azr_strbuf_deinit(&reason);
    return ran && first != AZR_VERDICT_CORRECT && first != AZR_VERDICT_INTERNAL ? AZR_VERDICT_WRONG
                                                                                : first;
}

azr_verdict azr_answer_judge(const azr_task *task, const azr_answer *answer,
                             const azr_exec_reply *reply, double *out_accuracy, azr_strbuf *detail)
{
    bool induction = task->kind == AZR_KIND_INDUCTION;
    double accuracy = 0;
    azr_verdict verdict = answer->verdict;
    if (has_constructors(task, answer))
        verdict = AZR_VERDICT_CORRECT; /* so far */
    if (verdict != AZR_VERDICT_CORRECT) {
        say(detail, verdict == AZR_VERDICT_BAD_LITERAL && answer->text != NULL ? answer->text : "");
    } else if (task->kind == AZR_KIND_DEDUCTION) {
        verdict = compare(task->outputs[0], answer->text, detail);
    } else if (task->kind == AZR_KIND_ERROR) {
        verdict = compare_names(task->outputs[0], answer->text, detail);
    } else if (is_internal(reply, induction ? task->n_pairs - first_judged(task, answer) : 1,
                           detail)) {
        verdict = AZR_VERDICT_INTERNAL;
    } else if (induction) {
        verdict = judge_pairs(task, reply, first_judged(task, answer), &accuracy, detail);
    } else {
        verdict = judge_run(task->outputs[0], &reply->runs[0], detail);
        if (verdict == AZR_VERDICT_BAD_LITERAL && answer->verdict != AZR_VERDICT_CORRECT)
            verdict = answer->verdict;
    }
    if (!induction)
        accuracy = verdict == AZR_VERDICT_CORRECT;
    if (out_accuracy != NULL)
        *out_accuracy = accuracy;
    return verdict;
}
