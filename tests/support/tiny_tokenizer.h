/* tiny_tokenizer.h: small made-up tokenizers for tests that need no model. */
#ifndef AZR_TEST_TINY_TOKENIZER_H
#define AZR_TEST_TINY_TOKENIZER_H

#include <stddef.h>

/* Parts of a tokenizer.json as JSON texts; NULL: the default. */
typedef struct tiny_tokenizer {
    const char *added;          /* inside of the list; ids from 256 + number of merges on */
    const char *normalizer;     /* null */
    const char *pre_tokenizer;  /* ByteLevel as GPT-2's */
    const char *post_processor; /* null */
    const char *model_extra;    /* more members of "model", each with a comma behind it */
    const char *const *merges;  /* "a b", NULL at the end; each makes the next token after 255 */
    int left_out;               /* bytes from here to 255 have no token (0: all have one) */
} tiny_tokenizer;

/* tokenizer.json: token i is byte i (0..255), then one for each merge. Free with azr_free. */
char *tiny_tokenizer_json(const tiny_tokenizer *tiny);
/* The same, written to <folder>/tokenizer.json. */
void tiny_tokenizer_write(const tiny_tokenizer *tiny, const char *folder);

#endif
