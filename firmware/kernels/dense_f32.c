#include "kernels/dense.h"

void dense_f32_forward(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const float *input = layer->input.data;
    const float *weight = layer->weights.data;
    const float *bias = layer->bias.data;
    float *output = layer->output.data;
    (void)step;

    for (uint32_t o = 0; o < layer->units; o++) {
        float sum = bias[o];
        for (uint32_t f = 0; f < layer->features; f++) {
            sum += input[f] * *weight++;
        }
        output[o] = activate_f32(sum, layer->activation);
    }
}

void dense_f32_gradient(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const struct structures *structures = layer->structures;
    const float *input = layer->input.data;
    const float *error = structures->output_error.data;
    float *bias_gradient = structures->bias_gradient;
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        float *gradient = (float *)structures->gradient + o * layer->features;
        bias_gradient[o] += error[o];
        structures->touched[o] = 1;
        for (uint32_t f = 0; f < layer->features; f++) {
            gradient[f] += input[f] * error[o];
        }
    }
}

void dense_f32_error(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const struct structures *structures = layer->structures;
    const float *input = layer->input.data;
    const float *error = structures->output_error.data;
    const float *weights = layer->weights.data;
    float *input_error = layer->input_error.data;
    (void)step;

    for (uint32_t f = 0; f < layer->features; f++) {
        if (!passes_f32(input[f], layer->input_activation)) {
            input_error[f] = 0.0f;
            continue;
        }
        float sum = 0.0f;
        for (uint32_t i = 0; i < structures->selection->count; i++) {
            const uint32_t o = structures->selected[i];
            sum += error[o] * weights[o * layer->features + f];
        }
        input_error[f] = sum;
    }
}
