#include "kernels/avg_pool2d.h"

#include "kernels/passing.h"
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

/* As many uint8 as fit a sum of 16 bits. */
#define MOST_ADDED 257

#define CHANNELS_AT_ONCE 4

/* Add `count` pixels to the sums of four channels, two sums in a word. */
static void add_row(uint32_t sums[CHANNELS_AT_ONCE], const uint8_t *pixel, uint32_t pixel_pitch, uint32_t count)
{
    while (count > 0) {
        const uint32_t added = count < MOST_ADDED ? count : MOST_ADDED;
        uint32_t even = 0;
        uint32_t odd = 0;
#pragma GCC unroll 4
        for (uint32_t left = added; left > 0; left--, pixel += pixel_pitch) {
            const uint32_t word = load_aligned_word(pixel);
            even += even_bytes(word);
            odd += odd_bytes(word);
        }
        sums[0] += even & 0xFFFFu;
        sums[1] += odd & 0xFFFFu;
        sums[2] += even >> 16;
        sums[3] += odd >> 16;
        count -= added;
    }
}

static int32_t window_sum(const struct avg_pool2d *pool, const uint8_t *window)
{
    const uint32_t pixel_pitch = pool->channels;
    const uint32_t row_pitch = pool->input_width * pixel_pitch;
    int32_t sum = 0;
    for (uint32_t row = 0; row < pool->size_y; row++, window += row_pitch) {
        const uint8_t *value = window;
        for (uint32_t left = pool->size_x; left > 0; left--, value += pixel_pitch) {
            sum += *value;
        }
    }
    return sum;
}

/* The means of all channels over one window. */
static void average(const struct avg_pool2d *pool, const uint8_t *window, uint8_t *output, struct factor factor)
{
    const int32_t zero = pool->input.quant->zero_point;
    const int32_t zeros = zero * (int32_t)(pool->size_y * pool->size_x);
    const uint32_t row_pitch = pool->input_width * (uint32_t)pool->channels;
    uint32_t c = 0;
    if (are_words(pool->input.data, pool->channels)) {
        for (; c < pool->channels; c += CHANNELS_AT_ONCE, window += CHANNELS_AT_ONCE) {
            uint32_t sums[CHANNELS_AT_ONCE] = {0, 0, 0, 0};
            for (uint32_t row = 0; row < pool->size_y; row++) {
                add_row(sums, window + row * row_pitch, pool->channels, pool->size_x);
            }
            for (uint32_t i = 0; i < CHANNELS_AT_ONCE; i++) {
                *output++ = requantize((int32_t)sums[i] - zeros, factor, zero);
            }
        }
    }
    for (; c < pool->channels; c++, window++) {
        *output++ = requantize(window_sum(pool, window) - zeros, factor, zero);
    }
}

void avg_pool2d_u8_forward(const void *avg_pool2d, struct step *step)
{
    const struct avg_pool2d *pool = avg_pool2d;
    const uint8_t *input = pool->input.data;
    uint8_t *output = pool->output.data;
    const struct factor factor = factor_of(inverse_window(pool));
    (void)step;

    for (uint32_t y = 0; y < pool->output_height; y++) {
        for (uint32_t x = 0; x < pool->output_width; x++, output += pool->channels) {
            const uint32_t pixel = y * pool->stride_y * pool->input_width + x * pool->stride_x;
            average(pool, input + pixel * pool->channels, output, factor);
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

/* Sum of the errors of the windows that hold an input; beyond uint8 only where windows overlap. */
static uint8_t summed_error(const struct avg_pool2d *pool, struct covering rows, struct covering columns, uint32_t c)
{
    const uint8_t *error = pool->output_error.data;
    const int32_t zero = pool->output_error.quant->zero_point;
    int32_t sum = zero;
    for (uint32_t row = rows.first; row < rows.end; row++) {
        for (uint32_t column = columns.first; column < columns.end; column++) {
            sum += (int32_t)error[(row * pool->output_width + column) * pool->channels + c] - zero;
        }
    }
    return clamped(sum, (struct bounds){0, 255});
}

void avg_pool2d_u8_error(const void *avg_pool2d, struct step *step)
{
    const struct avg_pool2d *pool = avg_pool2d;
    const uint32_t channels = pool->channels;
    const uint8_t *input = pool->input.data;
    const uint8_t *error = pool->output_error.data;
    uint8_t *input_error = pool->input_error.data;
    const struct mask mask = mask_of(pool->input_activation, pool->input.quant, pool->output_error.quant->zero_point);
    (void)step;

    derive_error_quant(pool);
    for (uint32_t y = 0; y < pool->input_height; y++) {
        const struct covering rows = windows_covering(y, pool->size_y, pool->stride_y, pool->output_height);
        for (uint32_t x = 0; x < pool->input_width; x++, input += channels, input_error += channels) {
            const struct covering columns = windows_covering(x, pool->size_x, pool->stride_x, pool->output_width);
            if (rows.end - rows.first == 1 && columns.end - columns.first == 1) {
                const uint8_t *pixel = error + (rows.first * pool->output_width + columns.first) * channels;
                copy_passing(input_error, pixel, input, channels, &mask);
                continue;
            }
            for (uint32_t c = 0; c < channels; c++) {
                const bool passes = passes_u8(input[c], mask.passing);
                input_error[c] = passes ? summed_error(pool, rows, columns, c) : mask.zero;
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
