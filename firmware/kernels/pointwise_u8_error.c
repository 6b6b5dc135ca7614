#include "kernels/pointwise_u8_error.h"

#include "kernels/lanes.h"

#ifdef __ARM_FEATURE_DSP

#define MOST_PAIRS 8

/* The lanes of so many pairs of filters fit the registers beside what else is needed. */
#define MOST_PAIRS_IN_REGISTERS 4

/* The weights of two filters in the halves of a word: [channels / 4][pairs][4]. A filter that has no other stands
 * twice; the other has no error. */
struct pair_rows {
    uint32_t *words;
    uint32_t pairs;
    uint32_t first_channel;
    uint32_t channels;
};

struct pixel {
    uint32_t lanes[MOST_PAIRS]; /* errors of the filters less the zero point, likewise in pairs */
    uint32_t minus_correction;
    const uint8_t *input; /* may be the same as error: an input is read for the last time just before */
    uint8_t *error;
};

static uint32_t pairs_of(const struct conv2d *conv)
{
    return (conv->structures->selection->count + 1) / 2;
}

bool pointwise_has_few_filters(const struct conv2d *conv, const struct requantizer *requantizer)
{
    const struct conv2d_shape *shape = &conv->shape;
    return shape->kernel_height == 1 && shape->kernel_width == 1 && shape->stride_y == 1 && shape->stride_x == 1 &&
           shape->padding_y == 0 && shape->padding_x == 0 && shape->input_channels % OUTPUTS_AT_ONCE == 0 &&
           conv->input_activation != ACTIVATION_NONE && pairs_of(conv) <= MOST_PAIRS &&
           conv->error_scratch.bytes >= pairs_of(conv) * OUTPUTS_AT_ONCE * sizeof(uint32_t) &&
           requantizer->short_factor.mantissa != 0;
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
    for (uint32_t pair = 0; pair < rows->pairs; pair++) {
        const uint8_t *filter0 = filter_of_pair(conv, pair, 0) + rows->first_channel;
        const uint8_t *filter1 = filter_of_pair(conv, pair, 1) + rows->first_channel;
        uint32_t *to = rows->words + pair * OUTPUTS_AT_ONCE;
        const uint32_t pitch = rows->pairs * OUTPUTS_AT_ONCE;
        for (uint32_t c = 0; c < rows->channels; c += OUTPUTS_AT_ONCE, to += pitch) {
            const uint32_t word0 = load_word(filter0 + c);
            const uint32_t word1 = load_word(filter1 + c);
            const uint32_t low = pack_low(word0, word1);
            const uint32_t high = pack_high(word0, word1);
            to[0] = even_bytes(low);
            to[1] = odd_bytes(low);
            to[2] = even_bytes(high);
            to[3] = odd_bytes(high);
        }
    }
}

static void fill_lanes(struct pixel *pixel, const struct conv2d *conv, uint32_t position)
{
    const struct structures *structures = conv->structures;
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint32_t count = structures->selection->count;
    const uint8_t *error = (const uint8_t *)structures->output_error.data + position * structures->count;
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i += 2) {
        const int32_t error0 = error[structures->selected[i]] - zero;
        const int32_t error1 = i + 1 < count ? error[structures->selected[i + 1]] - zero : 0;
        sum += error0 + error1;
        pixel->lanes[i / 2] = pack_low((uint32_t)error0, (uint32_t)error1);
    }
    pixel->minus_correction = (uint32_t)(-sum * conv->weights.quant->zero_point);
}

/* Note the extremes of the sums that `words` begin. */
__attribute__((noinline)) static struct byte_range see_rows(struct requantizer *requantizer, const uint32_t *words,
                                                            uint32_t pairs, const struct pixel *pixel,
                                                            const uint8_t *values, const struct mask *mask)
{
    uint32_t sums[OUTPUTS_AT_ONCE];
    for (uint32_t row = 0; row < OUTPUTS_AT_ONCE; row++) {
        sums[row] = pixel->minus_correction;
        for (uint32_t pair = 0; pair < pairs; pair++) {
            sums[row] = add_pair_products(sums[row], words[pair * OUTPUTS_AT_ONCE + row], pixel->lanes[pair]);
        }
    }
    return requantizer_see(requantizer, sums, values, mask);
}

/* What the sums of a pixel are finished with: its channels from the first of the rows on. */
struct outputs {
    struct requantizer *requantizer;
    const struct mask *mask;
    struct short_factor factor;
    struct word_mask word_mask;
    const uint8_t *input;
    uint8_t *error;
};

static inline __attribute__((always_inline)) struct outputs outputs_of(struct requantizer *requantizer,
                                                                       const struct mask *mask,
                                                                       const struct pair_rows *rows,
                                                                       const struct pixel *pixel)
{
    return (struct outputs){
        .requantizer = requantizer,
        .mask = mask,
        .factor = requantizer->short_factor,
        .word_mask = word_mask_of(mask),
        .input = pixel->input + rows->first_channel,
        .error = pixel->error + rows->first_channel,
    };
}

/* Store the outputs of `sums`, which `words` begin, for the channels from `c` on. Returns what lies inside by now. */
static inline __attribute__((always_inline)) struct byte_range
finish_outputs(const struct outputs *outputs, struct byte_range inside, const uint32_t sums[OUTPUTS_AT_ONCE],
               uint32_t c, const uint32_t *words, uint32_t pairs, const struct pixel *pixel)
{
    const uint8_t *input = outputs->input + c;
    const uint32_t word = passing_word(output_word(sums, outputs->factor), load_word(input), outputs->word_mask);
    if (!lie_inside(inside, word)) {
        inside = see_rows(outputs->requantizer, words, pairs, pixel, input, outputs->mask);
    }
    store_word(outputs->error + c, word);
    return inside;
}

/* Add to two sums; in C, the compiler would load the words one by one. */
static inline void add_two_products(uint32_t sums[2], const uint32_t words[2], uint32_t lanes)
{
    uint32_t word0, word1;
    __asm__ volatile("ldrd %[word0], %[word1], %[words]"
                     : [word0] "=r"(word0), [word1] "=r"(word1)
                     : [words] "m"(*(const uint32_t (*)[2])words));
    sums[0] = add_pair_products(sums[0], word0, lanes);
    sums[1] = add_pair_products(sums[1], word1, lanes);
}

/* `pairs` is a constant where this is called, so that all lanes lie in registers. */
static inline __attribute__((always_inline)) void propagate_pairs(struct requantizer *requantizer,
                                                                  const struct mask *mask, const struct pair_rows *rows,
                                                                  const struct pixel *pixel, uint32_t pairs)
{
    const struct outputs outputs = outputs_of(requantizer, mask, rows, pixel);
    const uint32_t minus_correction = pixel->minus_correction;
    const uint32_t *words = rows->words;
    struct byte_range inside = requantizer->inside;
    uint32_t lanes[MOST_PAIRS_IN_REGISTERS];
#pragma GCC unroll 4
    for (uint32_t pair = 0; pair < pairs; pair++) {
        lanes[pair] = pixel->lanes[pair];
    }
    const uint32_t channels = rows->channels;
    for (uint32_t c = 0; c < channels; c += OUTPUTS_AT_ONCE, words += OUTPUTS_AT_ONCE * pairs) {
        uint32_t sums[OUTPUTS_AT_ONCE] = {minus_correction, minus_correction, minus_correction, minus_correction};
#pragma GCC unroll 2
        for (uint32_t row = 0; row < OUTPUTS_AT_ONCE; row += 2) {
#pragma GCC unroll 4
            for (uint32_t pair = 0; pair < pairs; pair++) {
                add_two_products(sums + row, words + pair * OUTPUTS_AT_ONCE + row, lanes[pair]);
            }
        }
        inside = finish_outputs(&outputs, inside, sums, c, words, pairs, pixel);
    }
}

typedef void propagate(struct requantizer *, const struct mask *, const struct pair_rows *, const struct pixel *);

static void propagate_1_pair(struct requantizer *requantizer, const struct mask *mask, const struct pair_rows *rows,
                             const struct pixel *pixel)
{
    propagate_pairs(requantizer, mask, rows, pixel, 1);
}

static void propagate_2_pairs(struct requantizer *requantizer, const struct mask *mask, const struct pair_rows *rows,
                              const struct pixel *pixel)
{
    propagate_pairs(requantizer, mask, rows, pixel, 2);
}

static void propagate_3_pairs(struct requantizer *requantizer, const struct mask *mask, const struct pair_rows *rows,
                              const struct pixel *pixel)
{
    propagate_pairs(requantizer, mask, rows, pixel, 3);
}

static void propagate_4_pairs(struct requantizer *requantizer, const struct mask *mask, const struct pair_rows *rows,
                              const struct pixel *pixel)
{
    propagate_pairs(requantizer, mask, rows, pixel, 4);
}

#define PAIR_PRODUCTS                             \
    "ldr %[errors], [%[lanes]], #4\n\t"           \
    "ldrd %[word0], %[word1], [%[words]], #8\n\t" \
    "smlad %[s0], %[word0], %[errors], %[s0]\n\t" \
    "smlad %[s1], %[word1], %[errors], %[s1]\n\t" \
    "ldrd %[word0], %[word1], [%[words]], #8\n\t" \
    "smlad %[s2], %[word0], %[errors], %[s2]\n\t" \
    "smlad %[s3], %[word1], %[errors], %[s3]\n\t"

/* Write the sums of the next outputs. Returns the words behind. In C, the compiler would spill half of the operands. */
static inline const uint32_t *sum_pairs(uint32_t sums[OUTPUTS_AT_ONCE], const struct pixel *pixel, uint32_t pairs,
                                        const uint32_t *words)
{
    const uint32_t *lanes = pixel->lanes;
    uint32_t s0 = pixel->minus_correction, s1 = s0, s2 = s0, s3 = s0;
    uint32_t errors, word0, word1;
    __asm__("lsrs %[pairs], #1\n\t"
            "bcc 1f\n\t" PAIR_PRODUCTS "\n"
            "1:\n\t" PAIR_PRODUCTS PAIR_PRODUCTS "subs %[pairs], #1\n\t"
            "bne 1b"
            : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [lanes] "+r"(lanes), [words] "+r"(words),
              [pairs] "+r"(pairs), [errors] "=&r"(errors), [word0] "=&r"(word0), [word1] "=&r"(word1)
            :
            : "cc", "memory");
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
    return words;
}

/* More than one pair, with lanes from memory: sum_pairs takes the last two together. */
static void propagate_more_pairs(struct requantizer *requantizer, const struct mask *mask, const struct pair_rows *rows,
                                 const struct pixel *pixel)
{
    const struct outputs outputs = outputs_of(requantizer, mask, rows, pixel);
    const uint32_t pairs = rows->pairs;
    const uint32_t *words = rows->words;
    struct byte_range inside = requantizer->inside;
    for (uint32_t c = 0; c < rows->channels; c += OUTPUTS_AT_ONCE) {
        const uint32_t *const first = words;
        uint32_t sums[OUTPUTS_AT_ONCE];
        words = sum_pairs(sums, pixel, pairs, words);
        inside = finish_outputs(&outputs, inside, sums, c, first, pairs, pixel);
    }
}

static propagate *propagate_of(uint32_t pairs)
{
    static propagate *const in_registers[MOST_PAIRS_IN_REGISTERS] = {propagate_1_pair, propagate_2_pairs,
                                                                     propagate_3_pairs, propagate_4_pairs};
    return pairs <= MOST_PAIRS_IN_REGISTERS ? in_registers[pairs - 1] : propagate_more_pairs;
}

void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask)
{
    const uint32_t channels = conv->shape.input_channels;
    const uint32_t positions = (uint32_t)conv->shape.input_height * conv->shape.input_width;
    struct pair_rows rows = {.words = conv->error_scratch.data, .pairs = pairs_of(conv)};
    const uint32_t fit = conv->error_scratch.bytes / (rows.pairs * sizeof *rows.words);
    const uint32_t most_channels = fit / OUTPUTS_AT_ONCE * OUTPUTS_AT_ONCE;
    propagate *const propagate_pixel = propagate_of(rows.pairs);

    for (; rows.first_channel < channels; rows.first_channel += most_channels) {
        const uint32_t left = channels - rows.first_channel;
        struct pixel pixel = {.input = conv->input.data, .error = conv->input_error.data};
        rows.channels = left < most_channels ? left : most_channels;
        pair_weights(&rows, conv);
        for (uint32_t position = 0; position < positions; position++) {
            fill_lanes(&pixel, conv, position);
            propagate_pixel(requantizer, mask, &rows, &pixel);
            pixel.input += channels;
            pixel.error += channels;
        }
    }
}

#else

bool pointwise_has_few_filters(const struct conv2d *conv, const struct requantizer *requantizer)
{
    (void)conv, (void)requantizer;
    return false;
}

void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask)
{
    (void)conv, (void)requantizer, (void)mask;
}

#endif
