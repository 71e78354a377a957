/* cmd_solve.c: azr solve: the model's attempts at given tasks, with the verdict on each. */
#include "app/colour.h"
#include "app/engine.h"
#include "app/task_file.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct solve_options {
    azr_settings settings;
    const char *file;
    int64_t n;
    bool json;
} solve_options;

/* One attempt under way. */
typedef struct attempt {
    azr_answer answer;
    bool submitted; /* its program runs: wait for the ticket */
    uint64_t ticket;
} attempt;

typedef struct solving {
    const solve_options *options;
    azr_executor *executor;
    azr_engine engine;
    const azr_template *template;
    azr_task_list list;
    azr_rollout_request *requests; /* by task */
    int32_t **prompts;
    attempt *attempts; /* by task, then sample */
    azr_status status; /* of submitting, while others still decode */
    azr_error error;
} solving;

static attempt *attempt_of(const solving *s, const azr_sample *sample)
{
    return &s->attempts[sample->request * (size_t)s->options->n + sample->index];
}

static void on_finish(void *context, const azr_sample *sample)
{
    solving *s = context;
    const azr_task *task = &s->list.tasks[sample->request];
    attempt *a = attempt_of(s, sample);
    azr_template_parse_answer(s->template, task, sample->text, sample->text_size, sample->end,
                              &a->answer);
    a->answer.all_pairs = s->options->settings.config.induction_check == AZR_INDUCTION_CHECK_ALL;
    a->answer.constructors = s->options->settings.config.allow_constructors;
    if (s->status != AZR_OK)
        return;
    const char **inputs = azr_alloc(task->n_pairs, sizeof(const char *));
    azr_exec_job job;
    if (azr_answer_job(task, &a->answer, azr_settings_limits(&s->options->settings.config), inputs,
                       &job)) {
        s->status = azr_executor_submit(s->executor, &job, &a->ticket, &s->error);
        a->submitted = s->status == AZR_OK;
    }
    azr_free(inputs);
}

static void print_attempt(const solving *s, const azr_sample *sample, azr_verdict verdict,
                          double accuracy, const char *detail)
{
    const azr_task *task = &s->list.tasks[sample->request];
    const attempt *a = attempt_of(s, sample);
    if (!s->options->json) {
        const char *answer = a->answer.text != NULL ? a->answer.text : "-";
        printf("task %zu, attempt %zu: ", sample->request + 1, sample->index + 1);
        azr_verdict_print(verdict, detail);
        printf(": ");
        azr_text_print(answer, strlen(answer));
        printf("\n");
        return;
    }
    json_t *object = json_object();
    json_object_set_new(object, "task", json_integer((json_int_t)sample->request + 1));
    json_object_set_new(object, "kind", json_string(azr_kind_name(task->kind)));
    azr_verdict_describe(verdict, detail, object);
    json_object_set_new(object, "accuracy", json_real(accuracy));
    json_object_set_new(object, "answer", azr_json_text_or_null(a->answer.text));
    azr_task_describe(task, object);
    json_object_set_new(object, "text", azr_json_text(sample->text, sample->text_size));
    json_object_set_new(object, "n_tokens", json_integer((json_int_t)sample->n_tokens));
    azr_json_line(object);
}

static azr_status judge(solving *s, const azr_sample *sample, size_t *n_correct, azr_error *error)
{
    const azr_task *task = &s->list.tasks[sample->request];
    const attempt *a = attempt_of(s, sample);
    azr_exec_reply reply = {0};
    azr_strbuf detail = {0};
    if (a->submitted) {
        azr_status status = azr_executor_wait(s->executor, a->ticket, &reply, error);
        if (status != AZR_OK)
            return status;
    }
    double accuracy = 0;
    azr_verdict verdict =
        azr_answer_judge(task, &a->answer, a->submitted ? &reply : NULL, &accuracy, &detail);
    print_attempt(s, sample, verdict, accuracy, azr_strbuf_text(&detail));
    *n_correct += verdict == AZR_VERDICT_CORRECT;
    azr_strbuf_deinit(&detail);
    azr_exec_reply_deinit(&reply);
    return AZR_OK;
}

/* Prompts of all tasks to requests; *out_longest: tokens of the longest prompt with its answer. */
static azr_status prepare_requests(solving *s, size_t *out_longest, azr_error *error)
{
    const azr_config *config = &s->options->settings.config;
    size_t n_samples = (size_t)s->options->n;
    s->requests = azr_alloc(s->list.n, sizeof *s->requests);
    s->prompts = azr_alloc(s->list.n, sizeof *s->prompts);
    azr_strbuf prompt = {0};
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < s->list.n; i++) {
        azr_strbuf_reset(&prompt);
        azr_template_solve(s->template, &s->list.tasks[i], config->exec_cpu_ms, &prompt);
        size_t n_ids = 0;
        status = azr_template_encode(s->template, s->engine.tokenizer, azr_strbuf_text(&prompt),
                                     prompt.size, &s->prompts[i], &n_ids, error);
        if (status != AZR_OK)
            break;
        const char *const *stops =
            azr_template_stops(s->template, AZR_ROLE_SOLVER, s->list.tasks[i].kind);
        s->requests[i] = azr_settings_request(config, s->prompts[i], n_ids, stops, n_samples,
                                              (uint32_t)(i * n_samples));
        size_t n_tokens = n_ids + s->requests[i].max_tokens;
        *out_longest = n_tokens > *out_longest ? n_tokens : *out_longest;
    }
    azr_strbuf_deinit(&prompt);
    return status;
}

static azr_status solve(solving *s, azr_error *error)
{
    const azr_config *config = &s->options->settings.config;
    size_t n_correct = 0;
    azr_rollout rollout = {0};
    s->attempts = azr_alloc(s->list.n * (size_t)s->options->n, sizeof *s->attempts);
    azr_rollout_options options = {0};
    size_t longest = 0;
    azr_status status = prepare_requests(s, &longest, error);
    if (status == AZR_OK)
        status = azr_engine_rollout_options(&s->engine, config, s->list.n * (size_t)s->options->n,
                                            longest, &options, error);
    options.on_finish = on_finish;
    options.context = s;
    if (status == AZR_OK)
        status = azr_rollout_run(s->engine.model, s->engine.tokenizer, s->requests, s->list.n,
                                 &options, &rollout, error);
    if (status == AZR_OK && s->status != AZR_OK) {
        *error = s->error;
        status = s->status;
    }
    for (size_t i = 0; status == AZR_OK && i < rollout.n_samples; i++)
        status = judge(s, &rollout.samples[i], &n_correct, error);
    if (status == AZR_OK)
        fprintf(stderr, "[%zu of %zu attempts are correct; %lld tokens in %.1f s]\n", n_correct,
                rollout.n_samples, (long long)rollout.n_response_tokens, rollout.seconds);
    azr_rollout_deinit(&rollout);
    return status;
}

static azr_status work(const solve_options *options, azr_error *error)
{
    const azr_config *config = &options->settings.config;
    solving s = {.options = options};
    azr_status status = azr_template_find(config->template, &s.template, error);
    if (status == AZR_OK)
        status = azr_task_file_read(options->file, &s.list, error);
    if (status == AZR_OK)
        status = azr_settings_executor(config, &s.executor, error);
    if (status == AZR_OK)
        status = azr_engine_open(config, &s.engine, error);
    if (status == AZR_OK)
        status = azr_template_check(s.template, s.engine.tokenizer, config->model, error);
    if (status == AZR_OK)
        status = solve(&s, error);
    for (size_t i = 0; s.attempts != NULL && i < s.list.n * (size_t)options->n; i++)
        azr_answer_deinit(&s.attempts[i].answer);
    for (size_t i = 0; s.prompts != NULL && i < s.list.n; i++)
        azr_free(s.prompts[i]);
    azr_free(s.attempts);
    azr_free(s.prompts);
    azr_free(s.requests);
    azr_task_list_deinit(&s.list);
    azr_engine_close(&s.engine);
    azr_executor_destroy(s.executor);
    return status;
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    solve_options options = {.n = 1};
    azr_settings_init(&options.settings);
    const azr_option rows[] = {
        AZR_SETTINGS_ROWS(options.settings),
        {.name = "task",
         .type = AZR_OPTION_TEXT,
         .value = &options.file,
         .argument = "FILE",
         .help = "tasks, one JSON object a line: kind, program, input, output (induction: "
                 "inputs, outputs, message); required"},
        {.name = "attempts",
         .letter = 'n',
         .type = AZR_OPTION_INTEGER,
         .value = &options.n,
         .argument = "N",
         .help = "attempts at each task",
         .min = 1,
         .max = 65536},
        {.name = "max-tokens",
         .type = AZR_OPTION_INTEGER,
         .value = &options.settings.config.max_response_tokens,
         .argument = "TOKENS",
         .help = "longest answer",
         .min = 1,
         .max = 1e6},
        AZR_SAMPLING_ROWS(options.settings),
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &options.json,
         .help = "one object an attempt: verdict, reason, answer, program, input, output, text"},
        AZR_SET_ROW(options.settings),
    };
    const azr_usage usage = {
        .synopsis = "azr solve -m MODEL --task FILE [-n N] [--json]",
        .about = "Lets the model solve tasks and prints the verdict on each attempt.\n",
        .options = rows,
        .n_options = AZR_COUNT(rows),
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help) {
        if (options.file == NULL)
            status = azr_error_set(error, AZR_ERROR_INPUT, "solve needs --task FILE");
        if (status == AZR_OK)
            status = azr_settings_apply(&options.settings, error);
        if (status == AZR_OK)
            status = work(&options, error);
    }
    azr_settings_deinit(&options.settings);
    return status;
}

const azr_command azr_cmd_solve = {
    .name = "solve", .summary = "the model's attempts at given tasks, with verdicts", .run = run};
