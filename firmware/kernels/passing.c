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
