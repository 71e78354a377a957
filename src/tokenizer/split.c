/* split.c: runs a chain of pre-tokenizers; each piece of one stage is a whole text to the next. */
#include "tokenizer/split.h"

#include "base/check.h"
#include "base/memory.h"
#include "tokenizer/utf8.h"

#include <string.h>
#include <utf8proc.h>

typedef struct runner {
    const azr_split *split;
    azr_pattern_match *match;
    azr_split_sink sink;
    azr_error *error;
} runner;

static azr_status run_stage(const runner *r, int stage, const char *text, size_t size);

void azr_split_deinit(azr_split *split)
{
    for (int i = 0; i < split->n; i++)
        azr_pattern_destroy(split->stages[i].pattern);
    split->n = 0;
}

static azr_status next_stage(const runner *r, int stage, const char *text, size_t start, size_t end)
{
    return start < end ? run_stage(r, stage + 1, text + start, end - start) : AZR_OK;
}

static azr_status cut_by_pattern(const runner *r, int stage, const char *text, size_t size)
{
    const azr_split_stage *s = &r->split->stages[stage];
    size_t done = 0, at = 0;
    azr_status status = AZR_OK;
    while (status == AZR_OK && at < size) {
        size_t start, end;
        status = azr_pattern_next(s->pattern, r->match, text, size, at, &start, &end, r->error);
        if (status != AZR_OK)
            break;
        if (s->kind != AZR_SPLIT_MATCHES)
            status = next_stage(r, stage, text, done, start);
        if (status == AZR_OK && s->kind != AZR_SPLIT_GAPS)
            status = next_stage(r, stage, text, start, end);
        done = end;
        at = end;
        if (start == end && end < size) /* an empty match only cuts */
            at += azr_utf8_next(text + end, size - end).size;
    }
    if (status == AZR_OK && s->kind != AZR_SPLIT_MATCHES)
        status = next_stage(r, stage, text, done, size);
    return status;
}

/* Numbers that came after Unicode 14, which the system's utf8proc may not know. */
static bool is_new_number(uint32_t codepoint)
{
    static const uint32_t ranges[][2] = {
        {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x11DE0, 0x11DE9},
        {0x11F50, 0x11F59}, {0x16130, 0x16139}, {0x16D70, 0x16D79}, {0x16FF4, 0x16FF6},
        {0x1CCF0, 0x1CCF9}, {0x1D2C0, 0x1D2D3}, {0x1E4F0, 0x1E4F9}, {0x1E5F1, 0x1E5FA},
    };
    for (size_t i = 0; i < AZR_COUNT(ranges); i++)
        if (codepoint >= ranges[i][0] && codepoint <= ranges[i][1])
            return true;
    return false;
}

/* General categories Nd, Nl and No, as Rust's char::is_numeric. */
static bool is_numeric(uint32_t codepoint)
{
    if (codepoint < 0x80)
        return codepoint >= '0' && codepoint <= '9';
    if (is_new_number(codepoint))
        return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)codepoint);
    return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_NO;
}

static azr_status cut_by_digits(const runner *r, int stage, const char *text, size_t size)
{
    bool single = r->split->stages[stage].kind == AZR_SPLIT_DIGIT;
    bool was_numeric = false;
    size_t done = 0;
    azr_status status = AZR_OK;
    for (size_t at = 0; at < size && status == AZR_OK;) {
        azr_utf8_step step = azr_utf8_next(text + at, size - at);
        bool numeric = is_numeric(step.codepoint);
        if (numeric != was_numeric || (numeric && single)) {
            status = next_stage(r, stage, text, done, at);
            done = at;
        }
        was_numeric = numeric;
        at += step.size;
    }
    return status == AZR_OK ? next_stage(r, stage, text, done, size) : status;
}

static azr_status cut_byte_level(const runner *r, int stage, const char *text, size_t size)
{
    const azr_split_stage *s = &r->split->stages[stage];
    char *prefixed = NULL;
    if (s->add_prefix_space && text[0] != ' ') {
        prefixed = azr_try_alloc(size + 1, 1);
        if (prefixed == NULL)
            return azr_error_set(r->error, AZR_ERROR_MEMORY,
                                 "no memory to encode a text of %zu bytes", size);
        prefixed[0] = ' ';
        memcpy(prefixed + 1, text, size);
        text = prefixed;
        size++;
    }
    azr_status status = s->pattern != NULL ? cut_by_pattern(r, stage, text, size)
                                           : next_stage(r, stage, text, 0, size);
    azr_free(prefixed);
    return status;
}

static azr_status run_stage(const runner *r, int stage, const char *text, size_t size)
{
    if (stage == r->split->n)
        return r->sink.piece(r->sink.context, text, size, r->error);
    switch (r->split->stages[stage].kind) {
    case AZR_SPLIT_PATTERN:
    case AZR_SPLIT_MATCHES:
    case AZR_SPLIT_GAPS:
        return cut_by_pattern(r, stage, text, size);
    case AZR_SPLIT_DIGIT:
    case AZR_SPLIT_DIGITS:
        return cut_by_digits(r, stage, text, size);
    case AZR_SPLIT_BYTE_LEVEL:
        return cut_byte_level(r, stage, text, size);
    }
    return AZR_OK;
}

azr_status azr_split_run(const azr_split *split, azr_pattern_match *match, const char *text,
                         size_t size, azr_split_sink sink, azr_error *error)
{
    runner r = {split, match, sink, error};
    return run_stage(&r, 0, text, size);
}
