/* exp and log built from +, -, * and / alone, so that every machine gives the same bits. */
#ifndef HARNESS_ELEMENTARY_H
#define HARNESS_ELEMENTARY_H

/* e^x for x <= 0; relative error below 3e-7, 0 below -87. */
float exp_of_negative(float x);

/* Natural logarithm of a positive normal x; absolute error below 3e-7 for 1 <= x <= 1e5. */
float log_of(float x);

#endif
