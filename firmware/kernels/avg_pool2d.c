#include "kernels/avg_pool2d.h"

#include "numeric/affine.h"

/* The windows that hold an input position, in one direction: first <= window < end. */
struct covering {
    uint32_t first;
    uint32_t end;
};

static struct covering windows_covering(uint32_t position, uint32_t size, uint32_t stride, uint32_t windows)
{
    const uint32_t first = position < size ? 0 : (position - size) / stride + 1;
    const uint32_t end = position / stride + 1;
    return (struct covering){first, end < windows ? end : windows};
}

static float inverse_window(const struct avg_pool2d *pool)
{
    return 1.0f / (float)(pool->size_y * pool->size_x);
}

void avg_pool2d_u8_forward(const void *avg_pool2d, struct step *step)
{
    const struct avg_pool2d *pool = avg_pool2d;
    const uint8_t *input = pool->input.data;
    uint8_t *output = pool->output.data;
    const int32_t zero = pool->input.quant->zero_point;
    const struct factor factor = factor_of(inverse_window(pool));
    (void)step;

    for (uint32_t y = 0; y < pool->output_height; y++) {
        for (uint32_t x = 0; x < pool->output_width; x++) {
            const uint8_t *window =
                input + (y * pool->stride_y * pool->input_width + x * pool->stride_x) * pool->channels;
            for (uint32_t c = 0; c < pool->channels; c++) {
                int32_t sum = 0;
                for (uint32_t window_y = 0; window_y < pool->size_y; window_y++) {
                    for (uint32_t window_x = 0; window_x < pool->size_x; window_x++) {
                        sum += (int32_t)window[(window_y * pool->input_width + window_x) * pool->channels + c] - zero;
                    }
                }
                *output++ = requantize(sum, factor, zero);
            }
        }
    }
}

void avg_pool2d_f32_forward(const void *avg_pool2d, struct step *step)
{
    const struct avg_pool2d *pool = avg_pool2d;
    const float *input = pool->input.data;
    float *output = pool->output.data;
    const float factor = inverse_window(pool);
    (void)step;

    for (uint32_t y = 0; y < pool->output_height; y++) {
        for (uint32_t x = 0; x < pool->output_width; x++) {
            const float *window =
                input + (y * pool->stride_y * pool->input_width + x * pool->stride_x) * pool->channels;
            for (uint32_t c = 0; c < pool->channels; c++) {
                float sum = 0.0f;
                for (uint32_t window_y = 0; window_y < pool->size_y; window_y++) {
                    for (uint32_t window_x = 0; window_x < pool->size_x; window_x++) {
                        sum += window[(window_y * pool->input_width + window_x) * pool->channels + c];
                    }
                }
                *output++ = sum * factor;
            }
        }
    }
}

/* The error of a mean is the error of its parts, each worth 1 / window of it: the numbers stay, the scale shrinks. */
static void derive_error_quant(const struct avg_pool2d *pool)
{
    const struct quant *from = pool->output_error.quant;
    struct quant *quant = pool->input_error.quant;
    const float factor = inverse_window(pool);
    quant->scale = from->scale * factor;
    quant->zero_point = from->zero_point;
    quant->low = from->low * factor;
    quant->high = from->high * factor;
}

void avg_pool2d_u8_error(const void *avg_pool2d, struct step *step)
{
    const struct avg_pool2d *pool = avg_pool2d;
    const uint8_t *input = pool->input.data;
    const uint8_t *error = pool->output_error.data;
    uint8_t *input_error = pool->input_error.data;
    const int32_t zero = pool->output_error.quant->zero_point;
    const struct open_interval passing = passing_u8(pool->input_activation, pool->input.quant);
    (void)step;

    derive_error_quant(pool);
    for (uint32_t y = 0; y < pool->input_height; y++) {
        const struct covering rows = windows_covering(y, pool->size_y, pool->stride_y, pool->output_height);
        for (uint32_t x = 0; x < pool->input_width; x++) {
            const struct covering columns = windows_covering(x, pool->size_x, pool->stride_x, pool->output_width);
            for (uint32_t c = 0; c < pool->channels; c++, input++, input_error++) {
                if (!passes_u8(*input, passing)) {
                    *input_error = (uint8_t)zero;
                    continue;
                }
                int32_t sum = zero;
                for (uint32_t row = rows.first; row < rows.end; row++) {
                    for (uint32_t column = columns.first; column < columns.end; column++) {
                        sum += (int32_t)error[(row * pool->output_width + column) * pool->channels + c] - zero;
                    }
                }
                /* beyond uint8 only where windows overlap */
                *input_error = sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
            }
        }
    }
}

void avg_pool2d_f32_error(const void *avg_pool2d, struct step *step)
{
    const struct avg_pool2d *pool = avg_pool2d;
    const float *input = pool->input.data;
    const float *error = pool->output_error.data;
    float *input_error = pool->input_error.data;
    const float factor = inverse_window(pool);
    (void)step;

    for (uint32_t y = 0; y < pool->input_height; y++) {
        const struct covering rows = windows_covering(y, pool->size_y, pool->stride_y, pool->output_height);
        for (uint32_t x = 0; x < pool->input_width; x++) {
            const struct covering columns = windows_covering(x, pool->size_x, pool->stride_x, pool->output_width);
            for (uint32_t c = 0; c < pool->channels; c++, input++, input_error++) {
                if (!passes_f32(*input, pool->input_activation)) {
                    *input_error = 0.0f;
                    continue;
                }
                float sum = 0.0f;
                for (uint32_t row = rows.first; row < rows.end; row++) {
                    for (uint32_t column = columns.first; column < columns.end; column++) {
                        sum += error[(row * pool->output_width + column) * pool->channels + c];
                    }
                }
                *input_error = sum * factor;
            }
        }
    }
}
