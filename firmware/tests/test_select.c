#include "check.h"
#include "trainer/request.h"
#include "trainer/select.h"

#include <string.h>

#define MOST 64

static uint8_t errors[MOST];
static float errors_f32[MOST];
static struct quant quant = {.scale = 1.0f, .zero_point = 0};
static uint16_t selected[MOST];
static uint32_t ranking[2 * MOST];
static struct selection selection;

static void select_some(uint32_t count, uint32_t wanted, bool floats)
{
    const struct structures structures = {
        .count = count,
        .elements = 1,
        .positions = 1,
        .output_error = {floats ? (void *)errors_f32 : (void *)errors, floats ? NULL : &quant, count},
        .selected = selected,
        .ranking = ranking,
        .selection = &selection,
    };
    struct step step = {.policy = POLICY_STATIC, .min_ratio = ((float)wanted + 0.5f) / (float)count};
    memset(selected, 0xFF, sizeof selected);
    if (floats) {
        select_structures_f32(&structures, &step);
    } else {
        select_structures_u8(&structures, &step);
    }
}

/* How many come before structure `i`: the larger ones, and of the equal ones those with a lower index. */
static uint32_t rank_of(uint32_t i, uint32_t count)
{
    uint32_t rank = 0;
    for (uint32_t j = 0; j < count; j++) {
        rank += errors[j] > errors[i] || (errors[j] == errors[i] && j < i);
    }
    return rank;
}

static void check_selection(uint32_t count, uint32_t wanted)
{
    for (uint32_t floats = 0; floats < 2; floats++) {
        select_some(count, wanted, floats == 1);
        CHECK(selection.count == wanted, "%u of %u wanted, %u selected", wanted, count, selection.count);
        uint32_t at = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (rank_of(i, count) < wanted) {
                CHECK(selected[at] == i, "entry %u is %u, not %u (%u of %u)", at, selected[at], i, wanted, count);
                at++;
            }
        }
        CHECK(at == wanted, "%u of %u ranks", at, wanted);
        CHECK(count == MOST || selected[count] == 0xFFFF, "wrote behind the %u structures", count);
    }
}

static void check_every_number(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        errors_f32[i] = (i % 2 ? -0.25f : 0.25f) * (float)errors[i];
    }
    for (uint32_t wanted = 1; wanted <= count; wanted++) {
        check_selection(count, wanted);
    }
}

/* All errors of 0..3 (so with all ties) for up to 6 structures. */
static void test_every_small_case_equals_ranking(void)
{
    for (uint32_t count = 1; count <= 6; count++) {
        for (uint32_t code = 0; code < 1u << (2 * count); code++) {
            for (uint32_t i = 0; i < count; i++) {
                errors[i] = (uint8_t)(code >> (2 * i) & 3);
            }
            check_every_number(count);
        }
    }
}

static void test_large_cases_equal_ranking(void)
{
    for (uint32_t round = 0; round < 60; round++) {
        const uint32_t count = 7 + random_bits() % (MOST - 6);
        const uint32_t values = round % 3 == 0 ? 3 : 256;
        for (uint32_t i = 0; i < count; i++) {
            errors[i] = (uint8_t)(random_bits() % values);
        }
        check_every_number(count);
    }
}

static void test_sorted_and_equal_errors(void)
{
    for (uint32_t order = 0; order < 3; order++) {
        for (uint32_t i = 0; i < MOST; i++) {
            errors[i] = (uint8_t)(order == 0 ? i : order == 1 ? MOST - i : 7);
        }
        check_every_number(MOST);
    }
}

int main(void)
{
    test_every_small_case_equals_ranking();
    test_large_cases_equal_ranking();
    test_sorted_and_equal_errors();
    return 0;
}
