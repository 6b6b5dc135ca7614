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
/* `count` bytes from `first` on, each four times. */
struct byte_range {
    uint32_t first;
    uint32_t count;
};

/* The same as a mask for four bytes at a time, unless all pass. */
struct word_mask {
    struct byte_range passing;
    uint32_t zeros;
};

static inline uint32_t four_times(int32_t byte)
{
    return (uint32_t)byte * 0x01010101u;
}

/* The bytes strictly between two, which are not -1 and 256. */
static inline struct byte_range bytes_between(int32_t above, int32_t below)
{
    const int32_t count = below - above - 1;
    return (struct byte_range){four_times((uint8_t)(above + 1)), count > 0 ? four_times(count) : 0};
}

static inline struct word_mask word_mask_of(const struct mask *mask)
{
    return (struct word_mask){
        .passing = bytes_between(mask->passing.above, mask->passing.below),
        .zeros = four_times(mask->zero),
    };
}

/* The bytes of `word` where those of `value` lie in the range, else those of `beyond`. */
static inline uint32_t select_in_range(uint32_t value, struct byte_range range, uint32_t word, uint32_t beyond)
{
    uint32_t selected;
    __asm__("usub8 %[selected], %[value], %[first]\n\t"
            "usub8 %[selected], %[selected], %[count]\n\t"
            "sel %[selected], %[beyond], %[word]"
            : [selected] "=&r"(selected)
            : [value] "r"(value), [first] "r"(range.first), [count] "r"(range.count), [beyond] "r"(beyond),
              [word] "r"(word));
    return selected;
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
    return select_in_range(values, mask.passing, errors, mask.zeros);
}
#endif

/* Errors may lie in place of the values. */
void copy_passing(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count, const struct mask *mask);

#endif
