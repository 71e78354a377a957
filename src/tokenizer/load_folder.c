/* load_folder.c: what the small files beside tokenizer.json say: ends of text, chat template. */
#include "base/files.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"

#include <jansson.h>
#include <string.h>

/* Reads folder/name into *out_file; a missing file is fine. */
static azr_status keep_file(const char *folder, const char *name, azr_kept_file *out_file,
                            azr_error *error)
{
    char *path = azr_path_join(folder, name);
    azr_status status = AZR_OK;
    if (azr_file_exists(path))
        status = azr_file_read(path, AZR_MAX_CONFIG_FILE, &out_file->text, &out_file->size, error);
    azr_free(path);
    return status;
}

/* Parses a kept file; *out_json stays NULL when there is none. */
static azr_status parse(const char *folder, const char *name, const azr_kept_file *file,
                        json_t **out_json, azr_error *error)
{
    json_error_t why;
    *out_json = NULL;
    if (file->text == NULL)
        return AZR_OK;
    /* "model_max_length" is often 10^30, too big for jansson's integers. */
    *out_json = json_loadb(file->text, file->size, JSON_DECODE_INT_AS_REAL, &why);
    if (*out_json == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s/%s is no JSON: line %d: %.200s", folder,
                             name, why.line, why.text);
    return AZR_OK;
}

/* "eos_token": its text, or an object with the text as "content". */
static int32_t token_named(const azr_tokenizer *tokenizer, const json_t *config, const char *key)
{
    const json_t *token = json_object_get(config, key);
    const char *text =
        json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
    return text != NULL ? azr_tokenizer_find(tokenizer, text) : -1;
}

/* "chat_template": a text, or a list of {name, template} of which "default" is taken. */
static const char *template_of(const json_t *config)
{
    const json_t *value = json_object_get(config, "chat_template");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name != NULL && strcmp(name, "default") == 0)
            return json_string_value(json_object_get(item, "template"));
    }
    return json_string_value(value);
}

/* "eos_token_id": a number or a list of them. */
static void add_eos_ids(azr_tokenizer *tokenizer, const json_t *config)
{
    const json_t *value = json_object_get(config, "eos_token_id");
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(value) ? json_array_get(value, i) : value;
        double number = json_is_number(id) ? json_number_value(id) : -1;
        if (number >= 0 && number <= INT32_MAX)
            azr_tokenizer_add_eos(tokenizer, (int32_t)number);
    }
}

static azr_status read_eos_ids(azr_tokenizer *tokenizer, const char *folder, const char *name,
                               azr_error *error)
{
    azr_kept_file file = {0};
    json_t *json = NULL;
    azr_status status = keep_file(folder, name, &file, error);
    if (status == AZR_OK)
        status = parse(folder, name, &file, &json, error);
    if (status == AZR_OK)
        add_eos_ids(tokenizer, json);
    json_decref(json);
    azr_free(file.text);
    return status;
}

azr_status azr_tokenizer_load_folder(azr_tokenizer *tokenizer, const char *folder, azr_error *error)
{
    json_t *config = NULL;
    azr_status status = keep_file(folder, "tokenizer_config.json", &tokenizer->config, error);
    if (status != AZR_OK ||
        (status = keep_file(folder, "chat_template.jinja", &tokenizer->jinja, error)) != AZR_OK ||
        (status = parse(folder, "tokenizer_config.json", &tokenizer->config, &config, error)) !=
            AZR_OK)
        return status;
    azr_tokenizer_add_eos(tokenizer, token_named(tokenizer, config, "eos_token"));
    tokenizer->named_bos = token_named(tokenizer, config, "bos_token");
    tokenizer->named_pad = token_named(tokenizer, config, "pad_token");
    /* As transformers: the template's own file goes before the one inside the configuration. */
    const char *template =
        tokenizer->jinja.text != NULL ? tokenizer->jinja.text : template_of(config);
    if (template != NULL)
        tokenizer->chat_template = azr_copy_text(template, strlen(template));
    json_decref(config);
    status = read_eos_ids(tokenizer, folder, "generation_config.json", error);
    return status == AZR_OK ? read_eos_ids(tokenizer, folder, "config.json", error) : status;
}
