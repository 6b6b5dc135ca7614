/* Softmax cross-entropy of the logits, and its gradient: the first error of the backward pass. */
#ifndef HARNESS_SOFTMAX_LOSS_H
#define HARNESS_SOFTMAX_LOSS_H

#include "trainer/plan.h"

struct softmax_loss {
    struct tensor logits;
    struct tensor error;  /* may lie in place of the logits */
    float *probabilities; /* [classes], scratch */
};

void softmax_loss_u8(const void *loss, struct step *step);
void softmax_loss_f32(const void *loss, struct step *step);

#endif
