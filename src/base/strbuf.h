/* strbuf.h: a growing text. Always NUL-terminated; may hold NUL bytes inside. Start from {0}. */
#ifndef AZR_BASE_STRBUF_H
#define AZR_BASE_STRBUF_H

#include <stddef.h>

/* data is never NULL after the first append; azr_strbuf_text serves a text that may be empty. */
typedef struct azr_strbuf {
    char *data;
    size_t size, capacity;
} azr_strbuf;

void azr_strbuf_append(azr_strbuf *buf, const char *bytes, size_t size);
void azr_strbuf_puts(azr_strbuf *buf, const char *text);
void azr_strbuf_printf(azr_strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Empty, keeping the memory. */
void azr_strbuf_reset(azr_strbuf *buf);
/* The text, "" when empty; belongs to buf. */
const char *azr_strbuf_text(const azr_strbuf *buf);
/* Hands the text over (free with azr_free); buf is {0} afterwards. */
char *azr_strbuf_steal(azr_strbuf *buf);
void azr_strbuf_deinit(azr_strbuf *buf);

#endif
