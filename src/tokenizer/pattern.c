/* pattern.c: regular expressions for pre-tokenizers, from Oniguruma's dialect to PCRE2's. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/pattern.h"

#include "base/memory.h"
#include "base/strbuf.h"
#include "tokenizer/utf8.h"

#include <pcre2.h>
#include <string.h>

enum {
    MAX_PATTERN_BYTES = 1 << 16,
    MATCH_LIMIT = 10 << 20, /* steps of one match, against patterns that explode */
    HEAP_KIBIBYTES = 64 << 10,
};

struct azr_pattern {
    char *source;
    pcre2_code *code;
    bool has_jit;
};

struct azr_pattern_match {
    pcre2_match_data *matches;
    pcre2_match_context *limits;
};

/* Oniguruma's \s: the Unicode property White_Space. PCRE2's has U+180E besides. */
#define WHITE_SPACE "\\p{Z}\\x{9}-\\x{d}\\x{85}"

/* Letters and numbers of Unicode 15 and 16: `tokenizers` 0.23 matches them (measured over all code
 * points), a PCRE2 of Unicode 14 does not. Harmless with a newer one. */
#define NEW_LETTERS                                                                  \
    "\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}\\x{105c0}-\\x{105f3}" \
    "\\x{10d4a}-\\x{10d65}\\x{10d6f}-\\x{10d85}\\x{10ec2}-\\x{10ec4}"                \
    "\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}"                 \
    "\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}"       \
    "\\x{11f02}\\x{11f04}-\\x{11f10}\\x{11f12}-\\x{11f33}\\x{1342f}"                 \
    "\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}"                \
    "\\x{16d40}-\\x{16d6c}\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}"       \
    "\\x{1e030}-\\x{1e06d}\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}"      \
    "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"
#define NEW_NUMBERS                                                   \
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}" \
    "\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}" \
    "\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}" \
    "\\x{1e5f1}-\\x{1e5fa}"

/* A property that both engines must understand alike, as the inside of a class; NULL: as it is. */
static const char *property(const char *text, size_t size)
{
    if (size >= 4 && memcmp(text, "p{L}", 4) == 0)
        return "\\p{L}" NEW_LETTERS;
    if (size >= 4 && memcmp(text, "p{N}", 4) == 0)
        return "\\p{N}" NEW_NUMBERS;
    return NULL;
}

/* Escapes that PCRE2 reads as Oniguruma does: some letters, and all signs. */
static bool is_common_escape(char c)
{
    if (c == '\0' || (uint8_t)c >= 0x80)
        return false;
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return !letter || strchr("dDpPrntfx", c) != NULL;
}

/* Copies one escape (at text, after the backslash) into out. Returns how many bytes it read, 0 when
 * the engines do not agree on it. */
static size_t translate_escape(const char *text, size_t size, bool in_class, azr_strbuf *out)
{
    char c = size > 0 ? text[0] : '\0';
    if (c == 's') {
        azr_strbuf_puts(out, in_class ? WHITE_SPACE : "[" WHITE_SPACE "]");
        return 1;
    }
    if (c == 'S' && !in_class) {
        azr_strbuf_puts(out, "[^" WHITE_SPACE "]");
        return 1;
    }
    const char *characters = property(text, size);
    if (characters != NULL) {
        azr_strbuf_printf(out, in_class ? "%s" : "[%s]", characters);
        return 4;
    }
    if (c == 'S' || !is_common_escape(c))
        return 0;
    azr_strbuf_append(out, "\\", 1);
    azr_strbuf_append(out, text, 1);
    return 1;
}

/* Nested classes and intersections in one engine are plain characters in the other; outside of
 * classes ^ and $ mean lines in one and the text in the other. */
static bool is_disputed(const char *text, size_t size, bool in_class)
{
    if (in_class)
        return text[0] == '[' || (size > 1 && text[0] == '&' && text[1] == '&');
    return text[0] == '^' || text[0] == '$';
}

static azr_status not_supported(const char *path, const char *what, char c, bool in_class,
                                azr_error *error)
{
    return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                         "%s has a pattern with %s%c%s, which is not supported", path, what, c,
                         in_class ? " inside []" : "");
}

static azr_status translate(const char *source, size_t size, const char *path, azr_strbuf *out,
                            azr_error *error)
{
    bool in_class = false, class_starts = false;
    for (size_t at = 0; at < size; at++) {
        char c = source[at];
        bool starts = class_starts; /* here ] is a character and ^ turns the class round */
        class_starts = false;
        if (c == '\\') {
            size_t n = translate_escape(source + at + 1, size - at - 1, in_class, out);
            if (n == 0)
                return not_supported(path, "the escape \\", at + 1 < size ? source[at + 1] : ' ',
                                     in_class, error);
            at += n;
            continue;
        }
        if (is_disputed(source + at, size - at, in_class))
            return not_supported(path, "", c, in_class, error);
        if (!in_class)
            in_class = class_starts = c == '[';
        else if (starts && c == '^')
            class_starts = true;
        else if (!starts && c == ']')
            in_class = false;
        azr_strbuf_append(out, &c, 1);
    }
    return AZR_OK;
}

static azr_status compile(azr_pattern *pattern, const azr_strbuf *text, const char *path,
                          azr_error *error)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for a pattern of %s", path);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    int number = 0;
    PCRE2_SIZE offset = 0;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)azr_strbuf_text(text), text->size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &number, &offset, context);
    pcre2_compile_context_free(context);
    if (pattern->code == NULL) {
        PCRE2_UCHAR why[160] = "";
        pcre2_get_error_message(number, why, sizeof why);
        return azr_error_set(error, AZR_ERROR_INPUT, "%s has a pattern that is wrong: %s", path,
                             (const char *)why);
    }
    /* Without JIT (no executable memory allowed) the interpreter gives the same matches. */
    pattern->has_jit = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;
    return AZR_OK;
}

azr_status azr_pattern_create(const char *source, size_t size, const char *path,
                              azr_pattern **out_pattern, azr_error *error)
{
    azr_status status = AZR_OK;
    azr_strbuf text = {0};
    azr_pattern *pattern = azr_alloc(1, sizeof *pattern);
    if (size > MAX_PATTERN_BYTES) {
        status =
            azr_error_set(error, AZR_ERROR_LIMIT, "%s has a pattern of %zu bytes, the limit is %d",
                          path, size, MAX_PATTERN_BYTES);
        goto done;
    }
    if (azr_utf8_valid(source, size) != size || memchr(source, '\0', size) != NULL) {
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s has a pattern that is not text", path);
        goto done;
    }
    pattern->source = azr_copy_text(source, size);
    status = translate(source, size, path, &text, error);
    if (status == AZR_OK)
        status = compile(pattern, &text, path, error);
done:
    azr_strbuf_deinit(&text);
    if (status != AZR_OK) {
        azr_pattern_destroy(pattern);
        pattern = NULL;
    }
    *out_pattern = pattern;
    return status;
}

void azr_pattern_destroy(azr_pattern *pattern)
{
    if (pattern == NULL)
        return;
    azr_free(pattern->source);
    pcre2_code_free(pattern->code);
    azr_free(pattern);
}

const char *azr_pattern_source(const azr_pattern *pattern)
{
    return pattern->source;
}

azr_pattern_match *azr_pattern_match_create(void)
{
    azr_pattern_match *match = azr_try_alloc(1, sizeof *match);
    if (match == NULL)
        return NULL;
    match->matches = pcre2_match_data_create(1, NULL);
    match->limits = pcre2_match_context_create(NULL);
    if (match->matches == NULL || match->limits == NULL) {
        azr_pattern_match_destroy(match);
        return NULL;
    }
    pcre2_set_match_limit(match->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(match->limits, HEAP_KIBIBYTES);
    return match;
}

void azr_pattern_match_destroy(azr_pattern_match *match)
{
    if (match == NULL)
        return;
    pcre2_match_data_free(match->matches);
    pcre2_match_context_free(match->limits);
    azr_free(match);
}

azr_status azr_pattern_next(const azr_pattern *pattern, azr_pattern_match *match, const char *text,
                            size_t size, size_t at, size_t *out_start, size_t *out_end,
                            azr_error *error)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int n = PCRE2_ERROR_JIT_STACKLIMIT;
    if (pattern->has_jit)
        n = pcre2_jit_match(pattern->code, subject, size, at, 0, match->matches, match->limits);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(pattern->code, subject, size, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                        match->matches, match->limits);
    if (n == PCRE2_ERROR_NOMATCH) {
        *out_start = *out_end = size;
        return AZR_OK;
    }
    if (n < 0) {
        PCRE2_UCHAR why[160] = "";
        pcre2_get_error_message(n, why, sizeof why);
        return azr_error_set(error, AZR_ERROR_LIMIT,
                             "the tokenizer's pattern %.100s fails on a text of %zu bytes: %s",
                             pattern->source, size, (const char *)why);
    }
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(match->matches);
    *out_start = offsets[0];
    *out_end = offsets[1];
    /* \K inside a look-around could turn them round; it is refused above. */
    return AZR_OK;
}
