#include "kernels/dot.h"

#ifdef __ARM_FEATURE_DSP
/* Up to so many groups, it is faster to keep the lanes of one group in registers than the sums. */
#define MOST_SHORT_GROUPS 2

static void add_dot_short_rows(struct row_sums *sums, uint32_t rows, const uint8_t *row, uint32_t pitch,
                               const lane *columns)
{
    const uint32_t even0 = load_word(columns);
    const uint32_t odd0 = load_word(columns + 2);
    const uint32_t even1 = load_word(columns + LANE_GROUP);
    const uint32_t odd1 = load_word(columns + LANE_GROUP + 2);
    uint32_t *sum0 = sums->column0;
    uint32_t *sum1 = sums->column1;
#pragma GCC unroll 2
    for (const uint32_t *end = sum0 + rows; sum0 < end; sum0++, sum1++, row += pitch) {
        const uint32_t word = load_word(row);
        const uint32_t even = even_bytes(word);
        const uint32_t odd = odd_bytes(word);
        *sum0 = add_pair_products(add_pair_products(*sum0, even, even0), odd, odd0);
        *sum1 = add_pair_products(add_pair_products(*sum1, even, even1), odd, odd1);
    }
}
#endif

/* Of a whole number of groups. */
static void add_dot_groups(struct row_sums *sums, uint32_t rows, const uint8_t *row, uint32_t pitch,
                           const lane *columns, uint32_t groups)
{
#ifdef __ARM_FEATURE_DSP
    if (groups <= MOST_SHORT_GROUPS) {
        for (uint32_t group = 0; group < groups; group++, row += LANE_GROUP, columns += GROUP_PITCH) {
            add_dot_short_rows(sums, rows, row, pitch, columns);
        }
        return;
    }
#endif
    for (uint32_t r = 0; r < rows; r += 2) {
        const uint8_t *other = r + 1 < rows ? row + pitch : row;
        add_dot_lanes(sums, r, row, other, columns, groups * LANE_GROUP);
        row += 2 * pitch;
    }
}

void add_dot_rows(struct row_sums *sums, uint32_t rows, const uint8_t *row, uint32_t pitch, const lane *columns,
                  uint32_t count)
{
    const uint32_t groups = count / LANE_GROUP;
    const uint32_t rest = count % LANE_GROUP;
    if (groups > 0) {
        add_dot_groups(sums, rows, row, pitch, columns, groups);
    }
    if (rest > 0) {
        row += groups * LANE_GROUP;
        columns += groups * GROUP_PITCH;
        for (uint32_t r = 0; r < rows; r += 2, row += 2 * pitch) {
            add_dot_lanes(sums, r, row, r + 1 < rows ? row + pitch : row, columns, rest);
        }
    }
}
