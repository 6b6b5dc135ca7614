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

static void take_each_row(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct bounds bounds = requantizer->bounds;
    struct outputs_inside inside = requantizer->inside;
    for (uint32_t row = 0; row < rows; row++) {
        outputs[row] = clamped(requantizer_take_shortly(requantizer, factor, &inside, (int32_t)sums[row]), bounds);
    }
}

static void take_each_passing(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                              const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct open_interval passing = mask->passing;
    const uint8_t zero = mask->zero;
    struct outputs_inside inside = requantizer->inside;
    for (uint32_t row = 0; row < rows; row++) {
        const bool passes = passes_u8(values[row], passing);
        errors[row] =
            passes ? (uint8_t)requantizer_take_shortly(requantizer, factor, &inside, (int32_t)sums[row]) : zero;
    }
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

/* Two words of outputs, of eight sums, for a core that issues two instructions at a time: multiplications and shifts
 * beside saturations. Between them there is room to mask the words. In C, the compiler would spill half of the
 * operands. */
#define OUTPUT_WORDS(load_values0, above0, below0, select0, load_values1, above1, below1, select1)                 \
    "ldrd %[b], %[c], [%[sums], #8]\n\t"                                                                           \
    "ldrd %[word0], %[a], [%[sums]], #32\n\t"                                                                      \
    "smmla %[b], %[b], %[mantissa], %[half]\n\t"                                                                   \
    "smmla %[c], %[c], %[mantissa], %[half]\n\t"                                                                   \
    "smmla %[word0], %[word0], %[mantissa], %[half]\n\t"                                                           \
    "asr %[b], %[b], %[shift]\n\t"                                                                                 \
    "smmla %[a], %[a], %[mantissa], %[half]\n\t"                                                                   \
    "asr %[c], %[c], %[shift]\n\t"                                                                                 \
    "ldrd %[word1], %[d], [%[sums], #-8]\n\t"                                                                      \
    "usat %[b], #8, %[b]\n\t"                                                                                      \
    "asr %[word0], %[word0], %[shift]\n\t"                                                                         \
    "usat %[c], #8, %[c]\n\t"                                                                                      \
    "asr %[a], %[a], %[shift]\n\t"                                                                                 \
    "usat %[word0], #8, %[word0]\n\t"                                                                              \
    "smmla %[word1], %[word1], %[mantissa], %[half]\n\t"                                                           \
    "usat %[a], #8, %[a]\n\t"                                                                                      \
    "smmla %[d], %[d], %[mantissa], %[half]\n\t"                                                                   \
    "pkhbt %[word0], %[word0], %[b], lsl #16\n\t"                                                                  \
    "asr %[word1], %[word1], %[shift]\n\t"                                                                         \
    "pkhbt %[a], %[a], %[c], lsl #16\n\t"                                                                          \
    "asr %[d], %[d], %[shift]\n\t"                                                                                 \
    "ldrd %[b], %[c], [%[sums], #-16]\n\t"                                                                         \
    "orr %[word0], %[word0], %[a], lsl #8\n\t" load_values0 "usat %[word1], #8, %[word1]\n\t"                      \
    "smmla %[b], %[b], %[mantissa], %[half]\n\t"                                                                   \
    "usat %[d], #8, %[d]\n\t"                                                                                      \
    "smmla %[c], %[c], %[mantissa], %[half]\n\t" above0 "asr %[b], %[b], %[shift]\n\t" below0                      \
    "asr %[c], %[c], %[shift]\n\t" select0 "usat %[b], #8, %[b]\n\t" load_values1 "usat %[c], #8, %[c]\n\t" above1 \
    "pkhbt %[word1], %[b], %[word1], lsl #16\n\t"                                                                  \
    "pkhbt %[d], %[c], %[d], lsl #16\n\t" below1 "orr %[word1], %[word1], %[d], lsl #8\n\t" select1

#define OUTPUT_FACTOR [mantissa] "r"(factor.mantissa), [half] "r"(factor.half), [shift] "r"(factor.shift)

/* The outputs of the next eight sums; returns what lies behind them. */
static inline const uint32_t *next_output_words(uint32_t *word0, uint32_t *word1, const uint32_t *sums,
                                                struct short_factor factor)
{
    uint32_t a, b, c, d;
    __asm__(OUTPUT_WORDS("", "", "", "", "", "", "", "")
            : [sums] "+r"(sums), [word0] "=&r"(*word0), [word1] "=&r"(*word1), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c),
              [d] "=&r"(d)
            : OUTPUT_FACTOR
            : "memory");
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

static bool any_lie_inside(struct outputs_inside inside)
{
    return inside.count > 0 && inside.first + (int32_t)inside.count > first_byte_inside(inside);
}

static uint32_t next_outputs(uint32_t left)
{
    return left < OUTPUTS_AT_ONCE ? left : OUTPUTS_AT_ONCE;
}

/* Return how many were taken: none as long as nothing lies inside. */
static uint32_t take_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs)
{
    const struct short_factor factor = requantizer->short_factor;
    const uint32_t low = four_times(requantizer->bounds.low);
    const uint32_t high = four_times(requantizer->bounds.high);
    const bool activated = requantizer->activated;
    const uint32_t taken = any_lie_inside(requantizer->inside) ? rows / OUTPUTS_AT_ONCE * OUTPUTS_AT_ONCE : 0;
    struct words_inside inside = words_inside_of(requantizer->inside);
    for (const uint32_t *end = sums + taken; sums < end; outputs += OUTPUTS_AT_ONCE) {
        uint32_t word0, word1;
        sums = next_output_words(&word0, &word1, sums, factor);
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

/* Where a loop over sums of errors stands. */
struct passing_loop {
    const uint32_t *sums;
    const uint32_t *end;
    const uint8_t *values;
    uint8_t *errors;
    struct words_inside inside;
};

#ifdef HARNESS_DUAL_ISSUE
/* Single loads stand beside arithmetic, as soon as their registers are free. */
#define LOAD_FIRST_INSIDE "ldr %[b], %[inside]\n\t"
#define LOAD_LAST_INSIDE "ldr %[c], %[inside_last]\n\t"
#define LOAD_INSIDE ""
#else
#define LOAD_FIRST_INSIDE
#define LOAD_LAST_INSIDE
#define LOAD_INSIDE "ldrd %[b], %[c], %[inside]\n\t"
#endif

/* Take eight errors after the other, up to those that do not all lie inside: these are returned and not stored. */
static inline bool take_inside(struct passing_loop *loop, uint32_t *word0, uint32_t *word1, struct short_factor factor,
                               struct word_mask mask)
{
    const uint32_t *sums = loop->sums;
    const uint8_t *values = loop->values;
    uint32_t beyond, b, c, d;
    __asm__("1:\n\t" OUTPUT_WORDS("ldr %[a], [%[values]], #8\n\t", "usub8 %[a], %[a], %[first]\n\t",
                                  "usub8 %[a], %[a], %[count]\n\t", "sel %[word0], %[zeros], %[word0]\n\t",
                                  "ldr %[a], [%[values], #-4]\n\t", "usub8 %[a], %[a], %[first]\n\t",
                                  LOAD_FIRST_INSIDE "usub8 %[a], %[a], %[count]\n\t" LOAD_LAST_INSIDE,
                                  "sel %[word1], %[zeros], %[word1]\n\t") LOAD_INSIDE "usub8 %[a], %[word0], %[b]\n\t"
                                                                                      "usub8 %[d], %[word1], %[b]\n\t"
                                                                                      "ldr %[b], %[errors]\n\t"
                                                                                      "uqsub8 %[a], %[a], %[c]\n\t"
                                                                                      "uqsub8 %[d], %[d], %[c]\n\t"
                                                                                      "ldr %[c], %[end]\n\t"
                                                                                      "orrs %[a], %[a], %[d]\n\t"
                                                                                      "bne 2f\n\t"
                                                                                      "str %[word1], [%[b], #4]\n\t"
                                                                                      "str %[word0], [%[b]], #8\n\t"
                                                                                      "cmp %[sums], %[c]\n\t"
                                                                                      "str %[b], %[errors]\n\t"
                                                                                      "bcc 1b\n"
                                                                                      "2:"
            : [sums] "+r"(sums), [values] "+r"(values), [errors] "+m"(loop->errors), [word0] "=&r"(*word0),
              [word1] "=&r"(*word1), [a] "=&r"(beyond), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
            : OUTPUT_FACTOR, [first] "r"(mask.passing.first), [count] "r"(mask.passing.count), [zeros] "r"(mask.zeros),
              [end] "m"(loop->end), [inside] "m"(loop->inside), [inside_last] "m"(loop->inside.last)
            : "cc", "memory");
    loop->sums = sums;
    loop->values = values;
    return beyond == 0;
}

/* Return how many were taken, the first ones one by one as long as nothing lies inside. */
static uint32_t take_passing_words(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                                   const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const struct short_factor factor = requantizer->short_factor;
    const struct word_mask word_mask = word_mask_of(mask);
    uint32_t first = 0;
    while (first < rows && !any_lie_inside(requantizer->inside)) {
        const uint32_t taken = next_outputs(rows - first);
        take_each_passing(requantizer, sums + first, taken, values + first, mask, errors + first);
        first += taken;
    }
    const uint32_t behind = rows - (rows - first) % OUTPUTS_AT_ONCE;
    struct passing_loop loop = {
        .sums = sums + first,
        .end = sums + behind,
        .values = values + first,
        .errors = errors + first,
        .inside = words_inside_of(requantizer->inside),
    };
    while (loop.sums < loop.end) {
        uint32_t word0, word1;
        if (take_inside(&loop, &word0, &word1, factor, word_mask)) {
            break;
        }
        loop.inside = see(requantizer, loop.sums - OUTPUTS_AT_ONCE, loop.values - OUTPUTS_AT_ONCE, mask);
        store_word(loop.errors, word0);
        store_word(loop.errors + 4, word1);
        loop.errors += OUTPUTS_AT_ONCE;
    }
    return behind;
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
    const uint32_t taken = take_words(requantizer, sums, rows, outputs);
    if (taken < rows) {
        take_each_row(requantizer, sums + taken, rows - taken, outputs + taken);
    }
}

void requantizer_take_passing(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                              const uint8_t *values, const struct mask *mask, uint8_t *errors)
{
    const uint32_t taken = take_passing_words(requantizer, sums, rows, values, mask, errors);
    if (taken < rows) {
        take_each_passing(requantizer, sums + taken, rows - taken, values + taken, mask, errors + taken);
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
