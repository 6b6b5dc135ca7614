#include "kernels/max_pool2d.h"

#include <string.h>

/* Index of the input element at offset `winner` of the window of output (y, x), channel c. */
static uint32_t window_index(const struct max_pool2d *pool, uint32_t y, uint32_t x, uint32_t c, uint32_t winner)
{
    const uint32_t input_y = y * pool->stride_y + winner / pool->size_x;
    const uint32_t input_x = x * pool->stride_x + winner % pool->size_x;
    return (input_y * pool->input_width + input_x) * pool->channels + c;
}

#define MAX_POOL2D_FORWARD(element)                                                       \
    const struct max_pool2d *pool = params;                                               \
    const element *input = pool->input.data;                                              \
    element *output = pool->output.data;                                                  \
    uint32_t i = 0;                                                                       \
    (void)step;                                                                           \
    for (uint32_t y = 0; y < pool->output_height; y++) {                                  \
        for (uint32_t x = 0; x < pool->output_width; x++) {                               \
            for (uint32_t c = 0; c < pool->channels; c++, i++) {                          \
                uint32_t winner = 0;                                                      \
                element highest = input[window_index(pool, y, x, c, 0)];                  \
                for (uint32_t at = 1; at < (uint32_t)pool->size_y * pool->size_x; at++) { \
                    const element candidate = input[window_index(pool, y, x, c, at)];     \
                    if (candidate > highest) {                                            \
                        highest = candidate;                                              \
                        winner = at;                                                      \
                    }                                                                     \
                }                                                                         \
                output[i] = highest;                                                      \
                if (pool->winner) {                                                       \
                    pool->winner[i] = (uint8_t)winner;                                    \
                }                                                                         \
            }                                                                             \
        }                                                                                 \
    }

void max_pool2d_u8_forward(const void *params, struct step *step)
{
    MAX_POOL2D_FORWARD(uint8_t)
}

void max_pool2d_f32_forward(const void *params, struct step *step)
{
    MAX_POOL2D_FORWARD(float)
}

void max_pool2d_u8_error(const void *params, struct step *step)
{
    const struct max_pool2d *pool = params;
    const uint8_t *error = pool->output_error.data;
    uint8_t *input_error = pool->input_error.data;
    const int32_t zero = pool->output_error.quant->zero_point;
    (void)step;

    /* The error keeps its quantization; where windows overlap, sums saturate. */
    memset(input_error, zero, pool->input_error.elements);
    for (uint32_t y = 0, i = 0; y < pool->output_height; y++) {
        for (uint32_t x = 0; x < pool->output_width; x++) {
            for (uint32_t c = 0; c < pool->channels; c++, i++) {
                uint8_t *target = input_error + window_index(pool, y, x, c, pool->winner[i]);
                const int32_t sum = (int32_t)*target + error[i] - zero;
                *target = sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
            }
        }
    }
}

void max_pool2d_f32_error(const void *params, struct step *step)
{
    const struct max_pool2d *pool = params;
    const float *error = pool->output_error.data;
    float *input_error = pool->input_error.data;
    (void)step;

    memset(input_error, 0, pool->input_error.elements * sizeof *input_error);
    for (uint32_t y = 0, i = 0; y < pool->output_height; y++) {
        for (uint32_t x = 0; x < pool->output_width; x++) {
            for (uint32_t c = 0; c < pool->channels; c++, i++) {
                input_error[window_index(pool, y, x, c, pool->winner[i])] += error[i];
            }
        }
    }
}
