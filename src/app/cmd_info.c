/* cmd_info.c: azr info: what a model file or a run directory holds. */
#include "app/cmd.h"
#include "app/info_run.h"

#include "azr/formats.h"
#include "azr/model.h"
#include "azr/tokenizer.h"

#include "base/check.h"

#include <stdio.h>

static double mebibytes(size_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

/* --- a model ---------------------------------------------------------------------------------- */

static void print_shape(const azr_model_shape *shape)
{
    printf("  family             %s\n", azr_family_name(shape->family));
    printf("  layers             %lld, d_model %lld, d_ff %lld\n", (long long)shape->n_layers,
           (long long)shape->d_model, (long long)shape->d_ff);
    printf("  attention          %lld heads of %lld, %lld key-value heads%s%s\n",
           (long long)shape->n_heads, (long long)shape->d_head, (long long)shape->n_kv_heads,
           shape->qkv_bias ? ", biases" : "", shape->qk_norm ? ", q/k norm" : "");
    printf("  positions          %lld, rope theta %g%s\n", (long long)shape->max_seq_len,
           (double)shape->rope_theta, shape->rope_scaled ? " (scaled as llama3)" : "");
    printf("  vocabulary         %lld, %s\n", (long long)shape->n_vocab,
           shape->tied_embeddings ? "embedding and LM head tied" : "LM head of its own");
}

/* Tensors by type: how many, how many elements, how many bytes. */
static void print_tensors(const azr_weights_file *file)
{
    enum { N_TYPES = AZR_TENSOR_Q6_K + 1 };
    struct {
        size_t n, n_bytes;
        int64_t n_elements;
    } types[N_TYPES] = {0};
    int64_t n_elements = 0;
    size_t n_bytes = 0;
    for (size_t i = 0; i < azr_weights_count(file); i++) {
        const azr_tensor *tensor = azr_weights_at(file, i);
        AZR_CHECK((size_t)tensor->type < N_TYPES);
        types[tensor->type].n++;
        types[tensor->type].n_elements += tensor->n_elements;
        types[tensor->type].n_bytes += tensor->n_bytes;
        n_elements += tensor->n_elements;
        n_bytes += tensor->n_bytes;
    }
    printf("  on disk            %s: %zu tensors, %lld elements, %.1f MiB\n",
           azr_weights_is_gguf(file) ? "GGUF" : "safetensors", azr_weights_count(file),
           (long long)n_elements, mebibytes(n_bytes));
    for (int type = 0; type < N_TYPES; type++)
        if (types[type].n > 0)
            printf("    %-6s           %zu tensors, %lld elements, %.1f MiB\n",
                   azr_tensor_type_name((azr_tensor_type)type), types[type].n,
                   (long long)types[type].n_elements, mebibytes(types[type].n_bytes));
}

static void print_tokenizer(const azr_tokenizer *tokenizer)
{
    int32_t eos[8];
    size_t n_eos = azr_tokenizer_eos(tokenizer, eos, AZR_COUNT(eos));
    printf("  tokenizer          %d ids; a text ends with", azr_tokenizer_size(tokenizer));
    for (size_t i = 0; i < n_eos && i < AZR_COUNT(eos); i++) {
        size_t size;
        printf(" %s (%d)", azr_tokenizer_bytes(tokenizer, eos[i], &size), eos[i]);
    }
    int32_t bos = azr_tokenizer_bos(tokenizer);
    if (bos >= 0) {
        size_t size;
        printf("; begins with %s (%d)\n", azr_tokenizer_bytes(tokenizer, bos, &size), bos);
    } else {
        printf("; begins with nothing\n");
    }
    printf("  chat template      %s\n",
           azr_tokenizer_chat_template(tokenizer) != NULL ? "yes" : "none");
}

static void print_memory(const azr_model_shape *shape)
{
    enum { STREAMS = 64, TOKENS = 2048 };
    azr_model_memory f32 =
        azr_model_plan(shape, AZR_DTYPE_F32, AZR_KV_F16, TOKENS, STREAMS, TOKENS, false);
    azr_model_memory bf16 =
        azr_model_plan(shape, AZR_DTYPE_BF16, AZR_KV_F16, TOKENS, STREAMS, TOKENS, false);
    printf("  parameters         %.1f million, %.1f MiB as f32\n",
           (double)f32.weights / sizeof(float) / 1e6, mebibytes(f32.weights));
    printf("  to generate        %.0f MiB (f32), %.0f MiB (bf16), with 64 streams and 2048 tokens "
           "of cache (f16)\n",
           mebibytes(f32.weights + f32.compute + f32.kv + f32.scratch),
           mebibytes(bf16.weights + bf16.compute + bf16.kv + bf16.scratch));
    printf("  to train, more     %.0f MiB of gradients and moments, %.0f MiB of activations for "
           "2048 tokens\n",
           mebibytes(3 * f32.gradients), mebibytes(f32.activations));
}

static azr_status show_model(const char *path, azr_error *error)
{
    azr_model_shape shape;
    azr_weights_file *file = NULL;
    azr_tokenizer *tokenizer = NULL;
    azr_status status = azr_model_read_shape(path, &shape, error);
    if (status == AZR_OK)
        status = azr_weights_open(path, &file, error);
    if (status == AZR_OK)
        status = azr_tokenizer_open(path, &tokenizer, error);
    if (status == AZR_OK) {
        printf("model %s\n", azr_weights_path(file));
        print_shape(&shape);
        print_memory(&shape);
        print_tensors(file);
        print_tokenizer(tokenizer);
    }
    azr_tokenizer_destroy(tokenizer);
    azr_weights_close(file);
    return status;
}

static azr_status run(int argc, char **argv, azr_error *error)
{
    const char *path = NULL, *model = NULL;
    size_t n = 0;
    int64_t threads = 0;
    bool json = false;
    const azr_option rows[] = {
        {.name = "model",
         .letter = 'm',
         .type = AZR_OPTION_TEXT,
         .value = &model,
         .argument = "PATH",
         .help = "the same as the bare argument"},
        {.name = "threads",
         .letter = 't',
         .type = AZR_OPTION_INTEGER,
         .value = &threads,
         .argument = "N",
         .help = "accepted as everywhere; nothing is computed here",
         .max = 1024},
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &json,
         .help = "of a run: one object with its tasks and every number of its last step"},
    };
    const azr_usage usage = {
        .synopsis = "azr info MODEL|RUN [--json]",
        .about = "Says what a model (folder or .gguf file) or the folder of a run holds.\n",
        .options = rows,
        .n_options = AZR_COUNT(rows),
        .operands = &path,
        .max_operands = 1,
        .n_operands = &n,
    };
    bool help;
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status != AZR_OK || help)
        return status;
    if ((path == NULL) == (model == NULL))
        return azr_error_set(error, AZR_ERROR_INPUT, "info needs one model or run to look at");
    if (path == NULL)
        path = model;
    if (azr_info_is_run(path))
        return azr_info_run(path, json, error);
    if (json)
        return azr_error_set(error, AZR_ERROR_INPUT, "option --json needs a run, and %s is none",
                             path);
    return show_model(path, error);
}

const azr_command azr_cmd_info = {
    .name = "info", .summary = "what a model or a run holds", .run = run};
