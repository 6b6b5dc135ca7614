"""The numbers that go into a plan before its first step: quantized weights, ranges, initial state."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model import LayerWeights
from harness.plan.plan import Plan
from harness.plan.tensor import Tensor

SMALLEST_WIDTH = np.float32(1e-6)

Range = tuple[float, float]

FIXED_ERROR_RANGE: Range = (-1.0, 1.0)


@dataclass(frozen=True)
class Ranges:
    """Real ranges found by calibration: activations by layer boundary (0 is the input), errors likewise."""

    activations: Mapping[int, Range]
    errors: Mapping[int, Range]


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

    `weights` has one entry a layer; `input_range` is the quantization of the samples; `ranges` are needed for uint8.
    """
    contents: dict[Tensor, bytes] = {}
    affine: dict[Tensor, Affine] = {}

    def set_quant(quant: Tensor | None, value: Affine) -> None:
        if quant is not None:
            affine[quant] = value
            contents[quant] = value.pack(quant in plan.tracked)

    set_quant(plan.input.quant, input_range)
    if plan.dtype == "uint8":
        assert ranges is not None
        for layer in plan.layers:
            if layer.weights is not None:
                set_quant(layer.output.quant, Affine.of_range(*ranges.activations[layer.index + 1]))
            error = layer.output_error
            if error is not None and error.quant is not None and error.quant not in affine:
                known = error.quant in plan.tracked
                span = ranges.errors[layer.index + 1] if known else FIXED_ERROR_RANGE
                set_quant(error.quant, Affine.of_range(*span))
    for layer, drawn in zip(plan.layers, weights, strict=True):
        if layer.weights is None or layer.bias is None or drawn is None:
            continue
        if layer.weights.quant is None:
            contents[layer.weights] = drawn.weights.astype("<f4").tobytes()
            contents[layer.bias] = drawn.bias.astype("<f4").tobytes()
            unit = np.float32(0)
        else:
            weight_range = Affine.of_range(float(drawn.weights.min()), float(drawn.weights.max()))
            set_quant(layer.weights.quant, weight_range)
            contents[layer.weights] = weight_range.quantize(drawn.weights).tobytes()
            assert layer.input.quant is not None
            unit = affine[layer.input.quant].scale * weight_range.scale
            contents[layer.bias] = np.rint(drawn.bias / unit).astype("<i4").tobytes()
        if layer.structures is not None:
            contents[layer.structures.selection] = struct.pack("<fIf", 0.0, 0, unit)
    state = bytearray(plan.initial_bytes)
    for tensor, data in contents.items():
        if tensor.place == "state":
            offset = plan.offsets[tensor]
            state[offset : offset + len(data)] = data
    return Deployment(contents, bytes(state))
