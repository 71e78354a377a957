/* group_metrics.h: the numbers of a step by group (role and kind), under the names that the
 * reference implementation logs them by. Private to train/. */
#ifndef AZR_TRAIN_GROUP_METRICS_H
#define AZR_TRAIN_GROUP_METRICS_H

#include "train/trainer.h"

/* "gen_code_o", "pred_code_i", ...: gen proposes, pred solves; o deduction, i abduction, f
 * induction. */
enum { AZR_GROUP_NAME_BYTES = 24 };
void azr_group_name(azr_role role, azr_kind kind, char name[AZR_GROUP_NAME_BYTES]);

/* Of what was sampled: rewards, lengths, formats, and what the proposals are. */
void azr_report_groups(azr_trainer *trainer, const azr_proposals *proposals,
                       const azr_solutions *solutions);
/* Of what is learnt from: returns and advantages, and the share of groups whose rewards say
 * nothing.
 */
void azr_report_advantages(azr_metrics *metrics, const azr_episode *episodes, size_t n);

#endif
