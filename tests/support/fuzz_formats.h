/* fuzz_formats.h: what is done with the bytes of a possibly damaged model file: opened, and when
 * that succeeds, everything in it is looked at. For test_fuzz_formats.c and the targets of
 * libFuzzer. */
#ifndef AZR_TEST_FUZZ_FORMATS_H
#define AZR_TEST_FUZZ_FORMATS_H

#include "fuzz_mutate.h"

typedef struct fuzz_formats_seen {
    size_t n_opened, n_refused;
} fuzz_formats_seen;

/* Fuzz targets (fuzz_mutate.h). seen: a fuzz_formats_seen to count in, or NULL. Abort on a broken
 * promise of formats.h. */
void fuzz_formats_gguf(void *seen, const uint8_t *bytes, size_t size);
void fuzz_formats_safetensors(void *seen, const uint8_t *bytes, size_t size);

#endif
