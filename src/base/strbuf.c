#include "base/strbuf.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void reserve(azr_strbuf *buf, size_t extra)
{
    AZR_CHECK(extra < (size_t)-1 / 4 && buf->size < (size_t)-1 / 4);
    size_t need = buf->size + extra + 1;
    if (need <= buf->capacity)
        return;
    size_t capacity = buf->capacity > 0 ? buf->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    buf->data = azr_realloc(buf->data, capacity, 1);
    buf->capacity = capacity;
}

void azr_strbuf_append(azr_strbuf *buf, const char *bytes, size_t size)
{
    reserve(buf, size);
    if (size > 0)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void azr_strbuf_puts(azr_strbuf *buf, const char *text)
{
    azr_strbuf_append(buf, text, strlen(text));
}

void azr_strbuf_printf(azr_strbuf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    AZR_CHECK(n >= 0);
    reserve(buf, (size_t)n);
    vsnprintf(buf->data + buf->size, (size_t)n + 1, format, again);
    va_end(again);
    buf->size += (size_t)n;
}

void azr_strbuf_reset(azr_strbuf *buf)
{
    buf->size = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

const char *azr_strbuf_text(const azr_strbuf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

char *azr_strbuf_steal(azr_strbuf *buf)
{
    reserve(buf, 0);
    char *data = buf->data;
    data[buf->size] = '\0';
    *buf = (azr_strbuf){0};
    return data;
}

void azr_strbuf_deinit(azr_strbuf *buf)
{
    azr_free(buf->data);
    *buf = (azr_strbuf){0};
}
