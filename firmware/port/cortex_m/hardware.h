/* What a board on a desk needs and an emulator does not: clocks, caches, and a counter of core cycles. */
#ifndef HARNESS_HARDWARE_H
#define HARNESS_HARDWARE_H

/* Brings the core to the clock of the board's file and turns its caches on; runs before any data is in RAM. */
void hardware_start(void);

/* Counts from here on; markers tell what is counted. */
void cycle_counter_start(void);

/* Writes `cycles,BOARD,PLAN,PHASE,LAYER,ENTRIES,CYCLES` for every phase and layer, a line each. */
void cycle_counter_report(void);

#endif
