/* tiny_models.h: small GGUF and safetensors files, made byte by byte, for tests that damage them.
 */
#ifndef AZR_TEST_TINY_MODELS_H
#define AZR_TEST_TINY_MODELS_H

#include "azr/formats.h"
#include "base/strbuf.h"

#include <stdint.h>

/* --- GGUF, piece by piece (numbers little-endian) --------------------------------------------- */

void gguf_put(azr_strbuf *file, const void *bytes, size_t size);
void gguf_put_u32(azr_strbuf *file, uint32_t value);
void gguf_put_u64(azr_strbuf *file, uint64_t value);
/* u64 size, bytes. */
void gguf_put_text(azr_strbuf *file, const char *text);
/* "GGUF", version, counts. */
void gguf_begin(azr_strbuf *file, uint32_t version, uint64_t n_tensors, uint64_t n_values);
/* The key and the type of a value; the value itself comes next. */
void gguf_key(azr_strbuf *file, const char *key, uint32_t type);
void gguf_value_u32(azr_strbuf *file, const char *key, uint32_t value);
void gguf_value_text(azr_strbuf *file, const char *key, const char *text);
/* dims innermost first, as the file has them. */
void gguf_info(azr_strbuf *file, const char *name, uint32_t n_dims, const uint64_t *dims,
               uint32_t type, uint64_t offset);
/* Zeros up to a multiple of alignment. */
void gguf_align(azr_strbuf *file, size_t alignment);

/* --- whole files ------------------------------------------------------------------------------ */

/* A GGUF file with metadata of every type (keys v.u8 ... v.f64, v.text, a.u8 ... a.texts) and one
 * tensor of every type that azr reads (t.F32 ... t.Q6_K, 2 rows of 256), with bytes 0, 1, 2, ... */
void tiny_gguf(azr_strbuf *file, uint32_t version);
/* A GGUF file as a model has it: tokens, merges, a few numbers, two tensors. */
void tiny_gguf_model(azr_strbuf *file);
/* A safetensors file: header as given, then n_bytes of 0, 1, 2, ... */
void tiny_safetensors_from(azr_strbuf *file, const char *header, size_t n_bytes);
/* One with metadata and F32, F16, BF16, scalar and empty tensors. */
void tiny_safetensors(azr_strbuf *file);

/* --- opening them out of memory ------------------------------------------------------------------
 */

/* Opens, or fails the test with the error's sentence. The bytes must outlive what is returned. */
azr_weights_file *tiny_open(const azr_strbuf *file, const char *path);
/* Fails the test unless opening ends in this status with a sentence that names path and has part in
 * it. */
void tiny_refused(const azr_strbuf *file, const char *path, azr_status status, const char *part);
/* The sentence names path, has part in it, and is one line without a full stop. */
void check_sentence(const azr_error *error, azr_status status, const char *path, const char *part);

#endif
