"""hard-swish, h(x) = x relu6(x + 3) / 6, and its derivative."""

from __future__ import annotations

import numpy as np

from reference.affine import F, Quant

DERIVATIVE_UNIT = 1 << 20


def hard_swish(x: np.ndarray) -> np.ndarray:
    """Return x (x + 3) (1 / 6) between -3 and 3, each operation rounded once to the type of `x`."""
    one = x.dtype.type(1)
    middle = x * (x + 3 * one) * (one / (6 * one))
    return np.where(x <= -3, 0 * one, np.where(x < 3, middle, x))


def hard_swish_derivative(x: np.ndarray) -> np.ndarray:
    """Return (x + 3/2) (1 / 3) between -3 and 3, likewise."""
    one = x.dtype.type(1)
    middle = (x + one * 1.5) * (one / (3 * one))
    return np.where(x <= -3, 0 * one, np.where(x < 3, middle, one))


def derivative_units(q: np.ndarray, quant: Quant) -> np.ndarray:
    """Return the derivative at quantized `q` in units of 2^-20, the nearest integers, halves away from zero."""
    exact = (hard_swish_derivative(quant.real(q)) * F(DERIVATIVE_UNIT)).astype(np.float64)
    return (np.sign(exact) * np.floor(np.abs(exact) + 0.5)).astype(np.int64)
