/* corpus.h: programs with inputs to compare engines on: generated ones, ordinary and hostile, the
 * same for a seed; and those of benchmark files, where they are to be had. */
#ifndef AZR_TEST_CORPUS_H
#define AZR_TEST_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct azr_test_program {
    char *program, *function; /* function NULL: f */
    char **inputs;
    size_t n_inputs;
    bool constructors;
    bool is_hostile; /* ends at small limits */
    unsigned any_of; /* bits of statuses that it may end with, when that is the engine's; 0: all
                        engines reply the same */
} azr_test_program;

typedef struct azr_test_corpus {
    azr_test_program *programs;
    size_t n, capacity;
} azr_test_corpus;

void azr_test_corpus_deinit(azr_test_corpus *corpus);
/* Texts are copied. */
azr_test_program *azr_test_corpus_add(azr_test_corpus *corpus, const char *program);
void azr_test_program_add_input(azr_test_program *program, const char *input);
/* Keeps every program whose number, divided by every, leaves first. */
void azr_test_corpus_thin(azr_test_corpus *corpus, size_t first, size_t every);

/* n programs of arithmetic, texts, lists, dicts, sets and some modules; many raise. */
void azr_test_corpus_add_ordinary(azr_test_corpus *corpus, uint64_t seed, size_t n);
/* Every attack in every place, and the programs of hostile.h. */
void azr_test_corpus_add_hostile(azr_test_corpus *corpus);
/* The tasks and solutions in the folder's files, each with at most max_inputs inputs. False when
 * the folder is not there. */
bool azr_test_corpus_add_files(azr_test_corpus *corpus, const char *folder, size_t max_inputs);

#endif
