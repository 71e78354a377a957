/* cpu.h: levels of instruction sets; private to kernels/. */
#ifndef AZR_KERNELS_CPU_H
#define AZR_KERNELS_CPU_H

#include "kernels/table.h"

enum { AZR_LEVEL_REF, AZR_LEVEL_AVX2, AZR_LEVEL_AVX512, AZR_LEVEL_AVX512_BF16 };

/* Keeps oneDNN to the instruction sets of the level, and fixes the row-block rule. */
void azr_kernels__linear_init(int level);

#endif
