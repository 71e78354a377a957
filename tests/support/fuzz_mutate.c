#include "fuzz_mutate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
uint64_t fuzz_random_next(fuzz_random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

size_t fuzz_random_below(fuzz_random *random, size_t n)
{
    return (size_t)(fuzz_random_next(random) % n);
}

/* Numbers at which parsers go wrong. */
static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 3,
                                 4,
                                 8,
                                 16,
                                 31,
                                 32,
                                 64,
                                 0x7F,
                                 0x80,
                                 0xFF,
                                 0x100,
                                 0x7FFF,
                                 0x8000,
                                 0xFFFF,
                                 0x10000,
                                 0x7FFFFFFF,
                                 0x80000000,
                                 0xFFFFFFFF,
                                 0x100000000,
                                 0x3FFFFFFFFFFFFFFF,
                                 0x7FFFFFFFFFFFFFFF,
                                 0x8000000000000000,
                                 0xFFFFFFFFFFFFFFF0,
                                 0xFFFFFFFFFFFFFFFF};

/* Puts piece in place of bytes[at .. at + n_old); what does not fit is cut off at the end. */
static size_t replace(uint8_t *bytes, size_t size, size_t capacity, size_t at, size_t n_old,
                      fuzz_bytes piece)
{
    size_t n_new = piece.size < capacity - at ? piece.size : capacity - at;
    size_t n_tail = size - at - n_old;
    if (n_tail > capacity - at - n_new)
        n_tail = capacity - at - n_new;
    memmove(bytes + at + n_new, bytes + at + n_old, n_tail);
    if (n_new > 0)
        memcpy(bytes + at, piece.bytes, n_new);
    return at + n_new + n_tail;
}

/* Overwrites 1, 2, 4 or 8 bytes with an edge, a small step from what was there, or noise. */
static void change_number(uint8_t *bytes, size_t size, fuzz_random *random)
{
    size_t width = (size_t)1 << fuzz_random_below(random, 4);
    if (width > size)
        return;
    size_t at = fuzz_random_below(random, size - width + 1);
    uint64_t value = 0;
    memcpy(&value, bytes + at, width);
    switch (fuzz_random_below(random, 3)) {
    case 0:
        value = edges[fuzz_random_below(random, sizeof edges / sizeof edges[0])];
        break;
    case 1:
        value += fuzz_random_below(random, 33) - 16;
        break;
    default:
        value = fuzz_random_next(random);
        break;
    }
    memcpy(bytes + at, &value, width);
}

/* A number or bracket of a text format: digits become other digits, or many. */
static size_t change_digits(uint8_t *bytes, size_t size, size_t capacity, fuzz_random *random)
{
    size_t at = fuzz_random_below(random, size);
    while (at < size && (bytes[at] < '0' || bytes[at] > '9'))
        at++;
    size_t end = at;
    while (end < size && bytes[end] >= '0' && bytes[end] <= '9')
        end++;
    if (at == end)
        return size;
    char text[32];
    uint64_t value = fuzz_random_below(random, 2) == 0
                         ? edges[fuzz_random_below(random, sizeof edges / sizeof edges[0])]
                         : fuzz_random_next(random) >> fuzz_random_below(random, 64);
    int n = snprintf(text, sizeof text, "%s%llu", fuzz_random_below(random, 8) == 0 ? "-" : "",
                     (unsigned long long)value);
    return replace(bytes, size, capacity, at, end - at,
                   (fuzz_bytes){(const uint8_t *)text, (size_t)n});
}

/* A piece of a seed (perhaps of this very input's own) put in, over or between. */
static size_t splice(uint8_t *bytes, size_t size, size_t capacity, const fuzz_options *options,
                     fuzz_random *random)
{
    if (options->n_seeds == 0)
        return size;
    fuzz_bytes seed = options->seeds[fuzz_random_below(random, options->n_seeds)];
    if (seed.size == 0)
        return size;
    size_t from = fuzz_random_below(random, seed.size);
    size_t n = fuzz_random_below(random, seed.size - from) + 1;
    size_t at = fuzz_random_below(random, size + 1);
    size_t n_old = fuzz_random_below(random, 2) == 0 ? 0 : n < size - at ? n : size - at;
    return replace(bytes, size, capacity, at, n_old, (fuzz_bytes){seed.bytes + from, n});
}

static size_t put_word(uint8_t *bytes, size_t size, size_t capacity, const fuzz_options *options,
                       fuzz_random *random)
{
    if (options->n_words == 0)
        return size;
    const char *word = options->words[fuzz_random_below(random, options->n_words)];
    size_t n = strlen(word), at = fuzz_random_below(random, size + 1);
    size_t n_old = fuzz_random_below(random, 2) == 0 ? 0 : n < size - at ? n : size - at;
    return replace(bytes, size, capacity, at, n_old, (fuzz_bytes){(const uint8_t *)word, n});
}

static size_t mutate_once(uint8_t *bytes, size_t size, size_t capacity, const fuzz_options *options,
                          fuzz_random *random)
{
    if (size == 0)
        return put_word(bytes, size, capacity, options, random);
    size_t at = fuzz_random_below(random, size);
    switch (fuzz_random_below(random, 12)) {
    case 0:
        bytes[at] ^= (uint8_t)(1U << fuzz_random_below(random, 8));
        return size;
    case 1:
        bytes[at] = (uint8_t)fuzz_random_next(random);
        return size;
    case 2:
    case 3:
    case 4:
        change_number(bytes, size, random);
        return size;
    case 5:
    case 6:
        return change_digits(bytes, size, capacity, random);
    case 7:
        return splice(bytes, size, capacity, options, random);
    case 8:
    case 9:
        return put_word(bytes, size, capacity, options, random);
    case 10: /* take a piece out */
        return replace(bytes, size, capacity, at,
                       fuzz_random_below(random, size - at < 32 ? size - at : 32) + 1,
                       (fuzz_bytes){0});
    default: /* cut the end off, not too often */
        return fuzz_random_below(random, 4) == 0 ? at : size;
    }
}

size_t fuzz_mutate(uint8_t *bytes, size_t size, size_t capacity, const fuzz_options *options,
                   fuzz_random *random)
{
    size_t n_mutations = (size_t)1 << fuzz_random_below(random, 4);
    for (size_t i = 0; i < n_mutations; i++)
        size = mutate_once(bytes, size, capacity, options, random);
    return size;
}

static void save_input(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        abort();
    }
}

static void try_input(const uint8_t *bytes, size_t size, fuzz_target *target, void *context)
{
    const char *save = getenv("AZR_FUZZ_SAVE");
    if (save != NULL)
        save_input(save, bytes, size);
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, bytes, size);
    target(context, exact, size);
    free(exact);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

size_t fuzz_run(const fuzz_options *options, fuzz_target *target, void *context)
{
    size_t capacity = options->max_bytes;
    for (size_t i = 0; i < options->n_seeds; i++) {
        fuzz_bytes seed = options->seeds[i];
        if (options->max_bytes == 0 && 2 * seed.size + 64 > capacity)
            capacity = 2 * seed.size + 64;
        try_input(seed.bytes, seed.size, target, context);
    }
    const char *seconds_text = getenv("AZR_FUZZ_SECONDS"), *seed_text = getenv("AZR_FUZZ_SEED");
    const char *inputs_text = getenv("AZR_FUZZ_INPUTS");
    size_t n_iterations =
        inputs_text != NULL ? strtoull(inputs_text, NULL, 0) : options->n_iterations;
    double end = seconds_text != NULL ? seconds_now() + strtod(seconds_text, NULL) : 0.0;
    fuzz_random random = {options->seed + (seed_text != NULL ? strtoull(seed_text, NULL, 0) : 0)};
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL)
        abort();
    size_t n = 0;
    while (seconds_text != NULL ? seconds_now() < end : n < n_iterations) {
        fuzz_bytes seed = options->seeds[fuzz_random_below(&random, options->n_seeds)];
        size_t size = seed.size < capacity ? seed.size : capacity;
        memcpy(bytes, seed.bytes, size);
        size = fuzz_mutate(bytes, size, capacity, options, &random);
        try_input(bytes, size, target, context);
        n++;
    }
    free(bytes);
    return n + options->n_seeds;
}
