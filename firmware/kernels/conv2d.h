/* 2-D convolution. Activations are [height][width][channels], weights [filters][kernel
 * height][kernel width][channels]. */
#ifndef HARNESS_CONV2D_H
#define HARNESS_CONV2D_H

#include "kernels/activation.h"
#include "kernels/scratch.h"
#include "kernels/window.h"
#include "trainer/plan.h"

struct conv2d_shape {
    uint16_t input_height;
    uint16_t input_width;
    uint16_t input_channels;
    uint16_t output_height;
    uint16_t output_width;
    uint16_t filters;
    uint16_t kernel_height;
    uint16_t kernel_width;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t padding_y;
    uint16_t padding_x;
};

struct conv2d {
    struct conv2d_shape shape;
    struct tensor input;
    struct tensor output;
    struct tensor weights;
    struct tensor bias;
    struct tensor input_error;           /* may lie in place of the input */
    enum activation activation;          /* folded into the output */
    enum activation input_activation;    /* what the input came out of: masks its error */
    const struct structures *structures; /* NULL: frozen */
    struct scratch forward_scratch;
    struct scratch gradient_scratch;
    struct scratch error_scratch;
};

void conv2d_u8_forward(const void *conv2d, struct step *step);
void conv2d_u8_gradient(const void *conv2d, struct step *step);
void conv2d_u8_error(const void *conv2d, struct step *step);

void conv2d_f32_forward(const void *conv2d, struct step *step);
void conv2d_f32_gradient(const void *conv2d, struct step *step);
void conv2d_f32_error(const void *conv2d, struct step *step);

/* The output row that reads input row `y` through kernel row `kernel_y`. Returns false when there is none. */
static inline bool conv2d_output_row(const struct conv2d_shape *shape, uint32_t y, uint32_t kernel_y,
                                     uint32_t *output_y)
{
    return window_reading(y + shape->padding_y, kernel_y, shape->stride_y, shape->output_height, output_y);
}

/* The output column that reads input column `x` through kernel column `kernel_x`; likewise. */
static inline bool conv2d_output_column(const struct conv2d_shape *shape, uint32_t x, uint32_t kernel_x,
                                        uint32_t *output_x)
{
    return window_reading(x + shape->padding_x, kernel_x, shape->stride_x, shape->output_width, output_x);
}

#endif
