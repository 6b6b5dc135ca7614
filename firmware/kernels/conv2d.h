/* 2-D convolution. Activations are [height][width][channels], weights [filters][kernel][kernel][channels]. */
#ifndef HARNESS_CONV2D_H
#define HARNESS_CONV2D_H

#include "trainer/plan.h"

struct conv2d_shape {
    uint16_t input_height;
    uint16_t input_width;
    uint16_t input_channels;
    uint16_t output_height;
    uint16_t output_width;
    uint16_t filters;
    uint16_t kernel;
    uint16_t stride;
    uint16_t padding;
};

struct conv2d {
    struct conv2d_shape shape;
    struct tensor input;
    struct tensor output;
    struct tensor weights;
    struct tensor bias;
    struct tensor input_error; /* may lie in place of the input */
    bool relu;
    bool input_relu; /* the input comes out of a ReLU: its error is zero where it is zero */
    const struct structures *structures; /* NULL: frozen */
};

void conv2d_u8_forward(const void *conv2d, struct step *step);
void conv2d_u8_gradient(const void *conv2d, struct step *step);
void conv2d_u8_error(const void *conv2d, struct step *step);

void conv2d_f32_forward(const void *conv2d, struct step *step);
void conv2d_f32_gradient(const void *conv2d, struct step *step);
void conv2d_f32_error(const void *conv2d, struct step *step);

/* The output row (or column) that reads input position `at` through kernel offset `offset`. Returns false when there
 * is none. */
static inline bool conv2d_output_at(uint32_t at, uint32_t offset, const struct conv2d_shape *shape, uint32_t extent,
                                    uint32_t *output)
{
    uint32_t shifted = at + shape->padding;
    if (shifted < offset || (shifted - offset) % shape->stride != 0) {
        return false;
    }
    *output = (shifted - offset) / shape->stride;
    return *output < extent;
}

#endif
