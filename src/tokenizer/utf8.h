/* utf8.h: reading UTF-8 that may be broken, the byte-level alphabet, canonical composition. */
#ifndef AZR_TOKENIZER_UTF8_H
#define AZR_TOKENIZER_UTF8_H

#include "azr/tokenizer.h" /* azr_utf8_valid, azr_utf8_complete */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands at the beginning of a text. */
typedef struct azr_utf8_step {
    uint32_t codepoint; /* when valid */
    uint8_t size; /* bytes of the character, or of the longest beginning of one (at least 1) */
    bool valid;
    bool cut; /* not valid, but more bytes could make it so */
} azr_utf8_step;

/* size > 0. Follows table 3-7 of the Unicode standard: no overlong forms, surrogates or code
 * points above U+10FFFF. */
azr_utf8_step azr_utf8_next(const char *text, size_t size);
/* Writes 1..4 bytes, returns how many. */
size_t azr_utf8_put(uint32_t codepoint, char out[4]);

/* --- the byte-level alphabet -------------------------------------------------------------------
 * GPT-2 writes each byte as one printable character: bytes that print stand for themselves
 * (33..126, 161..172, 174..255), the other 68 become U+0100, U+0101, ... in order. */

uint32_t azr_byte_to_codepoint(uint8_t byte);
int azr_codepoint_to_byte(uint32_t codepoint); /* -1: not of the alphabet */
/* Turns a token's written form into its bytes, at most size of them, into out. False when a
 * character is not of the alphabet (out is then undefined). */
bool azr_byte_level_read(const char *text, size_t size, char *out, size_t *out_size);

/* --- normal form C ---------------------------------------------------------------------------- */

/* The text in Unicode normal form C, invalid parts replaced by U+FFFD (one for each longest
 * beginning of a character). *out_text stays NULL when the text is in that form already; free it
 * with azr_free otherwise. Linear time also for long runs of combining marks. */
azr_status azr_utf8_compose(const char *text, size_t size, char **out_text, size_t *out_size,
                            azr_error *error);

#endif
