"""Ranges of activations and errors, found by the float32 twin on training data before deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from harness.build import build_firmware
from harness.cache import Cache, Output, code_hash
from harness.engine.request import RunRequest
from harness.engine.twin import float_of_bits, run_twin
from harness.model import LayerWeights, Network
from harness.pipeline.deployed_plan import SOURCE, DeployedPlan
from harness.pipeline.training_data import TrainingData
from harness.plan import Ranges, make_plan


def calibrate(
    cache: Cache,
    network: Network,
    trainable_layers: int | Literal["all"],
    weights: Sequence[LayerWeights | None],
    data: TrainingData,
    samples: int,
    timeout_s: float,
) -> Ranges:
    """Return the extremes of every activation and error over the first `samples` steps, without any update."""
    observed = DeployedPlan(make_plan(network, "float32", trainable_layers), weights, (0.0, 1.0))
    source = observed.source(cache).read(SOURCE).decode()
    build = build_firmware("host-observe", {"plan.c": source}, cache=cache)
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

    def observe() -> Output:
        run = run_twin(build.executable, request, data.store().first_steps(samples, 0).pack(), timeout_s)
        spans = [
            (float_of_bits(record["low"]), float_of_bits(record["high"]))
            for record in run.records
            if record["r"] == "range"
        ]
        # The twin notes the operations that compute a tensor in the order in which they first run.
        operations = observed.plan.operations
        computed = [operation.result for operation in operations if operation.result_member and operation.result]
        return Output({"spans": {tensor.name: list(span) for tensor, span in zip(computed, spans, strict=True)}})

    inputs = {
        "program": build.program,
        "request": request.pack().hex(),
        "data": data.identity,
        "operations": observed.identity,
        "code": code_hash("engine/twin.py", "pipeline/calibration.py"),
    }
    spans: Any = cache.get("calibration", inputs, observe).values["spans"]
    return {name: (low, high) for name, (low, high) in spans.items()}
