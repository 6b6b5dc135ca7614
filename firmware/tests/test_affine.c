#include "check.h"
#include "numeric/affine.h"

#include <math.h>
#include <stddef.h>

static const int32_t accumulators[] = {
    0,   1,       -1,       2,       -2,         127,       128,       -128,          255,
    256, 1000003, -1000003, 1 << 24, -(1 << 24), INT32_MAX, INT32_MIN, INT32_MAX - 1,
};
#define ACCUMULATORS (sizeof accumulators / sizeof accumulators[0])

/* clamp(floor(accumulator * scale + 1/2) + zero_point) in exact integers: scale = mantissa * 2^exponent. */
static uint8_t requantize_exactly(int32_t accumulator, float scale, int32_t zero_point)
{
    int exponent;
    const __int128 mantissa = (__int128)ldexp(frexp((double)scale, &exponent), 24);
    exponent -= 24;
    /* Twice the product, so that the half is whole. */
    __int128 twice = 2 * mantissa * accumulator;
    if (exponent >= 0) {
        /* At 2^40 everything but zero is far outside 0..255. */
        twice *= (__int128)1 << (exponent < 40 ? exponent : 40);
    }
    __int128 rounded;
    if (exponent >= 0) {
        rounded = (twice + 1) >> 1;
    } else if (exponent < -100) {
        rounded = 0;
    } else {
        rounded = (twice + ((__int128)1 << -exponent)) >> (1 - exponent);
    }
    rounded += zero_point;
    return rounded < 0 ? 0 : rounded > 255 ? 255 : (uint8_t)rounded;
}

static void check_requantize(int32_t accumulator, float scale, int32_t zero_point)
{
    const uint8_t seen = requantize(accumulator, factor_of(scale), zero_point);
    const uint8_t exact = requantize_exactly(accumulator, scale, zero_point);
    CHECK(seen == exact, "requantize(%d, %a, %d) is %d, exactly %d", accumulator, (double)scale, zero_point, seen,
          exact);
}

static void test_requantize_equals_exact_arithmetic_for_every_normal_scale(void)
{
    for (uint32_t exponent = 1; exponent < 255; exponent++) {
        const uint32_t mantissas[] = {0, 1, 0x400000u, 0x7FFFFFu, random_bits() & 0x7FFFFFu};
        for (size_t m = 0; m < sizeof mantissas / sizeof mantissas[0]; m++) {
            const float scale = float_of_bits(exponent << 23 | mantissas[m]);
            for (size_t i = 0; i < ACCUMULATORS; i++) {
                check_requantize(accumulators[i], scale, 0);
                check_requantize(accumulators[i], scale, 255);
            }
        }
    }
    for (uint32_t i = 0; i < 400000; i++) {
        const float scale = float_of_bits(random_bits() % (60u << 23) + (100u << 23));
        check_requantize((int32_t)random_bits() >> (random_bits() % 32), scale, (int32_t)(random_bits() % 256));
    }
}

static void test_requantize_rounds_halves_up(void)
{
    const struct factor half = factor_of(0.5f);
    for (int32_t accumulator = -400; accumulator <= 400; accumulator++) {
        const int32_t up = (accumulator + 1) >> 1;
        const int32_t expected = up + 100 < 0 ? 0 : up + 100 > 255 ? 255 : up + 100;
        const uint8_t seen = requantize(accumulator, half, 100);
        CHECK(seen == expected, "half of %d is %d, not %d", accumulator, seen, expected);
    }
}

static void test_saturating_add_equals_wide_addition(void)
{
    for (size_t i = 0; i < ACCUMULATORS; i++) {
        for (size_t j = 0; j < ACCUMULATORS; j++) {
            const int64_t sum = (int64_t)accumulators[i] + accumulators[j];
            const int64_t expected = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
            const int32_t seen = saturating_add(accumulators[i], accumulators[j]);
            CHECK(seen == expected, "%d + %d is %d", accumulators[i], accumulators[j], seen);
        }
    }
}

static void test_quantize_stays_within_its_type(void)
{
    const float beyond[] = {-INFINITY, -3e38f, -1e9f, -256.0f, -1.0f, 256.0f, 1e9f, 3e38f, INFINITY};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        for (int32_t zero_point = 0; zero_point <= 255; zero_point += 255) {
            const float whole = beyond[i] + (float)zero_point;
            const int expected = whole < 0.0f ? 0 : whole > 255.0f ? 255 : (int)whole;
            const uint8_t seen = quantize(beyond[i], 1.0f, zero_point);
            CHECK(seen == expected, "quantize(%g) with zero point %d is %d", (double)beyond[i], zero_point, seen);
        }
    }
    CHECK(quantize(NAN, 1.0f, 128) == 0, "not a number becomes 0");
}

static void test_every_value_survives_dequantize_and_quantize(void)
{
    for (uint32_t i = 0; i < 2000; i++) {
        struct quant quant = {0};
        const float low = -(float)(random_bits() % 1000) * 0.01f;
        quant_set_range(&quant, low, low + (float)(random_bits() % 1000 + 1) * 0.013f);
        const float inverse_scale = 1.0f / quant.scale;
        for (int q = 0; q <= 255; q++) {
            const uint8_t seen = quantize(dequantize((uint8_t)q, &quant), inverse_scale, quant.zero_point);
            CHECK(seen == q, "%d became %d at scale %a, zero point %d", q, seen, (double)quant.scale, quant.zero_point);
        }
    }
}

static void test_a_range_holds_zero_exactly_and_its_ends_within_half_a_unit(void)
{
    for (uint32_t i = 0; i < 100000; i++) {
        const float low = (float)((int32_t)random_bits() >> (random_bits() % 31)) * 1e-3f;
        const float high = (float)((int32_t)random_bits() >> (random_bits() % 31)) * 1e-3f;
        struct quant quant = {.tracked = 1, .seen_low = -5.0f};
        quant_set_range(&quant, low, high);
        CHECK(quant.scale > 0.0f, "scale %g of [%g, %g]", (double)quant.scale, (double)low, (double)high);
        CHECK(quant.zero_point >= 0 && quant.zero_point <= 255, "zero point %d", quant.zero_point);
        CHECK(quant.low <= 0.0f && quant.high >= 0.0f, "[%g, %g] lacks zero", (double)quant.low, (double)quant.high);
        const double lowest = (double)quant.scale * -quant.zero_point;
        const double highest = (double)quant.scale * (255 - quant.zero_point);
        CHECK(fabs(lowest - (double)quant.low) <= 0.501 * (double)quant.scale, "low %g", (double)quant.low);
        CHECK(fabs(highest - (double)quant.high) <= 0.501 * (double)quant.scale, "high %g", (double)quant.high);
        CHECK(quant.tracked == 1 && quant.seen_low == -5.0f, "a new range changed what it should not");
    }
}

static void test_a_range_without_width_is_widened(void)
{
    struct quant quant = {0};
    quant_set_range(&quant, 0.0f, 0.0f);
    CHECK(quant.scale > 0.0f && quant.zero_point == 0, "scale %g", (double)quant.scale);
}

static void test_tracked_ranges_move_towards_what_was_seen(void)
{
    struct quant quant = {.tracked = 1};
    quant_set_range(&quant, -1.0f, 3.0f);
    quant_see(&quant, -8, 4, 0.25f);
    quant_see(&quant, -2, 20, 0.25f);
    CHECK(quant.seen_low == -2.0f && quant.seen_high == 5.0f, "[%g, %g]", (double)quant.seen_low,
          (double)quant.seen_high);
    quant_follow(&quant, 0.5f);
    CHECK(quant.low == -1.5f && quant.high == 4.0f, "[%g, %g]", (double)quant.low, (double)quant.high);
    CHECK(quant.seen_low == 0.0f && quant.seen_high == 0.0f, "what was seen is not forgotten");
}

static void test_round_to_bias_rounds_half_away_from_zero_and_saturates(void)
{
    const float edges[] = {0.0f,        0.25f,         0.49999997f, 0.5f,       1.5f,
                           2.5f,        8388607.5f,    8388608.0f,  8388609.0f, 16777215.0f,
                           16777218.0f, 1073741760.0f, 1.0e10f,     INFINITY,   33554434.0f};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            const double value = sign * (double)edges[i];
            const double limit = 1073741824.0;
            const double rounded = round(value);
            const double expected = rounded > limit ? limit : rounded < -limit ? -limit : rounded;
            const int32_t seen = round_to_bias((float)value);
            CHECK((double)seen == expected, "round_to_bias(%.9g) is %d", value, seen);
        }
    }
    for (uint32_t i = 0; i < 1000000; i++) {
        const float value = float_of_bits(random_bits() % (40u << 23) + (117u << 23) + (random_bits() & 0x80000000u));
        if (fabsf(value) < 1.0e9f) {
            const int32_t seen = round_to_bias(value);
            CHECK((double)seen == round((double)value), "round_to_bias(%.9g) is %d", (double)value, seen);
        }
    }
    CHECK(round_to_bias(NAN) == -1073741824, "not a number saturates");
}

int main(void)
{
    test_requantize_equals_exact_arithmetic_for_every_normal_scale();
    test_requantize_rounds_halves_up();
    test_saturating_add_equals_wide_addition();
    test_quantize_stays_within_its_type();
    test_every_value_survives_dequantize_and_quantize();
    test_a_range_holds_zero_exactly_and_its_ends_within_half_a_unit();
    test_a_range_without_width_is_widened();
    test_tracked_ranges_move_towards_what_was_seen();
    test_round_to_bias_rounds_half_away_from_zero_and_saturates();
    return 0;
}
