/* bpe.h: byte-pair encoding of one piece (Sennrich, Haddow, Birch, "Neural machine translation of
 * rare words with subword units", ACL 2016): the best-ranked pair merges first, the leftmost of
 * equals, until none is left. */
#ifndef AZR_TOKENIZER_BPE_H
#define AZR_TOKENIZER_BPE_H

#include "azr/status.h"
#include "tokenizer/vocabulary.h"

#include <stddef.h>

/* What encoding needs to know. */
typedef struct azr_bpe {
    const azr_vocabulary *vocabulary;
    bool ignore_merges; /* a piece that is a token as it stands becomes that token */
    int32_t unknown;    /* stands for bytes without a token, -1: they are left out */
    bool fuse_unknown;  /* one for a run of them */
} azr_bpe;

/* A growing list of ids. */
typedef struct azr_ids {
    int32_t *data;
    size_t n, capacity;
} azr_ids;

bool azr_ids_append(azr_ids *ids, const int32_t *more, size_t n); /* false: no memory */

/* Working memory of one encoding. */
typedef struct azr_bpe_work azr_bpe_work;

/* text_size: of all the text that will come; short ones do without the cache. NULL: no memory. */
azr_bpe_work *azr_bpe_work_create(size_t text_size);
void azr_bpe_work_destroy(azr_bpe_work *work);

/* Appends the ids of piece; O(size log size). */
azr_status azr_bpe_encode(const azr_bpe *bpe, azr_bpe_work *work, const char *piece, size_t size,
                          azr_ids *ids, azr_error *error);

#endif
