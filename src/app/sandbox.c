/* sandbox.c: from settings to the sandbox. */
#include "app/engine.h"

#include <string.h>

azr_status azr_settings_executor(const azr_config *config, azr_executor **out_executor,
                                 azr_error *error)
{
    azr_executor_options options = azr_executor_default_options();
    options.engine = config->exec_engine;
    options.n_workers = (int)config->exec_workers;
    if (strcmp(config->exec_require, "limits") == 0)
        options.required = AZR_EXEC_LEVEL_LIMITS;
    else if (strcmp(config->exec_require, "namespaces") == 0)
        options.required = AZR_EXEC_LEVEL_NAMESPACES;
    else
        options.required = AZR_EXEC_LEVEL_SECCOMP;
    return azr_executor_create(&options, out_executor, error);
}

azr_exec_limits azr_settings_limits(const azr_config *config)
{
    azr_exec_limits limits = azr_exec_default_limits();
    limits.cpu_ms = (int)config->exec_cpu_ms;
    limits.wall_ms = (int)config->exec_wall_ms;
    limits.memory_mb = (int)config->exec_memory_mb;
    limits.result_bytes = (int)config->exec_result_bytes;
    return limits;
}
