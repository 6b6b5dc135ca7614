/* Depthwise 2-D convolution: one filter a channel. Weights are [channels][kernel height][kernel width]; the structures
 * are the channels. */
#ifndef HARNESS_DEPTHWISE_CONV2D_H
#define HARNESS_DEPTHWISE_CONV2D_H

#include "kernels/activation.h"
#include "kernels/scratch.h"
#include "trainer/plan.h"

struct depthwise_conv2d {
    uint16_t input_height;
    uint16_t input_width;
    uint16_t channels;
    uint16_t output_height;
    uint16_t output_width;
    uint16_t kernel_height;
    uint16_t kernel_width;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t padding_y;
    uint16_t padding_x;
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

void depthwise_conv2d_u8_forward(const void *depthwise_conv2d, struct step *step);
void depthwise_conv2d_u8_gradient(const void *depthwise_conv2d, struct step *step);
/* A channel that is not selected passes no error on: its input error is zero, like that of masked inputs. */
void depthwise_conv2d_u8_error(const void *depthwise_conv2d, struct step *step);

void depthwise_conv2d_f32_forward(const void *depthwise_conv2d, struct step *step);
void depthwise_conv2d_f32_gradient(const void *depthwise_conv2d, struct step *step);
void depthwise_conv2d_f32_error(const void *depthwise_conv2d, struct step *step);

#endif
