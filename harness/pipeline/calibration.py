"""Ranges of activations and errors, found by the float32 twin on training data before deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.build import build_firmware, plan_source
from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import float_of_bits, run_twin
from harness.model import LayerWeights, Network
from harness.plan import Affine, Ranges, deploy, make_plan


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
    spans = [
        (float_of_bits(record["low"]), float_of_bits(record["high"]))
        for record in run.records
        if record["r"] == "range"
    ]
    # The twin notes the operations that compute a tensor in the order in which they first run.
    computed = [operation.result for operation in plan.operations if operation.result_member and operation.result]
    return {tensor.name: span for tensor, span in zip(computed, spans, strict=True)}
