#include "kernels/requantizer.h"

/* Up to this shift, 255 and any rescaled accumulator add up without overflow. */
#define LARGEST_SHIFT 22

struct requantizer requantizer_of(float unit, const struct quant *quant, enum activation activation)
{
    const struct factor factor = factor_of(unit / quant->scale);
    struct short_factor short_factor = short_factor_of(factor);
    if (short_factor.shift > LARGEST_SHIFT) {
        short_factor.mantissa = 0;
    } else {
        short_factor.half += quant->zero_point << short_factor.shift;
    }
    return (struct requantizer){
        .short_factor = short_factor,
        .factor = factor,
        .zero_point = quant->zero_point,
        .bounds = bounds_u8(activation, quant),
    };
}

/* The extremes, so that one comparison tells whether a sum lies outside. Fields of the requantizer are copied into
 * locals while outputs are stored: a byte that is stored could be one of theirs. */
struct extremes {
    int32_t lowest;
    uint32_t span;
};

static inline struct extremes extremes_of(const struct requantizer *requantizer)
{
    return (struct extremes){requantizer->lowest, (uint32_t)requantizer->highest - (uint32_t)requantizer->lowest};
}

static inline bool lies_outside(struct extremes extremes, int32_t sum)
{
    return __builtin_expect((uint32_t)sum - (uint32_t)extremes.lowest > extremes.span, 0);
}

static inline struct extremes widened(struct extremes extremes, int32_t sum)
{
    const int32_t highest = (int32_t)((uint32_t)extremes.lowest + extremes.span);
    const int32_t low = sum < extremes.lowest ? sum : extremes.lowest;
    const int32_t high = sum > highest ? sum : highest;
    return (struct extremes){low, (uint32_t)high - (uint32_t)low};
}

static inline void keep_extremes(struct requantizer *requantizer, struct extremes extremes)
{
    requantizer->lowest = extremes.lowest;
    requantizer->highest = (int32_t)((uint32_t)extremes.lowest + extremes.span);
}

__attribute__((noinline)) static void take_rows_exactly(struct requantizer *requantizer, const uint32_t *sums,
                                                        uint32_t rows, uint8_t *outputs)
{
    for (uint32_t row = 0; row < rows; row++) {
        outputs[row] = requantizer_take(requantizer, (int32_t)sums[row]);
    }
}

__attribute__((noinline)) static void take_passing_exactly(struct requantizer *requantizer, const uint32_t *sums,
                                                           uint32_t rows, const uint8_t *values,
                                                           const struct mask *mask, uint8_t *errors)
{
    for (uint32_t row = 0; row < rows; row++) {
        const bool passes = passes_u8(values[row], mask->passing);
        errors[row] = passes ? requantizer_take(requantizer, (int32_t)sums[row]) : mask->zero;
    }
}

__attribute__((noinline)) static void take_at_exactly(struct requantizer *requantizer, const uint32_t *sums,
                                                      const uint32_t *at, uint32_t count, uint8_t *outputs)
{
    for (uint32_t i = 0; i < count; i++) {
        outputs[at[i]] = requantizer_take(requantizer, (int32_t)sums[i]);
    }
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

static inline uint32_t saturated(int32_t value)
{
#ifdef __ARM_FEATURE_DSP
    return __usat(value, 8);
#else
    return clamped(value, (struct bounds){0, 255});
#endif
}

/* The output of a sum, not clamped, with the extremes noted. */
#define TAKE(sum)                                     \
    if (lies_outside(extremes, (int32_t)(sum))) {     \
        extremes = widened(extremes, (int32_t)(sum)); \
    }                                                 \
    value = rescale_shortly((int32_t)(sum), factor)

void requantizer_take_rows(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct bounds bounds = requantizer->bounds;
    struct extremes extremes = extremes_of(requantizer);
    int32_t value;
    if (factor.mantissa == 0) {
        take_rows_exactly(requantizer, sums, rows, outputs);
        return;
    }
#ifdef __ARM_FEATURE_DSP
    const uint32_t low = four_times(bounds.low);
    const uint32_t high = four_times(bounds.high);
    for (; rows >= 4; rows -= 4, sums += 4, outputs += 4) {
        TAKE(sums[0]);
        uint32_t word = saturated(value);
        TAKE(sums[1]);
        word |= saturated(value) << 8;
        TAKE(sums[2]);
        word |= saturated(value) << 16;
        TAKE(sums[3]);
        word |= saturated(value) << 24;
        word = select_not_above(word, low, low, word);
        store_word(outputs, select_not_above(high, word, high, word));
    }
#endif
    for (uint32_t row = 0; row < rows; row++) {
        TAKE(sums[row]);
        outputs[row] = clamped(value, bounds);
    }
    keep_extremes(requantizer, extremes);
}

/* Like TAKE, for the error of a value. */
#define TAKE_PASSING(row)                                                                \
    if (lies_outside(extremes, (int32_t)sums[row]) && passes_u8(values[row], passing)) { \
        extremes = widened(extremes, (int32_t)sums[row]);                                \
    }                                                                                    \
    value = rescale_shortly((int32_t)sums[row], factor)

void requantizer_take_passing(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                              const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct open_interval passing = mask->passing;
    struct extremes extremes = extremes_of(requantizer);
    int32_t value;
    if (factor.mantissa == 0) {
        take_passing_exactly(requantizer, sums, rows, values, mask, errors);
        return;
    }
#ifdef __ARM_FEATURE_DSP
    const struct word_mask word_mask = word_mask_of(mask);
    for (; rows >= 4; rows -= 4, sums += 4, values += 4, errors += 4) {
        TAKE_PASSING(0);
        uint32_t word = saturated(value);
        TAKE_PASSING(1);
        word |= saturated(value) << 8;
        TAKE_PASSING(2);
        word |= saturated(value) << 16;
        TAKE_PASSING(3);
        word |= saturated(value) << 24;
        store_word(errors, passing_word(word, load_word(values), word_mask));
    }
#endif
    for (uint32_t row = 0; row < rows; row++) {
        if (passes_u8(values[row], passing)) {
            TAKE(sums[row]);
            errors[row] = (uint8_t)saturated(value);
        } else {
            errors[row] = mask->zero;
        }
    }
    keep_extremes(requantizer, extremes);
}

void requantizer_take_at(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t count,
                         uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct bounds bounds = requantizer->bounds;
    struct extremes extremes = extremes_of(requantizer);
    int32_t value;
    if (factor.mantissa == 0) {
        take_at_exactly(requantizer, sums, at, count, outputs);
        return;
    }
    for (const uint32_t *end = sums + count; sums < end; sums++, at++) {
        TAKE(*sums);
        outputs[*at] = clamped(value, bounds);
    }
    keep_extremes(requantizer, extremes);
}

void requantizer_take_wanted(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t wanted,
                             uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    struct extremes extremes = extremes_of(requantizer);
    int32_t value;
    if (factor.mantissa == 0) {
        take_wanted_exactly(requantizer, sums, at, wanted, outputs);
        return;
    }
    for (; wanted != 0; wanted >>= 1, sums++, at++) {
        if (wanted & 1) {
            TAKE(*sums);
            outputs[*at] = (uint8_t)saturated(value);
        }
    }
    keep_extremes(requantizer, extremes);
}
