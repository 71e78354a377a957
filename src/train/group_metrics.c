#include "train/group_metrics.h"

#include "base/check.h"
#include "base/memory.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void azr_group_name(azr_role role, azr_kind kind, char name[AZR_GROUP_NAME_BYTES])
{
    const char *letter = kind == AZR_KIND_DEDUCTION   ? "o"
                         : kind == AZR_KIND_ABDUCTION ? "i"
                         : kind == AZR_KIND_INDUCTION ? "f"
                                                      : "e";
    snprintf(name, AZR_GROUP_NAME_BYTES, "%s_code_%s", role == AZR_ROLE_PROPOSER ? "gen" : "pred",
             letter);
}

/* --- mean, greatest, least -------------------------------------------------------------------- */

typedef struct spread {
    double n, sum, max, min;
} spread;

static void spread_add(spread *s, double value, double weight)
{
    if (s->n == 0.0 || value > s->max)
        s->max = value;
    if (s->n == 0.0 || value < s->min)
        s->min = value;
    s->n += weight;
    s->sum += weight * value;
}

static void spread_say(azr_metrics *metrics, const char *group, const char *name, const spread *s)
{
    if (s->n == 0.0)
        return;
    azr_metrics_add(metrics, s->sum / s->n, "%s/%s/mean", group, name);
    azr_metrics_add(metrics, s->max, "%s/%s/max", group, name);
    azr_metrics_add(metrics, s->min, "%s/%s/min", group, name);
}

/* --- reflection ------------------------------------------------------------------------------- */

/* Words by which a response shows that it looks back on itself. */
static const char *const reflections[] = {
    "wait",          "recheck",      "re-check",     "retry",        "rethink",   "re-think",
    "reconsider",    "re-consider",  "reevaluate",   "re-evaluate",  "reexamine", "re-examine",
    "reanalyze",     "re-analyze",   "redo",         "revisit",      "verify",    "check again",
    "try again",     "think again",  "double check", "double-check", "go back",   "going back",
    "look again",    "looking back", "let me see",   "let's see",    "on second", "however",
    "alternatively", "hold on",      "hmm",          "oops",         "not quite", "is that right",
    "mistake",       "that's wrong", "correction",   "let me check",
};

static bool reflects(const azr_sample *sample)
{
    char *lower = azr_alloc(sample->text_size + 1, 1);
    for (size_t i = 0; i < sample->text_size; i++)
        lower[i] = (char)tolower((unsigned char)sample->text[i]);
    bool found = false;
    for (size_t i = 0; !found && i < AZR_COUNT(reflections); i++)
        found = strstr(lower, reflections[i]) != NULL;
    azr_free(lower);
    return found;
}

/* --- groups ----------------------------------------------------------------------------------- */

/* What one group did. */
typedef struct group_sum {
    spread rewards, responses, prompts, correct, incorrect;
    double n, success, well_formed, clipped, full_prompts, reflect, correct_reflect, no_value;
    spread lines; /* of programs */
    double n_valid, solved;
    spread intrinsic[AZR_N_INTRINSIC];
} group_sum;

static double count_lines(const char *program)
{
    double n = 0.0;
    for (const char *p = program; *p != '\0'; p++)
        n += *p == '\n' || p[1] == '\0';
    return n;
}

static void add_sample(group_sum *sum, const azr_sample *sample, double reward, azr_verdict verdict)
{
    bool correct = verdict == AZR_VERDICT_CORRECT || reward >= 1.0, reflecting = reflects(sample);
    double length = (double)sample->n_tokens;
    sum->n += 1.0;
    spread_add(&sum->rewards, reward, 1.0);
    spread_add(&sum->responses, length, 1.0);
    spread_add(correct ? &sum->correct : &sum->incorrect, length, 1.0);
    sum->well_formed += azr_verdict_well_formed(verdict);
    sum->clipped += sample->stop == AZR_STOP_LIMIT;
    sum->reflect += reflecting;
    sum->correct_reflect += reflecting && correct;
}

static void add_prompt(group_sum *sum, size_t n_tokens, int64_t max_tokens)
{
    spread_add(&sum->prompts, (double)n_tokens, 1.0);
    sum->full_prompts += (int64_t)n_tokens >= max_tokens;
}

static void say_group(azr_metrics *metrics, const char *group, const group_sum *sum)
{
    azr_metrics_add(metrics, sum->n, "%s/n", group);
    azr_metrics_add(metrics, sum->success / sum->n, "%s/accuracy", group);
    azr_metrics_add(metrics, sum->well_formed / sum->n, "%s/format_score", group);
    spread_say(metrics, group, "critic/score", &sum->rewards);
    spread_say(metrics, group, "response_length", &sum->responses);
    azr_metrics_add(metrics, sum->clipped / sum->n, "%s/response_length/clip_ratio", group);
    azr_metrics_add(metrics, sum->reflect / sum->n, "%s/response_length/reflect_ratio", group);
    if (sum->reflect > 0.0)
        azr_metrics_add(metrics, sum->correct_reflect / sum->reflect,
                        "%s/response_length/correct_reflect_ratio", group);
    if (sum->correct.n > 0.0)
        azr_metrics_add(metrics, sum->correct.sum / sum->correct.n,
                        "%s/correct_response_length/mean", group);
    if (sum->incorrect.n > 0.0)
        azr_metrics_add(metrics, sum->incorrect.sum / sum->incorrect.n,
                        "%s/incorrect_response_length/mean", group);
    spread_say(metrics, group, "prompt_length", &sum->prompts);
    azr_metrics_add(metrics, sum->full_prompts / sum->n, "%s/prompt_length/clip_ratio", group);
    if (sum->lines.n > 0.0)
        azr_metrics_add(metrics, sum->lines.sum / sum->lines.n, "%s/avg_program_lines", group);
}

/* Also of a group that has no prompt left. */
static void say_dropped(azr_metrics *metrics, const char *group, const group_sum *sum,
                        size_t n_dropped)
{
    if (sum->n > 0.0 || n_dropped > 0)
        azr_metrics_add(metrics, (double)n_dropped, "%s/dropped_prompts", group);
}

/* --- proposers -------------------------------------------------------------------------------- */

static const char *const intrinsic_names[AZR_N_INTRINSIC] = {
    [AZR_INTRINSIC_COMPLEXITY] = "complexity",
    [AZR_INTRINSIC_EDIT_DISTANCE] = "mean_edit_distance",
    [AZR_INTRINSIC_HALSTEAD] = "halstead",
    [AZR_INTRINSIC_ANSWER_DIVERSITY] = "answer_diversity",
    [AZR_INTRINSIC_INPUT_DIVERSITY] = "input_answer_diversity",
    [AZR_INTRINSIC_OUTPUT_DIVERSITY] = "output_answer_diversity"};

static void add_proposal(const azr_config *config, group_sum *sum, const azr_proposals *proposals,
                         const azr_proposal_try *try)
{
    add_sample(sum, try->sample, try->reward, try->verdict);
    add_prompt(sum, proposals->prompts[try->prompt].n_tokens, config->max_prompt_tokens);
    if (try->verdict != AZR_VERDICT_VALID)
        return;
    double rate = try->n_attempts > 0 ? try->success / (double)try->n_attempts : 0.0;
    double learnability = azr_learnability_of((azr_learnability)config->learnability, rate);
    sum->success += try->n_attempts > 0 && learnability > 0.0 ? learnability : 0.0;
    sum->solved += rate;
    sum->n_valid += 1.0;
    spread_add(&sum->lines, count_lines(try->task.program), 1.0);
    for (int which = 0; which < AZR_N_INTRINSIC; which++)
        if (azr_train__has_intrinsic(config, try->task.kind, (azr_intrinsic)which))
            spread_add(&sum->intrinsic[which], try->intrinsic[which], 1.0);
}

static void report_proposers(azr_trainer *trainer, const azr_proposals *proposals)
{
    azr_metrics *metrics = &trainer->metrics;
    group_sum sums[AZR_N_KINDS] = {0};
    double verdicts[AZR_N_VERDICTS] = {0}, n_valid = 0.0, n_stored = 0.0;
    for (size_t i = 0; i < proposals->n_tries; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        add_proposal(&trainer->config, &sums[proposals->prompts[try->prompt].request.kind],
                     proposals, try);
        verdicts[try->verdict]++;
        n_valid += try->verdict == AZR_VERDICT_VALID;
        n_stored += try->task_id > 0;
    }
    for (int kind = 0; kind < AZR_N_KINDS; kind++) {
        const group_sum *sum = &sums[kind];
        char group[AZR_GROUP_NAME_BYTES];
        azr_group_name(AZR_ROLE_PROPOSER, (azr_kind)kind, group);
        say_dropped(metrics, group, sum, proposals->n_dropped[kind]);
        if (sum->n == 0.0)
            continue;
        say_group(metrics, group, sum);
        azr_metrics_add(metrics, sum->n_valid, "%s/num_valid_programs", group);
        azr_metrics_add(metrics, sum->n_valid / sum->n, "%s/valid_ratio", group);
        if (sum->n_valid > 0.0)
            azr_metrics_add(metrics, sum->solved / sum->n_valid, "%s/success_rate", group);
        for (int which = 0; which < AZR_N_INTRINSIC; which++)
            if (sum->intrinsic[which].n > 0.0)
                azr_metrics_add(metrics, sum->intrinsic[which].sum / sum->intrinsic[which].n,
                                "%s/%s", group, intrinsic_names[which]);
    }
    azr_metrics_add(metrics, n_valid, "proposer/valid");
    azr_metrics_add(metrics, (double)proposals->n_tries, "proposer/n");
    azr_metrics_add(metrics, n_stored, "proposer/stored");
    for (int verdict = 0; verdict < AZR_N_VERDICTS; verdict++)
        if (verdicts[verdict] > 0)
            azr_metrics_add(metrics, verdicts[verdict], "proposer/verdict/%s",
                            azr_verdict_name((azr_verdict)verdict));
}

/* How many new tasks were solved how many times. */
static void report_learnability(azr_trainer *trainer, const azr_proposals *proposals)
{
    size_t n_samples = (size_t)trainer->config.estimate_samples;
    double *counts = azr_alloc(n_samples + 1, sizeof *counts);
    for (size_t i = 0; i < proposals->n_tries; i++)
        if (proposals->tries[i].n_attempts > 0)
            counts[proposals->tries[i].n_correct]++;
    for (size_t i = 0; i <= n_samples; i++)
        azr_metrics_add(&trainer->metrics, counts[i], "learnability/solved_%zu_of_%zu", i,
                        n_samples);
    azr_free(counts);
}

/* --- solvers ---------------------------------------------------------------------------------- */

static void report_solvers(azr_trainer *trainer, const azr_solutions *solutions)
{
    azr_metrics *metrics = &trainer->metrics;
    group_sum sums[AZR_N_KINDS] = {0};
    double verdicts[AZR_N_VERDICTS] = {0};
    for (size_t i = 0; i < solutions->n_tries; i++) {
        const azr_attempt_try *try = &solutions->tries[i];
        const azr_solver_prompt *prompt = &solutions->prompts[try->prompt];
        if (!azr_train__learns_from(trainer, prompt))
            continue;
        group_sum *sum = &sums[prompt->task->kind];
        add_sample(sum, try->sample, try->reward, try->verdict);
        add_prompt(sum, prompt->n_tokens, trainer->config.max_prompt_tokens);
        sum->success += try->success;
        sum->no_value +=
            try->verdict == AZR_VERDICT_FAILED || try->verdict == AZR_VERDICT_NOT_LITERAL;
        spread_add(&sum->lines, count_lines(prompt->task->program), 1.0);
        verdicts[try->verdict]++;
    }
    for (int kind = 0; kind < AZR_N_KINDS; kind++) {
        char group[AZR_GROUP_NAME_BYTES];
        azr_group_name(AZR_ROLE_SOLVER, (azr_kind)kind, group);
        say_dropped(metrics, group, &sums[kind], solutions->n_dropped[kind]);
        if (sums[kind].n == 0.0)
            continue;
        say_group(metrics, group, &sums[kind]);
        azr_metrics_add(metrics, sums[kind].no_value, "%s/none_count", group);
        azr_metrics_add(metrics, sums[kind].no_value / sums[kind].n, "%s/none_ratio", group);
    }
    for (int verdict = 0; verdict < AZR_N_VERDICTS; verdict++)
        if (verdicts[verdict] > 0)
            azr_metrics_add(metrics, verdicts[verdict], "solver/verdict/%s",
                            azr_verdict_name((azr_verdict)verdict));
}

/* --- types ------------------------------------------------------------------------------------ */

static void report_types(azr_metrics *metrics, const char *name, const azr_answer_counts *counts)
{
    azr_metrics_add(metrics, (double)counts->n_types, "types/%s/distinct_types", name);
    azr_metrics_add(metrics, (double)counts->n_entries, "types/%s/total_unique_values", name);
    azr_metrics_add(metrics, (double)counts->n, "types/%s/total_instances", name);
    for (size_t i = 0; i < counts->n_types; i++) {
        azr_metrics_add(metrics, (double)counts->types[i].n_distinct, "types/%s/%s/unique_count",
                        name, counts->types[i].name);
        azr_metrics_add(metrics, (double)counts->types[i].n, "types/%s/%s/total_count", name,
                        counts->types[i].name);
    }
}

void azr_report_groups(azr_trainer *trainer, const azr_proposals *proposals,
                       const azr_solutions *solutions)
{
    report_proposers(trainer, proposals);
    report_learnability(trainer, proposals);
    report_solvers(trainer, solutions);
    report_types(&trainer->metrics, "input_types", &trainer->inputs);
    report_types(&trainer->metrics, "output_types", &trainer->outputs);
    if (trainer->kinds[AZR_KIND_ERROR])
        report_types(&trainer->metrics, "error_types", &trainer->errors);
}

/* --- what is learnt from ---------------------------------------------------------------------- */

void azr_report_advantages(azr_metrics *metrics, const azr_episode *episodes, size_t n)
{
    double n_groups = 0.0, n_silent = 0.0, n_all_tokens = 0.0;
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        for (int role = 0; role < AZR_N_ROLES; role++) {
            spread rewards = {0}, returns = {0}, advantages = {0};
            for (size_t i = 0; i < n; i++) {
                const azr_episode *episode = &episodes[i];
                if (episode->role != (azr_role)role || episode->kind != (azr_kind)kind)
                    continue;
                const double *later = episode->returns;
                spread_add(&rewards, later != NULL ? later[0] : episode->reward, 1.0);
                for (size_t t = 0; t < episode->sample->n_tokens; t++) {
                    spread_add(&returns, later != NULL ? later[t] : episode->reward, 1.0);
                    spread_add(&advantages, (double)episode->advantages[t], 1.0);
                }
                n_all_tokens += (double)(episode->n_prompt + episode->sample->n_tokens);
            }
            if (rewards.n == 0.0)
                continue;
            char group[AZR_GROUP_NAME_BYTES];
            azr_group_name((azr_role)role, (azr_kind)kind, group);
            spread_say(metrics, group, "critic/rewards", &rewards);
            spread_say(metrics, group, "critic/returns", &returns);
            spread_say(metrics, group, "critic/advantages", &advantages);
            n_groups += 1.0;
            n_silent += advantages.max == 0.0 && advantages.min == 0.0;
        }
    azr_metrics_add(metrics, n_groups > 0.0 ? n_silent / n_groups : 0.0, "groups_without_signal");
    azr_metrics_add(metrics, (double)n, "actor/sequences");
    /* Over processes; there is one. */
    azr_metrics_add(metrics, n_all_tokens, "global_seqlen/mean");
    azr_metrics_add(metrics, n_all_tokens, "global_seqlen/min");
    azr_metrics_add(metrics, n_all_tokens, "global_seqlen/max");
}
