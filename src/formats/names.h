/* names.h: which index has this name? A hash table over names that live elsewhere. */
#ifndef AZR_FORMATS_NAMES_H
#define AZR_FORMATS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AZR_FORMATS__NO_NAME ((size_t)-1)

/* Start from {0}. */
typedef struct azr_formats__names {
    const char **texts; /* [n]; the caller's */
    uint64_t *hashes;   /* [n] */
    uint32_t *slots;    /* [n_slots]; index + 1, or 0; n_slots is a power of two */
    size_t n, capacity, n_slots;
} azr_formats__names;

/* Room for capacity names (below 2^31); false when memory is exhausted. */
bool azr_formats__names_init(azr_formats__names *names, size_t capacity);
void azr_formats__names_deinit(azr_formats__names *names);
/* Puts a name under the next index and returns that; when the name is there already, returns the
 * index it has, and nothing is put (compare with names->n from before). */
size_t azr_formats__names_put(azr_formats__names *names, const char *name);
/* The index of a name, or AZR_FORMATS__NO_NAME. */
size_t azr_formats__names_find(const azr_formats__names *names, const char *name);

/* True when a name out of a file is fit to be kept and printed: 1 to AZR_FORMATS__MAX_NAME bytes,
 * no control characters. */
enum { AZR_FORMATS__MAX_NAME = 1024 };
bool azr_formats__name_is_plain(const char *name, size_t size);

#endif
