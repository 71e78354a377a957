/* test_open.c: files in and out: saved models read back, GGUF and Hugging Face agree, and what is
 * wrong with a file or a config is said by name. */
#include "../support/models.h"
#include "../support/tiny_models.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/azr-test-open-XXXXXX"; /* of this run */

static char *in_folder(const char *name)
{
    return azr_path_join(folder, name);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    azr_error error;
    char *path = in_folder(name);
    assert_ok(azr_file_write(path, bytes, size, &error), &error);
    azr_free(path);
}

static azr_model *open_fixture(const char *family)
{
    char path[128];
    azr_model *model;
    azr_error error;
    snprintf(path, sizeof path, "tests/model/fixtures/tiny-%s", family);
    assert_ok(azr_model_open(path, AZR_DTYPE_F32, &model, &error), &error);
    return model;
}

/* Opening `path` fails with this status and a sentence that holds all of the words. */
static void assert_refused(const char *path, azr_status expected, const char *const words[])
{
    azr_model *model;
    azr_error error;
    azr_status status = azr_model_open(path, AZR_DTYPE_F32, &model, &error);
    assert_null(model);
    for (int i = 0; words[i] != NULL; i++)
        if (status != expected || strstr(error.text, words[i]) == NULL)
            fail_msg("status %d: '%s', expected %d with '%s'", status,
                     status == AZR_OK ? "" : error.text, expected, words[i]);
}

#define REFUSED(path, status, ...) \
    assert_refused(path, status, (const char *const[]){__VA_ARGS__, NULL})

/* --- saving
 * --------------------------------------------------------------------------------------- */

static void assert_same_files(const char *a, const char *b)
{
    char *text_a, *text_b;
    size_t size_a, size_b;
    azr_error error;
    assert_ok(azr_file_read(a, 1 << 24, &text_a, &size_a, &error), &error);
    assert_ok(azr_file_read(b, 1 << 24, &text_b, &size_b, &error), &error);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(text_a, text_b, size_a);
    azr_free(text_a);
    azr_free(text_b);
}

/* Save, open, save: the same shape, the same weights, the same bytes. */
static void test_save(void **state)
{
    (void)state;
    char *first = in_folder("first"), *second = in_folder("second");
    azr_error error;
    assert_ok(azr_directory_create(first, &error), &error);
    assert_ok(azr_directory_create(second, &error), &error);
    for (int i = 0; i < 3; i++) {
        azr_model *model = test_model((azr_family)i, AZR_DTYPE_F32, 5), *again;
        assert_ok(azr_model_save(model, first, &error), &error);
        assert_ok(azr_model_open(first, AZR_DTYPE_F32, &again, &error), &error);
        azr_model_shape a = *azr_model_get_shape(model), b = *azr_model_get_shape(again);
        assert_int_equal(a.family, b.family);
        assert_true(a.norm_eps == b.norm_eps && a.rope_theta == b.rope_theta);
        assert_true(a.rope_scaled == b.rope_scaled && a.rope_factor == b.rope_factor &&
                    a.rope_original_seq_len == b.rope_original_seq_len);
        assert_true(a.tied_embeddings == b.tied_embeddings && a.d_head == b.d_head &&
                    a.max_seq_len == b.max_seq_len);
        assert_int_equal(azr_model_n_weights(model), azr_model_n_weights(again));
        assert_memory_equal(azr_model_weights(model), azr_model_weights(again),
                            (size_t)azr_model_n_weights(model) * sizeof(float));
        assert_ok(azr_model_save(again, second, &error), &error);
        const char *names[] = {"model.safetensors", "config.json"};
        for (int j = 0; j < 2; j++) {
            char *path_a = azr_path_join(first, names[j]),
                 *path_b = azr_path_join(second, names[j]);
            assert_same_files(path_a, path_b);
            azr_free(path_a);
            azr_free(path_b);
        }
        azr_model_destroy(model);
        azr_model_destroy(again);
    }
    azr_free(first);
    azr_free(second);
}

static void test_create_repeats(void **state)
{
    (void)state;
    azr_model *a = test_model(AZR_FAMILY_QWEN3, AZR_DTYPE_F32, 5);
    azr_model *b = test_model(AZR_FAMILY_QWEN3, AZR_DTYPE_F32, 5);
    azr_model *c = test_model(AZR_FAMILY_QWEN3, AZR_DTYPE_F32, 6);
    size_t n = (size_t)azr_model_n_weights(a) * sizeof(float);
    assert_memory_equal(azr_model_weights(a), azr_model_weights(b), n);
    assert_memory_not_equal(azr_model_weights(a), azr_model_weights(c), n);
    azr_model_destroy(a);
    azr_model_destroy(b);
    azr_model_destroy(c);
}

/* --- config.json
 * ---------------------------------------------------------------------------------- */

/* A folder with the fixture's weights and its config.json after `change` (JSON; null removes). */
static char *changed_config(const char *family, const char *change)
{
    char from[256], *path = in_folder("changed"), *config = in_folder("changed/config.json");
    char *weights = in_folder("changed/model.safetensors"), cwd[512], *source;
    azr_error error;
    json_t *changes = json_loads(change, 0, NULL), *value;
    const char *key;
    assert_non_null(changes);
    snprintf(from, sizeof from, "tests/model/fixtures/tiny-%s/config.json", family);
    json_t *root = json_load_file(from, 0, NULL);
    json_object_foreach(changes, key, value)
    {
        if (json_is_null(value))
            json_object_del(root, key);
        else
            json_object_set(root, key, value);
    }
    assert_ok(azr_directory_create(path, &error), &error);
    assert_int_equal(json_dump_file(root, config, 0), 0);
    snprintf(from, sizeof from, "tests/model/fixtures/tiny-%s/model.safetensors", family);
    assert_non_null(getcwd(cwd, sizeof cwd));
    source = azr_path_join(cwd, from);
    unlink(weights);
    assert_int_equal(symlink(source, weights), 0);
    json_decref(root);
    json_decref(changes);
    azr_free(source);
    azr_free(config);
    azr_free(weights);
    return path;
}

static void test_config_refused(void **state)
{
    (void)state;
    const struct {
        const char *family, *change;
        azr_status status;
        const char *word;
    } cases[] = {
        {"llama", "{\"model_type\": \"gpt2\"}", AZR_ERROR_UNSUPPORTED, "gpt2"},
        {"llama", "{\"model_type\": null}", AZR_ERROR_INPUT, "model_type"},
        {"llama", "{\"hidden_size\": null}", AZR_ERROR_INPUT, "hidden_size is missing"},
        {"llama", "{\"hidden_size\": \"20\"}", AZR_ERROR_INPUT, "hidden_size is no integer"},
        {"llama", "{\"hidden_size\": 24}", AZR_ERROR_INPUT, "wants"},
        {"llama", "{\"hidden_size\": 4294967296}", AZR_ERROR_INPUT, "hidden_size is 4294967296"},
        {"llama", "{\"num_hidden_layers\": 0}", AZR_ERROR_INPUT, "1 to 1024"},
        {"llama", "{\"num_hidden_layers\": 3}", AZR_ERROR_INPUT, "model.layers.2."},
        {"llama", "{\"num_hidden_layers\": 1}", AZR_ERROR_UNSUPPORTED, "model.layers.1."},
        {"llama", "{\"num_attention_heads\": -4}", AZR_ERROR_INPUT, "num_attention_heads"},
        {"llama", "{\"num_key_value_heads\": 3}", AZR_ERROR_INPUT, "multiple"},
        {"llama", "{\"head_dim\": 7}", AZR_ERROR_INPUT, "odd"},
        {"llama", "{\"vocab_size\": 62}", AZR_ERROR_INPUT, "model.embed_tokens.weight"},
        {"llama", "{\"vocab_size\": 1e99}", AZR_ERROR_INPUT, "vocab_size"},
        {"llama", "{\"rms_norm_eps\": 0}", AZR_ERROR_INPUT, "rms_norm_eps"},
        {"llama", "{\"hidden_act\": \"gelu\"}", AZR_ERROR_UNSUPPORTED, "hidden_act"},
        {"llama", "{\"attention_bias\": true}", AZR_ERROR_UNSUPPORTED, "attention_bias"},
        {"llama", "{\"mlp_bias\": true}", AZR_ERROR_UNSUPPORTED, "mlp_bias"},
        {"llama", "{\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 4}}",
         AZR_ERROR_UNSUPPORTED, "'yarn'"},
        {"llama", "{\"rope_parameters\": null, \"rope_scaling\": {\"type\": \"linear\"}}",
         AZR_ERROR_UNSUPPORTED, "'linear'"},
        {"llama", "{\"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 8}}",
         AZR_ERROR_INPUT, "low_freq_factor is missing"},
        {"llama", "{\"rope_parameters\": null, \"rope_theta\": -1}", AZR_ERROR_INPUT, "rope_theta"},
        {"llama", "{\"tie_word_embeddings\": \"yes\"}", AZR_ERROR_INPUT, "tie_word_embeddings"},
        {"llama", "{\"quantization_config\": {}}", AZR_ERROR_UNSUPPORTED, "quantization_config"},
        {"qwen2", "{\"use_sliding_window\": true}", AZR_ERROR_UNSUPPORTED, "use_sliding_window"},
        {"qwen2", "{\"layer_types\": [\"sliding_attention\"]}", AZR_ERROR_UNSUPPORTED,
         "layer_types"},
        {"qwen2", "{\"model_type\": \"llama\"}", AZR_ERROR_UNSUPPORTED, "bias"},
        {"qwen2", "{\"model_type\": \"qwen3\"}", AZR_ERROR_UNSUPPORTED, "bias"},
        {"qwen2", "{\"tie_word_embeddings\": false}", AZR_ERROR_INPUT, "lm_head.weight is missing"},
        {"qwen3", "{\"head_dim\": null}", AZR_ERROR_INPUT, "q_proj.weight"},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        char *path = changed_config(cases[i].family, cases[i].change);
        REFUSED(path, cases[i].status, cases[i].word);
        azr_free(path);
    }
}

/* Older files say rope_theta and rope_scaling; the same model. */
static void test_config_older(void **state)
{
    (void)state;
    char *path = changed_config(
        "llama", "{\"rope_parameters\": null, \"rope_theta\": 10000.0, \"head_dim\": 8, "
                 "\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": "
                 "1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64}}");
    azr_model *old = open_fixture("llama"), *new;
    azr_error error;
    assert_ok(azr_model_open(path, AZR_DTYPE_F32, &new, &error), &error);
    const azr_model_shape *a = azr_model_get_shape(old), *b = azr_model_get_shape(new);
    assert_true(a->rope_theta == b->rope_theta && b->rope_scaled && b->rope_factor == 8 &&
                a->rope_original_seq_len == b->rope_original_seq_len);
    azr_model_destroy(old);
    azr_model_destroy(new);
    azr_free(path);
}

static void test_config_broken(void **state)
{
    (void)state;
    char *path = changed_config("llama", "{}");
    char *config = in_folder("changed/config.json"),
         *weights = in_folder("changed/model.safetensors");
    write_file("changed/config.json", "{\"model_type\": ", 15);
    REFUSED(path, AZR_ERROR_INPUT, "config.json");
    write_file("changed/config.json", "[1]", 3);
    REFUSED(path, AZR_ERROR_INPUT, "no JSON object");
    unlink(config);
    REFUSED(path, AZR_ERROR_INPUT, "config.json is missing");
    REFUSED(weights, AZR_ERROR_IO, "config.json");
    azr_free(config);
    azr_free(weights);
    azr_free(path);
}

/* --- tensors
 * ---------------------------------------------------------------------------------------- */

/* The fixture's tensors, to be changed before they are written into <folder>/changed. */
typedef struct tensor_list {
    azr_weights_file *file;
    azr_tensor_out tensors[64];
    size_t n;
} tensor_list;

static tensor_list read_tensors(const char *family)
{
    char path[128];
    tensor_list list = {0};
    azr_error error;
    snprintf(path, sizeof path, "tests/model/fixtures/tiny-%s", family);
    assert_ok(azr_weights_open(path, &list.file, &error), &error);
    for (; list.n < azr_weights_count(list.file); list.n++) {
        const azr_tensor *t = azr_weights_at(list.file, list.n);
        int64_t n;
        assert_true(list.n + 1 < AZR_COUNT(list.tensors));
        list.tensors[list.n] = (azr_tensor_out){
            t->name, t->n_dims, {t->dims[0], t->dims[1]}, test_tensor(list.file, t->name, &n)};
    }
    return list;
}

static size_t find_tensor(const tensor_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->tensors[i].name, name) == 0)
            return i;
    fail_msg("no tensor %s", name);
    return 0;
}

static void write_tensors(const tensor_list *list, size_t n)
{
    char *path = in_folder("changed/model.safetensors");
    azr_error error;
    unlink(path);
    assert_ok(azr_safetensors_write(path, list->tensors, n, &error), &error);
    azr_free(path);
}

static void test_tensors_refused(void **state)
{
    (void)state;
    char *path = changed_config("llama", "{}");
    tensor_list list = read_tensors("llama");
    size_t i = find_tensor(&list, "model.layers.1.mlp.up_proj.weight");
    azr_tensor_out kept = list.tensors[i], last = list.tensors[list.n - 1];
    float *wrong = (float *)kept.data;

    list.tensors[i].name = "model.layers.1.mlp.extra";
    write_tensors(&list, list.n);
    REFUSED(path, AZR_ERROR_UNSUPPORTED, "model.layers.1.mlp.extra");
    list.tensors[i] = last;
    list.tensors[list.n - 1] = kept;
    write_tensors(&list, list.n - 1);
    REFUSED(path, AZR_ERROR_INPUT, "model.layers.1.mlp.up_proj.weight is missing");
    list.tensors[list.n - 1].dims[0] = kept.dims[1];
    list.tensors[list.n - 1].dims[1] = kept.dims[0];
    write_tensors(&list, list.n);
    REFUSED(path, AZR_ERROR_INPUT, "up_proj.weight has 2 dimensions of 20 x 28", "28 x 20");
    list.tensors[list.n - 1] = kept;
    float saved = wrong[17];
    wrong[17] = NAN;
    write_tensors(&list, list.n);
    REFUSED(path, AZR_ERROR_NUMERIC, "up_proj.weight", "not finite");
    wrong[17] = saved;
    write_tensors(&list, list.n);
    azr_model *model;
    azr_error error;
    assert_ok(azr_model_open(path, AZR_DTYPE_F32, &model, &error), &error);
    azr_model_destroy(model);

    char *weights = in_folder("changed/model.safetensors");
    assert_int_equal(truncate(weights, 20000), 0);
    REFUSED(path, AZR_ERROR_INPUT, "model.safetensors");
    unlink(weights);
    assert_int_not_equal(azr_model_open(path, AZR_DTYPE_F32, &model, &error), AZR_OK);
    for (size_t j = 0; j < list.n; j++)
        azr_free((void *)list.tensors[j].data);
    azr_weights_close(list.file);
    azr_free(weights);
    azr_free(path);
}

/* --- GGUF
 * ------------------------------------------------------------------------------------------- */

/* How the GGUF file is to differ from what llama.cpp makes of the tiny llama. */
typedef struct gguf_change {
    const char *architecture, *skip_tensor, *scaling;
    bool tied;         /* output.weight is token_embd.weight */
    float rope_factor; /* rope_freqs.weight for 8192 positions, 0: none */
    bool odd_rope_freqs;
    uint32_t value_length;
} gguf_change;

static void gguf_value_f32(azr_strbuf *file, const char *key, float value)
{
    gguf_key(file, key, 6);
    gguf_put(file, &value, sizeof value);
}

static const struct {
    const char *name, *gguf_name;
} layer_names[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
};

/* The GGUF name of a Hugging Face name; false when it has none. */
static bool gguf_name(const char *name, char out[64])
{
    int layer, at;
    if (sscanf(name, "model.layers.%d.%n", &layer, &at) == 1) {
        for (size_t i = 0; i < AZR_COUNT(layer_names); i++)
            if (strcmp(name + at, layer_names[i].name) == 0)
                return snprintf(out, 64, "blk.%d.%s", layer, layer_names[i].gguf_name) > 0;
        return false;
    }
    const char *other = strcmp(name, "model.norm.weight") == 0           ? "output_norm.weight"
                        : strcmp(name, "model.embed_tokens.weight") == 0 ? "token_embd.weight"
                                                                         : "output.weight";
    return snprintf(out, 64, "%s", other) > 0;
}

/* Rows of q and k as convert_hf_to_gguf.py stores them: (head, half, pair) to (head, pair, half).
 */
static void put_permuted(azr_strbuf *file, const float *w, int64_t n_rows, int64_t n_columns,
                         int64_t d_head)
{
    for (int64_t h = 0; h < n_rows / d_head; h++)
        for (int64_t pair = 0; pair < d_head / 2; pair++)
            for (int64_t half = 0; half < 2; half++)
                gguf_put(file, w + (h * d_head + half * (d_head / 2) + pair) * n_columns,
                         (size_t)n_columns * sizeof(float));
}

static void put_metadata(azr_strbuf *file, const azr_model_shape *s, const gguf_change *change)
{
    gguf_value_text(file, "general.architecture", change->architecture);
    gguf_value_u32(file, "llama.block_count", (uint32_t)s->n_layers);
    gguf_value_u32(file, "llama.embedding_length", (uint32_t)s->d_model);
    gguf_value_u32(file, "llama.feed_forward_length", (uint32_t)s->d_ff);
    gguf_value_u32(file, "llama.attention.head_count", (uint32_t)s->n_heads);
    gguf_value_u32(file, "llama.attention.head_count_kv", (uint32_t)s->n_kv_heads);
    gguf_value_u32(file, "llama.attention.key_length", (uint32_t)s->d_head);
    gguf_value_u32(file, "llama.attention.value_length", change->value_length);
    gguf_value_u32(file, "llama.rope.dimension_count", (uint32_t)s->d_head);
    gguf_value_u32(file, "llama.context_length", (uint32_t)s->max_seq_len);
    gguf_value_f32(file, "llama.attention.layer_norm_rms_epsilon", s->norm_eps);
    gguf_value_f32(file, "llama.rope.freq_base", change->rope_factor > 0 ? 500000 : s->rope_theta);
    gguf_value_text(file, "llama.rope.scaling.type", change->scaling);
}

enum { N_METADATA = 13, FREQUENCIES = 4 };

/* Factors of llama3 scaling (bounds 1 and 4, 8192 positions) for the four waves of theta 500000:
 * 6 and 167 positions are short, 4443 is blended, 118142 is long. */
static void rope_factors(const gguf_change *change, float out[FREQUENCIES])
{
    double wave = 2 * 3.14159265358979323846 * sqrt(500000.0), smooth = (8192 / wave - 1) / (4 - 1);
    out[0] = out[1] = 1;
    out[2] = (float)(1 / ((1 - smooth) / (double)change->rope_factor + smooth));
    out[3] = change->rope_factor;
    if (change->odd_rope_freqs)
        out[0] = 3;
}

/* Where a tensor is and how it goes into the file. */
static void put_info(azr_strbuf *file, const char *name, const azr_parameter *p, uint64_t *offset)
{
    uint64_t dims[2] = {(uint64_t)p->dims[p->n_dims - 1], (uint64_t)p->dims[0]};
    gguf_info(file, name, (uint32_t)p->n_dims, dims, 0, *offset);
    *offset += ((uint64_t)p->n_elements * sizeof(float) + 31) / 32 * 32;
}

static char *write_gguf(azr_model *model, const gguf_change *change)
{
    const azr_model_shape *s = azr_model_get_shape(model);
    azr_strbuf file = {0};
    char name[64];
    uint64_t offset = 0, n_tensors = azr_model_n_parameters(model) + (change->rope_factor > 0) -
                                     (change->skip_tensor != NULL);
    gguf_begin(&file, 3, n_tensors, N_METADATA);
    put_metadata(&file, s, change);
    const azr_parameter factors = {.n_dims = 1, .dims = {FREQUENCIES}, .n_elements = FREQUENCIES};
    if (change->rope_factor > 0)
        put_info(&file, "rope_freqs.weight", &factors, &offset);
    for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
        const azr_parameter *p = azr_model_parameter(model, i);
        assert_true(gguf_name(p->name, name));
        if (change->skip_tensor == NULL || strcmp(name, change->skip_tensor) != 0)
            put_info(&file, name, p, &offset);
    }
    gguf_align(&file, 32);
    if (change->rope_factor > 0) {
        float values[FREQUENCIES];
        rope_factors(change, values);
        gguf_put(&file, values, sizeof values);
        gguf_align(&file, 32);
    }
    for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
        const azr_parameter *p = azr_model_parameter(model, i);
        const float *w = azr_model_weights(model) + p->offset;
        gguf_name(p->name, name);
        if (change->skip_tensor != NULL && strcmp(name, change->skip_tensor) == 0)
            continue;
        if (strcmp(name, "output.weight") == 0 && change->tied)
            w = azr_model_weights(model) + azr_model_parameter(model, 0)->offset;
        if (strstr(name, "attn_q.") != NULL || strstr(name, "attn_k.") != NULL)
            put_permuted(&file, w, p->dims[0], p->dims[1], s->d_head);
        else
            gguf_put(&file, w, (size_t)p->n_elements * sizeof(float));
        gguf_align(&file, 32);
    }
    write_file("tiny.gguf", file.data, file.size);
    azr_strbuf_deinit(&file);
    return in_folder("tiny.gguf");
}

static const gguf_change usual = {.architecture = "llama", .scaling = "none", .value_length = 8};

static void test_gguf(void **state)
{
    (void)state;
    azr_model *model = open_fixture("llama"), *read;
    azr_error error;
    gguf_change change = usual;
    size_t n = (size_t)azr_model_n_weights(model);
    char *path = write_gguf(model, &change);
    assert_ok(azr_model_open(path, AZR_DTYPE_F32, &read, &error), &error);
    assert_false(azr_model_get_shape(read)->rope_scaled);
    assert_false(azr_model_get_shape(read)->tied_embeddings);
    assert_int_equal(azr_model_n_weights(read), n);
    assert_memory_equal(azr_model_weights(model), azr_model_weights(read), n * sizeof(float));
    azr_model_destroy(read);
    azr_free(path);

    change.rope_factor = 8;
    change.tied = true;
    path = write_gguf(model, &change);
    assert_ok(azr_model_open(path, AZR_DTYPE_F32, &read, &error), &error);
    const azr_model_shape *s = azr_model_get_shape(read);
    assert_true(s->tied_embeddings && s->n_vocab == 61);
    assert_true(s->rope_scaled && s->rope_factor == 8 && s->rope_original_seq_len == 8192);
    assert_int_equal(azr_model_n_weights(read), n - 61 * 20);
    azr_model_destroy(read);
    azr_free(path);
    azr_model_destroy(model);
}

static void test_gguf_refused(void **state)
{
    (void)state;
    azr_model *model = open_fixture("llama");
    const struct {
        gguf_change change;
        azr_status status;
        const char *word;
    } cases[] = {
        {{"mamba", NULL, "none", false, 0, false, 8}, AZR_ERROR_UNSUPPORTED, "mamba"},
        {{"qwen2", NULL, "none", false, 0, false, 8}, AZR_ERROR_INPUT, "qwen2.block_count"},
        {{"llama", "blk.1.attn_k.weight", "none", false, 0, false, 8},
         AZR_ERROR_INPUT,
         "blk.1.attn_k.weight is missing"},
        {{"llama", "token_embd.weight", "none", false, 0, false, 8},
         AZR_ERROR_INPUT,
         "token_embd.weight"},
        {{"llama", NULL, "yarn", false, 0, false, 8}, AZR_ERROR_UNSUPPORTED, "yarn"},
        {{"llama", NULL, "none", false, 8, true, 8}, AZR_ERROR_UNSUPPORTED, "rope_freqs.weight"},
        {{"llama", NULL, "none", false, 0, false, 4}, AZR_ERROR_UNSUPPORTED, "values of another"},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        char *path = write_gguf(model, &cases[i].change);
        REFUSED(path, cases[i].status, cases[i].word);
        azr_free(path);
    }
    char *path = write_gguf(model, &usual);
    assert_int_equal(truncate(path, 30000), 0);
    REFUSED(path, AZR_ERROR_INPUT, "tiny.gguf");
    azr_free(path);
    azr_model_destroy(model);
}

/* --- shapes and memory
 * ------------------------------------------------------------------------------ */

static void test_shape_refused(void **state)
{
    (void)state;
    azr_model_shape shapes[4];
    azr_model *model;
    azr_error error;
    for (int i = 0; i < 4; i++)
        shapes[i] = test_shape(AZR_FAMILY_LLAMA);
    shapes[0].n_heads = 5;
    shapes[1].qkv_bias = true;
    shapes[2].n_vocab = 0;
    shapes[3].norm_eps = NAN;
    for (int i = 0; i < 4; i++) {
        assert_int_not_equal(azr_model_create(&shapes[i], AZR_DTYPE_F32, 1, &model, &error),
                             AZR_OK);
        assert_null(model);
    }
}

/* Lack of memory at any allocation of opening is an error, not a crash; nothing leaks (sanitizers).
 */
static void test_open_without_memory(void **state)
{
    (void)state;
    azr_model *model = NULL;
    azr_error error;
    azr_status status = AZR_ERROR_MEMORY;
    for (size_t n = 1; status != AZR_OK; n++) {
        azr_memory_fail_at(n);
        status = azr_model_open("tests/model/fixtures/tiny-qwen3", AZR_DTYPE_F32, &model, &error);
        azr_memory_fail_at(0);
        assert_true(n < 1000 && (status == AZR_OK || status == AZR_ERROR_MEMORY));
    }
    azr_model_destroy(model);
}

static int start(void **state)
{
    (void)state;
    azr_kernels_set_threads(2);
    return azr_kernels_init(NULL) == AZR_OK && mkdtemp(folder) != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return azr_directory_remove(folder, NULL) == AZR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save),           cmocka_unit_test(test_create_repeats),
        cmocka_unit_test(test_config_refused), cmocka_unit_test(test_config_older),
        cmocka_unit_test(test_config_broken),  cmocka_unit_test(test_tensors_refused),
        cmocka_unit_test(test_gguf),           cmocka_unit_test(test_gguf_refused),
        cmocka_unit_test(test_shape_refused),  cmocka_unit_test(test_open_without_memory),
    };
    return cmocka_run_group_tests(tests, start, end);
}
