/* text.c: lines, brackets and strings of model-written text. */
#include "tasks/text.h"

#include <stdint.h>
#include <string.h>

enum { MAX_DEPTH = 100, SHORT_BYTES = 160 };

/* Decodes one UTF-8 character (RFC 3629: shortest form, no surrogates, up to U+10FFFF). Returns its
 * bytes, 0 when there is none. */
static size_t decode(const unsigned char *bytes, size_t size, uint32_t *out_char)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = bytes[0];
    size_t n = first < 0x80       ? 1
               : first >> 5 == 6  ? 2
               : first >> 4 == 14 ? 3
               : first >> 3 == 30 ? 4
                                  : 0;
    if (n == 0 || n > size)
        return 0;
    uint32_t c = n == 1 ? first : first & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) {
        if (bytes[i] >> 6 != 2)
            return 0;
        c = c << 6 | (bytes[i] & 0x3FU);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0;
    *out_char = c;
    return n;
}

bool azr_tasks__is_text(azr_span span)
{
    for (size_t i = 0; i < span.size;) {
        uint32_t c = 0;
        size_t n = decode((const unsigned char *)span.text + i, span.size - i, &c);
        if (n == 0 || (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7F && c < 0xA0))
            return false;
        i += n;
    }
    return true;
}

bool azr_tasks__starts_with(azr_span span, const char *prefix)
{
    size_t size = strlen(prefix);
    return span.size >= size && memcmp(span.text, prefix, size) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

azr_span azr_tasks__trim(azr_span span)
{
    while (span.size > 0 && is_blank(span.text[0])) {
        span.text++;
        span.size--;
    }
    while (span.size > 0 && is_blank(span.text[span.size - 1]))
        span.size--;
    return span;
}

azr_span azr_tasks__cut(azr_span span, const char *const *stops)
{
    for (size_t i = 0; stops[i] != NULL; i++) {
        const char *found = memmem(span.text, span.size, stops[i], strlen(stops[i]));
        if (found != NULL)
            span.size = (size_t)(found - span.text);
    }
    return span;
}

bool azr_tasks__next_line(azr_span *rest, azr_span *out_line)
{
    if (rest->size == 0)
        return false;
    const char *end = memchr(rest->text, '\n', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->text) : rest->size;
    *out_line = (azr_span){rest->text, size};
    size_t taken = end != NULL ? size + 1 : size;
    *rest = (azr_span){rest->text + taken, rest->size - taken};
    return true;
}

/* The string that begins with the quote at `start`: index behind its end, 0 when it does not end. A
 * backslash keeps the next character from ending it, in raw strings too. */
static size_t skip_string(azr_span span, size_t start)
{
    char quote = span.text[start];
    bool triple =
        start + 2 < span.size && span.text[start + 1] == quote && span.text[start + 2] == quote;
    size_t i = start + (triple ? 3 : 1);
    while (i < span.size) {
        char c = span.text[i];
        if (c == '\n' && !triple)
            return 0;
        bool closes = c == quote && (!triple || (i + 2 < span.size && span.text[i + 1] == quote &&
                                                 span.text[i + 2] == quote));
        if (closes)
            return i + (triple ? 3 : 1);
        i += c == '\\' ? 2 : 1;
    }
    return 0;
}

static size_t skip_comment(azr_span span, size_t start)
{
    const char *end = memchr(span.text + start, '\n', span.size - start);
    return end != NULL ? (size_t)(end - span.text) : span.size;
}

/* span stands behind an opening round bracket: index of the one that closes it. */
static bool find_closing(azr_span span, size_t *out_end)
{
    char closing[MAX_DEPTH + 1] = {')'};
    size_t depth = 1;
    for (size_t i = 0; i < span.size;) {
        char c = span.text[i];
        if (c == '\'' || c == '"') {
            i = skip_string(span, i);
            if (i == 0)
                return false;
            continue;
        }
        if (c == '#') {
            i = skip_comment(span, i);
            continue;
        }
        if (c == '(' || c == '[' || c == '{') {
            if (depth > MAX_DEPTH)
                return false;
            closing[depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
        } else if (c == ')' || c == ']' || c == '}') {
            if (closing[--depth] != c)
                return false;
            if (depth == 0) {
                *out_end = i;
                return true;
            }
        }
        i++;
    }
    return false;
}

bool azr_tasks__call_arguments(azr_span line, azr_span *out_arguments)
{
    size_t end = 0;
    if (!find_closing(line, &end))
        return false;
    azr_span rest = azr_tasks__trim((azr_span){line.text + end + 1, line.size - end - 1});
    *out_arguments = (azr_span){line.text, end};
    return rest.size == 0 || rest.text[0] == '#';
}

bool azr_tasks__defines_f(azr_span program)
{
    azr_span rest = program, line;
    while (azr_tasks__next_line(&rest, &line)) {
        if (!azr_tasks__starts_with(line, "def f"))
            continue;
        const char *p = line.text + strlen("def f"), *end = program.text + program.size;
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        size_t closing = 0;
        if (p == end || *p != '(')
            continue;
        azr_span inside = {p + 1, (size_t)(end - p) - 1};
        if (!find_closing(inside, &closing))
            return false;
        const char *after = inside.text + closing + 1;
        const char *stop = memchr(after, '\n', (size_t)(end - after));
        if (memchr(after, ':', (size_t)((stop != NULL ? stop : end) - after)) != NULL)
            return true;
    }
    return false;
}

void azr_tasks__append_program(azr_span program, azr_strbuf *out)
{
    while (program.size > 0 && is_blank(program.text[program.size - 1]))
        program.size--;
    azr_strbuf_append(out, program.text, program.size);
    azr_strbuf_puts(out, "\n");
}

void azr_tasks__append_one_line(azr_span span, azr_strbuf *out)
{
    span = azr_tasks__trim(span);
    for (size_t i = 0; i < span.size; i++) {
        if (!is_blank(span.text[i]))
            azr_strbuf_append(out, span.text + i, 1);
        else if (!is_blank(span.text[i - 1]))
            azr_strbuf_puts(out, " ");
    }
}

void azr_tasks__append_short(const char *text, azr_strbuf *out)
{
    size_t size = strlen(text);
    if (size <= SHORT_BYTES) {
        azr_strbuf_puts(out, text);
        return;
    }
    size = SHORT_BYTES;
    while (size > 0 && (text[size] & 0xC0) == 0x80)
        size--;
    azr_strbuf_append(out, text, size);
    azr_strbuf_puts(out, "...");
}
