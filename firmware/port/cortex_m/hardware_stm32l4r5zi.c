/* STM32L4R5ZI (RM0432; field positions from ST's stm32l4r5xx.h): 120 MHz from HSI16 and the PLL in range 1 boost mode,
 * five wait states, prefetch and both caches of the flash. */
#include "port/cortex_m/hardware.h"
#include "port/cortex_m/registers.h"

#define RCC 0x40021000u
#define RCC_CR 0x00u
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR 0x08u
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_PLL (3u << 2)
#define RCC_CFGR_HPRE_DIV2 (8u << 4)
#define RCC_PLLCFGR 0x0Cu
/* 16 MHz / 4 * 60 / 2 */
#define RCC_PLLCFGR_120_MHZ (2u | 3u << 4 | 60u << 8 | 1u << 24 | 0u << 25)
#define RCC_APB1ENR1 0x58u
#define RCC_APB1ENR1_PWREN (1u << 28)
#define PWR 0x40007000u
#define PWR_CR5 0x80u
#define PWR_CR5_R1MODE (1u << 8)
#define FLASH 0x40022000u
#define FLASH_ACR 0x00u
#define FLASH_ACR_FIVE_WAITS_ALL_ON (5u | 1u << 8 | 1u << 9 | 1u << 10)
#define FLASH_ACR_LATENCY 15u

static void wait_for(uint32_t base, uint32_t offset, uint32_t field, uint32_t value)
{
    while ((*device_register(base, offset) & field) != value) {
    }
}

void hardware_start(void)
{
    *device_register(RCC, RCC_APB1ENR1) |= RCC_APB1ENR1_PWREN;
    *device_register(PWR, PWR_CR5) &= ~PWR_CR5_R1MODE;
    *device_register(FLASH, FLASH_ACR) = FLASH_ACR_FIVE_WAITS_ALL_ON;
    wait_for(FLASH, FLASH_ACR, FLASH_ACR_LATENCY, 5);
    *device_register(RCC, RCC_CR) |= RCC_CR_HSION;
    wait_for(RCC, RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY);
    *device_register(RCC, RCC_PLLCFGR) = RCC_PLLCFGR_120_MHZ;
    *device_register(RCC, RCC_CR) |= RCC_CR_PLLON;
    wait_for(RCC, RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
    /* At half the speed for a microsecond at least: the step to 120 MHz must not be taken at once. */
    *device_register(RCC, RCC_CFGR) = RCC_CFGR_HPRE_DIV2 | RCC_CFGR_SW_PLL;
    wait_for(RCC, RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
    for (volatile uint32_t i = 0; i < 60; i++) {
    }
    *device_register(RCC, RCC_CFGR) = RCC_CFGR_SW_PLL;
}
