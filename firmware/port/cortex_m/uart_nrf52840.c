/* UARTE0 of the nRF52840 (product specification v1.7, section 6.34): EasyDMA from RAM, 115200 baud, TX on P0.06. */
#include "port/cortex_m/registers.h"
#include "port/port.h"

#define UARTE0 0x40002000u
#define TASKS_STARTTX 0x008u
#define EVENTS_ENDTX 0x120u
#define ENABLE 0x500u
#define ENABLE_UARTE 8u
#define PSEL_TXD 0x50Cu
#define PIN_P0_06 6u
#define BAUDRATE 0x524u
#define BAUDRATE_115200 0x01D60000u
#define TXD_PTR 0x544u
#define TXD_MAXCNT 0x548u

void port_start(void)
{
    *device_register(UARTE0, PSEL_TXD) = PIN_P0_06;
    *device_register(UARTE0, BAUDRATE) = BAUDRATE_115200;
    *device_register(UARTE0, ENABLE) = ENABLE_UARTE;
}

void port_write(const char *data, uint32_t length)
{
    *device_register(UARTE0, EVENTS_ENDTX) = 0;
    *device_register(UARTE0, TXD_PTR) = (uint32_t)(uintptr_t)data;
    *device_register(UARTE0, TXD_MAXCNT) = length;
    *device_register(UARTE0, TASKS_STARTTX) = 1;
    while (*device_register(UARTE0, EVENTS_ENDTX) == 0) {
    }
}
