"""Ranges of activations and errors, found by the float32 twin on training data before deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.build import build_firmware, plan_source
from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import float_of_bits, run_twin
from harness.model import Flatten, LayerWeights, MaxPool2d, Network
from harness.plan import Ranges, deploy, make_plan
from harness.plan.deployment import Affine, Range
from harness.trace import PHASES

_FORWARD = PHASES.index("forward")
_LOSS = PHASES.index("loss")


def calibrate(
    network: Network,
    trainable_layers: int | Literal["all"],
    weights: Sequence[LayerWeights | None],
    store: SampleStore,
    samples: int,
    timeout_s: float,
) -> Ranges:
    """Return the extremes of every activation and error over the first `samples` steps, without any update."""
    plan = make_plan(network, "float32", trainable_layers)
    source = plan_source(plan, deploy(plan, weights, Affine.of_range(0, 1), None))
    build = build_firmware("host-observe", {"plan.c": source})
    request = RunRequest(
        steps=samples,
        batch_size=samples + 1,
        policy="full",
        learning_rate=0.0,
        min_ratio=1.0,
        max_ratio=1.0,
        range_smoothing=0.0,
        weight_slack=0.0,
    )
    run = run_twin(build.executable, request, store.first_steps(samples, 0).pack(), timeout_s)
    activations: dict[int, Range] = {}
    errors: dict[int, Range] = {}
    for record in run.records:
        if record["r"] != "range":
            continue
        span = float_of_bits(record["low"]), float_of_bits(record["high"])
        if record["phase"] == _FORWARD:
            activations[record["layer"] + 1] = span
        elif record["phase"] == _LOSS:
            errors[len(network.layers)] = span
        else:
            errors[record["layer"]] = span
    # Flatten moves no data, and pooling keeps the quantization of what it pools.
    for index in reversed(range(len(network.layers))):
        if isinstance(network.layers[index], Flatten | MaxPool2d) and index + 1 in errors:
            errors[index] = errors[index + 1]
    return Ranges(activations, errors)
