#include "kernels/requantizer.h"

/* Up to this shift, 255 and any rescaled accumulator add up without overflow. */
#define LARGEST_SHIFT 22

/* Below every rescaled accumulator. */
#define NO_FLOOR (-(1 << 30) - 1)

/* Outputs rise with their sums: one strictly between those of the extremes has a sum between them. What is activated
 * does not show how low it was, nor is that asked for. */
static struct outputs_inside outputs_inside_of(const struct requantizer *requantizer)
{
    const struct short_factor factor = requantizer->short_factor;
    const int32_t of_lowest = rescale_shortly(requantizer->lowest, factor);
    const int32_t of_highest = rescale_shortly(requantizer->highest, factor);
    const int32_t floor = of_lowest > -1 ? of_lowest : -1;
    const int32_t below = requantizer->activated ? NO_FLOOR : floor;
    const int32_t above = of_highest < 255 ? of_highest : 255;
    const bool any = factor.mantissa != 0 && above - below > 1;
    return (struct outputs_inside){below + 1, any ? (uint32_t)(above - below - 1) : 0};
}

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
    requantizer.inside = outputs_inside_of(&requantizer);
    return requantizer;
}

static inline bool is_extreme(const struct requantizer *requantizer, int32_t sum)
{
    return sum < requantizer->lowest || sum > requantizer->highest;
}

uint8_t requantizer_take(struct requantizer *requantizer, int32_t sum)
{
    if (is_extreme(requantizer, sum)) {
        requantizer->lowest = sum < requantizer->lowest ? sum : requantizer->lowest;
        requantizer->highest = sum > requantizer->highest ? sum : requantizer->highest;
        requantizer->inside = outputs_inside_of(requantizer);
    }
    if (requantizer->short_factor.mantissa == 0) {
        return requantize_clamped(sum, requantizer->factor, requantizer->zero_point, requantizer->bounds);
    }
    return clamped(rescale_shortly(sum, requantizer->short_factor), requantizer->bounds);
}

#ifdef __ARM_FEATURE_DSP
#define OUTPUTS_AT_ONCE 8

/* Four outputs are inside when they lie as far as `last` behind `first`, each four times. */
struct words_inside {
    uint32_t first;
    uint32_t last;
};

/* Saturated, 0 may stand for an output far below it: it is inside only where nothing lower is asked for. */
static inline int32_t first_byte_inside(struct outputs_inside inside)
{
    return inside.first > 0 ? inside.first : inside.first == 0;
}

static inline struct words_inside words_inside_of(struct outputs_inside inside)
{
    const int32_t first = first_byte_inside(inside);
    const int32_t last = inside.first + (int32_t)inside.count - 1 - first;
    return (struct words_inside){four_times(first), four_times(last)};
}

static inline bool lie_inside(struct words_inside inside, uint32_t word0, uint32_t word1)
{
    const uint32_t beyond0 = __uqsub8(__usub8(word0, inside.first), inside.last);
    const uint32_t beyond1 = __uqsub8(__usub8(word1, inside.first), inside.last);
    return __builtin_expect((beyond0 | beyond1) == 0, 1);
}

static inline uint32_t output_of(uint32_t sum, struct short_factor factor)
{
    return __usat(rescale_shortly((int32_t)sum, factor), 8);
}

/* The outputs of the next four sums; returns what lies behind them. */
static inline const uint32_t *next_output_word(uint32_t *word, const uint32_t *sums, struct short_factor factor)
{
    uint32_t sum0, sum1, sum2, sum3;
    sums = load_two_words(&sum0, &sum1, sums);
    sums = load_two_words(&sum2, &sum3, sums);
    *word = pack_low(output_of(sum0, factor), output_of(sum2, factor)) |
            pack_low(output_of(sum1, factor), output_of(sum3, factor)) << 8;
    return sums;
}

/* Note the extremes of sums whose outputs do not all lie inside. Of those whose values do not pass nothing is seen;
 * without values all pass. Returns what lies inside now. */
__attribute__((noinline)) static struct words_inside see(struct requantizer *requantizer,
                                                         const uint32_t sums[OUTPUTS_AT_ONCE], const uint8_t *values,
                                                         const struct mask *mask)
{
    for (uint32_t i = 0; i < OUTPUTS_AT_ONCE; i++) {
        const int32_t sum = (int32_t)sums[i];
        if (is_extreme(requantizer, sum) && (values == NULL || passes_u8(values[i], mask->passing))) {
            requantizer_take(requantizer, sum);
        }
    }
    return words_inside_of(requantizer->inside);
}

/* How many outputs are taken several at once: none as long as nothing lies inside. */
static uint32_t taken_at_once(const struct requantizer *requantizer, uint32_t rows)
{
    const struct outputs_inside inside = requantizer->inside;
    const bool any = inside.count > 0 && inside.first + (int32_t)inside.count > first_byte_inside(inside);
    return any ? rows / OUTPUTS_AT_ONCE * OUTPUTS_AT_ONCE : 0;
}

/* Return how many were taken. */
static uint32_t take_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const uint32_t low = four_times(requantizer->bounds.low);
    const uint32_t high = four_times(requantizer->bounds.high);
    const bool activated = requantizer->activated;
    const uint32_t taken = taken_at_once(requantizer, rows);
    struct words_inside inside = words_inside_of(requantizer->inside);
    for (const uint32_t *end = sums + taken; sums < end; outputs += OUTPUTS_AT_ONCE) {
        uint32_t word0, word1;
        sums = next_output_word(&word0, sums, factor);
        sums = next_output_word(&word1, sums, factor);
        if (!lie_inside(inside, word0, word1)) {
            inside = see(requantizer, sums - OUTPUTS_AT_ONCE, NULL, NULL);
        }
        if (activated) {
            word0 = select_not_above(word0, low, low, word0);
            word0 = select_not_above(high, word0, high, word0);
            word1 = select_not_above(word1, low, low, word1);
            word1 = select_not_above(high, word1, high, word1);
        }
        store_word(outputs, word0);
        store_word(outputs + 4, word1);
    }
    return taken;
}

static uint32_t take_passing_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                                   const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct word_mask word_mask = word_mask_of(mask);
    const uint32_t taken = taken_at_once(requantizer, rows);
    struct words_inside inside = words_inside_of(requantizer->inside);
    for (const uint32_t *end = sums + taken; sums < end; values += OUTPUTS_AT_ONCE, errors += OUTPUTS_AT_ONCE) {
        uint32_t word0, word1;
        sums = next_output_word(&word0, sums, factor);
        sums = next_output_word(&word1, sums, factor);
        word0 = passing_word(word0, load_word(values), word_mask);
        word1 = passing_word(word1, load_word(values + 4), word_mask);
        if (!lie_inside(inside, word0, word1)) {
            inside = see(requantizer, sums - OUTPUTS_AT_ONCE, values, mask);
        }
        store_word(errors, word0);
        store_word(errors + 4, word1);
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

void requantizer_take_rows(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct bounds bounds = requantizer->bounds;
    uint32_t row = take_words(requantizer, sums, rows, outputs);
    struct outputs_inside inside = requantizer->inside;
    for (; row < rows; row++) {
        outputs[row] = clamped(requantizer_take_shortly(requantizer, factor, &inside, (int32_t)sums[row]), bounds);
    }
}

void requantizer_take_passing(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                              const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct open_interval passing = mask->passing;
    const uint8_t zero = mask->zero;
    uint32_t row = take_passing_words(requantizer, sums, rows, values, mask, errors);
    struct outputs_inside inside = requantizer->inside;
    for (; row < rows; row++) {
        const bool passes = passes_u8(values[row], passing);
        errors[row] =
            passes ? (uint8_t)requantizer_take_shortly(requantizer, factor, &inside, (int32_t)sums[row]) : zero;
    }
}

void requantizer_take_at(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t count,
                         uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct bounds bounds = requantizer->bounds;
    struct outputs_inside inside = requantizer->inside;
    for (const uint32_t *end = sums + count; sums < end; sums++, at++) {
        outputs[*at] = clamped(requantizer_take_shortly(requantizer, factor, &inside, (int32_t)*sums), bounds);
    }
}

void requantizer_take_wanted(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t wanted,
                             uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    struct outputs_inside inside = requantizer->inside;
    for (; wanted != 0; wanted >>= 1, sums++, at++) {
        if (wanted & 1) {
            outputs[*at] = (uint8_t)requantizer_take_shortly(requantizer, factor, &inside, (int32_t)*sums);
        }
    }
}
