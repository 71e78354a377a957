/* save.c: a folder that transformers loads: model.safetensors and config.json. */
#include "model/network.h"

#include "base/check.h"
#include "base/files.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* The shortest decimal that reads back as the same f32, so that 1e-06 stays 1e-06. */
static json_t *json_float(float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *rope_object(const azr_model_shape *s)
{
    if (!s->rope_scaled)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:I}", "rope_type", "llama3", "factor",
                     json_float(s->rope_factor), "low_freq_factor",
                     json_float(s->rope_low_freq_factor), "high_freq_factor",
                     json_float(s->rope_high_freq_factor), "original_max_position_embeddings",
                     (json_int_t)s->rope_original_seq_len);
}

static json_t *config_object(const azr_model_shape *s)
{
    static const char *const architectures[] = {"LlamaForCausalLM", "Qwen2ForCausalLM",
                                                "Qwen3ForCausalLM"};
    json_t *root = json_pack(
        "{s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:b, s:s}",
        "architectures", architectures[s->family], "model_type", azr_family_name(s->family),
        "hidden_act", "silu", "num_hidden_layers", (json_int_t)s->n_layers, "hidden_size",
        (json_int_t)s->d_model, "intermediate_size", (json_int_t)s->d_ff, "num_attention_heads",
        (json_int_t)s->n_heads, "num_key_value_heads", (json_int_t)s->n_kv_heads, "head_dim",
        (json_int_t)s->d_head, "vocab_size", (json_int_t)s->n_vocab, "max_position_embeddings",
        (json_int_t)s->max_seq_len, "rms_norm_eps", json_float(s->norm_eps), "rope_theta",
        json_float(s->rope_theta), "rope_scaling", rope_object(s), "tie_word_embeddings",
        s->tied_embeddings, "torch_dtype", "float32");
    AZR_CHECK(root != NULL);
    if (s->family != AZR_FAMILY_QWEN2)
        json_object_set_new(root, "attention_bias", json_false());
    return root;
}

static azr_status save_config(const azr_model *model, const char *folder, azr_error *error)
{
    json_t *root = config_object(&model->shape);
    char *path = azr_path_join(folder, "config.json");
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    AZR_CHECK(text != NULL);
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    text[size++] = '\n'; /* in place of the NUL, which is not written */
    azr_status status = azr_file_write(path, text, size, error);
    free(text);
    azr_free(path);
    json_decref(root);
    return status;
}

azr_status azr_model_save(const azr_model *model, const char *folder, azr_error *error)
{
    size_t n = model->layout.n;
    azr_tensor_out *tensors = azr_alloc(n, sizeof *tensors);
    char *path = azr_path_join(folder, "model.safetensors");
    for (size_t i = 0; i < n; i++) {
        const azr_parameter *p = &model->layout.parameters[i];
        tensors[i] = (azr_tensor_out){.name = p->name,
                                      .n_dims = p->n_dims,
                                      .dims = {p->dims[0], p->dims[1]},
                                      .data = model->weights + p->offset};
    }
    azr_status status = azr_safetensors_write(path, tensors, n, error);
    azr_free(tensors);
    azr_free(path);
    return status == AZR_OK ? save_config(model, folder, error) : status;
}
