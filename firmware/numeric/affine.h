/* Affine uint8 arithmetic with the same bits on every machine.
 *
 * Scales are float32. A product of scales is taken apart into its 24-bit mantissa and exponent, so that the factor
 * of a requantization is exact and only one rounding, half up, takes place. */
#ifndef HARNESS_AFFINE_H
#define HARNESS_AFFINE_H

#include <stdint.h>
#include <string.h>

#include "trainer/plan.h"

struct factor {
    int32_t mantissa; /* 24 bits */
    uint32_t shift;   /* 1..62 */
};

static inline uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* `scale` must be positive and normal. Where the shift saturates, so does every product but 0, or it vanishes. */
static inline struct factor factor_of(float scale)
{
    uint32_t bits = float_bits(scale);
    int32_t shift = 150 - (int32_t)(bits >> 23);
    if (shift < 1) {
        shift = 1;
    }
    if (shift > 62) {
        shift = 62;
    }
    return (struct factor){(int32_t)((bits & 0x7FFFFFu) | 0x800000u), (uint32_t)shift};
}

/* round_half_up(accumulator * scale) + zero_point, clamped to 0..255 */
static inline uint8_t requantize(int32_t accumulator, struct factor factor, int32_t zero_point)
{
    int64_t product = (int64_t)accumulator * factor.mantissa + ((int64_t)1 << (factor.shift - 1));
    int64_t value = (product >> factor.shift) + zero_point;
    if (value < 0) {
        return 0;
    }
    return value > 255 ? 255 : (uint8_t)value;
}

/* Rounds up from the fraction 1 - `offset` on; `inverse_scale` is 1 / scale. */
static inline uint8_t quantize_from(float value, float inverse_scale, int32_t zero_point, float offset)
{
    float q = value * inverse_scale + ((float)zero_point + offset);
    if (!(q >= 0.0f)) {
        return 0;
    }
    return q >= 255.0f ? 255 : (uint8_t)q;
}

/* Rounds half up. */
static inline uint8_t quantize(float value, float inverse_scale, int32_t zero_point)
{
    return quantize_from(value, inverse_scale, zero_point, 0.5f);
}

static inline float dequantize(uint8_t q, const struct quant *quant)
{
    return (float)((int32_t)q - quant->zero_point) * quant->scale;
}

static inline int32_t saturating_add(int32_t a, int32_t b)
{
    int64_t sum = (int64_t)a + b;
    if (sum > INT32_MAX) {
        return INT32_MAX;
    }
    return sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
}

/* round(value), halves away from zero, saturated to +-2^30: enough for a bias, and never overflows an accumulator */
int32_t round_to_bias(float value);

/* Give `quant` the range [low, high], widened to hold zero. */
void quant_set_range(struct quant *quant, float low, float high);

/* Note that accumulators low..high, each worth `unit`, were seen. */
void quant_see(struct quant *quant, int32_t low, int32_t high, float unit);

/* Note that real values low..high were seen. */
void quant_see_real(struct quant *quant, float low, float high);

/* Move a tracked range by `smoothing` towards what was seen, and forget what was seen. */
void quant_follow(struct quant *quant, float smoothing);

#endif
