/* Dot products of two rows by the columns of lanes.h or by two planes, so that each value loaded is used twice. */
#ifndef HARNESS_DOT_H
#define HARNESS_DOT_H

#include "kernels/lanes.h"

/* Sums of products, [row][column]. They may wrap on the way; the totals do not. */
typedef uint32_t sums_2x2[2][2];

#define ROWS_AT_ONCE 32

/* Sums of a few rows with each column, to be finished together. */
struct row_sums {
    uint32_t column0[ROWS_AT_ONCE];
    uint32_t column1[ROWS_AT_ONCE];
};

#ifdef __ARM_FEATURE_DSP

#ifdef HARNESS_DUAL_ISSUE

/* A register that only this schedule needs. */
#define DOT_SPARE(name) , [name] "=&r"(spare)

/* The products of a group of two rows and two columns: loads and extensions beside the multiplications, which are one a
 * cycle. `next_*` are loads of the next group. */
#define DOT_LOADS                          \
    "ldr %[word0], [%[row0]], #4\n\t"      \
    "ldr %[lanes0], [%[columns]], #16\n\t" \
    "ldr %[word1], [%[row1]], #4\n\t"

#define DOT_PRODUCTS(next_lanes0, next_word0, next_word1)                                         \
    "uxtb16 %[even], %[word0]\n\t"                                                                \
    "ldr %[lanes1], [%[columns], #-8]\n\t"                                                        \
    "uxtb16 %[odd], %[word1]\n\t"                                                                 \
    "smlad %[s00], %[even], %[lanes0], %[s00]\n\t"                                                \
    "uxtb16 %[word0], %[word0], ror #8\n\t"                                                       \
    "smlad %[s10], %[odd], %[lanes0], %[s10]\n\t"                                                 \
    "uxtb16 %[word1], %[word1], ror #8\n\t"                                                       \
    "smlad %[s01], %[even], %[lanes1], %[s01]\n\t"                                                \
    "ldr %[even], [%[columns], #-12]\n\t"                                                         \
    "smlad %[s11], %[odd], %[lanes1], %[s11]\n\t"                                                 \
    "ldr %[odd], [%[columns], #-4]\n\t" next_lanes0 "smlad %[s00], %[word0], %[even], %[s00]\n\t" \
    "smlad %[s10], %[word1], %[even], %[s10]\n\t"                                                 \
    "smlad %[s01], %[word0], %[odd], %[s01]\n\t" next_word0 "smlad %[s11], %[word1], %[odd], %[s11]\n\t" next_word1

#define DOT_GROUP DOT_LOADS DOT_PRODUCTS("", "", "")
#define DOT_TWO_GROUPS                                                                                \
    DOT_LOADS DOT_PRODUCTS("ldr %[lanes0], [%[columns]], #16\n\t", "ldr %[word0], [%[row0]], #4\n\t", \
                           "ldr %[word1], [%[row1]], #4\n\t") DOT_PRODUCTS("", "", "")

#else

#define DOT_SPARE(name)

/* The products of a group of two rows and two columns: loads side by side, where each but the last takes one cycle. */
#define DOT_GROUP                                   \
    "ldr %[word0], [%[row0]], #4\n\t"               \
    "ldr %[word1], [%[row1]], #4\n\t"               \
    "ldr %[lanes0], [%[columns]], #16\n\t"          \
    "ldr %[lanes1], [%[columns], #-8]\n\t"          \
    "uxtb16 %[even], %[word0]\n\t"                  \
    "smlad %[s00], %[even], %[lanes0], %[s00]\n\t"  \
    "smlad %[s01], %[even], %[lanes1], %[s01]\n\t"  \
    "uxtb16 %[even], %[word1]\n\t"                  \
    "smlad %[s10], %[even], %[lanes0], %[s10]\n\t"  \
    "smlad %[s11], %[even], %[lanes1], %[s11]\n\t"  \
    "ldr %[lanes0], [%[columns], #-12]\n\t"         \
    "ldr %[lanes1], [%[columns], #-4]\n\t"          \
    "uxtb16 %[word0], %[word0], ror #8\n\t"         \
    "smlad %[s00], %[word0], %[lanes0], %[s00]\n\t" \
    "smlad %[s01], %[word0], %[lanes1], %[s01]\n\t" \
    "uxtb16 %[word1], %[word1], ror #8\n\t"         \
    "smlad %[s10], %[word1], %[lanes0], %[s10]\n\t" \
    "smlad %[s11], %[word1], %[lanes1], %[s11]\n\t"

#define DOT_TWO_GROUPS DOT_GROUP DOT_GROUP

#endif

/* Add the products of two rows to sums `row` and `row` + 1. In C, the compiler would spill half of the operands. */
static inline __attribute__((always_inline)) void add_dot_lanes(struct row_sums *sums, uint32_t row,
                                                                const uint8_t *row0, const uint8_t *row1,
                                                                const lane *columns, uint32_t count)
{
    uint32_t *sums0 = &sums->column0[row];
    uint32_t *sums1 = &sums->column1[row];
    uint32_t s00 = sums0[0], s01 = sums1[0], s10 = sums0[1], s11 = sums1[1];
    uint32_t groups = count / LANE_GROUP;
    if (groups > 0) {
        uint32_t word0, word1, even, lanes0, lanes1, spare;
        (void)spare;
        __asm__("lsrs %[groups], #1\n\t"
                "bcc 2f\n\t" DOT_GROUP "cmp %[groups], #0\n\t"
                "beq 3f\n"
                "2:\n\t" DOT_TWO_GROUPS "subs %[groups], #1\n\t"
                "bne 2b\n"
                "3:"
                : [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), [s11] "+r"(s11), [row0] "+r"(row0),
                  [row1] "+r"(row1), [columns] "+r"(columns), [groups] "+r"(groups), [word0] "=&r"(word0),
                  [word1] "=&r"(word1), [even] "=&r"(even), [lanes0] "=&r"(lanes0), [lanes1] "=&r"(lanes1)DOT_SPARE(odd)
                :
                : "cc", "memory");
    }
    for (uint32_t i = 0; i < count % LANE_GROUP; i++) {
        s00 += (uint32_t)(row0[i] * columns[i]);
        s01 += (uint32_t)(row0[i] * columns[LANE_GROUP + i]);
        s10 += (uint32_t)(row1[i] * columns[i]);
        s11 += (uint32_t)(row1[i] * columns[LANE_GROUP + i]);
    }
    sums0[0] = s00;
    sums0[1] = s10;
    sums1[0] = s01;
    sums1[1] = s11;
}

/* Sums of four rows, `pitch` apart, with lanes that lie group after group: all of them whole. */
static inline void add_dot_four_rows(uint32_t sums[4], const uint8_t *row0, uint32_t pitch, const lane *lanes,
                                     uint32_t groups)
{
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    const uint8_t *row2 = row0 + 2 * pitch;
#pragma GCC unroll 2
    for (; groups > 0; groups--) {
        uint32_t first, second, evens, even, odd;
        __asm__("ldr %[even], [%[lanes]], #8\n\t"
                "ldr %[odd], [%[lanes], #-4]\n\t"
                "ldr %[second], [%[row0], %[pitch]]\n\t"
                "ldr %[first], [%[row0]], #4\n\t"
                "uxtb16 %[evens], %[second]\n\t"
                "smlad %[s1], %[evens], %[even], %[s1]\n\t"
                "uxtb16 %[second], %[second], ror #8\n\t"
                "smlad %[s1], %[second], %[odd], %[s1]\n\t"
                "uxtb16 %[evens], %[first]\n\t"
                "smlad %[s0], %[evens], %[even], %[s0]\n\t"
                "uxtb16 %[first], %[first], ror #8\n\t"
                "smlad %[s0], %[first], %[odd], %[s0]\n\t"
                "ldr %[second], [%[row2], %[pitch]]\n\t"
                "ldr %[first], [%[row2]], #4\n\t"
                "uxtb16 %[evens], %[second]\n\t"
                "smlad %[s3], %[evens], %[even], %[s3]\n\t"
                "uxtb16 %[second], %[second], ror #8\n\t"
                "smlad %[s3], %[second], %[odd], %[s3]\n\t"
                "uxtb16 %[evens], %[first]\n\t"
                "smlad %[s2], %[evens], %[even], %[s2]\n\t"
                "uxtb16 %[first], %[first], ror #8\n\t"
                "smlad %[s2], %[first], %[odd], %[s2]\n\t"
                : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [row0] "+r"(row0), [row2] "+r"(row2),
                  [lanes] "+r"(lanes), [first] "=&r"(first), [second] "=&r"(second), [evens] "=&r"(evens),
                  [even] "=&r"(even), [odd] "=&r"(odd)
                : [pitch] "r"(pitch)
                : "memory");
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

#ifdef HARNESS_DUAL_ISSUE

/* The products of a pair of two rows and two columns, a load beside each multiplication: c1 of this pair, and, into
 * `next` and the registers that are free by then, what the next one begins with. */
#define DOT_PAIR_LOADS "ldr %[r0], [%[row0]], #4\n\tldr %[c0], [%[column0]], #4\n\tldr %[r1], [%[row1]], #4\n\t"
#define DOT_PAIR_PRODUCTS(c, next_c, next_r0, next_r1)                                                  \
    "smlad %[s00], %[r0], %[" c "], %[s00]\n\tldr %[c1], [%[column1]], #4\n\tsmlad %[s10], %[r1], %[" c \
    "], %[s10]\n\t" next_c "smlad %[s01], %[r0], %[c1], %[s01]\n\t" next_r0                             \
    "smlad %[s11], %[r1], %[c1], %[s11]\n\t" next_r1
#define DOT_PAIR_THEN(c, next)                                                                    \
    DOT_PAIR_PRODUCTS(c, "ldr %[" next "], [%[column0]], #4\n\t", "ldr %[r0], [%[row0]], #4\n\t", \
                      "ldr %[r1], [%[row1]], #4\n\t")
#define DOT_LAST_PAIR(c) DOT_PAIR_PRODUCTS(c, "", "", "")

#define DOT_PAIR DOT_PAIR_LOADS DOT_LAST_PAIR("c0")
#define DOT_TWO_PAIRS DOT_PAIR_LOADS DOT_PAIR_THEN("c0", "c2") DOT_LAST_PAIR("c2")
#define DOT_FOUR_PAIRS \
    DOT_PAIR_LOADS DOT_PAIR_THEN("c0", "c2") DOT_PAIR_THEN("c2", "c0") DOT_PAIR_THEN("c0", "c2") DOT_LAST_PAIR("c2")
#define DOT_EIGHT_PAIRS                                                                                         \
    DOT_PAIR_LOADS DOT_PAIR_THEN("c0", "c2") DOT_PAIR_THEN("c2", "c0") DOT_PAIR_THEN("c0", "c2")                \
        DOT_PAIR_THEN("c2", "c0") DOT_PAIR_THEN("c0", "c2") DOT_PAIR_THEN("c2", "c0") DOT_PAIR_THEN("c0", "c2") \
            DOT_LAST_PAIR("c2")

#else

#define DOT_PAIR                             \
    "ldr %[r0], [%[row0]], #4\n\t"           \
    "ldr %[r1], [%[row1]], #4\n\t"           \
    "ldr %[c0], [%[column0]], #4\n\t"        \
    "ldr %[c1], [%[column1]], #4\n\t"        \
    "smlad %[s00], %[r0], %[c0], %[s00]\n\t" \
    "smlad %[s01], %[r0], %[c1], %[s01]\n\t" \
    "smlad %[s10], %[r1], %[c0], %[s10]\n\t" \
    "smlad %[s11], %[r1], %[c1], %[s11]\n\t"

#define DOT_TWO_PAIRS DOT_PAIR DOT_PAIR
#define DOT_FOUR_PAIRS DOT_TWO_PAIRS DOT_TWO_PAIRS
#define DOT_EIGHT_PAIRS DOT_FOUR_PAIRS DOT_FOUR_PAIRS

#endif

/* `count` is even. */
static inline void add_dot_planes(sums_2x2 sums, const int16_t *row0, const int16_t *row1, const int16_t *column0,
                                  const int16_t *column1, uint32_t count)
{
    uint32_t s00 = sums[0][0], s01 = sums[0][1], s10 = sums[1][0], s11 = sums[1][1];
    uint32_t pairs = count / 2;
    uint32_t r0, r1, c0, c1, spare;
    (void)spare;
    __asm__("tst %[pairs], #1\n\t"
            "beq 1f\n\t" DOT_PAIR "\n"
            "1:\n\t"
            "tst %[pairs], #2\n\t"
            "beq 2f\n\t" DOT_TWO_PAIRS "\n"
            "2:\n\t"
            "tst %[pairs], #4\n\t"
            "beq 3f\n\t" DOT_FOUR_PAIRS "\n"
            "3:\n\t"
            "lsrs %[pairs], #3\n\t"
            "beq 5f\n"
            "4:\n\t" DOT_EIGHT_PAIRS "subs %[pairs], #1\n\t"
            "bne 4b\n"
            "5:"
            : [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), [s11] "+r"(s11), [row0] "+r"(row0), [row1] "+r"(row1),
              [column0] "+r"(column0), [column1] "+r"(column1), [pairs] "+r"(pairs), [r0] "=&r"(r0), [r1] "=&r"(r1),
              [c0] "=&r"(c0), [c1] "=&r"(c1)DOT_SPARE(c2)
            :
            : "cc", "memory");
    sums[0][0] = s00;
    sums[0][1] = s01;
    sums[1][0] = s10;
    sums[1][1] = s11;
}

#elif defined(__ARM_ARCH_6M__)

/* Sums lie in high registers, which an addition reaches at no cost, so that the rest fits the low ones. */
static inline __attribute__((always_inline)) void add_dot_lanes(struct row_sums *sums, uint32_t row,
                                                                const uint8_t *row0, const uint8_t *row1,
                                                                const lane *columns, uint32_t count)
{
    uint32_t s0 = sums->column0[row];
    uint32_t s1 = sums->column0[row + 1];
    uint32_t groups = count / LANE_GROUP;
    uint32_t value, product;
    if (groups > 0) {
        __asm__(".syntax unified\n"
                "1:\n\t"
                ".irp at, 0, 1, 2, 3\n\t"
                "ldmia %[columns]!, {%[value]}\n\t"
                "ldrb %[product], [%[row0], #\\at]\n\t"
                "muls %[product], %[value], %[product]\n\t"
                "add %[s0], %[product]\n\t"
                "ldrb %[product], [%[row1], #\\at]\n\t"
                "muls %[value], %[product], %[value]\n\t"
                "add %[s1], %[value]\n\t"
                ".endr\n\t"
                "adds %[row0], #4\n\t"
                "adds %[row1], #4\n\t"
                "subs %[groups], #1\n\t"
                "bne 1b\n\t"
                : [s0] "+h"(s0), [s1] "+h"(s1), [columns] "+l"(columns), [row0] "+l"(row0), [row1] "+l"(row1),
                  [groups] "+l"(groups), [value] "=&l"(value), [product] "=&l"(product)
                :
                : "cc", "memory");
    }
    for (uint32_t i = 0; i < count % LANE_GROUP; i++) {
        s0 += (uint32_t)(row0[i] * columns[i]);
        s1 += (uint32_t)(row1[i] * columns[i]);
    }
    sums->column0[row] = s0;
    sums->column0[row + 1] = s1;
}

#define BYTES_OF_A_PRODUCT 16
#define PRODUCTS_AT_ONCE 8

/* Written out, so that the compiler knows how long they are. */
#define DOT_PRODUCT                               \
    "ldrsh %[value], [%[column0], %[offset]]\n\t" \
    "ldrsh %[product], [%[row0], %[offset]]\n\t"  \
    "muls %[product], %[value], %[product]\n\t"   \
    "add %[s0], %[product]\n\t"                   \
    "ldrsh %[product], [%[row1], %[offset]]\n\t"  \
    "muls %[value], %[product], %[value]\n\t"     \
    "add %[s1], %[value]\n\t"                     \
    "adds %[offset], #2\n\t"
#define DOT_TWO_PRODUCTS DOT_PRODUCT DOT_PRODUCT
#define DOT_EIGHT_PRODUCTS DOT_TWO_PRODUCTS DOT_TWO_PRODUCTS DOT_TWO_PRODUCTS DOT_TWO_PRODUCTS

/* Offsets run up to zero, which ends the loop without a comparison. A jump skips those of the first eight products
 * that `count`, which is not 0, has too few for. */
static inline __attribute__((always_inline)) void add_dot_planes(sums_2x2 sums, const int16_t *row0,
                                                                 const int16_t *row1, const int16_t *column0,
                                                                 const int16_t *column1, uint32_t count)
{
    const uint32_t skipped_bytes = -count % PRODUCTS_AT_ONCE * BYTES_OF_A_PRODUCT;
    uint32_t s0 = sums[0][0];
    uint32_t s1 = sums[1][0];
    int32_t offset = -(int32_t)(count * sizeof *row0);
    uint32_t value, product;
    (void)column1;
    __asm__(".syntax unified\n\t"
            "add pc, %[skipped_bytes]\n\t"
            "nop\n"
            "1:\n\t" DOT_EIGHT_PRODUCTS "bmi 1b"
            : [s0] "+h"(s0), [s1] "+h"(s1), [offset] "+l"(offset), [value] "=&l"(value), [product] "=&l"(product)
            : [row0] "l"(row0 + count), [row1] "l"(row1 + count), [column0] "l"(column0 + count),
              [skipped_bytes] "r"(skipped_bytes)
            : "cc", "memory");
    sums[0][0] = s0;
    sums[1][0] = s1;
}

#else

static inline
    __attribute__((always_inline)) void add_dot_lanes(struct row_sums *sums, uint32_t row, const uint8_t *row0,
                                                      const uint8_t *row1, const lane *columns, uint32_t count)
{
    uint32_t s0 = sums->column0[row];
    uint32_t s1 = sums->column0[row + 1];
    for (uint32_t i = 0; i < count; i++) {
        s0 += (uint32_t)(row0[i] * columns[i]);
        s1 += (uint32_t)(row1[i] * columns[i]);
    }
    sums->column0[row] = s0;
    sums->column0[row + 1] = s1;
}

static inline void add_dot_planes(sums_2x2 sums, const int16_t *row0, const int16_t *row1, const int16_t *column0,
                                  const int16_t *column1, uint32_t count)
{
    uint32_t s0 = sums[0][0], s1 = sums[1][0];
    (void)column1;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < count; i++) {
        s0 += (uint32_t)(row0[i] * column0[i]);
        s1 += (uint32_t)(row1[i] * column0[i]);
    }
    sums[0][0] = s0;
    sums[1][0] = s1;
}

#endif

/* The same for `rows` rows that lie `pitch` apart. Where they are odd, one more sum is written. */
void add_dot_rows(struct row_sums *sums, uint32_t rows, const uint8_t *row, uint32_t pitch, const lane *columns,
                  uint32_t count);

#endif
