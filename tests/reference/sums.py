"""Sums of two uint8 tensors with scales of their own, exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from reference.affine import F, Quant


def exact_sum(
    left: np.ndarray, left_quant: Quant, right: np.ndarray, right_quant: Quant, scale: np.float32
) -> list[Fraction]:
    """Return (l - z_l) s_l / s + (r - z_r) s_r / s, the quotients of scales in float32 and all else exact."""
    factors = [Fraction(float(quant.scale / scale)) for quant in (left_quant, right_quant)]
    centered = (left_quant.centered(left).ravel(), right_quant.centered(right).ravel())
    return [int(a) * factors[0] + int(b) * factors[1] for a, b in zip(*centered, strict=True)]


def rounded_sum(sums: list[Fraction], zero_point: int) -> np.ndarray:
    """Return clamp(floor(sum + 1/2) + zero_point)."""
    values = [min(max((value + Fraction(1, 2)).__floor__() + zero_point, 0), 255) for value in sums]
    return np.array(values, dtype=np.uint8)


def nearest_float(value: Fraction) -> np.float32:
    """Return `value`, whose denominator is a power of two and numerator below 2^63, rounded once to float32."""
    exponent = value.denominator.bit_length() - 1
    return np.ldexp(np.int64(value.numerator).astype(F), -exponent)
