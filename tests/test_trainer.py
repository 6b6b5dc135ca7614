"""Whole training steps of the uint8 twin equal the NumPy reference in every bit of records and state.

Here: networks with every layer, trained from any layer on, and every setting. Policies and optimizers: test_method.py.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from small_networks import GRAPHS, NETWORKS, WIDE, make_task
from whole_steps import STEPS, check, request

from harness.errors import AgreementError
from harness.model import LayerWeights
from harness.plan import make_plan

SUFFIXES = [
    pytest.param(net, trained, id=f"{net.name}-{trained}")
    for net in NETWORKS.values()
    for trained in range(1, sum(layer.trainable for layer in net.layers) + 1)
]


@pytest.mark.parametrize(("net", "trained"), SUFFIXES)
def test_every_trained_suffix_of_every_network_equals_the_reference(net, trained, tmp_path):
    records = check(make_task(net, seed=trained), request(), tmp_path, trained=trained)
    assert {len(record["k"]) for record in records if record["r"] == "step"} == {trained}


@pytest.mark.parametrize(("activations", "errors"), list(itertools.product((True, False), repeat=2)))
@pytest.mark.parametrize("name", ["overlapping-pools", *GRAPHS])
def test_every_choice_of_tracked_ranges_equals_the_reference(name, activations, errors, tmp_path):
    check(make_task(NETWORKS[name], seed=7), request(), tmp_path, activations=activations, errors=errors)


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_slack": 0.3},
        {"weight_slack": 0.9, "learning_rate": 0.001},
        {"learning_rate": 1.5},
        {"learning_rate": 0.0},
        {"min_ratio": 1e-6, "max_ratio": 0.5},
        {"weight_smoothing": 0.1},
        {"weight_smoothing": 0.5, "weight_slack": 0.2, "rounding": "stochastic"},
        {"range_smoothing": 1.0},
        {"range_smoothing": 0.0},
        {"batch_size": 1},
        {"batch_size": 5, "epoch_steps": 0},
        {"batch_size": STEPS + 1, "epoch_steps": 0},
        {"evaluate_at_end": 0},
        {"evaluate_each_epoch": 3, "epoch_steps": 4},
        {"steps": 64, "record_steps": 64, "epoch_steps": 32},
    ],
    ids=lambda changes: " ".join(f"{key}={value}" for key, value in changes.items()),
)
@pytest.mark.parametrize("name", ["conv-pool", "series"])
def test_every_setting_equals_the_reference(changes, name, tmp_path):
    check(make_task(NETWORKS[name], seed=3), request(**changes), tmp_path)


@pytest.mark.parametrize("seed", range(20, 26))
@pytest.mark.parametrize("name", GRAPHS)
def test_other_weights_samples_and_ranges_equal_the_reference(name, seed, tmp_path):
    check(make_task(NETWORKS[name], seed), request(learning_rate=0.1), tmp_path)


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


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 13},
        {"batch_size": 8},
        {"batch_size": STEPS + 1, "epoch_steps": 0},
        {"batch_size": 12, "policy": "full", "steps": 64, "record_steps": 64, "epoch_steps": 30},
    ],
    ids=lambda changes: " ".join(f"{key}={value}" for key, value in changes.items()),
)
def test_gradients_that_are_added_in_bursts_equal_the_reference(changes, tmp_path):
    plan = make_plan(WIDE, "uint8")
    assert [bool(planned.burst) for planned in plan.nodes] == [True, True, False]
    check(make_task(WIDE, seed=5), request(**changes), tmp_path)
