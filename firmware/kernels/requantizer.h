/* From the accumulators of a layer to its uint8 outputs, noting the extremes on the way. */
#ifndef HARNESS_REQUANTIZER_H
#define HARNESS_REQUANTIZER_H

#include "kernels/activation.h"
#include "kernels/passing.h"

/* `count` outputs from `first` on that come from no extreme, and only those of an activation need to be clamped. None,
 * where there is no short factor. */
struct outputs_inside {
    int32_t first;
    uint32_t count;
};

struct requantizer {
    struct short_factor short_factor; /* adds the zero point as well; where there is none, the exact one is taken */
    struct factor factor;
    int32_t zero_point;
    struct bounds bounds;
    bool activated;
    struct outputs_inside inside;
    int32_t lowest; /* of an activated output it may be missed */
    int32_t highest;
};

struct requantizer requantizer_of(float unit, const struct quant *quant, enum activation activation);

/* Note the extremes and return the output. */
uint8_t requantizer_take(struct requantizer *requantizer, int32_t sum);

/* The same for a kernel that has copied what lies inside; only where there is a short factor or nothing lies inside. */
static inline int32_t requantizer_take_shortly(struct requantizer *requantizer, struct short_factor factor,
                                               struct outputs_inside *inside, int32_t sum)
{
    const int32_t value = rescale_shortly(sum, factor);
    if (__builtin_expect((uint32_t)value - (uint32_t)inside->first < inside->count, 1)) {
        return value;
    }
    const uint8_t output = requantizer_take(requantizer, sum);
    *inside = requantizer->inside;
    return output;
}

/* Take the sums of `rows` outputs that lie side by side. */
void requantizer_take_rows(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows, uint8_t *outputs);

/* The same for errors of `values`, which may lie in the same place: those that do not pass are zero, and unseen. */
void requantizer_take_passing(struct requantizer *requantizer, const uint32_t *sums, uint32_t rows,
                              const uint8_t *values, const struct mask *mask, uint8_t *errors);

/* The same for outputs[at[i]], `count` of them. */
void requantizer_take_at(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t count,
                         uint8_t *outputs);

/* The same where bit i of `wanted` is set. */
void requantizer_take_wanted(struct requantizer *requantizer, const uint32_t *sums, const uint32_t *at, uint32_t wanted,
                             uint8_t *outputs);

#endif
