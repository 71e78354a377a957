/* info_run.h: azr info of a run. */
#ifndef AZR_APP_INFO_RUN_H
#define AZR_APP_INFO_RUN_H

#include "azr/status.h"

#include <stdbool.h>

/* The folder of a run: it has a config.yaml. */
bool azr_info_is_run(const char *path);
/* Sums the run up in one screen; as one JSON object on a line when json. */
azr_status azr_info_run(const char *directory, bool json, azr_error *error);

#endif
