/* program.h: what can be said of a Python program without running it: its text in a form that tells
 * programs apart and not ways of writing them. Read by a tokenizer of ours, in C. */
#ifndef AZR_PROGRAM_H
#define AZR_PROGRAM_H

#include "base/strbuf.h"

/* Appends the program as tokens, one statement a line, blocks between { and }; comments, docstrings
 * and other strings that are statements are gone. normal: constants in one way of writing. shape:
 * n for each name, c for each constant, no sign before a number. Any bytes will do; what is no
 * Python gives some text too. */
void azr_program_normalise(const char *program, azr_strbuf *normal, azr_strbuf *shape);

#endif
