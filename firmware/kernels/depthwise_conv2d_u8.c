#include "kernels/depthwise_conv2d.h"
#include "kernels/window.h"
#include "numeric/affine.h"
#include "trainer/accumulator.h"

void depthwise_conv2d_u8_forward(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const uint8_t *input = conv->input.data;
    const int32_t *bias = conv->bias.data;
    uint8_t *output = conv->output.data;
    const uint32_t channels = conv->channels;
    const int32_t input_zero = conv->input.quant->zero_point;
    const int32_t weight_zero = conv->weights.quant->zero_point;
    const int32_t output_zero = conv->output.quant->zero_point;
    const float unit = conv->input.quant->scale * conv->weights.quant->scale;
    const struct bounds bounds = bounds_u8(conv->activation, conv->output.quant);
    const struct factor factor = factor_of(unit / conv->output.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t output_y = 0; output_y < conv->output_height; output_y++) {
        for (uint32_t output_x = 0; output_x < conv->output_width; output_x++) {
            const uint8_t *weight = conv->weights.data;
            for (uint32_t c = 0; c < channels; c++) {
                int32_t sum = bias[c];
                for (uint32_t kernel_y = 0; kernel_y < conv->kernel_height; kernel_y++) {
                    const uint32_t y = output_y * conv->stride_y + kernel_y - conv->padding_y;
                    if (y >= conv->input_height) {
                        weight += conv->kernel_width;
                        continue;
                    }
                    for (uint32_t kernel_x = 0; kernel_x < conv->kernel_width; kernel_x++, weight++) {
                        const uint32_t x = output_x * conv->stride_x + kernel_x - conv->padding_x;
                        if (x >= conv->input_width) {
                            continue;
                        }
                        const int32_t pixel = input[(y * conv->input_width + x) * channels + c];
                        sum += (pixel - input_zero) * ((int32_t)*weight - weight_zero);
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

void depthwise_conv2d_u8_gradient(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const struct structures *structures = conv->structures;
    const uint8_t *input = conv->input.data;
    const uint8_t *error = structures->output_error.data;
    int32_t *bias_gradient = structures->bias_gradient;
    const uint32_t channels = conv->channels;
    const int32_t input_zero = conv->input.quant->zero_point;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t c = structures->selected[i];
        uint32_t tap = 0;
        int32_t error_sum = 0;
        for (uint32_t position = 0; position < structures->positions; position++) {
            error_sum += (int32_t)error[position * channels + c] - error_zero;
        }
        bias_gradient[c] = saturating_add(bias_gradient[c], error_sum);
        structures->touched[c] = 1;

        for (uint32_t kernel_y = 0; kernel_y < conv->kernel_height; kernel_y++) {
            for (uint32_t kernel_x = 0; kernel_x < conv->kernel_width; kernel_x++, tap++) {
                int32_t sum = 0;
                for (uint32_t output_y = 0; output_y < conv->output_height; output_y++) {
                    const uint32_t y = output_y * conv->stride_y + kernel_y - conv->padding_y;
                    if (y >= conv->input_height) {
                        continue;
                    }
                    for (uint32_t output_x = 0; output_x < conv->output_width; output_x++) {
                        const uint32_t x = output_x * conv->stride_x + kernel_x - conv->padding_x;
                        if (x >= conv->input_width) {
                            continue;
                        }
                        const int32_t pixel = input[(y * conv->input_width + x) * channels + c];
                        const int32_t e = error[(output_y * conv->output_width + output_x) * channels + c];
                        sum += (pixel - input_zero) * (e - error_zero);
                    }
                }
                if (accumulates_narrowly(structures)) {
                    const uint32_t added = (uint32_t)sum;
                    accumulate_narrowly(structures, c, tap, 1, &added, 1);
                } else {
                    int32_t *gradient = (int32_t *)structures->gradient + c * structures->elements + tap;
                    *gradient = saturating_add(*gradient, sum);
                }
            }
        }
    }
}

/* Sum of the errors that reach input (y, x, c) through the filter of channel c. */
static int32_t error_through_filter(const struct depthwise_conv2d *conv, uint32_t y, uint32_t x, uint32_t c)
{
    const uint8_t *error = conv->structures->output_error.data;
    const uint8_t *filter = (const uint8_t *)conv->weights.data + c * conv->structures->elements;
    const int32_t weight_zero = conv->weights.quant->zero_point;
    const int32_t error_zero = conv->structures->output_error.quant->zero_point;
    int32_t sum = 0;
    for (uint32_t kernel_y = 0; kernel_y < conv->kernel_height; kernel_y++) {
        uint32_t output_y;
        if (!window_reading(y + conv->padding_y, kernel_y, conv->stride_y, conv->output_height, &output_y)) {
            continue;
        }
        for (uint32_t kernel_x = 0; kernel_x < conv->kernel_width; kernel_x++) {
            uint32_t output_x;
            if (!window_reading(x + conv->padding_x, kernel_x, conv->stride_x, conv->output_width, &output_x)) {
                continue;
            }
            const int32_t e = error[(output_y * conv->output_width + output_x) * conv->channels + c];
            const int32_t weight = filter[kernel_y * conv->kernel_width + kernel_x];
            sum += (e - error_zero) * (weight - weight_zero);
        }
    }
    return sum;
}

void depthwise_conv2d_u8_error(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const struct structures *structures = conv->structures;
    const uint8_t *input = conv->input.data;
    uint8_t *input_error = conv->input_error.data;
    const int32_t input_error_zero = conv->input_error.quant->zero_point;
    const float unit = conv->weights.quant->scale * structures->output_error.quant->scale;
    const struct open_interval passing = passing_u8(conv->input_activation, conv->input.quant);
    const struct factor factor = factor_of(unit / conv->input_error.quant->scale);
    int32_t lowest = 0;
    int32_t highest = 0;

    for (uint32_t y = 0; y < conv->input_height; y++) {
        for (uint32_t x = 0; x < conv->input_width; x++) {
            const uint16_t *selected = structures->selected;
            const uint16_t *selected_end = selected + structures->selection->count;
            for (uint32_t c = 0; c < conv->channels; c++, input++, input_error++) {
                const bool is_selected = selected != selected_end && *selected == c;
                if (is_selected) {
                    selected++;
                }
                if (!is_selected || !passes_u8(*input, passing)) {
                    *input_error = (uint8_t)input_error_zero;
                    continue;
                }
                const int32_t sum = error_through_filter(conv, y, x, c);
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
