"""Twin and emulated firmware agree in every bit of records and state; where they do not, the message says where."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from small_networks import NETWORKS, Task, make_task

from harness.build import Build, Image, build_firmware, memory_script, plan_source
from harness.engine.job import Job
from harness.engine.request import RunRequest
from harness.engine.twin import run_twin
from harness.engine.worker import run_isolated
from harness.errors import AgreementError
from harness.pipeline.agreement import check_agreement
from harness.plan import Plan, deploy, make_plan
from harness.plan.deployment import Affine
from harness.platform import load_platform

PLATFORMS = ("nrf52840", "rp2040", "imxrt1062", "stm32l4r5zi")
DTYPES = ("uint8", "float32")
STEPS, TESTS = 64, 8

FULL = {"policy": "full", "learning_rate": 0.02}
PARTIAL = {"policy": "dynamic", "min_ratio": 0.2, "weight_slack": 0.3, "rounding": "stochastic"}
VARIANTS = {"all structures": FULL, "partial updates": PARTIAL}

NETWORK = NETWORKS["overlapping-pools"]


@cache
def task() -> Task:
    return make_task(NETWORK, seed=2, steps=STEPS)


@cache
def plan_of(dtype: str) -> tuple[Plan, str]:
    plan = make_plan(NETWORK, dtype)  # type: ignore[arg-type]
    deployment = deploy(plan, task().weights, Affine.of_range(*task().input_range), task().ranges)
    return plan, plan_source(plan, deployment)


@cache
def build(preset: str, dtype: str) -> Build:
    files = {"plan.c": plan_of(dtype)[1]}
    if preset == "host":
        return build_firmware(preset, files, "-O3")
    files["memory.ld"] = memory_script(load_platform(preset), 32 * 1024, 128 * 1024, 2048)
    return build_firmware(preset, files)


def request(**changes) -> RunRequest:
    settings = {
        "steps": STEPS, "batch_size": 4, "policy": "full", "learning_rate": 0.01, "min_ratio": 0.1, "max_ratio": 1.0,
        "range_smoothing": 0.1, "weight_slack": 0.0, "record_steps": STEPS, "evaluate_at_end": TESTS,
    }  # fmt: skip
    return RunRequest(**{**settings, **changes})


def on_target(platform: str, dtype: str, run: RunRequest):
    """Return records and state of an emulation."""
    board, plan = load_platform(platform), plan_of(dtype)[0]
    elf = build(platform, dtype).executable
    symbols = Image(elf).symbols
    store = task().store.first_steps(run.steps, TESTS).pack()
    trace = run_isolated(
        Job(
            elf,
            board,
            writes=((symbols["run_request"].address, run.pack()), (board.memory("samples").origin, store)),
            reads={"state": (symbols["arena"].address, plan.state_bytes)},
            timeout_s=60,
        )
    )
    return trace.records, trace.memory["state"]


def on_twin(dtype: str, run: RunRequest, store: bytes | None = None):
    """Return records and state of the twin."""
    data = task().store.first_steps(run.steps, TESTS).pack() if store is None else store
    twin = run_twin(build("host", dtype).executable, run, data, timeout_s=60)
    return twin.records, twin.state


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_sixty_four_steps_on_the_target_equal_those_of_the_twin(platform, dtype, variant):
    run = request(**VARIANTS[variant])
    records, state = on_target(platform, dtype, run)
    twin_records, twin_state = on_twin(dtype, run)
    check_agreement(plan_of(dtype)[0], records, twin_records, state, twin_state)
    assert len([record for record in records if record["r"] == "update"]) == STEPS / 4
    selected = {tuple(record["k"]) for record in records if record["r"] == "step"}
    assert (len(selected) > 1) == (variant == "partial updates")


@pytest.fixture(scope="module")
def target():
    """Records and state of a short emulation that ends with gradients in the state."""
    return on_target("nrf52840", "uint8", SHORT)


SHORT = request(steps=6, record_steps=6)


def disagreement(target, twin) -> str:
    with pytest.raises(AgreementError) as error:
        check_agreement(plan_of("uint8")[0], target[0], twin[0], target[1], twin[1])
    return str(error.value)


def test_another_learning_rate_is_noticed_in_the_first_update(target):
    message = disagreement(target, on_twin("uint8", request(steps=6, record_steps=6, learning_rate=0.011)))
    assert message.startswith("twin and target differ in record 6: target {'r': 'update', 'n': 4, 'state': ")


def test_one_flipped_bit_of_one_sample_is_noticed(target):
    store = task().store.first_steps(6, TESTS)
    clean = store.pack()
    flipped = bytearray(clean)
    first_sample = len(clean) - (len(store.train) + TESTS) * store.train.shape[1]
    visited_first = int(store.order[0]) * store.train.shape[1]
    middle = first_sample + visited_first + store.train.shape[1] // 2
    flipped[middle] ^= 0x80
    assert disagreement(target, on_twin("uint8", SHORT, bytes(flipped))).startswith(
        "twin and target differ in record 2"
    )
    assert on_twin("uint8", SHORT, clean)[0] == target[0]


def test_one_flipped_bit_of_the_state_is_noticed_and_its_tensor_named(target):
    plan = plan_of("uint8")[0]
    for tensor in plan.tensors:
        if tensor.place == "state":
            state = bytearray(target[1])
            state[plan.offsets[tensor] + tensor.size_bytes - 1] ^= 1
            message = disagreement(target, (target[0], bytes(state)))
            expected = f"{tensor.name}, byte {tensor.size_bytes - 1} of {tensor.size_bytes}"
            assert message == f"the final states of twin and target differ in {expected}"


def test_a_missing_record_is_noticed(target):
    message = disagreement(target, (target[0][:-1], target[1]))
    assert message == f"the target wrote {len(target[0])} records, the twin {len(target[0]) - 1}"


def test_a_run_leaves_gradients_in_the_state_when_its_last_minibatch_is_open(target):
    plan = plan_of("uint8")[0]
    gradient = plan.trained[0].gradient
    at = plan.offsets[gradient]
    assert np.frombuffer(target[1][at : at + gradient.size_bytes], dtype="<i4").any()
