#include "trainer/select.h"

#include <string.h>

#include "kernels/lanes.h"
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

/* How many structures a ratio grants a layer, at least `fewest`. */
static uint32_t granted(const struct structures *structures, float ratio, uint32_t fewest)
{
    const uint32_t count = (uint32_t)(ratio * (float)structures->count);
    if (count < fewest) {
        return fewest;
    }
    return count < structures->count ? count : structures->count;
}

/* How many the dynamic policy grants a layer whose mean error is `error`. */
static uint32_t granted_dynamically(const struct structures *structures, const struct step *step, float error)
{
    const float by_error = relative_error(structures->selection, error);
    const float relative = step->ratio_form == RATIO_POSTER ? relative_loss(step) : by_error;
    const float ratio = step->min_ratio + relative * (step->max_ratio - step->min_ratio);
    return granted(structures, ratio, step->ratio_form == RATIO_FOLLOW_UP ? 1 : 0);
}

/* The k-th largest of `values` (k from 1); reorders them, so that the k largest stand first. Hoare's quickselect. */
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

#define GROUP 4

/* Write the largest magnitude of each group of structures, and return the number of groups. */
static uint32_t group_maxima(uint32_t *maxima, const uint32_t *magnitudes, uint32_t count)
{
    uint32_t groups = 0;
    for (; count >= GROUP; count -= GROUP, magnitudes += GROUP) {
        const uint32_t first = magnitudes[0] > magnitudes[1] ? magnitudes[0] : magnitudes[1];
        const uint32_t second = magnitudes[2] > magnitudes[3] ? magnitudes[2] : magnitudes[3];
        maxima[groups++] = first > second ? first : second;
    }
    return groups;
}

/* A magnitude, not 0, that at least `count` structures reach if as many have an error: so many groups reach it. */
static uint32_t reached_by_enough(const struct structures *structures, uint32_t count)
{
    uint32_t *maxima = structures->ranking + structures->count;
    const uint32_t groups = group_maxima(maxima, structures->ranking, structures->count);
    const uint32_t reached = count <= groups ? kth_largest(maxima, groups, count) : 0;
    return reached > 0 ? reached : 1;
}

/* Select `count` where fewer than that have an error: those, and the first ones of the others. */
static void select_with_zeros(const struct structures *structures, uint32_t count, uint32_t with_error)
{
    uint32_t zeros = count - with_error;
    uint16_t *selected = structures->selected;
    for (uint32_t i = 0; i < structures->count; i++) {
        if (structures->ranking[i] != 0) {
            *selected++ = (uint16_t)i;
        } else if (zeros > 0) {
            zeros--;
            *selected++ = (uint16_t)i;
        }
    }
}

/* Keep of the selected, which are more, the `count` with the largest of `magnitudes`; reorders these. */
static void keep_largest(const struct structures *structures, uint32_t count, uint32_t *magnitudes, uint32_t selected)
{
    const uint32_t threshold = kth_largest(magnitudes, selected, count);
    uint32_t ties = 0;
    for (uint32_t i = 0; i < count; i++) {
        ties += magnitudes[i] == threshold;
    }
    uint16_t *kept = structures->selected;
    for (uint32_t i = 0; i < selected; i++) {
        const uint16_t structure = structures->selected[i];
        const uint32_t magnitude = structures->ranking[structure];
        if (magnitude > threshold || (magnitude == threshold && ties > 0)) {
            ties -= magnitude == threshold;
            *kept++ = structure;
        }
    }
}

/* Where only a few structures have an error, the magnitudes of the others are zero. */
static bool few_have_errors(const struct structures *structures)
{
    return structures->bearers != NULL && structures->bearers->selection->count < structures->count / 2;
}

/* List structure `i` as the next candidate if it reaches the magnitude `least`. */
static inline uint32_t list_if_reached(const struct structures *structures, uint32_t i, uint32_t least,
                                       uint32_t candidates)
{
    const uint32_t magnitude = structures->ranking[i];
    if (magnitude < least) {
        return candidates;
    }
    structures->selected[candidates] = (uint16_t)i;
    structures->ranking[structures->count + candidates] = magnitude;
    return candidates + 1;
}

/* Choose the `count` structures with the largest magnitude; of equal ones those with the lower index. Where `few` have
 * errors, they are the bearers. */
static void select_largest(const struct structures *structures, uint32_t count, bool few)
{
    structures->selection->count = count;
    if (count == 0) {
        return;
    }
    uint32_t candidates = 0;
    if (few) {
        for (uint32_t i = 0; i < structures->bearers->selection->count; i++) {
            candidates = list_if_reached(structures, structures->bearers->selected[i], 1, candidates);
        }
    } else {
        const uint32_t least = reached_by_enough(structures, count);
        for (uint32_t i = 0; i < structures->count; i++) {
            candidates = list_if_reached(structures, i, least, candidates);
        }
    }
    if (candidates < count) {
        select_with_zeros(structures, count, candidates);
    } else if (candidates > count) {
        keep_largest(structures, count, structures->ranking + structures->count, candidates);
    }
}

/* All of those in the last layers of the step; the earliest of them takes its gradient last. */
static void select_last_layers(const struct structures *structures, struct step *step)
{
    const uint32_t layers = (uint32_t)(step->min_ratio * (float)step->trained_layers);
    select_all(structures);
    step->backward_ends = structures->layers_behind + 1 >= layers;
}

static void select_at_random(const struct structures *structures, struct step *step, uint32_t count)
{
    for (uint32_t o = 0; o < structures->count; o++) {
        structures->ranking[o] = random_next(&step->shared->random);
    }
    select_largest(structures, count, false);
}

/* Choose where magnitudes do not matter, or return false. */
static bool select_without_magnitudes(const struct structures *structures, struct step *step)
{
    const uint32_t count = granted(structures, step->min_ratio, 1);
    switch (step->policy) {
    case POLICY_FULL:
        select_all(structures);
        return true;
    case POLICY_LAST_LAYERS:
        select_last_layers(structures, step);
        return true;
    case POLICY_DYNAMIC:
        return false;
    default:
        if (count == structures->count) {
            select_all(structures);
        } else if (step->policy == POLICY_RANDOM) {
            select_at_random(structures, step, count);
        } else {
            return false;
        }
        return true;
    }
}

/* Choose by the magnitudes in `ranking`, which make a mean error of `error`. */
static void select_by_magnitude(const struct structures *structures, struct step *step, float error)
{
    const bool dynamic = step->policy == POLICY_DYNAMIC;
    const uint32_t count =
        dynamic ? granted_dynamically(structures, step, error) : granted(structures, step->min_ratio, 1);
    if (count == structures->count) {
        select_all(structures);
    } else {
        select_largest(structures, count, few_have_errors(structures));
    }
}

#ifdef __ARM_FEATURE_DSP
#define STRUCTURES_AT_ONCE 4

/* As many distances of two uint8 as fit a sum of 16 bits. */
#define MOST_ADDED 257

/* Write the sums over the positions of |error - zero| of four structures, and return their sum. */
static uint32_t sum_magnitudes(uint32_t magnitudes[STRUCTURES_AT_ONCE], const uint8_t *error, uint32_t pitch,
                               uint32_t positions, uint32_t zeros)
{
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    while (positions > 0) {
        const uint32_t added = positions < MOST_ADDED ? positions : MOST_ADDED;
        uint32_t even = 0;
        uint32_t odd = 0;
        positions -= added;
#pragma GCC unroll 4
        for (uint32_t left = added; left > 0; left--, error += pitch) {
            const uint32_t word = load_word(error);
            const uint32_t below = __usub8(zeros, word);
            const uint32_t distances = __sel(__usub8(word, zeros), below);
            even = add_even_bytes(even, distances);
            odd = add_odd_bytes(odd, distances);
        }
        sum0 += even & 0xFFFFu;
        sum1 += odd & 0xFFFFu;
        sum2 += even >> 16;
        sum3 += odd >> 16;
    }
    magnitudes[0] = sum0;
    magnitudes[1] = sum1;
    magnitudes[2] = sum2;
    magnitudes[3] = sum3;
    return sum0 + sum1 + sum2 + sum3;
}
#endif

static uint32_t magnitude_of(const uint8_t *error, const struct structures *structures)
{
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint32_t count = structures->count;
    uint32_t sum = 0;
#pragma GCC unroll 4
    for (uint32_t left = structures->positions; left > 0; left--, error += count) {
#ifdef __ARM_FEATURE_DSP
        sum = __usada8(*error, (uint32_t)zero, sum);
#else
        const int32_t e = *error - zero;
        sum += (uint32_t)(e < 0 ? -e : e);
#endif
    }
    return sum;
}

/* Rank all structures and return the sum of their magnitudes. */
static uint32_t rank_all_by_magnitude(const struct structures *structures)
{
    const uint8_t *error = structures->output_error.data;
    const uint32_t count = structures->count;
    uint32_t total = 0;
    uint32_t o = 0;
#ifdef __ARM_FEATURE_DSP
    const uint32_t zeros = (uint32_t)structures->output_error.quant->zero_point * 0x01010101u;
    const uint32_t positions = structures->positions;
    for (; o + STRUCTURES_AT_ONCE <= count; o += STRUCTURES_AT_ONCE) {
        total += sum_magnitudes(structures->ranking + o, error + o, count, positions, zeros);
    }
#endif
    for (; o < count; o++) {
        structures->ranking[o] = magnitude_of(error + o, structures);
        total += structures->ranking[o];
    }
    return total;
}

static uint32_t rank_by_magnitude(const struct structures *structures)
{
    const uint8_t *error = structures->output_error.data;
    if (!few_have_errors(structures)) {
        return rank_all_by_magnitude(structures);
    }
    uint32_t total = 0;
    memset(structures->ranking, 0, structures->count * sizeof *structures->ranking);
    for (uint32_t i = 0; i < structures->bearers->selection->count; i++) {
        const uint32_t o = structures->bearers->selected[i];
        structures->ranking[o] = magnitude_of(error + o, structures);
        total += structures->ranking[o];
    }
    return total;
}

void select_structures_u8(const void *params, struct step *step)
{
    const struct structures *structures = params;
    if (select_without_magnitudes(structures, step)) {
        return;
    }
    const uint32_t total = rank_by_magnitude(structures);
    const float mean = (float)total / (float)structures->output_error.elements * structures->output_error.quant->scale;
    select_by_magnitude(structures, step, mean);
}

void select_structures_f32(const void *params, struct step *step)
{
    const struct structures *structures = params;
    if (select_without_magnitudes(structures, step)) {
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
    select_by_magnitude(structures, step, total / (float)structures->output_error.elements);
}
