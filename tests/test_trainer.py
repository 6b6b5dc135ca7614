"""Whole training steps of the uint8 twin equal the NumPy reference in every bit of records and state."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from reference import selection, update
from reference.affine import F
from reference.selection import Policy
from reference.training import QuantizedTraining, Settings
from reference.update import Descent
from small_networks import NETWORKS, Task, make_task, reference_layer
from small_twins import twin

from harness.engine.request import OPTIMIZERS, POLICIES, RATIO_FORMS, RunRequest
from harness.engine.twin import run_twin
from harness.errors import AgreementError
from harness.model import LayerWeights
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
            data = left.pop(tensor.name)
            assert len(data) == tensor.size_bytes, tensor.name
            state[plan.offsets[tensor] : plan.offsets[tensor] + len(data)] = data
    # Without momentum nobody needs velocities.
    assert all("velocity" in name for name in left)
    return bytes(state)


def request(**changes) -> RunRequest:
    settings = {
        "steps": STEPS, "batch_size": 4, "policy": "dynamic", "learning_rate": 0.02, "min_ratio": 0.3, "max_ratio": 1.0,
        "range_smoothing": 0.1, "weight_slack": 0.0, "epoch_steps": 11, "record_steps": STEPS, "evaluate_at_end": 5,
    }  # fmt: skip
    return RunRequest(**{**settings, **changes})


def check(
    task: Task, run: RunRequest, folder, *, trained="all", activations=True, errors=True, sanitized=False, deployed=None
):
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
    )
    deployment = deploy(plan, (deployed or task).weights, Affine.of_range(*task.input_range), task.ranges)
    executable = twin(plan, deployment, folder, sanitized=sanitized)
    seen = run_twin(executable, run, task.store.pack(), timeout_s=60)
    reference = QuantizedTraining(
        [reference_layer(spec) for spec in task.network.layers],
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
    )
    assert seen.records[0]["r"] == "start"
    check_agreement(plan, seen.records[1:], expected, seen.state, state_bytes(plan, reference.tensors()))
    return expected


SUFFIXES = [
    pytest.param(net, trained, id=f"{net.name}-{trained}")
    for net in NETWORKS.values()
    for trained in range(1, sum(layer.trainable for layer in net.layers) + 1)
]


def test_the_reference_knows_every_choice_of_a_run():
    assert (selection.POLICIES, selection.FORMS, update.OPTIMIZERS) == (POLICIES, RATIO_FORMS, OPTIMIZERS)


@pytest.mark.parametrize(("net", "trained"), SUFFIXES)
def test_every_trained_suffix_of_every_network_equals_the_reference(net, trained, tmp_path):
    records = check(make_task(net, seed=trained), request(), tmp_path, trained=trained)
    assert {len(record["k"]) for record in records if record["r"] == "step"} == {trained}


@pytest.mark.parametrize(("activations", "errors"), list(itertools.product((True, False), repeat=2)))
@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_and_choice_of_ranges_equals_the_reference(policy, activations, errors, tmp_path):
    task = make_task(NETWORKS["overlapping-pools"], seed=7)
    records = check(task, request(policy=policy), tmp_path, activations=activations, errors=errors)
    counts = {tuple(record["k"]) for record in records if record["r"] == "step"}
    assert (len(counts) > 1) == (policy == "dynamic")


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_slack": 0.3},
        {"weight_slack": 0.9, "learning_rate": 0.001},
        {"learning_rate": 1.5},
        {"learning_rate": 0.0},
        {"min_ratio": 1e-6, "max_ratio": 0.5},
        {"min_ratio": 0.5, "policy": "static"},
        {"weight_smoothing": 0.1},
        {"weight_smoothing": 0.5, "weight_slack": 0.2, "rounding": "stochastic"},
        {"range_smoothing": 1.0},
        {"range_smoothing": 0.0},
        {"batch_size": 1},
        {"batch_size": 5, "epoch_steps": 0},
        {"batch_size": STEPS + 1, "epoch_steps": 0},
        {"evaluate_at_end": 0},
        {"steps": 64, "record_steps": 64, "epoch_steps": 32},
    ],
    ids=lambda changes: " ".join(f"{key}={value}" for key, value in changes.items()),
)
@pytest.mark.parametrize("name", ["conv-pool", "strided"])
def test_every_setting_equals_the_reference(changes, name, tmp_path):
    check(make_task(NETWORKS[name], seed=3), request(**changes), tmp_path)


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_and_rounding_equals_the_reference(optimizer, rounding, tmp_path):
    rate = {"standardized": 0.02, "momentum": 20.0, "momentum-qas": 0.001}[optimizer]
    changes = {"optimizer": optimizer, "rounding": rounding, "learning_rate": rate, "momentum": 0.9, "seed": 77}
    check(make_task(NETWORKS["strided"], seed=4), request(**changes, steps=40, record_steps=40), tmp_path)


@pytest.mark.parametrize("form", RATIO_FORMS)
@pytest.mark.parametrize("min_ratio", [0.0, 0.3])
def test_every_form_of_the_dynamic_ratio_equals_the_reference(form, min_ratio, tmp_path):
    run = request(ratio_form=form, min_ratio=min_ratio, steps=30, record_steps=30)
    records = check(make_task(NETWORKS["overlapping-pools"], seed=7), run, tmp_path)
    assert len({tuple(record["k"]) for record in records if record["r"] == "step"}) > 1


@pytest.mark.parametrize("min_ratio", [0.1, 0.4, 0.7, 1.0])
def test_the_last_layers_alone_are_trained(min_ratio, tmp_path):
    run = request(policy="last-layers", min_ratio=min_ratio)
    records = check(make_task(NETWORKS["overlapping-pools"], seed=6), run, tmp_path)
    counts = next(record["k"] for record in records if record["r"] == "step")
    assert sum(count > 0 for count in counts) == max(int(min_ratio * 4), 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_twins_with_sanitizers_equal_the_reference(name, tmp_path):
    check(make_task(NETWORKS[name], seed=11), request(), tmp_path, sanitized=True)


def test_a_network_that_differs_in_one_weight_does_not_equal_the_reference(tmp_path):
    task = make_task(NETWORKS["mlp"], seed=5)
    drawn = task.weights[1]
    assert drawn is not None
    other = drawn.weights.copy()
    other[0, 0] = 0.0 if abs(other[0, 0]) > 0.1 else 0.3
    changed = replace(task, weights=(task.weights[0], LayerWeights(other, drawn.bias), *task.weights[2:]))
    with pytest.raises(AgreementError, match="record"):
        check(task, request(), tmp_path, deployed=changed)
