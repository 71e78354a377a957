#include "fuzz_formats.h"

#include "azr/formats.h"
#include "base/check.h"
#include "base/memory.h"
#include "formats/gguf_metadata.h"
#include "formats/weights_file.h"

#include <string.h>

/* Expands a tensor; its size is bounded by the file's, which is small here. */
static void read_tensor(const azr_weights_file *file, const azr_tensor *tensor)
{
    float *out = azr_alloc((size_t)tensor->n_elements, sizeof *out);
    azr_tensor_read(tensor, 0, tensor->n_elements, out);
    azr_free(out);
    AZR_CHECK(azr_weights_find(file, tensor->name) == tensor);
    AZR_CHECK(azr_tensor_type_name(tensor->type) != NULL);
    int64_t n = 1;
    for (int i = 0; i < tensor->n_dims; i++)
        n *= tensor->dims[i];
    AZR_CHECK_EQ(n, tensor->n_elements);
}

/* Asks for a key in every way there is. */
static void read_key(const azr_weights_file *file, const char *key)
{
    size_t size, total = 0;
    int64_t integer = 0;
    double number;
    const char *text = azr_gguf_text(file, key, &size);
    if (text != NULL)
        AZR_CHECK(text[size] == '\0' && strlen(text) <= size);
    if (azr_gguf_integer(file, key, &integer) && azr_gguf_number(file, key, &number))
        AZR_CHECK(number == (double)integer);
    int64_t n_texts = azr_gguf_texts(file, key), n_integers = azr_gguf_integers(file, key);
    for (int64_t i = 0; i < n_texts; i++) {
        text = azr_gguf_texts_at(file, key, i, &size);
        AZR_CHECK(text[size] == '\0');
        total += size;
    }
    for (int64_t i = 0; i < n_integers; i++)
        total += azr_gguf_integers_at(file, key, i) != 0;
    AZR_CHECK(n_texts < 0 || n_integers < 0);
    AZR_CHECK(total < (size_t)1 << 40);
}

static void look_around(const azr_weights_file *file)
{
    for (size_t i = 0; i < azr_weights_count(file); i++)
        read_tensor(file, azr_weights_at(file, i));
    AZR_CHECK(azr_weights_find(file, "no such tensor") == NULL);
    if (file->metadata != NULL)
        for (size_t i = 0; i < file->metadata->n; i++)
            read_key(file, file->metadata->values[i].key);
    read_key(file, "no.such.key");
}

static void try_bytes(const char *path, fuzz_formats_seen *seen, const uint8_t *bytes, size_t size)
{
    azr_weights_file *file;
    azr_error error = {0};
    azr_status status = azr_formats__open_bytes(path, bytes, size, &file, &error);
    if (status == AZR_OK) {
        look_around(file);
        azr_weights_close(file);
    } else {
        /* One sentence that names the file. */
        AZR_CHECK(file == NULL && error.status == status);
        AZR_CHECK(strstr(error.text, path) != NULL && strchr(error.text, '\n') == NULL);
    }
    if (seen != NULL && status == AZR_OK)
        seen->n_opened++;
    else if (seen != NULL)
        seen->n_refused++;
}

void fuzz_formats_gguf(void *seen, const uint8_t *bytes, size_t size)
{
    try_bytes("fuzz.gguf", seen, bytes, size);
}

void fuzz_formats_safetensors(void *seen, const uint8_t *bytes, size_t size)
{
    try_bytes("fuzz.safetensors", seen, bytes, size);
}
