/* The standardized update of uint8 weights, w <- w - lr (g - mean) / deviation of each structure, in integers. */
#ifndef HARNESS_STANDARDIZED_U8_H
#define HARNESS_STANDARDIZED_U8_H

#include "trainer/plan.h"

/* Weights less their zero point, in quantization steps of 2^-16; zero is always among them. */
struct span {
    int32_t low;
    int32_t high;
};

/* Widen `span` to what the touched structure `o` needs after its update, whose direction is kept for the update. */
void standardized_u8_foresee(const struct structures *structures, const struct step *step, uint32_t o,
                             struct span *span);

/* Widen `span` to the weights of structure `o` as they are. */
void span_widen(struct span *span, const struct structures *structures, uint32_t o);

/* Update the weights of the touched structure `o` and clear its gradient; the quantization was `before`. */
void standardized_u8_move(const struct structures *structures, const struct step *step, uint32_t o,
                          const struct quant *before);

/* Express the weights of structure `o`, which do not move, in the new quantization, if there is one. */
void requantize_weights(const struct structures *structures, const struct step *step, uint32_t o,
                        const struct quant *before);

#endif
