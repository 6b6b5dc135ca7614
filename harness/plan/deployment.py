"""The numbers that go into a plan before its first step: quantized weights, ranges, initial state."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model import LayerWeights
from harness.plan.plan import Plan, PlannedNode
from harness.plan.tensor import Tensor

SMALLEST_WIDTH = np.float32(1e-6)

Range = tuple[float, float]

FIXED_ERROR_RANGE: Range = (-1.0, 1.0)


Ranges = Mapping[str, Range]
"""Real ranges found by calibration, by the name of the tensor; the same names in a plan of any data type."""


@dataclass(frozen=True)
class Deployment:
    """Bytes of every tensor that does not start as zero: those of the state, and the constants in flash."""

    contents: Mapping[Tensor, bytes]
    initial_state: bytes


@dataclass(frozen=True)
class Affine:
    """Scale (float32) and zero point of a range; `pack` gives struct quant of firmware/trainer/plan.h."""

    low: np.float32
    high: np.float32
    scale: np.float32
    zero_point: int

    @classmethod
    def of_range(cls, low: float, high: float) -> Affine:
        """Return the quantization that covers [low, high] and zero, as quant_set_range in firmware/numeric/affine.c."""
        lowest = min(np.float32(low), np.float32(0))
        highest = max(np.float32(high), np.float32(0))
        if highest - lowest < SMALLEST_WIDTH:
            highest = lowest + SMALLEST_WIDTH
        scale = (highest - lowest) / np.float32(255)
        return cls(lowest, highest, scale, int(-lowest / scale + np.float32(0.5)))

    def quantize(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return `values` as uint8, rounded half up."""
        scaled = values.astype(np.float64) / float(self.scale) + self.zero_point
        return np.clip(np.floor(scaled + 0.5), 0, 255).astype(np.uint8)

    def pack(self, tracked: bool) -> bytes:
        """Return the bytes of struct quant."""
        return struct.pack("<fiffffi", self.scale, self.zero_point, self.low, self.high, 0.0, 0.0, tracked)


def deploy(
    plan: Plan, weights: Sequence[LayerWeights | None], input_range: Affine, ranges: Ranges | None
) -> Deployment:
    """Return the initial contents of `plan`.

    `weights` has one entry a layer, batch normalization folded; `input_range` is the quantization of the samples;
    `ranges` are needed for every plan with uint8 tensors.
    """
    return _Deployer(plan, ranges or {}).deploy(weights, input_range)


class _Deployer:
    def __init__(self, plan: Plan, ranges: Ranges) -> None:
        self._plan = plan
        self._ranges = ranges
        self._affine: dict[Tensor, Affine] = {}
        self._contents: dict[Tensor, bytes] = {}

    def deploy(self, weights: Sequence[LayerWeights | None], input_range: Affine) -> Deployment:
        plan = self._plan
        self._set_quant(plan.input.quant, input_range)
        for planned in plan.nodes:
            self._set_activation(planned.output)
        for error in (plan.logits_error, *(planned.input_error for planned in plan.nodes)):
            self._set_error(error)
        for meeting in plan.meetings:
            self._set_error(meeting.result)
        for planned in plan.nodes:
            entry = weights[planned.node.layer]
            if planned.weights is not None and entry is not None:
                self._set_weights(planned, entry)
        state = bytearray(plan.initial_bytes)
        for tensor, data in self._contents.items():
            if tensor.place == "state":
                offset = plan.offsets[tensor]
                state[offset : offset + len(data)] = data
        return Deployment(self._contents, bytes(state))

    def _set_quant(self, quant: Tensor | None, value: Affine) -> None:
        if quant is not None and quant not in self._affine:
            self._affine[quant] = value
            self._contents[quant] = value.pack(quant in self._plan.tracked)

    def _range(self, quant: Tensor) -> Range:
        """Return the calibrated range of the tensor that owns `quant`; others may share it."""
        return self._ranges[quant.name.removesuffix("_quant")]

    def _set_activation(self, tensor: Tensor) -> None:
        if tensor.quant is not None and tensor.quant not in self._affine:
            self._set_quant(tensor.quant, Affine.of_range(*self._range(tensor.quant)))

    def _set_error(self, tensor: Tensor | None) -> None:
        if tensor is None or tensor.quant is None or tensor.quant in self._affine:
            return
        tracked = tensor.quant in self._plan.tracked
        self._set_quant(tensor.quant, Affine.of_range(*(self._range(tensor.quant) if tracked else FIXED_ERROR_RANGE)))

    def _set_weights(self, planned: PlannedNode, entry: LayerWeights) -> None:
        assert planned.weights is not None
        assert planned.bias is not None
        unit = np.float32(0)
        if planned.weights.quant is None:
            self._contents[planned.weights] = entry.weights.astype("<f4").tobytes()
            self._contents[planned.bias] = entry.bias.astype("<f4").tobytes()
        else:
            span = Affine.of_range(float(entry.weights.min()), float(entry.weights.max()))
            self._set_quant(planned.weights.quant, span)
            self._contents[planned.weights] = span.quantize(entry.weights).tobytes()
            source = planned.inputs[0].quant
            assert source is not None
            unit = self._affine[source].scale * span.scale
            self._contents[planned.bias] = np.rint(entry.bias / unit).astype("<i4").tobytes()
        if planned.structures is not None:
            self._contents[planned.structures.selection] = struct.pack("<fIf", 0.0, 0, unit)


def weights_in_state(plan: Plan, deployment: Deployment, state: bytes) -> list[LayerWeights | None]:
    """Return the real weights of every layer after a training that ended with `state`; None where there are none."""
    found: list[LayerWeights | None] = [None] * len(plan.network.layers)

    def content(tensor: Tensor) -> bytes:
        if tensor.place == "flash":
            return deployment.contents[tensor]
        return state[plan.offsets[tensor] : plan.offsets[tensor] + tensor.size_bytes]

    for planned in plan.nodes:
        weights, bias, source = planned.weights, planned.bias, planned.inputs[0].quant
        if weights is None or bias is None:
            continue
        shape = (planned.node.structures, planned.node.elements)
        if weights.quant is None:
            values = np.frombuffer(content(weights), dtype="<f4")
            biases = np.frombuffer(content(bias), dtype="<f4")
        else:
            assert source is not None
            scale, zero_point = struct.unpack_from("<fi", content(weights.quant))
            unit = np.float32(struct.unpack_from("<f", content(source))[0]) * np.float32(scale)
            values = (np.frombuffer(content(weights), dtype=np.uint8).astype(np.int32) - zero_point) * np.float32(scale)
            biases = np.frombuffer(content(bias), dtype="<i4") * unit
        found[planned.node.layer] = LayerWeights(values.reshape(shape).astype(np.float32), biases.astype(np.float32))
    return found
