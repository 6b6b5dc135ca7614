/* exp and log built from +, -, * and / alone, so that every machine gives the same bits. */
#ifndef HARNESS_ELEMENTARY_H
#define HARNESS_ELEMENTARY_H

/* e^x for x <= 0; relative error below 1.2e-7, 0 from -87 down. */
float exp_of_negative(float x);

/* Natural logarithm of a positive normal x; absolute error below 6e-7 for 1 <= x <= 1e5. */
float log_of(float x);

#endif
