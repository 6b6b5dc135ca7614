#include "kernels/add.h"

#include "kernels/passing.h"
#include "numeric/affine.h"

/* Largest difference of the shifts of two factors at which both stay exact in an int64 sum of two products. */
#define EXACT_SHIFTS 30

/* Two factors in one unit, 2^-shift. */
struct factor_pair {
    int64_t left;
    int64_t right;
    uint32_t shift;
};

static int64_t mantissa_at(struct factor factor, uint32_t shift)
{
    return shift >= factor.shift ? (int64_t)factor.mantissa << (shift - factor.shift)
                                 : factor.mantissa >> (factor.shift - shift);
}

/* Both factors exactly, in the finer unit of the two; only where one is more than 2^30 times the other, the smaller one
 * loses what lies below 2^-30 of the unit of the larger. A mantissa of 24 bits, moved up by 30, and a difference of two
 * uint8 make 62 bits. */
static struct factor_pair pair_of(struct factor left, struct factor right)
{
    const uint32_t coarse = left.shift < right.shift ? left.shift : right.shift;
    const uint32_t fine = left.shift < right.shift ? right.shift : left.shift;
    const uint32_t shift = fine - coarse > EXACT_SHIFTS ? coarse + EXACT_SHIFTS : fine;
    return (struct factor_pair){mantissa_at(left, shift), mantissa_at(right, shift), shift};
}

/* sum = left + right, rounded half up once */
static void sum_u8(const struct tensor *left, const struct tensor *right, const struct tensor *sum,
                   const struct step *step)
{
    const uint8_t *left_data = left->data;
    const uint8_t *right_data = right->data;
    uint8_t *sum_data = sum->data;
    struct quant *quant = sum->quant;
    const int32_t left_zero = left->quant->zero_point;
    const int32_t right_zero = right->quant->zero_point;
    const struct factor_pair factors =
        pair_of(factor_of(left->quant->scale / quant->scale), factor_of(right->quant->scale / quant->scale));
    const int64_t half = (int64_t)1 << (factors.shift - 1);
    int64_t lowest = 0;
    int64_t highest = 0;

    for (uint32_t i = 0; i < sum->elements; i++) {
        const int64_t exact =
            ((int32_t)left_data[i] - left_zero) * factors.left + ((int32_t)right_data[i] - right_zero) * factors.right;
        const int64_t value = ((exact + half) >> factors.shift) + quant->zero_point;
        lowest = exact < lowest ? exact : lowest;
        highest = exact > highest ? exact : highest;
        sum_data[i] = value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
    }
    if (step->training && quant->tracked) {
        const float unit = quant->scale / (float)((int64_t)1 << factors.shift);
        quant_see_real(quant, (float)lowest * unit, (float)highest * unit);
    }
}

static void sum_f32(const struct tensor *left, const struct tensor *right, const struct tensor *sum)
{
    const float *left_data = left->data;
    const float *right_data = right->data;
    float *sum_data = sum->data;
    for (uint32_t i = 0; i < sum->elements; i++) {
        sum_data[i] = left_data[i] + right_data[i];
    }
}

void add_u8_forward(const void *params, struct step *step)
{
    const struct add *add = params;
    sum_u8(&add->left, &add->right, &add->output, step);
}

void add_f32_forward(const void *params, struct step *step)
{
    const struct add *add = params;
    (void)step;
    sum_f32(&add->left, &add->right, &add->output);
}

void error_sum_u8(const void *params, struct step *step)
{
    const struct error_sum *errors = params;
    sum_u8(&errors->left, &errors->right, &errors->sum, step);
}

void error_sum_f32(const void *params, struct step *step)
{
    const struct error_sum *errors = params;
    (void)step;
    sum_f32(&errors->left, &errors->right, &errors->sum);
}

void error_mask_u8(const void *params, struct step *step)
{
    const struct error_mask *error_mask = params;
    const struct mask mask =
        mask_of(error_mask->activation, error_mask->value.quant, error_mask->output_error.quant->zero_point);
    (void)step;

    copy_passing(error_mask->input_error.data, error_mask->output_error.data, error_mask->value.data,
                 error_mask->input_error.elements, &mask);
}

void error_mask_f32(const void *params, struct step *step)
{
    const struct error_mask *mask = params;
    const float *value = mask->value.data;
    const float *error = mask->output_error.data;
    float *input_error = mask->input_error.data;
    (void)step;

    for (uint32_t i = 0; i < mask->input_error.elements; i++) {
        input_error[i] = passes_f32(value[i], mask->activation) ? error[i] : 0.0f;
    }
}
