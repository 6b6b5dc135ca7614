#include "trainer/select.h"

#include "numeric/affine.h"
#include "trainer/request.h"

static void select_all(const struct structures *structures)
{
    for (uint32_t i = 0; i < structures->count; i++) {
        structures->selected[i] = (uint16_t)i;
    }
    structures->selection->count = structures->count;
}

/* How many structures the policy grants a layer whose mean error is `error`. The dynamic form is the one of the
 * follow-up paper: k = max(floor((l_min + e / e_max (l_max - l_min)) N), 1). */
static uint32_t granted(const struct structures *structures, const struct step *step, float error)
{
    struct selection *selection = structures->selection;
    float ratio = step->min_ratio;
    if (step->policy == POLICY_DYNAMIC) {
        if (error > selection->error_max) {
            selection->error_max = error;
        }
        const float relative = selection->error_max > 0.0f ? error / selection->error_max : 0.0f;
        ratio += relative * (step->max_ratio - step->min_ratio);
    }
    const uint32_t count = (uint32_t)(ratio * (float)structures->count);
    if (count < 1) {
        return 1;
    }
    return count < structures->count ? count : structures->count;
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
    structures->selection->count = count;
}

void select_structures_u8(const void *params, struct step *step)
{
    const struct structures *structures = params;
    if (step->policy == POLICY_FULL) {
        select_all(structures);
        return;
    }
    const uint8_t *error = structures->output_error.data;
    const int32_t zero = structures->output_error.quant->zero_point;
    uint32_t *magnitudes = structures->ranking;
    uint32_t total = 0;
    for (uint32_t o = 0; o < structures->count; o++) {
        magnitudes[o] = 0;
    }
    for (uint32_t position = 0; position < structures->positions; position++) {
        for (uint32_t o = 0; o < structures->count; o++) {
            const int32_t e = (int32_t)*error++ - zero;
            magnitudes[o] += (uint32_t)(e < 0 ? -e : e);
        }
    }
    for (uint32_t o = 0; o < structures->count; o++) {
        total += magnitudes[o];
    }
    const float mean = (float)total / (float)structures->output_error.elements * structures->output_error.quant->scale;
    const uint32_t count = granted(structures, step, mean);
    if (count == structures->count) {
        select_all(structures);
    } else {
        select_largest(structures, count);
    }
}

void select_structures_f32(const void *params, struct step *step)
{
    const struct structures *structures = params;
    if (step->policy == POLICY_FULL) {
        select_all(structures);
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
    const uint32_t count = granted(structures, step, total / (float)structures->output_error.elements);
    if (count == structures->count) {
        select_all(structures);
    } else {
        select_largest(structures, count);
    }
}
