/* Affine uint8 arithmetic with the same bits on every machine.
 *
 * Scales are float32. A product of scales is taken apart into its 24-bit mantissa and exponent, so that the factor
 * of a requantization is exact and only one rounding, half up, takes place. */
#ifndef HARNESS_AFFINE_H
#define HARNESS_AFFINE_H

#include <stdint.h>
#include <string.h>

#include "trainer/plan.h"

#ifdef __ARM_FEATURE_DSP
#include <arm_acle.h>
#endif

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

/* A factor whose point lies above the low word of the product, so that the high word is enough: most do. */
struct short_factor {
    int32_t mantissa; /* 31 bits; 0 when there is none for this factor */
    int32_t half;
    uint32_t shift;
};

static inline struct short_factor short_factor_of(struct factor factor)
{
    if (factor.shift < 26 || factor.shift > 55) {
        return (struct short_factor){0, 0, 0};
    }
    return (struct short_factor){factor.mantissa << 7, 1 << (factor.shift - 26), factor.shift - 25};
}

#ifdef __ARM_ARCH_6M__
/* The high word of a product; `b` is not negative. There is no long multiply. */
int32_t product_high(int32_t a, int32_t b);

/* The same of an accumulator and the mantissa of a short factor, whose 24 bits are taken by halves where that is
 * enough: for all but the largest accumulators. */
static inline int32_t product_high_shortly(int32_t accumulator, int32_t mantissa)
{
    if (((uint32_t)accumulator + (1u << 19)) >> 20 != 0) {
        return product_high(accumulator, mantissa);
    }
    return (accumulator * (mantissa >> 19) + (accumulator * (mantissa >> 7 & 0xFFF) >> 12)) >> 13;
}
#endif

static inline int32_t rescale_shortly(int32_t accumulator, struct short_factor factor)
{
#ifdef __ARM_FEATURE_DSP
    int32_t sum;
    __asm__("smmla %0, %1, %2, %3" : "=r"(sum) : "r"(accumulator), "r"(factor.mantissa), "r"(factor.half));
    return sum >> factor.shift;
#elif defined(__ARM_ARCH_6M__)
    return (product_high_shortly(accumulator, factor.mantissa) + factor.half) >> factor.shift;
#else
    return ((int32_t)((int64_t)accumulator * factor.mantissa >> 32) + factor.half) >> factor.shift;
#endif
}

/* round_half_up(accumulator * scale), saturated to +-2^30 */
int32_t rescale(int32_t accumulator, struct factor factor);

/* round_half_up(accumulator * scale) + zero_point, clamped to 0..255 */
static inline uint8_t requantize(int32_t accumulator, struct factor factor, int32_t zero_point)
{
    const struct short_factor shortened = short_factor_of(factor);
    const int32_t rescaled =
        shortened.mantissa ? rescale_shortly(accumulator, shortened) : rescale(accumulator, factor);
    const int32_t value = rescaled + zero_point;
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
#ifdef __ARM_FEATURE_DSP
    return __qadd(a, b);
#elif defined(__ARM_ARCH_6M__)
    int32_t sum = a;
    uint32_t sign;
    __asm__(".syntax unified\n\t"
            "adds %[sum], %[b]\n\t"
            "bvc 1f\n\t"
            "asrs %[sum], #31\n\t"
            "movs %[sign], #1\n\t"
            "lsls %[sign], #31\n\t"
            "eors %[sum], %[sign]\n"
            "1:"
            : [sum] "+l"(sum), [sign] "=&l"(sign)
            : [b] "l"(b)
            : "cc");
    return sum;
#else
    const int32_t sum = (int32_t)((uint32_t)a + (uint32_t)b);
    if (((a ^ sum) & (b ^ sum)) < 0) {
        return a < 0 ? INT32_MIN : INT32_MAX;
    }
    return sum;
#endif
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
