#include "train/report.h"

#include "train/group_metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void report_runs(azr_trainer *trainer)
{
    for (int status = 0; status < AZR_N_EXEC_STATUSES; status++)
        if (trainer->n_runs[status] > 0)
            azr_metrics_add(&trainer->metrics, (double)trainer->n_runs[status],
                            "executor/status/%s", azr_exec_status_name((azr_exec_status)status));
}

/* What the gate saw of the valid tasks, and why it refused some. With the switches off it is seen
 * all the same: how common tasks grow is the first sign of a proposer that repeats itself. */
static void report_gate(azr_metrics *metrics, const azr_proposals *proposals)
{
    double n_seen = 0, n_repeated = 0, n_same = 0, n_like = 0, n_new = 0;
    double refusals[AZR_N_REFUSALS] = {0};
    for (size_t i = 0; i < proposals->n_tries; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        if (try->verdict != AZR_VERDICT_VALID)
            continue;
        refusals[try->refusal]++;
        if (try->refusal == AZR_REFUSAL_CONSTANT || try->refusal == AZR_REFUSAL_UNCHANGED ||
            try->refusal == AZR_REFUSAL_ADDS_NOTHING)
            continue; /* the gate did not look further */
        n_seen++;
        n_repeated += try->commonness.repeated;
        n_same += try->commonness.n_same > 0;
        n_like += (double)try->commonness.n_like;
        n_new += try->commonness.n_like == 0;
    }
    azr_metrics_add(metrics, n_repeated, "novelty/repeated");
    azr_metrics_add(metrics, n_same, "novelty/known");
    azr_metrics_add(metrics, n_new, "novelty/new_shapes");
    if (n_seen > 0) {
        azr_metrics_add(metrics, n_new / n_seen, "novelty/share_new_shapes");
        azr_metrics_add(metrics, n_like / n_seen, "novelty/mean_like");
    }
    for (int refusal = AZR_REFUSAL_NONE + 1; refusal < AZR_N_REFUSALS; refusal++)
        if (refusals[refusal] > 0)
            azr_metrics_add(metrics, refusals[refusal], "proposer/refused/%s",
                            azr_refusal_name((azr_refusal)refusal));
}

void azr_report_step(azr_trainer *trainer, int64_t step, const azr_proposals *proposals,
                     const azr_solutions *solutions)
{
    azr_report_groups(trainer, proposals, solutions);
    report_gate(&trainer->metrics, proposals);
    azr_train__report_composites(trainer, step, proposals);
    report_runs(trainer);
}

void azr_report_print(const azr_trainer *trainer, int64_t step)
{
    const azr_metrics *metrics = &trainer->metrics;
    azr_strbuf line = {0};
    azr_strbuf_printf(&line, "step %" PRId64 " |", step);
    for (int role = 0; role < AZR_N_ROLES; role++) {
        azr_strbuf_printf(&line, " %s", azr_role_name((azr_role)role));
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            char group[AZR_GROUP_NAME_BYTES], success[64], reward[64];
            azr_group_name((azr_role)role, (azr_kind)kind, group);
            snprintf(success, sizeof success, "%s/%s", group,
                     role == AZR_ROLE_PROPOSER ? "valid_ratio" : "accuracy");
            snprintf(reward, sizeof reward, "%s/critic/score/mean", group);
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
    double n_dropped = 0.0;
    for (size_t i = 0; i < metrics->n; i++)
        if (strstr(metrics->rows[i].name, "/dropped_prompts") != NULL)
            n_dropped += metrics->rows[i].value;
    if (n_dropped > 0.0)
        azr_strbuf_printf(&line, " | %.0f prompts short: none was within max_prompt_tokens",
                          n_dropped);
    azr_progress_printf(&trainer->progress, "%s", line.data);
    azr_strbuf_deinit(&line);
}
