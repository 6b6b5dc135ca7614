"""What a run asks of the firmware: hyper-parameters and the number of steps."""

from __future__ import annotations

from dataclasses import replace

from harness.engine.request import RunRequest
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.sampling import Draw


def emulated_request(prepared: PreparedRun) -> RunRequest:
    """Return the request of the emulated run: its steps, each with a record, and the evaluation behind them."""
    training = prepared.scenario.training
    update, quantization = training.update, training.quantization
    return RunRequest(
        steps=prepared.steps_emulated,
        batch_size=training.batch_size,
        policy=update.policy,
        ratio_form=update.form,
        optimizer=training.optimizer.name,
        rounding=quantization.rounding,
        seed=training.seed,
        learning_rate=training.learning_rate,
        min_ratio=update.min_ratio,
        max_ratio=update.max_ratio,
        momentum=training.optimizer.momentum,
        range_smoothing=quantization.smoothing,
        weight_smoothing=quantization.weight_smoothing,
        weight_slack=quantization.weight_slack,
        epoch_steps=prepared.scenario.dataset.train,
        record_steps=prepared.steps_emulated,
        evaluate_at_end=prepared.scenario.engine.evaluate,
    )


def sample_requests(prepared: PreparedRun, sampled: Draw) -> list[RunRequest]:
    """Return the request of each sample; test samples are evaluated behind the last one."""
    whole, last = emulated_request(prepared), sampled.samples[-1]
    return [
        replace(
            whole,
            first_step=sample.first_step,
            steps=sample.steps,
            record_steps=sample.steps,
            evaluate_at_end=whole.evaluate_at_end if sample is last else 0,
        )
        for sample in sampled.samples
    ]


def training_request(prepared: PreparedRun) -> RunRequest:
    """Return the request of the whole training on the twin, evaluated after every epoch."""
    return replace(
        emulated_request(prepared),
        steps=prepared.steps_total,
        record_steps=0,
        evaluate_each_epoch=prepared.scenario.dataset.test,
        evaluate_at_end=0,
    )
