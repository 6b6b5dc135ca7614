/* The twin leaves the training state of chosen steps in files, from which a target can go on. */
#ifndef HARNESS_SAVED_STATES_H
#define HARNESS_SAVED_STATES_H

#include <stdint.h>

/* Write the state to a file if step `number` was chosen. */
void save_state_after(uint32_t number);

#endif
