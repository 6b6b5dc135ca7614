/* Fully connected layer. Weights are [units][features]. */
#ifndef HARNESS_DENSE_H
#define HARNESS_DENSE_H

#include "kernels/activation.h"
#include "kernels/scratch.h"
#include "trainer/plan.h"

struct dense {
    uint32_t features;
    uint32_t units;
    struct tensor input;
    struct tensor output;
    struct tensor weights;
    struct tensor bias;
    struct tensor input_error;           /* may lie in place of the input */
    enum activation activation;          /* folded into the output */
    enum activation input_activation;    /* what the input came out of: masks its error */
    const struct structures *structures; /* NULL: frozen */
    struct scratch forward_scratch;
    struct scratch error_scratch;
};

void dense_u8_forward(const void *dense, struct step *step);
void dense_u8_gradient(const void *dense, struct step *step);
void dense_u8_error(const void *dense, struct step *step);

void dense_f32_forward(const void *dense, struct step *step);
void dense_f32_gradient(const void *dense, struct step *step);
void dense_f32_error(const void *dense, struct step *step);

#endif
