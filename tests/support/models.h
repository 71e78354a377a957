/* models.h: models for tests: tiny ones, the shipped ones, and forests of tokens. */
#ifndef AZR_TEST_MODELS_H
#define AZR_TEST_MODELS_H

#include "azr/formats.h"
#include "azr/model.h"

/* A small shape of a family that uses all of its parts: grouped heads, a head width that is no
 * share of d_model; llama: scaled rope and an LM head of its own, the others tied. */
azr_model_shape test_shape(azr_family family);
/* A model of that shape with random weights; fails the test when it cannot be made. */
azr_model *test_model(azr_family family, azr_dtype dtype, uint64_t seed);
/* The file of a shipped model ("smollm2-135m"), below AZR_MODELS or models/; NULL when it was not
 * fetched. Belongs to the callee, until the next call. */
const char *test_shipped_model(const char *name);
/* n tokens below n_vocab, a function of the seed. Free with azr_free. */
int32_t *test_tokens(int64_t n, int64_t n_vocab, uint64_t seed);

/* All elements of a tensor, fails the test when it is not there. Free with azr_free. */
float *test_tensor(const azr_weights_file *file, const char *name, int64_t *out_n);

/* Fails the test with the sentence unless status is AZR_OK. */
void assert_ok(azr_status status, const azr_error *error);
/* sqrt(sum (a - b)^2) / sqrt(sum b^2); 0 when both are all zero. */
double test_relative_error(int64_t n, const float *a, const float *b);

#endif
