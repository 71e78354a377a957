/* split.h: pre-tokenizers: they cut a text into the pieces within which merges happen. */
#ifndef AZR_TOKENIZER_SPLIT_H
#define AZR_TOKENIZER_SPLIT_H

#include "azr/status.h"
#include "tokenizer/pattern.h"

#include <stdbool.h>
#include <stddef.h>

enum { AZR_MAX_SPLIT_STAGES = 16 };

/* What GPT-2's byte-level pre-tokenizer cuts by. */
#define AZR_GPT2_PATTERN \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef enum azr_split_kind {
    AZR_SPLIT_PATTERN,    /* matches and what lies between them are pieces */
    AZR_SPLIT_MATCHES,    /* only the matches are pieces, the rest vanishes */
    AZR_SPLIT_GAPS,       /* only what lies between matches */
    AZR_SPLIT_DIGIT,      /* each numeric character is a piece */
    AZR_SPLIT_DIGITS,     /* runs of numeric characters are pieces */
    AZR_SPLIT_BYTE_LEVEL, /* the last stage: cuts by pattern when it has one */
} azr_split_kind;

typedef struct azr_split_stage {
    azr_split_kind kind;
    azr_pattern *pattern; /* owned; NULL: none */
    bool add_prefix_space;
} azr_split_stage;

typedef struct azr_split {
    azr_split_stage stages[AZR_MAX_SPLIT_STAGES];
    int n;
} azr_split;

void azr_split_deinit(azr_split *split);

/* Where the pieces go: not empty; valid only during the call. */
typedef struct azr_split_sink {
    azr_status (*piece)(void *context, const char *text, size_t size, azr_error *error);
    void *context;
} azr_split_sink;

/* text is valid UTF-8, size > 0. */
azr_status azr_split_run(const azr_split *split, azr_pattern_match *match, const char *text,
                         size_t size, azr_split_sink sink, azr_error *error);

#endif
