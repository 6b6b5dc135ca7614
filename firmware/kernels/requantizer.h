/* From the accumulators of a layer to its uint8 outputs, noting the extremes on the way. */
#ifndef HARNESS_REQUANTIZER_H
#define HARNESS_REQUANTIZER_H

#include "kernels/activation.h"

struct requantizer {
    struct short_factor short_factor;
    struct factor factor;
    int32_t zero_point;
    struct bounds bounds;
    int32_t lowest;
    int32_t highest;
};

static inline struct requantizer requantizer_of(float unit, const struct quant *quant, enum activation activation)
{
    const struct factor factor = factor_of(unit / quant->scale);
    return (struct requantizer){
        .short_factor = short_factor_of(factor),
        .factor = factor,
        .zero_point = quant->zero_point,
        .bounds = bounds_u8(activation, quant),
    };
}

static inline uint8_t requantizer_take(struct requantizer *requantizer, int32_t sum)
{
    const struct short_factor factor = requantizer->short_factor;
    requantizer->lowest = sum < requantizer->lowest ? sum : requantizer->lowest;
    requantizer->highest = sum > requantizer->highest ? sum : requantizer->highest;
    const int32_t rescaled = factor.mantissa ? rescale_shortly(sum, factor) : rescale(sum, requantizer->factor);
    return clamped(rescaled + requantizer->zero_point, requantizer->bounds);
}

/* Take the sums of `rows` outputs that lie side by side. */
void requantizer_take_rows(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs);

/* The same for outputs[at[i]] where bit i of `wanted` is set. */
void requantizer_take_wanted(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t wanted,
                             uint8_t *outputs);

#endif
