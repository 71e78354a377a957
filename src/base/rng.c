#include "base/rng.h"

#include "base/check.h"

void azr_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53U * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57U * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

double azr_rng_uniform(const azr_rng_key *key, uint32_t position)
{
    uint32_t counter[4] = {position, key->sequence, key->step, key->purpose};
    uint32_t philox_key[2] = {(uint32_t)key->seed, (uint32_t)(key->seed >> 32)};
    uint32_t out[4];
    azr_philox4x32(counter, philox_key, out);
    uint64_t bits = ((uint64_t)out[0] << 32 | out[1]) >> 11;
    return (double)bits * 0x1p-53;
}

uint64_t azr_rng_below(const azr_rng_key *key, uint32_t position, uint64_t n)
{
    AZR_CHECK(n > 0);
    uint64_t value = (uint64_t)(azr_rng_uniform(key, position) * (double)n);
    return value < n ? value : n - 1;
}
