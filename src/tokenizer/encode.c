/* encode.c: from text to ids: added tokens, normal form, pieces, merges, in this order. */
#include "base/memory.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#include <string.h>
#include <utf8proc.h>

/* One call of azr_tokenizer_encode. */
typedef struct encoder {
    const azr_tokenizer *tokenizer;
    azr_bpe bpe;
    azr_bpe_work *work;
    azr_pattern_match *match;
    azr_ids ids;
    bool parse_special;
} encoder;

/* What to do with a text between added tokens. */
typedef azr_status (*plain_function)(encoder *e, const char *text, size_t size, azr_error *error);

static azr_status encode_piece(void *context, const char *text, size_t size, azr_error *error)
{
    encoder *e = context;
    return azr_bpe_encode(&e->bpe, e->work, text, size, &e->ids, error);
}

/* Cuts normalised text into pieces; bytes that are not UTF-8 go one by one. */
static azr_status encode_words(encoder *e, const char *text, size_t size, azr_error *error)
{
    azr_split_sink sink = {encode_piece, e};
    azr_status status = AZR_OK;
    for (size_t at = 0; at < size && status == AZR_OK;) {
        size_t n = azr_utf8_valid(text + at, size - at);
        if (n > 0)
            status = azr_split_run(&e->tokenizer->split, e->match, text + at, n, sink, error);
        else
            status = encode_piece(e, text + at, n = 1, error);
        at += n;
    }
    return status;
}

/* A letter, mark, digit or connector: what \w matches in the `tokenizers` library. */
static bool is_word(uint32_t codepoint)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)codepoint);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC;
}

static bool is_white(uint32_t codepoint)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)codepoint);
    return (codepoint >= 9 && codepoint <= 13) || codepoint == 0x85 ||
           (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

/* The step that ends at text[at], at > 0. */
static azr_utf8_step step_before(const char *text, size_t at)
{
    size_t back = 1;
    while (back < 4 && back < at && ((uint8_t)text[at - back] & 0xC0) == 0x80)
        back++;
    azr_utf8_step step = azr_utf8_next(text + at - back, back);
    if (!step.valid || step.size != back)
        step = (azr_utf8_step){.size = 1};
    return step;
}

static bool touches_word(const char *text, size_t size, size_t start, size_t end)
{
    if (start > 0) {
        azr_utf8_step step = step_before(text, start);
        if (step.valid && is_word(step.codepoint))
            return true;
    }
    if (end < size) {
        azr_utf8_step step = azr_utf8_next(text + end, size - end);
        if (step.valid && is_word(step.codepoint))
            return true;
    }
    return false;
}

/* Widens a match over the white space beside it, but not into what is done. */
static void strip_beside(const azr_added_token *added, const char *text, size_t size, size_t done,
                         size_t *start, size_t *end)
{
    while (added->left_strip && *start > done) {
        azr_utf8_step step = step_before(text, *start);
        if (!step.valid || !is_white(step.codepoint))
            break;
        *start -= step.size;
    }
    if (*start < done)
        *start = done;
    while (added->right_strip && *end < size) {
        azr_utf8_step step = azr_utf8_next(text + *end, size - *end);
        if (!step.valid || !is_white(step.codepoint))
            break;
        *end += step.size;
    }
}

/* Finds the added tokens of trie; what stands between them goes to plain. */
static azr_status encode_around(encoder *e, const azr_added_trie *trie, const char *text,
                                size_t size, plain_function plain, azr_error *error)
{
    const azr_tokenizer *t = e->tokenizer;
    size_t done = 0, at = 0, n = 0, index = 0;
    azr_status status = AZR_OK;
    while (status == AZR_OK && azr_added_trie_next(trie, text, size, &at, &n, &index)) {
        const azr_added_token *added = &t->added[index];
        size_t start = at, end = at + n;
        at = end;
        if (start < done || (added->special && !e->parse_special) ||
            (added->single_word && touches_word(text, size, start, end)))
            continue;
        strip_beside(added, text, size, done, &start, &end);
        if (done < start)
            status = plain(e, text + done, start - done, error);
        if (status == AZR_OK && !azr_ids_append(&e->ids, &added->id, 1))
            status =
                azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu token ids", e->ids.n + 1);
        done = end;
    }
    if (status == AZR_OK && done < size)
        status = plain(e, text + done, size - done, error);
    return status;
}

/* Text without raw added tokens: normalises, then looks for those that are sought afterwards. */
static azr_status encode_raw(encoder *e, const char *text, size_t size, azr_error *error)
{
    char *composed = NULL;
    azr_status status = AZR_OK;
    if (e->tokenizer->composes)
        status = azr_utf8_compose(text, size, &composed, &size, error);
    if (status == AZR_OK)
        status = encode_around(e, &e->tokenizer->added_normalized,
                               composed != NULL ? composed : text, size, encode_words, error);
    azr_free(composed);
    return status;
}

static azr_status encoder_init(encoder *e, const azr_tokenizer *tokenizer, size_t size,
                               azr_encode_options options, azr_error *error)
{
    *e = (encoder){.tokenizer = tokenizer,
                   .bpe = {.vocabulary = &tokenizer->vocabulary,
                           .ignore_merges = tokenizer->ignore_merges,
                           .unknown = tokenizer->unknown,
                           .fuse_unknown = tokenizer->fuse_unknown},
                   .parse_special = options.parse_special};
    e->work = azr_bpe_work_create(size);
    e->match = azr_pattern_match_create();
    bool fits = e->work != NULL && e->match != NULL && azr_ids_append(&e->ids, NULL, 0);
    if (fits && options.add_bos && tokenizer->bos >= 0)
        fits = azr_ids_append(&e->ids, &tokenizer->bos, 1);
    if (!fits)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to encode a text of %zu bytes",
                             size);
    return AZR_OK;
}

azr_status azr_tokenizer_encode(const azr_tokenizer *tokenizer, const char *text, size_t size,
                                azr_encode_options options, int32_t **out_ids, size_t *out_n,
                                azr_error *error)
{
    *out_ids = NULL;
    *out_n = 0;
    if (size > AZR_TOKENIZER_MAX_TEXT)
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "cannot encode a text of %zu bytes, the limit is %d", size,
                             AZR_TOKENIZER_MAX_TEXT);
    encoder e;
    azr_status status = encoder_init(&e, tokenizer, size, options, error);
    if (status == AZR_OK)
        status = encode_around(&e, &tokenizer->added_raw, text, size, encode_raw, error);
    azr_bpe_work_destroy(e.work);
    azr_pattern_match_destroy(e.match);
    if (status != AZR_OK) {
        azr_free(e.ids.data);
        return status;
    }
    *out_ids = e.ids.data != NULL ? e.ids.data : azr_alloc(1, sizeof **out_ids);
    *out_n = e.ids.n;
    return AZR_OK;
}
