/* hash.h: FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): the one hash of azr. Not against people who
 * look for collisions. */
#ifndef AZR_BASE_HASH_H
#define AZR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define AZR_HASH_START UINT64_C(0xCBF29CE484222325)

uint64_t azr_hash_bytes(uint64_t hash, const void *bytes, size_t size);
/* The text and a byte that ends no UTF-8: "ab", "c" are not "a", "bc". */
uint64_t azr_hash_text(uint64_t hash, const char *text);

#endif
