/* u64_map.c: a hash map from 64-bit keys to 64-bit values, open addressing. */
#include "tokenizer/u64_map.h"

#include "base/memory.h"

#include <string.h>

static azr_u64_slot *slot_of(const azr_u64_map *map, uint64_t key)
{
    size_t mask = map->capacity - 1;
    size_t i = azr_u64_mix(key) & mask;
    while (map->slots[i].key != key && map->slots[i].key != UINT64_MAX)
        i = (i + 1) & mask;
    return &map->slots[i];
}

bool azr_u64_map_reserve(azr_u64_map *map, size_t n)
{
    size_t capacity = map->capacity > 0 ? map->capacity : 16;
    if (n > ((size_t)-1) / 64)
        return false;
    while (capacity < n * 2)
        capacity *= 2;
    if (capacity == map->capacity)
        return true;
    azr_u64_map grown = {.n = map->n, .capacity = capacity};
    grown.slots = azr_try_alloc(capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    memset(grown.slots, 0xFF, capacity * sizeof *grown.slots);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key != UINT64_MAX)
            *slot_of(&grown, map->slots[i].key) = map->slots[i];
    azr_free(map->slots);
    *map = grown;
    return true;
}

bool azr_u64_map_put(azr_u64_map *map, uint64_t key, uint64_t value)
{
    if (!azr_u64_map_reserve(map, map->n + 1))
        return false;
    azr_u64_slot *slot = slot_of(map, key);
    map->n += slot->key == UINT64_MAX;
    *slot = (azr_u64_slot){key, value};
    return true;
}

void azr_u64_map_deinit(azr_u64_map *map)
{
    azr_free(map->slots);
    *map = (azr_u64_map){0};
}
