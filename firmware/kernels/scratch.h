/* Working memory of one kernel, from the arena. */
#ifndef HARNESS_SCRATCH_H
#define HARNESS_SCRATCH_H

#include <stdint.h>

struct scratch {
    void *data; /* aligned to 4 bytes; free again when the kernel returns */
    uint32_t bytes;
};

#endif
