/* Windows that slide over an input, in one direction. */
#ifndef HARNESS_WINDOW_H
#define HARNESS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Which of the `windows` windows reads padded position `position` at its offset `offset`. False when none does. */
static inline bool window_reading(uint32_t position, uint32_t offset, uint32_t stride, uint32_t windows,
                                  uint32_t *window)
{
    if (position < offset || (position - offset) % stride != 0) {
        return false;
    }
    *window = (position - offset) / stride;
    return *window < windows;
}

#endif
