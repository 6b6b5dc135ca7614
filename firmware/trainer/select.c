#include "trainer/select.h"

#include <string.h>

#include "numeric/affine.h"
#include "numeric/random.h"
#include "trainer/request.h"

static void select_all(const struct structures *structures)
{
    for (uint32_t i = 0; i < structures->count; i++) {
        structures->selected[i] = (uint16_t)i;
    }
    structures->selection->count = structures->count;
}

/* The error of a layer whose mean is `error` relative to the largest seen so far. */
static float relative_error(struct selection *selection, float error)
{
    if (error > selection->error_max) {
        selection->error_max = error;
    }
    return selection->error_max > 0.0f ? error / selection->error_max : 0.0f;
}

static float relative_loss(const struct step *step)
{
    return step->shared->loss_max > 0.0f ? step->loss / step->shared->loss_max : 0.0f;
}

/* How many structures the policy grants a layer whose mean error is `error`. */
static uint32_t granted(const struct structures *structures, const struct step *step, float error)
{
    float ratio = step->min_ratio;
    uint32_t fewest = 1;
    if (step->policy == POLICY_DYNAMIC) {
        const float relative = relative_error(structures->selection, error);
        const bool by_loss = step->ratio_form == RATIO_POSTER;
        ratio += (by_loss ? relative_loss(step) : relative) * (step->max_ratio - step->min_ratio);
        fewest = step->ratio_form == RATIO_FOLLOW_UP ? 1 : 0;
    }
    const uint32_t count = (uint32_t)(ratio * (float)structures->count);
    if (count < fewest) {
        return fewest;
    }
    return count < structures->count ? count : structures->count;
}

/* Does the policy leave the choice to nobody? Then it is made here. */
static bool select_without_ranking(const struct structures *structures, struct step *step)
{
    if (step->policy == POLICY_FULL) {
        select_all(structures);
        return true;
    }
    if (step->policy == POLICY_LAST_LAYERS) {
        const uint32_t layers = (uint32_t)(step->min_ratio * (float)step->trained_layers);
        if (structures->layers_behind < layers || structures->layers_behind == 0) {
            select_all(structures);
        } else {
            structures->selection->count = 0;
            step->backward_ends = true;
        }
        return true;
    }
    return false;
}

/* The k-th largest of `values` (k from 1); reorders them. Hoare's quickselect, descending. */
static uint32_t kth_largest(uint32_t *values, uint32_t count, uint32_t k)
{
    int32_t left = 0;
    int32_t right = (int32_t)count - 1;
    const int32_t wanted = (int32_t)k - 1;
    while (left < right) {
        const uint32_t pivot = values[(left + right) / 2];
        int32_t i = left;
        int32_t j = right;
        while (i <= j) {
            while (values[i] > pivot) {
                i++;
            }
            while (values[j] < pivot) {
                j--;
            }
            if (i <= j) {
                const uint32_t swapped = values[i];
                values[i++] = values[j];
                values[j--] = swapped;
            }
        }
        if (wanted <= j) {
            right = j;
        } else if (wanted >= i) {
            left = i;
        } else {
            break;
        }
    }
    return values[wanted];
}

/* Choose the `count` structures with the largest magnitude; of equal ones those with the lower index. */
static void select_largest(const struct structures *structures, uint32_t count)
{
    structures->selection->count = count;
    if (count == 0) {
        return;
    }
    const uint32_t *magnitudes = structures->ranking;
    uint32_t *reordered = structures->ranking + structures->count;
    for (uint32_t i = 0; i < structures->count; i++) {
        reordered[i] = magnitudes[i];
    }
    const uint32_t threshold = kth_largest(reordered, structures->count, count);
    uint32_t ties = count;
    for (uint32_t i = 0; i < structures->count; i++) {
        ties -= magnitudes[i] > threshold;
    }
    uint16_t *selected = structures->selected;
    for (uint32_t i = 0; i < structures->count; i++) {
        if (magnitudes[i] > threshold) {
            *selected++ = (uint16_t)i;
        } else if (magnitudes[i] == threshold && ties > 0) {
            *selected++ = (uint16_t)i;
            ties--;
        }
    }
}

/* Choose by the magnitudes in `ranking`, as many as a mean error of `error` grants. */
static void select_ranked(const struct structures *structures, struct step *step, float error)
{
    const uint32_t count = granted(structures, step, error);
    if (count == structures->count) {
        select_all(structures);
        return;
    }
    if (step->policy == POLICY_RANDOM) {
        for (uint32_t o = 0; o < structures->count; o++) {
            structures->ranking[o] = random_next(&step->shared->random);
        }
    }
    select_largest(structures, count);
}

#ifdef __ARM_FEATURE_DSP
#define STRUCTURES_AT_ONCE 4

/* Sums over the positions of |error - zero| of four structures: the differences of four bytes at once. */
static void sum_magnitudes(uint32_t magnitudes[STRUCTURES_AT_ONCE], const uint8_t *error,
                           const struct structures *structures)
{
    const uint32_t zeros = (uint32_t)structures->output_error.quant->zero_point * 0x01010101u;
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    for (uint32_t position = 0; position < structures->positions; position++, error += structures->count) {
        uint32_t word;
        memcpy(&word, error, sizeof word);
        const uint32_t below = __usub8(zeros, word);
        const uint32_t above = __usub8(word, zeros);
        const uint32_t distances = __sel(above, below);
        sum0 += distances & 0xFFu;
        sum1 += distances >> 8 & 0xFFu;
        sum2 += distances >> 16 & 0xFFu;
        sum3 += distances >> 24;
    }
    magnitudes[0] = sum0;
    magnitudes[1] = sum1;
    magnitudes[2] = sum2;
    magnitudes[3] = sum3;
}
#endif

static uint32_t magnitude_of(const uint8_t *error, const struct structures *structures)
{
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint32_t count = structures->count;
    uint32_t sum = 0;
    for (uint32_t left = structures->positions; left > 0; left--, error += count) {
        const int32_t e = *error - zero;
        sum += (uint32_t)(e < 0 ? -e : e);
    }
    return sum;
}

static void rank_by_magnitude(const struct structures *structures)
{
    const uint8_t *error = structures->output_error.data;
    uint32_t o = 0;
#ifdef __ARM_FEATURE_DSP
    for (; o + STRUCTURES_AT_ONCE <= structures->count; o += STRUCTURES_AT_ONCE) {
        sum_magnitudes(structures->ranking + o, error + o, structures);
    }
#endif
    for (; o < structures->count; o++) {
        structures->ranking[o] = magnitude_of(error + o, structures);
    }
}

void select_structures_u8(const void *params, struct step *step)
{
    const struct structures *structures = params;
    if (select_without_ranking(structures, step)) {
        return;
    }
    const uint32_t *magnitudes = structures->ranking;
    uint32_t total = 0;
    rank_by_magnitude(structures);
    for (uint32_t o = 0; o < structures->count; o++) {
        total += magnitudes[o];
    }
    const float mean = (float)total / (float)structures->output_error.elements * structures->output_error.quant->scale;
    select_ranked(structures, step, mean);
}

void select_structures_f32(const void *params, struct step *step)
{
    const struct structures *structures = params;
    if (select_without_ranking(structures, step)) {
        return;
    }
    const float *error = structures->output_error.data;
    float total = 0.0f;
    for (uint32_t o = 0; o < structures->count; o++) {
        float magnitude = 0.0f;
        for (uint32_t position = 0; position < structures->positions; position++) {
            const float e = error[position * structures->count + o];
            magnitude += e < 0.0f ? -e : e;
        }
        total += magnitude;
        /* Bits of floats that are not negative order like the floats. */
        structures->ranking[o] = float_bits(magnitude);
    }
    select_ranked(structures, step, total / (float)structures->output_error.elements);
}
