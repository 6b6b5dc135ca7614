#include "trainer/accumulator.h"

/* Rounded half up. A step contributes at most 2^30, so the half does not overflow. */
static int32_t rounded_shift(int32_t value, uint32_t shift)
{
    return (value + (int32_t)((1u << shift) >> 1)) >> shift;
}

static bool fits(int32_t value, uint32_t bytes)
{
    return bytes == 1 ? value == (int8_t)value : value == (int16_t)value;
}

static uint32_t growth_needed(int32_t held, int32_t added, uint32_t exponent, uint32_t bytes)
{
    uint32_t growth = 1;
    while (!fits(rounded_shift(held, growth) + rounded_shift(added, exponent + growth), bytes)) {
        growth++;
    }
    return growth;
}

static void coarsen(void *values, uint32_t elements, uint32_t growth, uint32_t bytes)
{
    for (uint32_t i = 0; i < elements; i++) {
        accumulator_set(values, i, bytes, rounded_shift(accumulator_at(values, i, bytes), growth));
    }
}

static inline __attribute__((always_inline)) void accumulate_sized(const struct structures *structures, uint32_t o,
                                                                   uint32_t first, uint32_t stride,
                                                                   const uint32_t *sums, uint32_t count, uint32_t bytes)
{
    void *values = accumulators_of(structures, o);
    uint32_t exponent = structures->exponents[o];
    for (const uint32_t *end = sums + count; sums < end; sums++, first += stride) {
        const int32_t added = (int32_t)*sums;
        int32_t value = accumulator_at(values, first, bytes) + rounded_shift(added, exponent);
        if (!fits(value, bytes)) {
            const uint32_t growth = growth_needed(accumulator_at(values, first, bytes), added, exponent, bytes);
            coarsen(values, structures->elements, growth, bytes);
            exponent += growth;
            value = accumulator_at(values, first, bytes) + rounded_shift(added, exponent);
        }
        accumulator_set(values, first, bytes, value);
    }
    structures->exponents[o] = (uint8_t)exponent;
}

void accumulate_narrowly(const struct structures *structures, uint32_t o, uint32_t first, uint32_t stride,
                         const uint32_t *sums, uint32_t count)
{
    if (structures->gradient_bytes == 1) {
        accumulate_sized(structures, o, first, stride, sums, count, 1);
    } else {
        accumulate_sized(structures, o, first, stride, sums, count, 2);
    }
}
