"""Activations that are folded into the layer before them: none, relu and relu6, on real and on quantized values."""

from __future__ import annotations

import math

import numpy as np

from reference.affine import F, Quant

ACTIVATIONS = ("none", "relu", "relu6")
"""In the order of the numbers that the C enum gives them."""


def activated(activation: str, x: np.ndarray) -> np.ndarray:
    """Return what comes out for real `x`."""
    if activation == "none":
        return x
    return np.clip(x, 0, 6 if activation == "relu6" else None)


def six(quant: Quant) -> int:
    """Return the quantized six: z + 6 / s, rounded half up; 255 when it lies beyond."""
    return min(math.floor(F(quant.zero_point) + F(6) / quant.scale + F(0.5)), 255)


def activated_u8(activation: str, q: np.ndarray, quant: Quant) -> np.ndarray:
    """Return what comes out for quantized `q`."""
    if activation == "none":
        return q
    return np.clip(q, quant.zero_point, six(quant) if activation == "relu6" else 255).astype(np.uint8)


def passes(activation: str, y: np.ndarray) -> np.ndarray:
    """Return where the derivative is 1, from real `y` that came out of the activation."""
    if activation == "none":
        return np.full(y.shape, True)
    return (y > 0) & (y < 6) if activation == "relu6" else y > 0


def passes_u8(activation: str, q: np.ndarray, quant: Quant) -> np.ndarray:
    """Return the same for quantized `q`; a range that ends below six holds no six."""
    if activation == "none":
        return np.full(q.shape, True)
    result = q > quant.zero_point
    if activation == "relu6" and six(quant) < 255:
        result &= q < six(quant)
    return np.asarray(result)
