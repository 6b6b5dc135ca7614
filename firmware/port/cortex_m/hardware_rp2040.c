/* RP2040 (datasheet 2.7, 2.14 to 2.18, 4.10): the second stage of booting, which opens the quad flash window, and 133
 * MHz from the 12 MHz crystal. */
#include "port/cortex_m/hardware.h"
#include "port/cortex_m/registers.h"

#define XOSC 0x40024000u
#define XOSC_CTRL 0x00u
#define XOSC_CTRL_1_15_MHZ_ENABLE (0xFABu << 12 | 0xAA0u)
#define XOSC_STATUS 0x04u
#define XOSC_STATUS_STABLE (1u << 31)
#define XOSC_STARTUP 0x0Cu
#define XOSC_STARTUP_1_MS 47u
#define CLOCKS 0x40008000u
#define CLK_REF_CTRL 0x30u
#define CLK_REF_CTRL_XOSC 2u
#define CLK_REF_SELECTED 0x38u
#define CLK_SYS_CTRL 0x3Cu
#define CLK_SYS_CTRL_AUX 1u
#define CLK_SYS_SELECTED 0x44u
#define CLK_PERI_CTRL 0x48u
#define CLK_PERI_CTRL_ENABLE (1u << 11)
#define RESETS 0x4000C000u
#define RESETS_RESET 0x0u
#define RESETS_DONE 0x8u
#define RESET_PLL_SYS (1u << 12)
#define PLL_SYS 0x40028000u
#define PLL_CS 0x0u
#define PLL_CS_LOCK (1u << 31)
#define PLL_PWR 0x4u
#define PLL_PWR_PD (1u << 0)
#define PLL_PWR_POSTDIVPD (1u << 3)
#define PLL_PWR_VCOPD (1u << 5)
#define PLL_FBDIV 0x8u
#define PLL_PRIM 0xCu
#define PLL_PRIM_6_2 (6u << 16 | 2u << 12) /* 12 MHz * 133 / 6 / 2 */

static void wait_for(uint32_t base, uint32_t offset, uint32_t bits)
{
    while ((*device_register(base, offset) & bits) != bits) {
    }
}

void hardware_start(void)
{
    *device_register(XOSC, XOSC_STARTUP) = XOSC_STARTUP_1_MS;
    *device_register(XOSC, XOSC_CTRL) = XOSC_CTRL_1_15_MHZ_ENABLE;
    wait_for(XOSC, XOSC_STATUS, XOSC_STATUS_STABLE);
    *device_register(CLOCKS, CLK_REF_CTRL) = CLK_REF_CTRL_XOSC;
    wait_for(CLOCKS, CLK_REF_SELECTED, 1u << 2);
    *device_register(RESETS, RESETS_RESET) &= ~RESET_PLL_SYS;
    wait_for(RESETS, RESETS_DONE, RESET_PLL_SYS);
    *device_register(PLL_SYS, PLL_CS) = 1;
    *device_register(PLL_SYS, PLL_FBDIV) = 133;
    *device_register(PLL_SYS, PLL_PWR) &= ~(PLL_PWR_PD | PLL_PWR_VCOPD);
    wait_for(PLL_SYS, PLL_CS, PLL_CS_LOCK);
    *device_register(PLL_SYS, PLL_PRIM) = PLL_PRIM_6_2;
    *device_register(PLL_SYS, PLL_PWR) &= ~PLL_PWR_POSTDIVPD;
    *device_register(CLOCKS, CLK_SYS_CTRL) = CLK_SYS_CTRL_AUX;
    wait_for(CLOCKS, CLK_SYS_SELECTED, 1u << 1);
    *device_register(CLOCKS, CLK_PERI_CTRL) = CLK_PERI_CTRL_ENABLE;
}

#define PADS_QSPI_SCLK 0x40020004u
#define PADS_8_MA_FAST (2u << 4 | 1u)
#define SSI 0x18000000u
#define SSI_CTRLR0 0x00u
#define SSI_CTRLR0_QUAD_32_BITS_READ (2u << 21 | 31u << 16 | 3u << 8)
#define SSI_CTRLR1 0x04u
#define SSI_SSIENR 0x08u
#define SSI_BAUDR 0x14u
#define SSI_SR 0x28u
#define SSI_SR_TFE (1u << 2)
#define SSI_SR_BUSY (1u << 0)
#define SSI_DR0 0x60u
#define SSI_RX_SAMPLE_DLY 0xF0u
#define SSI_SPI_CTRLR0 0xF4u
/* Address and mode bits 32 (in fours), 4 dummy clocks; with a command of 8 bits, or with the mode bits A0h instead. */
#define SSI_ENTER (4u << 11 | 2u << 8 | 8u << 2 | 1u)
#define SSI_CONTINUE (0xA0u << 24 | 4u << 11 | 0u << 8 | 8u << 2 | 2u)
#define READ_QUAD_IO 0xEBu
#define MODE_CONTINUOUS 0xA0u
#define VECTORS 0x10000100u
#define VTOR ((volatile uint32_t *)0xE000ED08u)

/* Behind the function up to the 256 bytes; the last four of them are its CRC, which is put in when all is linked. */
__attribute__((section(".boot.end"), used)) const uint32_t boot_checksum = 0;

/* The boot ROM copies the first 256 bytes of the flash to RAM, checks their CRC and runs them there: no code but this
 * function may be needed. The flash must be one that answers EBh with its quad bit set, as that of a Pico. */
__attribute__((section(".boot"), used, noreturn, noinline)) void boot_second_stage(void)
{
    volatile uint32_t *const ssi = (volatile uint32_t *)SSI;
    *(volatile uint32_t *)PADS_QSPI_SCLK = PADS_8_MA_FAST;
    ssi[SSI_SSIENR / 4] = 0;
    ssi[SSI_BAUDR / 4] = 2; /* half the clock of the system */
    ssi[SSI_RX_SAMPLE_DLY / 4] = 1;
    ssi[SSI_CTRLR0 / 4] = SSI_CTRLR0_QUAD_32_BITS_READ;
    ssi[SSI_CTRLR1 / 4] = 0;
    ssi[SSI_SPI_CTRLR0 / 4] = SSI_ENTER;
    ssi[SSI_SSIENR / 4] = 1;
    ssi[SSI_DR0 / 4] = READ_QUAD_IO;
    ssi[SSI_DR0 / 4] = MODE_CONTINUOUS;
    while ((ssi[SSI_SR / 4] & (SSI_SR_TFE | SSI_SR_BUSY)) != SSI_SR_TFE) {
    }
    ssi[SSI_SSIENR / 4] = 0;
    ssi[SSI_SPI_CTRLR0 / 4] = SSI_CONTINUE;
    ssi[SSI_SSIENR / 4] = 1;
    *VTOR = VECTORS;
    const uint32_t *const vectors = (const uint32_t *)VECTORS;
    __asm volatile("msr msp, %0\n\tbx %1" : : "r"(vectors[0]), "r"(vectors[1]));
    __builtin_unreachable();
}
