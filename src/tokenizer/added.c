/* added.c: finds added tokens (<|im_start|> and the like) in a text. */
#include "base/memory.h"
#include "tokenizer/vocabulary.h"

static uint64_t edge_key(uint64_t node, char byte)
{
    return node << 8 | (uint8_t)byte;
}

bool azr_added_trie_add(azr_added_trie *trie, const char *text, size_t size, size_t index)
{
    uint64_t node = 0;
    for (size_t i = 0; i < size; i++) {
        const uint64_t *next = azr_u64_map_find(&trie->edges, edge_key(node, text[i]));
        if (next != NULL) {
            node = *next;
            continue;
        }
        uint64_t created = ++trie->n_nodes;
        if (!azr_u64_map_put(&trie->edges, edge_key(node, text[i]), created))
            return false;
        node = created;
    }
    trie->first[(uint8_t)text[0]] = true;
    return azr_u64_map_put(&trie->ends, node, index);
}

void azr_added_trie_deinit(azr_added_trie *trie)
{
    azr_u64_map_deinit(&trie->edges);
    azr_u64_map_deinit(&trie->ends);
}

/* The longest token at the beginning of text; 0 bytes when there is none. */
static size_t longest_match(const azr_added_trie *trie, const char *text, size_t size,
                            size_t *out_index)
{
    uint64_t node = 0;
    size_t best = 0;
    for (size_t i = 0; i < size; i++) {
        const uint64_t *next = azr_u64_map_find(&trie->edges, edge_key(node, text[i]));
        if (next == NULL)
            break;
        node = *next;
        const uint64_t *end = azr_u64_map_find(&trie->ends, node);
        if (end != NULL) {
            best = i + 1;
            *out_index = (size_t)*end;
        }
    }
    return best;
}

bool azr_added_trie_next(const azr_added_trie *trie, const char *text, size_t size, size_t *at,
                         size_t *out_size, size_t *out_index)
{
    if (trie->ends.n == 0)
        return false;
    for (size_t i = *at; i < size; i++) {
        if (!trie->first[(uint8_t)text[i]])
            continue;
        *out_size = longest_match(trie, text + i, size - i, out_index);
        if (*out_size > 0) {
            *at = i;
            return true;
        }
    }
    return false;
}
