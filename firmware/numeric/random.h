/* Marsaglia's xorshift32 (Journal of Statistical Software 8(14), 2003): one word of state, the same on twin and target.
 */
#ifndef HARNESS_RANDOM_H
#define HARNESS_RANDOM_H

#include <stdint.h>

/* The next of 2^32 - 1 numbers; `state` must not be 0. */
static inline uint32_t random_next(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

/* A share of 0 up to, but not including, 1, in steps of 2^-24. */
static inline float random_share(uint32_t *state)
{
    return (float)(random_next(state) >> 8) * (1.0f / 16777216.0f);
}

#endif
