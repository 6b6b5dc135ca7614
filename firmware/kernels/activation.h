/* Activations that are folded into the layer before them, and the mask they put on the error behind it. */
#ifndef HARNESS_ACTIVATION_H
#define HARNESS_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "numeric/affine.h"
#include "trainer/plan.h"

enum activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_RELU6,
};

/* The lowest and highest quantized value that an activation lets out. */
struct bounds {
    int32_t low;
    int32_t high;
};

static inline struct bounds bounds_u8(enum activation activation, const struct quant *quant)
{
    struct bounds bounds = {0, 255};
    if (activation != ACTIVATION_NONE) {
        bounds.low = quant->zero_point;
    }
    if (activation == ACTIVATION_RELU6) {
        const float six = (float)quant->zero_point + 6.0f / quant->scale + 0.5f;
        if (six < 255.0f) {
            bounds.high = (int32_t)six;
        }
    }
    return bounds;
}

static inline uint8_t clamped(int32_t value, struct bounds bounds)
{
    if (value < bounds.low) {
        return (uint8_t)bounds.low;
    }
    return value > bounds.high ? (uint8_t)bounds.high : (uint8_t)value;
}

static inline uint8_t requantize_clamped(int32_t accumulator, struct factor factor, int32_t zero_point,
                                         struct bounds bounds)
{
    return clamped(requantize(accumulator, factor, zero_point), bounds);
}

/* Note that an activated output whose accumulators were low..high, each worth `unit`, was seen. */
static inline void see_activated(struct quant *quant, enum activation activation, int32_t low, int32_t high, float unit)
{
    const float seen_high = (float)high * unit;
    if (activation != ACTIVATION_NONE) {
        low = 0;
    }
    if (activation == ACTIVATION_RELU6 && seen_high > 6.0f) {
        quant->seen_high = 6.0f;
        high = 0;
    }
    quant_see(quant, low, high, unit);
}

/* The quantized values strictly between which the derivative is 1; outside it is 0. */
struct open_interval {
    int32_t above;
    int32_t below;
};

/* Of the values that came out of `activation`, those with derivative 1, for a tensor quantized by `quant`. */
static inline struct open_interval passing_u8(enum activation activation, const struct quant *quant)
{
    struct open_interval passing = {-1, 256};
    if (activation != ACTIVATION_NONE) {
        passing.above = quant->zero_point;
    }
    if (activation == ACTIVATION_RELU6) {
        const struct bounds bounds = bounds_u8(activation, quant);
        passing.below = bounds.high < 255 ? bounds.high : 256;
    }
    return passing;
}

static inline bool passes_u8(uint8_t value, struct open_interval passing)
{
    return (int32_t)value > passing.above && (int32_t)value < passing.below;
}

static inline float activate_f32(float value, enum activation activation)
{
    if (activation != ACTIVATION_NONE && !(value > 0.0f)) {
        return 0.0f;
    }
    return activation == ACTIVATION_RELU6 && value > 6.0f ? 6.0f : value;
}

static inline bool passes_f32(float value, enum activation activation)
{
    return activation == ACTIVATION_NONE || (value > 0.0f && (activation == ACTIVATION_RELU || value < 6.0f));
}

#endif
