/* What a run is asked to do. An engine overwrites `run_request` before the first instruction; a board on a desk
 * runs with the defaults compiled in. Little endian, no padding, so the harness can write it as bytes. */
#ifndef HARNESS_REQUEST_H
#define HARNESS_REQUEST_H

#include <stdint.h>

#define RUN_REQUEST_VERSION 3u

enum update_policy {
    POLICY_FULL,        /* every structure */
    POLICY_STATIC,      /* min_ratio of them, those with the largest error */
    POLICY_DYNAMIC,     /* min_ratio..max_ratio of them, as `ratio_form` says */
    POLICY_RANDOM,      /* min_ratio of them, drawn anew in every step: the control */
    POLICY_LAST_LAYERS, /* all of those in the last min_ratio of the trained layers, none of the others */
};

/* The three published forms of the dynamic ratio. */
enum ratio_form {
    RATIO_FOLLOW_UP, /* max(floor((l_min + e / e_max (l_max - l_min)) N), 1), e the mean error of the layer */
    RATIO_TALK,      /* floor(min(l_min + e / e_max (l_max - l_min), 1) N) */
    RATIO_POSTER,    /* floor(min(l_min + loss / loss_max (l_max - l_min), 1) N) */
};

enum optimizer {
    OPTIMIZER_STANDARDIZED, /* w -= lr (g - mean) / deviation, per structure */
    OPTIMIZER_MOMENTUM,     /* v = momentum v + g; w -= lr v, taken on the quantized weights: w / s -= lr s v */
    OPTIMIZER_MOMENTUM_QAS, /* the same with quantization-aware scaling (Lin et al. 2022): w / s -= lr s v / s^2 */
};

enum rounding {
    ROUNDING_NEAREST,
    ROUNDING_STOCHASTIC,
};

struct run_request {
    uint32_t version;
    uint32_t steps;               /* training steps to run */
    uint32_t first_step;          /* steps done before, which left the state in the sample store; 0: a new training */
    uint32_t epoch_steps;         /* an epoch record, and evaluation if asked, after this many; 0: never */
    uint32_t record_steps;        /* the first so many steps get a record each */
    uint32_t evaluate_each_epoch; /* test samples evaluated after each epoch */
    uint32_t evaluate_at_end;     /* test samples evaluated at the end */
    uint32_t batch_size;          /* steps a minibatch */
    uint32_t policy;              /* enum update_policy */
    uint32_t ratio_form;          /* enum ratio_form */
    uint32_t optimizer;           /* enum optimizer; those with momentum need a plan with velocities */
    uint32_t rounding;            /* enum rounding, of weights that are written back */
    uint32_t seed;                /* of the random generator; not 0 */
    float learning_rate;          /* where the sample store brings no schedule */
    float min_ratio;
    float max_ratio;
    float momentum;
    float range_smoothing;  /* share of the newly seen range in a tracked range, per update */
    float weight_smoothing; /* the same for weight ranges; 1: they follow at once */
    float weight_slack;     /* a weight range is kept while it holds all weights and they fill 1 - slack of it */
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
