#include "base/hash.h"

#include <string.h>

uint64_t azr_hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001B3);
    return hash;
}

uint64_t azr_hash_text(uint64_t hash, const char *text)
{
    static const unsigned char end = 0xFF;
    return azr_hash_bytes(azr_hash_bytes(hash, text, strlen(text)), &end, 1);
}
