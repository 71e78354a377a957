/* engine.h: what the commands that use a model share: their common options, and the opened model
 * with its tokenizer. */
#ifndef AZR_APP_ENGINE_H
#define AZR_APP_ENGINE_H

#include "azr/config.h"
#include "azr/executor.h"
#include "azr/model.h"
#include "azr/rl.h"
#include "azr/tokenizer.h"

#include "app/cmd.h"

/* The config that a command works by: defaults, then the command's own options, then --set. */
typedef struct azr_settings {
    azr_config config;
    const char *model, *dtype, *kv_dtype;
    azr_option_texts assignments;
} azr_settings;

/* Rows of a command's table of options. They write into the settings. */
#define AZR_SETTINGS_ROWS(s)                                                                     \
    {.name = "model",                                                                            \
     .letter = 'm',                                                                              \
     .type = AZR_OPTION_TEXT,                                                                    \
     .value = &(s).model,                                                                        \
     .argument = "PATH",                                                                         \
     .help = "folder (Hugging Face) or .gguf file of the model; required"},                      \
        {.name = "threads",                                                                      \
         .letter = 't',                                                                          \
         .type = AZR_OPTION_INTEGER,                                                             \
         .value = &(s).config.threads,                                                           \
         .argument = "N",                                                                        \
         .help = "threads; 0: one for each core",                                                \
         .max = 1024},                                                                           \
        {.name = "dtype",                                                                        \
         .type = AZR_OPTION_TEXT,                                                                \
         .value = &(s).dtype,                                                                    \
         .argument = "TYPE",                                                                     \
         .help = "what matrix products multiply in: f32, bf16 or auto"},                         \
    {                                                                                            \
        .name = "kv-dtype", .type = AZR_OPTION_TEXT, .value = &(s).kv_dtype, .argument = "TYPE", \
        .help = "what keys and values are rounded to: f16 or f32"                                \
    }

#define AZR_SAMPLING_ROWS(s)                                                                    \
    {.name = "temp",                                                                            \
     .type = AZR_OPTION_NUMBER,                                                                 \
     .value = &(s).config.temperature,                                                          \
     .argument = "T",                                                                           \
     .help = "temperature; 0: the likeliest token always",                                      \
     .max = 100},                                                                               \
        {.name = "top-p",                                                                       \
         .type = AZR_OPTION_NUMBER,                                                             \
         .value = &(s).config.top_p,                                                            \
         .argument = "P",                                                                       \
         .help = "draw from the likeliest tokens of this share of probability",                 \
         .min = 0.01,                                                                           \
         .max = 1},                                                                             \
        {.name = "top-k",                                                                       \
         .type = AZR_OPTION_INTEGER,                                                            \
         .value = &(s).config.top_k,                                                            \
         .argument = "TOKENS",                                                                  \
         .help = "draw from this many likeliest tokens; 0: all",                                \
         .max = 1e6},                                                                           \
    {                                                                                           \
        .name = "seed", .type = AZR_OPTION_INTEGER, .value = &(s).config.seed, .argument = "N", \
        .help = "of the draws; same seed, same text", .max = 9007199254740991.0                 \
    }

#define AZR_SET_ROW(s)                                                                        \
    {                                                                                         \
        .name = "set", .type = AZR_OPTION_TEXTS, .value = &(s).assignments,                   \
        .argument = "KEY=VALUE", .help = "any key of the config; azr train --help lists them" \
    }

void azr_settings_init(azr_settings *settings);
void azr_settings_deinit(azr_settings *settings);
/* After azr_options_parse: moves the texts into the config and applies --set. */
azr_status azr_settings_apply(azr_settings *settings, azr_error *error);

/* Picks kernels for this CPU (one sentence when it lacks AVX2, FMA or F16C) and sets the number of
 * threads: config.threads, or one for each core that this process may use. */
azr_status azr_engine_start(const azr_config *config, azr_error *error);

typedef struct azr_engine {
    azr_model *model;
    azr_tokenizer *tokenizer;
} azr_engine;

/* Starts, then opens config.model; refuses a tokenizer whose ids the model does not have. */
azr_status azr_engine_open(const azr_config *config, azr_engine *out_engine, azr_error *error);
void azr_engine_close(azr_engine *engine);

/* The sandbox as the config wants it. Create it before the engine. */
azr_status azr_settings_executor(const azr_config *config, azr_executor **out_executor,
                                 azr_error *error);
azr_exec_limits azr_settings_limits(const azr_config *config);

/* How a rollout of at most n_sequences sequences of at most n_tokens each (prompts included) runs:
 * as the config says, and with a cache that leaves half of the free memory alone. *out_options'
 * callback is the caller's to set. AZR_ERROR_MEMORY when not even one sequence fits. */
azr_status azr_engine_rollout_options(const azr_engine *engine, const azr_config *config,
                                      size_t n_sequences, size_t n_tokens,
                                      azr_rollout_options *out_options, azr_error *error);

/* A rollout request with the config's sampling; prompt and stops are borrowed. */
azr_rollout_request azr_settings_request(const azr_config *config, const int32_t *tokens,
                                         size_t n_tokens, const char *const *stops,
                                         size_t n_samples, uint32_t first_sequence);

#endif
