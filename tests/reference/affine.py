"""Affine uint8 arithmetic: real = scale * (q - zero_point)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

F = np.float32

ZERO = F(0)
HALF = F(0.5)
ONE = F(1)

BIAS_LIMIT = 1 << 30
SMALLEST_WIDTH = F(1e-6)


@dataclass
class Quant:
    """Quantization of one tensor, the range it covers, and what was seen since the last update."""

    scale: np.float32
    zero_point: int
    low: np.float32 = ZERO
    high: np.float32 = ZERO
    seen_low: np.float32 = ZERO
    seen_high: np.float32 = ZERO
    tracked: bool = False

    @classmethod
    def covering(cls, low: float, high: float, tracked: bool = False) -> Quant:
        quant = cls(F(1), 0, tracked=tracked)
        quant.set_range(F(low), F(high))
        return quant

    def set_range(self, low: np.float32, high: np.float32) -> None:
        """Cover [low, high] and zero: s = (high - low) / 255, z = round(-low / s)."""
        self.low, self.high = min(F(low), F(0)), max(F(high), F(0))
        if self.high - self.low < SMALLEST_WIDTH:
            self.high = self.low + SMALLEST_WIDTH
        self.scale = (self.high - self.low) / F(255)
        self.zero_point = math.floor(-self.low / self.scale + F(0.5))

    def see(self, values: np.ndarray) -> None:
        """Note the extremes of float32 `values`."""
        if values.size:
            self.seen_low = min(self.seen_low, values.min())
            self.seen_high = max(self.seen_high, values.max())

    def follow(self, smoothing: np.float32) -> None:
        """Move the range towards what was seen, and forget what was seen."""
        self.set_range(
            self.low + smoothing * (self.seen_low - self.low), self.high + smoothing * (self.seen_high - self.high)
        )
        self.seen_low = self.seen_high = F(0)

    def centered(self, q: np.ndarray) -> np.ndarray:
        """Return q - zero_point as int64."""
        return q.astype(np.int64) - self.zero_point

    def real(self, q: np.ndarray) -> np.ndarray:
        return self.centered(q).astype(F) * self.scale

    def quantized(self, values: np.ndarray, offset: np.ndarray | np.float32 = HALF) -> np.ndarray:
        """Return float32 `values` as uint8: rounded half up, or down after adding random offsets of 0 to 1."""
        q = values * (F(1) / self.scale) + (F(self.zero_point) + offset)
        return np.clip(np.floor(q), 0, 255).astype(np.uint8)

    def pack(self) -> bytes:
        """Return the bytes of struct quant on a little-endian machine."""
        return struct.pack(
            "<fiffffi",
            self.scale, self.zero_point, self.low, self.high, self.seen_low, self.seen_high, self.tracked,
        )  # fmt: skip


def requantize(sums: np.ndarray, factor: np.float32, zero_point: int) -> np.ndarray:
    """Return clamp(floor(sums * factor + 1/2) + zero_point), exactly."""
    mantissa, exponent = np.frexp(factor)
    shift = int(24 - exponent)
    whole = int(mantissa * (1 << 24))
    # Beyond these shifts every sum but 0 saturates, or vanishes.
    shift = min(max(shift, 1), 62)
    rounded = (sums.astype(np.int64) * whole + (1 << (shift - 1))) >> shift
    return np.clip(rounded + zero_point, 0, 255).astype(np.uint8)


def saturated(sums: np.ndarray) -> np.ndarray:
    """Return exact sums as the int32 that is nearest."""
    limits = np.iinfo(np.int32)
    return np.clip(sums, limits.min, limits.max).astype(np.int32)


def round_to_bias(values: np.ndarray) -> np.ndarray:
    """Round float32 `values` half away from zero, saturated to +-2^30."""
    exact = values.astype(np.float64)
    rounded = np.sign(exact) * np.floor(np.abs(exact) + 0.5)
    return np.clip(rounded, -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)


def sequential_sum(values: np.ndarray) -> np.float32:
    """Return the float32 sum from the first value to the last (numpy's own sum is pairwise)."""
    return np.add.accumulate(values.astype(F), dtype=F)[-1] if values.size else F(0)
