#include "kernels/hard_swish.h"

#include <math.h>
#include <string.h>

#include "numeric/affine.h"

#define VALUES 256                        /* of a uint8 */
#define DERIVATIVE_ONE ((int32_t)1 << 20) /* times 255 * 3/2 it stays below 2^31 */

static float swish(float x)
{
    if (!(x > -3.0f)) {
        return 0.0f;
    }
    return x < 3.0f ? x * (x + 3.0f) * (1.0f / 6.0f) : x;
}

static float swish_derivative(float x)
{
    if (!(x > -3.0f)) {
        return 0.0f;
    }
    return x < 3.0f ? (x + 1.5f) * (1.0f / 3.0f) : 1.0f;
}

void hard_swish_u8_forward(const void *hard_swish, struct step *step)
{
    const struct hard_swish *layer = hard_swish;
    const uint8_t *input = layer->input.data;
    uint8_t *output = layer->output.data;
    struct quant *quant = layer->output.quant;
    const uint32_t elements = layer->input.elements;
    uint8_t *occurs = layer->table;
    uint8_t *swished = occurs + VALUES;
    const float inverse_scale = 1.0f / quant->scale;
    float lowest = 0.0f;
    float highest = 0.0f;

    memset(occurs, 0, VALUES);
    for (uint32_t i = 0; i < elements; i++) {
        occurs[input[i]] = 1;
    }
    for (uint32_t q = 0; q < VALUES; q++) {
        if (!occurs[q]) {
            continue;
        }
        const float value = swish(dequantize((uint8_t)q, layer->input.quant));
        lowest = value < lowest ? value : lowest;
        highest = value > highest ? value : highest;
        swished[q] = quantize(value, inverse_scale, quant->zero_point);
    }
    for (uint32_t i = 0; i < elements; i++) {
        output[i] = swished[input[i]];
    }
    if (step->training && quant->tracked) {
        quant_see_real(quant, lowest, highest);
    }
}

void hard_swish_u8_error(const void *hard_swish, struct step *step)
{
    const struct hard_swish *layer = hard_swish;
    const uint8_t *input = layer->input.data;
    const uint8_t *error = layer->output_error.data;
    uint8_t *input_error = layer->input_error.data;
    int32_t *derivative = layer->table;
    const int32_t error_zero = layer->output_error.quant->zero_point;
    const int32_t input_error_zero = layer->input_error.quant->zero_point;
    const float unit = layer->output_error.quant->scale / (float)DERIVATIVE_ONE;
    const struct factor factor = factor_of(unit / layer->input_error.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t q = 0; q < VALUES; q++) {
        const float exact = swish_derivative(dequantize((uint8_t)q, layer->input.quant));
        derivative[q] = (int32_t)lroundf(exact * (float)DERIVATIVE_ONE);
    }
    for (uint32_t i = 0; i < layer->input.elements; i++) {
        const int32_t product = ((int32_t)error[i] - error_zero) * derivative[input[i]];
        lowest = product < lowest ? product : lowest;
        highest = product > highest ? product : highest;
        input_error[i] = requantize(product, factor, input_error_zero);
    }
    if (step->training && layer->input_error.quant->tracked) {
        quant_see(layer->input_error.quant, lowest, highest, unit);
    }
}

void hard_swish_f32_forward(const void *hard_swish, struct step *step)
{
    const struct hard_swish *layer = hard_swish;
    const float *input = layer->input.data;
    float *output = layer->output.data;
    (void)step;

    for (uint32_t i = 0; i < layer->input.elements; i++) {
        output[i] = swish(input[i]);
    }
}

void hard_swish_f32_error(const void *hard_swish, struct step *step)
{
    const struct hard_swish *layer = hard_swish;
    const float *input = layer->input.data;
    const float *error = layer->output_error.data;
    float *input_error = layer->input_error.data;
    (void)step;

    for (uint32_t i = 0; i < layer->input.elements; i++) {
        input_error[i] = error[i] * swish_derivative(input[i]);
    }
}
