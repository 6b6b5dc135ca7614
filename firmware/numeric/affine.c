#include "numeric/affine.h"

#define BIAS_LIMIT 1073741824.0f
#define SMALLEST_WIDTH 1e-6f

#define RESCALED_LIMIT ((int64_t)1 << 30)

#ifdef __ARM_ARCH_6M__
/* Four products of 16 bits, as in Hacker's Delight, 8-2. */
int32_t product_high(int32_t a, int32_t b)
{
    const int32_t a_high = a >> 16;
    const int32_t b_high = b >> 16;
    const uint32_t a_low = (uint32_t)a & 0xFFFFu;
    const uint32_t b_low = (uint32_t)b & 0xFFFFu;
    const int32_t middle = a_high * (int32_t)b_low + (int32_t)(a_low * b_low >> 16);
    const uint32_t carried = ((uint32_t)middle & 0xFFFFu) + a_low * (uint32_t)b_high;
    return a_high * b_high + (middle >> 16) + (int32_t)(carried >> 16);
}
#endif

int32_t rescale(int32_t accumulator, struct factor factor)
{
    const int64_t product = (int64_t)accumulator * factor.mantissa + ((int64_t)1 << (factor.shift - 1));
    const int64_t value = product >> factor.shift;
    if (value < -RESCALED_LIMIT) {
        return -(int32_t)RESCALED_LIMIT;
    }
    return value > RESCALED_LIMIT ? (int32_t)RESCALED_LIMIT : (int32_t)value;
}

int32_t round_to_bias(float value)
{
    if (value >= BIAS_LIMIT) {
        return (int32_t)BIAS_LIMIT;
    }
    if (!(value > -BIAS_LIMIT)) {
        return -(int32_t)BIAS_LIMIT;
    }
    /* value + 0.5f would itself be rounded from 2^23 up, and just below one half; the rest is exact. */
    const int32_t whole = (int32_t)value;
    const float rest = value - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void quant_set_range(struct quant *quant, float low, float high)
{
    if (low > 0.0f) {
        low = 0.0f;
    }
    if (high < 0.0f) {
        high = 0.0f;
    }
    if (high - low < SMALLEST_WIDTH) {
        high = low + SMALLEST_WIDTH;
    }
    quant->low = low;
    quant->high = high;
    quant->scale = (high - low) / 255.0f;
    quant->zero_point = (int32_t)(-low / quant->scale + 0.5f);
}

void quant_see(struct quant *quant, int32_t low, int32_t high, float unit)
{
    quant_see_real(quant, (float)low * unit, (float)high * unit);
}

void quant_see_real(struct quant *quant, float low, float high)
{
    if (low < quant->seen_low) {
        quant->seen_low = low;
    }
    if (high > quant->seen_high) {
        quant->seen_high = high;
    }
}

void quant_follow(struct quant *quant, float smoothing)
{
    float low = quant->low + smoothing * (quant->seen_low - quant->low);
    float high = quant->high + smoothing * (quant->seen_high - quant->high);
    quant->seen_low = 0.0f;
    quant->seen_high = 0.0f;
    quant_set_range(quant, low, high);
}
