#include "kernels/softmax_loss.h"

#include "numeric/affine.h"
#include "numeric/elementary.h"

/* `values` hold the logits and become the gradient p - onehot; step gets loss and correctness. */
static void softmax_loss(float *values, uint32_t classes, struct step *step)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < classes; i++) {
        if (values[i] > values[best]) {
            best = i;
        }
    }
    const float highest = values[best];
    const float label_distance = highest - values[step->label];
    float sum = 0.0f;
    for (uint32_t i = 0; i < classes; i++) {
        values[i] = exp_of_negative(values[i] - highest);
        sum += values[i];
    }
    step->correct = best == step->label;
    step->loss = log_of(sum) + label_distance;
    for (uint32_t i = 0; i < classes; i++) {
        values[i] = values[i] / sum;
    }
    values[step->label] -= 1.0f;
}

void softmax_loss_u8(const void *params, struct step *step)
{
    const struct softmax_loss *loss = params;
    const uint8_t *logits = loss->logits.data;
    float *values = loss->probabilities;
    const uint32_t classes = loss->logits.elements;

    for (uint32_t i = 0; i < classes; i++) {
        values[i] = dequantize(logits[i], loss->logits.quant);
    }
    softmax_loss(values, classes, step);
    if (!step->training) {
        return;
    }
    uint8_t *error = loss->error.data;
    struct quant *quant = loss->error.quant;
    const float inverse_scale = 1.0f / quant->scale;
    for (uint32_t i = 0; i < classes; i++) {
        error[i] = quantize(values[i], inverse_scale, quant->zero_point);
        /* A fixed quantization lies in flash. */
        if (quant->tracked && values[i] < quant->seen_low) {
            quant->seen_low = values[i];
        }
        if (quant->tracked && values[i] > quant->seen_high) {
            quant->seen_high = values[i];
        }
    }
}

void softmax_loss_f32(const void *params, struct step *step)
{
    const struct softmax_loss *loss = params;
    softmax_loss(loss->logits.data, loss->logits.elements, step);
}
