/* Functions with known counts, for profiling a region of an ELF that knows nothing of this project. */
#include "start.h"

#if defined(SEMIHOSTING)
static int ask(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int)r0;
}
#endif

/* Leaves early for the depth 0, and calls itself otherwise: 8 instructions a level below the last, 4 in the last. */
__attribute__((naked, noinline)) uint32_t nested(uint32_t depth)
{
    __asm volatile(".syntax unified\n cmp r0, #0\n beq 1f\n push {r4, lr}\n mov r4, r0\n subs r0, r0, #1\n bl nested\n"
                   "adds r0, r0, r4\n pop {r4, pc}\n 1: movs r0, #0\n bx lr");
}

/* 2 + 2 * rounds instructions; `rounds` is at least 1. */
__attribute__((naked, noinline)) uint32_t countdown(uint32_t rounds)
{
    __asm volatile(".syntax unified\n movs r1, #7\n .global within\n within: 1: subs r0, r0, #1\n bne 1b\n bx lr");
}

int run(void)
{
    uint32_t sum = 0;
    for (uint32_t rounds = 1; rounds <= 5; rounds++) {
        sum += countdown(rounds);
    }
    sum += nested(6);
#if defined(SEMIHOSTING)
    ask(4, "text\n");
    sum += ask(9, &sum) == 1 ? countdown(100) : 0;
    ask(0x18, (void *)0x20026);
#endif
    __asm volatile("bkpt 0");
    return (int)sum;
}
