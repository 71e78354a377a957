/* tokenizer.h: the object behind azr_tokenizer, and the files of the room that fill it. */
#ifndef AZR_TOKENIZER_TOKENIZER_H
#define AZR_TOKENIZER_TOKENIZER_H

#include "azr/tokenizer.h"
#include "tokenizer/bpe.h"
#include "tokenizer/split.h"
#include "tokenizer/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    AZR_MAX_EOS = 8,
    AZR_MAX_TOKENIZER_FILE = 256 << 20, /* bytes of a tokenizer.json */
    AZR_MAX_CONFIG_FILE = 8 << 20,      /* bytes of the small files beside it */
};

/* A file of the source folder, kept so that azr_tokenizer_save can copy it. */
typedef struct azr_kept_file {
    char *text; /* NULL: the source has none */
    size_t size;
} azr_kept_file;

struct azr_tokenizer {
    azr_vocabulary vocabulary;
    azr_split split;
    bool composes; /* normaliser NFC */
    bool ignore_merges, fuse_unknown;
    int32_t unknown;

    azr_added_token *added;
    size_t n_added;
    azr_added_trie added_raw, added_normalized; /* looked for before and after normalising */

    int32_t bos;                  /* put before every text */
    int32_t named_bos, named_pad; /* only told to others (tokenizer_config.json) */
    int32_t eos[AZR_MAX_EOS];
    size_t n_eos;
    char *chat_template;

    /* Of a Hugging Face folder. */
    azr_kept_file json, config, jinja;
};

/* Both fill a zeroed tokenizer; after a failure azr_tokenizer_destroy takes what is there. */
azr_status azr_tokenizer_load_json(azr_tokenizer *tokenizer, const char *path, azr_error *error);
azr_status azr_tokenizer_load_gguf(azr_tokenizer *tokenizer, const char *path, azr_error *error);
/* eos and chat template from the files beside tokenizer.json, all of which may be missing. */
azr_status azr_tokenizer_load_folder(azr_tokenizer *tokenizer, const char *folder,
                                     azr_error *error);

/* Adds an id that ends a text; repeated ones and -1 are left out. */
void azr_tokenizer_add_eos(azr_tokenizer *tokenizer, int32_t id);
/* Takes n added tokens over: at least one byte each, text as in the vocabulary. */
azr_status azr_tokenizer_set_added(azr_tokenizer *tokenizer, azr_added_token *added, size_t n,
                                   const char *path, azr_error *error);
/* Appends a pre-tokenizer stage; pattern NULL: none. */
azr_status azr_tokenizer_add_stage(azr_tokenizer *tokenizer, azr_split_kind kind,
                                   const char *pattern, size_t pattern_size, const char *path,
                                   azr_error *error);

#endif
