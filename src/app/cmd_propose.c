/* cmd_propose.c: azr propose: tasks that the model proposes, with the verdict on each. */
#include "app/colour.h"
#include "app/engine.h"
#include "app/task_file.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct propose_options {
    azr_settings settings;
    const char *kind_name, *from;
    azr_kind kind;
    int64_t n;
    bool json;
} propose_options;

/* One proposal under way. */
typedef struct attempt {
    azr_proposal proposal;
    bool submitted; /* its program runs: wait for the ticket */
    uint64_t ticket;
} attempt;

/* Everything between the prompt and the verdicts. */
typedef struct proposing {
    const propose_options *options;
    azr_executor *executor;
    azr_engine engine;
    const azr_template *template;
    azr_task_list list; /* --from */
    azr_task identity, program_task;
    const azr_task **references;
    azr_proposal_request request;
    azr_program_rules rules;
    azr_part *parts; /* functions to call, of --from */
    azr_strbuf prompt;
    attempt *attempts; /* by sample */
    azr_status status; /* of submitting, while others still decode */
    azr_error error;
} proposing;

/* With composite_chance: functions of the newest triplets of --from, at most composite_max. */
static void prepare_parts(proposing *p)
{
    const azr_config *config = &p->options->settings.config;
    size_t n_wanted = p->options->kind == AZR_KIND_INDUCTION || config->composite_chance <= 0.0
                          ? 0
                          : (size_t)config->composite_max;
    p->parts = azr_alloc(n_wanted, sizeof *p->parts);
    p->request.parts = p->parts;
    for (size_t i = p->list.n; i-- > 0 && p->request.n_parts < n_wanted;) {
        size_t k = p->request.n_parts;
        p->request.n_parts += azr_part_init(&p->parts[k], &p->list.tasks[i], k);
    }
}

/* What the proposer is shown: tasks of --from, the newest last, else the identity. An induction
 * proposer is shown induction tasks and a program: the last triplet of --from, else the identity.
 */
static azr_status prepare(proposing *p, azr_error *error)
{
    const azr_config *config = &p->options->settings.config;
    azr_kind kind = p->options->kind;
    azr_status status = azr_template_find(config->template, &p->template, error);
    if (status == AZR_OK && p->options->from != NULL)
        status = azr_task_file_read(p->options->from, &p->list, error);
    if (status != AZR_OK)
        return status;
    azr_task_identity(kind, &p->identity);
    azr_task_identity(AZR_KIND_DEDUCTION, &p->program_task);
    p->request.program = kind == AZR_KIND_INDUCTION ? p->program_task.program : NULL;
    p->request.kind = kind;
    p->request.n_inputs = (size_t)config->induction_inputs;
    p->request.cpu_ms = config->exec_cpu_ms;
    p->rules = azr_program_rules_of(config, false);
    p->request.rules = &p->rules;
    if (kind == AZR_KIND_ERROR)
        p->request.banned = azr_keywords_parse(config->error_banned);
    p->references = azr_alloc(p->list.n + 1, sizeof(const azr_task *));
    size_t n = 0;
    for (size_t i = 0; i < p->list.n; i++) {
        const azr_task *task = &p->list.tasks[i];
        bool triplet = task->kind == AZR_KIND_DEDUCTION || task->kind == AZR_KIND_ABDUCTION;
        bool wants_triplet = kind == AZR_KIND_DEDUCTION || kind == AZR_KIND_ABDUCTION;
        if (task->kind == kind || (triplet && wants_triplet))
            p->references[n++] = task;
        else if (kind == AZR_KIND_INDUCTION && triplet)
            p->request.program = task->program;
    }
    if (n == 0)
        p->references[n++] = &p->identity;
    size_t n_shown = (size_t)config->references < n ? (size_t)config->references : n;
    p->request.references = p->references + (n - n_shown);
    p->request.n_references = n_shown;
    prepare_parts(p);
    azr_template_propose(p->template, &p->request, &p->prompt);
    return AZR_OK;
}

/* Called as soon as a completion is there: its program runs while others still decode. */
static void on_finish(void *context, const azr_sample *sample)
{
    proposing *p = context;
    attempt *a = &p->attempts[sample->index];
    azr_proposal *proposal = &a->proposal;
    azr_template_parse_proposal(p->template, &p->request, sample->text, sample->text_size,
                                sample->end, proposal);
    if (proposal->verdict != AZR_VERDICT_VALID || p->status != AZR_OK)
        return;
    azr_exec_job job =
        azr_proposal_job(proposal, azr_settings_limits(&p->options->settings.config));
    p->status = azr_executor_submit(p->executor, &job, &a->ticket, &p->error);
    a->submitted = p->status == AZR_OK;
}

static void print_proposal(const proposing *p, const azr_sample *sample, azr_verdict verdict,
                           const azr_task *task, const char *detail)
{
    const azr_proposal *proposal = &p->attempts[sample->index].proposal;
    if (!p->options->json) {
        printf("--- proposal %zu: ", sample->index + 1);
        azr_verdict_print(verdict, detail);
        printf("\n");
        if (task == NULL) {
            azr_text_print(sample->text, azr_utf8_complete(sample->text, sample->text_size));
            printf("\n");
            return;
        }
        printf("%s\n", task->program);
        if (task->message != NULL)
            printf("# hint: %s\n", task->message);
        for (size_t i = 0; i < task->n_pairs; i++)
            printf(">>> f(%s)\n%s\n", task->inputs[i], task->outputs[i]);
        return;
    }
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_string(azr_kind_name(p->options->kind)));
    azr_verdict_describe(verdict, detail, object);
    if (task != NULL) {
        azr_task_describe(task, object);
    } else {
        json_object_set_new(object, "program", azr_json_text_or_null(proposal->program));
        json_object_set_new(object, "input",
                            proposal->n_inputs > 0 ? azr_json_text_or_null(proposal->inputs[0])
                                                   : json_null());
        json_object_set_new(object, "output", json_null());
    }
    json_object_set_new(object, "text", azr_json_text(sample->text, sample->text_size));
    json_object_set_new(object, "n_tokens", json_integer((json_int_t)sample->n_tokens));
    azr_json_line(object);
}

/* Waits for the sample's run, if there is one, judges and prints. */
static azr_status judge(proposing *p, const azr_sample *sample, size_t *n_valid, azr_error *error)
{
    const attempt *a = &p->attempts[sample->index];
    const azr_proposal *proposal = &a->proposal;
    azr_verdict verdict = proposal->verdict;
    azr_task task = {0};
    azr_strbuf detail = {0};
    if (a->submitted) {
        azr_exec_reply reply = {0};
        azr_status status = azr_executor_wait(p->executor, a->ticket, &reply, error);
        if (status != AZR_OK)
            return status;
        verdict = azr_proposal_judge(
            proposal, &reply, azr_settings_limits(&p->options->settings.config), &task, &detail);
        azr_exec_reply_deinit(&reply);
    }
    bool valid = verdict == AZR_VERDICT_VALID;
    print_proposal(p, sample, verdict, valid ? &task : NULL, azr_strbuf_text(&detail));
    *n_valid += valid;
    if (valid)
        azr_task_deinit(&task);
    azr_strbuf_deinit(&detail);
    return AZR_OK;
}

static azr_status propose(proposing *p, azr_error *error)
{
    const azr_config *config = &p->options->settings.config;
    size_t n = (size_t)p->options->n, n_valid = 0, n_ids = 0;
    int32_t *ids = NULL;
    azr_rollout rollout = {0};
    azr_status status =
        azr_template_encode(p->template, p->engine.tokenizer, azr_strbuf_text(&p->prompt),
                            p->prompt.size, &ids, &n_ids, error);
    if (status != AZR_OK)
        return status;
    p->attempts = azr_alloc(n, sizeof *p->attempts);
    const char *const *stops = azr_template_stops(p->template, AZR_ROLE_PROPOSER, p->options->kind);
    azr_rollout_request request = azr_settings_request(config, ids, n_ids, stops, n, 0);
    azr_rollout_options options;
    status = azr_engine_rollout_options(&p->engine, config, n, n_ids + request.max_tokens, &options,
                                        error);
    options.on_finish = on_finish;
    options.context = p;
    if (status == AZR_OK)
        status = azr_rollout_run(p->engine.model, p->engine.tokenizer, &request, 1, &options,
                                 &rollout, error);
    if (status == AZR_OK && p->status != AZR_OK) {
        *error = p->error;
        status = p->status;
    }
    for (size_t i = 0; status == AZR_OK && i < rollout.n_samples; i++)
        status = judge(p, &rollout.samples[i], &n_valid, error);
    if (status == AZR_OK)
        fprintf(stderr, "[%zu of %zu proposals are valid tasks; %lld tokens in %.1f s]\n", n_valid,
                n, (long long)rollout.n_response_tokens, rollout.seconds);
    azr_rollout_deinit(&rollout);
    azr_free(ids);
    return status;
}

static azr_status work(const propose_options *options, azr_error *error)
{
    const azr_config *config = &options->settings.config;
    proposing p = {.options = options};
    azr_status status = prepare(&p, error);
    if (status == AZR_OK)
        status = azr_settings_executor(config, &p.executor, error);
    if (status == AZR_OK)
        status = azr_engine_open(config, &p.engine, error);
    if (status == AZR_OK)
        status = azr_template_check(p.template, p.engine.tokenizer, config->model, error);
    if (status == AZR_OK)
        status = propose(&p, error);
    for (size_t i = 0; p.attempts != NULL && i < (size_t)options->n; i++)
        azr_proposal_deinit(&p.attempts[i].proposal);
    azr_free(p.attempts);
    azr_free(p.references);
    for (size_t i = 0; i < p.request.n_parts; i++)
        azr_part_deinit(&p.parts[i]);
    azr_free(p.parts);
    azr_strbuf_deinit(&p.prompt);
    azr_task_deinit(&p.identity);
    azr_task_deinit(&p.program_task);
    azr_task_list_deinit(&p.list);
    azr_engine_close(&p.engine);
    azr_executor_destroy(p.executor);
    return status;
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    propose_options options = {.kind_name = "deduction", .n = 8};
    azr_settings_init(&options.settings);
    const azr_option rows[] = {
        AZR_SETTINGS_ROWS(options.settings),
        {.name = "kind",
         .type = AZR_OPTION_TEXT,
         .value = &options.kind_name,
         .argument = "KIND",
         .help = "deduction, abduction, induction or error"},
        {.name = "proposals",
         .letter = 'n',
         .type = AZR_OPTION_INTEGER,
         .value = &options.n,
         .argument = "N",
         .help = "proposals",
         .min = 1,
         .max = 65536},
        {.name = "from",
         .type = AZR_OPTION_TEXT,
         .value = &options.from,
         .argument = "FILE",
         .help = "tasks to show as references, one JSON object a line; else the identity"},
        {.name = "max-tokens",
         .type = AZR_OPTION_INTEGER,
         .value = &options.settings.config.max_response_tokens,
         .argument = "TOKENS",
         .help = "longest proposal",
         .min = 1,
         .max = 1e6},
        AZR_SAMPLING_ROWS(options.settings),
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &options.json,
         .help = "one object a proposal: kind, verdict, reason, program, input, output, text"},
        AZR_SET_ROW(options.settings),
    };
    const azr_usage usage = {
        .synopsis = "azr propose -m MODEL --kind KIND [-n N] [--json]",
        .about = "Lets the model propose tasks, runs their programs in the sandbox and prints the\n"
                 "verdict on each.\n",
        .options = rows,
        .n_options = AZR_COUNT(rows),
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help) {
        if (!azr_kind_parse(options.kind_name, &options.kind))
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "option --kind must be deduction, abduction, induction or "
                                   "error, not '%.64s'",
                                   options.kind_name);
        if (status == AZR_OK)
            status = azr_settings_apply(&options.settings, error);
        if (status == AZR_OK)
            status = work(&options, error);
    }
    azr_settings_deinit(&options.settings);
    return status;
}

const azr_command azr_cmd_propose = {
    .name = "propose", .summary = "tasks that the model proposes, with verdicts", .run = run};
