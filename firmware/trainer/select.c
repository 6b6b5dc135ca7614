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

/* The largest magnitude of a group of structures. */
static inline uint32_t group_maximum(const uint32_t magnitudes[GROUP])
{
    const uint32_t first = magnitudes[0] > magnitudes[1] ? magnitudes[0] : magnitudes[1];
    const uint32_t second = magnitudes[2] > magnitudes[3] ? magnitudes[2] : magnitudes[3];
    return first > second ? first : second;
}

/* The group maxima in order, at the end of the ranking: candidates listed group by group never reach those to come. */
static uint32_t *group_maxima(const struct structures *structures)
{
    return structures->ranking + 2 * structures->count - structures->count / GROUP;
}

/* A magnitude, not 0, that at least `count` structures reach if as many have an error: so many groups reach it. */
static uint32_t reached_by_enough(const struct structures *structures, uint32_t count)
{
    uint32_t *maxima = group_maxima(structures);
    uint32_t *reordered = structures->ranking + structures->count;
    const uint32_t groups = structures->count / GROUP;
    for (uint32_t group = 0; group < groups; group++) {
        maxima[group] = reordered[group] = group_maximum(structures->ranking + group * GROUP);
    }
    const uint32_t reached = count <= groups ? kth_largest(reordered, groups, count) : 0;
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

/* List structures from `first` up to `end` that reach the magnitude `least`, with their magnitudes behind the ranking.
 * Returns the number of candidates. */
static inline uint32_t list_reaching(const struct structures *structures, uint32_t first, uint32_t end, uint32_t least,
                                     uint32_t candidates)
{
    for (uint32_t i = first; i < end; i++) {
        const uint32_t magnitude = structures->ranking[i];
        if (magnitude >= least) {
            structures->selected[candidates] = (uint16_t)i;
            structures->ranking[structures->count + candidates++] = magnitude;
        }
    }
    return candidates;
}

/* The same of at least `count` structures, if as many have an error. */
static uint32_t list_enough(const struct structures *structures, uint32_t count)
{
    const uint32_t least = reached_by_enough(structures, count);
    const uint32_t *maxima = group_maxima(structures);
    uint32_t candidates = 0;
    uint32_t i = 0;
    for (; i + GROUP <= structures->count; i += GROUP) {
        if (__builtin_expect(*maxima++ >= least, 0)) {
            candidates = list_reaching(structures, i, i + GROUP, least, candidates);
        }
    }
    return list_reaching(structures, i, structures->count, least, candidates);
}

/* The same of the bearers that have an error. */
static uint32_t list_bearers(const struct structures *structures)
{
    const uint16_t *bearers = structures->bearers->selected;
    uint32_t *listed = structures->ranking + structures->count;
    uint32_t candidates = 0;
    for (uint32_t i = 0; i < structures->bearers->selection->count; i++) {
        const uint32_t magnitude = structures->ranking[bearers[i]];
        if (magnitude > 0) {
            structures->selected[candidates] = bearers[i];
            listed[candidates++] = magnitude;
        }
    }
    return candidates;
}

/* Choose the `count` structures with the largest magnitude; of equal ones those with the lower index. Where `few` have
 * errors, they are the bearers. */
static void select_largest(const struct structures *structures, uint32_t count, bool few)
{
    structures->selection->count = count;
    if (count == 0) {
        return;
    }
    const uint32_t candidates = few ? list_bearers(structures) : list_enough(structures, count);
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

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_ARCH_6M__)

/* As many distances of two uint8 as fit a sum of 16 bits. */
#define MOST_ADDED 257

#ifdef __ARM_FEATURE_DSP
#define STRUCTURES_AT_ONCE 8

/* Add to four sums those in the halves of two words: of structures 0 and 2, and of 1 and 3. Returns what was added. */
static inline uint32_t add_halves(uint32_t sums[4], uint32_t even, uint32_t odd)
{
    sums[0] += even & 0xFFFFu;
    sums[1] += odd & 0xFFFFu;
    sums[2] += even >> 16;
    sums[3] += odd >> 16;
    return (even & 0xFFFFu) + (odd & 0xFFFFu) + (even >> 16) + (odd >> 16);
}

#ifdef HARNESS_DUAL_ISSUE
/* Single loads stand beside arithmetic. */
#define LOAD_FIRST_WORD "ldr %[word0], [%[error]]\n\t"
#define LOAD_SECOND_WORD "ldr %[word1], [%[error], #4]\n\t"
#else
#define LOAD_FIRST_WORD "ldrd %[word0], %[word1], [%[error]]\n\t"
#define LOAD_SECOND_WORD
#endif

/* Add the sums over the positions of |error - zero|; errors begin at whole words. Returns what was added. In this order
 * no instruction waits for another. */
static inline uint32_t add_magnitudes(uint32_t sums[STRUCTURES_AT_ONCE], const uint8_t *error, uint32_t pitch,
                                      uint32_t positions, uint32_t zero)
{
    const uint32_t zeros = zero * 0x01010101u;
    uint32_t even0 = 0, odd0 = 0, even1 = 0, odd1 = 0;
    for (; positions > 0; positions--) {
        uint32_t word0, word1, below;
        __asm__(LOAD_FIRST_WORD "usub8 %[below], %[zeros], %[word0]\n\t" LOAD_SECOND_WORD
                                "usub8 %[word0], %[word0], %[zeros]\n\t"
                                "add %[error], %[error], %[pitch]\n\t"
                                "sel %[word0], %[word0], %[below]\n\t"
                                "usub8 %[below], %[zeros], %[word1]\n\t"
                                "usub8 %[word1], %[word1], %[zeros]\n\t"
                                "sel %[word1], %[word1], %[below]\n\t"
                                "uxtab16 %[even0], %[even0], %[word0]\n\t"
                                "uxtab16 %[odd0], %[odd0], %[word0], ror #8\n\t"
                                "uxtab16 %[even1], %[even1], %[word1]\n\t"
                                "uxtab16 %[odd1], %[odd1], %[word1], ror #8"
                : [even0] "+r"(even0), [odd0] "+r"(odd0), [even1] "+r"(even1), [odd1] "+r"(odd1), [error] "+r"(error),
                  [word0] "=&r"(word0), [word1] "=&r"(word1), [below] "=&r"(below)
                : [zeros] "r"(zeros), [pitch] "r"(pitch)
                : "memory");
    }
    return add_halves(sums, even0, odd0) + add_halves(sums + 4, even1, odd1);
}
#else
#define STRUCTURES_AT_ONCE 4

/* Take the halves of two structures: sum them, and how far they lie above zero. Bit 8 of a half, once less its zero, is
 * set where that is not negative. */
#define ADD_HALVES(sum, above)               \
    "ands %[halves], %[bytes]\n\t"           \
    "add %[" sum "], %[halves]\n\t"          \
    "adds %[halves], %[halves], %[less]\n\t" \
    "lsrs %[kept], %[halves], #8\n\t"        \
    "ands %[kept], %[ones]\n\t"              \
    "muls %[kept], %[byte]\n\t"              \
    "ands %[halves], %[kept]\n\t"            \
    "add %[" above "], %[halves]\n\t"

/* Sums over the positions, in the halves of words. */
struct halves {
    uint32_t all;
    uint32_t above; /* how far they lie above zero */
};

/* Those of structures 0 and 2, and of 1 and 3. In C, the compiler would spill half of the operands. */
__attribute__((noinline)) static void sum_halves(struct halves sums[2], const uint8_t *error, uint32_t pitch,
                                                 uint32_t positions, uint32_t zero)
{
    uint32_t even = 0, odd = 0, even_above = 0, odd_above = 0;
    uint32_t halves, kept;
    __asm__(
        ".syntax unified\n"
        "1:\n\t"
        "ldr %[halves], [%[error]]\n\t" ADD_HALVES(
            "even", "even_above") "ldr %[halves], [%[error]]\n\t"
                                  "lsrs %[halves], #8\n\t" ADD_HALVES("odd", "odd_above") "add %[error], %[pitch]\n\t"
                                                                                          "subs %[positions], #1\n\t"
                                                                                          "bne 1b"
        : [even] "+h"(even), [odd] "+h"(odd), [even_above] "+h"(even_above), [odd_above] "+h"(odd_above),
          [halves] "=&l"(halves), [kept] "=&l"(kept), [error] "+l"(error), [positions] "+l"(positions)
        : [pitch] "h"(pitch), [bytes] "l"(0x00FF00FFu), [ones] "l"(0x00010001u), [byte] "l"(0xFFu),
          [less] "l"(0x01000100u - zero * 0x00010001u)
        : "cc", "memory");
    sums[0] = (struct halves){even, even_above};
    sums[1] = (struct halves){odd, odd_above};
}

/* The sum of |error - zero|: twice what lies above zero, less error - zero. */
static inline uint32_t magnitude_of_half(struct halves sums, uint32_t shift, uint32_t zeros)
{
    return zeros + 2 * (sums.above >> shift & 0xFFFFu) - (sums.all >> shift & 0xFFFFu);
}

/* Add the sums over the positions of |error - zero|; errors begin at whole words. Returns what was added. */
static inline uint32_t add_magnitudes(uint32_t sums[STRUCTURES_AT_ONCE], const uint8_t *error, uint32_t pitch,
                                      uint32_t positions, uint32_t zero)
{
    struct halves halves[2];
    sum_halves(halves, error, pitch, positions, zero);
    uint32_t added = 0;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < STRUCTURES_AT_ONCE; i++) {
        const uint32_t magnitude = magnitude_of_half(halves[i % 2], i / 2 * 16, positions * zero);
        sums[i] += magnitude;
        added += magnitude;
    }
    return added;
}
#endif

/* Rank the first structures, as many as go together; their number is returned, and the sum of their magnitudes. */
static uint32_t rank_together(const struct structures *structures, uint32_t *total)
{
    const uint8_t *error = structures->output_error.data;
    const uint32_t zero = (uint32_t)structures->output_error.quant->zero_point;
    const uint32_t count = structures->count;
    const uint32_t ranked = are_words(error, count) ? count / STRUCTURES_AT_ONCE * STRUCTURES_AT_ONCE : 0;
    uint32_t left = structures->positions;
    uint32_t sum = 0;
    memset(structures->ranking, 0, ranked * sizeof *structures->ranking);
    while (left > 0) {
        const uint32_t positions = left < MOST_ADDED ? left : MOST_ADDED;
        for (uint32_t o = 0; o < ranked; o += STRUCTURES_AT_ONCE) {
            sum += add_magnitudes(structures->ranking + o, error + o, count, positions, zero);
        }
        error += positions * count;
        left -= positions;
    }
    *total = sum;
    return ranked;
}
#else
static uint32_t rank_together(const struct structures *structures, uint32_t *total)
{
    (void)structures;
    *total = 0;
    return 0;
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
    uint32_t total;
    for (uint32_t o = rank_together(structures, &total); o < structures->count; o++) {
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
