"""What happens when a minibatch closes: w <- w - lr (g - mu) / sigma for each structure with a gradient."""

from __future__ import annotations

import copy

import numpy as np

from reference.affine import F, Quant, round_to_bias, sequential_sum


def standardized(gradient: np.ndarray, learning_rate: np.float32) -> np.ndarray:
    """`gradient` (elements,) int32. Return lr (g - mu) / sigma, 0 where sigma is."""
    mean = F(gradient.sum(dtype=np.int64)) / F(gradient.size)
    distance = gradient.astype(F) - mean
    deviation = np.sqrt(sequential_sum(distance * distance) / F(gradient.size))
    factor = learning_rate / deviation if deviation > 0 else F(0)
    return factor * distance


def update_weights(
    weights: np.ndarray,
    quant: Quant,
    gradient: np.ndarray,
    touched: np.ndarray,
    learning_rate: np.float32,
    slack: np.float32,
) -> tuple[np.ndarray, Quant]:
    """Return new (weights, quant). `weights` and `gradient` are (structures, elements), `touched` (structures,)."""
    values = quant.real(weights)
    for o in np.flatnonzero(touched):
        values[o] = values[o] - standardized(gradient[o], learning_rate)
    low, high = min(values.min(), F(0)), max(values.max(), F(0))
    after = copy.copy(quant)
    fits = low >= quant.low and high <= quant.high and high - low >= (F(1) - slack) * (quant.high - quant.low)
    if not fits:
        after.set_range(low, high)
    result = after.quantized(values)
    if fits:
        result[touched == 0] = weights[touched == 0]
    return result, after


def update_bias(
    bias: np.ndarray,
    gradient: np.ndarray,
    touched: np.ndarray,
    learning_rate: np.float32,
    error_scale: np.float32,
    batch_size: int,
    unit: np.float32,
) -> np.ndarray:
    """b <- b - lr mean(g_b); one unit of the int32 bias is worth `unit`, one of its gradient `error_scale`."""
    factor = learning_rate * error_scale / (F(batch_size) * unit)
    moved = round_to_bias(bias.astype(F) - factor * gradient.astype(F))
    return np.where(touched != 0, moved, bias).astype(np.int32)


def change_bias_unit(bias: np.ndarray, before: np.float32, after: np.float32) -> np.ndarray:
    """The same real bias in another unit."""
    factor = before / after
    return bias if factor == F(1) else round_to_bias(bias.astype(F) * factor)
