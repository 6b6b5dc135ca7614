#include "numeric/elementary.h"

#include "numeric/affine.h"

#define LN2_HIGH 0.693359375f /* ln 2 in two parts, as in Cody and Waite: n * LN2_HIGH is exact */
#define LN2_LOW (-2.12194440e-4f)
#define LOG2_E 1.44269504f

float exp_of_negative(float x)
{
    if (!(x > -87.0f)) {
        return 0.0f;
    }
    int32_t n = (int32_t)(x * LOG2_E - 0.5f);
    float r = x - (float)n * LN2_HIGH;
    r = r - (float)n * LN2_LOW;
    /* Taylor to r^7 on |r| <= ln2 / 2 */
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * float_of_bits((uint32_t)(n + 127) << 23);
}

float log_of(float x)
{
    uint32_t bits = float_bits(x);
    int32_t exponent = (int32_t)(bits >> 23) - 127;
    float mantissa = float_of_bits((bits & 0x7FFFFFu) | 0x3F800000u);
    if (mantissa > 1.41421356f) {
        mantissa = mantissa * 0.5f;
        exponent = exponent + 1;
    }
    /* ln m = 2 atanh((m - 1) / (m + 1)), |argument| <= 0.172 */
    float t = (mantissa - 1.0f) / (mantissa + 1.0f);
    float t2 = t * t;
    float p = 2.0f / 9.0f;
    p = p * t2 + 2.0f / 7.0f;
    p = p * t2 + 2.0f / 5.0f;
    p = p * t2 + 2.0f / 3.0f;
    p = p * t2 + 2.0f;
    float n = (float)exponent;
    return (p * t + n * LN2_LOW) + n * LN2_HIGH;
}
