/* python_places.h: a program's tokens, each with where it stands: in which block, brackets and
 * statement. Private to tasks/. */
#ifndef AZR_TASKS_PYTHON_PLACES_H
#define AZR_TASKS_PYTHON_PLACES_H

#include "tasks/python_tokens.h"

#include <stdint.h>

#define AZR_NO_PLACE SIZE_MAX

typedef struct azr_place {
    azr_python_token token;
    int indent, depth; /* blocks and brackets around it */
    bool begins;       /* the first token of a statement */
    size_t statement;  /* index of that one */
    size_t open;       /* index of the innermost open bracket around it, AZR_NO_PLACE */
} azr_place;

typedef struct azr_places {
    azr_place *all; /* azr_free */
    size_t n, capacity;
} azr_places;

/* All tokens, END last; places start from {0}. */
void azr_places_read(const char *program, azr_places *list);

bool azr_place_is(const azr_place *p, const char *text);
bool azr_place_is_keyword(const azr_place *p, const char *text);
bool azr_place_is_operator(const azr_place *p, const char *text);
/* A line's end, a block's begin or end, or the program's end? */
bool azr_place_is_layout(const azr_place *p);

/* Of the first token: a line's end. */
const azr_place *azr_places_previous(const azr_places *list, size_t i);
/* END is never asked for what follows it. */
const azr_place *azr_places_next(const azr_places *list, size_t i);
/* A name of its own, not that of an attribute? */
bool azr_places_is_name(const azr_places *list, size_t i);
/* The first token of a line, and not behind a semicolon? */
bool azr_places_starts_line(const azr_places *list, size_t i);
/* Does `def NAME` stand at i, at the left margin? */
bool azr_places_defines(const azr_places *list, size_t i, const char *name);
/* The index behind the statement that begins at i, and behind its block. */
size_t azr_places_end_of_statement(const azr_places *list, size_t i);

#endif
