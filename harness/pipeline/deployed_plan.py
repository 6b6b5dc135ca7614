"""A plan with the numbers that it starts from, and its source plan.c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from harness.assets import content_hash
from harness.build import plan_source
from harness.cache import Cache, Entry, Output, code_hash
from harness.model import LayerWeights
from harness.plan import Affine, Deployment, Plan, Ranges, deploy

SOURCE = "plan.c"


@dataclass(frozen=True)
class DeployedPlan:
    """A plan, folded float32 `weights` (one entry a layer), the real range of the samples, and calibrated ranges."""

    plan: Plan
    weights: Sequence[LayerWeights | None]
    input_range: tuple[float, float]
    ranges: Ranges | None = None

    @cached_property
    def deployment(self) -> Deployment:
        """Return the initial contents of the tensors."""
        return deploy(self.plan, self.weights, Affine.of_range(*self.input_range), self.ranges)

    @cached_property
    def identity(self) -> dict[str, JsonValue]:
        """Return what decides every byte of plan.c and the layout of its state."""
        plan, network = self.plan, self.plan.network
        return {
            "network": [network.name, network.description, list(network.input_shape)],
            "layers": [{"type": type(layer).__name__, **layer.model_dump(mode="json")} for layer in network.layers],
            "dtype": plan.dtype,
            "trained_layers": plan.trained_layers,
            "tracked": [plan.tracked_activations, plan.tracked_errors],
            "velocities": plan.velocities,
            "gradient_bits": plan.gradient_bits,
            "weights": _weights_hash(self.weights),
            "input_range": list(self.input_range),
            "ranges": None if self.ranges is None else {name: list(span) for name, span in self.ranges.items()},
            "code": code_hash("model", "plan", "build/source.py", "pipeline/deployed_plan.py"),
        }

    def source(self, cache: Cache) -> Entry:
        """Return the entry with plan.c."""
        return cache.get(
            "source", self.identity, lambda: Output(files={SOURCE: plan_source(self.plan, self.deployment).encode()})
        )


def _weights_hash(weights: Sequence[LayerWeights | None]) -> str:
    parts = []
    for entry in weights:
        for array in () if entry is None else (entry.weights, entry.bias):
            parts += [f"{array.dtype.str} {array.shape}".encode(), array.tobytes()]
        parts.append(b"layer")
    return content_hash(parts)
