/* u64_map.h: a hash map from 64-bit keys to 64-bit values; grows, never shrinks. Start from {0}. */
#ifndef AZR_TOKENIZER_U64_MAP_H
#define AZR_TOKENIZER_U64_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct azr_u64_map {
    struct azr_u64_slot *slots;
    size_t n, capacity; /* capacity 0 or a power of two, at most half full */
} azr_u64_map;

typedef struct azr_u64_slot {
    uint64_t key, value; /* key UINT64_MAX: empty */
} azr_u64_slot;

static inline uint64_t azr_u64_mix(uint64_t key)
{
    key *= 0x9E3779B97F4A7C15u; /* 2^64 over the golden ratio */
    return key ^ key >> 32;
}

/* NULL when missing. */
static inline const uint64_t *azr_u64_map_find(const azr_u64_map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    for (size_t i = azr_u64_mix(key) & mask;; i = (i + 1) & mask) {
        if (map->slots[i].key == key)
            return &map->slots[i].value;
        if (map->slots[i].key == UINT64_MAX)
            return NULL;
    }
}

/* Adds or replaces; key is not UINT64_MAX. False when memory is exhausted. */
bool azr_u64_map_put(azr_u64_map *map, uint64_t key, uint64_t value);
/* Makes room for n keys. */
bool azr_u64_map_reserve(azr_u64_map *map, size_t n);
void azr_u64_map_deinit(azr_u64_map *map);

#endif
