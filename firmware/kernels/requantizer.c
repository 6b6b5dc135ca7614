#include "kernels/requantizer.h"

/* Where there is no short factor. */
__attribute__((noinline)) static void take_rows_exactly(struct requantizer *requantizer, const uint32_t *sums,
                                                        uint32_t rows, uint8_t *outputs)
{
    for (uint32_t row = 0; row < rows; row++) {
        outputs[row] = requantizer_take(requantizer, (int32_t)sums[row]);
    }
}

#ifdef __ARM_FEATURE_DSP
#include <arm_acle.h>

static bool clamps_to_u8(const struct requantizer *requantizer)
{
    return requantizer->bounds.low == 0 && requantizer->bounds.high == UINT8_MAX;
}

/* Errors, and outputs without an activation: what clamps them is one instruction. */
static void take_rows_of_u8(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const int32_t zero_point = requantizer->zero_point;
    int32_t lowest = requantizer->lowest;
    int32_t highest = requantizer->highest;
#pragma GCC unroll 4
    for (; rows > 0; rows--) {
        const int32_t sum = (int32_t)*sums++;
        lowest = sum < lowest ? sum : lowest;
        highest = sum > highest ? sum : highest;
        *outputs++ = (uint8_t)__usat(rescale_shortly(sum, factor) + zero_point, 8);
    }
    requantizer->lowest = lowest;
    requantizer->highest = highest;
}
#endif

/* The fields of the requantizer are copied: a byte that is stored could be one of theirs. */
void requantizer_take_rows(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const int32_t zero_point = requantizer->zero_point;
    const int32_t low = requantizer->bounds.low;
    const int32_t high = requantizer->bounds.high;
    int32_t lowest = requantizer->lowest;
    int32_t highest = requantizer->highest;
    if (factor.mantissa == 0) {
        take_rows_exactly(requantizer, sums, rows, outputs);
        return;
    }
#ifdef __ARM_FEATURE_DSP
    if (clamps_to_u8(requantizer)) {
        take_rows_of_u8(requantizer, sums, rows, outputs);
        return;
    }
#endif
    for (const uint8_t *end = outputs + rows; outputs < end; outputs++) {
        const int32_t sum = (int32_t)*sums++;
        lowest = sum < lowest ? sum : lowest;
        highest = sum > highest ? sum : highest;
        int32_t value = rescale_shortly(sum, factor) + zero_point;
        value = value < low ? low : value;
        value = value > high ? high : value;
        *outputs = (uint8_t)value;
    }
    requantizer->lowest = lowest;
    requantizer->highest = highest;
}

__attribute__((noinline)) static void take_wanted_exactly(struct requantizer *requantizer, const uint32_t *sums,
                                                          const uint32_t *at, uint32_t wanted, uint8_t *outputs)
{
    for (; wanted != 0; wanted >>= 1, sums++, at++) {
        if (wanted & 1) {
            outputs[*at] = requantizer_take(requantizer, (int32_t)*sums);
        }
    }
}

void requantizer_take_wanted(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t wanted,
                             uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const int32_t zero_point = requantizer->zero_point;
    const int32_t low = requantizer->bounds.low;
    const int32_t high = requantizer->bounds.high;
    int32_t lowest = requantizer->lowest;
    int32_t highest = requantizer->highest;
    if (factor.mantissa == 0) {
        take_wanted_exactly(requantizer, sums, at, wanted, outputs);
        return;
    }
    for (; wanted != 0; wanted >>= 1, sums++, at++) {
        if (wanted & 1) {
            const int32_t sum = (int32_t)*sums;
            lowest = sum < lowest ? sum : lowest;
            highest = sum > highest ? sum : highest;
            int32_t value = rescale_shortly(sum, factor) + zero_point;
            value = value < low ? low : value;
            value = value > high ? high : value;
            outputs[*at] = (uint8_t)value;
        }
    }
    requantizer->lowest = lowest;
    requantizer->highest = highest;
}
