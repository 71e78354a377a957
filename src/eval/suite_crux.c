/* suite_crux.c: CRUXEval (Gu et al., "CRUXEval: A Benchmark for Code Reasoning, Understanding and
 * Execution", arXiv 2401.03065): a function and its input, what does it give (O); a function and an
 * output, which input gives it (I). Asked as deduction and abduction tasks are. */
#include "eval/suite.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

/* The benchmark's time limit for one run. */
enum { CPU_MS = 3000 };

static azr_status read_item(const azr_eval_suite *suite, const azr_eval_line *line,
                            azr_eval_item *item, azr_error *error)
{
    azr_task *task = &item->task;
    task->kind = suite->kind;
    task->n_pairs = 1;
    task->inputs = azr_alloc(1, sizeof *task->inputs);
    task->outputs = azr_alloc(1, sizeof *task->outputs);
    azr_status status = azr_eval__text_field(line, "id", &item->id, error);
    char *code = NULL;
    if (status == AZR_OK)
        status = azr_eval__text_field(line, "code", &code, error);
    if (status == AZR_OK)
        status = azr_eval__text_field(line, "input", &task->inputs[0], error);
    if (status == AZR_OK)
        status = azr_eval__text_field(line, "output", &task->outputs[0], error);
    if (status == AZR_OK) {
        azr_literal *value = NULL;
        azr_error why;
        size_t size = strlen(task->outputs[0]);
        if (azr_literal_parse(task->outputs[0], size, &value, &why) != AZR_OK)
            status = azr_error_set(error, AZR_ERROR_INPUT, "%s, line %zu: output: %.500s",
                                   line->path, line->number, why.text);
        azr_literal_destroy(value);
        azr_strbuf program = {0};
        azr_strbuf_printf(&program, "%s\n", code);
        task->program = azr_strbuf_steal(&program);
        item->reference = azr_copy_text(task->outputs[0], size);
        const char *own = suite->kind == AZR_KIND_DEDUCTION ? task->outputs[0] : task->inputs[0];
        item->canonical = azr_copy_text(own, strlen(own));
    }
    azr_free(code);
    return status;
}

static void ask(const azr_eval_way *way, const azr_eval_item *item, azr_strbuf *out)
{
    azr_template_solve(way->template, &item->task, CPU_MS, out);
}

static const char *const *stops(const azr_eval_way *way, const azr_eval_item *item)
{
    return azr_template_stops(way->template, AZR_ROLE_SOLVER, item->task.kind);
}

static char *answer_of(const azr_eval_way *way, const azr_eval_item *item, const char *completion,
                       size_t size, const char *end)
{
    azr_answer answer;
    /* What was answered counts here, also when the model would have gone on after it. */
    azr_template_parse_answer(way->template, &item->task, completion, size, end != NULL ? end : "",
                              &answer);
    char *text = NULL;
    if (answer.text != NULL && answer.text[0] != '\0' && answer.verdict != AZR_VERDICT_NO_ANSWER)
        text = azr_copy_text(answer.text, strlen(answer.text));
    azr_answer_deinit(&answer);
    return text;
}

static azr_eval_verdict judge_value(const char *text, const char *reference, azr_strbuf *why)
{
    azr_literal *value = NULL, *wanted = NULL;
    azr_status status = azr_literal_parse(text, strlen(text), &value, NULL);
    AZR_CHECK(azr_literal_parse(reference, strlen(reference), &wanted, NULL) == AZR_OK);
    bool right = status == AZR_OK && azr_literal_equal(value, wanted);
    if (status != AZR_OK)
        azr_strbuf_puts(why, "is no literal");
    else if (!right)
        azr_strbuf_puts(why, "another value");
    azr_literal_destroy(value);
    azr_literal_destroy(wanted);
    return right ? AZR_EVAL_RIGHT : AZR_EVAL_WRONG;
}

static azr_eval_verdict judge_output(const azr_eval_item *item, const char *answer,
                                     const azr_exec_reply *reply, azr_strbuf *why)
{
    (void)reply;
    return judge_value(answer, item->reference, why);
}

/* Arguments that are no plain literals (range(3), a lambda, a name of the program) are evaluated in
 * the sandbox by a call of a function that only takes them down; then f is called with them. So a
 * text that ends the call early changes nothing about f's result, and what it may name is
 * constructors and the program's plain globals: not f, not a way to exchange it. */
static const char expression_caller[] =
    "\n\n"
    "def azr_eval_call(text):\n"
    "    if '__' in text:\n"
    "        raise SyntaxError('no argument list')\n"
    "    calls = []\n"
    "    def take(*arguments, **keywords):\n"
    "        calls.append((arguments, keywords))\n"
    "    plain = (int, float, complex, str, bytes, list, tuple, dict, set, frozenset,\n"
    "             type(None))\n"
    "    space = {k: v for k, v in globals().items() if type(v) in plain and k[:2] != '__'}\n"
    "    known = (dict, list, set, frozenset, tuple, range, str, int, float, bool, complex, "
    "bytes,\n"
    "             bytearray, sorted, reversed, len, chr, ord, zip, enumerate, map, filter, min,\n"
    "             max, sum, abs)\n"
    "    space['__builtins__'] = {x.__name__: x for x in known}\n"
    "    space['azr_eval_take'] = take\n"
    "    eval('azr_eval_take(' + text + '\\n)', space)\n"
    "    if len(calls) != 1:\n"
    "        raise SyntaxError('no argument list')\n"
    "    return f(*calls[0][0], **calls[0][1])\n";

static bool job(const azr_eval_item *item, const char *answer, azr_eval_job *out)
{
    azr_literal *arguments = NULL;
    bool plain = azr_arguments_parse(answer, strlen(answer), &arguments, NULL) == AZR_OK;
    azr_literal_destroy(arguments);
    azr_strbuf_puts(&out->program, item->task.program);
    if (plain) {
        azr_strbuf_puts(&out->input, answer);
    } else {
        azr_strbuf_puts(&out->program, expression_caller);
        azr_eval__python_text(answer, strlen(answer), &out->input);
    }
    out->inputs = azr_alloc(1, sizeof *out->inputs);
    out->inputs[0] = azr_strbuf_text(&out->input);
    out->job = (azr_exec_job){.kind = AZR_EXEC_CALL,
                              .program = azr_strbuf_text(&out->program),
                              .inputs = out->inputs,
                              .n_inputs = 1,
                              .function = plain ? "f" : "azr_eval_call",
                              .wide_modules = true,
                              .limits = azr_exec_evaluation_limits()};
    out->job.limits.cpu_ms = CPU_MS;
    return true;
}

static azr_eval_verdict judge_input(const azr_eval_item *item, const char *answer,
                                    const azr_exec_reply *reply, azr_strbuf *why)
{
    (void)answer;
    const azr_exec_run *run = &reply->runs[0];
    if (run->status == AZR_EXEC_OK)
        return judge_value(run->value, item->reference, why);
    azr_eval__say_run(run, why);
    return AZR_EVAL_WRONG;
}

const azr_eval_suite azr_eval__cruxeval_o = {
    .name = "cruxeval-o",
    .template = "transcript",
    .tasks = true,
    .max_tokens = 128,
    .kind = AZR_KIND_DEDUCTION,
    .read = read_item,
    .ask = ask,
    .stops = stops,
    .answer = answer_of,
    .judge = judge_output,
};

const azr_eval_suite azr_eval__cruxeval_i = {
    .name = "cruxeval-i",
    .template = "transcript",
    .tasks = true,
    .max_tokens = 128,
    .kind = AZR_KIND_ABDUCTION,
    .read = read_item,
    .ask = ask,
    .stops = stops,
    .answer = answer_of,
    .job = job,
    .judge = judge_input,
};
