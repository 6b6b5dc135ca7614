"""Twin and emulated firmware agree bit for bit for every layer, activation, data type, core, policy and optimizer.

A few tiny networks hold every layer between them. Policies, rounding and ratios are settings of a run, so one firmware
a network, data type and core does for all of them; optimizers with momentum need one that holds velocities.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from small_networks import GRAPHS, WIDE, Task, make_task
from small_targets import CORES, run_target, target
from small_twins import twin

from harness.engine.request import OPTIMIZERS, POLICIES, ROUNDINGS, RunRequest
from harness.engine.twin import TwinRun, run_twin
from harness.model import LayerSpec
from harness.model.layer import Activation
from harness.pipeline.agreement import check_agreement
from harness.plan import Deployment, Plan, deploy, make_plan
from harness.plan.deployment import Affine
from harness.plan.graph import Dtype

NETS = ("inverted-residual", "paths", "series")
NETWORKS = {**GRAPHS, "wide": WIDE}
DTYPES = get_args(Dtype)
STEPS, BATCH, TESTS = 64, 4, 4

POLICY_RUNS = {
    "full": {},
    "static": {"min_ratio": 0.3, "rounding": "stochastic"},
    "dynamic": {"min_ratio": 0.2, "weight_smoothing": 0.5, "weight_slack": 0.2},
    "random": {"min_ratio": 0.4},
    "last-layers": {"min_ratio": 0.5, "rounding": "stochastic"},
}
OPTIMIZER_RUNS = {
    "momentum": {"learning_rate": 0.5, "policy": "dynamic", "min_ratio": 0.3, "ratio_form": "talk"},
    "momentum-qas": {"learning_rate": 0.002, "rounding": "stochastic"},
}


def policy_request(policy: str) -> RunRequest:
    return request(policy=policy, **POLICY_RUNS[policy])


def optimizer_request(optimizer: str) -> RunRequest:
    return request(optimizer=optimizer, momentum=0.9, **OPTIMIZER_RUNS[optimizer])


def request(**changes) -> RunRequest:
    settings = {"learning_rate": 0.02, "range_smoothing": 0.1, "seed": 99, "evaluate_at_end": TESTS, **changes}
    return RunRequest(STEPS, BATCH, record_steps=STEPS, **settings)


@cache
def task(net: str) -> Task:
    return make_task(NETWORKS[net], seed=31, steps=STEPS, test=TESTS)


@cache
def deployed(net: str, dtype: Dtype, velocities: bool) -> tuple[Plan, Deployment]:
    plan = make_plan(NETWORKS[net], dtype, velocities=velocities)
    return plan, deploy(plan, task(net).weights, Affine.of_range(*task(net).input_range), task(net).ranges)


@pytest.fixture(scope="module")
def firmware():
    """Give the executable of a network, data type and platform; None is the twin. Each is linked once."""
    with tempfile.TemporaryDirectory() as temporary:
        linked: dict[tuple, Path] = {}

        def link(net: str, dtype: Dtype, velocities: bool, platform: str | None) -> Path:
            key = net, dtype, velocities, platform
            if key not in linked:
                folder = Path(temporary) / str(len(linked))
                folder.mkdir()
                plan, deployment = deployed(net, dtype, velocities)
                linked[key] = target(platform, plan, deployment, folder) if platform else twin(plan, deployment, folder)
            return linked[key]

        yield link


@pytest.fixture(scope="module")
def on_twin(firmware):
    """Give what the twin does, once for all cores."""
    done: dict[tuple, TwinRun] = {}

    def run(net: str, dtype: Dtype, wanted: RunRequest, velocities: bool) -> TwinRun:
        key = net, dtype, wanted
        if key not in done:
            done[key] = run_twin(firmware(net, dtype, velocities, None), wanted, task(net).store.pack(), timeout_s=60)
        return done[key]

    return run


def check(firmware, on_twin, net: str, dtype: Dtype, platform: str, wanted: RunRequest) -> tuple[Plan, TwinRun]:
    velocities = wanted.optimizer != "standardized"
    plan = deployed(net, dtype, velocities)[0]
    elf = firmware(net, dtype, velocities, platform)
    records, state = run_target(platform, elf, plan, wanted, task(net).store)
    expected = on_twin(net, dtype, wanted, velocities)
    check_agreement(plan, records, expected.records, state, expected.state)
    assert len([record for record in records if record["r"] == "step"]) == STEPS >= 64
    checksums = [record["state"] for record in records if record["r"] == "update"]
    assert len(set(checksums)) == STEPS // wanted.batch_size >= 2
    return plan, expected


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("platform", CORES, ids=CORES.get)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("net", NETS)
def test_target_equals_twin(firmware, on_twin, net, dtype, platform, policy):
    check(firmware, on_twin, net, dtype, platform, policy_request(policy))


@pytest.mark.parametrize("optimizer", OPTIMIZER_RUNS)
@pytest.mark.parametrize("platform", CORES, ids=CORES.get)
@pytest.mark.parametrize("dtype", DTYPES)
def test_target_equals_twin_with_momentum(firmware, on_twin, dtype, platform, optimizer):
    check(firmware, on_twin, "series", dtype, platform, optimizer_request(optimizer))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("platform", CORES, ids=CORES.get)
def test_target_equals_twin_with_gradients_in_fewer_bits(tmp_path, platform, bits):
    net = "inverted-residual"
    plan = make_plan(NETWORKS[net], "uint8", gradient_bits=bits)
    deployment = deploy(plan, task(net).weights, Affine.of_range(*task(net).input_range), task(net).ranges)
    wanted = policy_request("static")
    records, state = run_target(platform, target(platform, plan, deployment, tmp_path), plan, wanted, task(net).store)
    expected = run_twin(twin(plan, deployment, tmp_path), wanted, task(net).store.pack(), timeout_s=60)
    check_agreement(plan, records, expected.records, state, expected.state)


@pytest.mark.parametrize("policy", ["full", "dynamic"])
@pytest.mark.parametrize("platform", CORES, ids=CORES.get)
def test_target_equals_twin_where_gradients_are_added_in_bursts(firmware, on_twin, platform, policy):
    plan, expected = check(firmware, on_twin, "wide", "uint8", platform, replace(policy_request(policy), batch_size=27))
    for structures in plan.trained:
        at = plan.offsets[structures.gradient]
        assert any(expected.state[at : at + structures.gradient.size_bytes]), "the last minibatch is open"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("net", NETS)
def test_twins_with_sanitizers_find_nothing_and_equal_those_without(on_twin, net, dtype, tmp_path):
    runs = {False: [policy_request(policy) for policy in POLICIES]}
    if net == "series":
        runs[True] = [optimizer_request(optimizer) for optimizer in OPTIMIZER_RUNS]
    for velocities, wanted in runs.items():
        sanitized = twin(*deployed(net, dtype, velocities), tmp_path, sanitized=True)
        for one in wanted:
            seen = run_twin(sanitized, one, task(net).store.pack(), timeout_s=60)
            expected = on_twin(net, dtype, one, velocities)
            assert (seen.records, seen.state) == (expected.records, expected.state)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("net", NETS)
def test_every_layer_of_the_networks_learns_something(on_twin, net, dtype):
    """Agreement of weights that never move, or of gradients that are all zero, would say little."""
    plan, deployment = deployed(net, dtype, False)
    state = on_twin(net, dtype, policy_request("full"), False).state
    for structures in plan.trained:
        offset, size = plan.offsets[structures.weights], structures.weights.size_bytes
        before = np.frombuffer(deployment.initial_state[offset : offset + size], dtype=np.uint8)
        assert (before != np.frombuffer(state[offset : offset + size], dtype=np.uint8)).any(), structures.layer


def test_the_networks_hold_every_layer_with_every_activation():
    kinds = {kind.model_fields["type"].default: kind for kind in get_args(get_args(LayerSpec)[0])}
    everything = {
        (name, activation)
        for name, kind in kinds.items()
        for activation in (get_args(Activation) if "activation" in kind.model_fields else [None])
    }
    held = {(layer.type, getattr(layer, "activation", None)) for net in NETS for layer in GRAPHS[net].layers}
    assert held == everything


def test_the_runs_hold_every_policy_optimizer_and_rounding():
    runs = [*map(policy_request, POLICY_RUNS), *map(optimizer_request, OPTIMIZER_RUNS)]
    assert {run.policy for run in runs} == set(POLICIES)
    assert {run.optimizer for run in runs} == set(OPTIMIZERS)
    assert {run.rounding for run in runs} == set(ROUNDINGS)
