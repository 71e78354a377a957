/* utf8.c: one step through UTF-8 that may be broken, and the byte-level alphabet. */
#include "tokenizer/utf8.h"

#include <string.h>

/* Bounds of the second byte, by first byte: the only place where the four special rules are. */
static void second_byte_range(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
}

azr_utf8_step azr_utf8_next(const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t first = bytes[0];
    if (first < 0x80)
        return (azr_utf8_step){.codepoint = first, .size = 1, .valid = true};
    if (first < 0xC2 || first > 0xF4)
        return (azr_utf8_step){.size = 1};
    uint8_t need = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t codepoint = first & (0x7Fu >> need);
    uint8_t low, high;
    second_byte_range(first, &low, &high);
    for (uint8_t i = 1; i < need; i++) {
        if (i >= size)
            return (azr_utf8_step){.size = i, .cut = true};
        if (bytes[i] < low || bytes[i] > high)
            return (azr_utf8_step){.size = i};
        codepoint = codepoint << 6 | (bytes[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    return (azr_utf8_step){.codepoint = codepoint, .size = need, .valid = true};
}

size_t azr_utf8_put(uint32_t codepoint, char out[4])
{
    if (codepoint < 0x80) {
        out[0] = (char)codepoint;
        return 1;
    }
    size_t n = codepoint < 0x800 ? 2 : codepoint < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; codepoint >>= 6)
        out[i] = (char)(0x80 | (codepoint & 0x3F));
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[n] | codepoint);
    return n;
}

size_t azr_utf8_valid(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof eight) { /* eight ASCII characters at once */
            memcpy(&eight, text + at, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        azr_utf8_step step = azr_utf8_next(text + at, size - at);
        if (!step.valid)
            break;
        at += step.size;
    }
    return at;
}

size_t azr_utf8_complete(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        size_t at = size - back;
        if (((uint8_t)text[at] & 0xC0) == 0x80)
            continue; /* inside a character: its first byte is further left */
        return azr_utf8_next(text + at, back).cut ? at : size;
    }
    return size;
}

static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
           (byte >= 174 && byte <= 255);
}

uint32_t azr_byte_to_codepoint(uint8_t byte)
{
    if (stands_for_itself(byte))
        return byte;
    uint32_t moved = 0;
    for (uint32_t b = 0; b < byte; b++)
        moved += !stands_for_itself(b);
    return 256 + moved;
}

int azr_codepoint_to_byte(uint32_t codepoint)
{
    if (stands_for_itself(codepoint))
        return (int)codepoint;
    /* The moved bytes are 0..32, 127..160 and 173, in this order. */
    uint32_t moved = codepoint - 256;
    if (codepoint < 256 || moved > 67)
        return -1;
    return moved <= 32 ? (int)moved : moved <= 66 ? (int)(moved - 33 + 127) : 173;
}

bool azr_byte_level_read(const char *text, size_t size, char *out, size_t *out_size)
{
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        azr_utf8_step step = azr_utf8_next(text + at, size - at);
        int byte = step.valid ? azr_codepoint_to_byte(step.codepoint) : -1;
        if (byte < 0)
            return false;
        out[n++] = (char)byte;
        at += step.size;
    }
    *out_size = n;
    return true;
}
