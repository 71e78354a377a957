/* hash.c: what run.db is told apart by: numbers and texts with their lengths. */
#include "buffer/trace.h"

#include "base/hash.h"

#include <string.h>

const uint64_t azr_buffer__hash_start = AZR_HASH_START;

uint64_t azr_buffer__hash_integer(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        unsigned char byte = (unsigned char)(value >> (8 * i));
        hash = azr_hash_bytes(hash, &byte, 1);
    }
    return hash;
}

/* NULL differs from "". */
uint64_t azr_buffer__hash_text(uint64_t hash, const char *text)
{
    hash = azr_buffer__hash_integer(hash, text != NULL ? strlen(text) : UINT64_MAX);
    return text != NULL ? azr_hash_bytes(hash, text, strlen(text)) : hash;
}
