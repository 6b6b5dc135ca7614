#include "kernels/dense.h"
#include "kernels/dot.h"
#include "kernels/requantizer.h"

#define FEATURES_AT_ONCE 4

/* Two rows of weights, by their offsets, and their errors less the zero point. */
struct row_pair {
    uint32_t offset0;
    uint32_t offset1;
    int16_t error0;
    int16_t error1;
};

struct row_pairs {
    const struct row_pair *list;
    uint32_t count;
    uint32_t correction; /* what the zero point of the weights takes off every sum */
};

/* The selected rows whose error is not zero. */
static struct row_pairs pair_rows(const struct dense *layer)
{
    const struct structures *structures = layer->structures;
    const uint8_t *error = structures->output_error.data;
    const int32_t zero = structures->output_error.quant->zero_point;
    struct row_pair *pairs = layer->error_scratch.data;
    uint32_t rows = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        const int32_t e = error[o] - zero;
        if (e == 0) {
            continue;
        }
        struct row_pair *pair = &pairs[rows / 2];
        const uint32_t offset = o * layer->features;
        if (rows++ % 2 == 0) {
            *pair = (struct row_pair){offset, offset, (int16_t)e, 0};
        } else {
            pair->offset1 = offset;
            pair->error1 = (int16_t)e;
        }
        sum += e;
    }
    return (struct row_pairs){pairs, (rows + 1) / 2, (uint32_t)(sum * layer->weights.quant->zero_point)};
}

/* Sums over the rows for features 0..3 of `weights`; apart, or too many values compete for registers. */
__attribute__((noinline)) static void add_features(uint32_t sums[FEATURES_AT_ONCE], const uint8_t *weights,
                                                   const struct row_pairs *pairs)
{
    const struct row_pair *pair = pairs->list;
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
#pragma GCC unroll 2
    for (uint32_t left = pairs->count; left > 0; left--, pair++) {
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

static bool any_passes(const uint8_t values[FEATURES_AT_ONCE], struct open_interval passing)
{
    return passes_u8(values[0], passing) || passes_u8(values[1], passing) || passes_u8(values[2], passing) ||
           passes_u8(values[3], passing);
}

static uint32_t feature_sum(const uint8_t *weights, const struct row_pairs *pairs)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < pairs->count; i++) {
        const struct row_pair *pair = &pairs->list[i];
        sum += (uint32_t)(weights[pair->offset0] * pair->error0) + (uint32_t)(weights[pair->offset1] * pair->error1);
    }
    return sum;
}

void dense_u8_error(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const uint8_t *input = layer->input.data;
    const uint8_t *weights = layer->weights.data;
    uint8_t *input_error = layer->input_error.data;
    const struct open_interval passing = passing_u8(layer->input_activation, layer->input.quant);
    const float unit = layer->weights.quant->scale * layer->structures->output_error.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, layer->input_error.quant, ACTIVATION_NONE);
    const struct row_pairs pairs = pair_rows(layer);

    uint32_t f = 0;
    for (; f + FEATURES_AT_ONCE <= layer->features; f += FEATURES_AT_ONCE) {
        uint32_t sums[FEATURES_AT_ONCE] = {0};
        if (any_passes(input + f, passing)) {
            add_features(sums, weights + f, &pairs);
        }
        for (uint32_t i = 0; i < FEATURES_AT_ONCE; i++) {
            const bool passes = passes_u8(input[f + i], passing);
            input_error[f + i] = passes ? requantizer_take(&requantizer, (int32_t)(sums[i] - pairs.correction))
                                        : (uint8_t)requantizer.zero_point;
        }
    }
    for (; f < layer->features; f++) {
        const bool passes = passes_u8(input[f], passing);
        const uint32_t sum = feature_sum(weights + f, &pairs) - pairs.correction;
        input_error[f] = passes ? requantizer_take(&requantizer, (int32_t)sum) : (uint8_t)requantizer.zero_point;
    }
    if (step->training && layer->input_error.quant->tracked) {
        quant_see(layer->input_error.quant, requantizer.lowest, requantizer.highest, unit);
    }
}
