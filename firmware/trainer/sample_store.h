/* The samples, in memory-mapped external flash: a header, the visiting order, labels, samples and perhaps a state. */
#ifndef HARNESS_SAMPLE_STORE_H
#define HARNESS_SAMPLE_STORE_H

#include <stdint.h>

#define SAMPLE_STORE_MAGIC 0x53544F52u

struct sample_store {
    uint32_t magic;
    uint32_t element_bytes; /* 1: uint8, 4: float32 */
    uint32_t sample_elements;
    float scale; /* of uint8 samples: real = scale * (q - zero_point) */
    int32_t zero_point;
    uint32_t order_count;
    uint32_t train_count;
    uint32_t test_count;
    uint32_t order_offset;  /* uint32_t[order_count], training sample of each step to run */
    uint32_t labels_offset; /* uint8_t[train_count + test_count] */
    uint32_t samples_offset;
    uint32_t schedule_count;  /* epochs with a learning rate of their own */
    uint32_t schedule_offset; /* float[schedule_count]; the last one holds for later epochs */
    uint32_t state_bytes;     /* of a state to go on from; 0: none */
    uint32_t state_offset;
};

/* Where the port found the store. */
const struct sample_store *sample_store(void);

#endif
