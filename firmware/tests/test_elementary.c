#include "check.h"
#include "numeric/affine.h"
#include "numeric/elementary.h"

#include <math.h>

#define EXP_RELATIVE_BOUND 1.2e-7
#define LOG_ABSOLUTE_BOUND 6e-7

static void test_exp_is_within_its_bound_of_libm(void)
{
    double worst = 0.0;
    float worst_x = 0.0f;
    /* Every 701st float from -1e-12 to -87. */
    for (uint32_t bits = float_bits(1e-12f); bits <= float_bits(87.0f); bits += 701) {
        const float x = -float_of_bits(bits);
        const double exact = exp((double)x);
        const double error = fabs((double)exp_of_negative(x) - exact) / exact;
        if (error > worst) {
            worst = error;
            worst_x = x;
        }
    }
    CHECK(worst < EXP_RELATIVE_BOUND, "relative error %g at %.9g", worst, (double)worst_x);
    printf("exp: relative error %.3g at %.9g\n", worst, (double)worst_x);
}

static void test_exp_at_its_ends(void)
{
    CHECK(exp_of_negative(0.0f) == 1.0f, "e^0 is %.9g", (double)exp_of_negative(0.0f));
    CHECK(exp_of_negative(-0.0f) == 1.0f, "e^-0 is %.9g", (double)exp_of_negative(-0.0f));
    const float nothing[] = {-87.0f, -88.0f, -1e10f, -INFINITY, NAN};
    for (uint32_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        CHECK(exp_of_negative(nothing[i]) == 0.0f, "e^%g is %g", (double)nothing[i],
              (double)exp_of_negative(nothing[i]));
    }
}

static void test_exp_grows(void)
{
    float before = 0.0f;
    for (float x = -87.5f; x < 0.0f; x += 0.0009765625f) {
        const float now = exp_of_negative(x);
        CHECK(now >= before, "e^%.9g is %.9g, less than %.9g before", (double)x, (double)now, (double)before);
        before = now;
    }
}

static void test_log_is_within_its_bound_of_libm(void)
{
    double worst = 0.0;
    float worst_x = 0.0f;
    for (uint32_t bits = float_bits(1.0f); bits <= float_bits(1e5f); bits += 101) {
        const float x = float_of_bits(bits);
        const double error = fabs((double)log_of(x) - log((double)x));
        if (error > worst) {
            worst = error;
            worst_x = x;
        }
    }
    printf("log: absolute error %.3g at %.9g\n", worst, (double)worst_x);
    CHECK(worst < LOG_ABSOLUTE_BOUND, "absolute error %g at %.9g", worst, (double)worst_x);
    CHECK(log_of(1.0f) == 0.0f, "log 1 is %.9g", (double)log_of(1.0f));
}

static void test_log_is_right_for_every_power_of_two(void)
{
    for (uint32_t exponent = 1; exponent < 255; exponent++) {
        const float x = float_of_bits(exponent << 23);
        const double exact = log((double)x);
        CHECK(fabs((double)log_of(x) - exact) <= 1e-7 * (1.0 + fabs(exact)), "log %g is %.9g", (double)x,
              (double)log_of(x));
    }
}

int main(void)
{
    test_exp_is_within_its_bound_of_libm();
    test_exp_at_its_ends();
    test_exp_grows();
    test_log_is_within_its_bound_of_libm();
    test_log_is_right_for_every_power_of_two();
    return 0;
}
