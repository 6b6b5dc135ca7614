#include "kernels/dense.h"
#include "numeric/affine.h"

void dense_u8_forward(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const uint8_t *input = layer->input.data;
    const uint8_t *weight = layer->weights.data;
    const int32_t *bias = layer->bias.data;
    uint8_t *output = layer->output.data;
    const int32_t input_zero = layer->input.quant->zero_point;
    const int32_t weight_zero = layer->weights.quant->zero_point;
    const int32_t output_zero = layer->output.quant->zero_point;
    const float unit = layer->input.quant->scale * layer->weights.quant->scale;
    const struct bounds bounds = bounds_u8(layer->activation, layer->output.quant);
    const struct factor factor = factor_of(unit / layer->output.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t o = 0; o < layer->units; o++) {
        int32_t sum = bias[o];
        for (uint32_t f = 0; f < layer->features; f++) {
            sum += ((int32_t)input[f] - input_zero) * ((int32_t)*weight++ - weight_zero);
        }
        lowest = sum < lowest ? sum : lowest;
        highest = sum > highest ? sum : highest;
        output[o] = requantize_clamped(sum, factor, output_zero, bounds);
    }
    if (step->training && layer->output.quant->tracked) {
        see_activated(layer->output.quant, layer->activation, lowest, highest, unit);
    }
}

void dense_u8_gradient(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const struct structures *structures = layer->structures;
    const uint8_t *input = layer->input.data;
    const uint8_t *error = structures->output_error.data;
    int32_t *bias_gradient = structures->bias_gradient;
    const int32_t input_zero = layer->input.quant->zero_point;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        const int32_t e = (int32_t)error[o] - error_zero;
        int32_t *gradient = (int32_t *)structures->gradient + o * layer->features;
        bias_gradient[o] = saturating_add(bias_gradient[o], e);
        structures->touched[o] = 1;
        for (uint32_t f = 0; f < layer->features; f++) {
            gradient[f] = saturating_add(gradient[f], ((int32_t)input[f] - input_zero) * e);
        }
    }
}

void dense_u8_error(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const struct structures *structures = layer->structures;
    const uint8_t *input = layer->input.data;
    const uint8_t *error = structures->output_error.data;
    const uint8_t *weights = layer->weights.data;
    uint8_t *input_error = layer->input_error.data;
    const struct open_interval passing = passing_u8(layer->input_activation, layer->input.quant);
    const int32_t weight_zero = layer->weights.quant->zero_point;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    const int32_t input_error_zero = layer->input_error.quant->zero_point;
    const float unit = layer->weights.quant->scale * structures->output_error.quant->scale;
    const struct factor factor = factor_of(unit / layer->input_error.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t f = 0; f < layer->features; f++) {
        if (!passes_u8(input[f], passing)) {
            input_error[f] = (uint8_t)input_error_zero;
            continue;
        }
        int32_t sum = 0;
        for (uint32_t i = 0; i < structures->selection->count; i++) {
            const uint32_t o = structures->selected[i];
            sum += ((int32_t)error[o] - error_zero) * ((int32_t)weights[o * layer->features + f] - weight_zero);
        }
        lowest = sum < lowest ? sum : lowest;
        highest = sum > highest ? sum : highest;
        input_error[f] = requantize(sum, factor, input_error_zero);
    }
    if (step->training && layer->input_error.quant->tracked) {
        quant_see(layer->input_error.quant, lowest, highest, unit);
    }
}
