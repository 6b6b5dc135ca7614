"""Every part of the training method equals the NumPy reference: policies, optimizers, rounding, schedules.

Whole steps of the uint8 twin, every bit of records and state; on networks in a row and on graphs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_networks import NETWORKS, make_task
from whole_steps import check, request

from harness.engine.request import OPTIMIZERS, POLICIES, RATIO_FORMS

NAMES = ["overlapping-pools", "paths"]
RATES = {"standardized": 0.02, "momentum": 20.0, "momentum-qas": 0.001}


def counts(records) -> list[tuple[int, ...]]:
    """Return how many structures of each trained layer got a gradient, by step."""
    return [tuple(record["k"]) for record in records if record["r"] == "step"]


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", NAMES)
def test_every_policy_equals_the_reference(name, policy, rounding, tmp_path):
    run = request(policy=policy, rounding=rounding, min_ratio=0.4, seed=1234)
    records = check(make_task(NETWORKS[name], seed=7), run, tmp_path)
    assert (len(set(counts(records))) > 1) == (policy == "dynamic")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("name", ["strided", "inverted-residual"])
def test_every_optimizer_and_rounding_equals_the_reference(name, rounding, optimizer, tmp_path):
    changes = {"optimizer": optimizer, "learning_rate": RATES[optimizer], "momentum": 0.9, "rounding": rounding}
    check(make_task(NETWORKS[name], seed=4), request(**changes, seed=77, steps=40, record_steps=40), tmp_path)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("optimizer", ["momentum", "momentum-qas"])
def test_velocities_under_every_policy_equal_the_reference(optimizer, policy, tmp_path):
    changes = {"optimizer": optimizer, "learning_rate": RATES[optimizer], "momentum": 0.5, "policy": policy}
    check(make_task(NETWORKS["series"], seed=5), request(**changes, rounding="stochastic", min_ratio=0.5), tmp_path)


@pytest.mark.parametrize("smoothing", [1.0, 0.3])
def test_weight_ranges_that_lag_behind_equal_the_reference_with_every_optimizer(smoothing, tmp_path):
    for optimizer in OPTIMIZERS:
        changes = {"optimizer": optimizer, "learning_rate": RATES[optimizer] * 10, "momentum": 0.9}
        check(make_task(NETWORKS["strided"], seed=6), request(**changes, weight_smoothing=smoothing), tmp_path)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["overlapping-pools", "inverted-residual", "series"])
def test_gradients_in_fewer_bits_equal_the_reference_with_every_optimizer(name, optimizer, bits, tmp_path):
    changes = {"optimizer": optimizer, "learning_rate": RATES[optimizer], "momentum": 0.9, "rounding": "stochastic"}
    run = request(**changes, min_ratio=0.5, steps=22, record_steps=22)
    check(make_task(NETWORKS[name], seed=4), run, tmp_path, sanitized=True, gradient_bits=bits)


@pytest.mark.parametrize("form", RATIO_FORMS)
@pytest.mark.parametrize("min_ratio", [0.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_the_dynamic_ratio_equals_the_reference(name, form, min_ratio, tmp_path):
    run = request(ratio_form=form, min_ratio=min_ratio, steps=30, record_steps=30)
    records = check(make_task(NETWORKS[name], seed=7), run, tmp_path)
    assert len(set(counts(records))) > 1


@pytest.mark.parametrize("min_ratio", [0.1, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("name", [*NAMES, "inverted-residual", "series"])
def test_the_last_layers_alone_are_trained(name, min_ratio, tmp_path):
    """Before them the backward pass ends: ranges of errors that saw more would make the state differ."""
    layers = sum(layer.trainable for layer in NETWORKS[name].layers)
    run = request(policy="last-layers", min_ratio=min_ratio)
    records = check(make_task(NETWORKS[name], seed=6), run, tmp_path)
    granted = max(int(np.float32(min_ratio) * np.float32(layers)), 1)
    for step in counts(records):
        assert [count > 0 for count in step] == [False] * (layers - granted) + [True] * granted


@pytest.mark.parametrize("epoch_steps", [4, 5, 0])
@pytest.mark.parametrize("optimizer", ["standardized", "momentum-qas"])
def test_the_learning_rate_of_each_epoch_equals_the_reference(optimizer, epoch_steps, tmp_path):
    """The last rate of the schedule also holds in the epochs behind it; without epochs, the first in all of the run."""
    task = make_task(NETWORKS["inverted-residual"], seed=8)
    schedule = np.array([1.0, 0.3, 0.05], dtype=np.float32) * np.float32(RATES[optimizer])
    task = replace(task, store=replace(task.store, schedule=schedule))
    run = request(optimizer=optimizer, momentum=0.9, learning_rate=9.9, epoch_steps=epoch_steps, steps=22)
    check(task, replace(run, record_steps=22), tmp_path)


def test_another_seed_gives_other_weights_where_numbers_are_drawn(tmp_path):
    for changes, drawn in (({}, False), ({"rounding": "stochastic"}, True), ({"policy": "random"}, True)):
        ends = []
        for seed in (1, 2):
            records = check(make_task(NETWORKS["mlp"], seed=9), request(**changes, seed=seed), tmp_path)
            ends.append([record for record in records if record["r"] == "eval"])
        assert (ends[0] != ends[1]) == drawn
