#include "kernels/pointwise_u8_error.h"

#include "kernels/lanes.h"

#ifdef __ARM_FEATURE_DSP

/* The lanes of two pixels for so many pairs of filters fit the registers. */
#define MOST_PAIRS 4

/* Their sums stand in one array, those of the second pixel behind those of the first. */
#define SHORT_ROWS_AT_ONCE 64

/* The weights of two filters in the halves of a word, by channel: [channels][pairs]. A filter that has no other stands
 * twice; the other has no error. */
struct pair_rows {
    uint32_t *words;
    uint32_t pairs;
    uint32_t first_channel;
    uint32_t channels;
};

/* Of pixels beside each other; the second may be none. */
struct pixel_pair {
    uint32_t lanes[2][MOST_PAIRS]; /* errors of the filters less the zero point, likewise in pairs */
    uint32_t minus_correction[2];
    uint32_t first;
    uint32_t count;
};

static uint32_t pairs_of(const struct conv2d *conv)
{
    return (conv->structures->selection->count + 1) / 2;
}

bool pointwise_has_few_filters(const struct conv2d *conv)
{
    const struct conv2d_shape *shape = &conv->shape;
    return shape->kernel_height == 1 && shape->kernel_width == 1 && shape->stride_y == 1 && shape->stride_x == 1 &&
           shape->padding_y == 0 && shape->padding_x == 0 && pairs_of(conv) <= MOST_PAIRS;
}

/* Filters 2 * pair and the one behind it, or the same again. */
static const uint8_t *filter_of_pair(const struct conv2d *conv, uint32_t pair, uint32_t second)
{
    const struct structures *structures = conv->structures;
    const uint32_t i = 2 * pair + second;
    const uint32_t listed = i < structures->selection->count ? i : 2 * pair;
    return (const uint8_t *)conv->weights.data + structures->selected[listed] * structures->elements;
}

static void pair_weights(const struct pair_rows *rows, const struct conv2d *conv)
{
    const uint32_t pitch = rows->pairs;
    for (uint32_t pair = 0; pair < pitch; pair++) {
        const uint8_t *filter0 = filter_of_pair(conv, pair, 0) + rows->first_channel;
        const uint8_t *filter1 = filter_of_pair(conv, pair, 1) + rows->first_channel;
        uint32_t *to = rows->words + pair;
        uint32_t c = 0;
        for (; c + 4 <= rows->channels; c += 4, to += 4 * pitch) {
            const uint32_t word0 = load_word(filter0 + c);
            const uint32_t word1 = load_word(filter1 + c);
            const uint32_t low = pack_low(word0, word1);
            const uint32_t high = pack_high(word0, word1);
            to[0] = even_bytes(low);
            to[pitch] = odd_bytes(low);
            to[2 * pitch] = even_bytes(high);
            to[3 * pitch] = odd_bytes(high);
        }
        for (; c < rows->channels; c++, to += pitch) {
            *to = pack_low(filter0[c], filter1[c]);
        }
    }
}

static void fill_lanes(struct pixel_pair *pixels, const struct conv2d *conv)
{
    const struct structures *structures = conv->structures;
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint32_t count = structures->selection->count;
    const uint8_t *error = (const uint8_t *)structures->output_error.data + pixels->first * structures->count;
    for (uint32_t pixel = 0; pixel < pixels->count; pixel++, error += structures->count) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < count; i += 2) {
            const int32_t error0 = error[structures->selected[i]] - zero;
            const int32_t error1 = i + 1 < count ? error[structures->selected[i + 1]] - zero : 0;
            sum += error0 + error1;
            pixels->lanes[pixel][i / 2] = pack_low((uint32_t)error0, (uint32_t)error1);
        }
        pixels->minus_correction[pixel] = (uint32_t)(-sum * conv->weights.quant->zero_point);
    }
}

/* `pairs` is a constant where this is called, so that all lanes lie in registers. */
static inline __attribute__((always_inline)) void sum_pairs(uint32_t *sums, uint32_t rows, const uint32_t *words,
                                                            const struct pixel_pair *pixels, uint32_t pairs)
{
    uint32_t lanes0[MOST_PAIRS], lanes1[MOST_PAIRS];
    const uint32_t correction0 = pixels->minus_correction[0];
    const uint32_t correction1 = pixels->minus_correction[1];
#pragma GCC unroll 4
    for (uint32_t pair = 0; pair < pairs; pair++) {
        lanes0[pair] = pixels->lanes[0][pair];
        lanes1[pair] = pixels->lanes[1][pair];
    }
#pragma GCC unroll 2
    for (const uint32_t *end = sums + rows; sums < end; sums++, words += pairs) {
        uint32_t sum0 = correction0;
        uint32_t sum1 = correction1;
#pragma GCC unroll 4
        for (uint32_t pair = 0; pair < pairs; pair++) {
            sum0 = add_pair_products(sum0, words[pair], lanes0[pair]);
            sum1 = add_pair_products(sum1, words[pair], lanes1[pair]);
        }
        sums[0] = sum0;
        sums[SHORT_ROWS_AT_ONCE] = sum1;
    }
}

/* Apart, or too many values compete for registers. */
__attribute__((noinline)) static void sum_rows_of_1(uint32_t *sums, uint32_t rows, const uint32_t *words,
                                                    const struct pixel_pair *pixels)
{
    sum_pairs(sums, rows, words, pixels, 1);
}

__attribute__((noinline)) static void sum_rows_of_2(uint32_t *sums, uint32_t rows, const uint32_t *words,
                                                    const struct pixel_pair *pixels)
{
    sum_pairs(sums, rows, words, pixels, 2);
}

__attribute__((noinline)) static void sum_rows_of_3(uint32_t *sums, uint32_t rows, const uint32_t *words,
                                                    const struct pixel_pair *pixels)
{
    sum_pairs(sums, rows, words, pixels, 3);
}

__attribute__((noinline)) static void sum_rows_of_4(uint32_t *sums, uint32_t rows, const uint32_t *words,
                                                    const struct pixel_pair *pixels)
{
    sum_pairs(sums, rows, words, pixels, 4);
}

typedef void sum_rows(uint32_t *, uint32_t, const uint32_t *, const struct pixel_pair *);

static sum_rows *const sum_rows_of[MOST_PAIRS] = {sum_rows_of_1, sum_rows_of_2, sum_rows_of_3, sum_rows_of_4};

static void take_sums(struct requantizer *requantizer, const struct conv2d *conv, const struct mask *mask,
                      const uint32_t *sums, uint32_t rows, uint32_t at)
{
    const uint8_t *input = conv->input.data;
    uint8_t *error = conv->input_error.data;
    if (mask->all_pass) {
        requantizer_take_rows(requantizer, sums, rows, error + at);
    } else {
        requantizer_take_passing(requantizer, sums, rows, input + at, mask, error + at);
    }
}

static void propagate_pair(struct requantizer *requantizer, const struct conv2d *conv, const struct mask *mask,
                           const struct pair_rows *rows, const struct pixel_pair *pixels)
{
    const uint32_t channels = conv->shape.input_channels;
    for (uint32_t c = 0; c < rows->channels; c += SHORT_ROWS_AT_ONCE) {
        const uint32_t left = rows->channels - c;
        const uint32_t taken = left < SHORT_ROWS_AT_ONCE ? left : SHORT_ROWS_AT_ONCE;
        const uint32_t at = pixels->first * channels + rows->first_channel + c;
        uint32_t sums[2 * SHORT_ROWS_AT_ONCE];
        sum_rows_of[rows->pairs - 1](sums, taken, rows->words + c * rows->pairs, pixels);
        take_sums(requantizer, conv, mask, sums, taken, at);
        if (pixels->count == 2) {
            take_sums(requantizer, conv, mask, sums + SHORT_ROWS_AT_ONCE, taken, at + channels);
        }
    }
}

void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask)
{
    const uint32_t channels = conv->shape.input_channels;
    const uint32_t positions = (uint32_t)conv->shape.input_height * conv->shape.input_width;
    struct pair_rows rows = {.words = conv->error_scratch.data, .pairs = pairs_of(conv)};
    const uint32_t fit = conv->error_scratch.bytes / (rows.pairs * sizeof *rows.words);
    const uint32_t most_channels = fit / SHORT_ROWS_AT_ONCE > 0 ? fit / SHORT_ROWS_AT_ONCE * SHORT_ROWS_AT_ONCE : fit;

    for (; rows.first_channel < channels; rows.first_channel += most_channels) {
        const uint32_t left = channels - rows.first_channel;
        rows.channels = left < most_channels ? left : most_channels;
        pair_weights(&rows, conv);
        struct pixel_pair pixels = {.count = 2};
        for (; pixels.first < positions; pixels.first += 2) {
            pixels.count = positions - pixels.first < 2 ? 1 : 2;
            fill_lanes(&pixels, conv);
            propagate_pair(requantizer, conv, mask, &rows, &pixels);
        }
    }
}

#else

bool pointwise_has_few_filters(const struct conv2d *conv)
{
    (void)conv;
    return false;
}

void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask)
{
    (void)conv, (void)requantizer, (void)mask;
}

#endif
