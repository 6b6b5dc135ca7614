#include "trainer/update.h"

#include <math.h>
#include <string.h>

#include "numeric/affine.h"

struct moments {
    float mean;
    float factor; /* learning rate / deviation; 0 when the deviation is */
};

static float standardizing_factor(float squares, uint32_t elements, float learning_rate)
{
    const float deviation = sqrtf(squares / (float)elements);
    return deviation > 0.0f ? learning_rate / deviation : 0.0f;
}

static struct moments moments_i32(const int32_t *gradient, uint32_t elements, float learning_rate)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < elements; i++) {
        sum += gradient[i];
    }
    const float mean = (float)sum / (float)elements;
    float squares = 0.0f;
    for (uint32_t i = 0; i < elements; i++) {
        const float distance = (float)gradient[i] - mean;
        squares += distance * distance;
    }
    return (struct moments){mean, standardizing_factor(squares, elements, learning_rate)};
}

static struct moments moments_f32(const float *gradient, uint32_t elements, float learning_rate)
{
    float sum = 0.0f;
    for (uint32_t i = 0; i < elements; i++) {
        sum += gradient[i];
    }
    const float mean = sum / (float)elements;
    float squares = 0.0f;
    for (uint32_t i = 0; i < elements; i++) {
        const float distance = gradient[i] - mean;
        squares += distance * distance;
    }
    return (struct moments){mean, standardizing_factor(squares, elements, learning_rate)};
}

static float updated_weight(uint8_t weight, const struct quant *quant, int32_t gradient, struct moments moments)
{
    return dequantize(weight, quant) - moments.factor * ((float)gradient - moments.mean);
}

/* The range that the weights of all structures will have after the update. */
static struct quant range_after_update(const struct structures *structures, float learning_rate)
{
    const uint32_t elements = structures->elements;
    const struct quant *quant = structures->weights.quant;
    struct quant range = {.low = 0.0f, .high = 0.0f};
    for (uint32_t o = 0; o < structures->count; o++) {
        const uint8_t *weights = (const uint8_t *)structures->weights.data + o * elements;
        float low;
        float high;
        if (structures->touched[o]) {
            const int32_t *gradient = (const int32_t *)structures->gradient + o * elements;
            const struct moments moments = moments_i32(gradient, elements, learning_rate);
            low = high = updated_weight(weights[0], quant, gradient[0], moments);
            for (uint32_t i = 1; i < elements; i++) {
                const float value = updated_weight(weights[i], quant, gradient[i], moments);
                low = value < low ? value : low;
                high = value > high ? value : high;
            }
        } else {
            uint8_t lowest = weights[0];
            uint8_t highest = weights[0];
            for (uint32_t i = 1; i < elements; i++) {
                lowest = weights[i] < lowest ? weights[i] : lowest;
                highest = weights[i] > highest ? weights[i] : highest;
            }
            low = dequantize(lowest, quant);
            high = dequantize(highest, quant);
        }
        range.low = low < range.low ? low : range.low;
        range.high = high > range.high ? high : range.high;
    }
    return range;
}

static bool range_still_fits(const struct quant *range, const struct quant *needed, float slack)
{
    return needed->low >= range->low && needed->high <= range->high &&
           needed->high - needed->low >= (1.0f - slack) * (range->high - range->low);
}

void update_structures_u8(const void *params, struct step *step)
{
    const struct structures *structures = params;
    const uint32_t elements = structures->elements;
    struct quant *quant = structures->weights.quant;
    const struct quant before = *quant;
    const struct quant needed = range_after_update(structures, step->learning_rate);
    const bool same_range = range_still_fits(quant, &needed, step->weight_slack);
    if (!same_range) {
        quant_set_range(quant, needed.low, needed.high);
    }
    const float inverse_scale = 1.0f / quant->scale;
    int32_t *bias = structures->bias.data;
    int32_t *bias_gradient = structures->bias_gradient;
    const float bias_factor = step->learning_rate * structures->output_error.quant->scale /
                              ((float)step->batch_size * structures->selection->bias_scale);

    for (uint32_t o = 0; o < structures->count; o++) {
        uint8_t *weights = (uint8_t *)structures->weights.data + o * elements;
        if (structures->touched[o]) {
            int32_t *gradient = (int32_t *)structures->gradient + o * elements;
            const struct moments moments = moments_i32(gradient, elements, step->learning_rate);
            for (uint32_t i = 0; i < elements; i++) {
                const float value = updated_weight(weights[i], &before, gradient[i], moments);
                weights[i] = quantize(value, inverse_scale, quant->zero_point);
            }
            bias[o] = round_to_bias((float)bias[o] - bias_factor * (float)bias_gradient[o]);
            bias_gradient[o] = 0;
            memset(gradient, 0, elements * sizeof *gradient);
            structures->touched[o] = 0;
        } else if (!same_range) {
            for (uint32_t i = 0; i < elements; i++) {
                weights[i] = quantize(dequantize(weights[i], &before), inverse_scale, quant->zero_point);
            }
        }
    }
}

void update_structures_f32(const void *params, struct step *step)
{
    const struct structures *structures = params;
    const uint32_t elements = structures->elements;
    float *bias = structures->bias.data;
    float *bias_gradient = structures->bias_gradient;
    const float bias_factor = step->learning_rate / (float)step->batch_size;

    for (uint32_t o = 0; o < structures->count; o++) {
        if (!structures->touched[o]) {
            continue;
        }
        float *weights = (float *)structures->weights.data + o * elements;
        float *gradient = (float *)structures->gradient + o * elements;
        const struct moments moments = moments_f32(gradient, elements, step->learning_rate);
        for (uint32_t i = 0; i < elements; i++) {
            weights[i] -= moments.factor * (gradient[i] - moments.mean);
        }
        bias[o] -= bias_factor * bias_gradient[o];
        bias_gradient[o] = 0.0f;
        memset(gradient, 0, elements * sizeof *gradient);
        structures->touched[o] = 0;
    }
}

void update_ranges(const void *params, struct step *step)
{
    const struct tracked_ranges *ranges = params;
    for (uint32_t i = 0; i < ranges->count; i++) {
        quant_follow(ranges->list[i], step->range_smoothing);
    }
}

void update_bias_unit(const void *params, struct step *step)
{
    const struct structures *structures = params;
    const float unit = structures->input->scale * structures->weights.quant->scale;
    const float factor = structures->selection->bias_scale / unit;
    int32_t *bias = structures->bias.data;
    (void)step;

    if (factor == 1.0f) {
        return;
    }
    for (uint32_t o = 0; o < structures->count; o++) {
        bias[o] = round_to_bias((float)bias[o] * factor);
    }
    structures->selection->bias_scale = unit;
}
