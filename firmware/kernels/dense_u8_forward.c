#include "kernels/dense.h"
#include "kernels/dot.h"
#include "kernels/requantizer.h"

#ifdef __ARM_FEATURE_DSP

/* Widened inputs, and what the zero point of the weights takes off every sum. */
struct inputs {
    const lane *lanes;
    uint32_t correction;
};

static struct inputs prepare_inputs(const struct dense *layer)
{
    lane *lanes = layer->forward_scratch.data;
    const int32_t sum =
        widen_apart(lanes, LANE_GROUP, layer->input.data, layer->features, layer->input.quant->zero_point);
    return (struct inputs){lanes, (uint32_t)(sum * layer->weights.quant->zero_point)};
}

static void add_rows(uint32_t sums[4], uint32_t rows, const uint8_t *row, const struct dense *layer,
                     const struct inputs *inputs)
{
    const uint32_t features = layer->features;
    uint32_t done = 0;
    if (rows == 4) {
        done = features / LANE_GROUP * LANE_GROUP;
        add_dot_four_rows(sums, row, features, inputs->lanes, features / LANE_GROUP);
    }
    for (uint32_t r = 0; r < rows; r++, row += features) {
        uint32_t sum = sums[r] - inputs->correction;
        uint32_t f = done;
        for (; f + LANE_GROUP <= features; f += LANE_GROUP) {
            const uint32_t word = load_word(row + f);
            sum = add_pair_products(sum, even_bytes(word), load_word(inputs->lanes + f));
            sum = add_pair_products(sum, odd_bytes(word), load_word(inputs->lanes + f + 2));
        }
        for (; f < features; f++) {
            sum += (uint32_t)(row[f] * inputs->lanes[f]);
        }
        sums[r] = sum;
    }
}

#else

struct inputs {
    const uint8_t *values;
    int32_t zero;
    int32_t weight_zero;
};

static struct inputs prepare_inputs(const struct dense *layer)
{
    return (struct inputs){layer->input.data, layer->input.quant->zero_point, layer->weights.quant->zero_point};
}

/* Two rows at a time; the last of an odd number twice. */
static void add_rows(uint32_t sums[4], uint32_t rows, const uint8_t *row, const struct dense *layer,
                     const struct inputs *inputs)
{
    const uint32_t features = layer->features;
    const uint8_t *input = inputs->values;
    for (uint32_t r = 0; r < rows; r += 2, row += 2 * features) {
        const uint8_t *other = r + 1 < rows ? row + features : row;
        uint32_t sum0 = 0;
        uint32_t sum1 = 0;
        int32_t input_sum = 0;
#pragma GCC unroll 4
        for (uint32_t f = 0; f < features; f++) {
            const int32_t x = input[f] - inputs->zero;
            input_sum += x;
            sum0 += (uint32_t)(row[f] * x);
            sum1 += (uint32_t)(other[f] * x);
        }
        const uint32_t correction = (uint32_t)(input_sum * inputs->weight_zero);
        sums[r] += sum0 - correction;
        if (r + 1 < rows) {
            sums[r + 1] += sum1 - correction;
        }
    }
}

#endif

void dense_u8_forward(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const int32_t *bias = layer->bias.data;
    const uint8_t *row = layer->weights.data;
    uint8_t *output = layer->output.data;
    const float unit = layer->input.quant->scale * layer->weights.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, layer->output.quant, layer->activation);
    const struct inputs inputs = prepare_inputs(layer);

    for (uint32_t o = 0; o < layer->units; o += 4, row += 4 * layer->features) {
        const uint32_t rows = layer->units - o < 4 ? layer->units - o : 4;
        uint32_t sums[4];
        for (uint32_t r = 0; r < rows; r++) {
            sums[r] = (uint32_t)bias[o + r];
        }
        add_rows(sums, rows, row, layer, &inputs);
        for (uint32_t r = 0; r < rows; r++) {
            output[o + r] = requantizer_take(&requantizer, (int32_t)sums[r]);
        }
    }
    if (step->training && layer->output.quant->tracked) {
        see_activated(layer->output.quant, layer->activation, requantizer.lowest, requantizer.highest, unit);
    }
}
