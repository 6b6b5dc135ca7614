/* The error of a pointwise convolution of which few filters are selected. */
#ifndef HARNESS_POINTWISE_U8_ERROR_H
#define HARNESS_POINTWISE_U8_ERROR_H

#include "kernels/conv2d.h"
#include "kernels/requantizer.h"

/* Few enough for the function below, whose other conditions hold as well? */
bool pointwise_has_few_filters(const struct conv2d *conv);

/* Write the error of the inputs that pass `mask`, and note its extremes. */
void pointwise_u8_error(const struct conv2d *conv, struct requantizer *requantizer, const struct mask *mask);

#endif
