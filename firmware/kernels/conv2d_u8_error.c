#include "kernels/conv2d.h"
#include "kernels/dot.h"
#include "kernels/patch.h"
#include "kernels/pointwise_u8_error.h"
#include "kernels/requantizer.h"

/* The error of an input channel is a dot product over taps and selected filters. Taps run backwards, so that the
 * output positions they belong to run forwards. The weights of a few channels at a time are brought into that order. */
/* Up to so many, it is faster to propagate to all channels than to find those that want an error. */
#define MOST_GROUPS_FOR_ALL 7

struct transposed {
    uint8_t *rows;   /* [channels][groups] of LANE_GROUP; what lies behind the last tap meets lanes of zero */
    uint32_t groups; /* of a row: taps * selected filters */
    uint32_t first_channel;
    uint32_t channels;
};

#ifdef __ARM_FEATURE_DSP
#define FILTERS_AT_ONCE 4

/* Write four bytes of each of four filters as four rows. */
static void transpose_block(uint8_t *to, uint32_t pitch, const uint8_t *const filters[FILTERS_AT_ONCE], uint32_t at)
{
    const uint32_t word0 = load_word(filters[0] + at);
    const uint32_t word1 = load_word(filters[1] + at);
    const uint32_t word2 = load_word(filters[2] + at);
    const uint32_t word3 = load_word(filters[3] + at);
    const uint32_t low02 = pack_low(word0, word2);
    const uint32_t low13 = pack_low(word1, word3);
    const uint32_t high02 = pack_high(word0, word2);
    const uint32_t high13 = pack_high(word1, word3);
    store_word(to, even_bytes(low02) | even_bytes(low13) << 8);
    store_word(to + pitch, odd_bytes(low02) | odd_bytes(low13) << 8);
    store_word(to + 2 * pitch, even_bytes(high02) | even_bytes(high13) << 8);
    store_word(to + 3 * pitch, odd_bytes(high02) | odd_bytes(high13) << 8);
}

/* Four filters at a time, as far as there are four more and channels by four. Returns how many filters were written. */
static uint32_t transpose_blocks(const struct transposed *transposed, const struct conv2d *conv)
{
    const struct structures *structures = conv->structures;
    const uint32_t channels = conv->shape.input_channels;
    const uint32_t selected = structures->selection->count;
    const uint32_t pitch = transposed->groups * LANE_GROUP;
    const uint8_t *weights = (const uint8_t *)conv->weights.data + transposed->first_channel;
    uint32_t i = 0;
    if (transposed->channels % 4 != 0) {
        return 0;
    }
    for (; i + FILTERS_AT_ONCE <= selected; i += FILTERS_AT_ONCE) {
        const uint8_t *filters[FILTERS_AT_ONCE];
        for (uint32_t f = 0; f < FILTERS_AT_ONCE; f++) {
            filters[f] = weights + structures->selected[i + f] * structures->elements;
        }
        uint8_t *to = transposed->rows + i;
        for (uint32_t tap = structures->elements; tap > 0; to += selected) {
            tap -= channels;
            uint8_t *row = to;
            for (uint32_t c = 0; c < transposed->channels; c += 4, row += 4 * pitch) {
                transpose_block(row, pitch, filters, tap + c);
            }
        }
    }
    return i;
}
#else
static uint32_t transpose_blocks(const struct transposed *transposed, const struct conv2d *conv)
{
    (void)transposed;
    (void)conv;
    return 0;
}
#endif

static void transpose_weights(const struct transposed *transposed, const struct conv2d *conv)
{
    const struct structures *structures = conv->structures;
    const uint32_t channels = conv->shape.input_channels;
    const uint32_t selected = structures->selection->count;
    const uint32_t pitch = transposed->groups * LANE_GROUP;
    for (uint32_t i = transpose_blocks(transposed, conv); i < selected; i++) {
        const uint8_t *filter = (const uint8_t *)conv->weights.data + structures->selected[i] * structures->elements;
        const uint8_t *weights = filter + structures->elements + transposed->first_channel;
        for (uint8_t *to = transposed->rows + i; weights >= filter + channels; to += selected) {
            weights -= channels;
            uint8_t *row = to;
            for (uint32_t c = 0; c < transposed->channels; c++, row += pitch) {
                *row = weights[c];
            }
        }
    }
}

/* Copy the selected errors of every output position that reads input (y, x), and `zero` where there is none. */
static void copy_selected_errors(uint8_t *to, const struct conv2d *conv, uint32_t y, uint32_t x, uint8_t zero)
{
    const struct conv2d_shape *shape = &conv->shape;
    const struct structures *structures = conv->structures;
    const uint8_t *error = structures->output_error.data;
    const uint16_t *selected = structures->selected;
    const uint32_t count = structures->selection->count;
    for (uint32_t kernel_y = shape->kernel_height; kernel_y-- > 0;) {
        uint32_t output_y = 0;
        const bool row = conv2d_output_row(shape, y, kernel_y, &output_y);
        for (uint32_t kernel_x = shape->kernel_width; kernel_x-- > 0; to += count) {
            uint32_t output_x = 0;
            if (!row || !conv2d_output_column(shape, x, kernel_x, &output_x)) {
                memset(to, zero, count);
                continue;
            }
            const uint8_t *pixel = error + (output_y * shape->output_width + output_x) * shape->filters;
            for (uint32_t i = 0; i < count; i++) {
                to[i] = pixel[selected[i]];
            }
        }
    }
}

/* Where the errors of all filters are needed and windows follow each other, they are a patch of the error tensor. */
static bool errors_are_patches(const struct conv2d *conv)
{
    const struct conv2d_shape *shape = &conv->shape;
    return conv->structures->selection->count == shape->filters && shape->filters % LANE_GROUP == 0 &&
           shape->stride_y == 1 && shape->stride_x == 1;
}

/* Fill a column for input (y, x). Returns the sum of its lanes. `bytes` holds zeros behind the last tap. */
static int32_t fill_error_column(lane *column, uint8_t *bytes, const struct conv2d *conv, uint32_t groups, uint32_t y,
                                 uint32_t x)
{
    const struct conv2d_shape *shape = &conv->shape;
    const struct tensor *error = &conv->structures->output_error;
    const int32_t zero = error->quant->zero_point;
    if (!errors_are_patches(conv)) {
        copy_selected_errors(bytes, conv, y, x, (uint8_t)zero);
        return widen(column, bytes, groups * LANE_GROUP, zero);
    }
    const struct image image = {
        .values = error->data,
        .zero = zero,
        .height = shape->output_height,
        .width = shape->output_width,
        .channels = shape->filters,
        .window_height = shape->kernel_height,
        .window_width = shape->kernel_width,
    };
    const int32_t top = (int32_t)(y + shape->padding_y + 1) - shape->kernel_height;
    const int32_t left = (int32_t)(x + shape->padding_x + 1) - shape->kernel_width;
    return fill_column(column, bytes, &image, top, left);
}

/* The pixels that the columns stand for. */
struct pixels {
    const uint8_t *input; /* may be the same as error: an input is read for the last time just before */
    uint8_t *error;
    uint32_t channels;
    uint32_t count;
    struct mask mask;
};

/* Channels whose error is wanted for at least one of the pixels, a few at a time. */
struct live_channels {
    uint32_t *channels; /* [ROWS_AT_ONCE] */
    const uint8_t **rows;
    uint32_t count;
    uint32_t wanted0; /* a bit for each of them: by pixel 0, */
    uint32_t wanted1; /* and by pixel 1 */
};

/* Whether the error of a channel is wanted, as a bit; where it is not, it is zero. */
static inline uint32_t wanted_or_zero(const struct pixels *pixels, uint32_t at)
{
    if (passes_u8(pixels->input[at], pixels->mask.passing)) {
        return 1;
    }
    pixels->error[at] = pixels->mask.zero;
    return 0;
}

static inline void add_if_live(struct live_channels *live, const struct pixels *pixels, uint32_t channel,
                               const uint8_t *row)
{
    const uint32_t wanted0 = wanted_or_zero(pixels, channel);
    const uint32_t wanted1 = pixels->count == 2 ? wanted_or_zero(pixels, pixels->channels + channel) : 0;
    if (wanted0 | wanted1) {
        live->wanted0 |= wanted0 << live->count;
        live->wanted1 |= wanted1 << live->count;
        live->channels[live->count] = channel;
        live->rows[live->count++] = row;
    }
}

static void set_sums(struct row_sums *sums, uint32_t rows, const uint32_t correction[2])
{
    for (uint32_t i = 0; i < rows; i++) {
        sums->column0[i] = -correction[0];
        sums->column1[i] = -correction[1];
    }
}

static void propagate_live(struct requantizer *requantizer, uint32_t groups, const lane *columns,
                           const uint32_t correction[2], const struct pixels *pixels, const struct live_channels *live)
{
    struct row_sums sums;
    set_sums(&sums, live->count, correction);
    for (uint32_t i = 0; i < live->count; i += 2) {
        const uint32_t other = i + 1 < live->count ? i + 1 : i;
        add_dot_lanes(&sums, i, live->rows[i], live->rows[other], columns, groups * LANE_GROUP);
    }
    requantizer_take_wanted(requantizer, sums.column0, live->channels, live->wanted0, pixels->error);
    requantizer_take_wanted(requantizer, sums.column1, live->channels, live->wanted1, pixels->error + pixels->channels);
}

/* To the channels that want an error only. */
static void propagate_to_live(struct requantizer *requantizer, const struct transposed *transposed, const lane *columns,
                              const uint32_t correction[2], const struct pixels *pixels)
{
    uint32_t channels[ROWS_AT_ONCE];
    const uint8_t *rows[ROWS_AT_ONCE];
    struct live_channels live = {.channels = channels, .rows = rows};
    const uint8_t *row = transposed->rows;
    for (uint32_t c = 0; c < transposed->channels; c++, row += transposed->groups * LANE_GROUP) {
        add_if_live(&live, pixels, transposed->first_channel + c, row);
        if (live.count == ROWS_AT_ONCE || (live.count > 0 && c + 1 == transposed->channels)) {
            propagate_live(requantizer, transposed->groups, columns, correction, pixels, &live);
            live = (struct live_channels){.channels = channels, .rows = rows};
        }
    }
}

static void propagate_to_all(struct requantizer *requantizer, const struct transposed *transposed, const lane *columns,
                             const uint32_t correction[2], const struct pixels *pixels)
{
    const uint32_t pitch = transposed->groups * LANE_GROUP;
    const uint8_t *row = transposed->rows;
    for (uint32_t c = 0; c < transposed->channels; c += ROWS_AT_ONCE, row += ROWS_AT_ONCE * pitch) {
        const uint32_t left = transposed->channels - c;
        const uint32_t rows = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        struct row_sums sums;
        set_sums(&sums, rows, correction);
        add_dot_rows(&sums, rows, row, pitch, columns, pitch);
        uint32_t at = transposed->first_channel + c;
        const uint32_t *of_pixel = sums.column0;
        for (uint32_t i = 0; i < pixels->count; i++, at += pixels->channels, of_pixel = sums.column1) {
            if (pixels->mask.all_pass) {
                requantizer_take_rows(requantizer, of_pixel, rows, pixels->error + at);
            } else {
                requantizer_take_passing(requantizer, of_pixel, rows, pixels->input + at, &pixels->mask,
                                         pixels->error + at);
            }
        }
    }
}

/* The error of the inputs that pass `mask`; at least one filter is selected. Apart, or too many values compete for
 * registers. */
__attribute__((noinline)) static void propagate_errors(const struct conv2d *conv, struct requantizer *requantizer,
                                                       struct mask mask)
{
    const struct conv2d_shape *shape = &conv->shape;
    const struct structures *structures = conv->structures;
    const uint32_t channels = shape->input_channels;
    const uint32_t positions = (uint32_t)shape->input_height * shape->input_width;
    const uint32_t elements = (uint32_t)shape->kernel_height * shape->kernel_width * structures->selection->count;
    const uint32_t groups = (elements + LANE_GROUP - 1) / LANE_GROUP;
    const uint32_t pitch = groups * LANE_GROUP;
    const int32_t weight_zero = conv->weights.quant->zero_point;
    const bool to_all = mask.all_pass || groups <= MOST_GROUPS_FOR_ALL;
    void (*const propagate)(struct requantizer *, const struct transposed *, const lane *, const uint32_t[2],
                            const struct pixels *) = to_all ? propagate_to_all : propagate_to_live;
    lane *const columns = conv->error_scratch.data;
    uint8_t *const bytes = (uint8_t *)(columns + pitch * COLUMNS);
    struct transposed transposed = {.rows = bytes + pitch, .groups = groups};
    const uint32_t rows_bytes = conv->error_scratch.bytes - (uint32_t)(transposed.rows - (uint8_t *)columns);
    const uint32_t fit = rows_bytes / pitch;
    const uint32_t most_channels = fit < 4 ? fit : fit / 4 * 4;

    memset(bytes + elements, structures->output_error.quant->zero_point, pitch - elements);
    for (uint32_t c = 0; c < channels; c += most_channels) {
        transposed.first_channel = c;
        transposed.channels = channels - c < most_channels ? channels - c : most_channels;
        transpose_weights(&transposed, conv);
        uint32_t y = 0;
        uint32_t x = 0;
        for (uint32_t position = 0; position < positions; position += COLUMNS) {
            const struct pixels pixels = {
                .input = (const uint8_t *)conv->input.data + position * channels,
                .error = (uint8_t *)conv->input_error.data + position * channels,
                .channels = channels,
                .count = position + COLUMNS <= positions ? COLUMNS : 1,
                .mask = mask,
            };
            uint32_t correction[2] = {0, 0};
            for (uint32_t i = 0; i < pixels.count; i++) {
                const int32_t sum = fill_error_column(columns + i * LANE_GROUP, bytes, conv, groups, y, x);
                correction[i] = (uint32_t)(sum * weight_zero);
                if (++x == shape->input_width) {
                    x = 0;
                    y++;
                }
            }
            propagate(requantizer, &transposed, columns, correction, &pixels);
        }
    }
}

void conv2d_u8_error(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct structures *structures = conv->structures;
    if (structures->selection->count == 0) {
        memset(conv->input_error.data, conv->input_error.quant->zero_point, conv->input_error.elements);
        return;
    }
    const float unit = conv->weights.quant->scale * structures->output_error.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, conv->input_error.quant, ACTIVATION_NONE);
    const struct mask mask = mask_of(conv->input_activation, conv->input.quant, requantizer.zero_point);
    if (pointwise_has_few_filters(conv)) {
        pointwise_u8_error(conv, &requantizer, &mask);
    } else {
        propagate_errors(conv, &requantizer, mask);
    }
    if (step->training && conv->input_error.quant->tracked) {
        quant_see(conv->input_error.quant, requantizer.lowest, requantizer.highest, unit);
    }
}
