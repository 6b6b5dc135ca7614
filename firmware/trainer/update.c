#include "trainer/update.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "numeric/affine.h"
#include "numeric/random.h"
#include "trainer/accumulator.h"
#include "trainer/request.h"
#include "trainer/standardized_u8.h"

/* How the weights of one structure move: by rate * (gradient - mean), or by rate * velocity. */
struct descent {
    float rate;
    float mean;
    float momentum;
    float gradient_unit; /* what one unit of the gradient is worth, of the mean over the minibatch */
};

static float standardizing_rate(float squares, uint32_t elements, float learning_rate)
{
    const float deviation = sqrtf(squares / (float)elements);
    return deviation > 0.0f ? learning_rate / deviation : 0.0f;
}

static struct descent standardized_f32(const float *gradient, uint32_t elements, float learning_rate)
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
    return (struct descent){.rate = standardizing_rate(squares, elements, learning_rate), .mean = mean};
}

static float next_velocity(float velocity, float gradient, struct descent descent)
{
    return descent.momentum * velocity + descent.gradient_unit * gradient;
}

/* Momentum on the quantized weights: quantization-aware scaling undoes the square of the scale that comes with them. */
static struct descent with_momentum(const struct step *step, float gradient_unit, float weight_scale)
{
    const bool scaled = step->optimizer == OPTIMIZER_MOMENTUM_QAS;
    return (struct descent){
        .rate = scaled ? step->learning_rate : step->learning_rate * weight_scale * weight_scale,
        .momentum = step->momentum,
        .gradient_unit = gradient_unit / (float)step->batch_size,
    };
}

static float descended(float weight, float gradient, const float *velocity, struct descent descent)
{
    return weight - descent.rate * (velocity ? next_velocity(*velocity, gradient, descent) : gradient - descent.mean);
}

static const float *velocity_at(const struct structures *structures, uint32_t index)
{
    return structures->velocity ? structures->velocity + index : NULL;
}

static struct descent momentum_u8(const struct structures *structures, const struct step *step, uint32_t o,
                                  float weight_scale)
{
    const float unit = structures->input->scale * structures->output_error.quant->scale;
    const uint32_t exponent = accumulates_narrowly(structures) ? structures->exponents[o] : 0;
    return with_momentum(step, unit * (float)(1u << exponent), weight_scale);
}

struct extremes {
    float low;
    float high;
};

static void extremes_hold(struct extremes *extremes, float value)
{
    extremes->low = value < extremes->low ? value : extremes->low;
    extremes->high = value > extremes->high ? value : extremes->high;
}

static void foresee_with_momentum(const struct structures *structures, const struct step *step, uint32_t o,
                                  struct extremes *extremes)
{
    const uint32_t elements = structures->elements;
    const struct quant *quant = structures->weights.quant;
    const struct descent descent = momentum_u8(structures, step, o, quant->scale);
    const uint8_t *weights = (const uint8_t *)structures->weights.data + o * elements;
    const float *velocity = structures->velocity + o * elements;
    const void *gradient = accumulators_of(structures, o);
    for (uint32_t i = 0; i < elements; i++) {
        const float slope = (float)accumulator_at(gradient, i, structures->gradient_bytes);
        extremes_hold(extremes, descended(dequantize(weights[i], quant), slope, velocity + i, descent));
    }
}

/* The range that the weights of all structures will need after the update. */
static struct extremes range_needed(const struct structures *structures, const struct step *step)
{
    const float unit = structures->weights.quant->scale / 65536.0f;
    struct extremes range = {0.0f, 0.0f};
    struct span span = {0, 0};
    for (uint32_t o = 0; o < structures->count; o++) {
        if (!structures->touched[o]) {
            continue;
        }
        if (step->optimizer == OPTIMIZER_STANDARDIZED) {
            standardized_u8_foresee(structures, step, o, &span);
        } else {
            foresee_with_momentum(structures, step, o, &range);
        }
    }
    for (uint32_t o = 0; o < structures->count; o++) {
        if (!structures->touched[o]) {
            span_widen(&span, structures, o);
        }
    }
    extremes_hold(&range, (float)span.low * unit);
    extremes_hold(&range, (float)span.high * unit);
    return range;
}

static bool range_still_fits(const struct quant *range, struct extremes needed, float slack)
{
    return needed.low >= range->low && needed.high <= range->high &&
           needed.high - needed.low >= (1.0f - slack) * (range->high - range->low);
}

static float followed(float bound, float needed, float smoothing)
{
    return smoothing == 1.0f ? needed : bound + smoothing * (needed - bound);
}

/* A range shrinks to no less than a sixteenth at once, so that old steps stay small numbers of new ones. */
static void follow_range(struct quant *quant, struct extremes needed, float smoothing)
{
    const float least_width = (quant->high - quant->low) * (1.0f / 16.0f);
    const float low = followed(quant->low, needed.low, smoothing);
    const float high = followed(quant->high, needed.high, smoothing);
    quant_set_range(quant, low, high - low < least_width ? low + least_width : high);
}

static uint8_t write_back(float weight, float inverse_scale, const struct quant *quant, const struct step *step)
{
    const bool stochastic = step->rounding == ROUNDING_STOCHASTIC;
    const float offset = stochastic ? random_share(&step->shared->random) : 0.5f;
    return quantize_from(weight, inverse_scale, quant->zero_point, offset);
}

static void move_with_momentum(const struct structures *structures, const struct step *step, uint32_t o,
                               const struct quant *before)
{
    const uint32_t elements = structures->elements;
    const struct quant *after = structures->weights.quant;
    const float inverse_scale = 1.0f / after->scale;
    const struct descent descent = momentum_u8(structures, step, o, before->scale);
    uint8_t *weights = (uint8_t *)structures->weights.data + o * elements;
    float *velocity = structures->velocity + o * elements;
    void *gradient = accumulators_of(structures, o);
    for (uint32_t i = 0; i < elements; i++) {
        const float slope = (float)accumulator_at(gradient, i, structures->gradient_bytes);
        const float value = descended(dequantize(weights[i], before), slope, velocity + i, descent);
        velocity[i] = next_velocity(velocity[i], slope, descent);
        weights[i] = write_back(value, inverse_scale, after, step);
        accumulator_set(gradient, i, structures->gradient_bytes, 0);
    }
}

/* What the bias of structure `o` moves by; `factor` turns the sum over the minibatch into a step without momentum. */
static float bias_change(const struct structures *structures, const struct step *step, uint32_t o, float sum,
                         float factor)
{
    if (!structures->bias_velocity) {
        return factor * sum;
    }
    structures->bias_velocity[o] = step->momentum * structures->bias_velocity[o] + sum / (float)step->batch_size;
    return factor * (float)step->batch_size * structures->bias_velocity[o];
}

static float bias_factor(const struct structures *structures, const struct step *step)
{
    const float unit = structures->selection->bias_scale;
    const float factor = step->learning_rate * structures->output_error.quant->scale / ((float)step->batch_size * unit);
    return step->optimizer == OPTIMIZER_MOMENTUM ? factor * (unit * unit) : factor;
}

static void descend_bias_u8(const struct structures *structures, const struct step *step, uint32_t o, float factor)
{
    int32_t *bias = structures->bias.data;
    int32_t *gradient = structures->bias_gradient;
    bias[o] = round_to_bias((float)bias[o] - bias_change(structures, step, o, (float)gradient[o], factor));
    gradient[o] = 0;
}

void update_structures_u8(const void *params, struct step *step)
{
    const struct structures *structures = params;
    struct quant *quant = structures->weights.quant;
    const struct quant before = *quant;
    const struct extremes needed = range_needed(structures, step);
    const float factor = bias_factor(structures, step);
    if (!range_still_fits(quant, needed, step->weight_slack)) {
        follow_range(quant, needed, step->weight_smoothing);
    }

    for (uint32_t o = 0; o < structures->count; o++) {
        if (!structures->touched[o]) {
            requantize_weights(structures, step, o, &before);
            continue;
        }
        if (step->optimizer == OPTIMIZER_STANDARDIZED) {
            standardized_u8_move(structures, step, o, &before);
        } else {
            move_with_momentum(structures, step, o, &before);
        }
        descend_bias_u8(structures, step, o, factor);
        if (accumulates_narrowly(structures)) {
            structures->exponents[o] = 0;
        }
        structures->touched[o] = 0;
    }
}

static void descend_structure_f32(const struct structures *structures, const struct step *step, uint32_t o)
{
    const uint32_t first = o * structures->elements;
    float *weights = structures->weights.data;
    float *gradient = structures->gradient;
    const struct descent descent = step->optimizer == OPTIMIZER_STANDARDIZED
                                       ? standardized_f32(gradient + first, structures->elements, step->learning_rate)
                                       : with_momentum(step, 1.0f, 1.0f);
    for (uint32_t i = first; i < first + structures->elements; i++) {
        const float *velocity = velocity_at(structures, i);
        weights[i] = descended(weights[i], gradient[i], velocity, descent);
        if (velocity) {
            structures->velocity[i] = next_velocity(*velocity, gradient[i], descent);
        }
    }
    memset(gradient + first, 0, structures->elements * sizeof *gradient);
}

static void descend_bias_f32(const struct structures *structures, const struct step *step, uint32_t o)
{
    float *bias = structures->bias.data;
    float *gradient = structures->bias_gradient;
    const float factor = step->learning_rate / (float)step->batch_size;
    bias[o] -= bias_change(structures, step, o, gradient[o], factor);
    gradient[o] = 0.0f;
}

void update_structures_f32(const void *params, struct step *step)
{
    const struct structures *structures = params;
    for (uint32_t o = 0; o < structures->count; o++) {
        if (structures->touched[o]) {
            descend_structure_f32(structures, step, o);
            descend_bias_f32(structures, step, o);
            structures->touched[o] = 0;
        }
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
