/* nearest.h: which known name did the user mean? For messages about unknown keys and options. */
#ifndef AZR_BASE_NEAREST_H
#define AZR_BASE_NEAREST_H

#include <stddef.h>

enum { AZR_NEAREST_MAX_NAME = 64 };

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b: Damerau-Levenshtein,
 * restricted form. Names longer than AZR_NEAREST_MAX_NAME are compared by their beginnings. */
size_t azr_name_distance(const char *a, const char *b);

/* Keeps the nearest of the names offered one by one. Start from {.wanted = name}. */
typedef struct azr_nearest {
    const char *wanted;
    const char *name; /* the nearest so far, NULL before the first offer */
    size_t distance;
} azr_nearest;

/* The first of equally near names stays. name must outlive the search. */
void azr_nearest_offer(azr_nearest *nearest, const char *name);

#endif
