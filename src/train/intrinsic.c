/* intrinsic.c: what a proposal is worth beside its difficulty: complexity, distance from what the
 * proposer was shown, and how new its answers are. */
#include "train/trainer.h"

#include "train/analysis.h"

#include "base/check.h"
#include "base/memory.h"

typedef struct term_rule {
    double coef, max;
} term_rule;

static void term_rules(const azr_config *config, term_rule rules[AZR_N_INTRINSIC])
{
    rules[AZR_INTRINSIC_COMPLEXITY] = (term_rule){config->complexity_coef, config->complexity_max};
    rules[AZR_INTRINSIC_EDIT_DISTANCE] =
        (term_rule){config->edit_distance_coef, config->edit_distance_max};
    rules[AZR_INTRINSIC_HALSTEAD] = (term_rule){config->halstead_coef, config->halstead_max};
    rules[AZR_INTRINSIC_ANSWER_DIVERSITY] =
        (term_rule){config->answer_diversity_coef, config->answer_diversity_max};
    rules[AZR_INTRINSIC_INPUT_DIVERSITY] =
        (term_rule){config->input_diversity_coef, config->input_diversity_max};
    rules[AZR_INTRINSIC_OUTPUT_DIVERSITY] =
        (term_rule){config->output_diversity_coef, config->output_diversity_max};
}

bool azr_train__has_intrinsic(const azr_config *config, azr_kind kind, azr_intrinsic which)
{
    term_rule rules[AZR_N_INTRINSIC];
    term_rules(config, rules);
    bool of_induction =
        which == AZR_INTRINSIC_INPUT_DIVERSITY || which == AZR_INTRINSIC_OUTPUT_DIVERSITY;
    return (config->intrinsic_metrics || rules[which].coef != 0.0) &&
           of_induction == (kind == AZR_KIND_INDUCTION);
}

static bool needs_shapes(const azr_config *config, azr_kind kind)
{
    return azr_train__has_intrinsic(config, kind, AZR_INTRINSIC_COMPLEXITY) ||
           azr_train__has_intrinsic(config, kind, AZR_INTRINSIC_HALSTEAD) ||
           azr_train__has_intrinsic(config, kind, AZR_INTRINSIC_EDIT_DISTANCE);
}

/* The shapes of all valid programs, and of what their proposers were shown when that counts. */
static azr_status analyse(azr_trainer *trainer, const azr_proposals *proposals,
                          azr_analysis *analysis, azr_error *error)
{
    size_t n = 0, capacity = proposals->n_tries;
    for (size_t i = 0; i < proposals->n_prompts; i++)
        capacity += proposals->prompts[i].request.n_references;
    char **programs = azr_alloc(capacity, sizeof *programs);
    for (size_t i = 0; i < proposals->n_tries; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        if (try->verdict == AZR_VERDICT_VALID && needs_shapes(&trainer->config, try->task.kind))
            programs[n++] = azr_train__rated_text(&trainer->config, try->task.program);
    }
    for (size_t i = 0; n > 0 && i < proposals->n_prompts; i++) {
        const azr_proposal_request *request = &proposals->prompts[i].request;
        for (size_t j = 0; j < request->n_references; j++)
            if (azr_train__has_intrinsic(&trainer->config, request->kind,
                                         AZR_INTRINSIC_EDIT_DISTANCE))
                programs[n++] =
                    azr_train__rated_text(&trainer->config, request->references[j]->program);
    }
    AZR_CHECK(n <= capacity);
    azr_status status =
        azr_analysis_run(analysis, trainer->executor, (const char *const *)programs, n, error);
    for (size_t i = 0; i < n; i++)
        azr_free(programs[i]);
    azr_free(programs);
    return status;
}

/* NULL when nobody asked for it. */
static const azr_program_shape *shape_of(const azr_config *config, const azr_analysis *analysis,
                                         const char *program)
{
    char *text = azr_train__rated_text(config, program);
    const azr_program_shape *shape = azr_analysis_find(analysis, text);
    azr_free(text);
    return shape;
}

static double mean_distance(const azr_config *config, const azr_analysis *analysis,
                            const azr_program_shape *shape, const azr_proposal_request *request)
{
    double sum = 0.0;
    for (size_t i = 0; i < request->n_references; i++) {
        const azr_program_shape *other =
            shape_of(config, analysis, request->references[i]->program);
        AZR_CHECK(other != NULL);
        sum += azr_shape_distance(shape, other);
    }
    return request->n_references > 0 ? sum / (double)request->n_references : 0.0;
}

static double mean_diversity(const azr_config *config, const azr_answer_counts *counts,
                             char *const *texts, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += azr_answer_counts_diversity(
            counts, config->answer_diversity_form == AZR_DIVERSITY_HIERARCHICAL, texts[i]);
    return sum / (double)n;
}

static void measure(const azr_trainer *trainer, const azr_analysis *analysis,
                    const azr_proposal_request *request, azr_proposal_try *try)
{
    const azr_config *config = &trainer->config;
    const azr_task *task = &try->task;
    const azr_program_shape *shape = shape_of(config, analysis, task->program);
    double *values = try->intrinsic;
    if (shape != NULL) {
        values[AZR_INTRINSIC_COMPLEXITY] = shape->cognitive / 15.0;
        values[AZR_INTRINSIC_HALSTEAD] = azr_shape_halstead(shape);
    }
    if (shape != NULL && azr_train__has_intrinsic(config, task->kind, AZR_INTRINSIC_EDIT_DISTANCE))
        values[AZR_INTRINSIC_EDIT_DISTANCE] = mean_distance(config, analysis, shape, request);
    /* The answer is what a solver is asked for. */
    bool input = task->kind == AZR_KIND_ABDUCTION;
    const azr_answer_counts *answers = input                          ? &trainer->inputs
                                       : task->kind == AZR_KIND_ERROR ? &trainer->errors
                                                                      : &trainer->outputs;
    values[AZR_INTRINSIC_ANSWER_DIVERSITY] =
        mean_diversity(config, answers, input ? task->inputs : task->outputs, 1);
    values[AZR_INTRINSIC_INPUT_DIVERSITY] =
        mean_diversity(config, &trainer->inputs, task->inputs, task->n_pairs);
    values[AZR_INTRINSIC_OUTPUT_DIVERSITY] =
        mean_diversity(config, &trainer->outputs, task->outputs, task->n_pairs);
}

static bool any_asked(const azr_config *config)
{
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        for (int which = 0; which < AZR_N_INTRINSIC; which++)
            if (azr_train__has_intrinsic(config, (azr_kind)kind, (azr_intrinsic)which))
                return true;
    return false;
}

azr_status azr_train__measure(azr_trainer *trainer, azr_proposals *proposals, azr_error *error)
{
    if (!any_asked(&trainer->config))
        return AZR_OK;
    azr_analysis analysis = {0};
    azr_status status = analyse(trainer, proposals, &analysis, error);
    for (size_t i = 0; status == AZR_OK && i < proposals->n_tries; i++) {
        azr_proposal_try *try = &proposals->tries[i];
        if (try->verdict == AZR_VERDICT_VALID)
            measure(trainer, &analysis, &proposals->prompts[try->prompt].request, try);
    }
    azr_analysis_deinit(&analysis);
    return status;
}

size_t azr_train__terms(const azr_config *config, const azr_proposal_try *try,
                        double terms[AZR_N_INTRINSIC])
{
    term_rule rules[AZR_N_INTRINSIC];
    term_rules(config, rules);
    size_t n = 0;
    for (int which = 0; which < AZR_N_INTRINSIC; which++)
        if (try->verdict == AZR_VERDICT_VALID && rules[which].coef != 0.0 &&
            azr_train__has_intrinsic(config, try->task.kind, (azr_intrinsic)which))
            terms[n++] =
                azr_reward_term(rules[which].coef, try->intrinsic[which], rules[which].max);
    return n;
}

/* --- answers seen so far ---------------------------------------------------------------------- */

static void count_row(void *context, const azr_stored_task *row)
{
    azr_trainer *trainer = context;
    for (size_t i = 0; i < row->task.n_pairs; i++) {
        azr_answer_counts_add(&trainer->inputs, row->task.inputs[i]);
        azr_answer_counts_add(row->task.kind == AZR_KIND_ERROR ? &trainer->errors
                                                               : &trainer->outputs,
                              row->task.outputs[i]);
    }
}

azr_status azr_train__count_answers(azr_trainer *trainer, azr_error *error)
{
    azr_answer_counts_deinit(&trainer->inputs);
    azr_answer_counts_deinit(&trainer->outputs);
    azr_answer_counts_deinit(&trainer->errors);
    return azr_buffer_each(trainer->buffer, count_row, trainer, error);
}
