#include "kernels/pointwise_u8_error.h"

#include "kernels/lanes.h"

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_ARCH_6M__)
static bool is_pointwise(const struct conv2d_shape *shape)
{
    return shape->kernel_height == 1 && shape->kernel_width == 1 && shape->stride_y == 1 && shape->stride_x == 1 &&
           shape->padding_y == 0 && shape->padding_x == 0;
}
#endif

#ifdef __ARM_FEATURE_DSP

#define MOST_PAIRS 8

#define CHANNELS_AT_ONCE 4

/* A requantizer takes so many together. */
#define OUTPUTS_AT_ONCE 8

/* The lanes of so many pairs of filters fit the registers beside what else is needed. */
#define MOST_PAIRS_IN_REGISTERS 4

/* The weights of two filters less their zero point in the halves of a word: [channels / 4][pairs][4]. A filter that has
 * no other stands twice; the other has no error. */
struct pair_rows {
    uint32_t *words;
    uint32_t first_channel;
    uint32_t channels;
};

struct pixel {
    uint32_t lanes[MOST_PAIRS]; /* errors of the filters less the zero point, likewise in pairs */
    uint32_t pairs;
};

static uint32_t pairs_of(const struct conv2d *conv)
{
    return (conv->structures->selection->count + 1) / 2;
}

/* In the working memory: its weights and its sum. */
static uint32_t bytes_of_channel(const struct conv2d *conv)
{
    return (pairs_of(conv) + 1) * (uint32_t)sizeof(uint32_t);
}

bool pointwise_has_few_filters(const struct conv2d *conv)
{
    return is_pointwise(&conv->shape) && conv->shape.input_channels % CHANNELS_AT_ONCE == 0 &&
           conv->input_activation != ACTIVATION_NONE && pairs_of(conv) <= MOST_PAIRS &&
           conv->error_scratch.bytes >= CHANNELS_AT_ONCE * bytes_of_channel(conv);
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
    const uint32_t pairs = pairs_of(conv);
    const uint32_t pitch = pairs * CHANNELS_AT_ONCE;
    const uint32_t minus_zero = (uint32_t)-conv->weights.quant->zero_point;
    const uint32_t minus_zeros = pack_low(minus_zero, minus_zero);
    for (uint32_t pair = 0; pair < pairs; pair++) {
        const uint8_t *filter0 = filter_of_pair(conv, pair, 0) + rows->first_channel;
        const uint8_t *filter1 = filter_of_pair(conv, pair, 1) + rows->first_channel;
        uint32_t *to = rows->words + pair * CHANNELS_AT_ONCE;
        for (const uint8_t *end = filter0 + rows->channels; filter0 < end; to += pitch) {
            const uint32_t word0 = load_word(filter0);
            const uint32_t word1 = load_word(filter1);
            filter0 += CHANNELS_AT_ONCE;
            filter1 += CHANNELS_AT_ONCE;
            const uint32_t low = pack_low(word0, word1);
            const uint32_t high = pack_high(word0, word1);
            to[0] = add_even_bytes(minus_zeros, low);
            to[1] = add_odd_bytes(minus_zeros, low);
            to[2] = add_even_bytes(minus_zeros, high);
            to[3] = add_odd_bytes(minus_zeros, high);
        }
    }
}

static void fill_lanes(struct pixel *pixel, const struct conv2d *conv, uint32_t position)
{
    const struct structures *structures = conv->structures;
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint8_t *error = (const uint8_t *)structures->output_error.data + position * structures->count;
    const uint16_t *selected = structures->selected;
    uint32_t *lanes = pixel->lanes;
    for (const uint16_t *end = selected + structures->selection->count / 2 * 2; selected < end; selected += 2) {
        const int32_t error0 = error[selected[0]] - zero;
        const int32_t error1 = error[selected[1]] - zero;
        *lanes++ = pack_low((uint32_t)error0, (uint32_t)error1);
    }
    if (structures->selection->count % 2 != 0) {
        *lanes = (uint16_t)(error[*selected] - zero);
    }
}

#define LOADED_BEFORE 3

/* Sums of four channels. */
struct four_sums {
    uint32_t of[CHANNELS_AT_ONCE];
};

#ifdef HARNESS_DUAL_ISSUE

/* Four products, a load beside each: of the fourth word, and of the first three of the next pair. Those behind the last
 * words of all are loaded as well: they lie in the sums. */
#define PRODUCTS_BESIDE_LOADS(multiply, from0, from1, from2, from3)                                \
    multiply " %[s0], %[word0], %[lanes]" from0 "\n\t"                                             \
             "ldr %[word0], [%[words]], #4\n\t" multiply " %[s1], %[word1], %[lanes]" from1 "\n\t" \
             "ldr %[word1], [%[words]], #4\n\t" multiply " %[s2], %[word2], %[lanes]" from2 "\n\t" \
             "ldr %[word2], [%[words]], #4\n\t" multiply " %[s3], %[word0], %[lanes]" from3 "\n\t" \
             "ldr %[word0], [%[words]], #4"

/* The products of the first pair, or those of a further one added; `loaded` are its first three words, then those of
 * the next one. Returns what lies behind these. */
static inline const uint32_t *add_pair(struct four_sums *sums, const uint32_t *words, uint32_t loaded[LOADED_BEFORE],
                                       uint32_t lanes, bool first)
{
    uint32_t word0 = loaded[0], word1 = loaded[1], word2 = loaded[2];
    uint32_t s0 = sums->of[0], s1 = sums->of[1], s2 = sums->of[2], s3 = sums->of[3];
    if (first) {
        __asm__(PRODUCTS_BESIDE_LOADS("smuad", "", "", "", "")
                : [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2), [s3] "=&r"(s3), [word0] "+r"(word0),
                  [word1] "+r"(word1), [word2] "+r"(word2), [words] "+r"(words)
                : [lanes] "r"(lanes)
                : "memory");
    } else {
        __asm__(PRODUCTS_BESIDE_LOADS("smlad", ", %[s0]", ", %[s1]", ", %[s2]", ", %[s3]")
                : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [word0] "+r"(word0), [word1] "+r"(word1),
                  [word2] "+r"(word2), [words] "+r"(words)
                : [lanes] "r"(lanes)
                : "memory");
    }
    loaded[0] = word1;
    loaded[1] = word2;
    loaded[2] = word0;
    *sums = (struct four_sums){{s0, s1, s2, s3}};
    return words;
}

static inline const uint32_t *load_before(uint32_t loaded[LOADED_BEFORE], const uint32_t *words)
{
    __asm__("ldr %0, [%[words]], #4\n\t"
            "ldr %1, [%[words]], #4\n\t"
            "ldr %2, [%[words]], #4"
            : "=&r"(loaded[0]), "=&r"(loaded[1]), "=&r"(loaded[2]), [words] "+r"(words)
            :
            : "memory");
    return words;
}

#define LOAD_FOUR_WORDS "ldrd r2, r3, [%[words]], #8\n\tldrd r4, r5, [%[words]], #8\n\t"

#else

static inline const uint32_t *load_before(const uint32_t loaded[LOADED_BEFORE], const uint32_t *words)
{
    (void)loaded;
    return words;
}

/* A load of four words takes them in the order of the registers. */
#define LOAD_FOUR_WORDS "ldmia %[words]!, {r2, r3, r4, r5}\n\t"

static inline const uint32_t *add_pair(struct four_sums *sums, const uint32_t *words, const uint32_t *loaded,
                                       uint32_t lanes, bool first)
{
    register uint32_t word0 __asm__("r2");
    register uint32_t word1 __asm__("r3");
    register uint32_t word2 __asm__("r4");
    register uint32_t word3 __asm__("r5");
    (void)loaded;
    __asm__(LOAD_FOUR_WORDS : "=&r"(word0), "=&r"(word1), "=&r"(word2), "=&r"(word3), [words] "+r"(words) : : "memory");
    if (first) {
        *sums = (struct four_sums){{pair_products(word0, lanes), pair_products(word1, lanes),
                                    pair_products(word2, lanes), pair_products(word3, lanes)}};
    } else {
        sums->of[0] = add_pair_products(sums->of[0], word0, lanes);
        sums->of[1] = add_pair_products(sums->of[1], word1, lanes);
        sums->of[2] = add_pair_products(sums->of[2], word2, lanes);
        sums->of[3] = add_pair_products(sums->of[3], word3, lanes);
    }
    return words;
}

#endif

/* Store the sums at once and return what lies behind. A store of four words takes them in the order of the registers.
 */
static inline uint32_t *store_sums(uint32_t *to, const struct four_sums *sums)
{
    register uint32_t sum0 __asm__("r2") = sums->of[0];
    register uint32_t sum1 __asm__("r3") = sums->of[1];
    register uint32_t sum2 __asm__("r4") = sums->of[2];
    register uint32_t sum3 __asm__("r5") = sums->of[3];
    __asm__ volatile("stmia %[to]!, {%1, %2, %3, %4}"
                     : [to] "+r"(to)
                     : "r"(sum0), "r"(sum1), "r"(sum2), "r"(sum3)
                     : "memory");
    return to;
}

/* Sums of the products of `channels` channels, whose weights `words` begin, with the lanes of a pixel. `pairs` is a
 * constant where this is called, so that all lanes lie in registers. */
static inline __attribute__((always_inline)) void sum_pairs(uint32_t *sums, const uint32_t *words, uint32_t channels,
                                                            const struct pixel *pixel, uint32_t pairs)
{
    uint32_t lanes[MOST_PAIRS_IN_REGISTERS];
#pragma GCC unroll 4
    for (uint32_t pair = 0; pair < pairs; pair++) {
        lanes[pair] = pixel->lanes[pair];
    }
    uint32_t loaded[LOADED_BEFORE] = {0};
    words = load_before(loaded, words);
    for (const uint32_t *end = sums + channels; sums < end;) {
        struct four_sums four = {{0, 0, 0, 0}};
#pragma GCC unroll 4
        for (uint32_t pair = 0; pair < pairs; pair++) {
            words = add_pair(&four, words, loaded, lanes[pair], pair == 0);
        }
        sums = store_sums(sums, &four);
    }
}

typedef void sum_channels(uint32_t *, const uint32_t *, uint32_t, const struct pixel *);

static void sum_1_pair(uint32_t *sums, const uint32_t *words, uint32_t channels, const struct pixel *pixel)
{
    sum_pairs(sums, words, channels, pixel, 1);
}

static void sum_2_pairs(uint32_t *sums, const uint32_t *words, uint32_t channels, const struct pixel *pixel)
{
    sum_pairs(sums, words, channels, pixel, 2);
}

static void sum_3_pairs(uint32_t *sums, const uint32_t *words, uint32_t channels, const struct pixel *pixel)
{
    sum_pairs(sums, words, channels, pixel, 3);
}

static void sum_4_pairs(uint32_t *sums, const uint32_t *words, uint32_t channels, const struct pixel *pixel)
{
    sum_pairs(sums, words, channels, pixel, 4);
}

#define PAIR_PRODUCTS                                                                           \
    "ldr %[errors], [%[lanes]], #4\n\t" LOAD_FOUR_WORDS "smlad %[s0], r2, %[errors], %[s0]\n\t" \
    "smlad %[s1], r3, %[errors], %[s1]\n\t"                                                     \
    "smlad %[s2], r4, %[errors], %[s2]\n\t"                                                     \
    "smlad %[s3], r5, %[errors], %[s3]\n\t"

/* The same of more than one pair, with lanes from memory, the last two pairs together. In C, the compiler would spill
 * half of the operands. */
static void sum_more_pairs(uint32_t *sums, const uint32_t *words, uint32_t channels, const struct pixel *pixel)
{
    for (const uint32_t *end = sums + channels; sums < end;) {
        const uint32_t *lanes = pixel->lanes;
        uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        uint32_t pairs = pixel->pairs;
        uint32_t errors;
        __asm__("lsrs %[pairs], #1\n\t"
                "bcc 1f\n\t" PAIR_PRODUCTS "\n"
                "1:\n\t" PAIR_PRODUCTS PAIR_PRODUCTS "subs %[pairs], #1\n\t"
                "bne 1b"
                : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [lanes] "+r"(lanes), [words] "+r"(words),
                  [pairs] "+r"(pairs), [errors] "=&r"(errors)
                :
                : "cc", "memory", "r2", "r3", "r4", "r5");
        sums = store_two_words(sums, s0, s1);
        sums = store_two_words(sums, s2, s3);
    }
}

static sum_channels *sum_channels_of(uint32_t pairs)
{
    static sum_channels *const in_registers[MOST_PAIRS_IN_REGISTERS] = {sum_1_pair, sum_2_pairs, sum_3_pairs,
                                                                        sum_4_pairs};
    return pairs <= MOST_PAIRS_IN_REGISTERS ? in_registers[pairs - 1] : sum_more_pairs;
}

void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask)
{
    const uint32_t channels = conv->shape.input_channels;
    const uint32_t pairs = pairs_of(conv);
    const uint32_t fit = conv->error_scratch.bytes / bytes_of_channel(conv);
    const uint32_t at_once = fit < OUTPUTS_AT_ONCE ? CHANNELS_AT_ONCE : OUTPUTS_AT_ONCE;
    const uint32_t most_channels = fit / at_once * at_once;
    sum_channels *const sum = sum_channels_of(pairs);
    struct pair_rows rows = {.words = conv->error_scratch.data};
    uint32_t *sums = rows.words + pairs * most_channels;

    for (; rows.first_channel < channels; rows.first_channel += most_channels) {
        const uint32_t left = channels - rows.first_channel;
        const uint8_t *input = (const uint8_t *)conv->input.data + rows.first_channel;
        uint8_t *error = (uint8_t *)conv->input_error.data + rows.first_channel;
        struct pixel pixel = {.pairs = pairs};
        rows.channels = left < most_channels ? left : most_channels;
        pair_weights(&rows, conv);
        for (uint32_t at = 0; at < conv->structures->positions; at++, input += channels, error += channels) {
            fill_lanes(&pixel, conv, at);
            sum(sums, rows.words, rows.channels, &pixel);
            requantizer_take_passing(requantizer, sums, rows.channels, input, mask, error);
        }
    }
}

#elif defined(__ARM_ARCH_6M__)

#define MOST_FILTERS 16

/* The weights of a selected filter, and its error less the zero point. */
struct weighted_error {
    const uint8_t *weights;
    int32_t error;
};

struct weighted_errors {
    struct weighted_error list[MOST_FILTERS];
    uint32_t count;
    uint32_t minus_correction;
};

bool pointwise_has_few_filters(const struct conv2d *conv)
{
    return is_pointwise(&conv->shape) && conv->structures->selection->count <= MOST_FILTERS;
}

static void fill_errors(struct weighted_errors *errors, const struct structures *structures, uint32_t position,
                        int32_t weight_zero)
{
    const int32_t zero = structures->output_error.quant->zero_point;
    const uint8_t *error = (const uint8_t *)structures->output_error.data + position * structures->count;
    int32_t sum = 0;
    for (uint32_t i = 0; i < errors->count; i++) {
        errors->list[i].error = error[structures->selected[i]] - zero;
        sum += errors->list[i].error;
    }
    errors->minus_correction = (uint32_t)(-sum * weight_zero);
}

#define BYTES_OF_A_PRODUCT 8

/* Add the products of a channel. A jump skips those of the filters that `list` does not hold. */
static inline uint32_t add_products(uint32_t sum, const struct weighted_error list[MOST_FILTERS],
                                    uint32_t skipped_bytes, uint32_t channel)
{
    __asm__(".syntax unified\n\t"
            "add pc, %[skipped_bytes]\n\t"
            "nop\n\t"
            ".rept 16\n\t"
            "ldmia %[list]!, {r4, r5}\n\t"
            "ldrb r4, [r4, %[channel]]\n\t"
            "muls r4, r5\n\t"
            "adds %[sum], r4\n\t"
            ".endr"
            : [sum] "+l"(sum), [list] "+l"(list)
            : [skipped_bytes] "r"(skipped_bytes), [channel] "l"(channel)
            : "cc", "memory", "r4", "r5");
    return sum;
}

/* Apart, or too many values compete for registers. */
__attribute__((noinline)) static void propagate_pixel(struct requantizer *requantizer, const struct mask *mask,
                                                      const struct weighted_errors *errors, const uint8_t *input,
                                                      uint8_t *error, uint32_t channels)
{
    const uint32_t skipped_bytes = (MOST_FILTERS - errors->count) * BYTES_OF_A_PRODUCT;
    const uint32_t minus_correction = errors->minus_correction;
    const struct short_factor factor = requantizer->short_factor;
    const struct open_interval passing = mask->passing;
    const uint8_t zero = mask->zero;
    struct outputs_inside inside = requantizer->inside;
    for (uint32_t c = 0; c < channels; c++) {
        if (passes_u8(input[c], passing)) {
            const uint32_t sum = add_products(minus_correction, errors->list, skipped_bytes, c);
            error[c] = (uint8_t)requantizer_take_shortly(requantizer, factor, &inside, (int32_t)sum);
        } else {
            error[c] = zero;
        }
    }
}

void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask)
{
    const struct structures *structures = conv->structures;
    const uint32_t channels = conv->shape.input_channels;
    const uint8_t *input = conv->input.data;
    uint8_t *error = conv->input_error.data;
    struct weighted_errors errors;
    errors.count = structures->selection->count;
    for (uint32_t i = 0; i < errors.count; i++) {
        errors.list[i].weights = (const uint8_t *)conv->weights.data + structures->selected[i] * structures->elements;
    }
    for (uint32_t position = 0; position < structures->positions; position++, input += channels, error += channels) {
        fill_errors(&errors, structures, position, conv->weights.quant->zero_point);
        propagate_pixel(requantizer, mask, &errors, input, error, channels);
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
