/* plan.c: what memory a run needs, known before anything is allocated. */
#include "train/trainer.h"

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

int64_t azr_train__kv_tokens(const azr_config *config)
{
    if (config->kv_tokens > 0)
        return config->kv_tokens;
    int64_t n_prompts = 3 * config->batch_size * 2;
    return n_prompts * config->max_prompt_tokens / 2 +
           config->streams * (config->max_response_tokens + AZR_KV_PAGE);
}

enum { MAX_ROWS = 16 };

typedef struct plan {
    struct {
        const char *name;
        size_t bytes;
    } rows[MAX_ROWS];
    size_t n, total, limit;
    azr_dtype dtype;
    bool recompute;
} plan;

static void add_row(plan *p, const char *name, size_t bytes)
{
    AZR_CHECK(p->n < MAX_ROWS);
    if (bytes == 0)
        return;
    p->rows[p->n].name = name;
    p->rows[p->n++].bytes = bytes;
    p->total += bytes;
}

/* Weights of the frozen model, their copies, and scoring with it. */
static size_t plan_reference(const azr_config *config, const azr_model_shape *shape,
                             azr_dtype dtype)
{
    if (config->kl_coef <= 0.0)
        return 0;
    azr_model_memory memory = azr_model_plan(shape, dtype, (azr_kv_dtype)config->kv_dtype, 0, 0,
                                             config->micro_batch_tokens, false);
    return memory.weights + memory.compute / 2 + memory.scoring + memory.scratch;
}

static void fill_plan(const azr_config *config, const azr_model_shape *shape,
                      const azr_model_shape *reference, plan *p)
{
    int64_t n_workers = config->exec_workers > 0 ? config->exec_workers : azr_kernels_threads();
    azr_model_memory memory = azr_model_plan(shape, p->dtype, (azr_kv_dtype)config->kv_dtype,
                                             azr_train__kv_tokens(config), config->streams,
                                             config->micro_batch_tokens, p->recompute);
    p->n = p->total = 0;
    add_row(p, "weights (f32)", memory.weights);
    add_row(p, "packed weights", memory.compute);
    add_row(p, "gradients (f32)", memory.gradients);
    add_row(p, "optimizer moments (f32)", 2 * memory.weights);
    add_row(p, "reference model", plan_reference(config, reference, p->dtype));
    add_row(p, "KV cache, at most", memory.kv);
    add_row(p, p->recompute ? "activations (recompute)" : "activations", memory.activations);
    add_row(p, "decode, logits, products", memory.scratch + memory.products);
    add_row(p, "sandbox, at most",
            (size_t)(n_workers * (config->exec_memory_mb + SANDBOX_MB)) << 20);
    add_row(p, "program and libraries", AZR_MEMORY_PROGRAM);
}

static azr_status make_plan(const azr_config *config, plan *p, azr_error *error)
{
    azr_model_shape shape, reference;
    *p = (plan){.recompute = config->recompute == AZR_RECOMPUTE_TRUE};
    p->limit = config->memory_limit_mb > 0 ? (size_t)config->memory_limit_mb << 20
                                           : azr_memory_available();
    azr_status status = azr_model_read_shape(config->model, &shape, error);
    reference = shape;
    if (status == AZR_OK && config->kl_coef > 0.0 && config->reference_model[0] != '\0')
        status = azr_model_read_shape(config->reference_model, &reference, error);
    if (status == AZR_OK)
        status = azr_dtype_resolve((azr_dtype)config->dtype, &p->dtype, error);
    if (status != AZR_OK)
        return status;
    fill_plan(config, &shape, &reference, p);
    if (p->total > p->limit && config->recompute == AZR_RECOMPUTE_AUTO) {
        p->recompute = true;
        fill_plan(config, &shape, &reference, p);
    }
    return AZR_OK;
}

azr_status azr_train__plan_recompute(const azr_config *config, bool *out_recompute,
                                     azr_error *error)
{
    plan p;
    azr_status status = make_plan(config, &p, error);
    *out_recompute = status == AZR_OK && p.recompute;
    return status;
}

static void print_plan(const azr_config *config, const plan *p, FILE *out)
{
    fprintf(out, "memory plan for %s, %s\n", config->model,
            p->dtype == AZR_DTYPE_BF16 ? "bf16" : "f32");
    for (size_t i = 0; i < p->n; i++)
        fprintf(out, "  %-26s %10.1f MiB\n", p->rows[i].name, mebibytes(p->rows[i].bytes));
    fprintf(out, "  %-26s %10.1f MiB of %.1f MiB %s\n", "total", mebibytes(p->total),
            mebibytes(p->limit), config->memory_limit_mb > 0 ? "allowed" : "free");
}

azr_status azr_train_plan(const azr_config *config, FILE *out, azr_error *error)
{
    plan p;
    azr_status status = make_plan(config, &p, error);
    if (status != AZR_OK)
        return status;
    if (out != NULL)
        print_plan(config, &p, out);
    if (p.total > p.limit)
        return azr_error_set(
            error, AZR_ERROR_MEMORY,
            "the run needs %.0f MiB and %.0f MiB are %s: %slower micro_batch_tokens, "
            "streams or batch_size, or take a smaller model",
            mebibytes(p.total), mebibytes(p.limit),
            config->memory_limit_mb > 0 ? "allowed (memory_limit_mb)" : "free",
            p.recompute ? "" : "set recompute to auto, ");
    return AZR_OK;
}
