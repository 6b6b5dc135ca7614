/* LPUART1 of the STM32L4R5ZI (reference manual RM0432); 115200 baud at 120 MHz, TX on PG7: the ST-LINK of a Nucleo. */
#include "port/cortex_m/registers.h"
#include "port/port.h"

#define PWR 0x40007000u
#define PWR_CR2 0x04u
#define PWR_CR2_IOSV (1u << 9) /* port G has a supply of its own */
#define RCC 0x40021000u
#define RCC_AHB2ENR 0x4Cu
#define RCC_AHB2ENR_GPIOGEN (1u << 6)
#define RCC_APB1ENR1 0x58u
#define RCC_APB1ENR1_PWREN (1u << 28)
#define RCC_APB1ENR2 0x5Cu
#define RCC_APB1ENR2_LPUART1EN (1u << 0)
#define GPIOG 0x48001800u
#define GPIO_MODER 0x00u
#define GPIO_MODER_PIN7 (3u << 14)
#define GPIO_MODER_PIN7_ALTERNATE (2u << 14)
#define GPIO_AFRL 0x20u
#define GPIO_AFRL_PIN7 (15u << 28)
#define GPIO_AFRL_PIN7_LPUART1 (8u << 28)
#define LPUART1 0x40008000u
#define LPUART_CR1 0x00u
#define LPUART_CR1_UE (1u << 0)
#define LPUART_CR1_TE (1u << 3)
#define LPUART_BRR 0x0Cu
#define LPUART_BRR_115200 266667u /* 256 * 120 MHz / 115200 */
#define LPUART_ISR 0x1Cu
#define LPUART_ISR_TXE (1u << 7)
#define LPUART_TDR 0x28u

static void replace(uint32_t base, uint32_t offset, uint32_t field, uint32_t value)
{
    volatile uint32_t *target = device_register(base, offset);
    *target = (*target & ~field) | value;
}

void port_start(void)
{
    *device_register(RCC, RCC_APB1ENR1) |= RCC_APB1ENR1_PWREN;
    *device_register(PWR, PWR_CR2) |= PWR_CR2_IOSV;
    *device_register(RCC, RCC_AHB2ENR) |= RCC_AHB2ENR_GPIOGEN;
    *device_register(RCC, RCC_APB1ENR2) |= RCC_APB1ENR2_LPUART1EN;
    replace(GPIOG, GPIO_AFRL, GPIO_AFRL_PIN7, GPIO_AFRL_PIN7_LPUART1);
    replace(GPIOG, GPIO_MODER, GPIO_MODER_PIN7, GPIO_MODER_PIN7_ALTERNATE);
    *device_register(LPUART1, LPUART_BRR) = LPUART_BRR_115200;
    *device_register(LPUART1, LPUART_CR1) = LPUART_CR1_UE | LPUART_CR1_TE;
}

void port_write(const char *data, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        while ((*device_register(LPUART1, LPUART_ISR) & LPUART_ISR_TXE) == 0) {
        }
        *device_register(LPUART1, LPUART_TDR) = (uint8_t)data[i];
    }
}
