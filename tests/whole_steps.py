"""Runs whole training steps on the uint8 twin and on the NumPy reference, and compares every bit they leave behind."""

from __future__ import annotations

from reference.affine import F
from reference.selection import Policy
from reference.training import QuantizedTraining, Settings
from reference.update import Descent
from small_networks import Task, reference_layers
from small_twins import twin

from harness.engine.request import RunRequest
from harness.engine.twin import run_twin
from harness.pipeline.agreement import check_agreement
from harness.plan import Plan, deploy, make_plan
from harness.plan.deployment import Affine

STEPS = 13


def state_bytes(plan: Plan, tensors: dict[str, bytes]) -> bytes:
    """Put the tensors of the reference where the plan has them."""
    state = bytearray(plan.state_bytes)
    left = dict(tensors)
    for tensor in plan.tensors:
        if tensor.place == "state":
            # What waits to be added is zero whenever one looks.
            data = bytes(tensor.size_bytes) if tensor.name.startswith("burst") else left.pop(tensor.name)
            assert len(data) == tensor.size_bytes, tensor.name
            state[plan.offsets[tensor] : plan.offsets[tensor] + len(data)] = data
    # Without momentum nobody needs velocities, and at 32 bits nobody exponents.
    assert all("velocity" in name or "exponents" in name for name in left)
    return bytes(state)


def request(**changes) -> RunRequest:
    settings = {
        "steps": STEPS, "batch_size": 4, "policy": "dynamic", "learning_rate": 0.02, "min_ratio": 0.3, "max_ratio": 1.0,
        "range_smoothing": 0.1, "weight_slack": 0.0, "epoch_steps": 11, "record_steps": STEPS, "evaluate_at_end": 5,
    }  # fmt: skip
    return RunRequest(**{**settings, **changes})


def check(
    task: Task, run: RunRequest, folder, *, trained="all", activations=True, errors=True, gradient_bits=32,
    sanitized=False, deployed=None,
):  # fmt: skip
    """Run twin and reference on `task` and compare all they leave behind; return the records.

    `deployed` is what the twin gets when it is not `task`.
    """
    plan = make_plan(
        task.network,
        "uint8",
        trained,
        tracked_activations=activations,
        tracked_errors=errors,
        velocities=run.optimizer != "standardized",
        gradient_bits=gradient_bits,
    )
    deployment = deploy(plan, (deployed or task).weights, Affine.of_range(*task.input_range), task.ranges)
    executable = twin(plan, deployment, folder, sanitized=sanitized)
    seen = run_twin(executable, run, task.store.pack(), timeout_s=60)
    reference = QuantizedTraining(
        reference_layers(task.network),
        task.network.shapes(),
        [None if drawn is None else (drawn.weights, drawn.bias) for drawn in task.weights],
        task.input_range,
        task.ranges,
        plan.trained_layers,
        Settings(
            Policy(run.policy, F(run.min_ratio), F(run.max_ratio), run.ratio_form),
            Descent(
                F(run.learning_rate),
                run.optimizer,
                F(run.momentum),
                F(run.weight_smoothing),
                F(run.weight_slack),
                run.rounding == "stochastic",
            ),
            F(run.range_smoothing),
            run.seed,
            gradient_bits,
        ),
        tracked_activations=activations,
        tracked_errors=errors,
    )
    expected = reference.run(
        task.samples(run.steps),
        run.batch_size,
        run.epoch_steps,
        task.tests(run.evaluate_at_end),
        lambda tensors: state_bytes(plan, tensors),
        evaluated_each_epoch=task.tests(run.evaluate_each_epoch),
        schedule=task.store.schedule,
    )
    assert seen.records[0]["r"] == "start"
    check_agreement(plan, seen.records[1:], expected, seen.state, state_bytes(plan, reference.tensors()))
    return expected
