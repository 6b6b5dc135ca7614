/* The border between uint8 layers and the float32 layers behind them (data type mixed). */
#ifndef HARNESS_DEQUANTIZE_H
#define HARNESS_DEQUANTIZE_H

#include "trainer/plan.h"

struct dequantize {
    struct tensor input;        /* uint8 */
    struct tensor output;       /* float32 */
    struct tensor output_error; /* float32 */
    struct tensor input_error;  /* uint8, possibly tracked; may lie in place of the input */
};

/* output = scale * (input - zero_point) */
void dequantize_forward(const void *dequantize, struct step *step);

/* input_error = the output error, quantized */
void dequantize_error(const void *dequantize, struct step *step);

#endif
