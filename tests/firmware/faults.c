/* Ways to fail; FAULT names the function that `run` calls. */
#include "start.h"

volatile uint32_t sink;
static volatile uint32_t cell[4];
static volatile uintptr_t target; /* hides an address from the compiler */

__attribute__((noinline)) void read_unmapped(void)
{
    sink = *(volatile uint32_t *)0x80000000;
}

__attribute__((noinline)) void write_unmapped(void)
{
    *(volatile uint32_t *)0x80000004 = 1;
}

__attribute__((noinline)) void write_flash(void)
{
    extern const uint32_t fast_load;
    *(volatile uint32_t *)&fast_load = 1;
}

__attribute__((noinline)) void jump_unmapped(void)
{
    ((void (*)(void))0x80000009)();
}

__attribute__((noinline)) void jump_to_data(void)
{
    cell[0] = 0xBF00BF00; /* two NOPs */
    ((void (*)(void))((uintptr_t)cell | 1))();
}

__attribute__((noinline)) void jump_without_thumb(void)
{
    target = (uintptr_t)read_unmapped & ~1u;
    ((void (*)(void))target)();
}

__attribute__((noinline)) void unaligned_word(void)
{
    target = (uintptr_t)cell + 2;
    sink = *(volatile uint32_t *)target;
}

__attribute__((noinline)) void unaligned_halfword(void)
{
    target = (uintptr_t)cell + 1;
    *(volatile uint16_t *)target = 1;
}

__attribute__((noinline)) void unaligned_double(void)
{
#if __ARM_ARCH >= 7
    uint32_t low, high;
    __asm volatile("ldrd %0, %1, [%2]" : "=r"(low), "=r"(high) : "r"((uintptr_t)cell + 2));
    sink = low + high;
#endif
}

__attribute__((noinline)) void unaligned_multiple(void)
{
    __asm volatile("ldmia %0!, {r2, r3}" : : "l"((uintptr_t)cell + 1) : "r2", "r3", "memory");
}

__attribute__((noinline)) void unaligned_float(void)
{
#if __ARM_FP
    __asm volatile("vldr s0, [%0]" : : "r"((uintptr_t)cell + 2) : "s0");
#endif
}

__attribute__((noinline)) void unaligned_after_a_few_rounds(void)
{
#if __ARM_ARCH >= 7
    __asm volatile("movs r3, #5\n"
                   "1: ldrd r0, r1, [%0]\n"
                   "cmp r3, #2\n"
                   "it eq\n"
                   "addeq %0, #2\n"
                   "subs r3, #1\n"
                   "bne 1b"
                   :
                   : "r"((uintptr_t)cell)
                   : "r0", "r1", "r3", "cc");
#endif
}

__attribute__((noinline)) void unaligned_after_a_computation(void)
{
#if __ARM_ARCH >= 7
    __asm volatile("movs r3, #1\n"
                   "add.w r0, %0, r3, lsl #2\n"
                   "ldrd r2, r3, [r0]\n"
                   "add.w r0, %0, r3, lsl #1\n"
                   "adds r0, #1\n"
                   "ldrd r2, r3, [r0]"
                   :
                   : "r"((uintptr_t)cell)
                   : "r0", "r2", "r3", "cc");
#endif
}

__attribute__((noinline)) void unaligned_in_it_block(void)
{
#if __ARM_ARCH >= 7
    __asm volatile("cmp %0, #0\n itt ne\n ldrdne r2, r3, [%0]\n addne r2, r3"
                   :
                   : "r"((uintptr_t)cell + 2)
                   : "r2", "r3", "cc");
#endif
}

__attribute__((noinline)) void m4_instruction(void)
{
    __asm volatile(".inst.w 0xfb21f102"); /* smlad r1, r1, r2, pc: needs the DSP extension */
}

__attribute__((noinline)) void double_float(void)
{
    __asm volatile(".inst.w 0xee300b00"); /* vadd.f64 d0, d0, d0 */
}

__attribute__((noinline)) void float_add(void)
{
    __asm volatile(".inst.w 0xee300a00"); /* vadd.f32 s0, s0, s0 */
}

__attribute__((noinline)) int overflow(int n)
{
    volatile int frame[64];
    frame[0] = n;
    return n ? overflow(n - 1) + frame[0] : 0;
}

__attribute__((noinline)) void stack_overflow(void)
{
    sink = overflow(1000);
}

__attribute__((noinline)) void endless(void)
{
    while (sink == 0)
        ;
}

__attribute__((noinline)) void sleep(void)
{
    __asm volatile("wfi");
}

__attribute__((noinline)) void supervisor_call(void)
{
    __asm volatile("svc 0");
}

__attribute__((noinline)) void bad_record(void)
{
    send("{\"event\": oops}\n");
}

__attribute__((noinline)) void open_record(void)
{
    send("{\"event\": 1}");
}

__attribute__((noinline)) void bad_marker(void)
{
    marker(77, 0);
}

__attribute__((noinline)) void nothing(void)
{
}

int run(void)
{
    marker(BACKWARD, 2);
    FAULT();
    return STATUS;
}
