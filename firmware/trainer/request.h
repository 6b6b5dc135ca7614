/* What a run is asked to do. An engine overwrites `run_request` before the first instruction; a board on a desk
 * runs with the defaults compiled in. Little endian, no padding, so the harness can write it as bytes. */
#ifndef HARNESS_REQUEST_H
#define HARNESS_REQUEST_H

#include <stdint.h>

#define RUN_REQUEST_VERSION 1u

enum update_policy {
    POLICY_FULL,    /* every structure */
    POLICY_STATIC,  /* min_ratio of them, those with the largest error */
    POLICY_DYNAMIC, /* min_ratio..max_ratio, by the layer's error relative to the largest seen */
};

struct run_request {
    uint32_t version;
    uint32_t steps;               /* training steps to run */
    uint32_t epoch_steps;         /* an epoch record, and evaluation if asked, after this many; 0: never */
    uint32_t record_steps;        /* the first so many steps get a record each */
    uint32_t evaluate_each_epoch; /* test samples evaluated after each epoch */
    uint32_t evaluate_at_end;     /* test samples evaluated at the end */
    uint32_t batch_size;          /* steps a minibatch */
    uint32_t policy;              /* enum update_policy */
    float learning_rate;
    float min_ratio;
    float max_ratio;
    float range_smoothing; /* share of the newly seen range in a tracked range, per update */
    float weight_slack;    /* a weight range is kept while it holds all weights and they fill 1 - slack of it */
};

/* In flash on a target, in a file of its own so that no reader can know its values; the twin writes it when it starts.
 */
#ifdef HARNESS_TWIN
#define REQUEST_STORAGE
#else
#define REQUEST_STORAGE const
#endif

extern REQUEST_STORAGE struct run_request run_request;

#endif
