/* Columns of lanes: uint8 values less their zero point, widened for the dot products of dot.h.
 *
 * A core that multiplies pairs of 16 bits (SMLAD) works on two columns at a time: they lie in turns, a group of four
 * lanes each, and the lanes of a whole group in the order 0, 2, 1, 3, which is how UXTB16 takes the bytes of the other
 * operand apart. Elsewhere there is one column in its own order; Armv6-M has no signed loads with an immediate offset
 * and is faster on whole words. */
#ifndef HARNESS_LANES_H
#define HARNESS_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __ARM_FEATURE_DSP
#include <arm_acle.h>
#endif

#ifdef __ARM_ARCH_6M__
typedef int32_t lane;
#else
typedef int16_t lane;
#endif

#ifdef __ARM_FEATURE_DSP
#define COLUMNS 2
#else
#define COLUMNS 1
#endif

#define LANE_GROUP 4
#define GROUP_PITCH (LANE_GROUP * COLUMNS)

static inline uint32_t whole_groups(uint32_t count)
{
    return (count + LANE_GROUP - 1) / LANE_GROUP * LANE_GROUP;
}

static inline uint32_t load_word(const void *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Do pixels of `channels` bytes from `values` on begin at whole words? */
static inline bool are_words(const void *values, uint32_t channels)
{
    return (((uintptr_t)values | channels) & 3u) == 0;
}

/* Armv6-M loads no other words. */
static inline uint32_t load_aligned_word(const void *from)
{
    return load_word(__builtin_assume_aligned(from, 4));
}

/* Bytes 0 and 2 of a word, each in a half of the result. */
static inline uint32_t even_bytes(uint32_t word)
{
#ifdef __ARM_FEATURE_DSP
    return __uxtb16(word);
#else
    return word & 0x00FF00FFu;
#endif
}

/* Bytes 1 and 3, likewise. */
static inline uint32_t odd_bytes(uint32_t word)
{
#ifdef __ARM_FEATURE_DSP
    uint32_t halves;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
#else
    return word >> 8 & 0x00FF00FFu;
#endif
}

#ifdef __ARM_FEATURE_DSP
/* Bytes 0 and 2 of a word, each added to a half of `to`. */
static inline uint32_t add_even_bytes(uint32_t to, uint32_t word)
{
    return (uint32_t)__uxtab16((int16x2_t)to, (int8x4_t)word);
}

/* Bytes 1 and 3, likewise. */
static inline uint32_t add_odd_bytes(uint32_t to, uint32_t word)
{
    uint32_t halves;
    __asm__("uxtab16 %0, %1, %2, ror #8" : "=r"(halves) : "r"(to), "r"(word));
    return halves;
}

/* The low half of `low` below the low half of `high`. */
static inline uint32_t pack_low(uint32_t low, uint32_t high)
{
    uint32_t halves;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(low), "r"(high));
    return halves;
}

/* The high half of `low` below the high half of `high`. */
static inline uint32_t pack_high(uint32_t low, uint32_t high)
{
    uint32_t halves;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(halves) : "r"(high), "r"(low));
    return halves;
}

/* a.low * b.low + a.high * b.high */
static inline uint32_t pair_products(uint32_t a, uint32_t b)
{
    return (uint32_t)__smuad((int16x2_t)a, (int16x2_t)b);
}

/* sum + a.low * b.low + a.high * b.high */
static inline uint32_t add_pair_products(uint32_t sum, uint32_t a, uint32_t b)
{
    return (uint32_t)__smlad((int16x2_t)a, (int16x2_t)b, (int32_t)sum);
}

static inline int32_t low_half(uint32_t halves)
{
    return (int16_t)halves;
}

static inline int32_t high_half(uint32_t halves)
{
    return (int32_t)halves >> 16;
}

/* Load or store a whole word and the next one, and return what lies behind. In C, the compiler would take them one
 * by one. */
static inline const void *load_two_words(uint32_t *word0, uint32_t *word1, const void *from)
{
    const void *behind = from;
    __asm__ volatile("ldrd %0, %1, [%2], #8"
                     : "=&r"(*word0), "=&r"(*word1), "+r"(behind)
                     : "m"(*(const uint32_t (*)[2])from));
    return behind;
}

static inline void *store_two_words(void *to, uint32_t word0, uint32_t word1)
{
    void *behind = to;
    __asm__ volatile("strd %2, %3, [%1], #8" : "=m"(*(uint32_t (*)[2])to), "+r"(behind) : "r"(word0), "r"(word1));
    return behind;
}

static inline void store_word(void *to, uint32_t word)
{
    memcpy(to, &word, sizeof word);
}
#endif

/* Write the lanes of `count` bytes less `zero`, groups `pitch` lanes apart; only the last bytes of a column may be no
 * whole number of groups. Returns their sum. */
static inline int32_t widen_apart(lane *to, uint32_t pitch, const uint8_t *from, uint32_t count, int32_t zero)
{
    int32_t sum = -(int32_t)count * zero;
#ifdef __ARM_FEATURE_DSP
    const uint32_t minus_zeros = pack_low((uint32_t)-zero, (uint32_t)-zero);
#pragma GCC unroll 2
    for (; count >= LANE_GROUP; count -= LANE_GROUP, from += LANE_GROUP, to += pitch) {
        const uint32_t word = load_word(from);
        store_word(to, add_even_bytes(minus_zeros, word));
        store_word(to + 2, add_odd_bytes(minus_zeros, word));
        sum = (int32_t)__usada8(word, 0, (uint32_t)sum);
    }
#else
    (void)pitch;
#endif
    for (uint32_t i = 0; i < count; i++) {
        sum += from[i];
        to[i] = (lane)(from[i] - zero);
    }
    return sum;
}

static inline int32_t widen(lane *to, const uint8_t *from, uint32_t count, int32_t zero)
{
    return widen_apart(to, GROUP_PITCH, from, count, zero);
}

/* Write `count` zeros, a whole number of groups. */
static inline void pad_with_zeros(lane *to, uint32_t count)
{
    for (uint32_t group = 0; group < count / LANE_GROUP; group++, to += GROUP_PITCH) {
        to[0] = to[1] = to[2] = to[3] = 0;
    }
}

#endif
