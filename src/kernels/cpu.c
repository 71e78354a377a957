/* cpu.c: what the CPU can do, and the one table of kernels that follows from it. */
#include "kernels/cpu.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

/* Written by azr_kernels_init before threads run, constant afterwards (threads: see
 * azr_kernels_set_threads). */
static struct {
    const azr_kernel_table *table;
    const char *level;
    bool have_bf16;
    int n_threads;
} chosen = {NULL, "none", false, 1};

static bool cpu_has_bf16(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1) != 0;
}

static bool cpu_has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

static int best_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !cpu_has_f16c())
        return -1;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return AZR_LEVEL_AVX2;
    return cpu_has_bf16() ? AZR_LEVEL_AVX512_BF16 : AZR_LEVEL_AVX512;
}

static const char *const level_names[] = {"ref", "avx2", "avx512", "avx512_bf16"};

azr_status azr_kernels_init(azr_error *error)
{
    int best = best_level();
    if (best < 0)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "this CPU lacks AVX2, FMA or F16C, which azr needs");
    int level = best;
    const char *wanted = getenv("AZR_CPU");
    bool forced = wanted != NULL && wanted[0] != '\0';
    if (forced) {
        for (level = 0; level < 4 && strcmp(wanted, level_names[level]) != 0;)
            level++;
        if (level == 4)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "AZR_CPU is \"%s\" but must be ref, avx2, avx512 or avx512_bf16",
                                 wanted);
        if (level > best)
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                 "AZR_CPU asks for %s but this CPU offers at most %s", wanted,
                                 level_names[best]);
    }
    level = azr_kernels__linear_init(level, forced);
    if (level < 0)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "DNNL_MAX_CPU_ISA keeps oneDNN from AVX2, which azr needs");
    chosen.table = level == AZR_LEVEL_REF    ? &azr_kernels__ref
                   : level == AZR_LEVEL_AVX2 ? &azr_kernels__avx2
                                             : &azr_kernels__avx512;
    chosen.level = level_names[level];
    chosen.have_bf16 = level == AZR_LEVEL_AVX512_BF16;
    return AZR_OK;
}

const azr_kernel_table *azr_kernels__table(void)
{
    return chosen.table;
}

const char *azr_kernels_level(void)
{
    return chosen.level;
}

bool azr_kernels_have_bf16(void)
{
    return chosen.have_bf16;
}

azr_status azr_dtype_resolve(azr_dtype wanted, azr_dtype *out_dtype, azr_error *error)
{
    if (wanted == AZR_DTYPE_BF16 && !chosen.have_bf16)
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "dtype bf16 needs a CPU with AVX512-BF16 or AMX (level here: %s); "
                             "use f32 or auto",
                             chosen.level);
    *out_dtype = wanted != AZR_DTYPE_AUTO ? wanted
                 : chosen.have_bf16       ? AZR_DTYPE_BF16
                                          : AZR_DTYPE_F32;
    return AZR_OK;
}

void azr_kernels_set_threads(int n_threads)
{
    chosen.n_threads = n_threads > 1 ? n_threads : 1;
}

int azr_kernels_threads(void)
{
    return chosen.n_threads;
}
