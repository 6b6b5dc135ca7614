/* A little of everything that counting can get wrong: IT blocks, register lists, doubles, tables, code in RAM, function
 * pointers, recursion, a variable stack frame, and blocks that cross pages. */
#include <string.h>

#include "start.h"

static int8_t weights[256], inputs[256];
static float left[64], right[64];
static uint8_t copy[512];
static uint32_t words[32];
static volatile int rounds = 50;

__attribute__((noinline)) static int dot(const int8_t *a, const int8_t *b, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

__attribute__((noinline)) static int clamp(int value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

__attribute__((noinline)) static int pick(int kind, int value)
{
    switch (kind) {
    case 0:
        return value + 3;
    case 1:
        return value * 7;
    case 2:
        return value ^ 0x55;
    case 3:
        return value - 11;
    case 4:
        return value << 2;
    case 5:
        return clamp(value);
    default:
        return -value;
    }
}

__attribute__((noinline)) static float mix(const float *a, const float *b, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        float product = a[i] * b[i];
        sum += product > 0.5f ? product : 0.25f / (product + 1.0f);
    }
    return sum;
}

__attribute__((noinline)) static uint64_t wide(const uint64_t *values, int n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum = sum * 31 + values[i];
    }
    return sum;
}

__attribute__((noinline)) static unsigned divide(unsigned a, unsigned b)
{
    return a / b + a % (b + 1);
}

#if __ARM_FEATURE_DSP
__attribute__((noinline)) static int pairs(const int8_t *a, const int8_t *b, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i += 4) {
        uint32_t x, y;
        memcpy(&x, a + i, 4);
        memcpy(&y, b + i, 4);
        __asm("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(y));
    }
    return sum;
}
#endif

__attribute__((naked, noinline)) static void move_lists(void *from, void *to)
{
    __asm("push {r4-r7, lr}\n"
          "ldmia r0!, {r2-r7}\n"
          "stmia r1!, {r2-r7}\n"
          "ldmia r0!, {r2, r3, r4}\n"
          "stmia r1!, {r2, r3, r4}\n"
          "pop {r4-r7, pc}\n");
}

__attribute__((section(".fast"), noinline, long_call)) static int in_ram(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += (i & 3) ? i : -i;
    }
    return sum;
}

__attribute__((naked, noinline)) static void deepest(void)
{
    __asm("push {r4-r7, lr}\n"
          "nop\n"
          "pop {r4-r7, pc}\n");
}

__attribute__((noinline)) static int descend(int n)
{
    volatile int local[5];
    local[0] = n;
    if (n == 0) {
        deepest();
        return 0;
    }
    return descend(n - 1) + local[0];
}

__attribute__((noinline)) static int variable_frame(int n)
{
    volatile uint8_t frame[n];
    for (int i = 0; i < n; i++) {
        frame[i] = (uint8_t)i;
    }
    return frame[n / 2];
}

/* Wider than a page of 1 KB, without a branch in it. */
__attribute__((noinline)) static uint32_t straight(uint32_t x)
{
#define STEP                        \
    x = x * 1664525u + 1013904223u; \
    x ^= x >> 7;                    \
    __asm volatile("" : "+r"(x));
#define STEPS STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP
    STEPS STEPS STEPS STEPS STEPS STEPS STEPS STEPS return x;
}

static void report(uint32_t value)
{
    char line[] = "{\"event\": \"checksum\", \"value\": \"00000000\"}\n";
    char *digit = strstr(line, "0000");
    for (int shift = 28; shift >= 0; shift -= 4) {
        *digit++ = "0123456789abcdef"[value >> shift & 15];
    }
    send(line);
}

int run(void)
{
    int (*volatile choose)(int, int) = pick;
    uint32_t sum = 0;
    for (int round = 0; round < rounds; round++) {
        marker(LOAD, -1);
        for (int i = 0; i < 256; i++) {
            inputs[i] = (int8_t)(i * 5 + round);
            weights[i] = (int8_t)(i * 3 - round);
        }
        memcpy(copy, inputs, 201);
        memset(copy + 300, round, 77);
        for (int layer = 0; layer < 3; layer++) {
            marker(FORWARD, layer);
            sum += dot(inputs, weights, 200 + layer);
            sum += clamp((int)sum >> 8);
            sum += choose(round % 8, (int)sum);
        }
#if __ARM_FEATURE_DSP
        sum += pairs(inputs, weights, 64);
#endif
        marker(LOSS, -1);
        for (int i = 0; i < 64; i++) {
            left[i] = (float)(i - round) * 0.125f;
            right[i] = (float)(i + round) * 0.0625f;
        }
        sum += (uint32_t)(int)mix(left, right, 64);
        marker(BACKWARD, 1);
        move_lists(words, words + 9);
        words[round & 31] += sum;
        uint64_t total = wide((const uint64_t *)words, 16);
        sum += (uint32_t)total + divide((uint32_t)(total >> 32), 1 + round);
        marker(UPDATE, 1);
        sum += in_ram(40 + round);
        sum += straight(sum);
        marker(EVALUATE, -1);
        sum += descend(round % 7) + variable_frame(100 + 8 * round);
    }
    marker(IO, -1);
    report(sum);
    return 0;
}
