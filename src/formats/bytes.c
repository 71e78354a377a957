#include "formats/bytes.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "azr runs on x86-64");

size_t azr_formats__left(const azr_formats__cursor *cursor)
{
    return cursor->size - cursor->at;
}

const uint8_t *azr_formats__take(azr_formats__cursor *cursor, uint64_t size)
{
    if (cursor->is_past_end || size > azr_formats__left(cursor)) {
        cursor->is_past_end = true;
        return NULL;
    }
    const uint8_t *bytes = cursor->bytes + cursor->at;
    cursor->at += (size_t)size;
    return bytes;
}

uint32_t azr_formats__take_u32(azr_formats__cursor *cursor)
{
    const uint8_t *bytes = azr_formats__take(cursor, sizeof(uint32_t));
    return bytes != NULL ? azr_formats__u32(bytes) : 0;
}

uint64_t azr_formats__take_u64(azr_formats__cursor *cursor)
{
    const uint8_t *bytes = azr_formats__take(cursor, sizeof(uint64_t));
    return bytes != NULL ? azr_formats__u64(bytes) : 0;
}

uint16_t azr_formats__u16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

uint32_t azr_formats__u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

uint64_t azr_formats__u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}
