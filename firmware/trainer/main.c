/* The run: training steps, evaluation, records. */
#include <stddef.h>

#ifdef HARNESS_HARDWARE
#include "port/cortex_m/hardware.h"
#endif
#ifdef HARNESS_TWIN
#include "port/host/saved_states.h"
#endif
#include "port/port.h"
#include "trainer/marker.h"
#include "trainer/observe.h"
#include "trainer/phase.h"
#include "trainer/record.h"
#include "trainer/request.h"
#include "trainer/sample_store.h"
#include "trainer/trainer.h"

enum status {
    STATUS_OK,
    STATUS_REQUEST_VERSION,
    STATUS_NO_SAMPLES,
    STATUS_SAMPLE_SIZE,
    STATUS_TOO_FEW_SAMPLES,
    STATUS_NO_VELOCITIES,
    STATUS_NO_STATE,
};

static uint32_t check_inputs(void)
{
    const struct sample_store *store = sample_store();
    const uint32_t needed = run_request.evaluate_at_end > run_request.evaluate_each_epoch
                                ? run_request.evaluate_at_end
                                : run_request.evaluate_each_epoch;
    if (run_request.version != RUN_REQUEST_VERSION) {
        return STATUS_REQUEST_VERSION;
    }
    if (store->magic != SAMPLE_STORE_MAGIC) {
        return STATUS_NO_SAMPLES;
    }
    if (store->sample_elements != plan.input.elements) {
        return STATUS_SAMPLE_SIZE;
    }
    if (store->order_count < run_request.steps || store->test_count < needed) {
        return STATUS_TOO_FEW_SAMPLES;
    }
    if (run_request.optimizer != OPTIMIZER_STANDARDIZED && plan.trained[0]->velocity == NULL) {
        return STATUS_NO_VELOCITIES;
    }
    if (run_request.first_step > 0 && store->state_bytes != plan.state_bytes) {
        return STATUS_NO_STATE;
    }
    return STATUS_OK;
}

static void record_start(void)
{
    record_begin("start");
    record_text("plan", plan.hash);
    record_number("steps", run_request.steps);
    record_end();
}

static void record_step(uint32_t number, const struct step *step)
{
    record_begin("step");
    record_number("n", number);
    record_float("loss", step->loss);
    record_number("ok", step->correct);
    record_list_begin("k");
    for (uint32_t i = 0; i < plan.trained_count; i++) {
        record_list_number(plan.trained[i]->selection->count);
    }
    record_list_end();
    record_end();
}

static void record_update(uint32_t number)
{
    record_begin("update");
    record_number("n", number);
    record_number("state", trainer_state_checksum());
    record_end();
}

static void record_epoch(uint32_t number)
{
    record_begin("epoch");
    record_number("n", number);
    record_float("loss", plan.shared->epoch_loss / (float)run_request.epoch_steps);
    record_number("ok", plan.shared->epoch_correct);
    record_number("selected", plan.shared->epoch_selected);
    record_end();
}

static void evaluate(struct step *step, uint32_t number, uint32_t samples)
{
    const uint32_t first = sample_store()->train_count;
    uint32_t correct = 0;
    float loss = 0.0f;
    for (uint32_t i = 0; i < samples; i++) {
        trainer_evaluate(step, first + i);
        correct += step->correct;
        loss += step->loss;
    }
    marker(PHASE_IO, NO_LAYER);
    record_begin("eval");
    record_number("n", number);
    record_number("ok", correct);
    record_number("of", samples);
    record_float("loss", loss);
    record_end();
}

static void add_step(const struct step *step)
{
    struct shared *shared = plan.shared;
    shared->epoch_correct += step->correct;
    shared->epoch_loss += step->loss;
    for (uint32_t i = 0; i < plan.trained_count; i++) {
        shared->epoch_selected += plan.trained[i]->selection->count;
    }
}

static void begin_epoch(void)
{
    plan.shared->epoch_correct = 0;
    plan.shared->epoch_selected = 0;
    plan.shared->epoch_loss = 0.0f;
}

/* How many of the steps done before belong to a minibatch that is still open. */
static uint32_t open_minibatch(void)
{
    const uint32_t epoch_steps = run_request.epoch_steps;
    return (epoch_steps > 0 ? run_request.first_step % epoch_steps : run_request.first_step) % run_request.batch_size;
}

/* The learning rate of the epoch in which step `number` (from 1) lies. */
static float scheduled_rate(uint32_t number)
{
    const struct sample_store *store = sample_store();
    if (store->schedule_count == 0) {
        return run_request.learning_rate;
    }
    const float *rates = (const float *)(const void *)((const uint8_t *)store + store->schedule_offset);
    const uint32_t epoch = run_request.epoch_steps > 0 ? (number - 1) / run_request.epoch_steps : 0;
    return rates[epoch < store->schedule_count ? epoch : store->schedule_count - 1];
}

static void train(struct step *step)
{
    const struct sample_store *store = sample_store();
    const uint32_t *order = (const uint32_t *)(const void *)((const uint8_t *)store + store->order_offset);
    uint32_t in_minibatch = open_minibatch();
    for (uint32_t i = 0; i < run_request.steps; i++) {
        const uint32_t number = run_request.first_step + i + 1;
        const bool ends_epoch = run_request.epoch_steps > 0 && number % run_request.epoch_steps == 0;
        in_minibatch++;
        /* The last minibatch of an epoch may be smaller. */
        const bool closes = in_minibatch == run_request.batch_size || ends_epoch;
        step->batch_size = in_minibatch;
        if (closes) {
            step->learning_rate = scheduled_rate(number);
        }
        trainer_step(step, order[i], closes);
        marker(PHASE_IO, NO_LAYER);
        add_step(step);
        if (i < run_request.record_steps) {
            record_step(number, step);
            if (closes) {
                record_update(number);
            }
        }
        if (closes) {
            in_minibatch = 0;
        }
        if (ends_epoch) {
            record_epoch(number);
            begin_epoch();
            if (run_request.evaluate_each_epoch > 0) {
                evaluate(step, number, run_request.evaluate_each_epoch);
            }
        }
#ifdef HARNESS_TWIN
        save_state_after(number);
#endif
    }
}

int main(void)
{
    port_start();
#ifdef HARNESS_HARDWARE
    cycle_counter_start();
#endif
    const uint32_t status = check_inputs();
    if (status != STATUS_OK) {
        finish(status);
    }
    if (run_request.first_step > 0) {
        trainer_resume((const uint8_t *)sample_store() + sample_store()->state_offset);
    } else {
        trainer_reset(run_request.seed);
    }
    marker(PHASE_IO, NO_LAYER);
    record_start();
    struct step step = {
        .policy = run_request.policy,
        .ratio_form = run_request.ratio_form,
        .optimizer = run_request.optimizer,
        .rounding = run_request.rounding,
        .trained_layers = plan.trained_count,
        .learning_rate = run_request.learning_rate,
        .min_ratio = run_request.min_ratio,
        .max_ratio = run_request.max_ratio,
        .momentum = run_request.momentum,
        .range_smoothing = run_request.range_smoothing,
        .weight_smoothing = run_request.weight_smoothing,
        .weight_slack = run_request.weight_slack,
        .shared = plan.shared,
    };
    train(&step);
    trainer_settle(&step);
    marker(PHASE_IO, NO_LAYER);
    if (run_request.evaluate_at_end > 0) {
        evaluate(&step, run_request.first_step + run_request.steps, run_request.evaluate_at_end);
    }
#ifdef HARNESS_OBSERVE
    observe_record();
#endif
#ifdef HARNESS_HARDWARE
    marker(PHASE_IO, NO_LAYER);
    cycle_counter_report();
#endif
    record_begin("end");
    record_number("n", run_request.first_step + run_request.steps);
    record_number("state", trainer_state_checksum());
    record_end();
    finish(STATUS_OK);
}
