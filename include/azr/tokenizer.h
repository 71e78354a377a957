/* tokenizer.h: text <-> token ids, byte-level BPE exactly as the model's own tokenizer does it. */
#ifndef AZR_TOKENIZER_H
#define AZR_TOKENIZER_H

#include "azr/status.h"

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct azr_tokenizer azr_tokenizer; /* immutable after opening; safe to share by threads */

/* path: a folder with tokenizer.json (or with one .gguf file), a tokenizer.json, or a .gguf file.
 */
azr_status azr_tokenizer_open(const char *path, azr_tokenizer **out_tokenizer, azr_error *error);
void azr_tokenizer_destroy(azr_tokenizer *tokenizer);

int32_t azr_tokenizer_size(const azr_tokenizer *tokenizer); /* ids are 0 .. size-1 */
/* Ids that end a text (eos_token, and the family's end-of-turn tokens): at most max written to
 * out_ids; returns how many there are. */
size_t azr_tokenizer_eos(const azr_tokenizer *tokenizer, int32_t *out_ids, size_t max);
bool azr_tokenizer_is_eos(const azr_tokenizer *tokenizer, int32_t id);
/* Id put before every text by the model's own tokenizer, -1 when it puts none. */
int32_t azr_tokenizer_bos(const azr_tokenizer *tokenizer);
/* Id of a token by its exact text (special tokens included), -1 when there is none. */
int32_t azr_tokenizer_find(const azr_tokenizer *tokenizer, const char *text);
/* The chat template's source (Jinja), NULL when the model has none. */
const char *azr_tokenizer_chat_template(const azr_tokenizer *tokenizer);

typedef struct azr_encode_options {
    bool parse_special; /* special tokens in the text become their ids (user's own prompts); false:
                           they are plain text (anything a model wrote) */
    bool add_bos;       /* put azr_tokenizer_bos first, when the model has one */
} azr_encode_options;

/* Encodes size bytes to exactly the ids that the `tokenizers` library gives. Bytes that are not
 * UTF-8 are encoded byte by byte (or as the replacement character where the model normalises).
 * Bytes for which the vocabulary has no token (SmolLM2 lacks 21, all of them control characters or
 * unused) become its unknown token, or nothing where it has none. Added tokens that are not special
 * (Qwen's <tool_call>) are always recognised. *out_ids: free with azr_free. Fails only on a text
 * longer than AZR_TOKENIZER_MAX_TEXT, for want of memory, or when a pattern from tokenizer.json
 * takes too many steps. */
enum { AZR_TOKENIZER_MAX_TEXT = 64 << 20 };
azr_status azr_tokenizer_encode(const azr_tokenizer *tokenizer, const char *text, size_t size,
                                azr_encode_options options, int32_t **out_ids, size_t *out_n,
                                azr_error *error);

/* The bytes of one token; belongs to the tokenizer. Special tokens give their text; ids out of
 * range give "". */
const char *azr_tokenizer_bytes(const azr_tokenizer *tokenizer, int32_t id, size_t *out_size);
bool azr_tokenizer_is_special(const azr_tokenizer *tokenizer, int32_t id);

/* Bytes of a list of tokens (special ones left out when skip_special), free with azr_free;
 * NUL-terminated, may hold NULs. May end inside a character. */
char *azr_tokenizer_decode(const azr_tokenizer *tokenizer, const int32_t *ids, size_t n,
                           bool skip_special, size_t *out_size);

/* How many bytes of text[0..size) can be shown now: all but a UTF-8 character that is begun and not
 * finished at the end (a byte that can never become a character counts as finished). For printing
 * token by token without half characters. */
size_t azr_utf8_complete(const char *text, size_t size);
/* How many bytes from the start are whole valid characters: size when text is UTF-8. */
size_t azr_utf8_valid(const char *text, size_t size);

/* Writes tokenizer.json (and tokenizer_config.json with eos and chat template) that transformers
 * loads, into the existing folder: a copy of the source's file (as it was when opened), or made
 * from GGUF metadata. Same tokenizer, same bytes. */
azr_status azr_tokenizer_save(const azr_tokenizer *tokenizer, const char *folder, azr_error *error);

/* Appends what stands before and behind one user's message in a conversation, up to where the
 * assistant speaks, as the model's chat template has it. *out_trims: white space around the message
 * is left out. system NULL: no system message, but the template's default if any. A template that
 * goes beyond the Jinja2 azr knows is AZR_ERROR_UNSUPPORTED, and the error says at what. */
azr_status azr_chat_wrap(const azr_tokenizer *tokenizer, const char *system, azr_strbuf *out_before,
                         azr_strbuf *out_behind, bool *out_trims, azr_error *error);
/* The tokens of such a conversation, free with azr_free. What looks like a special token in the
 * message is text: it cannot end the user's turn. */
azr_status azr_chat_encode(const azr_tokenizer *tokenizer, const char *system, const char *text,
                           size_t size, int32_t **out_tokens, size_t *out_n, azr_error *error);

#endif
