/* vocabulary.h: the tokens, the merges and the added tokens: what is known about ids. */
#ifndef AZR_TOKENIZER_VOCABULARY_H
#define AZR_TOKENIZER_VOCABULARY_H

#include "azr/status.h"
#include "tokenizer/u64_map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits on what a file may ask for. */
enum {
    AZR_MAX_TOKENS = 1 << 22,
    AZR_MAX_ADDED_TOKENS = 1 << 16,
    AZR_MAX_ADDED_TOKEN_BYTES = 1 << 10,
};

typedef struct azr_token {
    const char *bytes; /* NUL behind; NULL: no token has this id */
    uint32_t size;
    bool byte_level; /* written in the byte-level alphabet, so that merges can make it */
    bool special, added;
} azr_token;

/* Immutable once indexed. */
typedef struct azr_vocabulary {
    azr_token *tokens; /* n of them, by id */
    int32_t n;
    char *text; /* all tokens' bytes, one behind the other */
    size_t n_text, text_capacity;
    uint32_t *index; /* hash of bytes -> id + 1; 0: empty */
    size_t index_capacity;
    int32_t bytes[256];   /* id of each byte's own token, -1: none */
    int32_t *merge_pairs; /* [n_merges][2], best first */
    size_t n_merges;
    azr_u64_map merges; /* left id << 32 | right id -> rank << 32 | id of both together */
} azr_vocabulary;

/* Room for n tokens whose texts take text_bytes together. */
azr_status azr_vocabulary_init(azr_vocabulary *vocabulary, size_t n, size_t text_bytes,
                               const char *path, azr_error *error);
void azr_vocabulary_deinit(azr_vocabulary *vocabulary);

/* Sets token id (0 <= id < n) from its written form. False: the id has a token already. */
bool azr_vocabulary_set(azr_vocabulary *vocabulary, int32_t id, const char *text, size_t size);
/* Sets or re-labels token id as an added one, whose text stands for itself. */
void azr_vocabulary_set_added(azr_vocabulary *vocabulary, int32_t id, const char *text, size_t size,
                              bool special);
/* After all tokens are set: makes the look-up by bytes. Refuses two tokens of the same text. */
azr_status azr_vocabulary_index(azr_vocabulary *vocabulary, const char *path, azr_error *error);
/* Id by bytes, -1 when missing. */
int32_t azr_vocabulary_find(const azr_vocabulary *vocabulary, const char *bytes, size_t size,
                            bool byte_level);

azr_status azr_vocabulary_reserve_merges(azr_vocabulary *vocabulary, size_t n, const char *path,
                                         azr_error *error);
/* Adds the next merge from its two written forms, after azr_vocabulary_index; as many as reserved.
 */
azr_status azr_vocabulary_add_merge(azr_vocabulary *vocabulary, const char *left, size_t left_size,
                                    const char *right, size_t right_size, const char *path,
                                    azr_error *error);

static inline uint64_t azr_merge_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* --- added tokens ----------------------------------------------------------------------------- */

typedef struct azr_added_token {
    int32_t id;
    bool special;                 /* recognised only when asked for */
    bool normalized;              /* looked for in the normalised text */
    bool left_strip, right_strip; /* takes the white space beside it with it */
    bool single_word;             /* only where no word character touches it */
} azr_added_token;

/* Finds added tokens, the longest one at the leftmost place first: a trie. */
typedef struct azr_added_trie {
    azr_u64_map edges; /* node << 8 | byte -> node; the root is node 0 */
    azr_u64_map ends;  /* node -> index into the added tokens */
    uint64_t n_nodes;
    bool first[256]; /* some token begins with this byte */
} azr_added_trie;

bool azr_added_trie_add(azr_added_trie *trie, const char *text, size_t size, size_t index);
void azr_added_trie_deinit(azr_added_trie *trie);
/* The next token at or after *at: true with *at moved to it, its size and its index. */
bool azr_added_trie_next(const azr_added_trie *trie, const char *text, size_t size, size_t *at,
                         size_t *out_size, size_t *out_index);

#endif
