#include "kernels/dequantize.h"

#include "numeric/affine.h"

void dequantize_forward(const void *params, struct step *step)
{
    const struct dequantize *border = params;
    const uint8_t *input = border->input.data;
    float *output = border->output.data;
    (void)step;

    for (uint32_t i = 0; i < border->output.elements; i++) {
        output[i] = dequantize(input[i], border->input.quant);
    }
}

void dequantize_error(const void *params, struct step *step)
{
    const struct dequantize *border = params;
    const float *error = border->output_error.data;
    uint8_t *input_error = border->input_error.data;
    struct quant *quant = border->input_error.quant;
    const float inverse_scale = 1.0f / quant->scale;
    float lowest = 0.0f;
    float highest = 0.0f;

    for (uint32_t i = 0; i < border->input_error.elements; i++) {
        lowest = error[i] < lowest ? error[i] : lowest;
        highest = error[i] > highest ? error[i] : highest;
        input_error[i] = quantize(error[i], inverse_scale, quant->zero_point);
    }
    if (step->training && quant->tracked) {
        quant_see_real(quant, lowest, highest);
    }
}
