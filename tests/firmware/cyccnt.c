/* Measures a function of its own with the cycle counter, as firmware on a board does, and writes what it saw. */
#include "start.h"

#define DEMCR (*(volatile uint32_t *)0xE000EDFC)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004)

enum { TAPS = 24, SAMPLES = 64 };

float taps[TAPS], input[SAMPLES + TAPS], output[SAMPLES];

__attribute__((noinline)) void my_function(void)
{
    for (int n = 0; n < SAMPLES; n++) {
        float sum = 0.0f;
        for (int k = 0; k < TAPS; k++) {
            sum += taps[k] * input[n + k];
        }
        output[n] = sum;
    }
}

int run(void)
{
    for (int i = 0; i < TAPS; i++) {
        taps[i] = 1.0f / (float)(i + 1);
    }
    for (int i = 0; i < SAMPLES + TAPS; i++) {
        input[i] = (float)(i % 7);
    }
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1u;
    DWT_CYCCNT = 0;
    uint32_t start = DWT_CYCCNT;
    my_function();
    uint32_t elapsed = DWT_CYCCNT - start;

    char line[] = "elapsed 0000000000 cycles\n";
    for (char *digit = line + 17; elapsed > 0; elapsed /= 10) {
        *digit-- = (char)('0' + elapsed % 10);
    }
    send(line);
    return 0;
}
