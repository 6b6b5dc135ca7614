/* LPUART1 of the i.MX RT1060 family (reference manual IMXRT1060RM, chapter 49); 115200 baud from 24 MHz. */
#include "port/cortex_m/registers.h"
#include "port/port.h"

#define LPUART1 0x40184000u
#define LPUART_BAUD 0x10u
#define LPUART_BAUD_115200 ((25u << 24) | 8u) /* 24 MHz / (26 * 8) */
#define LPUART_STAT 0x14u
#define LPUART_STAT_TDRE (1u << 23)
#define LPUART_CTRL 0x18u
#define LPUART_CTRL_TE (1u << 19)
#define LPUART_DATA 0x1Cu

void port_start(void)
{
    *device_register(LPUART1, LPUART_BAUD) = LPUART_BAUD_115200;
    *device_register(LPUART1, LPUART_CTRL) = LPUART_CTRL_TE;
}

void port_write(const char *data, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        while ((*device_register(LPUART1, LPUART_STAT) & LPUART_STAT_TDRE) == 0) {
        }
        *device_register(LPUART1, LPUART_DATA) = (uint8_t)data[i];
    }
}
