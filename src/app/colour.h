/* colour.h: verdicts in colour, where somebody sees them. */
#ifndef AZR_APP_COLOUR_H
#define AZR_APP_COLOUR_H

#include "azr/tasks.h"

#include <stddef.h>

/* "valid (a valid task)", "failed (the program did not run to its end: ZeroDivisionError)" on the
 * standard output: green for valid and correct, red for wrong, yellow for what could not be judged.
 * Plain where that is no terminal, and with NO_COLOR in the environment (no-color.org). */
void azr_verdict_print(azr_verdict verdict, const char *detail);
/* What a model wrote: on a terminal control characters, which could do anything there, are shown as
 * question marks. */
void azr_text_print(const char *text, size_t size);

#endif
