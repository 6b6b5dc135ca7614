/* Core cycles of every phase and layer, measured: DWT.CYCCNT (Armv7-M), or SysTick with an interrupt for what does not
 * fit its 24 bits (Armv6-M). The counter is read when a marker is called and again before it returns, so that the
 * book-keeping is not measured but for the call itself. */
#include <stdbool.h>

#include "port/cortex_m/hardware.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"
#include "trainer/marker.h"
#include "trainer/phase.h"
#include "trainer/plan.h"

enum { PHASES = PHASE_IO + 1, LAYERS = 64 };

struct total {
    uint64_t cycles;
    uint32_t entries;
};

static struct total totals[PHASES][LAYERS + 1];
static struct total *current = &totals[PHASE_STARTUP][0];
static uint32_t began;
static char line[128];
static uint32_t used;

#ifdef __ARM_ARCH_6M__

#define SYSTICK 0xE000E010u
#define SYST_CSR 0x0u
#define SYST_CSR_CORE_CLOCK_INTERRUPT_ENABLE 7u
#define SYST_RVR 0x4u
#define SYST_CVR 0x8u
#define SYST_MOST 0xFFFFFFu

static volatile uint32_t rounds;

void systick_handler(void)
{
    rounds++;
}

void cycle_counter_start(void)
{
    *device_register(SYSTICK, SYST_RVR) = SYST_MOST;
    *device_register(SYSTICK, SYST_CVR) = 0;
    *device_register(SYSTICK, SYST_CSR) = SYST_CSR_CORE_CLOCK_INTERRUPT_ENABLE;
}

static inline uint32_t count(void)
{
    uint32_t round, left;
    do {
        round = rounds;
        left = *device_register(SYSTICK, SYST_CVR);
    } while (round != rounds);
    return (round << 24) + (SYST_MOST - (left & SYST_MOST));
}

#else

#define SCS 0xE000E000u
#define DEMCR 0xDFCu
#define DEMCR_TRCENA (1u << 24)
#define DWT 0xE0001000u
#define DWT_CTRL 0x0u
#define DWT_CTRL_CYCCNTENA 1u
#define DWT_CYCCNT 0x4u
#define DWT_LAR 0xFB0u
#define DWT_LAR_KEY 0xC5ACCE55u

void cycle_counter_start(void)
{
    *device_register(SCS, DEMCR) |= DEMCR_TRCENA;
    *device_register(DWT, DWT_LAR) = DWT_LAR_KEY;
    *device_register(DWT, DWT_CYCCNT) = 0;
    *device_register(DWT, DWT_CTRL) |= DWT_CTRL_CYCCNTENA;
}

static inline uint32_t count(void)
{
    return *device_register(DWT, DWT_CYCCNT);
}

#endif

__attribute__((noinline, used)) void marker(uint32_t phase, int32_t layer)
{
    current->cycles += count() - began; /* modulo 2^32: no phase of a layer lasts that long */
    current = &totals[phase][layer >= 0 && layer < LAYERS ? layer + 1 : 0];
    current->entries++;
    began = count();
}

static void put(char character)
{
    line[used++] = character;
}

static void put_text(const char *text)
{
    while (*text) {
        put(*text++);
    }
    put(',');
}

static void put_number(uint64_t number, char behind)
{
    char digits[20];
    uint32_t length = 0;
    do {
        digits[length++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (length > 0) {
        put(digits[--length]);
    }
    put(behind);
}

void cycle_counter_report(void)
{
    static const char *const names[PHASES] = {
        [PHASE_STARTUP] = "startup", [PHASE_LOAD] = "load",         [PHASE_FORWARD] = "forward",
        [PHASE_LOSS] = "loss",       [PHASE_SELECT] = "select",     [PHASE_BACKWARD] = "backward",
        [PHASE_UPDATE] = "update",   [PHASE_EVALUATE] = "evaluate", [PHASE_IO] = "io",
    };
    for (uint32_t phase = PHASE_LOAD; phase < PHASE_IO; phase++) {
        for (uint32_t place = 0; place <= LAYERS; place++) {
            const struct total *total = &totals[phase][place];
            if (total->entries == 0) {
                continue;
            }
            used = 0;
            put_text("cycles");
            put_text(HARNESS_BOARD);
            put_text(plan.hash);
            put_text(names[phase]);
            if (place == 0) {
                put('-');
                put('1');
                put(',');
            } else {
                put_number(place - 1, ',');
            }
            put_number(total->entries, ',');
            put_number(total->cycles, '\n');
            port_write(line, used);
        }
    }
}
