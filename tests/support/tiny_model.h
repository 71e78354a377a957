/* tiny_model.h: a whole model folder, small enough to train in a test. */
#ifndef AZR_TEST_TINY_MODEL_H
#define AZR_TEST_TINY_MODEL_H

enum { TINY_MODEL_EOS = 256, TINY_MODEL_VOCABULARY = 260, TINY_MODEL_POSITIONS = 2048 };

/* Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json into an existing
 * folder: 2 layers of width 32, random weights of the seed; tokens are the 256 bytes, one end token
 * and 3 rows of the embedding that no token has, as real models have them. */
void tiny_model_write(const char *folder, unsigned seed);
/* A new folder below $TMPDIR or /tmp, by its path; free with azr_free. */
char *tiny_folder(void);

#endif
