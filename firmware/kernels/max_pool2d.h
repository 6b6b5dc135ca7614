/* Maximum over windows. Forward notes where each maximum was, so the input need not be kept for the backward pass. */
#ifndef HARNESS_MAX_POOL2D_H
#define HARNESS_MAX_POOL2D_H

#include "trainer/plan.h"

struct max_pool2d {
    uint16_t input_height;
    uint16_t input_width;
    uint16_t channels;
    uint16_t output_height;
    uint16_t output_width;
    uint16_t size_y;
    uint16_t size_x;
    uint16_t stride_y;
    uint16_t stride_x;
    struct tensor input;
    struct tensor output;
    uint8_t *winner; /* [output elements], offset of the maximum in its window; NULL: not needed */
    struct tensor output_error;
    struct tensor input_error;
};

void max_pool2d_u8_forward(const void *pool, struct step *step);
void max_pool2d_u8_error(const void *pool, struct step *step);
void max_pool2d_f32_forward(const void *pool, struct step *step);
void max_pool2d_f32_error(const void *pool, struct step *step);

#endif
