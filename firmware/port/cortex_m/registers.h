/* Access to one 32-bit device register. */
#ifndef HARNESS_REGISTERS_H
#define HARNESS_REGISTERS_H

#include <stdint.h>

static inline volatile uint32_t *device_register(uint32_t base, uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)(base + offset);
}

#endif
