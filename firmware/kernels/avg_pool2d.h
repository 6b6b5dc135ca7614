/* Mean over windows; a window as large as the input makes it global. The output keeps the quantization of the input. */
#ifndef HARNESS_AVG_POOL2D_H
#define HARNESS_AVG_POOL2D_H

#include "kernels/activation.h"
#include "trainer/plan.h"

struct avg_pool2d {
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
    struct tensor output_error;
    struct tensor input_error; /* may lie in place of the input; its quant is derived: scale / window */
    enum activation input_activation;
};

void avg_pool2d_u8_forward(const void *avg_pool2d, struct step *step);
void avg_pool2d_u8_error(const void *avg_pool2d, struct step *step);
void avg_pool2d_f32_forward(const void *avg_pool2d, struct step *step);
void avg_pool2d_f32_error(const void *avg_pool2d, struct step *step);

#endif
