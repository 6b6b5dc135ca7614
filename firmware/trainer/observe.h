/* Ranges of float32 tensors, for calibration; only in twins built with HARNESS_OBSERVE. */
#ifndef HARNESS_OBSERVE_H
#define HARNESS_OBSERVE_H

#include <stddef.h>

#include "trainer/plan.h"

/* Note the extremes of what `operation` just computed. */
void observe(const struct operation *operation);

/* One record a tensor: {"r":"range","phase":..,"layer":..,"low":bits,"high":bits}. */
void observe_record(void);

#endif
