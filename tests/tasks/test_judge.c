/* test_judge.c: from replies of a sandbox that the test plays itself to verdicts. */
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const azr_template *transcript(void)
{
    const azr_template *template = NULL;
    assert_int_equal(azr_template_find("transcript", &template, NULL), AZR_OK);
    return template;
}

static azr_task task_of(azr_kind kind, const char *json)
{
    azr_task task;
    azr_error error = {0};
    if (azr_task_from_json(json, strlen(json), &task, &error) != AZR_OK)
        fail_msg("%s", error.text);
    if (kind != AZR_KIND_INDUCTION)
        task.kind = kind;
    return task;
}

/* A run that ended with a value; text is not copied. */
static azr_exec_run ok(const char *value)
{
    return (azr_exec_run){.status = AZR_EXEC_OK, .value = (char *)(uintptr_t)value};
}

static azr_exec_run failed(azr_exec_status status)
{
    return (azr_exec_run){.status = status};
}

static azr_exec_run raised(const char *exception, const char *message)
{
    return (azr_exec_run){.status = AZR_EXEC_EXCEPTION,
                          .exception = (char *)(uintptr_t)exception,
                          .message = (char *)(uintptr_t)message};
}

/* --- proposals -------------------------------------------------------------------------------- */

static azr_proposal propose(void)
{
    azr_proposal_request request = {.kind = AZR_KIND_ABDUCTION};
    static const char text[] = "a):\n    return a\n>>> f('x')\n";
    azr_proposal proposal;
    azr_template_parse_proposal(transcript(), &request, text, strlen(text), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    return proposal;
}

static azr_proposal propose_inputs(void)
{
    azr_proposal_request request = {
        .kind = AZR_KIND_INDUCTION, .program = "def f(a):\n    return a\n", .n_inputs = 2};
    static const char text[] = " h\n>>> f(1)\n>>> f(2)\n";
    azr_proposal proposal;
    azr_template_parse_proposal(transcript(), &request, text, strlen(text), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    return proposal;
}

static azr_verdict judge_run(azr_exec_run run, const char *detail_part)
{
    azr_proposal proposal = propose();
    azr_exec_reply reply = {&run, 1};
    azr_task task = {0};
    azr_strbuf detail = {0};
    azr_verdict verdict =
        azr_proposal_judge(&proposal, &reply, azr_exec_default_limits(), &task, &detail);
    if (detail_part != NULL && strstr(azr_strbuf_text(&detail), detail_part) == NULL)
        fail_msg("'%s' does not say '%s'", azr_strbuf_text(&detail), detail_part);
    azr_strbuf_deinit(&detail);
    assert_true(verdict == AZR_VERDICT_VALID || task.program == NULL);
    azr_task_deinit(&task);
    azr_proposal_deinit(&proposal);
    return verdict;
}

static void test_valid_proposal(void **state)
{
    (void)state;
    azr_proposal proposal = propose();
    azr_exec_run run = ok("{'b':  1,\"a\": 0x10}");
    azr_exec_reply reply = {&run, 1};
    azr_task task = {0};
    assert_int_equal(azr_proposal_judge(&proposal, &reply, azr_exec_default_limits(), &task, NULL),
                     AZR_VERDICT_VALID);
    azr_proposal_deinit(&proposal); /* the task has texts of its own */
    assert_int_equal(task.kind, AZR_KIND_ABDUCTION);
    assert_string_equal(task.program, "def f(a):\n    return a\n");
    assert_int_equal(task.n_pairs, 1);
    assert_string_equal(task.inputs[0], "'x'");
    assert_string_equal(task.outputs[0], "{'b': 1, 'a': 16}");
    assert_null(task.message);
    azr_task_deinit(&task);
}

static void test_proposal_statuses(void **state)
{
    (void)state;
    assert_int_equal(judge_run(ok("None"), NULL), AZR_VERDICT_VALID);
    assert_int_equal(judge_run(raised("ValueError", "no"), "ValueError: no"), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(raised("StopIteration", NULL), "StopIteration"), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(raised("KeyboardInterrupt", "\n"), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(raised(NULL, NULL), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(raised("ModuleNotFoundError", "No module named 'os'"), "'os'"),
                     AZR_VERDICT_FORBIDDEN);
    assert_int_equal(judge_run(raised("ImportError", NULL), NULL), AZR_VERDICT_FORBIDDEN);
    assert_int_equal(judge_run(failed(AZR_EXEC_TIMEOUT_CPU), "timeout_cpu"), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(failed(AZR_EXEC_TIMEOUT_WALL), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(failed(AZR_EXEC_MEMORY), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(failed(AZR_EXEC_CRASH), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(failed(AZR_EXEC_POLICY), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(failed(AZR_EXEC_NO_RESULT), NULL), AZR_VERDICT_FAILED);
    assert_int_equal(judge_run(failed(AZR_EXEC_TOO_LARGE), NULL), AZR_VERDICT_TOO_LONG);
    assert_int_equal(judge_run(failed(AZR_EXEC_NOT_LITERAL), NULL), AZR_VERDICT_NOT_LITERAL);
    assert_int_equal(judge_run(failed(AZR_EXEC_NONDETERMINISTIC), NULL),
                     AZR_VERDICT_NONDETERMINISTIC);
    assert_int_equal(judge_run(failed(AZR_EXEC_BAD_INPUT), NULL), AZR_VERDICT_BAD_LITERAL);
    assert_int_equal(judge_run(failed(AZR_EXEC_INTERNAL), NULL), AZR_VERDICT_INTERNAL);
    assert_int_equal(judge_run(failed(AZR_N_EXEC_STATUSES), NULL), AZR_VERDICT_INTERNAL);
}

static void test_proposal_values(void **state)
{
    (void)state;
    assert_int_equal(judge_run(ok(NULL), NULL), AZR_VERDICT_INTERNAL);
    assert_int_equal(judge_run(ok("<object>"), "read back"), AZR_VERDICT_NOT_LITERAL);
    assert_int_equal(judge_run(ok("nan"), "nan"), AZR_VERDICT_NOT_LITERAL);
    assert_int_equal(judge_run(ok("[1, {'a': nan}]"), "nan"), AZR_VERDICT_NOT_LITERAL);
    assert_int_equal(judge_run(ok("inf"), NULL), AZR_VERDICT_VALID);
    azr_exec_run run = ok("1");
    run.cpu_us = 250000;
    assert_int_equal(judge_run(run, NULL), AZR_VERDICT_VALID); /* a quarter of 1000 ms */
    run.cpu_us = 250001;
    assert_int_equal(judge_run(run, "a quarter of the 1000 ms"), AZR_VERDICT_FAILED);
    azr_strbuf text = {0};
    size_t half = (size_t)azr_exec_default_limits().result_bytes / 2;
    azr_strbuf_puts(&text, "'");
    while (text.size + 1 < half)
        azr_strbuf_puts(&text, "x");
    azr_strbuf_puts(&text, "'");
    assert_int_equal(judge_run(ok(text.data), NULL), AZR_VERDICT_VALID);
    text.data[half - 1] = 'x';
    azr_strbuf_puts(&text, "'");
    assert_int_equal(judge_run(ok(text.data), "over half of the limit"), AZR_VERDICT_TOO_LONG);
    azr_strbuf_deinit(&text);
    run = failed(AZR_EXEC_MEMORY);
    run.message = (char[]){"near the limit of memory"};
    assert_int_equal(judge_run(run, "near the limit"), AZR_VERDICT_FAILED);
}

static void test_induction_proposal(void **state)
{
    (void)state;
    azr_proposal proposal = propose_inputs();
    azr_exec_job job = azr_proposal_job(&proposal, azr_exec_default_limits());
    assert_int_equal(job.n_inputs, 2);
    assert_string_equal(job.inputs[1], "2");
    azr_exec_run runs[] = {ok("1"), ok("2"), ok("3")};
    azr_task task = {0};
    azr_exec_limits limits = azr_exec_default_limits();
    assert_int_equal(azr_proposal_judge(&proposal, &(azr_exec_reply){runs, 2}, limits, &task, NULL),
                     AZR_VERDICT_VALID);
    assert_int_equal(task.n_pairs, 2);
    assert_string_equal(task.message, "h");
    assert_string_equal(task.outputs[1], "2");
    azr_task_deinit(&task);
    /* fewer or more replies than inputs: the sandbox's fault */
    assert_int_equal(azr_proposal_judge(&proposal, &(azr_exec_reply){runs, 1}, limits, &task, NULL),
                     AZR_VERDICT_INTERNAL);
    assert_int_equal(azr_proposal_judge(&proposal, &(azr_exec_reply){runs, 3}, limits, &task, NULL),
                     AZR_VERDICT_INTERNAL);
    assert_int_equal(azr_proposal_judge(&proposal, NULL, limits, &task, NULL),
                     AZR_VERDICT_INTERNAL);
    /* one that fails makes the task invalid */
    runs[1] = raised("ValueError", NULL);
    assert_int_equal(azr_proposal_judge(&proposal, &(azr_exec_reply){runs, 2}, limits, &task, NULL),
                     AZR_VERDICT_FAILED);
    /* the sandbox's failure comes before the program's */
    runs[0] = raised("ValueError", NULL);
    runs[1] = failed(AZR_EXEC_INTERNAL);
    assert_int_equal(azr_proposal_judge(&proposal, &(azr_exec_reply){runs, 2}, limits, &task, NULL),
                     AZR_VERDICT_INTERNAL);
    azr_proposal_deinit(&proposal);
}

static void test_refused_proposal_stays_refused(void **state)
{
    (void)state;
    azr_proposal proposal = {.kind = AZR_KIND_DEDUCTION, .verdict = AZR_VERDICT_NO_CALL};
    azr_exec_run run = ok("1");
    azr_task task = {0};
    assert_int_equal(azr_proposal_judge(&proposal, &(azr_exec_reply){&run, 1},
                                        azr_exec_default_limits(), &task, NULL),
                     AZR_VERDICT_NO_CALL);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Parses and judges; run is what the sandbox would reply to each input. */
static azr_verdict judge_answer(const azr_task *task, const char *completion,
                                const azr_exec_run *runs, size_t n_runs, double *out_accuracy)
{
    azr_answer answer;
    azr_template_parse_answer(transcript(), task, completion, strlen(completion), "", &answer);
    const char *inputs[16];
    azr_exec_job job;
    bool needed = azr_answer_job(task, &answer, azr_exec_default_limits(), inputs, &job);
    azr_exec_reply reply = {(azr_exec_run *)(uintptr_t)runs, n_runs};
    azr_strbuf detail = {0};
    azr_verdict verdict =
        azr_answer_judge(task, &answer, needed ? &reply : NULL, out_accuracy, &detail);
    azr_strbuf_deinit(&detail);
    azr_answer_deinit(&answer);
    return verdict;
}

/* Deduction: is this answer right for this output? No run may be needed. */
static azr_verdict deduce(const char *gold, const char *completion)
{
    azr_task task;
    azr_task_identity(AZR_KIND_DEDUCTION, &task);
    azr_free(task.outputs[0]);
    task.outputs[0] = azr_copy_text(gold, strlen(gold));
    double accuracy = -1;
    azr_verdict verdict = judge_answer(&task, completion, NULL, 0, &accuracy);
    assert_true(accuracy == (verdict == AZR_VERDICT_CORRECT ? 1 : 0));
    azr_task_deinit(&task);
    return verdict;
}

/* azr-spec 2.4 and 10.4. */
static void test_equality(void **state)
{
    (void)state;
    assert_int_equal(deduce("{1, 2}", "{2, 1}"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("[1, 2]", "(1, 2)"), AZR_VERDICT_WRONG);
    assert_int_equal(deduce("1", "1.0"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("True", "1"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("nan", "nan"), AZR_VERDICT_WRONG);
    assert_int_equal(deduce("'a'", "\"a\"  # the same"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("'a'", "b'a'"), AZR_VERDICT_WRONG);
    assert_int_equal(deduce("'1'", "1"), AZR_VERDICT_WRONG);
    assert_int_equal(deduce("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1.0}"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("None", "None"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("None", ""), AZR_VERDICT_NO_ANSWER);
    assert_int_equal(deduce("0.1", "0.10000000000000001"), AZR_VERDICT_CORRECT);
    assert_int_equal(deduce("0.3", "0.30000000000000004"), AZR_VERDICT_WRONG);
}

/* azr-spec 5.4 and executor.md 1.3: what got reward 1 in the reference. */
static void test_deduction_forgeries(void **state)
{
    (void)state;
    static const char *const forgeries[] = {
        "type(\"A\",(),{\"__eq__\":lambda s,o:True})()",
        "gold",
        "locals()['gold']",
        "__import__('os').system('true')",
        "16 or 1",
        "(lambda: 16)()",
        "[x for x in [16]][0]",
        "print(16)",
        "f(-4)",
        "16; 16",
        "eval('16')",
    };
    for (size_t i = 0; i < AZR_COUNT(forgeries); i++)
        assert_int_equal(deduce("16", forgeries[i]), AZR_VERDICT_BAD_LITERAL);
}

static const char square_json[] = "{\"program\": \"def f(x):\\n    return x * x\","
                                  " \"input\": \"-4\", \"output\": \"16\"}";

static void test_abduction(void **state)
{
    (void)state;
    azr_task task = task_of(AZR_KIND_ABDUCTION, square_json);
    azr_exec_run run = ok("16");
    assert_int_equal(judge_answer(&task, "4)", &run, 1, NULL), AZR_VERDICT_CORRECT);
    assert_int_equal(judge_answer(&task, "-4)", &run, 1, NULL), AZR_VERDICT_CORRECT);
    run = ok("16.0");
    assert_int_equal(judge_answer(&task, "4.0)", &run, 1, NULL), AZR_VERDICT_CORRECT);
    run = ok("25");
    assert_int_equal(judge_answer(&task, "5)", &run, 1, NULL), AZR_VERDICT_WRONG);
    run = raised("TypeError", "no");
    assert_int_equal(judge_answer(&task, "'4')", &run, 1, NULL), AZR_VERDICT_FAILED);
    run = failed(AZR_EXEC_TIMEOUT_CPU);
    assert_int_equal(judge_answer(&task, "4)", &run, 1, NULL), AZR_VERDICT_FAILED);
    run = failed(AZR_EXEC_NOT_LITERAL);
    assert_int_equal(judge_answer(&task, "4)", &run, 1, NULL), AZR_VERDICT_NOT_LITERAL);
    run = failed(AZR_EXEC_INTERNAL);
    assert_int_equal(judge_answer(&task, "4)", &run, 1, NULL), AZR_VERDICT_INTERNAL);
    assert_int_equal(judge_answer(&task, "4)", &run, 0, NULL), AZR_VERDICT_INTERNAL);
    azr_task_deinit(&task);
}

/* Refused as they are read: no sandbox sees them. */
static void test_abduction_forgeries(void **state)
{
    (void)state;
    azr_task task = task_of(AZR_KIND_ABDUCTION, square_json);
    azr_exec_run run = ok("16");
    static const char *const forgeries[] = {
        "5) or (1",        "5) or (16)", "1) or (7)",   "print(16))", "4 if True else 5)",
        "x for x in [4])", "*[4])",      "**{'x': 4})", "(4).real)",  "4)\\",
        "4);f(4)",
    };
    for (size_t i = 0; i < AZR_COUNT(forgeries); i++)
        assert_int_equal(judge_answer(&task, forgeries[i], &run, 1, NULL), AZR_VERDICT_BAD_LITERAL);
    azr_task_deinit(&task);
}

static void test_jobs(void **state)
{
    (void)state;
    azr_task task = task_of(AZR_KIND_ABDUCTION, square_json);
    azr_answer answer = {.verdict = AZR_VERDICT_CORRECT, .text = azr_copy_text("4", 1)};
    const char *inputs[8];
    azr_exec_job job;
    assert_true(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    assert_int_equal(job.n_inputs, 1);
    assert_string_equal(job.inputs[0], "4");
    assert_ptr_equal(job.program, task.program);
    assert_false(job.check_determinism);
    answer.verdict = AZR_VERDICT_NO_ANSWER;
    assert_false(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    azr_task_deinit(&task);
    azr_task_identity(AZR_KIND_INDUCTION, &task);
    answer.verdict = AZR_VERDICT_CORRECT;
    assert_true(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    assert_ptr_equal(job.program, answer.text);
    assert_int_equal(job.n_inputs, 3); /* the hidden half alone */
    assert_string_equal(job.inputs[0], task.inputs[3]);
    assert_string_equal(job.inputs[2], task.inputs[5]);
    answer.all_pairs = true;
    assert_true(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    assert_int_equal(job.n_inputs, 6);
    assert_string_equal(job.inputs[0], task.inputs[0]);
    azr_exec_run runs[6];
    double accuracy = 0;
    for (size_t i = 0; i < 6; i++)
        runs[i] = ok(i == 0 ? "'else'" : task.outputs[i]);
    const azr_exec_reply reply = {runs, 6};
    assert_int_equal(azr_answer_judge(&task, &answer, &reply, &accuracy, NULL), AZR_VERDICT_WRONG);
    assert_true(accuracy == 5.0 / 6.0);
    answer.all_pairs = false;
    task.kind = AZR_KIND_DEDUCTION;
    assert_false(azr_answer_job(&task, &answer, azr_exec_default_limits(), inputs, &job));
    azr_task_deinit(&task);
    azr_answer_deinit(&answer);
}

static azr_verdict induce(azr_exec_run a, azr_exec_run b, double *out_accuracy)
{
    azr_task task = task_of(AZR_KIND_INDUCTION,
                            "{\"program\": \"def f(x):\\n    return x + 1\", \"message\": \"h\","
                            " \"inputs\": [\"1\", \"2\", \"3\", \"4\"],"
                            " \"outputs\": [\"2\", \"3\", \"4\", \"5\"]}");
    azr_exec_run runs[] = {a, b};
    azr_verdict verdict = judge_answer(&task, "x):\n    return x + 1", runs, 2, out_accuracy);
    azr_task_deinit(&task);
    return verdict;
}

static void test_induction(void **state)
{
    (void)state;
    double accuracy;
    assert_int_equal(induce(ok("4"), ok("5"), &accuracy), AZR_VERDICT_CORRECT);
    assert_true(accuracy == 1);
    assert_int_equal(induce(ok("4"), ok("6"), &accuracy), AZR_VERDICT_WRONG);
    assert_true(accuracy == 0.5);
    assert_int_equal(induce(ok("2"), ok("3"), &accuracy), AZR_VERDICT_WRONG); /* the given ones */
    assert_true(accuracy == 0);
    assert_int_equal(induce(raised("KeyError", NULL), ok("5"), &accuracy), AZR_VERDICT_WRONG);
    assert_true(accuracy == 0.5);
    assert_int_equal(induce(raised("SyntaxError", NULL), raised("SyntaxError", NULL), &accuracy),
                     AZR_VERDICT_FAILED);
    assert_true(accuracy == 0);
    /* an object that equals everything is no plain value */
    assert_int_equal(induce(failed(AZR_EXEC_NOT_LITERAL), failed(AZR_EXEC_NOT_LITERAL), &accuracy),
                     AZR_VERDICT_NOT_LITERAL);
    assert_int_equal(induce(ok("4"), failed(AZR_EXEC_INTERNAL), &accuracy), AZR_VERDICT_INTERNAL);
    assert_true(accuracy == 0);
    assert_int_equal(induce(ok("6"), failed(AZR_EXEC_INTERNAL), &accuracy), AZR_VERDICT_INTERNAL);
}

/* Whatever the sandbox's trouble, it is never the model's mistake, nor its success. */
static void test_internal_is_never_a_verdict_on_the_answer(void **state)
{
    (void)state;
    assert_false(azr_verdict_well_formed(AZR_VERDICT_INTERNAL));
    azr_task task = task_of(AZR_KIND_ABDUCTION, square_json);
    azr_free(task.outputs[0]);
    task.outputs[0] = azr_copy_text("<gold>", 6); /* a store that somebody edited */
    azr_exec_run run = ok("16");
    assert_int_equal(judge_answer(&task, "4)", &run, 1, NULL), AZR_VERDICT_INTERNAL);
    azr_task_deinit(&task);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void assert_json_refused(const char *json, const char *part)
{
    azr_task task;
    azr_error error = {0};
    azr_status status = azr_task_from_json(json, strlen(json), &task, &error);
    if (status == AZR_OK)
        fail_msg("accepted: %s", json);
    assert_int_equal(status, error.status);
    assert_null(task.program);
    if (strstr(error.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, part);
}

static void test_json_refused(void **state)
{
    (void)state;
    assert_json_refused("", "no JSON");
    assert_json_refused("{", "no JSON");
    assert_json_refused("[]", "JSON object");
    assert_json_refused("{\"kind\": \"guessing\"}", "field 'kind' must be deduction");
    assert_json_refused("{\"kind\": 3}", "field 'kind' must be a text");
    assert_json_refused("{}", "field 'program' is missing");
    assert_json_refused("{\"program\": 1}", "field 'program' must be a text");
    assert_json_refused("{\"program\": \"g = 1\"}", "field 'program' has no function f");
    assert_json_refused("{\"snippet\": \"  def f(): pass\"}", "field 'snippet' has no function f");
    assert_json_refused("{\"program\": \"def f(): pass\\u0001\"}", "control characters");
    assert_json_refused("{\"program\": \"def f(): pass\\u0000\"}", "no JSON");
    assert_json_refused("{\"program\": \"def f(): pass\"}", "field 'input' is missing");
    assert_json_refused("{\"program\": \"def f(): pass\", \"input\": \"g()\", \"output\": \"1\"}",
                        "field 'input' must");
    assert_json_refused("{\"program\": \"def f(): pass\", \"input\": \"\"}",
                        "field 'output' is missing");
    assert_json_refused("{\"program\": \"def f(): pass\", \"input\": \"\", \"output\": \"1 2\"}",
                        "field 'output' must be a plain value");
    assert_json_refused("{\"program\": \"def f(): pass\", \"imports\": 1}", "field 'imports'");
    assert_json_refused("{\"program\": \"def f(): pass\", \"imports\": [1]}", "field 'imports'");
    assert_json_refused("{\"program\": \"def f(): pass\", \"kind\": \"induction\"}",
                        "field 'inputs' is missing");
    assert_json_refused("{\"program\": \"def f(): pass\", \"inputs\": [\"1\"]}", "2 to 1024");
    assert_json_refused("{\"program\": \"def f(): pass\", \"inputs\": [\"1\", \"2\"],"
                        " \"outputs\": [\"1\"]}",
                        "field 'outputs' must be a list of 2 texts");
    assert_json_refused("{\"program\": \"def f(): pass\", \"inputs\": [\"1\", \"2\"],"
                        " \"outputs\": [\"1\", \"f\"], \"message\": \"\"}",
                        "field 'outputs[1]'");
    assert_json_refused("{\"program\": \"def f(): pass\", \"inputs\": [\"1\", \"2\"],"
                        " \"outputs\": [\"1\", \"2\"]}",
                        "field 'message' is missing");
    assert_json_refused("{\"program\": \"def f(): pass\", \"program\": \"def f(): 1\"}", "no JSON");
}

static void assert_json(const char *json, const char *expected)
{
    azr_task task = task_of(AZR_KIND_INDUCTION, json);
    char *text = azr_task_to_json(&task);
    assert_string_equal(text, expected);
    azr_free(text);
    azr_task_deinit(&task);
}

static void test_json(void **state)
{
    (void)state;
    assert_json("{\"program\": \"def f(a):\\n  return a\", \"input\": \"a = 0x10\","
                " \"output\": \"\\\"\\u00e9\\\"\"}",
                "{\"kind\": \"deduction\", \"program\": \"def f(a):\\n  return a\\n\","
                " \"input\": \"a=16\", \"output\": \"'\xc3\xa9'\"}");
    assert_json("{\"kind\": \"abduction\", \"program\": \"def f(): pass\\n\\n\", \"input\": \"\","
                " \"output\": \"None\", \"extra\": {}}",
                "{\"kind\": \"abduction\", \"program\": \"def f(): pass\\n\", \"input\": \"\","
                " \"output\": \"None\"}");
    assert_json("{\"program\": \"def f(a): pass\", \"inputs\": [\"1\", \"2\"],"
                " \"outputs\": [\"1\", \"2\"], \"message\": \" \\n\"}",
                "{\"kind\": \"induction\", \"program\": \"def f(a): pass\\n\","
                " \"inputs\": [\"1\", \"2\"], \"outputs\": [\"1\", \"2\"], \"message\": \"\"}");
    /* the reference implementation's fields */
    assert_json(
        "{\"snippet\": \"import re\\ndef f(a):\\n    return a\", \"inputs\": [\"1\", \"[]\"],"
        " \"outputs\": [\"1\", \"[]\"], \"message\": \"two\\n lines\","
        " \"imports\": [\"import re\", \"import math\"]}",
        "{\"kind\": \"induction\", \"program\":"
        " \"import math\\nimport re\\ndef f(a):\\n    return a\\n\","
        " \"inputs\": [\"1\", \"[]\"], \"outputs\": [\"1\", \"[]\"],"
        " \"message\": \"two lines\"}");
}

/* Lines of a task file with bytes changed: read or refused, never worse; what is read can be
 * written and read again. */
static void test_json_noise(void **state)
{
    (void)state;
    static const char line[] =
        "{\"snippet\": \"def f(a): return a\", \"inputs\": [\"1\", \"{2: (3,)}\"],"
        " \"outputs\": [\"'x'\", \"[]\"], \"message\": \"m\", \"imports\": []}";
    static const char noise[] = "{}[]\",:\\'() 1aun\x80\xff";
    azr_rng_key key = {.seed = 2, .purpose = AZR_RNG_TEST};
    size_t n_read = 0;
    for (key.sequence = 0; key.sequence < 4000; key.sequence++) {
        size_t size = strlen(line);
        char *text = malloc(size); /* exactly as large as said */
        assert_non_null(text);
        memcpy(text, line, size);
        uint32_t n = 0;
        size_t n_changes = 1 + (size_t)azr_rng_below(&key, n++, 3);
        for (size_t i = 0; i < n_changes; i++) {
            size_t at = (size_t)azr_rng_below(&key, n++, size);
            text[at] = noise[azr_rng_below(&key, n++, sizeof noise)];
        }
        if (azr_rng_below(&key, n++, 8) == 0)
            size = (size_t)azr_rng_below(&key, n++, size);
        azr_task task;
        if (azr_task_from_json(text, size, &task, NULL) == AZR_OK) {
            char *json = azr_task_to_json(&task);
            azr_task_deinit(&task);
            task = task_of(AZR_KIND_INDUCTION, json);
            azr_free(json);
            azr_task_deinit(&task);
            n_read++;
        }
        free(text);
    }
    assert_in_range(n_read, 100, 3900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_proposal),
        cmocka_unit_test(test_proposal_statuses),
        cmocka_unit_test(test_proposal_values),
        cmocka_unit_test(test_induction_proposal),
        cmocka_unit_test(test_refused_proposal_stays_refused),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_deduction_forgeries),
        cmocka_unit_test(test_abduction),
        cmocka_unit_test(test_abduction_forgeries),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_induction),
        cmocka_unit_test(test_internal_is_never_a_verdict_on_the_answer),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
