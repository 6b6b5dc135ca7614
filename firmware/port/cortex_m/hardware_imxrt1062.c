/* i.MX RT1062 (reference manual IMXRT1060RM; order of the steps as Teensy boards need it): the headers that the boot
 * ROM reads, all of FlexRAM as DTCM, 600 MHz from the Arm PLL at 1.25 V, both caches, and the pin of the UART. */
#include "port/cortex_m/hardware.h"
#include "port/cortex_m/registers.h"

#define IOMUXC_GPR 0x400AC000u
#define GPR14 0x38u
#define GPR14_DTCM_512K_NO_ITCM (10u << 20)
#define GPR16 0x40u
#define GPR16_BANKS_FROM_GPR17_NO_ITCM 0x00200006u
#define GPR17 0x44u
#define GPR17_ALL_DTCM 0xAAAAAAAAu
#define DCDC 0x40080000u
#define DCDC_REG0 0x0u
#define DCDC_REG0_STS_DC_OK (1u << 31)
#define DCDC_REG3 0xCu
#define DCDC_REG3_TRG 0x1Fu
#define DCDC_REG3_TRG_1250_MV 18u
#define CCM 0x400FC000u
#define CACRR 0x10u
#define CACRR_ARM_DIV2 1u
#define CBCDR 0x14u
#define CBCDR_PERIPH_CLK2_PODF (7u << 27)
#define CBCDR_PERIPH_CLK_SEL (1u << 25)
#define CBCDR_AHB_PODF (7u << 10)
#define CBCDR_IPG_PODF (3u << 8)
#define CBCDR_IPG_DIV4 (3u << 8)
#define CBCMR 0x18u
#define CBCMR_PERIPH_CLK2_SEL (3u << 12)
#define CBCMR_PERIPH_CLK2_OSC (1u << 12)
#define CSCDR1 0x24u
#define CSCDR1_UART_CLK_PODF 0x3Fu
#define CSCDR1_UART_CLK_OSC (1u << 6)
#define CDHIPR 0x48u
#define CCGR5 0x7Cu
#define CCGR5_LPUART1 (3u << 24)
#define CCGR6 0x80u
#define CCGR6_DCDC (3u << 6)
#define CCM_ANALOG 0x400D8000u
#define PLL_ARM 0x0u
#define PLL_ARM_1200_MHZ (1u << 13 | 100u)
#define PLL_ARM_BYPASS (1u << 16)
#define PLL_ARM_LOCK (1u << 31)
#define IOMUXC 0x401F8000u
#define PAD_AD_B0_12 0xECu
#define PAD_ALT2_LPUART1_TX 2u
#define SCS 0xE000E000u
#define VTOR 0xD08u
#define VECTORS 0x60002000u
#define CCR 0xD14u
#define CCR_BOTH_CACHES (3u << 16)
#define ICIALLU 0xF50u
#define DCISW 0xF60u

static void wait_until_clear(uint32_t base, uint32_t offset)
{
    while (*device_register(base, offset) != 0) {
    }
}

static void start_clock(void)
{
    *device_register(CCM, CCGR6) |= CCGR6_DCDC;
    *device_register(DCDC, DCDC_REG3) = (*device_register(DCDC, DCDC_REG3) & ~DCDC_REG3_TRG) | DCDC_REG3_TRG_1250_MV;
    while ((*device_register(DCDC, DCDC_REG0) & DCDC_REG0_STS_DC_OK) == 0) {
    }
    /* The crystal carries the core while its PLL changes. */
    *device_register(CCM, CBCDR) &= ~CBCDR_PERIPH_CLK2_PODF;
    *device_register(CCM, CBCMR) = (*device_register(CCM, CBCMR) & ~CBCMR_PERIPH_CLK2_SEL) | CBCMR_PERIPH_CLK2_OSC;
    wait_until_clear(CCM, CDHIPR);
    *device_register(CCM, CBCDR) |= CBCDR_PERIPH_CLK_SEL;
    wait_until_clear(CCM, CDHIPR);
    *device_register(CCM_ANALOG, PLL_ARM) = PLL_ARM_1200_MHZ | PLL_ARM_BYPASS;
    while ((*device_register(CCM_ANALOG, PLL_ARM) & PLL_ARM_LOCK) == 0) {
    }
    *device_register(CCM_ANALOG, PLL_ARM) = PLL_ARM_1200_MHZ;
    *device_register(CCM, CACRR) = CACRR_ARM_DIV2;
    wait_until_clear(CCM, CDHIPR);
    *device_register(CCM, CBCDR) = (*device_register(CCM, CBCDR) & ~(CBCDR_AHB_PODF | CBCDR_IPG_PODF)) | CBCDR_IPG_DIV4;
    wait_until_clear(CCM, CDHIPR);
    *device_register(CCM, CBCDR) &= ~CBCDR_PERIPH_CLK_SEL;
    wait_until_clear(CCM, CDHIPR);
}

static void start_caches(void)
{
    *device_register(SCS, ICIALLU) = 0;
    for (uint32_t set = 0; set < 256; set++) {
        for (uint32_t way = 0; way < 4; way++) {
            *device_register(SCS, DCISW) = way << 30 | set << 5;
        }
    }
    __asm volatile("dsb" ::: "memory");
    *device_register(SCS, CCR) |= CCR_BOTH_CACHES;
    __asm volatile("dsb\n\tisb" ::: "memory");
}

void hardware_start(void)
{
    start_clock();
    start_caches();
    *device_register(CCM, CSCDR1) = (*device_register(CCM, CSCDR1) & ~CSCDR1_UART_CLK_PODF) | CSCDR1_UART_CLK_OSC;
    *device_register(CCM, CCGR5) |= CCGR5_LPUART1;
    *device_register(IOMUXC, PAD_AD_B0_12) = PAD_ALT2_LPUART1_TX;
}

extern uint32_t __stack_top[];
void reset_handler(void);

/* The boot ROM jumps here with a stack of its own, which lies in no bank of FlexRAM that changes its use. */
static void enter_from_rom(void)
{
    *device_register(IOMUXC_GPR, GPR17) = GPR17_ALL_DTCM;
    *device_register(IOMUXC_GPR, GPR16) = GPR16_BANKS_FROM_GPR17_NO_ITCM;
    *device_register(IOMUXC_GPR, GPR14) = GPR14_DTCM_512K_NO_ITCM;
    *device_register(SCS, VTOR) = VECTORS;
    __asm volatile("dsb\n\tisb\n\tmsr msp, %0\n\tbx %1" : : "r"(__stack_top), "r"(reset_handler) : "memory");
    __builtin_unreachable();
}

#define FLASH 0x60000000u
#define FLASH_BYTES 0x00800000u
#define IVT_OFFSET 0x1000u

/* FlexSPI NOR configuration block, image vector table and boot data (IMXRT1060RM, System Boot). */
struct boot_header {
    uint32_t flexspi[128];
    uint32_t unused[(IVT_OFFSET - 512) / 4];
    uint32_t tag;
    void (*entry)(void);
    uint32_t reserved, device_configuration;
    const uint32_t *boot_data;
    const uint32_t *self;
    uint32_t command_sequence, reserved_too;
    uint32_t image_start, image_bytes, plugin;
};

__attribute__((section(".boot"), used)) const struct boot_header boot_header = {
    .flexspi =
        {
            [0] = 0x42464346,   /* tag FCFB */
            [1] = 0x56010000,   /* version */
            [3] = 0x00020101,   /* data hold and set-up times, loopback from the DQS pad */
            [17] = 0x01060401,  /* four pads, 100 MHz, serial NOR */
            [20] = FLASH_BYTES, /* size of the chip */
            [32] = 0x0A1804EB,  /* command EBh on one pad, 24 bits of address on four */
            [33] = 0x32041EFF,  /* mode FFh, four dummy clocks */
            [34] = 0x00002601,  /* read on four pads */
            [112] = 256,        /* page size */
            [113] = 4096,       /* sector size */
            [114] = 1,          /* 30 MHz for commands */
            [116] = 0x10000,    /* block size */
        },
    .tag = 0x432000D1,
    .entry = enter_from_rom,
    .boot_data = &boot_header.image_start,
    .self = &boot_header.tag,
    .image_start = FLASH,
    .image_bytes = FLASH_BYTES,
};
