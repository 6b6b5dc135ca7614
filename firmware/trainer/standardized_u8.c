#include "trainer/standardized_u8.h"

#include <math.h>
#include <string.h>

#include "numeric/affine.h"
#include "numeric/random.h"
#include "trainer/accumulator.h"
#include "trainer/request.h"

/* The update does not change when a gradient is multiplied by a constant or one is added to it. So each gradient is
 * shifted to 16 bits, without rounding, and all passes over the weights are made of 32-bit products. Weights are
 * counted in quantization steps, with 16 bits behind the point. */
#define ONE_STEP 65536.0f
#define POINT 16
#define HALF_STEP (1u << (POINT - 1))
#define GRADIENT_BITS 15

/* No weight moves by more than 2^13 steps, 32 times the width of a range: what is more would overflow, and helps no
 * training. The second pass may rely on its sums being in range, and only needs its products to be. */
#define LEAST_SHIFT_FORESEEN 2
#define LEAST_SHIFT 0
#define LARGEST_SHIFT 30

static uint32_t bit_length(uint32_t value)
{
    uint32_t length = 0;
    for (uint32_t half = 16; half > 0; half /= 2) {
        if (value >> half) {
            value >>= half;
            length += half;
        }
    }
    return length + value;
}

/* x -> x * factor >> shift, exact in 32 bits for gradients with `spare` bits less than GRADIENT_BITS. */
struct slope {
    int32_t factor;
    uint32_t shift;
};

static struct slope slope_of(float rate, uint32_t spare, int32_t least_shift)
{
    const uint32_t bits = float_bits(rate) + (1u << 8);
    const int32_t shift = 127 + GRADIENT_BITS - 1 - (int32_t)(bits >> 23) + (int32_t)spare;
    if (shift > LARGEST_SHIFT) {
        return (struct slope){0, LARGEST_SHIFT};
    }
    if (shift < least_shift) {
        return (struct slope){((1 << GRADIENT_BITS) - 1) << spare, (uint32_t)least_shift};
    }
    return (struct slope){(int32_t)((bits & 0x7FFFFFu) | 0x800000u) >> 9 << spare, (uint32_t)shift};
}

/* What the mean takes off every step of a structure. */
static int32_t step_of_mean(float mean, struct slope slope)
{
    return (int32_t)(mean * ((float)slope.factor * float_of_bits((127 - slope.shift) << 23)));
}

/* Of 16 bits; Armv6-M has no long multiply, and elsewhere it adds, too. */
static inline uint64_t square(int32_t value)
{
#ifdef __ARM_ARCH_6M__
    return (uint32_t)(value * value);
#else
    return (uint64_t)((int64_t)value * value);
#endif
}

static inline __attribute__((always_inline)) struct direction direction_of(const void *gradient, uint32_t elements,
                                                                           uint32_t bytes, float learning_rate)
{
    uint32_t magnitudes = 0;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < elements; i++) {
        const int32_t value = accumulator_at(gradient, i, bytes);
        magnitudes |= (uint32_t)(value ^ (value >> 31));
    }
    const uint32_t bits = bit_length(magnitudes);
    const uint32_t shift = bits > GRADIENT_BITS ? bits - GRADIENT_BITS : 0;
    int32_t sum = 0;
    uint64_t squares = 0;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < elements; i++) {
        const int32_t value = accumulator_at(gradient, i, bytes) >> shift;
        sum += value;
        squares += square(value);
    }
    const uint64_t spread = squares * elements - (uint64_t)((int64_t)sum * sum);
    const float deviations = sqrtf((float)spread); /* elements times the deviation */
    return (struct direction){
        .rate = spread ? learning_rate * (float)elements / deviations : 0.0f,
        .mean = (float)sum / (float)elements,
        .shift = (uint16_t)shift,
        .spare = (uint16_t)(shift ? 0 : GRADIENT_BITS - bits),
    };
}

static void span_hold(struct span *span, int32_t low, int32_t high)
{
    span->low = low < span->low ? low : span->low;
    span->high = high > span->high ? high : span->high;
}

void span_widen(struct span *span, const struct structures *structures, uint32_t o)
{
    const uint32_t elements = structures->elements;
    const uint8_t *weights = (const uint8_t *)structures->weights.data + o * elements;
    const int32_t zero = structures->weights.quant->zero_point;
    if (span->low <= -zero * (1 << POINT) && span->high >= (255 - zero) * (1 << POINT)) {
        return;
    }
    int32_t lowest = weights[0];
    int32_t highest = weights[0];
    for (uint32_t i = 1; i < elements; i++) {
        lowest = weights[i] < lowest ? weights[i] : lowest;
        highest = weights[i] > highest ? weights[i] : highest;
    }
    span_hold(span, (lowest - zero) * (1 << POINT), (highest - zero) * (1 << POINT));
}

static inline __attribute__((always_inline)) void foresee(const struct structures *structures, const struct step *step,
                                                          uint32_t o, struct span *span, uint32_t bytes)
{
    const uint32_t elements = structures->elements;
    const void *gradient = accumulators_of(structures, o);
    const uint8_t *weights = (const uint8_t *)structures->weights.data + o * elements;
    const struct quant *quant = structures->weights.quant;
    const struct direction direction =
        direction_of(gradient, elements, bytes, step->learning_rate / quant->scale * ONE_STEP);
    structures->directions[o] = direction;
    if (direction.rate == 0.0f) {
        span_widen(span, structures, o);
        return;
    }
    const struct slope slope = slope_of(direction.rate, direction.spare, LEAST_SHIFT_FORESEEN);
    const uint32_t shift = direction.shift;
    int32_t lowest = INT32_MAX;
    int32_t highest = INT32_MIN;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < elements; i++) {
        const int32_t step_down = (accumulator_at(gradient, i, bytes) >> shift) * slope.factor >> slope.shift;
        const int32_t moved = (weights[i] << POINT) - step_down;
        lowest = moved < lowest ? moved : lowest;
        highest = moved > highest ? moved : highest;
    }
    const int32_t base = step_of_mean(direction.mean, slope) - quant->zero_point * (1 << POINT);
    span_hold(span, lowest + base, highest + base);
}

void standardized_u8_foresee(const struct structures *structures, const struct step *step, uint32_t o,
                             struct span *span)
{
    switch (structures->gradient_bytes) {
    case 1:
        foresee(structures, step, o, span, 1);
        break;
    case 2:
        foresee(structures, step, o, span, 2);
        break;
    default:
        foresee(structures, step, o, span, 4);
    }
}

/* From a weight to its new value: w * ratio + base, in steps of the new quantization. */
struct rewriting {
    float ratio;
    uint32_t factor;
    uint32_t base;
};

static struct rewriting rewriting_of(const struct quant *before, const struct quant *after)
{
    const float ratio = before->scale / after->scale;
    const uint32_t factor = (uint32_t)(ratio * ONE_STEP + 0.5f);
    return (struct rewriting){
        .ratio = ratio,
        .factor = factor,
        .base = ((uint32_t)after->zero_point << POINT) - (uint32_t)before->zero_point * factor,
    };
}

static inline uint8_t rounded_down(uint32_t value)
{
#ifdef __ARM_FEATURE_DSP
    uint32_t clamped;
    __asm__("usat %0, #8, %1, asr #16" : "=r"(clamped) : "r"(value) : "cc");
    return (uint8_t)clamped;
#else
    const int32_t whole = (int32_t)value >> POINT;
    if ((uint32_t)whole > 255) {
        return whole < 0 ? 0 : 255;
    }
    return (uint8_t)whole;
#endif
}

/* Two offsets of 16 bits, the first in the low half. */
static inline uint32_t first_offset(uint32_t random)
{
    return random & 0xFFFFu;
}

static inline uint32_t second_offset(uint32_t random)
{
    return random >> 16;
}

static void requantize_stochastically(uint8_t *weights, uint32_t elements, struct rewriting rewriting, uint32_t *state)
{
    uint32_t i = 0;
    for (; i + 2 <= elements; i += 2) {
        const uint32_t random = random_next(state);
        weights[i] = rounded_down(weights[i] * rewriting.factor + rewriting.base + first_offset(random));
        weights[i + 1] = rounded_down(weights[i + 1] * rewriting.factor + rewriting.base + second_offset(random));
    }
    if (i < elements) {
        weights[i] = rounded_down(weights[i] * rewriting.factor + rewriting.base + first_offset(random_next(state)));
    }
}

void requantize_weights(const struct structures *structures, const struct step *step, uint32_t o,
                        const struct quant *before)
{
    const uint32_t elements = structures->elements;
    const struct quant *after = structures->weights.quant;
    if (before->scale == after->scale && before->zero_point == after->zero_point) {
        return;
    }
    const struct rewriting rewriting = rewriting_of(before, after);
    uint8_t *weights = (uint8_t *)structures->weights.data + o * elements;
    if (step->rounding == ROUNDING_STOCHASTIC) {
        requantize_stochastically(weights, elements, rewriting, &step->shared->random);
        return;
    }
    const uint32_t factor = rewriting.factor;
    const uint32_t base = rewriting.base + HALF_STEP;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < elements; i++) {
        weights[i] = rounded_down(weights[i] * factor + base);
    }
}

/* Takes the accumulator of a weight and gives the weight's new value, not yet rounded. */
static inline __attribute__((always_inline)) uint32_t take(void *gradient, uint32_t i, uint32_t bytes, uint32_t shift,
                                                           struct slope slope, uint32_t weight)
{
    const int32_t step_down = (accumulator_at(gradient, i, bytes) >> shift) * slope.factor >> slope.shift;
    accumulator_set(gradient, i, bytes, 0);
    return weight - (uint32_t)step_down;
}

static inline __attribute__((always_inline)) void move(const struct structures *structures, const struct step *step,
                                                       uint32_t o, const struct quant *before, uint32_t bytes)
{
    const uint32_t elements = structures->elements;
    const struct direction direction = structures->directions[o];
    const struct rewriting rewriting = rewriting_of(before, structures->weights.quant);
    const struct slope slope = slope_of(direction.rate * rewriting.ratio, direction.spare, LEAST_SHIFT);
    const uint32_t factor = rewriting.factor;
    const uint32_t shift = direction.shift;
    uint8_t *weights = (uint8_t *)structures->weights.data + o * elements;
    void *gradient = accumulators_of(structures, o);
    uint32_t base = rewriting.base + (uint32_t)step_of_mean(direction.mean, slope);
    uint32_t i = 0;

    if (step->rounding == ROUNDING_NEAREST) {
        base += HALF_STEP;
#pragma GCC unroll 4
        for (; i < elements; i++) {
            weights[i] = rounded_down(take(gradient, i, bytes, shift, slope, weights[i] * factor + base));
        }
        return;
    }
    uint32_t state = step->shared->random;
    for (; i + 2 <= elements; i += 2) {
        const uint32_t random = random_next(&state);
        const uint32_t first = weights[i] * factor + base + first_offset(random);
        const uint32_t second = weights[i + 1] * factor + base + second_offset(random);
        weights[i] = rounded_down(take(gradient, i, bytes, shift, slope, first));
        weights[i + 1] = rounded_down(take(gradient, i + 1, bytes, shift, slope, second));
    }
    if (i < elements) {
        const uint32_t last = weights[i] * factor + base + first_offset(random_next(&state));
        weights[i] = rounded_down(take(gradient, i, bytes, shift, slope, last));
    }
    step->shared->random = state;
}

void standardized_u8_move(const struct structures *structures, const struct step *step, uint32_t o,
                          const struct quant *before)
{
    if (structures->directions[o].rate == 0.0f) {
        memset(accumulators_of(structures, o), 0, structures->elements * structures->gradient_bytes);
        requantize_weights(structures, step, o, before);
        return;
    }
    switch (structures->gradient_bytes) {
    case 1:
        move(structures, step, o, before, 1);
        break;
    case 2:
        move(structures, step, o, before, 2);
        break;
    default:
        move(structures, step, o, before, 4);
    }
}
