/* report.h: a step's numbers in metrics and on the terminal. Private to train/. */
#ifndef AZR_TRAIN_REPORT_H
#define AZR_TRAIN_REPORT_H

#include "train/trainer.h"

/* Adds the numbers of both roles: rewards, success, verdicts, lengths. */
void azr_report_step(azr_trainer *trainer, int64_t step, const azr_proposals *proposals,
                     const azr_solutions *solutions);
/* One line for people. */
void azr_report_print(const azr_trainer *trainer, int64_t step);

#endif
