#include "kernels/conv2d.h"
#include "numeric/affine.h"

void conv2d_u8_forward(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const uint8_t *input = conv->input.data;
    const int32_t *bias = conv->bias.data;
    uint8_t *output = conv->output.data;
    const uint32_t channels = shape->input_channels;
    const uint32_t filter_elements = shape->kernel_height * shape->kernel_width * channels;
    const int32_t input_zero = conv->input.quant->zero_point;
    const int32_t weight_zero = conv->weights.quant->zero_point;
    const int32_t output_zero = conv->output.quant->zero_point;
    const float unit = conv->input.quant->scale * conv->weights.quant->scale;
    const struct bounds bounds = bounds_u8(conv->activation, conv->output.quant);
    const struct factor factor = factor_of(unit / conv->output.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t output_y = 0; output_y < shape->output_height; output_y++) {
        for (uint32_t output_x = 0; output_x < shape->output_width; output_x++) {
            const uint8_t *filter = conv->weights.data;
            for (uint32_t o = 0; o < shape->filters; o++, filter += filter_elements) {
                int32_t sum = bias[o];
                for (uint32_t kernel_y = 0; kernel_y < shape->kernel_height; kernel_y++) {
                    const uint32_t y = output_y * shape->stride_y + kernel_y - shape->padding_y;
                    if (y >= shape->input_height) {
                        continue;
                    }
                    for (uint32_t kernel_x = 0; kernel_x < shape->kernel_width; kernel_x++) {
                        const uint32_t x = output_x * shape->stride_x + kernel_x - shape->padding_x;
                        if (x >= shape->input_width) {
                            continue;
                        }
                        const uint8_t *pixel = input + (y * shape->input_width + x) * channels;
                        const uint8_t *weight = filter + (kernel_y * shape->kernel_width + kernel_x) * channels;
                        for (uint32_t c = 0; c < channels; c++) {
                            sum += ((int32_t)pixel[c] - input_zero) * ((int32_t)weight[c] - weight_zero);
                        }
                    }
                }
                lowest = sum < lowest ? sum : lowest;
                highest = sum > highest ? sum : highest;
                *output++ = requantize_clamped(sum, factor, output_zero, bounds);
            }
        }
    }
    if (step->training && conv->output.quant->tracked) {
        see_activated(conv->output.quant, conv->activation, lowest, highest, unit);
    }
}

void conv2d_u8_gradient(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const struct structures *structures = conv->structures;
    const uint8_t *input = conv->input.data;
    const uint8_t *error = structures->output_error.data;
    int32_t *bias_gradient = structures->bias_gradient;
    const uint32_t channels = shape->input_channels;
    const int32_t input_zero = conv->input.quant->zero_point;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        int32_t *gradient = (int32_t *)structures->gradient + o * structures->elements;
        int32_t error_sum = 0;
        for (uint32_t position = 0; position < structures->positions; position++) {
            error_sum += (int32_t)error[position * shape->filters + o] - error_zero;
        }
        bias_gradient[o] = saturating_add(bias_gradient[o], error_sum);
        structures->touched[o] = 1;

        for (uint32_t kernel_y = 0; kernel_y < shape->kernel_height; kernel_y++) {
            for (uint32_t kernel_x = 0; kernel_x < shape->kernel_width; kernel_x++) {
                for (uint32_t c = 0; c < channels; c++, gradient++) {
                    int32_t sum = 0;
                    for (uint32_t output_y = 0; output_y < shape->output_height; output_y++) {
                        const uint32_t y = output_y * shape->stride_y + kernel_y - shape->padding_y;
                        if (y >= shape->input_height) {
                            continue;
                        }
                        for (uint32_t output_x = 0; output_x < shape->output_width; output_x++) {
                            const uint32_t x = output_x * shape->stride_x + kernel_x - shape->padding_x;
                            if (x >= shape->input_width) {
                                continue;
                            }
                            const int32_t pixel = input[(y * shape->input_width + x) * channels + c];
                            const int32_t e = error[(output_y * shape->output_width + output_x) * shape->filters + o];
                            sum += (pixel - input_zero) * (e - error_zero);
                        }
                    }
                    *gradient = saturating_add(*gradient, sum);
                }
            }
        }
    }
}

void conv2d_u8_error(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const struct structures *structures = conv->structures;
    const uint8_t *input = conv->input.data;
    const uint8_t *error = structures->output_error.data;
    const uint8_t *weights = conv->weights.data;
    uint8_t *input_error = conv->input_error.data;
    const uint32_t channels = shape->input_channels;
    const uint32_t filter_elements = structures->elements;
    const struct open_interval passing = passing_u8(conv->input_activation, conv->input.quant);
    const int32_t weight_zero = conv->weights.quant->zero_point;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    const int32_t input_error_zero = conv->input_error.quant->zero_point;
    const float unit = conv->weights.quant->scale * structures->output_error.quant->scale;
    const struct factor factor = factor_of(unit / conv->input_error.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t y = 0; y < shape->input_height; y++) {
        for (uint32_t x = 0; x < shape->input_width; x++) {
            for (uint32_t c = 0; c < channels; c++, input++, input_error++) {
                if (!passes_u8(*input, passing)) {
                    *input_error = (uint8_t)input_error_zero;
                    continue;
                }
                int32_t sum = 0;
                for (uint32_t kernel_y = 0; kernel_y < shape->kernel_height; kernel_y++) {
                    uint32_t output_y;
                    if (!conv2d_output_row(shape, y, kernel_y, &output_y)) {
                        continue;
                    }
                    for (uint32_t kernel_x = 0; kernel_x < shape->kernel_width; kernel_x++) {
                        uint32_t output_x;
                        if (!conv2d_output_column(shape, x, kernel_x, &output_x)) {
                            continue;
                        }
                        const uint8_t *pixel = error + (output_y * shape->output_width + output_x) * shape->filters;
                        const uint8_t *weight = weights + (kernel_y * shape->kernel_width + kernel_x) * channels + c;
                        for (uint32_t i = 0; i < structures->selection->count; i++) {
                            const uint32_t o = structures->selected[i];
                            sum +=
                                ((int32_t)pixel[o] - error_zero) * ((int32_t)weight[o * filter_elements] - weight_zero);
                        }
                    }
                }
                lowest = sum < lowest ? sum : lowest;
                highest = sum > highest ? sum : highest;
                *input_error = requantize(sum, factor, input_error_zero);
            }
        }
    }
    if (step->training && conv->input_error.quant->tracked) {
        quant_see(conv->input_error.quant, lowest, highest, unit);
    }
}
