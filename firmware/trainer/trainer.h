/* Training and evaluation over the operations of the plan. */
#ifndef HARNESS_TRAINER_H
#define HARNESS_TRAINER_H

#include "trainer/plan.h"

/* Put the initial state into the arena. */
void trainer_reset(uint32_t seed);

/* Put a state into the arena that an earlier run of the same plan was left in. */
void trainer_resume(const void *state);

/* One training step on training sample `sample`; closes the minibatch when `closes_minibatch`. */
void trainer_step(struct step *step, uint32_t sample, bool closes_minibatch);

/* Complete the gradients of a minibatch that stays open. */
void trainer_settle(struct step *step);

/* Forward pass and loss on the sample at `index` of the store (test samples follow the training samples). */
void trainer_evaluate(struct step *step, uint32_t index);

/* FNV-1a over the whole state. */
uint32_t trainer_state_checksum(void);

#endif
