/* Vector table and the way from reset to main. The stack lies at the bottom of RAM, so that an overflow leaves RAM and
 * faults instead of reaching the arena. */
#include <stdint.h>
#include <string.h>

#ifdef HARNESS_HARDWARE
#include "port/cortex_m/hardware.h"
#endif
#include "trainer/marker.h"

extern uint32_t __stack_top[];
extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_load[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];

int main(void);
void reset_handler(void) __attribute__((noreturn));
void fault_handler(void) __attribute__((noreturn));

#define CPACR ((volatile uint32_t *)0xE000ED88u)
#define CPACR_FPU_FULL_ACCESS (0xFu << 20)

void reset_handler(void)
{
#ifdef __ARM_FP
    *CPACR |= CPACR_FPU_FULL_ACCESS;
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
#ifdef HARNESS_HARDWARE
    hardware_start();
#endif
    memcpy(__data_start, __data_load, (uintptr_t)__data_end - (uintptr_t)__data_start);
    memset(__bss_start, 0, (uintptr_t)__bss_end - (uintptr_t)__bss_start);
    main();
    finish(0);
}

void fault_handler(void)
{
    for (;;) {
    }
}

#if defined(HARNESS_HARDWARE) && defined(__ARM_ARCH_6M__)
void systick_handler(void);
#define SYSTICK_HANDLER systick_handler
#else
#define SYSTICK_HANDLER fault_handler
#endif

typedef void (*handler)(void);

struct vector_table {
    uint32_t *stack_top;
    handler handlers[15];
};

const struct vector_table vector_table __attribute__((section(".vectors"), used)) = {
    __stack_top,
    {
        reset_handler,
        fault_handler, /* NMI */
        fault_handler, /* HardFault */
        fault_handler, /* MemManage */
        fault_handler, /* BusFault */
        fault_handler, /* UsageFault */
        [14] = SYSTICK_HANDLER,
    },
};

#ifndef HARNESS_HARDWARE
__attribute__((noinline, used)) void marker(uint32_t phase, int32_t layer)
{
    __asm volatile("" : : "r"(phase), "r"(layer) : "memory");
}
#endif

__attribute__((noinline, used)) void finish(uint32_t status)
{
    for (;;) {
        __asm volatile("" : : "r"(status) : "memory");
    }
}
