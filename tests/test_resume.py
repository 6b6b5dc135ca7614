"""A training goes on from a saved state as if it had never stopped, on the twin and on a target."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small_networks import NETWORKS, WIDE, Task, make_task
from small_targets import run_target, target
from small_twins import twin

from harness.engine.request import OPTIMIZERS, POLICIES, RATIO_FORMS, RunRequest
from harness.engine.twin import run_twin
from harness.errors import EngineError
from harness.pipeline.agreement import check_agreement
from harness.plan import Deployment, Plan, deploy, make_plan
from harness.plan.deployment import Affine

STEPS, TESTS = 18, 3
PLACES = (3, 13)
"""In the middle of a minibatch, and in the second epoch, whose minibatches begin behind a shorter one."""


@dataclass(frozen=True)
class Whole:
    """A training without a stop, and what it was made of."""

    task: Task
    plan: Plan
    twin: Path
    request: RunRequest
    records: tuple
    state: bytes
    saved: dict

    def rest(self, first_step: int):
        """Return request and store of what comes behind `first_step`."""
        request = replace(self.request, first_step=first_step, steps=STEPS - first_step)
        store = self.task.store.steps_behind(first_step, request.steps, TESTS, self.saved[first_step])
        return request, store

    def check(self, first_step: int, records, state: bytes) -> None:
        """Compare with what comes behind `first_step` here."""
        seen = [record for record in self.records if record["r"] == "start" or record["n"] > first_step]
        start = {**seen[0], "steps": STEPS - first_step}
        check_agreement(self.plan, records, [start, *seen[1:]], state, self.state)
        assert len([record for record in records if record["r"] == "step"]) == STEPS - first_step


@cache
def made(dtype: str, name: str, velocities: bool) -> tuple[Task, Plan, Deployment, Path]:
    """Return a task with its plan and twin, linked once for all settings."""
    net = WIDE if name == "wide" else NETWORKS[name]
    task = make_task(net, seed=4, steps=STEPS, test=TESTS)
    schedule = np.array([0.02, 0.005, 0.001], dtype=np.float32)
    task = replace(task, store=replace(task.store, schedule=schedule))
    plan = make_plan(net, dtype, velocities=velocities)  # type: ignore[arg-type]
    deployment = deploy(plan, task.weights, Affine.of_range(*task.input_range), task.ranges)
    return task, plan, deployment, twin(plan, deployment, folder())


@cache
def linked(platform: str, dtype: str, name: str) -> Path:
    """Return the firmware of such a task for a board."""
    _, plan, deployment, _ = made(dtype, name, velocities=False)
    return target(platform, plan, deployment, folder())


def folder() -> Path:
    place = Path(tempfile.mkdtemp(prefix="resume-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def train(dtype: str, name: str = "conv-pool", **changes) -> Whole:
    settings = {
        "steps": STEPS, "batch_size": 4, "policy": "dynamic", "min_ratio": 0.3, "max_ratio": 1.0, "momentum": 0.9,
        "range_smoothing": 0.1, "epoch_steps": 11, "record_steps": STEPS, "evaluate_at_end": TESTS, "seed": 77,
    }  # fmt: skip
    request = RunRequest(**{**settings, **changes})
    task, plan, _, executable = made(dtype, name, velocities=request.optimizer != "standardized")
    run = run_twin(executable, request, task.store.pack(), timeout_s=60, saved_steps=PLACES)
    return Whole(task, plan, executable, request, run.records, run.state, run.saved)


VARIANTS = [
    *({"policy": policy, "rounding": "stochastic"} for policy in POLICIES),
    *({"policy": "dynamic", "ratio_form": form} for form in RATIO_FORMS),
    *({"optimizer": optimizer, "rounding": "stochastic"} for optimizer in OPTIMIZERS[1:]),
    {"epoch_steps": 0},
    {"weight_smoothing": 0.5, "weight_slack": 0.3},
]


@pytest.mark.parametrize("dtype", ["uint8", "mixed", "float32"])
@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(map(str, changes.values())))
def test_the_twin_goes_on_from_any_step_as_if_it_had_never_stopped(dtype, changes):
    whole = train(dtype, **changes)
    for place in PLACES:
        request, store = whole.rest(place)
        run = run_twin(whole.twin, request, store.pack(), timeout_s=60)
        whole.check(place, run.records, run.state)


@pytest.mark.parametrize(
    ("platform", "dtype", "policy"),
    [
        *(("nrf52840", dtype, policy) for dtype, policy in itertools.product(("uint8", "mixed", "float32"), POLICIES)),
        *((board, dtype, "dynamic") for board, dtype in itertools.product(("rp2040", "imxrt1062"), ("uint8", "mixed"))),
    ],
)
def test_a_target_goes_on_from_a_state_of_the_twin_bit_by_bit(platform, dtype, policy):
    whole = train(dtype, policy=policy, rounding="stochastic")
    elf = linked(platform, dtype, "conv-pool")
    for place in PLACES:
        whole.check(place, *run_target(platform, elf, whole.plan, *whole.rest(place)))


def test_gradients_that_wait_to_be_added_are_part_of_a_state():
    whole = train("uint8", "wide", policy="full", batch_size=11)
    held = next(tensor for tensor in whole.plan.tensors if tensor.name.startswith("burst_held"))
    at = whole.plan.offsets[held]
    assert whole.saved[3][at] == 3
    elf = linked("nrf52840", "uint8", "wide")
    for place in PLACES:
        whole.check(place, *run_target("nrf52840", elf, whole.plan, *whole.rest(place)))


def test_a_state_that_differs_in_one_bit_does_not_go_on_the_same():
    whole = train("uint8", policy="random")
    request, store = whole.rest(3)
    for tensor in (whole.plan.shared, whole.plan.trained[0].selection, whole.plan.trained[0].gradient):
        state = bytearray(store.state)
        state[whole.plan.offsets[tensor]] ^= 1
        run = run_twin(whole.twin, request, replace(store, state=bytes(state)).pack(), timeout_s=60)
        assert run.state != whole.state


def test_a_run_that_shall_go_on_without_a_state_of_its_plan_is_refused():
    whole = train("float32")
    request, store = whole.rest(3)
    for state in (b"", store.state[:-4]):
        with pytest.raises(EngineError, match="no state of this plan to go on from"):
            run_twin(whole.twin, request, replace(store, state=state).pack(), timeout_s=60)
