/* Start-up, marker, finish and the UART of each board, for the test firmware. */
#include "start.h"

#include <string.h>

extern char fast_begin[], fast_end[], fast_load[], data_begin[], data_end[], data_load[], bss_begin[], bss_end[];
extern uint32_t __stack_top;

#define REGISTER(address) (*(volatile uint32_t *)(address))

__attribute__((noinline)) void marker(uint32_t phase, int32_t layer)
{
    __asm volatile("" ::"r"(phase), "r"(layer));
}

__attribute__((noinline, noreturn)) void finish(int status)
{
    __asm volatile("" ::"r"(status));
    for (;;)
        ;
}

#if defined(BOARD_NRF52840)
static void start_uart(void)
{
    REGISTER(0x40002500) = 8;
}
void send(const char *text)
{
    static char buffer[128]; /* EasyDMA reads RAM only */
    size_t size = strlen(text);
    memcpy(buffer, text, size);
    REGISTER(0x40002120) = 0;
    REGISTER(0x40002544) = (uint32_t)buffer;
    REGISTER(0x40002548) = size;
    REGISTER(0x40002008) = 1;
    while (REGISTER(0x40002120) == 0)
        ;
}
#elif defined(BOARD_RP2040)
static void start_uart(void)
{
    REGISTER(0x4000F000) = 1u << 22; /* RESETS.RESET, clear alias: UART0 */
    while (!(REGISTER(0x4000C008) & 1u << 22))
        ;
    REGISTER(0x40034030) = 0x301;
}
void send(const char *text)
{
    for (; *text; text++) {
        while (REGISTER(0x40034018) & 0x20)
            ;
        REGISTER(0x40034000) = (uint8_t)*text;
    }
}
#elif defined(BOARD_STM32L4R5ZI)
static void start_uart(void)
{
    REGISTER(0x4000800C) = 266667;
    REGISTER(0x40008000) = 1u << 0 | 1u << 3;
}
void send(const char *text)
{
    for (; *text; text++) {
        while (!(REGISTER(0x4000801C) & 1u << 7))
            ;
        REGISTER(0x40008028) = (uint8_t)*text;
    }
}
#else
static void start_uart(void)
{
    REGISTER(0x40184018) = 1u << 19;
}
void send(const char *text)
{
    for (; *text; text++) {
        while (!(REGISTER(0x40184014) & 1u << 23))
            ;
        REGISTER(0x4018401C) = (uint8_t)*text;
    }
}
#endif

void reset(void)
{
#if __ARM_FP && !defined(NO_FPU_ENABLE)
    REGISTER(0xE000ED88) |= 0xFu << 20;
    __asm volatile("dsb\n isb");
#endif
    memcpy(fast_begin, fast_load, fast_end - fast_begin);
    memcpy(data_begin, data_load, data_end - data_begin);
    memset(bss_begin, 0, bss_end - bss_begin);
    start_uart();
    finish(run());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {&__stack_top, (void *)reset};
