/* hash.c: FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): the one hash of run.db. */
#include "buffer/trace.h"

#include <string.h>

const uint64_t azr_buffer__hash_start = UINT64_C(0xCBF29CE484222325);

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001B3);
    return hash;
}

uint64_t azr_buffer__hash_integer(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        unsigned char byte = (unsigned char)(value >> (8 * i));
        hash = hash_bytes(hash, &byte, 1);
    }
    return hash;
}

/* NULL differs from "". */
uint64_t azr_buffer__hash_text(uint64_t hash, const char *text)
{
    hash = azr_buffer__hash_integer(hash, text != NULL ? strlen(text) : UINT64_MAX);
    return text != NULL ? hash_bytes(hash, text, strlen(text)) : hash;
}
