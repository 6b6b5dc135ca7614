#include "kernels/requantizer.h"

/* Up to this shift, 255 and any rescaled accumulator add up without overflow. */
#define LARGEST_SHIFT 22

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

/* The output of a sum, not clamped, with the extremes noted. */
#define TAKE(sum)                                     \
    if (lies_outside(extremes, (int32_t)(sum))) {     \
        extremes = widened(extremes, (int32_t)(sum)); \
    }                                                 \
    value = rescale_shortly((int32_t)(sum), factor)

#ifdef __ARM_FEATURE_DSP
static inline uint32_t output_of(const struct requantizer *requantizer, int32_t sum)
{
    return saturated(rescale_shortly(sum, requantizer->short_factor));
}

/* Outputs rise with their sums: one strictly between those of the extremes has a sum between them. What is activated
 * does not show how low it was, nor is that asked for. */
static struct byte_range outputs_inside(const struct requantizer *requantizer)
{
    const int32_t lowest = requantizer->activated ? -1 : (int32_t)output_of(requantizer, requantizer->lowest);
    return bytes_between(lowest, (int32_t)output_of(requantizer, requantizer->highest));
}

struct byte_range requantizer_see(struct requantizer *requantizer, const uint32_t sums[OUTPUTS_AT_ONCE],
                                  const uint8_t *values, const struct mask *mask)
{
    struct extremes extremes = extremes_of(requantizer);
    bool wider = false;
    for (uint32_t i = 0; i < OUTPUTS_AT_ONCE; i++) {
        if (lies_outside(extremes, (int32_t)sums[i]) && (values == NULL || passes_u8(values[i], mask->passing))) {
            extremes = widened(extremes, (int32_t)sums[i]);
            wider = true;
        }
    }
    if (wider) {
        keep_extremes(requantizer, extremes);
        requantizer->inside = outputs_inside(requantizer);
    }
    return requantizer->inside;
}

/* Return how many were taken: all but the last few. */
static uint32_t take_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const uint32_t low = four_times(requantizer->bounds.low);
    const uint32_t high = four_times(requantizer->bounds.high);
    const bool activated = requantizer->activated;
    const uint32_t taken = rows / OUTPUTS_AT_ONCE * OUTPUTS_AT_ONCE;
    struct byte_range inside = requantizer->inside;
    for (const uint32_t *end = sums + taken; sums < end; sums += OUTPUTS_AT_ONCE, outputs += OUTPUTS_AT_ONCE) {
        uint32_t word = output_word(sums, factor);
        if (!lie_inside(inside, word)) {
            inside = requantizer_see(requantizer, sums, NULL, NULL);
        }
        if (activated) {
            word = select_not_above(word, low, low, word);
            word = select_not_above(high, word, high, word);
        }
        store_word(outputs, word);
    }
    return taken;
}

static uint32_t take_passing_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                                   const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct word_mask word_mask = word_mask_of(mask);
    const uint32_t taken = rows / OUTPUTS_AT_ONCE * OUTPUTS_AT_ONCE;
    struct byte_range inside = requantizer->inside;
    for (const uint32_t *end = sums + taken; sums < end;
         sums += OUTPUTS_AT_ONCE, values += OUTPUTS_AT_ONCE, errors += OUTPUTS_AT_ONCE) {
        const uint32_t word = passing_word(output_word(sums, factor), load_word(values), word_mask);
        if (!lie_inside(inside, word)) {
            inside = requantizer_see(requantizer, sums, values, mask);
        }
        store_word(errors, word);
    }
    return taken;
}
#else
static uint32_t take_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    (void)requantizer, (void)sums, (void)rows, (void)outputs;
    return 0;
}

static uint32_t take_passing_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                                   const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    (void)requantizer, (void)sums, (void)rows, (void)values, (void)mask, (void)errors;
    return 0;
}
#endif
struct requantizer requantizer_of(float unit, const struct quant *quant, enum activation activation)
{
    const struct factor factor = factor_of(unit / quant->scale);
    struct short_factor short_factor = short_factor_of(factor);
    if (short_factor.shift > LARGEST_SHIFT) {
        short_factor.mantissa = 0;
    } else {
        short_factor.half += quant->zero_point << short_factor.shift;
    }
    struct requantizer requantizer = {
        .short_factor = short_factor,
        .factor = factor,
        .zero_point = quant->zero_point,
        .bounds = bounds_u8(activation, quant),
        .activated = activation != ACTIVATION_NONE,
    };
#ifdef __ARM_FEATURE_DSP
    requantizer.inside = outputs_inside(&requantizer);
#endif
    return requantizer;
}

void requantizer_take_rows(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    if (factor.mantissa == 0) {
        take_rows_exactly(requantizer, sums, rows, outputs);
        return;
    }
    const uint32_t taken = take_words(requantizer, sums, rows, outputs);
    if (taken == rows) {
        return;
    }
    const struct bounds bounds = requantizer->bounds;
    struct extremes extremes = extremes_of(requantizer);
    int32_t value;
    for (uint32_t row = taken; row < rows; row++) {
        TAKE(sums[row]);
        outputs[row] = clamped(value, bounds);
    }
    keep_extremes(requantizer, extremes);
}

void requantizer_take_passing(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                              const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    if (factor.mantissa == 0) {
        take_passing_exactly(requantizer, sums, rows, values, mask, errors);
        return;
    }
    const uint32_t taken = take_passing_words(requantizer, sums, rows, values, mask, errors);
    if (taken == rows) {
        return;
    }
    const struct open_interval passing = mask->passing;
    struct extremes extremes = extremes_of(requantizer);
    int32_t value;
    for (uint32_t row = taken; row < rows; row++) {
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
