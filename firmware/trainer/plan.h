/* What the generated plan.c provides: tensors with their place in the arena, and the operations in order. */
#ifndef HARNESS_PLAN_H
#define HARNESS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* Affine quantization of a uint8 tensor, real = scale * (q - zero_point), with the range it covers. */
struct quant {
    float scale;
    int32_t zero_point;
    float low;
    float high;
    float seen_low; /* extremes since the last update */
    float seen_high;
    int32_t tracked; /* 1: the range follows what is seen */
};

/* uint8 with a quant, float32 without. */
struct tensor {
    void *data;
    struct quant *quant;
    uint32_t elements;
};

/* How the structures of one layer were chosen; survives a step. */
struct selection {
    float error_max;  /* largest mean error of the layer so far */
    uint32_t count;   /* structures chosen in this step */
    float bias_scale; /* what one unit of the int32 bias is worth; 0 for float32 */
};

/* Where the standardized update takes the weights of one structure. */
struct direction {
    float rate;     /* steps of 2^-16 for one unit of the gradient, shifted to 16 bits; 0: the weights stay */
    float mean;     /* of that gradient */
    uint16_t shift; /* bits that the gradient has too many */
    uint16_t spare; /* or too few */
};

/* The trained parameters of a layer, cut into structures: filters of a convolution, rows of a dense layer. */
struct structures {
    uint32_t count;
    uint32_t elements;  /* weights of one structure */
    uint32_t positions; /* elements of the output error that belong to one structure */
    struct tensor weights;
    struct tensor bias; /* int32 for uint8 layers */
    const struct quant *input;
    struct tensor output_error;       /* [positions][count] */
    const struct structures *bearers; /* of a layer behind: those not selected there have no error here; else NULL */
    void *gradient;                   /* [count][elements], int32 or float32; int8 or int16 with exponents */
    uint32_t gradient_bytes;          /* of one element */
    uint8_t *exponents;               /* [count], the gradient counts in units of 2^exponent; else NULL */
    void *bias_gradient;              /* [count], int32 or float32 */
    float *velocity;                  /* [count][elements], and */
    float *bias_velocity;             /* [count]: only for optimizers with momentum, else NULL */
    uint32_t layers_behind;           /* trained layers between this one and the logits */
    uint8_t *touched;                 /* [count], 1: has a gradient in this minibatch */
    uint16_t *selected;               /* [count], the chosen ones in ascending order */
    uint32_t *ranking;                /* [2 * count], scratch of the selection */
    struct selection *selection;
    struct direction *directions; /* [count], scratch of the update; NULL for float32 */
};

/* What all layers share and what survives a step. */
struct shared {
    uint32_t random;
    float loss_max;          /* largest loss so far */
    uint32_t epoch_correct;  /* of the steps of this epoch so far */
    uint32_t epoch_selected; /* structures that got a gradient in them */
    float epoch_loss;        /* their sum */
};

/* One training step or one evaluation: what the kernels need to know, and what the loss tells. */
struct step {
    bool training;
    bool closes_minibatch;
    bool backward_ends; /* set by a selection: the gradient of its layer is the last operation of the backward pass */
    uint32_t label;
    float loss;
    bool correct;
    uint32_t policy;
    uint32_t ratio_form;
    uint32_t optimizer;
    uint32_t rounding;
    uint32_t batch_size;
    uint32_t trained_layers;
    float learning_rate;
    float min_ratio;
    float max_ratio;
    float momentum;
    float range_smoothing;
    float weight_smoothing;
    float weight_slack;
    struct shared *shared;
};

struct operation {
    void (*run)(const void *params, struct step *step);
    const void *params;
    const struct tensor *result; /* what it computes; NULL when it only changes the state */
    uint16_t phase;
    int16_t layer;
};

struct operations {
    const struct operation *list;
    uint32_t count;
};

struct plan {
    const char *hash;
    struct tensor input;
    struct operations forward; /* ends with the logits */
    struct operations loss;
    struct operations backward;
    struct operations settle; /* what the backward passes of a minibatch left to be done together */
    struct operations update;
    const struct structures *const *trained; /* for the records */
    uint32_t trained_count;
    struct shared *shared;
    const void *initial_state;
    uint32_t initial_bytes; /* of the state; the rest starts as zero */
    uint32_t state_bytes;
};

extern const struct plan plan;
extern uint8_t arena[];

#endif
