/* nRF52840 (product specification v1.7): the crystal for an exact 64 MHz, and the instruction cache of the flash. */
#include "port/cortex_m/hardware.h"
#include "port/cortex_m/registers.h"

#define CLOCK 0x40000000u
#define TASKS_HFCLKSTART 0x000u
#define EVENTS_HFCLKSTARTED 0x100u
#define NVMC 0x4001E000u
#define ICACHECNF 0x540u
#define ICACHECNF_ENABLED 1u

void hardware_start(void)
{
    *device_register(NVMC, ICACHECNF) = ICACHECNF_ENABLED;
    *device_register(CLOCK, EVENTS_HFCLKSTARTED) = 0;
    *device_register(CLOCK, TASKS_HFCLKSTART) = 1;
    while (*device_register(CLOCK, EVENTS_HFCLKSTARTED) == 0) {
    }
}
