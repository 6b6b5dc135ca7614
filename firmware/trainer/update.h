/* What happens when a minibatch closes: new weights, new ranges, new bias units. */
#ifndef HARNESS_UPDATE_H
#define HARNESS_UPDATE_H

#include "trainer/plan.h"

struct tracked_ranges {
    struct quant *const *list;
    uint32_t count;
};

/* w <- w - lr (g - mean) / deviation for every structure with a gradient, then b <- b - lr mean(g_b). */
void update_structures_u8(const void *structures, struct step *step);
void update_structures_f32(const void *structures, struct step *step);

/* Let the tracked ranges follow what the minibatch showed. */
void update_ranges(const void *tracked_ranges, struct step *step);

/* Express the int32 bias in the unit that the new scales of input and weights give it. */
void update_bias_unit(const void *structures, struct step *step);

#endif
