/* engine.c: from settings to an opened model and tokenizer. */
#include "app/engine.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <omp.h>

void azr_settings_init(azr_settings *settings)
{
    *settings = (azr_settings){.dtype = "auto", .kv_dtype = "f16"};
    azr_config_init(&settings->config);
}

void azr_settings_deinit(azr_settings *settings)
{
    azr_config_deinit(&settings->config);
}

/* key = text, as if it stood in a config file. */
static azr_status assign(azr_config *config, const char *key, const char *text, azr_error *error)
{
    azr_strbuf assignment = {0};
    azr_strbuf_printf(&assignment, "%s=%s", key, text);
    azr_status status = azr_config_set(config, assignment.data, error);
    azr_strbuf_deinit(&assignment);
    return status;
}

azr_status azr_settings_apply(azr_settings *settings, azr_error *error)
{
    azr_status status = assign(&settings->config, "dtype", settings->dtype, error);
    if (status != AZR_OK)
        return azr_error_set(error, status, "option --dtype must be f32, bf16 or auto, not '%.64s'",
                             settings->dtype);
    status = assign(&settings->config, "kv_dtype", settings->kv_dtype, error);
    if (status != AZR_OK)
        return azr_error_set(error, status, "option --kv-dtype must be f16 or f32, not '%.64s'",
                             settings->kv_dtype);
    if (settings->model != NULL)
        status = assign(&settings->config, "model", settings->model, error);
    for (size_t i = 0; status == AZR_OK && i < settings->assignments.n; i++)
        status = azr_config_set(&settings->config, settings->assignments.texts[i], error);
    if (status == AZR_OK && settings->config.model[0] == '\0')
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "no model given: -m needs a folder or a .gguf file");
    return status;
}

azr_status azr_engine_start(const azr_config *config, azr_error *error)
{
    azr_status status = azr_kernels_init(error);
    if (status == AZR_OK)
        azr_kernels_set_threads(config->threads > 0 ? (int)config->threads : omp_get_num_procs());
    return status;
}

azr_status azr_engine_open(const azr_config *config, azr_engine *out_engine, azr_error *error)
{
    azr_engine engine = {0};
    azr_model_shape shape;
    azr_status status = azr_engine_start(config, error);
    /* A quick look first: what is no model at all is told so before its tokenizer is looked for. */
    if (status == AZR_OK)
        status = azr_model_read_shape(config->model, &shape, error);
    if (status == AZR_OK)
        status = azr_tokenizer_open(config->model, &engine.tokenizer, error);
    if (status == AZR_OK)
        status = azr_model_open(config->model, (azr_dtype)config->dtype, &engine.model, error);
    if (status == AZR_OK) {
        azr_model_set_kv_dtype(engine.model, (azr_kv_dtype)config->kv_dtype);
        int64_t n_vocab = azr_model_get_shape(engine.model)->n_vocab;
        int32_t n_ids = azr_tokenizer_size(engine.tokenizer);
        if (n_ids > n_vocab)
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "%s: its tokenizer has %d ids, its embedding only %lld",
                                   config->model, n_ids, (long long)n_vocab);
    }
    if (status != AZR_OK)
        azr_engine_close(&engine);
    *out_engine = engine;
    return status;
}

void azr_engine_close(azr_engine *engine)
{
    azr_model_destroy(engine->model);
    azr_tokenizer_destroy(engine->tokenizer);
    *engine = (azr_engine){0};
}

azr_status azr_engine_rollout_options(const azr_engine *engine, const azr_config *config,
                                      size_t n_sequences, size_t n_tokens,
                                      azr_rollout_options *out_options, azr_error *error)
{
    *out_options =
        (azr_rollout_options){.streams = config->streams, .kv_tokens = config->kv_tokens};
    if (config->kv_tokens > 0)
        return AZR_OK;
    enum { SOME_TOKENS = 1024 };
    azr_model_memory memory = azr_model_plan(
        azr_model_get_shape(engine->model), azr_model_dtype(engine->model),
        azr_model_kv_dtype(engine->model), SOME_TOKENS, config->streams, SOME_TOKENS, false);
    int64_t fit = (int64_t)(azr_memory_available() / 2 / (memory.kv / SOME_TOKENS + 1));
    int64_t n_streams =
        (int64_t)n_sequences < config->streams ? (int64_t)n_sequences : config->streams;
    int64_t one = (int64_t)n_tokens + AZR_KV_PAGE;
    if (one > fit)
        return azr_error_set(error, AZR_ERROR_MEMORY,
                             "a sequence of %zu tokens does not fit: memory is free for %lld",
                             n_tokens, (long long)fit);
    if (n_streams * one > fit)
        out_options->kv_tokens = fit;
    return AZR_OK;
}

azr_rollout_request azr_settings_request(const azr_config *config, const int32_t *tokens,
                                         size_t n_tokens, const char *const *stops,
                                         size_t n_samples, uint32_t first_sequence)
{
    return (azr_rollout_request){
        .tokens = tokens,
        .n_tokens = n_tokens,
        .stops = stops,
        .n_samples = n_samples,
        .max_tokens = (size_t)config->max_response_tokens,
        .temperature = (float)config->temperature,
        .top_p = (float)config->top_p,
        .top_k = (int32_t)config->top_k,
        .key = {.seed = (uint64_t)config->seed,
                .purpose = AZR_RNG_SAMPLE,
                .sequence = first_sequence},
    };
}
