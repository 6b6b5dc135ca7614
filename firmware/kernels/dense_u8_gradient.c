#include "kernels/dense.h"
#include "kernels/lanes.h"
#include "trainer/accumulator.h"

/* Gradients need no saturation: a step adds at most 255 * 255 in magnitude, and a minibatch has at most 4096. */
_Static_assert(255ll * 255 * 4096 <= INT32_MAX, "the gradients of a minibatch fit 32 bits");

#define ROWS 4
#define STEPS_AT_ONCE 4
#define MOST_STEPS 16
#define LEAST_SHARE_HELD 3
#define PRODUCTS_AT_ONCE 16

/* gradient += (input - zero) * error */
static void add_scaled_inputs(int32_t *gradient, const uint8_t *input, uint32_t features, int32_t zero, int32_t error)
{
#ifdef __ARM_FEATURE_DSP
    const uint32_t minus_zeros = pack_low((uint32_t)-zero, (uint32_t)-zero);
#pragma GCC unroll 2
    for (; features >= LANE_GROUP; features -= LANE_GROUP, input += LANE_GROUP, gradient += LANE_GROUP) {
        const uint32_t word = load_word(input);
        const uint32_t even = add_even_bytes(minus_zeros, word);
        const uint32_t odd = add_odd_bytes(minus_zeros, word);
        gradient[0] += low_half(even) * low_half((uint32_t)error);
        gradient[1] += low_half(odd) * low_half((uint32_t)error);
        gradient[2] += high_half(even) * low_half((uint32_t)error);
        gradient[3] += high_half(odd) * low_half((uint32_t)error);
    }
#endif
#pragma GCC unroll 8
    for (uint32_t f = 0; f < features; f++) {
        gradient[f] += (input[f] - zero) * error;
    }
}

/* The same into 8 or 16 bits, a few at a time. */
static void add_scaled_inputs_narrowly(const struct structures *structures, uint32_t o, const uint8_t *input,
                                       uint32_t features, int32_t zero, int32_t error)
{
    uint32_t products[PRODUCTS_AT_ONCE];
    for (uint32_t f = 0; f < features; f += PRODUCTS_AT_ONCE) {
        const uint32_t count = features - f < PRODUCTS_AT_ONCE ? features - f : PRODUCTS_AT_ONCE;
        for (uint32_t i = 0; i < count; i++) {
            products[i] = (uint32_t)((input[f + i] - zero) * error);
        }
        accumulate_narrowly(structures, o, f, 1, products, count);
    }
}

static void add_step(const struct dense *layer)
{
    const struct structures *structures = layer->structures;
    const uint8_t *error = structures->output_error.data;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    const int32_t zero = layer->input.quant->zero_point;
    const uint32_t features = layer->features;
    int32_t *gradient = structures->gradient;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        const int32_t e = error[o] - error_zero;
        if (e == 0) {
            continue;
        }
        if (accumulates_narrowly(structures)) {
            add_scaled_inputs_narrowly(structures, o, layer->input.data, features, zero, e);
        } else {
            add_scaled_inputs(gradient + o * features, layer->input.data, features, zero, e);
        }
    }
}

static int32_t error_of(const int16_t *errors, uint32_t row, uint32_t step)
{
    return errors[step / 2 * 2 * ROWS + 2 * row + step % 2];
}

/* What the zero point of the inputs takes off each element of a row. */
static int32_t correction_of(const struct dense *layer, const int16_t *errors, uint32_t row, uint32_t steps)
{
    int32_t sum = 0;
    for (uint32_t step = 0; step < steps; step++) {
        sum += error_of(errors, row, step);
    }
    return sum * layer->input.quant->zero_point;
}

/* Row `row` of a group, from `feature` on. */
static void add_to_row(const struct dense *layer, int32_t *gradient, uint32_t row, uint32_t feature,
                       const int16_t *errors, uint32_t steps)
{
    const uint32_t room = layer->burst.room;
    const int32_t correction = correction_of(layer, errors, row, steps);
    const uint8_t *inputs = layer->burst.inputs + feature * room;
    for (; feature + 2 <= layer->features; feature += 2, inputs += 2 * room) {
        int32_t s0 = gradient[feature] - correction;
        int32_t s1 = gradient[feature + 1] - correction;
        const uint8_t *x = inputs;
        const int16_t *e = errors + 2 * row;
        for (uint32_t left = steps; left > 0; left -= 2, x += 4, e += 2 * ROWS) {
            s0 += x[0] * e[0] + x[2] * e[1];
            s1 += x[1] * e[0] + x[3] * e[1];
        }
        gradient[feature] = s0;
        gradient[feature + 1] = s1;
    }
    if (feature < layer->features) {
        gradient[feature] -= correction;
        for (uint32_t step = 0; step < steps; step++) {
            gradient[feature] += inputs[2 * step] * error_of(errors, row, step);
        }
    }
}

#ifdef __ARM_FEATURE_DSP

/* Four rows by two features: a word holds two features of two steps, or a row of two steps. */
#define ADD_TWO_STEPS                              \
    "ldr %[even], [%[inputs]], #4\n\t"             \
    "ldr %[error0], [%[errors]], #16\n\t"          \
    "ldr %[error1], [%[errors], #-12]\n\t"         \
    "uxtb16 %[odd], %[even], ror #8\n\t"           \
    "uxtb16 %[even], %[even]\n\t"                  \
    "smlad %[s00], %[even], %[error0], %[s00]\n\t" \
    "smlad %[s01], %[odd], %[error0], %[s01]\n\t"  \
    "smlad %[s10], %[even], %[error1], %[s10]\n\t" \
    "smlad %[s11], %[odd], %[error1], %[s11]\n\t"  \
    "ldr %[error0], [%[errors], #-8]\n\t"          \
    "ldr %[error1], [%[errors], #-4]\n\t"          \
    "smlad %[s20], %[even], %[error0], %[s20]\n\t" \
    "smlad %[s21], %[odd], %[error0], %[s21]\n\t"  \
    "smlad %[s30], %[even], %[error1], %[s30]\n\t" \
    "smlad %[s31], %[odd], %[error1], %[s31]\n\t"

#define ADD_FOUR_STEPS ADD_TWO_STEPS ADD_TWO_STEPS
#define ADD_SIXTEEN_STEPS ADD_FOUR_STEPS ADD_FOUR_STEPS ADD_FOUR_STEPS ADD_FOUR_STEPS

#define SUMS_AND_OPERANDS                                                                                   \
    [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), [s11] "+r"(s11), [s20] "+r"(s20), [s21] "+r"(s21),   \
        [s30] "+r"(s30), [s31] "+r"(s31), [inputs] "+r"(inputs), [errors] "+r"(errors), [even] "=&r"(even), \
        [odd] "=&r"(odd), [error0] "=&r"(error0), [error1] "=&r"(error1)

/* In C, the compiler would keep four pointers in step, and spill them. */
static inline int32_t *next_row(int32_t *row, uint32_t pitch)
{
    __asm__("add %[row], %[row], %[pitch], lsl #2" : [row] "+r"(row) : [pitch] "r"(pitch));
    return row;
}

/* Features 0 and 1 of four rows of gradients, `pitch` apart. */
static inline void add_two_features(int32_t *gradient, uint32_t pitch, const int32_t corrections[ROWS],
                                    const uint8_t *inputs, const int16_t *errors, uint32_t steps)
{
    int32_t *row = gradient;
    int32_t s00 = row[0] - corrections[0], s01 = row[1] - corrections[0];
    row = next_row(row, pitch);
    int32_t s10 = row[0] - corrections[1], s11 = row[1] - corrections[1];
    row = next_row(row, pitch);
    int32_t s20 = row[0] - corrections[2], s21 = row[1] - corrections[2];
    row = next_row(row, pitch);
    int32_t s30 = row[0] - corrections[3], s31 = row[1] - corrections[3];
    uint32_t even, odd, error0, error1;
    if (steps == MOST_STEPS) {
        __asm__(ADD_SIXTEEN_STEPS : SUMS_AND_OPERANDS : : "memory");
    } else {
        for (; steps > 0; steps -= STEPS_AT_ONCE) {
            __asm__(ADD_FOUR_STEPS : SUMS_AND_OPERANDS : : "memory");
        }
    }
    row = gradient;
    row[0] = s00, row[1] = s01;
    row = next_row(row, pitch);
    row[0] = s10, row[1] = s11;
    row = next_row(row, pitch);
    row[0] = s20, row[1] = s21;
    row = next_row(row, pitch);
    row[0] = s30, row[1] = s31;
}

static void add_to_four_rows(const struct dense *layer, int32_t *gradient, const int16_t *errors, uint32_t steps)
{
    const uint32_t features = layer->features;
    const uint32_t step_pitch = 2 * layer->burst.room;
    const uint8_t *inputs = layer->burst.inputs;
    int32_t corrections[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) {
        corrections[r] = correction_of(layer, errors, r, steps);
    }
    int32_t *const end = gradient + features / 2 * 2;
    for (int32_t *at = gradient; at < end; at += 2, inputs += step_pitch) {
        add_two_features(at, features, corrections, inputs, errors, steps);
    }
    if (features % 2 != 0) {
        for (uint32_t r = 0; r < ROWS; r++) {
            add_to_row(layer, gradient + r * features, r, features - 1, errors, steps);
        }
    }
}

#else

static void add_to_four_rows(const struct dense *layer, int32_t *gradient, const int16_t *errors, uint32_t steps)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        add_to_row(layer, gradient + r * layer->features, r, 0, errors, steps);
    }
}

#endif

static void settle(const struct dense *layer)
{
    const struct burst *burst = &layer->burst;
    const uint32_t features = layer->features;
    const uint32_t steps = (*burst->held + STEPS_AT_ONCE - 1) / STEPS_AT_ONCE * STEPS_AT_ONCE;
    const int16_t *errors = burst->errors;
    int32_t *gradient = layer->structures->gradient;
    uint32_t o = 0;
    for (; o + ROWS <= layer->units; o += ROWS, errors += ROWS * burst->room, gradient += ROWS * features) {
        add_to_four_rows(layer, gradient, errors, steps);
    }
    for (; o < layer->units; o++, gradient += features) {
        add_to_row(layer, gradient, o % ROWS, 0, errors, steps);
    }
    memset(burst->inputs, 0, (features + 1) / 2 * 2 * burst->room);
    memset(burst->errors, 0, (layer->units + ROWS - 1) / ROWS * ROWS * burst->room * sizeof *burst->errors);
    *burst->held = 0;
}

void dense_u8_settle(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    (void)step;
    if (*layer->burst.held > 0) {
        settle(layer);
    }
}

static void hold_input(const struct dense *layer)
{
    const uint32_t features = layer->features;
    const uint32_t pitch = 2 * layer->burst.room;
    const uint8_t *input = layer->input.data;
    const uint8_t *const end = input + features / 2 * 2;
    uint8_t *place = layer->burst.inputs + 2 * *layer->burst.held;
#pragma GCC unroll 4
    for (; input < end; input += 2, place += pitch) {
        memcpy(place, input, 2);
    }
    if (features % 2 != 0) {
        place[0] = input[0];
    }
}

static void hold_errors(const struct dense *layer)
{
    const uint32_t room = layer->burst.room;
    const uint32_t at = *layer->burst.held;
    const struct structures *structures = layer->structures;
    const uint8_t *error = structures->output_error.data;
    const int32_t zero = structures->output_error.quant->zero_point;
    int16_t *errors = layer->burst.errors + at / 2 * 2 * ROWS + at % 2;
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        errors[o / ROWS * ROWS * room + o % ROWS * 2] = (int16_t)(error[o] - zero);
    }
}

static void hold_step(const struct dense *layer)
{
    const struct burst *burst = &layer->burst;
    hold_input(layer);
    hold_errors(layer);
    *burst->held += 1;
    if (*burst->held == burst->room) {
        settle(layer);
    }
}

/* Waiting costs all rows the same, and a step that finds nobody to share with has nothing to wait for. */
static bool better_held(const struct dense *layer, const struct step *step)
{
    const struct burst *burst = &layer->burst;
    return burst->room > 0 && LEAST_SHARE_HELD * layer->structures->selection->count >= layer->units &&
           !(step->closes_minibatch && *burst->held == 0);
}

void dense_u8_gradient(const void *dense, struct step *step)
{
    const struct dense *layer = dense;
    const struct structures *structures = layer->structures;
    const uint8_t *error = structures->output_error.data;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    int32_t *bias_gradient = structures->bias_gradient;
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        structures->touched[o] = 1;
        bias_gradient[o] += error[o] - error_zero;
    }
    if (better_held(layer, step)) {
        hold_step(layer);
    } else {
        add_step(layer);
    }
}
