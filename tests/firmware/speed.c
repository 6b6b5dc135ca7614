/* Some hundred million instructions of the kind that training spends its time in. */
#include <string.h>

#include "start.h"

static int8_t weights[1024], inputs[1024];
static uint8_t outputs[256];
static float left[256], right[256];
static volatile uint32_t rounds = ROUNDS;

__attribute__((noinline)) static int32_t dot(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += (a[i] - 3) * (b[i] + 5);
    }
    return sum;
}

__attribute__((noinline)) static uint8_t requantize(int32_t sum)
{
    int32_t value = (int32_t)(((int64_t)sum * 1518500250 + (1 << 30)) >> 38) + 128;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

__attribute__((noinline)) static float dot_float(const float *a, const float *b, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

__attribute__((noinline)) static void convolve(const int8_t *image, const int8_t *filter, uint8_t *out)
{
    for (int y = 0; y < 14; y++) {
        for (int x = 0; x < 14; x++) {
            int32_t sum = 0;
            for (int ky = 0; ky < 3; ky++) {
                for (int kx = 0; kx < 3; kx++) {
                    sum += image[(y + ky) * 16 + x + kx] * filter[ky * 3 + kx];
                }
            }
            out[y * 14 + x] = requantize(sum);
        }
    }
}

int run(void)
{
    for (int i = 0; i < 1024; i++) {
        inputs[i] = (int8_t)(i * 7);
        weights[i] = (int8_t)(i * 11);
    }
    for (int i = 0; i < 256; i++) {
        left[i] = (float)i * 0.01f;
        right[i] = (float)(255 - i) * 0.02f;
    }
    for (uint32_t round = 0; round < rounds; round++) {
        marker(LOAD, -1);
        memcpy(inputs, weights, 512);
        marker(FORWARD, 0);
        convolve(inputs, weights, outputs);
        marker(FORWARD, 1);
        for (int i = 0; i < 16; i++) {
            outputs[i] = requantize(dot(inputs, weights, 256 + i));
        }
        marker(BACKWARD, 1);
        for (int i = 0; i < FLOAT_ROWS; i++) {
            left[i] += dot_float(left, right, 256) * 1e-6f;
        }
    }
    return 0;
}
