/* pattern.h: the regular expressions that cut text into words, written for Oniguruma (what the
 * `tokenizers` library uses), run by PCRE2. */
#ifndef AZR_TOKENIZER_PATTERN_H
#define AZR_TOKENIZER_PATTERN_H

#include "azr/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct azr_pattern azr_pattern;
typedef struct azr_pattern_match azr_pattern_match; /* working memory of one thread */

/* path: for messages. Refuses what the two engines read differently. */
azr_status azr_pattern_create(const char *source, size_t size, const char *path,
                              azr_pattern **out_pattern, azr_error *error);
void azr_pattern_destroy(azr_pattern *pattern);
const char *azr_pattern_source(const azr_pattern *pattern);

azr_pattern_match *azr_pattern_match_create(void); /* NULL: no memory */
void azr_pattern_match_destroy(azr_pattern_match *match);

/* The first match at or after at in text, which is valid UTF-8: sets *out_start and *out_end, or
 * both to size when there is none. Fails when the pattern takes too many steps on this text. */
azr_status azr_pattern_next(const azr_pattern *pattern, azr_pattern_match *match, const char *text,
                            size_t size, size_t at, size_t *out_start, size_t *out_end,
                            azr_error *error);

#endif
