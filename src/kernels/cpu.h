/* cpu.h: levels of instruction sets; private to kernels/. */
#ifndef AZR_KERNELS_CPU_H
#define AZR_KERNELS_CPU_H

#include "kernels/table.h"

enum { AZR_LEVEL_REF, AZR_LEVEL_AVX2, AZR_LEVEL_AVX512, AZR_LEVEL_AVX512_BF16 };

/* Fixes the row-block rule. forced: oneDNN is kept to the instruction sets of the level; else the
 * level follows oneDNN. Returns the level, negative when oneDNN does not even use AVX2. */
int azr_kernels__linear_init(int level, bool forced);
/* Bytes that products hold now, of which azr_linear_scratch_bytes speaks (for the test of the
 * plan). */
size_t azr_kernels__linear_scratch(void);

#endif
