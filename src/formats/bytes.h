/* bytes.h: reading little-endian numbers out of bytes that nobody has checked yet. */
#ifndef AZR_FORMATS_BYTES_H
#define AZR_FORMATS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in a file. A read past the end gives zeros and sets is_past_end, which stays set: so a
 * row of reads needs one check. */
typedef struct azr_formats__cursor {
    const uint8_t *bytes;
    size_t size, at;
    bool is_past_end;
} azr_formats__cursor;

size_t azr_formats__left(const azr_formats__cursor *cursor);
/* The next size bytes, or NULL when fewer are left. */
const uint8_t *azr_formats__take(azr_formats__cursor *cursor, uint64_t size);
uint32_t azr_formats__take_u32(azr_formats__cursor *cursor);
uint64_t azr_formats__take_u64(azr_formats__cursor *cursor);

/* Numbers at any address. */
uint16_t azr_formats__u16(const uint8_t *bytes);
uint32_t azr_formats__u32(const uint8_t *bytes);
uint64_t azr_formats__u64(const uint8_t *bytes);

#endif
