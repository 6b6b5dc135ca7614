/* UART0 of the RP2040, an Arm PL011 (RP2040 datasheet, section 4.2); 115200 baud at 133 MHz, TX on GPIO 0. */
#include "port/cortex_m/registers.h"
#include "port/port.h"

#define RESETS 0x4000C000u
#define RESETS_RESET 0x0u
#define RESETS_DONE 0x8u
#define RESET_IO_BANK0 (1u << 5)
#define RESET_UART0 (1u << 22)
#define IO_BANK0 0x40014000u
#define GPIO0_CTRL 0x004u
#define FUNCTION_UART 2u
#define UART0 0x40034000u
#define UARTDR 0x00u
#define UARTFR 0x18u
#define UARTFR_TXFF (1u << 5)
#define UARTIBRD 0x24u
#define UARTFBRD 0x28u
#define UARTLCR_H 0x2Cu
#define UARTLCR_H_8N1_FIFO 0x70u
#define UARTCR 0x30u
#define UARTCR_TX_ENABLE 0x101u

void port_start(void)
{
    const uint32_t blocks = RESET_IO_BANK0 | RESET_UART0;
    *device_register(RESETS, RESETS_RESET) &= ~blocks;
    while ((*device_register(RESETS, RESETS_DONE) & blocks) != blocks) {
    }
    *device_register(IO_BANK0, GPIO0_CTRL) = FUNCTION_UART;
    *device_register(UART0, UARTIBRD) = 72; /* 133 MHz / (16 * 115200) = 72 + 10 / 64 */
    *device_register(UART0, UARTFBRD) = 10;
    *device_register(UART0, UARTLCR_H) = UARTLCR_H_8N1_FIFO;
    *device_register(UART0, UARTCR) = UARTCR_TX_ENABLE;
}

void port_write(const char *data, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        while (*device_register(UART0, UARTFR) & UARTFR_TXFF) {
        }
        *device_register(UART0, UARTDR) = (uint8_t)data[i];
    }
}
