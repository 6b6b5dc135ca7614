/* Fully connected layer. Weights are [units][features]. */
#ifndef HARNESS_DENSE_H
#define HARNESS_DENSE_H

#include "kernels/activation.h"
#include "kernels/scratch.h"
#include "trainer/plan.h"

/* Steps whose gradients a layer adds in one go, so that an accumulator is loaded and stored once for all of them. They
 * wait here until there is no room or the minibatch closes. All zero when nothing waits. */
struct burst {
    uint32_t room;   /* for steps, a multiple of four; 0: each step adds its gradients at once */
    uint32_t *held;  /* steps that wait */
    uint8_t *inputs; /* [features / 2][room][2] */
    int16_t *errors; /* [units / 4][room / 2][4][2], less the zero point, 0 for rows that were not selected */
};

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
    struct burst burst;
};

void dense_u8_forward(const void *dense, struct step *step);
void dense_u8_gradient(const void *dense, struct step *step);
void dense_u8_error(const void *dense, struct step *step);

/* Add the gradients of the steps that wait. */
void dense_u8_settle(const void *dense, struct step *step);

void dense_f32_forward(const void *dense, struct step *step);
void dense_f32_gradient(const void *dense, struct step *step);
void dense_f32_error(const void *dense, struct step *step);

#endif
