/* From the accumulators of a layer to its uint8 outputs, noting the extremes on the way. */
#ifndef HARNESS_REQUANTIZER_H
#define HARNESS_REQUANTIZER_H

#include "kernels/activation.h"
#include "kernels/passing.h"

struct requantizer {
    struct short_factor short_factor; /* adds the zero point as well; where there is none, the exact one is taken */
    struct factor factor;
    int32_t zero_point;
    struct bounds bounds;
    bool activated;
#ifdef __ARM_FEATURE_DSP
    struct byte_range inside; /* outputs that come from no extreme */
#endif
    int32_t lowest; /* of an activated output it may be missed */
    int32_t highest;
};

struct requantizer requantizer_of(float unit, const struct quant *quant, enum activation activation);

static inline uint8_t requantizer_take(struct requantizer *requantizer, int32_t sum)
{
    requantizer->lowest = sum < requantizer->lowest ? sum : requantizer->lowest;
    requantizer->highest = sum > requantizer->highest ? sum : requantizer->highest;
    if (requantizer->short_factor.mantissa == 0) {
        return requantize_clamped(sum, requantizer->factor, requantizer->zero_point, requantizer->bounds);
    }
    return clamped(rescale_shortly(sum, requantizer->short_factor), requantizer->bounds);
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

/* What follows is for kernels that take their sums themselves; only where there is a short factor. */
static inline uint32_t saturated(int32_t value)
{
#ifdef __ARM_FEATURE_DSP
    return __usat(value, 8);
#else
    return clamped(value, (struct bounds){0, 255});
#endif
}

#ifdef __ARM_FEATURE_DSP
#define OUTPUTS_AT_ONCE 4

static inline uint32_t output_word(const uint32_t sums[OUTPUTS_AT_ONCE], struct short_factor factor)
{
    const uint32_t output0 = saturated(rescale_shortly((int32_t)sums[0], factor));
    const uint32_t output1 = saturated(rescale_shortly((int32_t)sums[1], factor));
    const uint32_t output2 = saturated(rescale_shortly((int32_t)sums[2], factor));
    const uint32_t output3 = saturated(rescale_shortly((int32_t)sums[3], factor));
    return pack_low(output0, output2) | pack_low(output1, output3) << 8;
}

static inline bool lie_inside(struct byte_range inside, uint32_t outputs)
{
    return __builtin_expect(select_in_range(outputs, inside, 0, ~0u) == 0, 1);
}

/* Note the extremes of sums whose outputs do not lie inside, and return what lies inside now. Of those whose values do
 * not pass nothing is seen; without values all pass. */
struct byte_range requantizer_see(struct requantizer *requantizer, const uint32_t sums[OUTPUTS_AT_ONCE],
                                  const uint8_t *values, const struct mask *mask);
#endif

#endif
