/* tiny_model.c: see tiny_model.h. */
#include "tiny_model.h"

#include "models.h"
#include "tiny_tokenizer.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void tiny_model_write(const char *folder, unsigned seed)
{
    azr_model_shape shape = {.family = AZR_FAMILY_LLAMA,
                             .n_layers = 2,
                             .d_model = 32,
                             .d_ff = 64,
                             .n_heads = 4,
                             .n_kv_heads = 2,
                             .d_head = 8,
                             .n_vocab = TINY_MODEL_VOCABULARY,
                             .max_seq_len = TINY_MODEL_POSITIONS,
                             .rope_theta = 10000,
                             .norm_eps = 1e-5F,
                             .tied_embeddings = true};
    azr_model *model;
    azr_error error;
    assert_ok(azr_model_create(&shape, AZR_DTYPE_F32, seed, &model, &error), &error);
    assert_ok(azr_model_save(model, folder, &error), &error);
    azr_model_destroy(model);
    tiny_tokenizer tiny = {.added = "{\"id\":256,\"content\":\"<eos>\",\"single_word\":false,"
                                    "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                                    "\"special\":true}"};
    tiny_tokenizer_write(&tiny, folder);
    static const char config[] = "{\"eos_token\": \"<eos>\"}\n";
    char *path = azr_path_join(folder, "tokenizer_config.json");
    assert_ok(azr_file_write(path, config, sizeof config - 1, &error), &error);
    azr_free(path);
}

char *tiny_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = azr_path_join(parent != NULL ? parent : "/tmp", "azr-test-XXXXXX");
    AZR_CHECK(mkdtemp(path) != NULL);
    return path;
}
