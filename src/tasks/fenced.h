/* fenced.h: blocks between ``` and ``` in a reply, by their labels. Private to tasks/. */
#ifndef AZR_TASKS_FENCED_H
#define AZR_TASKS_FENCED_H

#include "tasks/text.h"

typedef struct azr_block {
    azr_span label; /* "python"; empty when there is none */
    azr_span text;  /* trimmed */
} azr_block;

/* The next block of *rest, which moves behind it; false when there is none that is closed. */
bool azr_tasks__next_block(azr_span *rest, azr_block *out_block);
/* Case does not matter. label "python": also py, python3 and blocks without a label. */
bool azr_tasks__is_block(const azr_block *block, const char *label);
/* The first or last block of the label. */
bool azr_tasks__find_block(azr_span text, const char *label, bool last, azr_span *out_text);
/* The last one, or what stands for it: behind a line "# Label:" up to a fence, in label(...),
 * between <label> and </label>, behind "the label is"; the first of these that is there, in this
 * order. False: none of them. */
bool azr_tasks__find_answer(azr_span text, const char *label, azr_span *out_text);
/* Behind the first line "# Label:" that is not part of a block with a program, up to a fence or the
 * end. */
bool azr_tasks__find_heading(azr_span text, const char *label, azr_span *out_text);
/* Between the last "<tag>" and "</tag>" behind it. */
bool azr_tasks__find_tag(azr_span text, const char *tag, azr_span *out_text);
/* Where the first or last `wanted` begins, whatever its case; text.size when it does not. */
size_t azr_tasks__find_text(azr_span text, const char *wanted, bool last);

#endif
