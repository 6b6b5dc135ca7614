#include "trainer/trainer.h"

#include <string.h>

#include "numeric/affine.h"
#include "trainer/marker.h"
#include "trainer/observe.h"
#include "trainer/phase.h"
#include "trainer/request.h"
#include "trainer/sample_store.h"

void trainer_reset(uint32_t seed)
{
    memcpy(arena, plan.initial_state, plan.initial_bytes);
    memset(arena + plan.initial_bytes, 0, plan.state_bytes - plan.initial_bytes);
    plan.shared->random = seed;
}

void trainer_resume(const void *state)
{
    memcpy(arena, state, plan.state_bytes);
}

static void load_sample(struct step *step, uint32_t index)
{
    const struct sample_store *store = sample_store();
    const uint8_t *base = (const uint8_t *)store;
    const uint32_t elements = store->sample_elements;
    const uint8_t *sample = base + store->samples_offset + index * elements * store->element_bytes;
    step->label = base[store->labels_offset + index];
    if (store->element_bytes == sizeof(float) || plan.input.quant != NULL) {
        memcpy(plan.input.data, sample, elements * store->element_bytes);
        return;
    }
    float *input = plan.input.data;
    for (uint32_t i = 0; i < elements; i++) {
        input[i] = (float)((int32_t)sample[i] - store->zero_point) * store->scale;
    }
}

static void run_operations(const struct operations *operations, struct step *step)
{
    bool ends = false;
    for (uint32_t i = 0; i < operations->count && !ends; i++) {
        const struct operation *operation = &operations->list[i];
        ends = step->backward_ends;
        marker(step->training ? operation->phase : PHASE_EVALUATE, operation->layer);
        operation->run(operation->params, step);
#ifdef HARNESS_OBSERVE
        observe(operation);
#endif
    }
}

/* The backward pass may end before it reaches the first layers. */
static void forget_selections(void)
{
    for (uint32_t i = 0; i < plan.trained_count; i++) {
        plan.trained[i]->selection->count = 0;
    }
}

void trainer_step(struct step *step, uint32_t sample, bool closes_minibatch)
{
    step->training = true;
    step->closes_minibatch = closes_minibatch;
    marker(PHASE_LOAD, NO_LAYER);
    load_sample(step, sample);
    run_operations(&plan.forward, step);
    run_operations(&plan.loss, step);
    if (step->loss > plan.shared->loss_max) {
        plan.shared->loss_max = step->loss;
    }
    if (step->policy == POLICY_LAST_LAYERS) {
        forget_selections();
    }
    run_operations(&plan.backward, step);
    step->backward_ends = false;
    if (closes_minibatch) {
        run_operations(&plan.settle, step);
        run_operations(&plan.update, step);
    }
}

void trainer_settle(struct step *step)
{
    step->training = true;
    run_operations(&plan.settle, step);
}

void trainer_evaluate(struct step *step, uint32_t index)
{
    step->training = false;
    marker(PHASE_EVALUATE, NO_LAYER);
    load_sample(step, index);
    run_operations(&plan.forward, step);
    run_operations(&plan.loss, step);
}

uint32_t trainer_state_checksum(void)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < plan.state_bytes; i++) {
        hash = (hash ^ arena[i]) * 16777619u;
    }
    return hash;
}
