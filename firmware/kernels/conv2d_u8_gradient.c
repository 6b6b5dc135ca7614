#include "kernels/conv2d.h"
#include "kernels/dot.h"
#include "trainer/accumulator.h"

/* The gradient of a weight is a dot product over output positions. Errors of some filters and inputs of some channels
 * are laid out as planes, with as many columns as the windows of a row reach over; where windows follow each other,
 * each tap reads the input planes shifted, and the columns beside the output are zero in the error planes. Planes hold
 * a few rows at a time; the sums of the tile are kept until the last. */
struct tile {
    const struct conv2d *conv;
    struct conv2d_shape shape;
    uint32_t first_filter; /* index into the selected ones */
    uint32_t filters;
    uint32_t first_channel;
    uint32_t channels;
    uint32_t *sums; /* [filters][channels][taps] */
    int16_t *errors;
    int16_t *inputs;
    uint32_t most_rows;
    uint32_t rows; /* of the output, from first_row on */
    uint32_t first_row;
    uint32_t pitch; /* even */
    uint32_t error_plane;
    uint32_t input_plane;
    bool shifted; /* input planes serve all taps */
};

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

static uint32_t plane_pitch(const struct conv2d_shape *shape)
{
    const bool shifted = shape->stride_y == 1 && shape->stride_x == 1;
    return (shape->output_width + (shifted ? shape->kernel_width - 1u : 0) + 1) / 2 * 2;
}

/* A pointwise convolution does not care where rows end: make them as long as planes of `most_values` allow. */
static void join_rows(struct conv2d_shape *shape, uint32_t most_values)
{
    const bool joinable = shape->kernel_height == 1 && shape->kernel_width == 1 && shape->stride_y == 1 &&
                          shape->stride_x == 1 && shape->padding_y == 0 && shape->padding_x == 0;
    uint32_t rows = shape->output_height;
    if (!joinable) {
        return;
    }
    while (rows > 1 && (shape->output_height % rows != 0 || shape->output_width * rows + 1 > most_values)) {
        rows--;
    }
    shape->input_width = shape->output_width = (uint16_t)(shape->output_width * rows);
    shape->input_height = shape->output_height = (uint16_t)(shape->output_height / rows);
}

static struct tile tile_in_scratch(const struct conv2d *conv)
{
    const struct conv2d_shape *shape = &conv->shape;
    const uint32_t taps = (uint32_t)shape->kernel_height * shape->kernel_width;
    const bool shifted = shape->stride_y == 1 && shape->stride_x == 1;
    const uint32_t beside = shifted ? shape->kernel_width - 1u : 0;
    const uint32_t below = shifted ? shape->kernel_height - 1u : 0;
    struct tile tile = {
        .conv = conv,
        .shape = *shape,
        .filters = at_most(conv->structures->selection->count, taps == 1 ? 16 : 8),
        .channels = at_most(shape->input_channels, taps == 1 ? 8 : 4),
        .sums = conv->gradient_scratch.data,
        .shifted = shifted,
    };
    const uint32_t sums = tile.filters * tile.channels * taps;
    const uint32_t left = (conv->gradient_scratch.bytes - sums * (uint32_t)sizeof *tile.sums) / sizeof *tile.inputs;
    join_rows(&tile.shape, left / (tile.filters + tile.channels));
    tile.pitch = plane_pitch(&tile.shape);
    const uint32_t more = below * tile.pitch + (beside + 1) / 2 * 2;
    const uint32_t fit = (left - tile.channels * more) / (tile.pitch * (tile.filters + tile.channels));
    tile.most_rows = at_most(fit, tile.shape.output_height);
    tile.error_plane = tile.most_rows * tile.pitch;
    tile.input_plane = tile.error_plane + more;
    tile.errors = (int16_t *)(tile.sums + sums);
    tile.inputs = tile.errors + tile.filters * tile.error_plane;
    return tile;
}

#define PLANES_AT_ONCE 4

/* Write value c of each of `count` pixels, less `zero`, to plane c. */
static void fill_four_planes(int16_t *plane, uint32_t plane_pitch, const uint8_t *pixel, uint32_t pixel_pitch,
                             uint32_t count, int32_t zero)
{
#ifdef __ARM_FEATURE_DSP
    const uint32_t minus_zeros = pack_low((uint32_t)-zero, (uint32_t)-zero);
    for (; count >= 2; count -= 2, pixel += 2 * pixel_pitch, plane += 2) {
        const uint32_t word0 = load_word(pixel);
        const uint32_t word1 = load_word(pixel + pixel_pitch);
        const uint32_t low = pack_low(word0, word1);
        const uint32_t high = pack_high(word0, word1);
        store_word(plane, add_even_bytes(minus_zeros, low));
        store_word(plane + plane_pitch, add_odd_bytes(minus_zeros, low));
        store_word(plane + 2 * plane_pitch, add_even_bytes(minus_zeros, high));
        store_word(plane + 3 * plane_pitch, add_odd_bytes(minus_zeros, high));
    }
#endif
    for (; count > 0; count--, pixel += pixel_pitch, plane++) {
        int16_t *to = plane;
#pragma GCC unroll 4
        for (uint32_t c = 0; c < PLANES_AT_ONCE; c++, to += plane_pitch) {
            *to = (int16_t)(pixel[c] - zero);
        }
    }
}

static void fill_plane(int16_t *plane, const uint8_t *value, uint32_t pixel_pitch, uint32_t count, int32_t zero)
{
    for (; count > 0; count--, value += pixel_pitch) {
        *plane++ = (int16_t)(*value - zero);
    }
}

static void fill_with_zeros(int16_t *plane, uint32_t planes, uint32_t plane_pitch, uint32_t count)
{
    for (uint32_t c = 0; c < planes; c++, plane += plane_pitch) {
        for (uint32_t i = 0; i < count; i++) {
            plane[i] = 0;
        }
    }
}

static bool selected_without_gap(const uint16_t *selected, uint32_t count)
{
    return selected[count - 1] - selected[0] == (int32_t)count - 1;
}

static void fill_errors(const struct tile *tile)
{
    const struct conv2d_shape *shape = &tile->shape;
    const struct structures *structures = tile->conv->structures;
    const uint16_t *selected = structures->selected + tile->first_filter;
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint32_t width = shape->output_width;
    const uint8_t *error = (const uint8_t *)structures->output_error.data + tile->first_row * width * shape->filters;
    int16_t *plane = tile->errors;
    for (uint32_t row = 0; row < tile->rows; row++, error += width * shape->filters, plane += tile->pitch) {
        uint32_t f = 0;
        while (f < tile->filters) {
            int16_t *to = plane + f * tile->error_plane;
            if (f + PLANES_AT_ONCE <= tile->filters && selected_without_gap(selected + f, PLANES_AT_ONCE)) {
                fill_four_planes(to, tile->error_plane, error + selected[f], shape->filters, width, zero);
                f += PLANES_AT_ONCE;
            } else {
                fill_plane(to, error + selected[f], shape->filters, width, zero);
                f++;
            }
        }
        fill_with_zeros(plane + width, tile->filters, tile->error_plane, tile->pitch - width);
    }
}

/* The first value of a plane is that of the input at (top, left); further ones lie a stride apart. */
static void fill_inputs(const struct tile *tile, int32_t top, int32_t left, uint32_t rows)
{
    const struct conv2d_shape *shape = &tile->shape;
    const uint32_t stride = shape->stride_x;
    const uint32_t pixel_pitch = stride * shape->input_channels;
    const int32_t zero = tile->conv->input.quant->zero_point;
    const uint32_t before = left < 0 ? ((uint32_t)-left + stride - 1) / stride : 0;
    const uint32_t end = at_most(((uint32_t)(shape->input_width - left) + stride - 1) / stride, tile->pitch);
    const uint32_t first_x = (uint32_t)left + before * stride;
    int16_t *plane = tile->inputs;
    for (uint32_t row = 0; row < rows; row++, plane += tile->pitch) {
        const uint32_t y = (uint32_t)top + row * shape->stride_y;
        if (y >= shape->input_height || before >= end) {
            fill_with_zeros(plane, tile->channels, tile->input_plane, tile->pitch);
            continue;
        }
        const uint8_t *pixel = (const uint8_t *)tile->conv->input.data +
                               (y * shape->input_width + first_x) * shape->input_channels + tile->first_channel;
        fill_with_zeros(plane, tile->channels, tile->input_plane, before);
        uint32_t c = 0;
        for (; c + PLANES_AT_ONCE <= tile->channels; c += PLANES_AT_ONCE) {
            int16_t *to = plane + c * tile->input_plane + before;
            fill_four_planes(to, tile->input_plane, pixel + c, pixel_pitch, end - before, zero);
        }
        for (; c < tile->channels; c++) {
            fill_plane(plane + c * tile->input_plane + before, pixel + c, pixel_pitch, end - before, zero);
        }
        fill_with_zeros(plane + end, tile->channels, tile->input_plane, tile->pitch - end);
    }
}

/* Walks over the channels of a tile and the taps of each. */
struct stream {
    const struct tile *tile;
    uint32_t channel;
    uint32_t kernel_y;
    uint32_t kernel_x;
    const int16_t *values;
    uint32_t index; /* of the sum */
};

static void advance_over_taps(struct stream *stream)
{
    const struct tile *tile = stream->tile;
    const struct conv2d_shape *shape = &tile->shape;
    stream->index++;
    if (++stream->kernel_x == shape->kernel_width) {
        stream->kernel_x = 0;
        if (++stream->kernel_y == shape->kernel_height) {
            stream->kernel_y = 0;
            stream->channel++;
        }
    }
    stream->values =
        tile->inputs + stream->channel * tile->input_plane + stream->kernel_y * tile->pitch + stream->kernel_x;
}

static void advance_to_next_channel(struct stream *stream)
{
    const struct conv2d_shape *shape = &stream->tile->shape;
    stream->index += (uint32_t)shape->kernel_height * shape->kernel_width;
    stream->channel++;
    stream->values += stream->tile->input_plane;
}

/* Add the products of two input planes, shifted to their taps, with the planes of all errors. */
static void add_stream_products(const struct tile *tile, const struct stream *first, const struct stream *second,
                                uint32_t sums_a_filter)
{
    const uint32_t count = tile->rows * tile->pitch;
    const int16_t *errors = tile->errors;
    uint32_t *sums0 = tile->sums;
    for (uint32_t f = 0; f < tile->filters; f += 2) {
        const uint32_t next = f + 1 < tile->filters ? 1 : 0;
        uint32_t *sums1 = sums0 + next * sums_a_filter;
        sums_2x2 sums = {{sums0[first->index], sums0[second->index]}, {sums1[first->index], sums1[second->index]}};
        add_dot_planes(sums, errors, errors + next * tile->error_plane, first->values, second->values, count);
        sums1[second->index] = sums[1][1];
        sums0[second->index] = sums[0][1];
        sums1[first->index] = sums[1][0];
        sums0[first->index] = sums[0][0];
        errors += 2 * tile->error_plane;
        sums0 += 2 * sums_a_filter;
    }
}

/* Of windows of one tap: sums of neighboring channels lie side by side. */
static void add_pointwise_products(const struct tile *tile)
{
    const uint32_t count = tile->rows * tile->pitch;
    const uint32_t channels = tile->channels;
    const uint32_t input_plane = tile->input_plane;
    const int16_t *errors = tile->errors;
    uint32_t *sums0 = tile->sums;
    for (uint32_t f = 0; f < tile->filters; f += 2) {
        const uint32_t next = f + 1 < tile->filters ? 1 : 0;
        const int16_t *other_errors = errors + next * tile->error_plane;
        uint32_t *sums1 = sums0 + next * channels;
        const int16_t *inputs = tile->inputs;
        for (uint32_t c = 0; c < channels; c += COLUMNS, inputs += COLUMNS * input_plane) {
            const uint32_t beside = c + COLUMNS <= channels ? COLUMNS - 1 : 0;
            sums_2x2 sums = {{sums0[c], sums0[c + beside]}, {sums1[c], sums1[c + beside]}};
            add_dot_planes(sums, errors, other_errors, inputs, inputs + beside * input_plane, count);
            sums1[c + beside] = sums[1][COLUMNS - 1];
            sums0[c + beside] = sums[0][COLUMNS - 1];
            sums1[c] = sums[1][0];
            sums0[c] = sums[0][0];
        }
        errors += 2 * tile->error_plane;
        sums0 += 2 * channels;
    }
}

/* For all taps, or for the one that the input planes are for. */
static void add_products(const struct tile *tile, uint32_t tap)
{
    const struct conv2d_shape *shape = &tile->shape;
    if (shape->kernel_height * shape->kernel_width == 1) {
        add_pointwise_products(tile);
        return;
    }
    const uint32_t sums_a_filter = tile->channels * shape->kernel_height * shape->kernel_width;
    void (*advance)(struct stream *) = tile->shifted ? advance_over_taps : advance_to_next_channel;
    struct stream stream = {.tile = tile, .values = tile->inputs, .index = tap};
    while (stream.channel < tile->channels) {
        const struct stream first = stream;
        struct stream second = stream;
        advance(&stream);
        if (COLUMNS == 2 && stream.channel < tile->channels) {
            second = stream;
            advance(&stream);
        }
        add_stream_products(tile, &first, &second, sums_a_filter);
    }
}

static void add_rows(const struct tile *tile)
{
    const struct conv2d_shape *shape = &tile->shape;
    const int32_t top = (int32_t)(tile->first_row * shape->stride_y) - shape->padding_y;
    const int32_t left = -(int32_t)shape->padding_x;
    if (tile->shifted) {
        fill_inputs(tile, top, left, tile->rows + shape->kernel_height - 1);
        add_products(tile, 0);
        return;
    }
    uint32_t tap = 0;
    for (uint32_t kernel_y = 0; kernel_y < shape->kernel_height; kernel_y++) {
        for (uint32_t kernel_x = 0; kernel_x < shape->kernel_width; kernel_x++, tap++) {
            fill_inputs(tile, top + (int32_t)kernel_y, left + (int32_t)kernel_x, tile->rows);
            add_products(tile, tap);
        }
    }
}

/* Add every `pitch`-th of the sums to gradients that lie side by side. */
static void add_sums(int32_t *gradient, const uint32_t *sums, uint32_t pitch, uint32_t count)
{
#pragma GCC unroll 4
    for (const int32_t *end = gradient + count; gradient < end; gradient++, sums += pitch) {
        *gradient = saturating_add(*gradient, (int32_t)*sums);
    }
}

static void add_to_gradient(const struct tile *tile)
{
    const struct structures *structures = tile->conv->structures;
    const uint32_t channels = tile->shape.input_channels;
    const uint32_t taps = (uint32_t)tile->shape.kernel_height * tile->shape.kernel_width;
    const uint32_t *sums = tile->sums;
    for (uint32_t f = 0; f < tile->filters; f++, sums += tile->channels * taps) {
        const uint32_t o = structures->selected[tile->first_filter + f];
        if (accumulates_narrowly(structures)) {
            for (uint32_t c = 0; c < tile->channels; c++) {
                accumulate_narrowly(structures, o, tile->first_channel + c, channels, sums + c * taps, taps);
            }
            continue;
        }
        int32_t *gradient = (int32_t *)structures->gradient + o * structures->elements + tile->first_channel;
        for (uint32_t tap = 0; tap < taps; tap++, gradient += channels) {
            add_sums(gradient, sums + tap, taps, tile->channels);
        }
    }
}

static void add_tile(struct tile *tile)
{
    const struct conv2d_shape *shape = &tile->shape;
    const bool errors_stay = tile->most_rows == shape->output_height;
    memset(tile->sums, 0, (size_t)((uint8_t *)tile->errors - (uint8_t *)tile->sums));
    for (uint32_t row = 0; row < shape->output_height; row += tile->most_rows) {
        tile->first_row = row;
        tile->rows = at_most(tile->most_rows, shape->output_height - row);
        if (!errors_stay || tile->first_channel == 0) {
            fill_errors(tile);
        }
        add_rows(tile);
    }
    add_to_gradient(tile);
}

static void add_bias_gradient(const struct structures *structures, uint32_t o)
{
    const uint8_t *error = (const uint8_t *)structures->output_error.data + o;
    int32_t *gradient = structures->bias_gradient;
    int32_t sum = -(int32_t)structures->positions * structures->output_error.quant->zero_point;
    const uint32_t count = structures->count;
#pragma GCC unroll 8
    for (uint32_t left = structures->positions; left > 0; left--, error += count) {
        sum += *error;
    }
    gradient[o] = saturating_add(gradient[o], sum);
    structures->touched[o] = 1;
}

void conv2d_u8_gradient(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct structures *structures = conv->structures;
    const uint32_t selected = structures->selection->count;
    const uint32_t channels = conv->shape.input_channels;
    struct tile tile = tile_in_scratch(conv);
    const uint32_t most_filters = tile.filters;
    const uint32_t most_channels = tile.channels;
    (void)step;

    for (uint32_t i = 0; i < selected; i++) {
        add_bias_gradient(structures, structures->selected[i]);
    }
    for (uint32_t f = 0; f < selected; f += most_filters) {
        tile.first_filter = f;
        tile.filters = at_most(most_filters, selected - f);
        for (uint32_t c = 0; c < channels; c += most_channels) {
            tile.first_channel = c;
            tile.channels = at_most(most_channels, channels - c);
            add_tile(&tile);
        }
    }
}
