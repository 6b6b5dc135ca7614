/* Activations that are folded into the layer before them, and the mask they put on the error behind it. */
#ifndef HARNESS_ACTIVATION_H
#define HARNESS_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "trainer/plan.h"

enum activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_RELU6,
};

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
        const float six = 6.0f / quant->scale + 0.5f;
        if (six < 256.0f) {
            passing.below = quant->zero_point + (int32_t)six;
        }
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
