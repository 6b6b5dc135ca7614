#include "kernels/conv2d.h"

void conv2d_f32_forward(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const float *input = conv->input.data;
    const float *bias = conv->bias.data;
    float *output = conv->output.data;
    const uint32_t channels = shape->input_channels;
    const uint32_t filter_elements = shape->kernel_height * shape->kernel_width * channels;
    (void)step;

    for (uint32_t output_y = 0; output_y < shape->output_height; output_y++) {
        for (uint32_t output_x = 0; output_x < shape->output_width; output_x++) {
            const float *filter = conv->weights.data;
            for (uint32_t o = 0; o < shape->filters; o++, filter += filter_elements) {
                float sum = bias[o];
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
                        const float *pixel = input + (y * shape->input_width + x) * channels;
                        const float *weight = filter + (kernel_y * shape->kernel_width + kernel_x) * channels;
                        for (uint32_t c = 0; c < channels; c++) {
                            sum += pixel[c] * weight[c];
                        }
                    }
                }
                *output++ = activate_f32(sum, conv->activation);
            }
        }
    }
}

void conv2d_f32_gradient(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const struct structures *structures = conv->structures;
    const float *input = conv->input.data;
    const float *error = structures->output_error.data;
    float *bias_gradient = structures->bias_gradient;
    const uint32_t channels = shape->input_channels;
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        float *gradient = (float *)structures->gradient + o * structures->elements;
        float error_sum = 0.0f;
        for (uint32_t position = 0; position < structures->positions; position++) {
            error_sum += error[position * shape->filters + o];
        }
        bias_gradient[o] += error_sum;
        structures->touched[o] = 1;

        for (uint32_t kernel_y = 0; kernel_y < shape->kernel_height; kernel_y++) {
            for (uint32_t kernel_x = 0; kernel_x < shape->kernel_width; kernel_x++) {
                for (uint32_t c = 0; c < channels; c++, gradient++) {
                    float sum = 0.0f;
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
                            sum += input[(y * shape->input_width + x) * channels + c] *
                                   error[(output_y * shape->output_width + output_x) * shape->filters + o];
                        }
                    }
                    *gradient += sum;
                }
            }
        }
    }
}

void conv2d_f32_error(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const struct structures *structures = conv->structures;
    const float *input = conv->input.data;
    const float *error = structures->output_error.data;
    const float *weights = conv->weights.data;
    float *input_error = conv->input_error.data;
    const uint32_t channels = shape->input_channels;
    const uint32_t filter_elements = structures->elements;
    (void)step;

    for (uint32_t y = 0; y < shape->input_height; y++) {
        for (uint32_t x = 0; x < shape->input_width; x++) {
            for (uint32_t c = 0; c < channels; c++, input++, input_error++) {
                if (!passes_f32(*input, conv->input_activation)) {
                    *input_error = 0.0f;
                    continue;
                }
                float sum = 0.0f;
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
                        const float *pixel = error + (output_y * shape->output_width + output_x) * shape->filters;
                        const float *weight = weights + (kernel_y * shape->kernel_width + kernel_x) * channels + c;
                        for (uint32_t i = 0; i < structures->selection->count; i++) {
                            const uint32_t o = structures->selected[i];
                            sum += pixel[o] * weight[o * filter_elements];
                        }
                    }
                }
                *input_error = sum;
            }
        }
    }
}
