#include "train/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What one group did. */
typedef struct group_sum {
    double n, reward, success, tokens, clipped, well_formed;
} group_sum;

static void add_group(azr_metrics *metrics, azr_role role, azr_kind kind, const group_sum *sum)
{
    if (sum->n == 0)
        return;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/%s", azr_role_name(role), azr_kind_name(kind));
    azr_metrics_add(metrics, sum->success / sum->n, "%s/accuracy", prefix);
    azr_metrics_add(metrics, sum->reward / sum->n, "%s/reward_mean", prefix);
    azr_metrics_add(metrics, sum->well_formed / sum->n, "%s/format_score", prefix);
    azr_metrics_add(metrics, sum->tokens / sum->n, "%s/response_length_mean", prefix);
    azr_metrics_add(metrics, sum->clipped / sum->n, "%s/response_length_clip_ratio", prefix);
    azr_metrics_add(metrics, sum->n, "%s/n", prefix);
}

static void add_sample(group_sum *sum, const azr_sample *sample, double reward, double success,
                       azr_verdict verdict)
{
    sum->n += 1.0;
    sum->reward += reward;
    sum->success += success;
    sum->tokens += (double)sample->n_tokens;
    sum->clipped += sample->stop == AZR_STOP_LIMIT;
    sum->well_formed += azr_verdict_well_formed(verdict);
}

static void report_proposers(azr_metrics *metrics, const azr_proposals *proposals)
{
    group_sum sums[AZR_N_KINDS] = {0};
    double n_valid[AZR_N_KINDS] = {0}, solved[AZR_N_KINDS] = {0}, n_stored = 0, n_all_valid = 0;
    double verdicts[AZR_N_VERDICTS] = {0};
    for (size_t i = 0; i < proposals->n_tries; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        azr_kind kind = proposals->prompts[try->prompt].request.kind;
        bool valid = try->verdict == AZR_VERDICT_VALID;
        add_sample(&sums[kind], try->sample, try->reward, valid, try->verdict);
        verdicts[try->verdict]++;
        n_valid[kind] += valid;
        n_all_valid += valid;
        n_stored += try->task_id > 0;
        if (valid && try->n_attempts > 0)
            solved[kind] += try->success / (double)try->n_attempts;
    }
    for (int kind = 0; kind < AZR_N_KINDS; kind++) {
        add_group(metrics, AZR_ROLE_PROPOSER, (azr_kind)kind, &sums[kind]);
        if (sums[kind].n > 0)
            azr_metrics_add(metrics, n_valid[kind], "proposer/%s/num_valid_programs",
                            azr_kind_name((azr_kind)kind));
        if (n_valid[kind] > 0)
            azr_metrics_add(metrics, solved[kind] / n_valid[kind], "proposer/%s/success_rate",
                            azr_kind_name((azr_kind)kind));
    }
    azr_metrics_add(metrics, n_all_valid, "proposer/valid");
    azr_metrics_add(metrics, (double)proposals->n_tries, "proposer/n");
    azr_metrics_add(metrics, n_stored, "proposer/stored");
    for (int verdict = 0; verdict < AZR_N_VERDICTS; verdict++)
        if (verdicts[verdict] > 0)
            azr_metrics_add(metrics, verdicts[verdict], "proposer/verdict/%s",
                            azr_verdict_name((azr_verdict)verdict));
}

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
        add_sample(&sums[prompt->task->kind], try->sample, try->reward,
                   try->verdict == AZR_VERDICT_CORRECT, try->verdict);
        verdicts[try->verdict]++;
    }
    for (int kind = 0; kind < AZR_N_KINDS; kind++)
        add_group(metrics, AZR_ROLE_SOLVER, (azr_kind)kind, &sums[kind]);
    for (int verdict = 0; verdict < AZR_N_VERDICTS; verdict++)
        if (verdicts[verdict] > 0)
            azr_metrics_add(metrics, verdicts[verdict], "solver/verdict/%s",
                            azr_verdict_name((azr_verdict)verdict));
}

void azr_report_step(azr_trainer *trainer, const azr_proposals *proposals,
                     const azr_solutions *solutions)
{
    report_proposers(&trainer->metrics, proposals);
    report_solvers(trainer, solutions);
}

void azr_report_print(const azr_trainer *trainer, int64_t step)
{
    const azr_metrics *metrics = &trainer->metrics;
    azr_strbuf line = {0};
    azr_strbuf_printf(&line, "step %" PRId64 " |", step);
    for (int role = 0; role < AZR_N_ROLES; role++) {
        azr_strbuf_printf(&line, " %s", azr_role_name((azr_role)role));
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            char success[64], reward[64];
            snprintf(success, sizeof success, "%s/%s/accuracy", azr_role_name((azr_role)role),
                     azr_kind_name((azr_kind)kind));
            snprintf(reward, sizeof reward, "%s/%s/reward_mean", azr_role_name((azr_role)role),
                     azr_kind_name((azr_kind)kind));
            if (!isnan(azr_metrics_get(metrics, success)))
                azr_strbuf_printf(&line, " %.3s %.2f (%+.2f)", azr_kind_name((azr_kind)kind),
                                  azr_metrics_get(metrics, success),
                                  azr_metrics_get(metrics, reward));
        }
        azr_strbuf_puts(&line, " |");
    }
    azr_strbuf_printf(
        &line,
        " valid %.0f of %.0f, stored %.0f | loss %.4f, grad norm %.3f, entropy %.3f, "
        "mismatch %g | %.1f s, %.0f tokens/s",
        azr_metrics_get(metrics, "proposer/valid"), azr_metrics_get(metrics, "proposer/n"),
        azr_metrics_get(metrics, "proposer/stored"), azr_metrics_get(metrics, "actor/loss"),
        azr_metrics_get(metrics, "actor/grad_norm"), azr_metrics_get(metrics, "actor/entropy"),
        azr_metrics_get(metrics, "actor/mismatch"), azr_metrics_get(metrics, "timing_s/step"),
        azr_metrics_get(metrics, "tokens_per_s/step"));
    azr_progress_printf(&trainer->progress, "%s", line.data);
    azr_strbuf_deinit(&line);
}
