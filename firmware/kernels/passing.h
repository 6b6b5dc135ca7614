/* Errors pass where the activation that they belong to passes, and are zero elsewhere. */
#ifndef HARNESS_PASSING_H
#define HARNESS_PASSING_H

#include "kernels/activation.h"
#include "kernels/lanes.h"

struct mask {
    struct open_interval passing;
    uint8_t zero; /* stands for an error of zero */
    bool all_pass;
};

static inline struct mask mask_of(enum activation activation, const struct quant *quant, int32_t zero)
{
    return (struct mask){passing_u8(activation, quant), (uint8_t)zero, activation == ACTIVATION_NONE};
}

#ifdef __ARM_FEATURE_DSP
/* The same for four bytes at a time, unless all pass. */
struct word_mask {
    uint32_t above;
    uint32_t below;
    uint32_t zeros;
    bool has_below;
};

static inline uint32_t four_times(int32_t byte)
{
    return (uint32_t)byte * 0x01010101u;
}

static inline struct word_mask word_mask_of(const struct mask *mask)
{
    return (struct word_mask){
        .above = four_times(mask->passing.above),
        .below = four_times(mask->passing.below),
        .zeros = four_times(mask->zero),
        .has_below = mask->passing.below <= 255,
    };
}

/* The bytes of `floor` where those of `value` are not above `limit`, else those of `word`. */
static inline uint32_t select_not_above(uint32_t value, uint32_t limit, uint32_t floor, uint32_t word)
{
    uint32_t selected;
    __asm__("usub8 %[selected], %[limit], %[value]\n\t"
            "sel %[selected], %[floor], %[word]"
            : [selected] "=&r"(selected)
            : [limit] "r"(limit), [value] "r"(value), [floor] "r"(floor), [word] "r"(word));
    return selected;
}

/* Of four errors those whose values pass. */
static inline uint32_t passing_word(uint32_t errors, uint32_t values, struct word_mask mask)
{
    errors = select_not_above(values, mask.above, mask.zeros, errors);
    return mask.has_below ? select_not_above(mask.below, values, mask.zeros, errors) : errors;
}
#endif

/* Errors may lie in place of the values. */
static inline void copy_passing(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count,
                                const struct mask *mask)
{
    if (mask->all_pass) {
        memmove(to, errors, count);
        return;
    }
#ifdef __ARM_FEATURE_DSP
    const struct word_mask word_mask = word_mask_of(mask);
    for (; count >= 4; count -= 4, to += 4, errors += 4, values += 4) {
        store_word(to, passing_word(load_word(errors), load_word(values), word_mask));
    }
#endif
    for (uint32_t i = 0; i < count; i++) {
        to[i] = passes_u8(values[i], mask->passing) ? errors[i] : mask->zero;
    }
}

#endif
