/* Sum of two tensors of one shape: the end of a residual block, and where errors of two paths meet. */
#ifndef HARNESS_ADD_H
#define HARNESS_ADD_H

#include "kernels/activation.h"
#include "trainer/plan.h"

struct add {
    struct tensor left;
    struct tensor right;
    struct tensor output; /* may lie in place of either */
};

/* output = left + right. uint8: each input is brought to the scale of the output by a factor of its own; the sum of
 * both products is exact in int64, and rounded once, half up. */
void add_u8_forward(const void *add, struct step *step);
void add_f32_forward(const void *add, struct step *step);

struct error_sum {
    struct tensor left;
    struct tensor right;
    struct tensor sum; /* may lie in place of either */
};

/* sum = left + right; quantized by its own, possibly tracked, range */
void error_sum_u8(const void *error_sum, struct step *step);
void error_sum_f32(const void *error_sum, struct step *step);

struct error_mask {
    struct tensor value; /* the activation whose error it is */
    struct tensor output_error;
    struct tensor input_error; /* may lie in place of the value; same quant as the output error */
    enum activation activation;
};

/* input_error = output_error where the activation of `value` passes, else zero */
void error_mask_u8(const void *error_mask, struct step *step);
void error_mask_f32(const void *error_mask, struct step *step);

#endif
