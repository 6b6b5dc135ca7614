#include "kernels/depthwise_conv2d.h"
#include "kernels/window.h"

void depthwise_conv2d_f32_forward(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const float *input = conv->input.data;
    const float *bias = conv->bias.data;
    float *output = conv->output.data;
    const uint32_t channels = conv->channels;
    (void)step;

    for (uint32_t output_y = 0; output_y < conv->output_height; output_y++) {
        for (uint32_t output_x = 0; output_x < conv->output_width; output_x++) {
            const float *weight = conv->weights.data;
            for (uint32_t c = 0; c < channels; c++) {
                float sum = bias[c];
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
                        sum += input[(y * conv->input_width + x) * channels + c] * *weight;
                    }
                }
                *output++ = activate_f32(sum, conv->activation);
            }
        }
    }
}

void depthwise_conv2d_f32_gradient(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const struct structures *structures = conv->structures;
    const float *input = conv->input.data;
    const float *error = structures->output_error.data;
    float *bias_gradient = structures->bias_gradient;
    const uint32_t channels = conv->channels;
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t c = structures->selected[i];
        float *gradient = (float *)structures->gradient + c * structures->elements;
        float error_sum = 0.0f;
        for (uint32_t position = 0; position < structures->positions; position++) {
            error_sum += error[position * channels + c];
        }
        bias_gradient[c] += error_sum;
        structures->touched[c] = 1;

        for (uint32_t kernel_y = 0; kernel_y < conv->kernel_height; kernel_y++) {
            for (uint32_t kernel_x = 0; kernel_x < conv->kernel_width; kernel_x++, gradient++) {
                float sum = 0.0f;
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
                        sum += input[(y * conv->input_width + x) * channels + c] *
                               error[(output_y * conv->output_width + output_x) * channels + c];
                    }
                }
                *gradient += sum;
            }
        }
    }
}

/* Sum of the errors that reach input (y, x, c) through the filter of channel c. */
static float error_through_filter(const struct depthwise_conv2d *conv, uint32_t y, uint32_t x, uint32_t c)
{
    const float *error = conv->structures->output_error.data;
    const float *filter = (const float *)conv->weights.data + c * conv->structures->elements;
    float sum = 0.0f;
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
            sum += error[(output_y * conv->output_width + output_x) * conv->channels + c] *
                   filter[kernel_y * conv->kernel_width + kernel_x];
        }
    }
    return sum;
}

void depthwise_conv2d_f32_error(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const struct structures *structures = conv->structures;
    const float *input = conv->input.data;
    float *input_error = conv->input_error.data;
    (void)step;

    for (uint32_t y = 0; y < conv->input_height; y++) {
        for (uint32_t x = 0; x < conv->input_width; x++) {
            const uint16_t *selected = structures->selected;
            const uint16_t *selected_end = selected + structures->selection->count;
            for (uint32_t c = 0; c < conv->channels; c++, input++, input_error++) {
                const bool is_selected = selected != selected_end && *selected == c;
                if (is_selected) {
                    selected++;
                }
                const bool passes = is_selected && passes_f32(*input, conv->input_activation);
                *input_error = passes ? error_through_filter(conv, y, x, c) : 0.0f;
            }
        }
    }
}
