#include "kernels/depthwise_conv2d.h"
#include "kernels/lanes.h"
#include "kernels/passing.h"
#include "kernels/plane.h"
#include "kernels/requantizer.h"
#include "trainer/accumulator.h"

/* A filter as rows of whole groups of lanes. A plane is read in whole groups as well: a lane of zero takes away what
 * lies beside the window. */
struct filter {
    lane *lanes; /* [height][row_lanes] */
    uint32_t height;
    uint32_t width;
    uint32_t row_lanes;
    uint32_t sum; /* of all lanes */
};

/* `bytes` has room for the filter in whole groups; `turned` begins with its last weight. */
static void fill_filter(struct filter *filter, uint8_t *bytes, const uint8_t *weights, int32_t zero, bool turned)
{
    const uint32_t elements = filter->height * filter->width;
    const uint32_t lanes = filter->height * filter->row_lanes;
    uint8_t *to = bytes;
    memset(bytes, zero, lanes);
    for (uint32_t at = 0; at < elements; to += filter->row_lanes) {
        for (uint32_t x = 0; x < filter->width; x++, at++) {
            to[x] = weights[turned ? elements - 1 - at : at];
        }
    }
    filter->sum = (uint32_t)widen_apart(filter->lanes, LANE_GROUP, bytes, lanes, zero);
}

/* Sum of the products of a row of a filter with a row of a plane. */
static inline __attribute__((always_inline)) uint32_t add_row(uint32_t sum, const uint8_t *values, const lane *lanes,
                                                              uint32_t width)
{
#ifdef __ARM_FEATURE_DSP
    for (uint32_t x = 0; x < width; x += LANE_GROUP) {
        const uint32_t word = load_word(values + x);
        sum = add_pair_products(sum, even_bytes(word), load_word(lanes + x));
        sum = add_pair_products(sum, odd_bytes(word), load_word(lanes + x + 2));
    }
#else
    for (uint32_t x = 0; x < width; x++) {
        sum += (uint32_t)(values[x] * lanes[x]);
    }
#endif
    return sum;
}

/* What some windows over a plane give, from `start` on; window i begins at value columns[i] of the first row. */
static inline __attribute__((always_inline)) void correlate_sized(uint32_t *sums, const uint32_t *columns,
                                                                  uint32_t count, const uint8_t *values, uint32_t pitch,
                                                                  const struct filter *filter, uint32_t height,
                                                                  uint32_t width, uint32_t start)
{
    for (const uint32_t *end = sums + count; sums < end;) {
        const uint8_t *row = values + *columns++;
        const lane *lanes = filter->lanes;
        uint32_t sum = start;
#pragma GCC unroll 3
        for (uint32_t y = 0; y < height; y++, row += pitch, lanes += filter->row_lanes) {
            sum = add_row(sum, row, lanes, width);
        }
        *sums++ = sum;
    }
}

static void correlate(uint32_t *sums, const uint32_t *columns, uint32_t count, const uint8_t *values, uint32_t pitch,
                      const struct filter *filter, uint32_t start)
{
    if (filter->height == 3 && filter->width == 3) {
        correlate_sized(sums, columns, count, values, pitch, filter, 3, 3, start);
    } else {
        correlate_sized(sums, columns, count, values, pitch, filter, filter->height, filter->width, start);
    }
}

/* A row of outputs that are wanted. */
struct wanted {
    uint32_t *sums;
    uint32_t *columns; /* where their windows begin */
    uint32_t *at;      /* where they lie behind the first output of the row */
    uint32_t count;
};

/* Windows slide over planes of one channel after the other, a few rows at a time. */
struct sliding {
    struct filter filter;
    struct wanted wanted;
    struct plane plane;
    uint32_t stride_y;
    uint32_t most_rows; /* of outputs that a plane is large enough for */
};

/* Windows `stride` apart, `columns` of them in each of `rows` rows. */
static struct sliding sliding_in_scratch(const struct depthwise_conv2d *conv, struct scratch scratch, uint32_t rows,
                                         uint32_t columns, uint32_t stride_y, uint32_t stride_x)
{
    const uint32_t row_lanes = whole_groups(conv->kernel_width);
    const uint32_t lanes = conv->kernel_height * row_lanes;
    struct sliding sliding = {.stride_y = stride_y};
    struct wanted *wanted = &sliding.wanted;
    wanted->sums = scratch.data;
    wanted->columns = wanted->sums + columns;
    wanted->at = wanted->columns + columns;
    sliding.filter = (struct filter){
        .lanes = (lane *)(wanted->at + columns),
        .height = conv->kernel_height,
        .width = conv->kernel_width,
        .row_lanes = row_lanes,
    };
    sliding.plane.values = (uint8_t *)(sliding.filter.lanes + lanes);
    sliding.plane.pitch = (columns - 1) * stride_x + row_lanes;
    const uint32_t left = scratch.bytes - (uint32_t)(sliding.plane.values - (uint8_t *)scratch.data);
    const uint32_t fit = (left / sliding.plane.pitch - conv->kernel_height) / stride_y + 1;
    sliding.most_rows = fit < rows ? fit : rows;
    return sliding;
}

/* Fill the plane for `rows` rows of windows, of which the first begins at (top, left). */
static void fill_plane_of_rows(struct sliding *sliding, const struct channel_image *image, uint32_t rows, int32_t top,
                               int32_t left)
{
    sliding->plane.rows = (rows - 1) * sliding->stride_y + sliding->filter.height;
    fill_plane(&sliding->plane, image, top, left);
}

static void correlate_wanted(const struct sliding *sliding, uint32_t row, uint32_t start)
{
    const struct wanted *wanted = &sliding->wanted;
    const uint8_t *values = sliding->plane.values + row * sliding->stride_y * sliding->plane.pitch;
    correlate(wanted->sums, wanted->columns, wanted->count, values, sliding->plane.pitch, &sliding->filter, start);
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

static struct channel_image input_channel(const struct depthwise_conv2d *conv, uint32_t channel)
{
    return (struct channel_image){
        .values = (const uint8_t *)conv->input.data + channel,
        .height = conv->input_height,
        .width = conv->input_width,
        .channels = conv->channels,
        .spread_y = 1,
        .spread_x = 1,
        .zero = (uint8_t)conv->input.quant->zero_point,
    };
}

/* Errors of outputs, as far apart across as their windows are. */
static struct channel_image error_channel(const struct depthwise_conv2d *conv, uint32_t channel)
{
    const struct tensor *error = &conv->structures->output_error;
    return (struct channel_image){
        .values = (const uint8_t *)error->data + channel,
        .height = conv->output_height,
        .width = conv->output_width,
        .channels = conv->channels,
        .spread_y = 1,
        .spread_x = conv->stride_x,
        .zero = (uint8_t)error->quant->zero_point,
    };
}

static void forward_channel(const struct depthwise_conv2d *conv, struct sliding *sliding,
                            struct requantizer *requantizer, uint32_t channel)
{
    const struct channel_image image = input_channel(conv, channel);
    const uint32_t start =
        ((const uint32_t *)conv->bias.data)[channel] - sliding->filter.sum * (uint32_t)conv->input.quant->zero_point;
    uint8_t *output = (uint8_t *)conv->output.data + channel;
    for (uint32_t y = 0; y < conv->output_height; y += sliding->most_rows) {
        const uint32_t rows = at_most(sliding->most_rows, conv->output_height - y);
        fill_plane_of_rows(sliding, &image, rows, (int32_t)(y * conv->stride_y) - conv->padding_y, -conv->padding_x);
        for (uint32_t row = 0; row < rows; row++, output += conv->output_width * conv->channels) {
            const struct wanted *wanted = &sliding->wanted;
            correlate_wanted(sliding, row, start);
            requantizer_take_at(requantizer, wanted->sums, wanted->at, wanted->count, output);
        }
    }
}

void depthwise_conv2d_u8_forward(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const uint8_t *weights = conv->weights.data;
    const float unit = conv->input.quant->scale * conv->weights.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, conv->output.quant, conv->activation);
    struct sliding sliding = sliding_in_scratch(conv, conv->forward_scratch, conv->output_height, conv->output_width,
                                                conv->stride_y, conv->stride_x);
    struct wanted *wanted = &sliding.wanted;
    for (; wanted->count < conv->output_width; wanted->count++) {
        wanted->columns[wanted->count] = wanted->count * conv->stride_x;
        wanted->at[wanted->count] = wanted->count * conv->channels;
    }

    for (uint32_t c = 0; c < conv->channels; c++, weights += conv->kernel_height * conv->kernel_width) {
        fill_filter(&sliding.filter, sliding.plane.values, weights, conv->weights.quant->zero_point, false);
        forward_channel(conv, &sliding, &requantizer, c);
    }
    if (step->training && conv->output.quant->tracked) {
        see_activated(conv->output.quant, conv->activation, requantizer.lowest, requantizer.highest, unit);
    }
}

/* Planes of the errors, widened to lanes, and of the inputs, for a few rows of outputs at a time. */
struct products {
    uint32_t *sums; /* [taps] */
    lane *errors;   /* [most_rows][row_lanes] */
    uint32_t row_lanes;
    uint32_t most_rows;
    uint32_t rows;
    struct plane inputs; /* takes the bytes of the errors first */
};

static struct products products_in_scratch(const struct depthwise_conv2d *conv)
{
    const struct scratch scratch = conv->gradient_scratch;
    const uint32_t taps = (uint32_t)conv->kernel_height * conv->kernel_width;
    struct products products = {.sums = scratch.data};
    products.errors = (lane *)(products.sums + taps);
    products.row_lanes = whole_groups((conv->output_width - 1u) * conv->stride_x + 1);
    products.inputs.pitch = products.row_lanes + conv->kernel_width - 1;
    const uint32_t left = scratch.bytes - taps * (uint32_t)sizeof *products.sums;
    const uint32_t row_bytes = products.row_lanes * (uint32_t)sizeof(lane) + conv->stride_y * products.inputs.pitch;
    const uint32_t height = conv->kernel_height;
    const uint32_t more_rows = height > conv->stride_y ? height - conv->stride_y : 0;
    const uint32_t fit = (left - more_rows * products.inputs.pitch) / row_bytes;
    products.most_rows = at_most(fit, conv->output_height);
    products.inputs.values = (uint8_t *)(products.errors + products.most_rows * products.row_lanes);
    return products;
}

/* Add the products of the errors with the inputs at `taps` neighboring columns. */
static inline __attribute__((always_inline)) void add_products_at(const struct products *products, uint32_t *sums,
                                                                  const uint8_t *inputs, uint32_t step, uint32_t taps)
{
    uint32_t totals[3] = {0, 0, 0};
    const lane *errors = products->errors;
    for (uint32_t row = 0; row < products->rows; row++, inputs += step) {
        const uint8_t *values = inputs;
        for (const lane *end = errors + products->row_lanes; errors < end; errors += LANE_GROUP, values += LANE_GROUP) {
#pragma GCC unroll 3
            for (uint32_t tap = 0; tap < taps; tap++) {
                totals[tap] = add_row(totals[tap], values + tap, errors, LANE_GROUP);
            }
        }
    }
    for (uint32_t tap = 0; tap < taps; tap++) {
        sums[tap] += totals[tap];
    }
}

static void add_products(const struct products *products, const struct depthwise_conv2d *conv)
{
    const uint32_t pitch = products->inputs.pitch;
    const uint32_t width = conv->kernel_width;
    const uint8_t *inputs = products->inputs.values;
    uint32_t *sums = products->sums;
    for (uint32_t y = 0; y < conv->kernel_height; y++, inputs += pitch, sums += width) {
        uint32_t x = 0;
        for (; x + 3 <= width; x += 3) {
            add_products_at(products, sums + x, inputs + x, conv->stride_y * pitch, 3);
        }
        for (; x < width; x++) {
            add_products_at(products, sums + x, inputs + x, conv->stride_y * pitch, 1);
        }
    }
}

static void accumulate_channel(const struct depthwise_conv2d *conv, struct products *products, uint32_t channel)
{
    const struct structures *structures = conv->structures;
    const struct channel_image errors = error_channel(conv, channel);
    const struct channel_image inputs = input_channel(conv, channel);
    const uint32_t taps = structures->elements;
    int32_t *bias_gradient = (int32_t *)structures->bias_gradient + channel;
    int32_t error_sum = 0;
    memset(products->sums, 0, taps * sizeof *products->sums);
    for (uint32_t y = 0; y < conv->output_height; y += products->most_rows) {
        products->rows = at_most(products->most_rows, conv->output_height - y);
        const struct plane bytes = {products->inputs.values, products->rows, products->row_lanes};
        fill_plane(&bytes, &errors, (int32_t)y, 0);
        error_sum += widen_apart(products->errors, LANE_GROUP, bytes.values, bytes.rows * bytes.pitch, errors.zero);
        products->inputs.rows = (products->rows - 1) * conv->stride_y + conv->kernel_height;
        fill_plane(&products->inputs, &inputs, (int32_t)(y * conv->stride_y) - conv->padding_y, -conv->padding_x);
        add_products(products, conv);
    }
    const uint32_t correction = (uint32_t)error_sum * inputs.zero;
    for (uint32_t tap = 0; tap < taps; tap++) {
        products->sums[tap] -= correction;
    }
    if (accumulates_narrowly(structures)) {
        accumulate_narrowly(structures, channel, 0, 1, products->sums, taps);
    } else {
        int32_t *gradient = (int32_t *)structures->gradient + channel * taps;
        for (uint32_t tap = 0; tap < taps; tap++) {
            gradient[tap] = saturating_add(gradient[tap], (int32_t)products->sums[tap]);
        }
    }
    *bias_gradient = saturating_add(*bias_gradient, error_sum);
    structures->touched[channel] = 1;
}

void depthwise_conv2d_u8_gradient(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const struct structures *structures = conv->structures;
    struct products products = products_in_scratch(conv);
    (void)step;

    for (uint32_t i = 0; i < structures->selection->count; i++) {
        accumulate_channel(conv, &products, structures->selected[i]);
    }
}

/* Want the errors of a row of inputs that pass; the others are zero. */
static void want_passing(struct wanted *wanted, const struct depthwise_conv2d *conv, const uint8_t *input,
                         uint8_t *error, const struct mask *mask)
{
    const struct open_interval passing = mask->passing;
    uint32_t at = 0;
    uint32_t count = 0;
    for (uint32_t x = 0; x < conv->input_width; x++, at += conv->channels) {
        if (passes_u8(input[at], passing)) {
            wanted->columns[count] = x;
            wanted->at[count++] = at;
        } else {
            error[at] = mask->zero;
        }
    }
    wanted->count = count;
}

/* The error of an input is what a window over the errors gives, spread as far apart as the windows of the forward pass
 * are, with the filter turned around. */
static void propagate_channel(const struct depthwise_conv2d *conv, struct sliding *sliding,
                              struct requantizer *requantizer, const struct mask *mask, uint32_t channel)
{
    const int32_t left = conv->padding_x + 1 - conv->kernel_width;
    const int32_t top = conv->padding_y + 1 - conv->kernel_height;
    const uint32_t row_pitch = conv->input_width * (uint32_t)conv->channels;
    struct channel_image image = error_channel(conv, channel);
    image.spread_y = conv->stride_y;
    const uint32_t start = -sliding->filter.sum * image.zero;
    const uint8_t *input = (const uint8_t *)conv->input.data + channel;
    uint8_t *error = (uint8_t *)conv->input_error.data + channel;
    for (uint32_t y = 0; y < conv->input_height; y += sliding->most_rows) {
        const uint32_t rows = at_most(sliding->most_rows, conv->input_height - y);
        fill_plane_of_rows(sliding, &image, rows, (int32_t)y + top, left);
        for (uint32_t row = 0; row < rows; row++, input += row_pitch, error += row_pitch) {
            struct wanted *wanted = &sliding->wanted;
            want_passing(wanted, conv, input, error, mask);
            correlate_wanted(sliding, row, start);
            requantizer_take_at(requantizer, wanted->sums, wanted->at, wanted->count, error);
        }
    }
}

/* Write `zeros` over the bytes that `kept`, with 0xFF for a byte, does not keep; the words of a pixel lie `pitch`
 * apart. */
static void clear_words(uint32_t *word, uint32_t pitch, uint32_t count, uint32_t kept, uint32_t zeros)
{
    if (kept == 0) {
#pragma GCC unroll 4
        for (; count > 0; count--, word += pitch) {
            *word = zeros;
        }
    } else if (kept != UINT32_MAX) {
        const uint32_t written = zeros & ~kept;
#pragma GCC unroll 4
        for (; count > 0; count--, word += pitch) {
            *word = (*word & kept) | written;
        }
    }
}

/* Channels that are not selected pass no error on. What may lie in place of the others, the input, stays. */
static void clear_unselected(const struct depthwise_conv2d *conv, uint8_t zero)
{
    const uint32_t channels = conv->channels;
    const uint32_t positions = (uint32_t)conv->input_height * conv->input_width;
    const uint16_t *selected = conv->structures->selected;
    const uint16_t *end = selected + conv->structures->selection->count;
    uint8_t *error = conv->input_error.data;
    uint32_t c = 0;
    if (are_words(error, channels)) {
        for (; c < channels; c += 4) {
            uint32_t kept = 0;
            for (; selected < end && *selected < c + 4; selected++) {
                kept |= 0xFFu << 8 * (*selected - c);
            }
            clear_words((uint32_t *)(void *)(error + c), channels / 4, positions, kept, zero * 0x01010101u);
        }
    }
    for (; c < channels; c++) {
        if (selected < end && *selected == c) {
            selected++;
            continue;
        }
        for (uint32_t position = 0; position < positions; position++) {
            error[position * channels + c] = zero;
        }
    }
}

void depthwise_conv2d_u8_error(const void *depthwise_conv2d, struct step *step)
{
    const struct depthwise_conv2d *conv = depthwise_conv2d;
    const struct structures *structures = conv->structures;
    const uint8_t *weights = conv->weights.data;
    const float unit = conv->weights.quant->scale * structures->output_error.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, conv->input_error.quant, ACTIVATION_NONE);
    const struct mask mask = mask_of(conv->input_activation, conv->input.quant, requantizer.zero_point);
    struct sliding sliding = sliding_in_scratch(conv, conv->error_scratch, conv->input_height, conv->input_width, 1, 1);

    clear_unselected(conv, mask.zero);
    for (uint32_t i = 0; i < structures->selection->count; i++) {
        const uint32_t c = structures->selected[i];
        const uint8_t *filter = weights + c * structures->elements;
        fill_filter(&sliding.filter, sliding.plane.values, filter, conv->weights.quant->zero_point, true);
        propagate_channel(conv, &sliding, &requantizer, &mask, c);
    }
    if (step->training && conv->input_error.quant->tracked) {
        quant_see(conv->input_error.quant, requantizer.lowest, requantizer.highest, unit);
    }
}
