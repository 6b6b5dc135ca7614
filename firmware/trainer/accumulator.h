/* Accumulators of gradients: int32, or int8 or int16 with one exponent for all of a structure (block floating point).
 */
#ifndef HARNESS_ACCUMULATOR_H
#define HARNESS_ACCUMULATOR_H

#include <stddef.h>

#include "trainer/plan.h"

static inline bool accumulates_narrowly(const struct structures *structures)
{
    return structures->exponents != NULL;
}

/* Add `sums` to the accumulators first, first + stride, ... of structure `o`, in this order. When one would overflow,
 * the exponent grows by as much as it needs and all accumulators of the structure are rounded to it. */
void accumulate_narrowly(const struct structures *structures, uint32_t o, uint32_t first, uint32_t stride,
                         const uint32_t *sums, uint32_t count);

/* `bytes` is the size of one accumulator. */
static inline __attribute__((always_inline)) int32_t accumulator_at(const void *values, uint32_t index, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        return ((const int8_t *)values)[index];
    case 2:
        return ((const int16_t *)values)[index];
    default:
        return ((const int32_t *)values)[index];
    }
}

static inline __attribute__((always_inline)) void accumulator_set(void *values, uint32_t index, uint32_t bytes,
                                                                  int32_t value)
{
    switch (bytes) {
    case 1:
        ((int8_t *)values)[index] = (int8_t)value;
        break;
    case 2:
        ((int16_t *)values)[index] = (int16_t)value;
        break;
    default:
        ((int32_t *)values)[index] = value;
    }
}

static inline void *accumulators_of(const struct structures *structures, uint32_t o)
{
    return (uint8_t *)structures->gradient + o * structures->elements * structures->gradient_bytes;
}

#endif
