#include "kernels/dense.h"
#include "kernels/lanes.h"
#include "trainer/accumulator.h"

/* Gradients need no saturation: a step adds at most 255 * 255 in magnitude, and a minibatch has at most 4096. */
_Static_assert(255ll * 255 * 4096 <= INT32_MAX, "the gradients of a minibatch fit 32 bits");

#define ROWS 4
#define STEPS_AT_ONCE 4
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

/* A row of gradients and what the zero point of the inputs takes off each of its elements. */
struct row {
    int32_t *gradient;
    int32_t correction;
};

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

static void add_two_features(const struct row rows[ROWS], uint32_t feature, const uint8_t *inputs,
                             const int16_t *errors, uint32_t steps)
{
    int32_t *const row0 = rows[0].gradient + feature;
    int32_t *const row1 = rows[1].gradient + feature;
    int32_t *const row2 = rows[2].gradient + feature;
    int32_t *const row3 = rows[3].gradient + feature;
    int32_t s00 = row0[0] - rows[0].correction, s01 = row0[1] - rows[0].correction;
    int32_t s10 = row1[0] - rows[1].correction, s11 = row1[1] - rows[1].correction;
    int32_t s20 = row2[0] - rows[2].correction, s21 = row2[1] - rows[2].correction;
    int32_t s30 = row3[0] - rows[3].correction, s31 = row3[1] - rows[3].correction;
    for (; steps > 0; steps -= STEPS_AT_ONCE) {
        uint32_t even, odd, error0, error1;
        __asm__(ADD_TWO_STEPS ADD_TWO_STEPS
                : [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), [s11] "+r"(s11), [s20] "+r"(s20), [s21] "+r"(s21),
                  [s30] "+r"(s30), [s31] "+r"(s31), [inputs] "+r"(inputs), [errors] "+r"(errors), [even] "=&r"(even),
                  [odd] "=&r"(odd), [error0] "=&r"(error0), [error1] "=&r"(error1)
                :
                : "memory");
    }
    /* Where rows are missing, the last one takes their places, and what counts is stored last. */
    row3[0] = s30, row3[1] = s31;
    row2[0] = s20, row2[1] = s21;
    row1[0] = s10, row1[1] = s11;
    row0[0] = s00, row0[1] = s01;
}

#else

/* Where rows are missing, the last one takes their places; their errors are zero. */
static void add_two_features(const struct row rows[ROWS], uint32_t feature, const uint8_t *inputs,
                             const int16_t *errors, uint32_t steps)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        int32_t *row = rows[r].gradient + feature;
        int32_t s0 = row[0] - rows[r].correction;
        int32_t s1 = row[1] - rows[r].correction;
        const uint8_t *x = inputs;
        const int16_t *e = errors + 2 * r;
        for (uint32_t left = steps; left > 0; left -= 2, x += 4, e += 2 * ROWS) {
            s0 += x[0] * e[0] + x[2] * e[1];
            s1 += x[1] * e[0] + x[3] * e[1];
        }
        row[0] = s0;
        row[1] = s1;
    }
}

#endif

static int32_t error_of(const int16_t *errors, uint32_t row, uint32_t step)
{
    return errors[step / 2 * 2 * ROWS + 2 * row + step % 2];
}

/* The last of an odd number of features. */
static void add_last_feature(const struct row rows[ROWS], uint32_t feature, const uint8_t *inputs,
                             const int16_t *errors, uint32_t steps)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        int32_t sum = -rows[r].correction;
        for (uint32_t step = 0; step < steps; step++) {
            sum += inputs[2 * step] * error_of(errors, r, step);
        }
        rows[r].gradient[feature] += sum;
    }
}

static struct row row_of(const struct dense *layer, uint32_t o, const int16_t *errors, uint32_t steps)
{
    int32_t sum = 0;
    for (uint32_t step = 0; step < steps; step++) {
        sum += error_of(errors, o % ROWS, step);
    }
    const uint32_t existing = o < layer->units ? o : layer->units - 1;
    int32_t *gradient = layer->structures->gradient;
    return (struct row){gradient + existing * layer->features, sum * layer->input.quant->zero_point};
}

static void settle(const struct dense *layer)
{
    const struct burst *burst = &layer->burst;
    const uint32_t features = layer->features;
    const uint32_t steps = (*burst->held + STEPS_AT_ONCE - 1) / STEPS_AT_ONCE * STEPS_AT_ONCE;
    const int16_t *errors = burst->errors;
    for (uint32_t row = 0; row < layer->units; row += ROWS, errors += ROWS * burst->room) {
        struct row rows[ROWS];
        for (uint32_t r = 0; r < ROWS; r++) {
            rows[r] = row_of(layer, row + r, errors, steps);
        }
        const uint8_t *inputs = burst->inputs;
        uint32_t f = 0;
        for (; f + 2 <= features; f += 2, inputs += 2 * burst->room) {
            add_two_features(rows, f, inputs, errors, steps);
        }
        if (f < features) {
            add_last_feature(rows, f, inputs, errors, steps);
        }
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

static void hold_step(const struct dense *layer)
{
    const struct burst *burst = &layer->burst;
    const struct structures *structures = layer->structures;
    const uint8_t *error = structures->output_error.data;
    const int32_t error_zero = structures->output_error.quant->zero_point;
    const uint8_t *input = layer->input.data;
    const uint32_t at = *burst->held;
    uint8_t *place = burst->inputs + 2 * at;
    for (uint32_t f = 0; f + 2 <= layer->features; f += 2, place += 2 * burst->room) {
        place[0] = input[f];
        place[1] = input[f + 1];
    }
    if (layer->features % 2 != 0) {
        place[0] = input[layer->features - 1];
    }
    int16_t *errors = burst->errors + at / 2 * 2 * ROWS + at % 2;
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t o = structures->selected[i];
        errors[o / ROWS * ROWS * burst->room + o % ROWS * 2] = (int16_t)(error[o] - error_zero);
    }
    *burst->held = at + 1;
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
