#include "formats/names.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

/* FNV-1a (Fowler, Noll, Vo), 64 bits, with a last mix: slots are taken from the low bits. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xCBF29CE484222325U;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001B3U;
    return hash ^ (hash >> 32);
}

bool azr_formats__names_init(azr_formats__names *names, size_t capacity)
{
    AZR_CHECK(capacity < (size_t)1 << 31);
    *names = (azr_formats__names){.capacity = capacity, .n_slots = 8};
    while (names->n_slots < 2 * capacity)
        names->n_slots *= 2;
    names->texts = azr_try_alloc(capacity, sizeof *names->texts);
    names->hashes = azr_try_alloc(capacity, sizeof *names->hashes);
    names->slots = azr_try_alloc(names->n_slots, sizeof *names->slots);
    return names->texts != NULL && names->hashes != NULL && names->slots != NULL;
}

void azr_formats__names_deinit(azr_formats__names *names)
{
    azr_free(names->texts);
    azr_free(names->hashes);
    azr_free(names->slots);
    *names = (azr_formats__names){0};
}

/* The slot that holds the name, or the empty one where it belongs: at most half of them are full.
 */
static size_t find_slot(const azr_formats__names *names, const char *name, uint64_t hash)
{
    size_t slot = (size_t)hash & (names->n_slots - 1);
    while (names->slots[slot] != 0) {
        size_t index = names->slots[slot] - 1;
        if (names->hashes[index] == hash && strcmp(names->texts[index], name) == 0)
            break;
        slot = (slot + 1) & (names->n_slots - 1);
    }
    return slot;
}

size_t azr_formats__names_put(azr_formats__names *names, const char *name)
{
    uint64_t hash = hash_name(name);
    size_t slot = find_slot(names, name, hash);
    if (names->slots[slot] != 0)
        return names->slots[slot] - 1;
    AZR_CHECK(names->n < names->capacity);
    size_t index = names->n++;
    names->texts[index] = name;
    names->hashes[index] = hash;
    names->slots[slot] = (uint32_t)(index + 1);
    return index;
}

size_t azr_formats__names_find(const azr_formats__names *names, const char *name)
{
    if (names->n == 0)
        return AZR_FORMATS__NO_NAME;
    size_t slot = find_slot(names, name, hash_name(name));
    return names->slots[slot] != 0 ? names->slots[slot] - 1 : AZR_FORMATS__NO_NAME;
}

bool azr_formats__name_is_plain(const char *name, size_t size)
{
    if (size == 0 || size > AZR_FORMATS__MAX_NAME)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return true;
}
