/* shape_read.c: a model's sizes from config.json or from GGUF metadata. What azr does not compute
 * (sliding windows, other ways to stretch rope, experts) is refused by name, never ignored. */
#include "model/network.h"

#include "base/check.h"
#include "base/files.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 16 << 20 };

static bool find_family(const char *name, azr_family *out_family)
{
    static const azr_family families[] = {AZR_FAMILY_LLAMA, AZR_FAMILY_QWEN2, AZR_FAMILY_QWEN3};
    for (size_t i = 0; i < AZR_COUNT(families); i++) {
        if (strcmp(name, azr_family_name(families[i])) == 0) {
            *out_family = families[i];
            return true;
        }
    }
    return false;
}

static azr_status unknown_family(const char *where, const char *name, azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s: a model of type '%.64s'; azr knows llama, qwen2 and qwen3", where,
                         name);
}

/* --- config.json ------------------------------------------------------------------------------ */

/* Reads fields; the first error stays, later calls then do nothing. */
typedef struct config_reader {
    const char *path;
    const json_t *root;
    azr_status status;
    azr_error *error;
} config_reader;

static void refuse(config_reader *reader, azr_status status, const char *key, const char *what)
{
    if (reader->status == AZR_OK)
        reader->status = azr_error_set(reader->error, status, "%s: %s %s", reader->path, key, what);
}

/* The value, NULL when missing or null. */
static const json_t *find_value(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

enum { REQUIRED = -1 };

static int64_t read_integer(config_reader *reader, const json_t *object, const char *key,
                            int64_t missing)
{
    const json_t *value = find_value(object, key);
    if (json_is_integer(value))
        return (int64_t)json_integer_value(value);
    if (value != NULL)
        refuse(reader, AZR_ERROR_INPUT, key, "is no integer");
    else if (missing == REQUIRED)
        refuse(reader, AZR_ERROR_INPUT, key, "is missing");
    return missing;
}

static float read_number(config_reader *reader, const json_t *object, const char *key,
                         double missing)
{
    const json_t *value = find_value(object, key);
    if (json_is_number(value))
        return (float)json_number_value(value);
    if (value != NULL)
        refuse(reader, AZR_ERROR_INPUT, key, "is no number");
    else if (missing == REQUIRED)
        refuse(reader, AZR_ERROR_INPUT, key, "is missing");
    return (float)missing;
}

static bool read_bool(config_reader *reader, const char *key)
{
    const json_t *value = find_value(reader->root, key);
    if (value != NULL && !json_is_boolean(value))
        refuse(reader, AZR_ERROR_INPUT, key, "is neither true nor false");
    return json_is_true(value);
}

/* false: refused. */
static bool read_rope_type(config_reader *reader, const json_t *rope, const char *key,
                           bool *out_scaled)
{
    const json_t *type = find_value(rope, "rope_type");
    if (type == NULL)
        type = find_value(rope, "type");
    const char *name = type == NULL ? "default" : json_string_value(type);
    if (name == NULL || (strcmp(name, "default") != 0 && strcmp(name, "llama3") != 0)) {
        if (reader->status == AZR_OK)
            reader->status = azr_error_set(reader->error, AZR_ERROR_UNSUPPORTED,
                                           "%s: %s of type '%.64s'; azr knows default and llama3",
                                           reader->path, key, name != NULL ? name : "(no text)");
        return false;
    }
    *out_scaled = strcmp(name, "llama3") == 0;
    return true;
}

/* "rope_scaling" of older files, "rope_parameters" of newer ones (which holds rope_theta too). */
static void read_rope(config_reader *reader, azr_model_shape *shape)
{
    const json_t *rope = find_value(reader->root, "rope_parameters");
    const char *key = "rope_parameters";
    if (rope == NULL) {
        key = "rope_scaling";
        rope = find_value(reader->root, key);
    }
    const json_t *theta =
        rope != NULL && find_value(rope, "rope_theta") != NULL ? rope : reader->root;
    shape->rope_theta = read_number(reader, theta, "rope_theta", 10000);
    if (rope == NULL)
        return;
    if (!json_is_object(rope)) {
        refuse(reader, AZR_ERROR_INPUT, key, "is no object");
        return;
    }
    bool known = read_rope_type(reader, rope, key, &shape->rope_scaled);
    if (!known)
        return;
    if (find_value(rope, "partial_rotary_factor") != NULL &&
        read_number(reader, rope, "partial_rotary_factor", 1) != 1)
        refuse(reader, AZR_ERROR_UNSUPPORTED, "partial_rotary_factor", "other than 1");
    if (!shape->rope_scaled)
        return;
    shape->rope_factor = read_number(reader, rope, "factor", REQUIRED);
    shape->rope_low_freq_factor = read_number(reader, rope, "low_freq_factor", REQUIRED);
    shape->rope_high_freq_factor = read_number(reader, rope, "high_freq_factor", REQUIRED);
    shape->rope_original_seq_len =
        read_integer(reader, rope, "original_max_position_embeddings", REQUIRED);
}

/* Parts of these architectures that azr does not compute. */
static void refuse_unknown_parts(config_reader *reader, const azr_model_shape *shape)
{
    const json_t *act = find_value(reader->root, "hidden_act");
    if (act != NULL && (!json_is_string(act) || strcmp(json_string_value(act), "silu") != 0))
        refuse(reader, AZR_ERROR_UNSUPPORTED, "hidden_act", "other than silu");
    if (read_bool(reader, "use_sliding_window"))
        refuse(reader, AZR_ERROR_UNSUPPORTED, "use_sliding_window", "is true; azr has none");
    const json_t *types = find_value(reader->root, "layer_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (type == NULL || strcmp(type, "full_attention") != 0)
            refuse(reader, AZR_ERROR_UNSUPPORTED, "layer_types", "other than full_attention");
    }
    if (shape->family != AZR_FAMILY_QWEN2 && read_bool(reader, "attention_bias"))
        refuse(reader, AZR_ERROR_UNSUPPORTED, "attention_bias",
               "is true; azr has biases in qwen2 models only");
    if (read_bool(reader, "mlp_bias"))
        refuse(reader, AZR_ERROR_UNSUPPORTED, "mlp_bias", "is true; azr has none");
    if (read_number(reader, reader->root, "partial_rotary_factor", 1) != 1)
        refuse(reader, AZR_ERROR_UNSUPPORTED, "partial_rotary_factor", "other than 1");
    if (find_value(reader->root, "quantization_config") != NULL)
        refuse(reader, AZR_ERROR_UNSUPPORTED, "quantization_config",
               "is there; azr reads quantised models from GGUF only");
}

static azr_status read_config(const char *path, const json_t *root, azr_model_shape *shape,
                              azr_error *error)
{
    config_reader reader = {path, root, AZR_OK, error};
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (type == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: model_type is missing", path);
    if (!find_family(type, &shape->family))
        return unknown_family(path, type, error);
    shape->n_layers = read_integer(&reader, root, "num_hidden_layers", REQUIRED);
    shape->d_model = read_integer(&reader, root, "hidden_size", REQUIRED);
    shape->d_ff = read_integer(&reader, root, "intermediate_size", REQUIRED);
    shape->n_heads = read_integer(&reader, root, "num_attention_heads", REQUIRED);
    shape->n_kv_heads =
        read_integer(&reader, root, "num_key_value_heads",
                     shape->family == AZR_FAMILY_LLAMA ? shape->n_heads : (int64_t)REQUIRED);
    shape->n_vocab = read_integer(&reader, root, "vocab_size", REQUIRED);
    shape->max_seq_len = read_integer(&reader, root, "max_position_embeddings", REQUIRED);
    shape->norm_eps = read_number(&reader, root, "rms_norm_eps", 1e-6);
    int64_t d_head = shape->n_heads > 0 ? shape->d_model / shape->n_heads : 0;
    bool own = shape->family == AZR_FAMILY_QWEN3; /* whose default is not a share of d_model */
    shape->d_head = read_integer(&reader, root, "head_dim", own ? 128 : d_head);
    shape->tied_embeddings = read_bool(&reader, "tie_word_embeddings");
    shape->qkv_bias = shape->family == AZR_FAMILY_QWEN2;
    shape->qk_norm = shape->family == AZR_FAMILY_QWEN3;
    read_rope(&reader, shape);
    refuse_unknown_parts(&reader, shape);
    return reader.status != AZR_OK ? reader.status : azr_model__check_shape(shape, path, error);
}

static azr_status read_config_file(const char *path, azr_model_shape *shape, azr_error *error)
{
    char *text = NULL;
    size_t size;
    json_error_t problem;
    azr_status status = azr_file_read(path, MAX_CONFIG_BYTES, &text, &size, error);
    if (status != AZR_OK)
        return status;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    azr_free(text);
    if (root == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: line %d: %s", path, problem.line,
                             problem.text);
    status = json_is_object(root)
                 ? read_config(path, root, shape, error)
                 : azr_error_set(error, AZR_ERROR_INPUT, "%s: is no JSON object", path);
    json_decref(root);
    return status;
}

/* --- GGUF ------------------------------------------------------------------------------------- */

typedef struct gguf_reader {
    const azr_weights_file *file;
    const char *family;
    azr_status status;
    azr_error *error;
} gguf_reader;

static bool gguf_find(const gguf_reader *reader, const char *key, int64_t *out_value)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", reader->family, key);
    return azr_gguf_integer(reader->file, name, out_value);
}

static int64_t gguf_integer(gguf_reader *reader, const char *key)
{
    int64_t value = 0;
    if (!gguf_find(reader, key, &value) && reader->status == AZR_OK)
        reader->status = azr_error_set(reader->error, AZR_ERROR_INPUT,
                                       "%s: metadata %s.%s is missing or no integer",
                                       azr_weights_path(reader->file), reader->family, key);
    return value;
}

static float gguf_number(gguf_reader *reader, const char *key, double missing)
{
    char name[128];
    double value = missing;
    snprintf(name, sizeof name, "%s.%s", reader->family, key);
    if (!azr_gguf_number(reader->file, name, &value) && missing == REQUIRED &&
        reader->status == AZR_OK)
        reader->status =
            azr_error_set(reader->error, AZR_ERROR_INPUT, "%s: metadata %s is missing or no number",
                          azr_weights_path(reader->file), name);
    return (float)value;
}

/* GGUF stores the factors that "llama3" scaling leads to, not its parameters. All published models
 * use 1 and 4 as bounds and 8192 positions: taken when they explain the factors, else refused. */
static azr_status read_rope_factors(const azr_weights_file *file, azr_model_shape *shape,
                                    azr_error *error)
{
    const azr_tensor *tensor = azr_weights_find(file, "rope_freqs.weight");
    int64_t n = shape->d_head / 2;
    float factors[512], plain[512], scaled[512];
    bool same = true;
    if (tensor == NULL)
        return AZR_OK;
    if (tensor->n_dims != 1 || tensor->n_elements != n || tensor->type != AZR_TENSOR_F32 ||
        n > (int64_t)AZR_COUNT(factors))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: rope_freqs.weight must be %lld numbers in F32",
                             azr_weights_path(file), (long long)n);
    azr_tensor_read(tensor, 0, n, factors);
    azr_model__rope_frequencies(shape, plain);
    shape->rope_scaled = true;
    shape->rope_factor = factors[n - 1];
    shape->rope_low_freq_factor = 1;
    shape->rope_high_freq_factor = 4;
    shape->rope_original_seq_len = 8192;
    azr_model__rope_frequencies(shape, scaled);
    for (int64_t i = 0; i < n; i++)
        same = same && fabsf(plain[i] / scaled[i] / factors[i] - 1) < 1e-3F;
    if (!same)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: rope_freqs.weight is not what llama3 scaling gives (bounds 1 and "
                             "4, 8192 positions)",
                             azr_weights_path(file));
    if (shape->rope_factor == 1)
        shape->rope_scaled = false;
    return AZR_OK;
}

static azr_status check_gguf_head(const azr_weights_file *file, azr_model_shape *shape,
                                  azr_error *error)
{
    const azr_tensor *embedding = azr_weights_find(file, "token_embd.weight");
    const azr_tensor *head = azr_weights_find(file, "output.weight"), *better;
    if (embedding == NULL || embedding->n_dims != 2)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: tensor token_embd.weight is missing%s",
                             azr_weights_path(file), embedding != NULL ? " or no matrix" : "");
    shape->n_vocab = embedding->dims[0];
    shape->tied_embeddings = head == NULL;
    if (head == NULL)
        return AZR_OK;
    return azr_model__compare_head(embedding, head, &shape->tied_embeddings, &better, error);
}

/* What a file may ask for and azr does not compute. */
static azr_status refuse_gguf_parts(const gguf_reader *reader, const azr_model_shape *shape,
                                    azr_error *error)
{
    const char *path = azr_weights_path(reader->file);
    int64_t value;
    size_t size;
    if (gguf_find(reader, "attention.value_length", &value) && value != shape->d_head)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: values of another length than keys (%lld and %lld)", path,
                             (long long)value, (long long)shape->d_head);
    if (gguf_find(reader, "rope.dimension_count", &value) && value != shape->d_head)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: rope on %lld of %lld dimensions; azr needs all", path,
                             (long long)value, (long long)shape->d_head);
    if (gguf_find(reader, "expert_count", &value) && value != 0)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "%s: a mixture of experts", path);
    char key[64];
    snprintf(key, sizeof key, "%s.rope.scaling.type", reader->family);
    const char *scaling = azr_gguf_text(reader->file, key, &size);
    if (scaling != NULL && strcmp(scaling, "none") != 0)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "%s: rope scaling of type '%.64s'", path,
                             scaling);
    return AZR_OK;
}

static azr_status read_gguf_shape(const azr_weights_file *file, azr_model_shape *shape,
                                  azr_error *error)
{
    size_t size;
    const char *path = azr_weights_path(file);
    const char *family = azr_gguf_text(file, "general.architecture", &size);
    gguf_reader reader = {file, family, AZR_OK, error};
    *shape = (azr_model_shape){0};
    if (family == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: metadata general.architecture is missing",
                             path);
    if (!find_family(family, &shape->family))
        return unknown_family(path, family, error);
    shape->n_layers = gguf_integer(&reader, "block_count");
    shape->d_model = gguf_integer(&reader, "embedding_length");
    shape->d_ff = gguf_integer(&reader, "feed_forward_length");
    shape->n_heads = gguf_integer(&reader, "attention.head_count");
    shape->n_kv_heads = shape->n_heads;
    gguf_find(&reader, "attention.head_count_kv", &shape->n_kv_heads);
    shape->d_head = shape->n_heads > 0 ? shape->d_model / shape->n_heads : 0;
    gguf_find(&reader, "attention.key_length", &shape->d_head);
    shape->max_seq_len = gguf_integer(&reader, "context_length");
    shape->norm_eps = gguf_number(&reader, "attention.layer_norm_rms_epsilon", REQUIRED);
    shape->rope_theta = gguf_number(&reader, "rope.freq_base", 10000);
    shape->qkv_bias = shape->family == AZR_FAMILY_QWEN2;
    shape->qk_norm = shape->family == AZR_FAMILY_QWEN3;
    if (reader.status != AZR_OK)
        return reader.status;
    azr_status status = refuse_gguf_parts(&reader, shape, error);
    if (status == AZR_OK)
        status = check_gguf_head(file, shape, error);
    if (status == AZR_OK)
        status = azr_model__check_shape(shape, path, error);
    if (status == AZR_OK)
        status = read_rope_factors(file, shape, error);
    return status == AZR_OK ? azr_model__check_shape(shape, path, error) : status;
}

/* --- either ----------------------------------------------------------------------------------- */

/* The folder's config.json, or NULL when path is no folder of a Hugging Face model. */
static char *find_config(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');
    if (azr_directory_exists(path)) {
        char *config = azr_path_join(path, "config.json");
        if (azr_file_exists(config))
            return config;
        azr_free(config);
        return NULL;
    }
    if (dot == NULL || strcmp(dot, ".safetensors") != 0)
        return NULL;
    char *folder =
        slash != NULL ? azr_copy_text(path, (size_t)(slash - path) + 1) : azr_copy_text(".", 1);
    char *config = azr_path_join(folder, "config.json");
    azr_free(folder);
    return config;
}

azr_status azr_model__read_shape_of(const char *path, const azr_weights_file *file,
                                    azr_model_shape *out_shape, azr_error *error)
{
    *out_shape = (azr_model_shape){0};
    if (azr_weights_is_gguf(file))
        return read_gguf_shape(file, out_shape, error);
    char *config = find_config(path);
    if (config == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: config.json is missing", path);
    azr_status status = read_config_file(config, out_shape, error);
    azr_free(config);
    return status;
}

azr_status azr_model_read_shape(const char *path, azr_model_shape *out_shape, azr_error *error)
{
    char *config = find_config(path);
    azr_weights_file *file = NULL;
    azr_status status;
    if (config != NULL) {
        *out_shape = (azr_model_shape){0};
        status = read_config_file(config, out_shape, error);
    } else {
        status = azr_weights_open(path, &file, error);
        if (status == AZR_OK)
            status = azr_model__read_shape_of(path, file, out_shape, error);
    }
    azr_weights_close(file);
    azr_free(config);
    return status;
}
