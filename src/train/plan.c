/* plan.c: what memory a run needs, known before anything is allocated. */
#include "azr/train.h"

#include "azr/kernels.h"
#include "azr/model.h"

#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>

enum { SANDBOX_MB = 48 }; /* a warm interpreter with its flavours, measured */

static double mebibytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* Tokens of KV cache that the largest rollout takes: every prompt, and all streams at their
 * longest. */
static int64_t kv_tokens(const azr_config *config)
{
    if (config->kv_tokens > 0)
        return config->kv_tokens;
    int64_t n_prompts = 3 * config->batch_size * 2;
    return n_prompts * config->max_prompt_tokens / 2 +
           config->streams * (config->max_response_tokens + AZR_KV_PAGE);
}

azr_status azr_train_plan(const azr_config *config, FILE *out, azr_error *error)
{
    azr_model_shape shape;
    azr_dtype dtype = AZR_DTYPE_F32;
    azr_status status = azr_model_read_shape(config->model, &shape, error);
    if (status == AZR_OK)
        status = azr_dtype_resolve((azr_dtype)config->dtype, &dtype, error);
    if (status != AZR_OK)
        return status;
    azr_model_memory memory = azr_model_plan(&shape, dtype, kv_tokens(config), config->streams,
                                             config->micro_batch_tokens);
    int64_t n_workers = config->exec_workers > 0 ? config->exec_workers : azr_kernels_threads();
    size_t sandbox = (size_t)(n_workers * (config->exec_memory_mb + SANDBOX_MB)) << 20;
    const struct {
        const char *name;
        size_t bytes;
    } rows[] = {
        {"weights (f32)", memory.weights},     {"compute copies", memory.compute},
        {"gradients (f32)", memory.gradients}, {"optimizer moments (f32)", 2 * memory.weights},
        {"KV cache, at most", memory.kv},      {"activations", memory.activations},
        {"decode and logits", memory.scratch}, {"sandbox, at most", sandbox},
    };
    size_t total = 0;
    if (out != NULL)
        fprintf(out, "memory plan for %s, %s\n", config->model,
                dtype == AZR_DTYPE_BF16 ? "bf16" : "f32");
    for (size_t i = 0; i < AZR_COUNT(rows); i++) {
        total += rows[i].bytes;
        if (out != NULL && rows[i].bytes > 0)
            fprintf(out, "  %-26s %10.1f MiB\n", rows[i].name, mebibytes(rows[i].bytes));
    }
    size_t limit = config->memory_limit_mb > 0 ? (size_t)config->memory_limit_mb << 20
                                               : azr_memory_available();
    if (out != NULL)
        fprintf(out, "  %-26s %10.1f MiB of %.1f MiB %s\n", "total", mebibytes(total),
                mebibytes(limit), config->memory_limit_mb > 0 ? "allowed" : "free");
    if (total > limit)
        return azr_error_set(
            error, AZR_ERROR_MEMORY,
            "the run needs %.0f MiB and %.0f MiB are %s: lower micro_batch_tokens, "
            "streams or batch_size, or take a smaller model",
            mebibytes(total), mebibytes(limit),
            config->memory_limit_mb > 0 ? "allowed (memory_limit_mb)" : "free");
    return AZR_OK;
}
