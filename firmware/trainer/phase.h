/* What the firmware is doing; the numbers are part of the contract with the engines. */
#ifndef HARNESS_PHASE_H
#define HARNESS_PHASE_H

enum phase {
    PHASE_STARTUP,
    PHASE_LOAD,
    PHASE_FORWARD,
    PHASE_LOSS,
    PHASE_SELECT,
    PHASE_BACKWARD,
    PHASE_UPDATE,
    PHASE_EVALUATE,
    PHASE_IO,
};

#define NO_LAYER (-1)

#endif
