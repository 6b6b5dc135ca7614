#include "kernels/passing.h"

void copy_passing(uint8_t *to, const uint8_t *errors, const uint8_t *values, uint32_t count, const struct mask *mask)
{
    if (mask->all_pass) {
        memmove(to, errors, count);
        return;
    }
#ifdef __ARM_FEATURE_DSP
    const struct word_mask word_mask = word_mask_of(mask);
#pragma GCC unroll 4
    for (uint32_t words = count / 4; words > 0; words--, to += 4, errors += 4, values += 4) {
        store_word(to, passing_word(load_word(errors), load_word(values), word_mask));
    }
    count %= 4;
#endif
    for (uint32_t i = 0; i < count; i++) {
        to[i] = passes_u8(values[i], mask->passing) ? errors[i] : mask->zero;
    }
}
