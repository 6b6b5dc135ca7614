#include "kernels/passing.h"

#ifdef __ARM_FEATURE_DSP
#define AT_ONCE 8

/* Return how many were copied: where all are words, all but the last few. */
static uint32_t copy_words(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count,
                           const struct mask *mask)
{
    const struct word_mask word_mask = word_mask_of(mask);
    const uint32_t copied = are_words(to, (uint32_t)((uintptr_t)errors | (uintptr_t)values)) ? count / AT_ONCE : 0;
    for (uint32_t left = copied; left > 0; left--) {
        uint32_t error0, error1, value0, value1;
        errors = load_two_words(&error0, &error1, errors);
        values = load_two_words(&value0, &value1, values);
        to = store_two_words(to, passing_word(error0, value0, word_mask), passing_word(error1, value1, word_mask));
    }
    return copied * AT_ONCE;
}
#elif defined(__ARM_ARCH_6M__)

/* What is added to or subtracted from the halves of a word to set bit 8 where they pass. */
struct half_mask {
    uint32_t less;
    uint32_t from;
};

static inline uint32_t twice(int32_t half)
{
    return (uint32_t)half * 0x00010001u;
}

/* Bit 8 of each of two halves where these pass, and no other bits. */
static inline uint32_t passing_halves(uint32_t halves, struct half_mask mask)
{
    return (halves + mask.less) & (mask.from - halves) & 0x01000100u;
}

/* Return how many were copied: where all are words, all but the last few. */
static uint32_t copy_words(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count,
                           const struct mask *mask)
{
    const struct half_mask halves = {twice(0xFF - mask->passing.above), twice(0xFF + mask->passing.below)};
    const uint32_t zeros = mask->zero * 0x01010101u;
    const uint32_t copied = are_words(to, (uint32_t)((uintptr_t)errors | (uintptr_t)values)) ? count / 4 * 4 : 0;
#pragma GCC unroll 2
    for (uint32_t i = 0; i < copied; i += 4) {
        const uint32_t word = load_aligned_word(values + i);
        const uint32_t ones = passing_halves(even_bytes(word), halves) >> 8 | passing_halves(odd_bytes(word), halves);
        const uint32_t passing = (ones << 8) - ones;
        const uint32_t kept = ((load_aligned_word(errors + i) ^ zeros) & passing) ^ zeros;
        memcpy(__builtin_assume_aligned(to + i, 4), &kept, sizeof kept);
    }
    return copied;
}
#else
static uint32_t copy_words(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count,
                           const struct mask *mask)
{
    (void)to, (void)errors, (void)values, (void)count, (void)mask;
    return 0;
}
#endif

void copy_passing(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count, const struct mask *mask)
{
    if (mask->all_pass) {
        memmove(to, errors, count);
        return;
    }
    for (uint32_t i = copy_words(to, errors, values, count, mask); i < count; i++) {
        to[i] = passes_u8(values[i], mask->passing) ? errors[i] : mask->zero;
    }
}
