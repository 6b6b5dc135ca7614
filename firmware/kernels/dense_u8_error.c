#include <string.h>

#include "kernels/dense.h"
#include "kernels/dot.h"
#include "kernels/requantizer.h"

#define FEATURES_AT_ONCE 4
#define BLOCK (8 * FEATURES_AT_ONCE)
#define ROWS_IN_ORDER 4

/* Two rows of weights, by their offsets, and their errors less the zero point. */
struct row_pair {
    uint32_t offset0;
    uint32_t offset1;
    int16_t error0;
    int16_t error1;
};

/* The rows that make the sums: the first ones in order, the others by a list. */
struct rows {
    const int16_t *errors; /* of the rows in order */
    uint32_t quads;        /* rows in order, by four */
    const struct row_pair *pairs;
    uint32_t pair_count;
    uint32_t correction; /* what the zero point of the weights takes off every sum */
    uint32_t pitch;
};

/* Add row `o` to the list of pairs, which holds `listed` rows. */
static void list_row(struct row_pair *pairs, uint32_t listed, uint32_t offset, int32_t error)
{
    struct row_pair *pair = &pairs[listed / 2];
    if (listed % 2 == 0) {
        *pair = (struct row_pair){offset, offset, (int16_t)error, 0};
    } else {
        pair->offset1 = offset;
        pair->error1 = (int16_t)error;
    }
}

#ifdef __ARM_FEATURE_DSP
static uint32_t rows_with_error(const struct structures *structures)
{
    const uint8_t *error = structures->output_error.data;
    uint32_t count = 0;
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        count += error[structures->selected[i]] != structures->output_error.quant->zero_point;
    }
    return count;
}

/* A row in order costs four fifths of one in the list, whether it has an error or not. */
static uint32_t quads_in_order(const struct dense *layer)
{
    return 5 * rows_with_error(layer->structures) >= 4 * layer->units ? layer->units / ROWS_IN_ORDER : 0;
}
#else
static uint32_t quads_in_order(const struct dense *layer)
{
    (void)layer;
    return 0;
}
#endif

static struct rows gather_rows(const struct dense *layer)
{
    const struct structures *structures = layer->structures;
    const uint8_t *error = structures->output_error.data;
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint32_t quads = quads_in_order(layer);
    const uint32_t in_order = quads * ROWS_IN_ORDER;
    int16_t *errors = layer->error_scratch.data;
    struct row_pair *pairs = (struct row_pair *)(void *)(errors + in_order);
    uint32_t listed = 0;
    int32_t sum = 0;
    memset(errors, 0, in_order * sizeof *errors);
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        const int32_t e = error[o] - zero;
        sum += e;
        if (o < in_order) {
            errors[o] = (int16_t)e;
        } else if (e != 0) {
            list_row(pairs, listed++, o * layer->features, e);
        }
    }
    const uint32_t correction = (uint32_t)(sum * layer->weights.quant->zero_point);
    return (struct rows){errors, quads, pairs, (listed + 1) / 2, correction, layer->features};
}

#ifdef __ARM_FEATURE_DSP

/* The next two rows of four features each, whose errors are the last word that was loaded. */
#define ADD_LOADED_ROWS                                \
    "pkhbt %[packed], %[word0], %[word1], lsl #16\n\t" \
    "pkhtb %[word1], %[word1], %[word0], asr #16\n\t"  \
    "uxtb16 %[word0], %[packed]\n\t"                   \
    "smlad %[s0], %[word0], %[error], %[s0]\n\t"       \
    "uxtb16 %[packed], %[packed], ror #8\n\t"          \
    "smlad %[s1], %[packed], %[error], %[s1]\n\t"      \
    "uxtb16 %[word0], %[word1]\n\t"                    \
    "smlad %[s2], %[word0], %[error], %[s2]\n\t"       \
    "uxtb16 %[word1], %[word1], ror #8\n\t"            \
    "smlad %[s3], %[word1], %[error], %[s3]\n\t"

#define ADD_FOUR_ROWS                                                                                  \
    "ldr %[word0], [%[row]]\n\t"                                                                       \
    "ldr %[word1], [%[row], %[pitch]]\n\t"                                                             \
    "ldr %[error], [%[errors]], #8\n\t" ADD_LOADED_ROWS "ldr %[word0], [%[row], %[pitch], lsl #1]\n\t" \
    "ldr %[word1], [%[row], %[pitch3]]\n\t"                                                            \
    "ldr %[error], [%[errors], #-4]\n\t"                                                               \
    "add %[row], %[row], %[pitch], lsl #2\n\t" ADD_LOADED_ROWS

#define ADD_SIXTEEN_ROWS ADD_FOUR_ROWS ADD_FOUR_ROWS ADD_FOUR_ROWS ADD_FOUR_ROWS

#define SUMS_AND_OPERANDS                                                                               \
    [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [row] "+r"(row), [errors] "+r"(errors), \
        [word0] "=&r"(word0), [word1] "=&r"(word1), [error] "=&r"(error),                               \
        [packed] "=&r"(packed) : [pitch] "r"(pitch), [pitch3] "r"(pitch3)

/* Sums over the rows in order, for `count` features; apart, or too many values compete for registers. */
__attribute__((noinline)) static void sum_rows_in_order(uint32_t *sums, const uint8_t *weights, uint32_t count,
                                                        const struct rows *rows)
{
    const uint32_t pitch = rows->pitch;
    const uint32_t pitch3 = 3 * pitch;
    for (const uint8_t *end = weights + count; weights < end; weights += FEATURES_AT_ONCE) {
        const uint8_t *row = weights;
        const int16_t *errors = rows->errors;
        uint32_t s0 = -rows->correction, s1 = s0, s2 = s0, s3 = s0;
        uint32_t word0, word1, error, packed;
        for (uint32_t left = rows->quads / 4; left > 0; left--) {
            __asm__(ADD_SIXTEEN_ROWS : SUMS_AND_OPERANDS : "memory");
        }
        for (uint32_t left = rows->quads % 4; left > 0; left--) {
            __asm__(ADD_FOUR_ROWS : SUMS_AND_OPERANDS : "memory");
        }
        *sums++ = s0;
        *sums++ = s1;
        *sums++ = s2;
        *sums++ = s3;
    }
}

#else

static void sum_rows_in_order(uint32_t *sums, const uint8_t *weights, uint32_t count, const struct rows *rows)
{
    (void)sums, (void)weights, (void)count, (void)rows;
}

#endif

/* Add to the sums of features 0..3 of `weights`. */
static inline __attribute__((always_inline)) void add_pairs(uint32_t sums[FEATURES_AT_ONCE], const uint8_t *weights,
                                                            const struct row_pair *pair, const struct row_pair *end)
{
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (; pair < end; pair++) {
#ifdef __ARM_FEATURE_DSP
        uint32_t word0, word1, errors;
        __asm__("ldr %[word0], [%[pair]]\n\t"
                "ldr %[word1], [%[pair], #4]\n\t"
                "ldr %[errors], [%[pair], #8]\n\t"
                "ldr %[word0], [%[weights], %[word0]]\n\t"
                "ldr %[word1], [%[weights], %[word1]]\n\t"
                : [word0] "=&r"(word0), [word1] "=&r"(word1), [errors] "=&r"(errors)
                : [pair] "r"(pair), [weights] "r"(weights)
                : "memory");
        const uint32_t low = pack_low(word0, word1);
        const uint32_t high = pack_high(word0, word1);
        s0 = add_pair_products(s0, even_bytes(low), errors);
        s1 = add_pair_products(s1, odd_bytes(low), errors);
        s2 = add_pair_products(s2, even_bytes(high), errors);
        s3 = add_pair_products(s3, odd_bytes(high), errors);
#else
        const uint8_t *row0 = weights + pair->offset0;
        const uint8_t *row1 = weights + pair->offset1;
        const int32_t e0 = pair->error0;
        const int32_t e1 = pair->error1;
        s0 += (uint32_t)(row0[0] * e0) + (uint32_t)(row1[0] * e1);
        s1 += (uint32_t)(row0[1] * e0) + (uint32_t)(row1[1] * e1);
        s2 += (uint32_t)(row0[2] * e0) + (uint32_t)(row1[2] * e1);
        s3 += (uint32_t)(row0[3] * e0) + (uint32_t)(row1[3] * e1);
#endif
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* Apart, or too many values compete for registers. */
__attribute__((noinline)) static void add_listed_rows(uint32_t *sums, const uint8_t *weights, uint32_t count,
                                                      const struct rows *rows)
{
    const struct row_pair *const end = rows->pairs + rows->pair_count;
    for (uint32_t f = 0; f < count; f += FEATURES_AT_ONCE) {
        add_pairs(sums + f, weights + f, rows->pairs, end);
    }
}

static uint32_t feature_sum(const uint8_t *weights, const struct rows *rows)
{
    uint32_t sum = 0;
    for (uint32_t o = 0; o < rows->quads * ROWS_IN_ORDER; o++) {
        sum += (uint32_t)(weights[o * rows->pitch] * rows->errors[o]);
    }
    for (uint32_t i = 0; i < rows->pair_count; i++) {
        const struct row_pair *pair = &rows->pairs[i];
        sum += (uint32_t)(weights[pair->offset0] * pair->error0) + (uint32_t)(weights[pair->offset1] * pair->error1);
    }
    return sum;
}

static bool any_passes(const uint8_t values[FEATURES_AT_ONCE], struct open_interval passing)
{
    return passes_u8(values[0], passing) || passes_u8(values[1], passing) || passes_u8(values[2], passing) ||
           passes_u8(values[3], passing);
}

static void fill_sums(uint32_t *sums, uint32_t count, uint32_t value)
{
    for (uint32_t f = 0; f < count; f++) {
        sums[f] = value;
    }
}

/* `count` is a whole number of fours. */
static void sum_rows(uint32_t *sums, const uint8_t *weights, uint32_t count, const struct rows *rows)
{
    if (rows->quads > 0) {
        sum_rows_in_order(sums, weights, count, rows);
    } else {
        fill_sums(sums, count, -rows->correction);
    }
    if (rows->pair_count > 0) {
        add_listed_rows(sums, weights, count, rows);
    }
}

/* Sums over the rows for `count` features from those of `weights`; where no error passes they may be anything. */
static void sum_features(uint32_t sums[BLOCK], const uint8_t *weights, const uint8_t *input, uint32_t count,
                         const struct rows *rows, struct open_interval passing)
{
    uint32_t first = 0;
    uint32_t f = 0;
    for (; f + FEATURES_AT_ONCE <= count; f += FEATURES_AT_ONCE) {
        if (!any_passes(input + f, passing)) {
            sum_rows(sums + first, weights + first, f - first, rows);
            first = f + FEATURES_AT_ONCE;
        }
    }
    sum_rows(sums + first, weights + first, f - first, rows);
    for (; f < count; f++) {
        sums[f] = feature_sum(weights + f, rows) - rows->correction;
    }
}

void dense_u8_error(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const uint8_t *input = layer->input.data;
    const uint8_t *weights = layer->weights.data;
    uint8_t *input_error = layer->input_error.data;
    const float unit = layer->weights.quant->scale * layer->structures->output_error.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, layer->input_error.quant, ACTIVATION_NONE);
    const struct mask mask = mask_of(layer->input_activation, layer->input.quant, requantizer.zero_point);
    const struct rows rows = gather_rows(layer);

    for (uint32_t f = 0; f < layer->features; f += BLOCK) {
        const uint32_t count = layer->features - f < BLOCK ? layer->features - f : BLOCK;
        uint32_t sums[BLOCK];
        sum_features(sums, weights + f, input + f, count, &rows, mask.passing);
        if (mask.all_pass) {
            requantizer_take_rows(&requantizer, sums, count, input_error + f);
        } else {
            requantizer_take_passing(&requantizer, sums, count, input + f, &mask, input_error + f);
        }
    }
    if (step->training && layer->input_error.quant->tracked) {
        quant_see(layer->input_error.quant, requantizer.lowest, requantizer.highest, unit);
    }
}
