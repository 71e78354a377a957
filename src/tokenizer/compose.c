/* compose.c: Unicode normal form C. utf8proc knows the characters; reordering of combining marks is
 * done here, because utf8proc's takes quadratic time on long runs of them. */
#include "tokenizer/utf8.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>
#include <utf8proc.h>

/* Characters below U+0300 never combine with what stands before them. */
enum { FIRST_COMBINING = 0x300, REPLACEMENT = 0xFFFD, MAX_DECOMPOSED = 4 };

typedef struct composer {
    char *out;
    size_t n_out;
    utf8proc_int32_t *points, *sorted; /* one run, decomposed; scratch for sorting */
    size_t n_points, capacity;
} composer;

static bool reserve_points(composer *c, size_t extra)
{
    if (c->n_points + extra <= c->capacity)
        return true;
    size_t capacity = c->capacity > 0 ? c->capacity * 2 : 256;
    utf8proc_int32_t *points = azr_try_alloc(capacity, sizeof *points);
    utf8proc_int32_t *sorted = azr_try_alloc(capacity, sizeof *sorted);
    if (points == NULL || sorted == NULL) {
        azr_free(points);
        azr_free(sorted);
        return false;
    }
    if (c->n_points > 0)
        memcpy(points, c->points, c->n_points * sizeof *points);
    azr_free(c->points);
    azr_free(c->sorted);
    c->points = points;
    c->sorted = sorted;
    c->capacity = capacity;
    return true;
}

/* Marks that came after Unicode 9: the normaliser of `tokenizers` (0.23, measured over all code
 * points) does not know them and leaves them where they stand. */
static bool is_unknown_mark(uint32_t point)
{
    static const uint32_t ranges[][2] = {
        {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
        {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
        {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
        {0x10EAB, 0x10EAC}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
        {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930},
        {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
        {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
        {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x16FF0, 0x16FF1},
        {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}};
    size_t low = 0, high = AZR_COUNT(ranges);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point > ranges[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < AZR_COUNT(ranges) && point >= ranges[low][0];
}

static int combining_class(utf8proc_int32_t point)
{
    return (int)utf8proc_get_property(point)->combining_class;
}

/* Stable counting sort of points[0..n), all marks, by combining class (0..255). */
static void sort_marks(utf8proc_int32_t *points, utf8proc_int32_t *sorted, size_t n)
{
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++)
        start[combining_class(points[i]) + 1]++;
    for (int mark = 1; mark <= 256; mark++)
        start[mark] += start[mark - 1];
    for (size_t i = 0; i < n; i++)
        sorted[start[combining_class(points[i])]++] = points[i];
    memcpy(points, sorted, n * sizeof *points);
}

static void order_marks(composer *c)
{
    for (size_t i = 0; i < c->n_points;) {
        size_t first = i;
        bool ordered = true;
        for (int last = 0; i < c->n_points; i++) {
            int mark = combining_class(c->points[i]);
            if (mark == 0)
                break;
            ordered = ordered && mark >= last;
            last = mark;
        }
        if (!ordered)
            sort_marks(c->points + first, c->sorted, i - first);
        if (i == first)
            i++;
    }
}

/* Composes the collected run and writes it out: never more bytes than 3 for each byte read. */
static void flush(composer *c)
{
    if (c->n_points == 0)
        return;
    order_marks(c);
    utf8proc_ssize_t n = utf8proc_normalize_utf32(c->points, (utf8proc_ssize_t)c->n_points,
                                                  UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < n; i++)
        c->n_out += azr_utf8_put((uint32_t)c->points[i], c->out + c->n_out);
    c->n_points = 0;
}

static bool add_point(composer *c, uint32_t point)
{
    if (!reserve_points(c, MAX_DECOMPOSED))
        return false;
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)point, c->points + c->n_points,
                                                 (utf8proc_ssize_t)(c->capacity - c->n_points),
                                                 UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    if (n < 0 || (size_t)n > c->capacity - c->n_points) {
        c->points[c->n_points] = (utf8proc_int32_t)point;
        n = 1;
    }
    c->n_points += (size_t)n;
    return true;
}

/* True when every character is valid and below U+0300: then the text is in normal form C. */
static bool is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)text[i] >= 0xCC) /* U+0300 begins with CC 80 */
            return false;
    return azr_utf8_valid(text, size) == size;
}

azr_status azr_utf8_compose(const char *text, size_t size, char **out_text, size_t *out_size,
                            azr_error *error)
{
    *out_text = NULL;
    *out_size = size;
    if (is_plain(text, size))
        return AZR_OK;
    composer c = {0};
    azr_status status = AZR_OK;
    size_t n_bytes;
    /* A broken byte becomes three; canonical forms never grow more than threefold (UAX 15). */
    if (!azr_multiply_sizes(size, 3, &n_bytes) || (c.out = azr_try_alloc(n_bytes + 4, 1)) == NULL)
        goto memory;
    for (size_t at = 0; at < size;) {
        if ((uint8_t)text[at] < 0x80 && (at + 1 == size || (uint8_t)text[at + 1] < 0x80)) {
            flush(&c);
            c.out[c.n_out++] = text[at++]; /* nothing that could join it follows */
            continue;
        }
        azr_utf8_step step = azr_utf8_next(text + at, size - at);
        uint32_t point = step.valid ? step.codepoint : REPLACEMENT;
        bool unknown = is_unknown_mark(point);
        if (point < FIRST_COMBINING || unknown)
            flush(&c);
        if (unknown)
            c.n_out += azr_utf8_put(point, c.out + c.n_out);
        else if (!add_point(&c, point))
            goto memory;
        at += step.size;
    }
    flush(&c);
    *out_text = c.out;
    *out_size = c.n_out;
    c.out = NULL;
    goto done;
memory:
    status =
        azr_error_set(error, AZR_ERROR_MEMORY, "no memory to normalise a text of %zu bytes", size);
done:
    azr_free(c.out);
    azr_free(c.points);
    azr_free(c.sorted);
    return status;
}
