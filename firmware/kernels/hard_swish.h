/* hard-swish, x * relu6(x + 3) / 6 (Howard et al. 2019, arXiv 1905.02244); cannot be folded: its derivative needs x. */
#ifndef HARNESS_HARD_SWISH_H
#define HARNESS_HARD_SWISH_H

#include "trainer/plan.h"

struct hard_swish {
    struct tensor input;
    struct tensor output;
    struct tensor output_error;
    struct tensor input_error; /* may lie in place of the input */
    void *table;               /* uint8: 1024 bytes of scratch for tables over all input values */
};

void hard_swish_u8_forward(const void *hard_swish, struct step *step);
void hard_swish_u8_error(const void *hard_swish, struct step *step);
void hard_swish_f32_forward(const void *hard_swish, struct step *step);
void hard_swish_f32_error(const void *hard_swish, struct step *step);

#endif
