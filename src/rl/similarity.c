/* similarity.c: how alike two texts are, as Python's difflib.SequenceMatcher(None, a, b).ratio()
 * says it (Ratcliff and Obershelp's matching, with difflib's rule that a byte which makes up more
 * than a hundredth of a long b starts no match). */
#include "azr/rl.h"

#include "base/memory.h"

#include <string.h>

enum { N_BYTES = 256, LONG_ENOUGH_FOR_POPULAR = 200 };

typedef struct matcher {
    const unsigned char *a, *b;
    size_t n_a, n_b;
    size_t
        first[N_BYTES + 1]; /* positions of byte c in b: places[first[c]] .. places[first[c + 1]] */
    size_t *places;
    size_t *lengths[2]; /* of the match that ends at a position of b, for this and the last of a */
} matcher;

typedef struct match {
    size_t a, b, size;
} match;

static void index_b(matcher *m)
{
    size_t counts[N_BYTES] = {0}, at[N_BYTES];
    for (size_t j = 0; j < m->n_b; j++)
        counts[m->b[j]]++;
    size_t most = m->n_b >= LONG_ENOUGH_FOR_POPULAR ? m->n_b / 100 + 1 : m->n_b;
    m->first[0] = 0;
    for (size_t c = 0; c < N_BYTES; c++) {
        at[c] = m->first[c];
        m->first[c + 1] = m->first[c] + (counts[c] <= most ? counts[c] : 0);
    }
    for (size_t j = 0; j < m->n_b; j++)
        if (counts[m->b[j]] <= most)
            m->places[at[m->b[j]]++] = j;
}

/* Lengths of the matches that end at byte i of a and each place in b; returns the first longest. */
static match extend_matches(matcher *m, size_t i, size_t b_begin, size_t b_end, match best)
{
    size_t *now = m->lengths[i % 2], c = m->a[i];
    const size_t *last = m->lengths[(i + 1) % 2];
    for (size_t p = m->first[c]; p < m->first[c + 1] && m->places[p] < b_end; p++) {
        size_t j = m->places[p];
        if (j < b_begin)
            continue;
        now[j + 1] = last[j] + 1;
        if (now[j + 1] > best.size)
            best = (match){i + 1 - now[j + 1], j + 1 - now[j + 1], now[j + 1]};
    }
    return best;
}

/* Takes back what extend_matches wrote for byte i of a. */
static void clear_matches(matcher *m, size_t i)
{
    size_t c = m->a[i];
    for (size_t p = m->first[c]; p < m->first[c + 1]; p++)
        m->lengths[i % 2][m->places[p] + 1] = 0;
}

/* Both arrays of lengths are all 0 before and after. */
static match longest_match(matcher *m, size_t a_begin, size_t a_end, size_t b_begin, size_t b_end)
{
    match best = {a_begin, b_begin, 0};
    for (size_t i = a_begin; i < a_end; i++) {
        best = extend_matches(m, i, b_begin, b_end, best);
        if (i > a_begin)
            clear_matches(m, i - 1);
    }
    clear_matches(m, a_end - 1);
    while (best.a > a_begin && best.b > b_begin && m->a[best.a - 1] == m->b[best.b - 1]) {
        best.a--;
        best.b--;
        best.size++;
    }
    while (best.a + best.size < a_end && best.b + best.size < b_end &&
           m->a[best.a + best.size] == m->b[best.b + best.size])
        best.size++;
    return best;
}

/* Pieces of a and b that are still to be matched with each other. */
typedef struct piece {
    size_t a_begin, a_end, b_begin, b_end;
} piece;

static size_t count_matches(matcher *m)
{
    size_t n_matched = 0, n = 1, capacity = 16;
    piece *pieces = azr_alloc(capacity, sizeof *pieces);
    pieces[0] = (piece){0, m->n_a, 0, m->n_b};
    while (n > 0) {
        piece p = pieces[--n];
        if (p.a_begin == p.a_end || p.b_begin == p.b_end)
            continue;
        match found = longest_match(m, p.a_begin, p.a_end, p.b_begin, p.b_end);
        if (found.size == 0)
            continue;
        n_matched += found.size;
        if (n + 2 > capacity) {
            capacity *= 2;
            pieces = azr_realloc(pieces, capacity, sizeof *pieces);
        }
        if (p.a_begin < found.a && p.b_begin < found.b)
            pieces[n++] = (piece){p.a_begin, found.a, p.b_begin, found.b};
        if (found.a + found.size < p.a_end && found.b + found.size < p.b_end)
            pieces[n++] = (piece){found.a + found.size, p.a_end, found.b + found.size, p.b_end};
    }
    azr_free(pieces);
    return n_matched;
}

double azr_text_similarity(const char *a, size_t n_a, const char *b, size_t n_b)
{
    if (n_a + n_b == 0)
        return 1.0;
    matcher m = {
        .a = (const unsigned char *)a,
        .b = (const unsigned char *)b,
        .n_a = n_a,
        .n_b = n_b,
        .places = azr_alloc(n_b + 1, sizeof *m.places),
        .lengths = {azr_alloc(n_b + 1, sizeof(size_t)), azr_alloc(n_b + 1, sizeof(size_t))}};
    index_b(&m);
    size_t n_matched = count_matches(&m);
    azr_free(m.places);
    azr_free(m.lengths[0]);
    azr_free(m.lengths[1]);
    return 2.0 * (double)n_matched / (double)(n_a + n_b);
}
