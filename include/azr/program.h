/* program.h: what can be said of a Python program without running it: its text in a form that tells
 * programs apart and not ways of writing them. Read by a tokenizer of ours, in C. */
#ifndef AZR_PROGRAM_H
#define AZR_PROGRAM_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends the program as tokens, one statement a line, blocks between { and }; comments, docstrings
 * and other strings that are statements are gone. normal: constants in one way of writing. shape:
 * n for each name, c for each constant, no sign before a number. Any bytes will do; what is no
 * Python gives some text too. */
void azr_program_normalise(const char *program, azr_strbuf *normal, azr_strbuf *shape);

/* --- composite programs: f calls functions g_0, g_1, ... that its writer was given -------------
 */

/* Can the program be given to another one's writer? Nothing but imports and one function f may
 * stand at its left margin (then nothing of it meets what others define), none of its names is
 * g_<number> (so it is no composite itself), and f must be a name that can be changed: no keyword
 * argument, import or f-string may use it. out may be NULL; else the program is appended with f
 * called g_<k>, wherever that name means the function. */
bool azr_program_as_part(const char *program, size_t k, azr_strbuf *out);
/* Does what was written for n given functions use them as it must? f calls each of g_0 .. g_<n-1>
 * inside of its own body, where a bare name as argument is bound somewhere in the program; nothing
 * but a call is made of them, and no other g_<number> is used or defined. */
bool azr_program_uses_parts(const char *program, size_t n);
/* Is all that f does to return what one of the given functions gives for names and constants? */
bool azr_program_adds_nothing(const char *program);
/* Appends the program without functions g_<number> at its left margin: what its writer wrote, and
 * all imports. */
void azr_program_own_text(const char *program, azr_strbuf *out);
/* Appends function g_<k> as it stands at the left margin; false when there is none. */
bool azr_program_part_text(const char *program, size_t k, azr_strbuf *out);

#endif
